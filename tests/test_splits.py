"""Splits: groups stay whole, sizes come close to the fractions, and only ids and seed decide."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cgcnn.errors import InputError
from cgcnn.splits import STRATEGIES, SUBSETS, assign, require_both_classes, thinned

OXYGEN = 8
FRACTIONS = st.sampled_from([(0.6, 0.2, 0.2), (0.8, 0.1, 0.1), (0.34, 0.33, 0.33), (0.98, 0.01, 0.01)])
SEEDS = st.integers(0, 2**31 - 1)


def materials(groups, elements=None):
    """Columns of `assign` for materials of these groups: ids in order, each group a formula and a prototype."""
    labels = [f"group {group}" for group in groups]
    ids = [f"m-{row:05d}" for row in range(len(labels))]
    return {
        "material_id": ids,
        "formula": labels,
        "prototype": labels,
        "elements": elements if elements is not None else [{1}] * len(labels),
    }


def oxides(n, rng):
    """Oxides of one to three of 40 metals, some rarer than others."""
    shares = 1 / np.arange(2, 42)
    metals = [rng.choice(40, size=rng.integers(1, 4), replace=False, p=shares / shares.sum()) + 20 for _ in range(n)]
    return [{OXYGEN, *(int(z) for z in chosen)} for chosen in metals]


@given(st.lists(st.integers(0, 30), min_size=3, max_size=120), FRACTIONS, SEEDS)
def test_groups_stay_whole_and_sizes_come_close(groups, fractions, seed):
    if len(set(groups)) < 3:
        groups = [*groups, 31, 32]
    subset = assign("formula", **materials(groups), fractions=fractions, seed=seed)
    assert len(set(zip(groups, subset, strict=True))) == len(set(groups))
    assert set(subset) == set(SUBSETS)
    largest = max(Counter(groups).values())
    for name, fraction in zip(SUBSETS, fractions, strict=True):
        assert abs(np.sum(subset == name) - fraction * len(groups)) <= 2 * largest


@given(st.integers(20, 300), SEEDS)
def test_single_materials_meet_the_fractions(n, seed):
    subset = assign("random", **materials([0] * n), seed=seed)
    for name, fraction in zip(SUBSETS, (0.6, 0.2, 0.2), strict=True):
        assert abs(np.sum(subset == name) - fraction * n) < 1


@given(SEEDS)
def test_a_few_huge_groups_do_not_wreck_the_sizes(seed):
    groups = [0] * 300 + [1] * 150 + [2] * 100 + list(range(3, 453))
    subset = assign("prototype", **materials(groups), seed=seed)
    assert Counter(subset) == {"train": 600, "validation": 200, "test": 200}


def test_large_groups_are_not_always_training_data():
    groups = [0] * 20 + [1] * 15 + list(range(2, 167))
    homes = {str(assign("formula", **materials(groups), seed=seed)[0]) for seed in range(40)}
    assert homes == set(SUBSETS)


def test_every_material_is_equally_often_in_the_test_subset():
    in_test = np.mean([assign("random", **materials([0] * 50), seed=seed) == "test" for seed in range(500)], axis=0)
    assert np.all(np.abs(in_test - 0.2) < 5 * np.sqrt(0.2 * 0.8 / 500))


@given(st.randoms(), SEEDS, st.sampled_from(STRATEGIES))
def test_the_order_of_rows_does_not_matter(shuffler, seed, strategy):
    rng = np.random.default_rng(0)
    columns = materials(rng.integers(0, 20, size=60).tolist(), oxides(60, rng))
    rows = list(range(60))
    shuffler.shuffle(rows)
    shuffled = {name: [column[row] for row in rows] for name, column in columns.items()}
    subset = assign(strategy, **columns, seed=seed)
    assert assign(strategy, **shuffled, seed=seed).tolist() == subset[rows].tolist()


def test_the_draw_is_the_same_everywhere():
    """Written down once: another machine or numpy must give the same."""
    columns = materials([0, 0, 0, 1, 1, 2, 3, 4, 5, 6], [{8, z} for z in (11, 11, 12, 12, 19, 20, 3, 38, 38, 56)])
    assigned = {strategy: assign(strategy, **columns, seed=7) for strategy in STRATEGIES}
    assert {name: "".join(str(SUBSETS.index(s)) for s in subset) for name, subset in assigned.items()} == {
        "random": "1000000221",
        "formula": "0002210010",
        "prototype": "0002210010",
        "element": "0000200112",
    }


def test_seeds_differ():
    columns = materials([0] * 100)
    assert (assign("random", **columns, seed=0) != assign("random", **columns, seed=1)).any()


@given(st.integers(60, 200), SEEDS)
def test_held_out_elements_are_held_out(n, seed):
    elements = oxides(n, np.random.default_rng(seed))
    subset = assign("element", **materials(range(n), elements), seed=seed)
    seen = {name: set().union(*(elements[row] for row in np.flatnonzero(subset == name))) for name in SUBSETS}
    for row, name in enumerate(subset):
        if name == "test":
            assert elements[row] - seen["train"] - seen["validation"]
        if name == "validation":
            assert elements[row] - seen["train"]
    assert OXYGEN in seen["train"]
    for name in ("validation", "test"):
        assert 0.1 * n <= np.sum(subset == name) <= 0.3 * n


def test_elements_that_are_all_common_still_make_a_split():
    metals = list(range(20, 24)) * 25  # each in a quarter, more than the fifth that is wanted
    subset = assign("element", **materials(range(100), [{OXYGEN, metal} for metal in metals]))
    assert Counter(subset) == {"train": 50, "validation": 25, "test": 25}


@pytest.mark.parametrize(
    ("strategy", "columns", "said"),
    [
        ("random", materials([]), ["'random'", "train", "0 materials"]),
        ("random", materials([0, 0]), ["'random'", "2 materials", "2 different ids"]),
        ("formula", materials([0] * 9 + [1] * 9), ["'formula'", "18 materials", "2 different formulas"]),
        ("prototype", materials([0] * 50), ["'prototype'", "50 materials", "1 different prototypes"]),
        ("element", materials(range(9), [{8, 22}] * 9), ["'element'", "validation", "2 different elements"]),
        (  # 30 makes a test set, but 22 is in most of what is left
            "element",
            materials(range(11), [{8, 22}] * 6 + [{8}] * 3 + [{8, 22, 30}] * 2),
            ["'element'", "validation", "3 different elements"],
        ),
    ],
)
def test_an_empty_subset_is_refused(strategy, columns, said):
    with pytest.raises(InputError) as error:
        assign(strategy, **columns)
    for words in [*said, "has no members", "Add materials"]:
        assert words in str(error.value)


def test_three_materials_are_enough():
    assert set(assign("random", **materials([0, 0, 0]))) == set(SUBSETS)


def test_both_classes_are_required_in_every_subset():
    subset = ["train", "train", "validation", "validation", "test", "test"]
    require_both_classes("random", subset, [1, 0, 1, 0, 1, 0])
    with pytest.raises(InputError, match=r"'random': test \(2 of 6 materials\) has no material of class 1"):
        require_both_classes("random", subset, [1, 0, 1, 0, 0, 0])


@given(st.integers(2, 60), st.integers(0, 5))
def test_smaller_shares_of_the_training_materials_are_nested(n: int, seed: int) -> None:
    subset = np.array(["train", "test", "train", "validation"])[np.arange(n) % 4]
    half, quarter, everything = (thinned(subset, share, seed) for share in (0.5, 0.25, 1))
    assert everything.all() and half[subset != "train"].all() and not np.any(quarter & ~half)
    assert half[subset == "train"].sum() == max(1, round(0.5 * (subset == "train").sum()))
