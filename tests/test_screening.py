"""The screening ranks by the probability of the windows, flags what it should, and finds what is hidden."""

import json
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pymatgen.core import Lattice, Structure
from typer.testing import CliRunner

from cgcnn.cli import app
from cgcnn.errors import InputError
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.hindsight import Trial, best_first, enrichment, run_trial, summarise
from cgcnn.model import ModelSettings
from cgcnn.predictor import Predictor
from cgcnn.report.screen import render
from cgcnn.screening import Want, known_formulas, parse_want, run, screen
from cgcnn.sources.structures import entries_of
from cgcnn.tables import metadata_of
from cgcnn.training import TrainSettings
from tests.crystals import argon_gas, crystal, rock_salt
from tests.small_model import SITES, save_small_model, training_set


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Predictor]:
    place = tmp_path_factory.mktemp("models")
    return [Predictor.load(save_small_model(place / name, target=name)) for name in ("energy", "band_gap")]


def test_ranked_by_the_product_of_the_probabilities(models: list[Predictor]) -> None:
    structures = training_set()
    said = [model.predict(structures)["prediction"] for model in models]
    windows = [(-math.inf, float(said[0].median())), (float(said[1].quantile(0.3)), float(said[1].quantile(0.9)))]
    wants = [Want(model, *window) for model, window in zip(models, windows, strict=True)]
    table = screen(entries_of(structures), wants).table
    assert len(table) == len(structures) and table["probability"].is_monotonic_decreasing
    for model, window, prediction in zip(models, windows, said, strict=True):
        assert model.domain is not None
        name = model.task["target"]
        expected = model.domain.probability_between(prediction.to_numpy(), *window)
        np.testing.assert_allclose(table[f"{name}_probability"], expected[table["id"].astype(int)], atol=1e-6)
    product = table["energy_probability"] * table["band_gap_probability"]
    np.testing.assert_allclose(table["probability"], product)
    assert table["known"].all()


def test_flags(models: list[Predictor]) -> None:
    lanthanum = training_set()[16]
    new = Structure(Lattice.cubic(3.9), ["La", "Co", "O", "O", "O"], SITES)
    table = screen(entries_of([lanthanum, rock_salt(), argon_gas(), new]), [Want(models[0], -9, 9)], {"NaCl"}).table
    found = table.set_index("id")
    assert found["known"].to_dict() == {"0": True, "1": True, "2": False, "3": True}
    assert found.loc["1", "outside"] and found.loc["1", "unseen_elements"] == "Cl Na"
    assert not found.loc["0", "outside"] and found.loc["0", "nearest"] == "train-16"


def test_what_cannot_be_predicted_comes_last(models: list[Predictor], tmp_path: Path) -> None:
    (tmp_path / "bad.cif").write_text("nothing")
    (tmp_path / "good.cif").write_text(str(rock_salt().to(fmt="cif")))
    found = screen(entries_of(tmp_path), [Want(models[0], -9, 9)])
    assert found.table["id"].tolist() == ["good", "bad"] and list(found.crystals) == [0]
    assert found.table["reason"].ne("").tolist() == [False, True] and math.isnan(found.table["probability"][1])


