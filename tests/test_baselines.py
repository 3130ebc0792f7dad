"""Baselines see the composition and the training targets, nothing else."""

from functools import cache

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Composition

from cgcnn import metrics
from cgcnn.baselines import BASELINES, element_fractions, fit_predict, property_statistics
from cgcnn.elements import properties
from cgcnn.splits import assign

NA, CL, CA, TI, OXYGEN, KR, FM = 11, 17, 20, 22, 8, 36, 100
KINDS = ("regression", "classification")
#: of which every property is known
KNOWN = np.flatnonzero(~np.isnan(list(properties().values())).any(axis=0))


def oxides(n=90, seed=0):
    """Compositions A_a B_b O_c with a target that is linear in the fractions of A and B."""
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=101)
    compositions = [
        np.repeat([*rng.choice(np.arange(19, 31), 2, replace=False), OXYGEN], rng.integers(1, 4, size=3))
        for _ in range(n)
    ]
    return compositions, np.array([weight[sites].mean() for sites in compositions])


def data(kind):
    """90 such materials and five of the test set: CaTiO3 in three cells, Ca2TiO4, and two elements unseen so far."""
    compositions, target = oxides()
    if kind == "classification":
        target = (target > np.median(target)).astype(float)
    cell = [CA, TI, OXYGEN, OXYGEN, OXYGEN]
    compositions += [cell, cell[::-1], cell * 4, [CA, CA, TI] + [OXYGEN] * 4, [KR, FM]]
    subset = ["train", "train", "train", "validation", "test"] * 18 + ["test"] * 5
    return compositions, np.append(target, [0, 1, 0, 1, 0]), np.array(subset)


@cache
def fitted(name, kind):
    """What a baseline says of `data`."""
    return fit_predict(name, kind, *data(kind), seed=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_is_that_of_the_training_targets(kind):
    _, target, subset = data(kind)
    prediction, details = fitted("mean", kind)
    np.testing.assert_allclose(prediction, target[subset == "train"].mean())
    assert details["chosen"] == "mean"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BASELINES)
def test_a_seed_gives_one_result_and_test_targets_are_never_seen(name, kind):
    compositions, target, subset = data(kind)
    prediction, details = fitted(name, kind)
    changed = np.where(subset == "test", 1 - target, target)
    again, same = fit_predict(name, kind, compositions, changed, subset, seed=0)
    np.testing.assert_array_equal(again, prediction)
    assert same == details


@pytest.mark.parametrize("name", BASELINES)
def test_validation_targets_choose_but_do_not_fit(name):
    compositions, target, subset = data("regression")
    prediction, details = fitted(name, "regression")
    changed = np.where(subset == "validation", target + 1e-9, target)
    again, same = fit_predict(name, "regression", compositions, changed, subset, seed=0)
    np.testing.assert_array_equal(again, prediction)
    assert same["validation"] != details["validation"]


@pytest.mark.parametrize("name", BASELINES)
def test_training_targets_are_seen(name):
    compositions, target, subset = data("regression")
    changed = np.where(np.arange(len(target)) < 60, 1 - target, target)
    changed[subset != "train"] = target[subset != "train"]
    again, details = fit_predict(name, "regression", compositions, changed, subset, seed=0)
    assert not np.array_equal(again, fitted(name, "regression")[0])
    assert details["validation"].keys() == fitted(name, "regression")[1]["validation"].keys()


def test_the_forest_follows_the_seed():
    compositions, target, subset = data("regression")
    scores = fit_predict("elements", "regression", compositions, target, subset, seed=1)[1]["validation"]
    before = fitted("elements", "regression")[1]["validation"]
    assert scores["random forest"] != before["random forest"]
    assert scores["ridge"] == before["ridge"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BASELINES)
def test_only_the_composition_counts(name, kind):
    """Polymorphs, larger cells and other orders of the sites have one prediction; unseen elements have one too."""
    _, _, subset = data(kind)
    prediction, _ = fitted(name, kind)
    assert list(subset[-5:]) == ["test"] * 5
    np.testing.assert_allclose(prediction[-5:-2], prediction[-5], rtol=1e-12)
    assert np.isfinite(prediction).all()


