"""The report: numbers and sentences against the metrics, hostile text stays text, a browser draws it without fault."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from cgcnn.errors import InputError
from cgcnn.metrics import evaluate, summarise
from cgcnn.report.compare import gain, ranked, verdict
from cgcnn.report.contents import elements_of
from cgcnn.report.figures.base import styles
from cgcnn.report.page import VARIANTS_PAGE, render
from cgcnn.report.results import Run, load
from cgcnn.report.words import DASH, decimals_for, number
from cgcnn.tables import EXAMINATION, PREDICTIONS, REJECTS, SPLIT, structures_schema, write_json, write_table

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"
BESIDE = {"../study/index.html", "../limits/index.html", VARIANTS_PAGE}  # pages of other rules, linked and not loaded
TASKS = {
    "energy": {
        "kind": "regression", "target": "formation_energy_per_atom", "unit": "eV/atom",
        "families": ["perovskite"], "positive": None,
    },
    "family": {
        "kind": "classification", "target": "family", "unit": "",
        "families": ["perovskite", "oxide"], "positive": "perovskite",
    },
}  # fmt: skip
NOISE = {"mean": 1.0, "elements": 0.5, "composition": 0.3, "none": 0.3, "shared": 0.2, "gated": 0.1}
EMBEDDED = {
    "source": "embedded",
    "label_method": "A surrogate. The labels are not DFT.",
    "licence": "MIT",
    "attribution": ["A. Author, Journal 1, 1 (2011)", HOSTILE],
    "sample": {"perovskite": 31},
}


def write_run(
    folder: Path,
    about: Mapping[str, Any] = EMBEDDED,
    seeds: Sequence[int] = (0, 1),
    splits: Sequence[str] = ("formula",),
    variants: Sequence[str] = ("none", "shared", "gated"),
    baselines: Sequence[str] = ("mean", "elements", "composition"),
    one_class: bool = False,
    examination: bool = True,
    n: int = 60,
) -> dict[str, Any]:
    """Write what a run leaves on disk, made up, and return the section of the configuration."""
    rng = np.random.default_rng(0)
    ids = [HOSTILE if i == 6 else f"m-{i:03d}" for i in range(n)]  # a perovskite of the test materials
    family = np.where(np.arange(n) % 2 == 0, "perovskite", "oxide")
    energy = rng.normal(-2, 1, n)
    structures = pa.table(
        {
            "material_id": ids,
            "formula": [HOSTILE if i == 6 else "BaTiO3" for i in range(n)],
            "family": family,
            "perovskite_kind": np.where(family == "perovskite", "perovskite", "none"),
            "prototype": ["ABC3_221_abc"] * n,
            "space_group": [221] * n,
            "n_sites": [5] * n,
            "lattice": [[4.0, 0, 0, 0, 4, 0, 0, 0, 4]] * n,
            "atomic_numbers": [[56, 22, 8, 8, 8]] * n,
            "frac_coords": [[0, 0, 0, 0.5, 0.5, 0.5, 0.5, 0.5, 0, 0.5, 0, 0.5, 0, 0.5, 0.5]] * n,
            "formation_energy_per_atom": energy,
        }
    )
    schema = structures_schema({"formation_energy_per_atom": "eV/atom"})
    write_table(folder / "data/structures.parquet", structures, schema, about)
    rejects = pa.table({"material_id": ["bad"], "origin": ["x.csv row 3"], "reason": [f"unparsable: {HOSTILE}"]})
    write_table(folder / "data/rejects.parquet", rejects, REJECTS, about)
    subset = np.array(["train", "train", "validation", "test"])[np.arange(n) // 2 % 4]
    for task, facts in TASKS.items():
        target = energy if facts["kind"] == "regression" else (family == "perovskite").astype(float)
        if one_class and facts["kind"] == "classification":
            target = np.where(subset == "test", 1.0, target)
        for split in splits:
            table = pa.table({"material_id": ids, "subset": subset, "target": target})
            write_table(folder / f"data/splits/{split}/{task}.parquet", table, SPLIT, about)
            names = {"baselines": baselines} if baselines else {}
            for model, members in (names | {name: [name] for name in variants}).items():
                place = folder / "results" / task / split / model
                _write_results(place, facts["kind"], members, seeds, ids, subset, target, rng)
            if examination:
                _write_examination(folder / "results" / task / split, variants, ids, subset, rng)
    settings = {
        "evaluation": {"bootstrap": 200, "seed": 0},
        "variants": {name: {"conv": name, "model": {"n_conv": 2}, "train": {"epochs": 3}} for name in variants},
        "source": {"name": "embedded", "paths": [HOSTILE], "columns": {}},
        "report": {"title": ""},
        "tasks": TASKS,
        "splits": splits,
        "baselines": baselines,
        "run": "",
    }
    provenance = {
        "cgcnn": "0", "settings": settings, "code": {"train.py": "d1g3st"},
        "versions": {"torch": "2.99"}, "machine": {"cores": 2},
    }  # fmt: skip
    write_json(folder / "results/provenance.json", provenance)
    return {
        "report": {"title": f"Which one? {HOSTILE}"},
        "tasks": TASKS, "splits": splits, "variants": variants, "baselines": baselines,
        "examination": examination,
    }  # fmt: skip


def _write_results(
    place: Path, kind: Any, members: Sequence[str], seeds: Sequence[int], ids: Sequence[str],
    subset: np.ndarray, target: np.ndarray, rng: np.random.Generator,
) -> None:  # fmt: skip
    predictions: dict[str, dict[int, np.ndarray]] = {}
    for name in members:
        errors = {seed: rng.normal(0, NOISE[name], len(ids)) for seed in seeds}
        if kind == "regression":
            predictions[name] = {seed: target + error for seed, error in errors.items()}
        else:
            predictions[name] = {seed: 1 / (1 + np.exp(-4 * (target - 0.5 + 2 * e))) for seed, e in errors.items()}
    rows = [
        {"material_id": i, "model": name, "seed": seed, "subset": part, "target": y, "prediction": p}
        for name in members
        for seed in seeds
        for i, part, y, p in zip(ids, subset, target, predictions[name][seed], strict=True)
    ]
    write_table(place / "predictions.parquet", pa.Table.from_pylist(rows, PREDICTIONS), PREDICTIONS, {})
    models = {name: summarise(kind, target, subset, predictions[name], 200, 0) for name in members}
    metrics = place.parent / "metrics.json"
    known = json.loads(metrics.read_text())["models"] if metrics.exists() else {}
    write_json(metrics, {"kind": kind, "unit": "", "models": known | models})
    if place.name == "baselines":
        fit = {"chosen": "ridge", "metric": "mae", "validation": {"ridge": 0.1}}
        write_json(place / "details.json", {name: dict.fromkeys(map(str, seeds), fit) for name in members})
        return
    losses = ("lr", "train_loss", "validation_loss", "validation_error")
    epochs = [{"epoch": epoch, **dict.fromkeys(losses, 1 / epoch)} for epoch in (1, 2, 3)]
    write_json(place / "history.json", {str(seed): {"best_epoch": 2, "epochs": epochs} for seed in seeds})


def _write_examination(
    place: Path, variants: Sequence[str], ids: Sequence[str], subset: np.ndarray, rng: np.random.Generator
) -> None:
    names = ("pca_x", "pca_y", "umap_x", "umap_y", "distance")
    columns = {"material_id": ids, **{name: rng.normal(size=len(ids)) ** 2 for name in names}}
    training = str(np.array(ids)[subset == "train"][0])
    columns |= {"nearest": [training] * len(ids), "contributions": [[0.1, -0.4, 0, 0, 0]] * len(ids)}
    write_table(place / "examination.parquet", pa.table(columns), EXAMINATION, {})
    change = {"mean": 1e-7, "largest": 4e-3}
    facts = {
        "model": variants[-1], "cells": 4, "invariance": {name: {"supercell": change} for name in variants},
        "elements": {"numbers": [8, 22, 56], "x": [0.0, 1, 2], "y": [0.0, 1, 0], "shares": [0.7, 0.3]},
    }  # fmt: skip
    write_json(place / "examination.json", facts)


def test_numbers_of_tiny_units_keep_their_digits() -> None:
    assert [number(x, decimals_for([0.0681, 0.5])) for x in (0.0681, 0.5)] == ["0.0681", "0.5000"]
    assert [number(x, decimals_for([3e-9, 8.76e-10])) for x in (3e-9, -8.76e-10, 0.0)] == [
        "3.00e\u22129",
        "\u22128.76e\u221210",
        "0.00e0",
    ]
    assert number(0.5, decimals_for([0.5, 1e-12])) == "0.50000"


def load_run(folder: Path, **choices: Any) -> Run:
    section = json.loads(json.dumps(write_run(folder, **choices)))
    return load(section, folder / "data", folder / "results")


class Page(HTMLParser):
    """Tags with their attributes, text, and figures of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.raw: list[tuple[str, dict[str, str | None], str]] = []  # scripts and styles: tag, attributes, content
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag in ("script", "style"):
            self.inside = tag
            self.raw.append((tag, dict(attributes), ""))

    def handle_endtag(self, tag: str) -> None:
        self.inside = "" if tag == self.inside else self.inside

    def handle_data(self, data: str) -> None:
        if self.inside:
            tag, attributes, content = self.raw[-1]
            self.raw[-1] = (tag, attributes, content + data)
        else:
            self.text += " " + data

    @property
    def figures(self) -> dict[str, Any]:
        """Name of each figure, such as energy-formula-scores -> what plotly draws."""
        return {
            str(about["id"]).removesuffix("-data"): json.loads(content)
            for _, about, content in self.raw
            if about.get("type") == "application/json" and about["id"] != "structures"
        }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return load_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def html(run: Run) -> str:
    return render(run)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_same_run_gives_the_same_page(run: Run, html: str) -> None:
    assert render(run) == html
    assert len(html) < 8_000_000


