"""The experiments on the limits find what is known of small cases, and the page says it."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from pymatgen.analysis.structure_matcher import StructureMatcher

from cgcnn.arrays import Crystal
from cgcnn.elements import feature_table
from cgcnn.graph import NeighbourRule
from cgcnn.limits import data, geometry, groups, periodicity
from cgcnn.limits.answers import Answers, binned, by_group
from cgcnn.limits.asking import ask, rattled, strained
from cgcnn.limits.experiments import compare_classes, compare_groups, run_all
from cgcnn.model import CGCNN, ModelSettings
from cgcnn.report.limits import render
from cgcnn.tables import PREDICTIONS
from tests.crystals import crystal, cubic_perovskite

CUBIC = [crystal(cubic_perovskite(3.8 + 0.05 * k)) for k in range(4)]


@pytest.fixture(scope="module")
def models() -> dict[int, CGCNN]:
    torch.manual_seed(0)
    settings = ModelSettings("gated", "regression", atom_dim=16, n_conv=2, hidden_dim=16)
    return {seed: CGCNN(settings, torch.tensor(feature_table())).eval() for seed in range(2)}


def test_whole_shells_do_not_hang_on_the_cell(models: dict[int, CGCNN]) -> None:
    """The twelfth neighbour of four of five sites of a cubic perovskite is inside a shell: the cut must choose."""
    found = periodicity.tie_changes(models, CUBIC, seed=0)
    worst = {rule: max(float(values.max()) for values in changes.values()) for rule, changes in found.items()}
    assert worst["shells"] < 1e-5 < worst["cut"]
    rows = periodicity.row_changes(models, CUBIC)
    assert max(rows["shells"]) < 1e-5 < min(rows["cut"])


def test_nothing_changes_beyond_the_reach(models: dict[int, CGCNN]) -> None:
    distance, change, bound = periodicity.receptive_field(models[0], CUBIC[0], NeighbourRule())
    assert distance[0] == 0 and change[0] > 0 and len(distance) == 50
    assert 0 < distance[change > 0].max() <= bound + 1e-4 < distance.max()
    none = CGCNN(ModelSettings("none", "regression", 16, 2, 16), torch.tensor(feature_table())).eval()
    assert np.flatnonzero(periodicity.receptive_field(none, CUBIC[0], NeighbourRule())[1]).tolist() == [0]


def test_twins_are_different_crystals_and_one_to_the_network(models: dict[int, CGCNN]) -> None:
    for pair in geometry.twins():
        assert not StructureMatcher().fit(pair.first, pair.second)
        assert pair.first.density == pytest.approx(pair.second.density)
    *ideal, real = geometry.twin_differences(models)
    for pair in ideal:
        assert max(pair["shells of 0.1 Å"], pair["shells of 0.001 Å"]) < 1e-6
    assert real["shells of 0.001 Å"] < 1e-6 < real["shells of 0.1 Å"]  # the thick shell holds the 13th neighbour


def test_angles_tell_the_twins_apart_and_a_smooth_cutoff_takes_the_jumps(models: dict[int, CGCNN]) -> None:
    settings = next(iter(models.values())).settings
    torch.manual_seed(0)
    seeing, smooth = (
        {0: CGCNN(replace(settings, **own), torch.tensor(feature_table())).eval()}
        for own in ({"angles": True}, {"smooth_cutoff": 0.1})
    )
    blind = geometry.twin_differences(models)[0]["shells of 0.1 Å"]
    assert geometry.twin_differences(seeing)[0]["shells of 0.1 Å"] > 10 * blind
    start = crystal(cubic_perovskite() * (2, 2, 2))
    sharp_jump, smooth_jump = (
        geometry.largest_jump(geometry.displacement_curves(ensemble, start)["shells"]) for ensemble in (models, smooth)
    )
    assert smooth_jump < sharp_jump


def test_curves_begin_at_the_crystal_itself(models: dict[int, CGCNN]) -> None:
    rule = NeighbourRule()
    curves = geometry.strain_curves(models, CUBIC, rule)
    assert curves.shape == (4, 25)
    moved = geometry.displacement_curves(models, CUBIC[0])
    assert moved["shells"][0] == pytest.approx(curves[0, 12], abs=1e-6)
    assert geometry.largest_jump(np.linspace(0, 1, 11)) == pytest.approx(1)
    assert geometry.largest_jump(np.array([0, 1, 2, 12, 13.0])) == pytest.approx(10)


def test_floor_of_the_composition() -> None:
    shared, floor = data.composition_floor(["A", "A", "B", "A", "C"], np.array([0.0, 1.0, 9.0, 5.0, 7.0]))
    assert shared == 3 and floor == pytest.approx((1 + 0 + 4) / 3)
    assert data.composition_floor(["A", "B"], np.array([1.0, 2.0])) == (0, 0.0)


@pytest.mark.parametrize("disturb", [rattled, strained])
def test_what_is_not_relaxed_changes_the_error(
    models: dict[int, CGCNN], disturb: Callable[[Crystal, float, np.random.Generator], Crystal]
) -> None:
    target = ask(models, CUBIC, NeighbourRule())
    errors = data.unrelaxed_errors(models, CUBIC, target, NeighbourRule(), disturb, (0.0, 0.01, 0.1), seed=0)
    assert errors[0] == 0 and errors[-1] > errors[0]


def test_a_strain_has_the_deviation_that_was_asked_for() -> None:
    cell, rng = crystal(cubic_perovskite(4.0)), np.random.default_rng(0)
    strains = np.array([strained(cell, 0.02, rng).lattice / 4.0 - np.eye(3) for _ in range(2000)])
    np.testing.assert_allclose(strains, strains.transpose(0, 2, 1), atol=1e-12)
    np.testing.assert_allclose(strains.std(axis=0), 0.02, rtol=0.06)


def said(model: str, values: list[float], target: list[float], seed: int = 0) -> pa.Table:
    rows = zip("abcdef", values, target, strict=False)
    content = [
        {"material_id": name, "model": model, "seed": seed, "subset": "test", "target": t, "prediction": v}
        for name, v, t in rows
    ]
    other = {"material_id": "z", "model": model, "seed": seed, "subset": "train", "target": 0.0, "prediction": 9.0}
    return pa.Table.from_pylist([*content, other], schema=PREDICTIONS)


STRUCTURES = pa.table(
    {
        "material_id": [*"abcdef", "z"],
        "formula": ["X", "X", "Y", "Y", "Y", "Z", "W"],
        "atomic_numbers": [[8, 22], [8], [8, 8, 92], [8], [8], [8], [8, 22]],
        "n_sites": [5, 10, 20, 40, 5, 5, 5],
        "energy_above_hull": [0.0, 0.01, 0.1, 0.3, None, 0.0, 0.0],
    }
)


def test_scores_of_groups_are_means_over_seeds_and_materials() -> None:
    target = [0.0, 1.0, 0.0, 0.005, 1.0, 5.0]
    answers = Answers.of(
        [said("net", [1.0] * 6, target), said("net", [3.0] * 6, target, 1), said("flat", [0.0] * 6, target)]
    )
    assert answers.ids == list("abcdef") and answers.said["net"].tolist() == [2.0] * 6
    sites = groups.by_sites(answers, STRUCTURES)
    assert [(g["group"], g["n"]) for g in sites] == [("up to 5", 3), ("6 to 10", 1), ("11 to 20", 1), ("more", 1)]
    assert sites[0]["scores"] == {"flat": pytest.approx(2.0), "net": pytest.approx((2 + 1 + 3) / 3)}
    rarest = groups.by_rarest_element(answers, STRUCTURES, ["z"])
    assert [(g["group"], g["n"]) for g in rarest] == [("in none", 1), ("in 1 to 5", 5)]  # uranium; oxygen, titanium
    assert [g["n"] for g in groups.by_stability(answers, STRUCTURES)] == [2, 1, 1, 1]  # one is not known
    assert groups.by_stability(answers, STRUCTURES.drop(["energy_above_hull"])) == []
    assert by_group(binned(np.array([np.nan]), (0,), ("a", "b")), {}) == []


def test_order_of_polymorphs() -> None:
    """X: one pair, Y: three pairs; a model that says the same of all guesses."""
    target = [0.0, 1.0, 0.0, 0.005, 1.0, 5.0]
    answers = Answers.of(
        [said("right", target, target), said("turned", [-v for v in target], target), said("flat", [0.0] * 6, target)]
    )
    found = {g["group"]: (g["n"], g["scores"]) for g in groups.polymorph_order(answers, STRUCTURES)}
    assert found == {
        "up to 0.01": (1, {"flat": 0.5, "right": 1.0, "turned": 0.0}),
        "farther": (3, {"flat": 0.5, "right": 1.0, "turned": 0.0}),
    }


def test_the_formula_tells_the_class_only_where_it_is_of_one() -> None:
    target = [1.0, 0.0, 1.0, 1.0, 1.0, 0.0]
    split = pa.table({"material_id": list("abcdef"), "subset": ["test"] * 6, "target": target})
    found = compare_classes([said("net", [0.9, 0.9, 0.9, 0.1, 0.9, 0.1], target)], STRUCTURES, split)
    assert [(g["group"], g["n"]) for g in found] == [
        ("all", 6),
        ("one class", 4),
        ("both classes", 2),
    ]
    assert [g["scores"]["net"] for g in found] == pytest.approx([4 / 6, 3 / 4, 1 / 2])


def test_page(models: dict[int, CGCNN]) -> None:

    ids = ["a", "b", "c", "d"]
    structures = pa.table(
        {
            "material_id": ids,
            "formula": ["SrTiO3"] * 4,
            "n_sites": [5] * 4,
            "lattice": pa.array([c.lattice.ravel().tolist() for c in CUBIC], pa.list_(pa.float64(), 9)),
            "atomic_numbers": pa.array([c.atomic_numbers.tolist() for c in CUBIC], pa.list_(pa.uint8())),
            "frac_coords": [c.frac_coords.ravel().tolist() for c in CUBIC],
        }
    )
    split = pa.table({"material_id": ids, "subset": ["train", "test", "test", "test"], "target": [0.0, 1.0, 2.0, 3.0]})
    rule = {"cutoff": 8.0, "max_neighbours": 12, "ties": "shells", "tie_tolerance": 0.1}
    card = {"name": "energy/x", "task": {"kind": "regression", "unit": "eV/atom"}, "neighbours": rule}
    found = json.loads(json.dumps(run_all(models, card, structures, split, 2, 0), allow_nan=False))
    assert found["n_test"] == 2 and found["strain"]["ids"] == ["b", "c"] and found["polymorphs"]["n"] == 4
    predictions = [said("gated", [0.0, 1.5, 2.0, 3.0], [0.0, 1.0, 2.0, 3.0])]
    found["models"] = ["gated"]
    found["groups"] = compare_groups(predictions, structures, split)
    page = render(found, {})
    assert all(f'id="{name}-data"' in page for name in ("rarest", "sites", "order")) and "stability-data" not in page
    assert all(
        f'id="{name}-data"' in page for name in ("ties", "reach", "strain", "displacement", "displaced", "strained")
    )
    assert "not DFT" not in page and "not DFT" in render(found, {"source": "embedded", "label_method": "surrogate"})