def test_elements_present_do_not_tell_how_much():
    few, many = fitted("elements", "regression")[0][[-5, -2]]
    assert few == many
    few, many = fitted("composition", "regression")[0][[-5, -2]]
    assert few != many


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["elements", "composition"])
def test_the_best_by_validation_is_kept(name, kind):
    _, target, subset = data(kind)
    prediction, details = fitted(name, kind)
    scores, metric = details["validation"], details["metric"]
    assert len(scores) == 3
    assert scores[details["chosen"]] == (min if kind == "regression" else max)(scores.values())
    seen = subset == "validation"
    assert metrics.evaluate(kind, target[seen], prediction[seen])[metric] == scores[details["chosen"]]


@pytest.mark.parametrize("name", BASELINES)
def test_the_unit_of_the_target_does_not_matter(name):
    compositions, target, subset = data("regression")
    usual, chosen = fit_predict(name, "regression", compositions, target, subset, seed=0)
    tiny, again = fit_predict(name, "regression", compositions, 2.0**-40 * target, subset, seed=0)
    np.testing.assert_array_equal(2.0**40 * tiny, usual)  # a power of two changes no other bit
    for candidate, score in chosen["validation"].items():
        assert 2.0**40 * again["validation"][candidate] == score


def test_ridge_finds_what_is_linear_in_the_fractions():
    _, target, subset = data("regression")
    prediction, details = fitted("composition", "regression")
    assert details["chosen"] == "ridge"
    seen = subset == "validation"
    assert metrics.regression(target[seen], prediction[seen])["r2"] > 0.99


def test_fractions_by_hand():
    fractions = element_fractions([[NA, CL], [CA, TI, OXYGEN, OXYGEN, OXYGEN]])
    assert fractions.shape == (2, 101)
    assert {int(z): fractions[1, z] for z in np.flatnonzero(fractions[1])} == {OXYGEN: 0.6, CA: 0.2, TI: 0.2}
    assert fractions[0, NA] == fractions[0, CL] == 0.5


@given(st.lists(st.sampled_from(KNOWN.tolist()), min_size=1, max_size=12))
def test_statistics_are_those_over_the_sites(sites):
    per_site = np.array([values[sites] for values in properties().values()])
    expected = [per_site.mean(axis=1), per_site.std(axis=1), per_site.min(axis=1), per_site.max(axis=1)]
    found = property_statistics(element_fractions([sites]))
    np.testing.assert_allclose(found, [np.concatenate(expected)], atol=2e-5)


def test_an_unknown_property_counts_as_the_median():
    name, values = next((name, values) for name, values in properties().items() if np.isnan(values[1:]).any())
    unknown = int(np.flatnonzero(np.isnan(values[1:]))[0]) + 1
    column = list(properties()).index(name)
    assert property_statistics(element_fractions([[unknown]]))[0, column] == np.nanmedian(values)


def test_real_data(real_data):
    """700 perovskites and 1,000 oxides of the Materials Project: what was measured by others, and what is known."""
    formulas, families, energies = [], [], []
    for family, count in (("perovskites", 700), ("oxides", 1000)):
        table = pq.read_table(real_data / "materials_project" / f"{family}.parquet")
        rows = np.random.default_rng(0).permutation(len(table))[:count]
        formulas += table["formula"].take(rows).to_pylist()
        energies += table["formation_energy_per_atom"].take(rows).to_pylist()
        families += [family] * count
    compositions = [
        np.repeat([e.Z for e in c], [round(n) for n in c.values()]) for c in map(Composition, formulas)
    ]  # fmt: skip

    def test_score(name, kind, target, rows):
        ids = [str(row) for row in range(len(rows))]
        subset = assign("random", ids, ids, ids, [{1}] * len(rows))
        prediction, _ = fit_predict(name, kind, [compositions[row] for row in rows], target, subset, seed=0)
        test = subset == "test"
        return metrics.evaluate(kind, target[test], prediction[test])[metrics.HEADLINE[kind]]

    perovskites = np.arange(700)
    energy = np.array(energies)[:700]  # eV/atom
    family = np.array(families) == "perovskites"
    assert test_score("mean", "regression", energy, perovskites) == pytest.approx(0.81, abs=0.12)
    assert test_score("elements", "regression", energy, perovskites) < 0.40
    assert test_score("composition", "regression", energy, perovskites) < 0.32
    assert test_score("composition", "classification", family, np.arange(1700)) > 0.93