def test_the_page_leads_to_study_limits_and_improved_variants(page: Page) -> None:
    assert {attributes.get("href") for tag, attributes in page.tags if tag == "a"} >= BESIDE


def test_the_page_loads_nothing(page: Page) -> None:
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "img", "base")
        for name in ("src", "srcset", "action", "data", "poster"):
            assert name not in attributes, (tag, attributes)
        assert (attributes.get("href") or "#").startswith("#") or attributes["href"] in BESIDE
    styles = [content for tag, _, content in page.raw if tag == "style"]
    assert styles and not any(loading in style for style in styles for loading in ("@import", "url(", "http"))
    policy = next(about["content"] for tag, about in page.tags if about.get("http-equiv") == "Content-Security-Policy")
    assert policy and policy.startswith("default-src 'none';") and "http" not in policy


def test_text_from_the_data_stays_text(page: Page) -> None:
    assert [tag for tag, _ in page.tags].count("script") == 3 + 1 + len(page.figures)  # and the structures
    assert page.text.count(HOSTILE) >= 4  # title, attribution, reject, setting
    drawn = json.dumps(page.figures["energy-formula-parity-gated"])
    assert "&lt;script&gt;alert(1)" in drawn  # escaped for plotly, which would read it as HTML
    assert not any("<script" in json.dumps(figure) for figure in page.figures.values())


