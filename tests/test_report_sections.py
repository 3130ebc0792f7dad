"""The numbers behind the sections of the report, against what is known otherwise."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pymatgen.symmetry.groups import SpaceGroup
from typer.testing import CliRunner

from cgcnn.cli import app
from cgcnn.errors import InputError
from cgcnn.report import runs, study
from cgcnn.report.belief import LEVELS, calibration, reliability
from cgcnn.report.compare import errors_of
from cgcnn.report.contents import own_settings
from cgcnn.report.costs import costs_of
from cgcnn.report.failures import by_element, grouped, site_bins, worst
from cgcnn.report.figures.learned import MOST_POINTS, shown
from cgcnn.report.materials import MOST_SITES, Material, facts_of, for_viewer
from cgcnn.report.page import legend
from cgcnn.report.results import Run, load
from cgcnn.tables import write_json
from tests.test_report import HOSTILE, Page, load_run, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return load_run(tmp_path_factory.mktemp("run"))


def material(space_group: int, elements: set[int]) -> Material:
    return Material("X", "oxide", space_group, "p", 5, frozenset(elements))


@pytest.mark.parametrize("number", [*range(1, 231, 7), 2, 15, 74, 142, 167, 194, 230])
def test_crystal_systems_are_those_of_pymatgen(number: int) -> None:
    assert material(number, {8}).crystal_system == SpaceGroup.from_int_number(number).crystal_system


def test_the_anion_is_the_most_electronegative_element() -> None:
    assert material(0, {8, 9, 22}).anion == "F" and material(0, {22, 8, 7}).anion == "O"
    assert material(0, {17, 55, 82}).anion == "Cl"
    assert material(0, {8}).crystal_system == "unknown"


def test_groups_hold_every_material_once() -> None:
    errors = np.array([0.1, 0.2, 0.6, 0.3])
    groups = {group.label: group for group in grouped(errors, ["a", "b", "a", "a"], ["b", "a", "c"])}
    assert list(groups) == ["b", "a"] and groups["a"].n == 3
    assert groups["a"].mean == pytest.approx(1 / 3)
    assert groups["a"].standard_error == pytest.approx(np.std([0.1, 0.6, 0.3], ddof=1) / 3**0.5)
    assert groups["b"].standard_error is None
    assert by_element(errors, [frozenset(s) for s in ({8}, {8, 22}, {22}, {8})])[22].mean == pytest.approx(0.4)


@pytest.mark.parametrize("sizes", [[5] * 9, [1, 2, 3, 40], [2, 5, 5, 5, 10, 10, 20, 40, 40, 7], [3]])
def test_bins_of_sizes_hold_their_members(sizes: list[int]) -> None:
    labels, order = site_bins(sizes)
    assert set(labels) <= set(order)
    for size, label in zip(sizes, labels, strict=True):
        ends = [int(word) for word in label.split() if word.isdigit()]
        assert ends[0] <= size <= ends[-1], (size, label)


def test_the_worst_are_the_worst_and_say_why(run: Run) -> None:
    energy = run.contests[0]
    found = worst(energy, energy.best, facts_of(run.structures))
    off = np.abs(energy.best.prediction.mean(axis=0) - energy.target)
    assert [abs(each.prediction - each.target) for each in found] == pytest.approx(sorted(off)[::-1][: len(found)])
    family = run.contests[1]
    wrong = errors_of(family, family.best) > 0
    assert all(
        wrong[family.material_id.index(each.material_id)]
        for each in worst(family, family.best, facts_of(run.structures))
    )


def test_seeds_disagree_on_a_class_where_their_classes_differ(run: Run) -> None:
    family = run.contests[1]
    ids, classes = list(family.material_id), family.best.prediction > 0.5
    for each in worst(family, family.best, facts_of(run.structures)):
        votes = set(classes[:, ids.index(each.material_id)])
        assert ("the seeds disagree" in each.reasons) == (len(votes) == 2)
    sure = replace(family.best, prediction=np.where(family.target == 1, [[0.1], [0.3]], [[0.9], [0.7]]))  # all wrong
    wrong = worst(replace(family, models=[sure]), sure, facts_of(run.structures))
    assert wrong and not any("the seeds disagree" in each.reasons for each in wrong)


def test_an_element_that_was_never_trained_on_is_a_reason(run: Run) -> None:
    energy, facts = run.contests[0], facts_of(run.structures)
    name = worst(energy, energy.best, facts)[0].material_id
    facts[name] = material(221, {8, 22, 92})
    reasons = worst(energy, energy.best, facts)[0].reasons
    assert "no training material holds U" in reasons and "no training material has its prototype" in reasons


def test_calibration_counts_targets_inside_normal_intervals(run: Run) -> None:
    energy = run.contests[0]
    model = energy.best
    found = calibration(energy, model)
    assert found is not None
    spread, error = model.prediction.std(axis=0, ddof=1), np.abs(model.prediction.mean(axis=0) - energy.target)
    one_sigma = np.mean(error <= spread)  # 68.3 %
    below, above = found.observed[LEVELS < 0.683].max(), found.observed[LEVELS > 0.683].min()
    assert below <= one_sigma <= above
    assert np.mean(found.rmse**2) == pytest.approx(np.mean(error**2), rel=0.3)
    assert calibration(run.contests[1], run.contests[1].best) is None


def test_reliability_counts_every_material(run: Run) -> None:
    family = run.contests[1]
    bins = reliability(family, family.best)
    assert sum(members for *_, members in bins) == len(family.target)
    assert sum(share * members for _, share, members in bins) == pytest.approx(family.target.sum())


def test_structures_of_the_viewer_are_those_of_the_table(run: Run) -> None:
    found = for_viewer(run.structures, [HOSTILE], {"e": ("energy", "eV", {HOSTILE: [0.1] * 5})})
    formula, group, _, lattice, numbers, coordinates = found["materials"][HOSTILE]
    assert (formula, group, numbers) == (HOSTILE, 221, [56, 22, 8, 8, 8])
    assert np.reshape(lattice, (3, 3)).tolist() == np.diag([4.0] * 3).tolist()
    assert coordinates[3:6] == [5000] * 3
    assert len(found["materials"]) == len(run.structures) < MOST_SITES
    assert found["contributions"]["e"] == ["energy", "eV", {HOSTILE: [0.1] * 5}]


def test_maps_show_the_test_materials_first(run: Run) -> None:
    names = shown(run.contests[0])
    assert set(names) == set(run.contests[0].everything) and len(names) <= MOST_POINTS


ROWS = {
    "fetch": "1.5\t0:00:01\t200.0",
    "predict/energy/formula": "3\t0:00:03\t9",
    "train/energy/formula/gated": "60\t0:01:00\tNA",
}


def test_costs_are_read_from_the_benchmark_files(tmp_path: Path) -> None:
    for name, row in ROWS.items():
        path = tmp_path / "benchmarks" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\tmax_rss\n{row}\n")
    for left_behind in ("hindsight", "train/energy/formula/old", "train/gap/formula/gated", "predict/energy/random"):
        path = tmp_path / "benchmarks" / f"{left_behind}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("s\th:m:s\tmax_rss\n1000\t0:16:40\t1\n")
    write_json(tmp_path / "results/energy/formula/gated/model.json", {"device": "A100"})
    section = {"tasks": {"energy": {}}, "splits": ["formula"], "variants": ["gated"]}
    fetch, predict, train = costs_of(tmp_path / "benchmarks", tmp_path / "results", section)
    assert (predict.what, predict.device) == ("energy/formula", "")  # a GPU, or not
    assert (fetch.stage, fetch.seconds, fetch.megabytes, fetch.device) == ("fetch", 1.5, 200.0, "cpu")
    assert (train.what, train.seconds, train.megabytes, train.device) == ("energy/formula/gated", 60.0, None, "A100")


def test_the_study_puts_splits_and_sizes_side_by_side(tmp_path: Path) -> None:
    found = load_run(tmp_path, splits=["formula", "random", "formula-0.5"], examination=False)
    page = Page(study.render(found, ["random", "formula"], "formula"))
    assert set(page.figures) == {f"{task}-{what}" for task in ("energy", "family") for what in ("ladder", "sizes")}
    lines = [trace for trace in page.figures["energy-ladder"]["data"] if trace["mode"] == "lines"]
    assert len(lines) == 6 and lines[0]["x"] == ["random split", "split by formula"]
    assert "the same test materials" in page.text


def test_two_runs_are_compared_on_one_page(tmp_path: Path) -> None:
    for name, seeds in (("one", [0, 1]), ("two", [0, 1, 2])):
        write_run(tmp_path / name, seeds=seeds)
    made = CliRunner().invoke(
        app, ["compare", *(str(tmp_path / n) for n in ("one", "two")), "-o", str(tmp_path / "c.html")]
    )
    assert made.exit_code == 0, made.output
    page = Page((tmp_path / "c.html").read_text())
    told = " ".join(page.text.split())
    assert told.count(HOSTILE) >= 1 and [tag for tag, _ in page.tags].count("script") == 4
    assert "one and two" in told and "No difference." in told
    one, two = (runs.load_run(tmp_path / name).contests[0] for name in ("one", "two"))
    means = [np.abs(c.best.prediction - c.target).mean() for c in (one, two)]
    assert f"{means[1] - means[0]:+.3f}".replace("-", "\u2212")[:5] in told


def test_scores_of_other_quantities_or_units_are_not_compared(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_run(tmp_path / name)
    settings = json.loads((tmp_path / "two/results/provenance.json").read_text())
    settings["settings"]["tasks"]["energy"]["unit"] = "kJ/mol"
    write_json(tmp_path / "two/results/provenance.json", settings)
    page = runs.render(("one", "two"), (runs.load_run(tmp_path / "one"), runs.load_run(tmp_path / "two")))
    told = " ".join(Page(page).text.split())
    assert "energy, formula, is not compared: one predicts formation energy per atom in eV/atom, two formation" in told
    assert 'id="energy-formula-scores"' not in page and 'id="family-formula-scores"' in page


def test_a_page_that_cannot_be_written_is_told_before_anything_is_read(tmp_path: Path) -> None:
    made = CliRunner().invoke(app, ["compare", "neither", "nor", "-o", str(tmp_path)])
    assert isinstance(made.exception, InputError) and "a folder has this name" in str(made.exception)


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished run"):
        runs.load_run(tmp_path)


def test_a_run_without_an_examination_says_what_is_missing(tmp_path: Path) -> None:
    section = write_run(tmp_path, examination=False) | {"examination": True}
    with pytest.raises(InputError, match=r"examination\.json: no such file"):
        load(json.loads(json.dumps(section)), tmp_path / "data", tmp_path / "results")


def test_a_convolution_is_explained_once_and_what_a_variant_sets_is_told(run: Run) -> None:
    settings = run.provenance["settings"]
    common = {"model": {"pool": "mean", "n_hidden": 2}, "train": {"lr": 0.02}}
    own = {"pool": "sum", "n_hidden": 2}
    variants = {name: {"conv": "gated", **common} for name in settings["variants"]}
    last = list(variants)[-1]
    variants[last] = {"conv": "gated", "model": own, "train": {"lr": 0.01}}
    changed = replace(run, provenance={**run.provenance, "settings": {**settings, **common, "variants": variants}})
    told = {entry["name"]: entry for entry in legend(changed) if not entry["is_baseline"]}
    first = next(iter(told))
    assert sum(bool(entry["equation"]) for entry in told.values()) == 1 and told[first]["equation"]
    assert told[last]["what"] == f"as {first}, with pool: sum, lr: 0.01"
    assert own_settings(variants[first], changed.provenance["settings"]) == ""
