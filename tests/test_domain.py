"""Intervals that hold as often as they say, and distances that are distances."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from cgcnn import domain as module
from cgcnn.arrays import CrystalGraphs, concatenate
from cgcnn.domain import Domain, load_domain, measure, save_domain
from cgcnn.errors import InputError
from cgcnn.graph import NeighbourRule, crystal_graphs
from tests.crystals import TEXTBOOK, crystal

GRAPHS = crystal_graphs([crystal(structure) for structure in TEXTBOOK], NeighbourRule())


def graphs_of(n: int) -> CrystalGraphs:
    return concatenate([GRAPHS] * (n // len(GRAPHS)))


def example(n: int = 400, seeds: int = 3, width: int = 5, seed: int = 0, kind: str = "regression") -> Domain:
    rng = np.random.default_rng(seed)
    target = rng.normal(size=n) if kind == "regression" else rng.integers(0, 2, n).astype(float)
    predictions = target + rng.normal(size=(seeds, n)) if kind == "regression" else rng.random((seeds, n))
    subset = np.array(["train", "validation", "test", "train"] * (n // 4))
    ids = [f"m{k}" for k in range(n)]
    return measure(predictions, rng.normal(size=(seeds, n, width)), target, subset, graphs_of(n), ids)


EXAMPLE = example()


def with_scores(scores: np.ndarray) -> Domain:
    return replace(EXAMPLE, scores=np.sort(scores))


@given(n=st.integers(1, 200), confidence=st.floats(0.02, 0.98), seed=st.integers(0, 99))
def test_half_width_is_the_finite_sample_quantile(n: int, confidence: float, seed: int) -> None:
    """Counted: the interval holds ceil((n + 1) confidence) of the n scores, or is infinite where that needs more."""
    scores = np.random.default_rng(seed).normal(size=n)
    half = with_scores(scores).half_width(confidence)
    needed = math.ceil(round((n + 1) * confidence, 9))
    if needed > n:
        assert half == math.inf
    else:
        assert np.sum(np.abs(scores) <= half) == needed


@pytest.mark.parametrize("n", [19, 60, 300])
@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.9])
def test_intervals_hold_as_often_as_they_say(n: int, confidence: float) -> None:
    """Over draws of calibration and new targets from one skewed, heavy-tailed law. Coverage is at least the confidence,
    and at most 1 / (n + 1) above it (Lei et al. 2018, theorem 2.2)."""
    rng = np.random.default_rng(n)
    draws, new = 1500, 20
    held = 0
    for _ in range(draws):
        residuals = rng.standard_t(3, size=n + new) + rng.exponential(size=n + new)
        lower, upper = with_scores(residuals[:n]).interval(np.zeros(new), confidence, "regression")
        held += int(((lower <= residuals[n:]) & (residuals[n:] <= upper)).sum())
    coverage, error = held / (draws * new), 3 * math.sqrt(0.25 / draws)
    assert confidence - error < coverage < confidence + 1 / (n + 1) + error


def test_classes_are_held_as_often_as_the_confidence_says() -> None:
    rng = np.random.default_rng(0)
    n, draws, new, confidence = 80, 1500, 20, 0.9
    held = 0
    for _ in range(draws):
        probability = rng.random(n + new)
        target = (rng.random(n + new) < probability**2).astype(float)  # an ill-calibrated model
        found = with_scores((target - probability)[:n])
        lower, upper = found.interval(probability[n:], confidence, "classification")
        held += int(((lower <= target[n:]) & (target[n:] <= upper)).sum())
    assert held / (draws * new) > confidence - 3 * math.sqrt(0.25 / draws)


def test_a_sure_class_has_itself_for_its_interval() -> None:
    found = with_scores(np.linspace(-0.3, 0.3, 101))
    lower, upper = found.interval(np.array([0.98, 0.02, 0.5]), 0.9, "classification")
    assert (lower.tolist() == [1, 0, 0] and upper.tolist() == [1, 0, 1]) or lower.tolist() == [1, 0, 0]
    assert np.all(lower <= upper)


@given(p=st.floats(-3, 3), low=st.floats(-3, 3), width=st.floats(0, 3), seed=st.integers(0, 99))
def test_probability_of_a_window_counts_the_residuals(p: float, low: float, width: float, seed: int) -> None:
    scores = np.random.default_rng(seed).normal(size=50)
    found = with_scores(scores).probability_between(np.array([p]), low, low + width)
    inside = (low - p <= scores) & (scores <= low + width - p)
    assert found[0] == pytest.approx(inside.mean())


def test_distances_are_those_of_scikit_learn() -> None:
    found = example(n=4000)
    rng = np.random.default_rng(1)
    embeddings = [rng.random((70, 5)) for _ in range(3)]
    distance, which = found.distances(embeddings)
    oracle = NearestNeighbors(n_neighbors=2).fit(found.reference)
    expected, neighbour = oracle.kneighbors(found.scaled(embeddings))
    np.testing.assert_allclose(distance, expected[:, 0], rtol=1e-5)
    assert which.tolist() == neighbour[:, 0].tolist()
    own, _ = oracle.kneighbors(found.reference)
    np.testing.assert_allclose(found.nearest, np.sort(own[:, 1]), rtol=1e-5)


def test_a_training_crystal_is_at_distance_zero_and_far_ones_at_one_hundred() -> None:
    found = example()
    own = np.split(found.reference * found.scale + found.centre, 3, axis=1)
    distance, which = found.distances(own)
    assert which.tolist() == list(range(len(found.reference)))
    np.testing.assert_allclose(distance, 0, atol=1e-5)
    assert found.percentile(np.array([0.0, found.nearest.max() + 1])).tolist() == [0, 100]


def test_training_alone_decides_everything_but_the_residuals(monkeypatch: pytest.MonkeyPatch) -> None:
    found = example()
    n_train = 200
    assert len(found.reference) == n_train and len(found.scores) == 100
    assert found.facts["material_ids"][:3] == ["m0", "m3", "m4"]
    monkeypatch.setattr(module, "MOST_REFERENCES", 50)
    assert len(example().reference) == 50 == len(example().facts["material_ids"])


def test_elements_are_counted_and_the_unseen_are_named() -> None:
    """Of four textbook crystals the first and the last are trained on: SrTiO3 and argon."""
    found = example()
    assert found.elements[[38, 22, 8, 18, 11, 57]].tolist() == [100, 100, 100, 100, 0, 0]
    assert found.unseen(np.array([11, 17, 8, 8])) == "Na Cl"
    assert found.facts["formulas"] == sorted({s.composition.reduced_formula for s in TEXTBOOK})


def test_what_is_saved_comes_back_with_equal_bytes(tmp_path: Path) -> None:
    found, path = example(), tmp_path / "domain.safetensors"
    save_domain(path, found)
    again = load_domain(path)
    assert again is not None and again.facts == found.facts
    for name in ("scores", "reference", "nearest", "centre", "scale", "baseline", "elements"):
        assert np.array_equal(getattr(again, name), getattr(found, name))
    content = path.read_bytes()
    save_domain(path, again)
    assert path.read_bytes() == content
    assert load_domain(tmp_path / "none.safetensors") is None
    path.write_bytes(content[:100])
    with pytest.raises(InputError, match="not a readable domain file"):
        load_domain(path)