def test_surrogate_labels_are_named_wherever_a_number_of_theirs_stands(page: Page, html: str) -> None:
    assert "The labels are not DFT." in page.text
    for name, figure in page.figures.items():
        if name.endswith(("-label", "-elements")):
            continue  # maps without a number
        bars = [trace["marker"]["colorbar"] for trace in figure["data"] if "colorbar" in trace.get("marker", {})]
        titles = json.dumps([figure["layout"][axis]["title"]["text"] for axis in ("xaxis", "yaxis")] + bars)
        assert "not DFT" in titles, name
    captions = re.findall(r'<p class="caption" id="(?:overview|metrics).*?</p>', html, re.DOTALL)
    assert len(captions) == 4 and all("not DFT" in caption for caption in captions)
    headlines = re.findall(r'<div class="headline">.*?</p>', html, re.DOTALL)
    assert len(headlines) == 2 and all("not DFT" in sentence for sentence in headlines)


def test_data_settings_and_versions_are_told(page: Page) -> None:
    told = " ".join(page.text.split())
    for part in (
        "A. Author, Journal 1, 1 (2011)",
        "MIT",
        "perovskite 30",
        "torch 2.99",
        "train.py d1g3st",
        "bootstrap 200",
    ):
        assert part in told, part
    assert f"unparsable: {HOSTILE} 1 bad" in told  # reason, how many, which


def test_other_labels_are_not_called_surrogates(tmp_path: Path) -> None:
    html = render(load_run(tmp_path, about={"source": "local", "licence": "the user's own"}))
    assert "not DFT" not in Page(html).text