def test_mistakes_are_told(models: list[Predictor], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Two windows of one property"):
        screen(entries_of(training_set()), [Want(models[0], 0, 1), Want(models[0], 1, 2)])
    with pytest.raises(InputError, match="window 2 to 1 is empty"):
        Want(models[0], 2, 1)
    for text in ("energy/gated", "energy/gated=1", "energy/gated=a:b", "=1:2"):
        with pytest.raises(InputError, match="write MODEL=LOW:HIGH"):
            parse_want(text)
    with pytest.raises(InputError, match="no candidate"):
        screen([], [Want(models[0], 0, 1)])


def test_the_command_screens_new_perovskites_to_a_table_and_a_page(tmp_path: Path) -> None:
    folder = save_small_model(tmp_path / "model")
    outputs = ["-o", str(tmp_path / "out.csv"), "-p", str(tmp_path / "page.html"), "--top", "3"]
    done = CliRunner().invoke(app, ["screen", "-w", f"{folder}=:0.2", "--anions", "I,Br", *outputs])
    assert done.exit_code == 0, done.output
    rows = (tmp_path / "out.csv").read_text().splitlines()
    assert len(rows) > 5 and rows[0].endswith("tolerance,octahedral,tau,cell")
    page = (tmp_path / "page.html").read_text()
    assert page.count("<canvas") == 3 and "cell, guessed" in page and "http" not in page.replace("http-equiv", "")


def test_an_anion_named_twice_counts_once(models: list[Predictor], tmp_path: Path) -> None:
    table = run([Want(models[0], 0, 1)], [], ["I", "I"], []).table
    assert table["id"].is_unique and len(table) == len(run([Want(models[0], 0, 1)], [], ["I"], []).table)


def test_a_ranking_as_parquet_says_what_was_wanted_and_the_units(tmp_path: Path) -> None:
    folder = save_small_model(tmp_path / "model")
    arguments = ["screen", "-w", f"{folder}=:0.2", "--anions", "I", "-o", str(tmp_path / "out.parquet")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    facts = metadata_of(pq.read_schema(tmp_path / "out.parquet"))
    assert facts["wanted"] == ["energy at most 0.2 eV"] and list(facts["models"]) == ["energy"]
    assert (facts["units"]["energy_upper"], facts["units"]["cell"]) == ("eV", "Å")


def test_the_command_tells_of_candidates_that_cannot_be_used(tmp_path: Path) -> None:
    folder = save_small_model(tmp_path / "model")
    (tmp_path / "bad.cif").write_text("nothing")
    (tmp_path / "good.cif").write_text(str(rock_salt().to(fmt="cif")))
    files = [str(tmp_path / "bad.cif"), str(tmp_path / "good.cif")]
    done = CliRunner().invoke(app, ["screen", "-w", f"{folder}=:0.2", *files, "-o", str(tmp_path / "out.csv")])
    assert done.exit_code == 3, done.output
    assert "2 candidates" in done.output and "1 could not be used (column reason says why)" in done.output


def test_the_page_tells_the_proof(models: list[Predictor]) -> None:
    wants = [Want(models[0], -math.inf, 0.2)]
    number = {"mean": 2.5, "std": 0.5}
    method = {"enrichment_5": number, "enrichment_10": number, "found_in_as_many": {"mean": 0.25, "std": 0.0}}
    summary = {"hidden": number, "hits": number, **dict.fromkeys(("network", "composition", "random"), method)}
    task = {"target": "energy", "unit": "eV"}
    settings = {"task": task, "low": None, "high": 0.2, "draws": 3}
    proof = {"settings": settings, "trials": [{"summary": summary, "hidden_hits": 0.5}]}
    page = render(run(wants, [], ["I"], []), wants, proof)
    assert "2.5 ± 0.5" in page and "at most 0.2 eV, 50" in page


def test_enrichment_counts() -> None:
    met = np.zeros(100, dtype=bool)
    met[[0, 1, 2, 3, 7, 50, 60, 70, 80, 90]] = True  # 10 hits: 4 of the best 5, 5 of the best 10
    assert enrichment(met) == {"enrichment_5": 8.0, "enrichment_10": 5.0, "found_in_as_many": 0.5}
    order = best_first(np.array([0.1, 0.5, 0.5, 0.0]), np.array([1.0, 3.0, 1.4, 1.0]), 1.0, 2.0)
    assert order.tolist() == [2, 1, 0, 3]
    assert best_first(np.full(3, 0.5), np.array([1.0, 0.0, 2.0]), -math.inf, 5.0).tolist() == [1, 0, 2]


def test_hidden_materials_are_found_by_networks_that_never_saw_them() -> None:
    """The property is the cell's length, which every network can learn and no composition knows."""
    rng = np.random.default_rng(0)
    lengths = rng.uniform(3.6, 4.4, 300)
    structures = [Structure(Lattice.cubic(a), ["Sr", "Ti", "O", "O", "O"], SITES) for a in lengths]
    graphs = crystal_graphs([crystal(structure) for structure in structures], NeighbourRule())
    shape = ModelSettings("gated", "regression", atom_dim=16, n_conv=1, hidden_dim=16)
    trials = [
        run_trial(
            graphs, [f"f{k}" for k in range(300)], lengths, Trial(4.2, 4.3, 0.8, 0.5), draw, shape,
            TrainSettings(epochs=40, batch_size=32), [0],
        )
        for draw in range(2)
    ]  # fmt: skip
    for trial in trials:
        assert trial["network"]["enrichment_10"] > 2 > trial["composition"]["enrichment_10"]
    summary = summarise(trials)
    pair = [trial["network"]["enrichment_5"] for trial in trials]
    assert summary["network"]["enrichment_5"] == {"mean": np.mean(pair), "std": pytest.approx(np.std(pair, ddof=1))}
    with pytest.raises(InputError, match=r"are left to learn from: narrow the window 0 to 1000"):
        run_trial(graphs, [f"f{k}" for k in range(300)], np.r_[-1, -1, lengths[2:]], Trial(0, 1000, 1, 0.5), 0, shape,
                  TrainSettings(), [0])  # fmt: skip
    with pytest.raises(InputError, match="change the window"):
        run_trial(graphs, [f"f{k}" for k in range(300)], lengths, Trial(9, 10, 1, 0.5), 0, shape, TrainSettings(), [0])


def test_known_materials_that_cannot_be_used_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    alloy = Structure(Lattice.cubic(4), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])
    (tmp_path / "alloy.cif").write_text(str(alloy.to(fmt="cif")))
    (tmp_path / "salt.cif").write_text(str(rock_salt().to(fmt="cif")))
    row = {"lattice": [4, 0, 0, 0, 4, 0, 0, 0, 4], "atomic_numbers": [110], "frac_coords": [0, 0, 0]}
    (tmp_path / "heavy.jsonl").write_text(json.dumps(row) + "\n")
    assert known_formulas([str(tmp_path)]) == {"NaCl"}
    assert "2 known materials could not be used" in caplog.text and "alloy.cif: disordered" in caplog.text