def test_the_verdict_says_what_the_table_says(run: Run, page: Page) -> None:
    energy = run.contests[0]
    gated, composition = ranked(energy, energy.variants)[0], energy.baseline("composition")
    assert gated.name == "gated" and composition is not None
    errors = [
        np.mean([evaluate("regression", energy.target, p)["mae"] for p in m.prediction]) for m in (composition, gated)
    ]
    found = gain(energy, gated, composition, 200, 0)
    assert found.value == pytest.approx(errors[0] - errors[1])
    assert found.low is not None and found.high is not None and found.low < found.value < found.high
    said = " ".join(verdict(energy, "a note", 200, 0))
    for part in (
        "gated predicts formation energy per atom best of 3 variants",
        "(a note)",
        "It beats composition alone",
    ):
        assert part in said
    assert f"by {100 * found.value / errors[0]:.0f}\u00a0%" in said
    assert number(errors[1], decimals_for([*errors])) in said and "over shared" in said
    assert "gated predicts formation energy per atom best" in page.text


def test_a_variant_that_loses_is_not_sold_as_a_winner(run: Run) -> None:
    energy = run.contests[0]
    mean = energy.baseline("mean")
    assert mean is not None
    models = [replace(mean, name="gated", is_baseline=False) if m.name == "gated" else m for m in energy.models]
    models = [m for m in models if m.is_baseline or m.name == "gated"]
    said = verdict(replace(energy, models=models), "", 200, 0)
    assert said[0] == "No variant does better than composition, which sees no structure."
    assert any("the loss is" in sentence for sentence in said) and "the gain is −" not in " ".join(said)


def test_few_test_materials_are_told(tmp_path: Path) -> None:
    contest = load_run(tmp_path, n=12).contests[0]
    said = verdict(contest, "", 200, 0)
    assert said[-1] == f"With {len(contest.target)} test materials all of this is uncertain."


def test_a_gain_in_accuracy_has_the_sign_of_a_gain(run: Run) -> None:
    family = run.contests[1]
    scores = {m.name: m.scores["summary"]["test"]["accuracy"]["mean"] for m in family.models}
    models = {m.name: m for m in family.models}
    found = gain(family, models["gated"], models["mean"], 200, 0)
    assert found.value == pytest.approx(scores["gated"] - scores["mean"])


@pytest.mark.parametrize(
    "choices",
    [
        {"seeds": [3]},
        {"baselines": []},
        {"baselines": ["mean"]},
        {"variants": ["gated"], "splits": ["random", "formula"]},
        {"one_class": True},
        {"n": 12},
        {"examination": False},
    ],
    ids=str,
)
def test_less_than_everything_still_makes_a_page(choices: dict[str, Any], tmp_path: Path) -> None:
    page = Page(render(load_run(tmp_path, **choices)))
    if choices == {"one_class": True}:
        assert "all of one class" in page.text and DASH in page.text
        assert not any(name.endswith("roc") for name in page.figures)
    if "composition" not in choices.get("baselines", ["composition"]):
        assert "No composition-only baseline" in page.text
    if "seeds" in choices:
        assert "over one seed" in page.text
    assert "None" not in page.text and "nan" not in page.text


def test_every_seed_is_drawn_in_the_colour_of_its_model(run: Run, page: Page) -> None:
    energy = run.contests[0]
    colours = {name: style.colour for name, style in styles(energy.models).items()}
    assert len(set(colours.values())) == len(colours)
    for name, figure in page.figures.items():
        for trace in figure["data"]:
            if "meta" in trace:
                drawn = trace.get("line", {}).get("color") or trace["marker"]["color"]
                assert drawn == colours[trace["meta"]], name
    lines = [trace for trace in page.figures["energy-formula-train_loss"]["data"] if trace["mode"] == "lines"]
    assert len(lines) == 3 * 2
    curves = page.figures["family-formula-roc"]["data"]
    assert len(curves) == 6 * 2


def test_the_periodic_table_puts_elements_in_their_places(run: Run) -> None:
    cells = {cell.symbol: cell for cell in elements_of(run.structures)}
    places = {"H": (1, 1), "He": (1, 18), "Ti": (4, 4), "O": (2, 16), "La": (9, 3), "Yb": (9, 16), "Lu": (6, 3)}
    assert {symbol: (cells[symbol].row, cells[symbol].column) for symbol in places} == places
    assert cells["Ti"].text == str(len(run.structures)) and cells["Pb"].text == ""
    assert len({(cell.row, cell.column) for cell in cells.values()}) == len(cells) == 100


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    section = write_run(tmp_path)
    (tmp_path / "results/energy/formula/gated/history.json").unlink()
    with pytest.raises(InputError, match=r"energy/formula/gated/history\.json: no such file"):
        load(section, tmp_path / "data", tmp_path / "results")
