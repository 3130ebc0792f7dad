"""Metrics against hand-made cases, scikit-learn's sample weights and scipy's own statistics."""

import json

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st

from cgcnn import metrics
from cgcnn.metrics import HEADLINE, LOWER_IS_BETTER, METRICS

#: accuracy 4 of 6; recalls 2/3 and 2/3; 8 of the 9 pairs are in the right order
TARGET = [1, 1, 1, 0, 0, 0]
PROBABILITY = [0.95, 0.75, 0.45, 0.55, 0.15, 0.05]


def classes(n=400, seed=0, ties=False):
    rng = np.random.default_rng(seed)
    target = (rng.random(n) < 0.3).astype(float)
    probability = np.clip(0.35 + 0.3 * target + rng.normal(0, 0.2, n), 0, 1)
    return target, np.round(probability, 1) if ties else probability


def energies(n=400, seed=0):
    rng = np.random.default_rng(seed)
    target = rng.normal(-2, 1, n)
    return target, target + rng.normal(0, 0.3, n)


def test_regression_by_hand():
    scores = metrics.regression([1.0, 2.0, 3.0, 6.0], [1.0, 3.0, 3.0, 3.0])
    # errors 0, 1, 0, 3; squares 10; spread about the mean of 3: 4 + 1 + 0 + 9
    assert scores == pytest.approx({"mae": 1.0, "rmse": np.sqrt(2.5), "r2": 1 - 10 / 14, "n": 4})


def test_classification_by_hand():
    scores = metrics.classification(TARGET, PROBABILITY)
    likelihood = [0.95, 0.75, 0.45, 0.45, 0.85, 0.95]
    # each probability has a bin of its own, so every gap counts
    gaps = [0.05, 0.25, 0.55, 0.55, 0.15, 0.05]
    by_hand = {"accuracy": 2 / 3, "balanced_accuracy": 2 / 3, "roc_auc": 8 / 9, "f1": 2 / 3, "n": 6}
    assert scores == pytest.approx(by_hand | {"nll": -np.mean(np.log(likelihood)), "ece": np.mean(gaps)})


def test_calibration_error_weighs_bins_by_their_members():
    # bin 0.2 to 0.3: three, mean probability 0.25, one is of class 1; bin 0.9 to 1: one, certain and right
    error = metrics.expected_calibration_error([1, 0, 0, 1], [0.20, 0.26, 0.29, 1.0])
    assert error == pytest.approx(3 / 4 * abs(1 / 3 - 0.25))


def test_calibration_error_of_calibrated_probabilities_is_small():
    rng = np.random.default_rng(0)
    probability = rng.random(200_000)
    target = rng.random(200_000) < probability
    assert metrics.expected_calibration_error(target, probability) < 0.005
    assert metrics.expected_calibration_error(target, probability**2) > 0.1


@pytest.mark.parametrize("ties", [False, True])
def test_roc_auc_is_the_mann_whitney_statistic(ties):
    target, probability = classes(ties=ties)
    positive, negative = probability[target == 1], probability[target == 0]
    pairs = scipy.stats.mannwhitneyu(positive, negative).statistic / (len(positive) * len(negative))
    assert metrics.classification(target, probability)["roc_auc"] == pytest.approx(pairs)


@given(st.permutations(range(40)))
def test_the_order_of_materials_does_not_matter(order):
    order = list(order)
    for kind, (target, prediction) in (("regression", energies(40)), ("classification", classes(40, ties=True))):
        scores = metrics.evaluate(kind, target, prediction)
        assert metrics.evaluate(kind, target[order], prediction[order]) == pytest.approx(scores)


@pytest.mark.parametrize(
    ("kind", "target", "prediction", "missing"),
    [
        ("regression", [], [], {"mae", "rmse", "r2"}),
        ("regression", [1.0], [2.0], {"r2"}),
        ("regression", [1.0, 1.0], [2.0, 1.0], {"r2"}),
        ("classification", [], [], set(METRICS["classification"])),
        ("classification", [1], [0.9], {"balanced_accuracy", "roc_auc"}),
        ("classification", [1, 1], [0.9, 0.2], {"balanced_accuracy", "roc_auc"}),
        ("classification", [0, 0], [0.9, 0.2], {"balanced_accuracy", "roc_auc"}),
        ("classification", [0, 0], [0.1, 0.2], {"balanced_accuracy", "roc_auc", "f1"}),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_does_not_exist_is_none(kind, target, prediction, missing):
    scores = metrics.evaluate(kind, target, prediction)
    assert {name for name in METRICS[kind] if scores[name] is None} == missing
    assert scores["n"] == len(target)
    intervals = metrics.with_interval(kind, target, prediction, resamples=50)
    assert all(intervals[name] == {"value": None, "low": None, "high": None} for name in missing)
    json.dumps([scores, intervals], allow_nan=False)


def test_certain_and_wrong_has_a_finite_likelihood():
    assert metrics.classification([1, 0], [0.0, 1.0])["nll"] == pytest.approx(-np.log(np.finfo(float).eps))


def test_half_is_class_zero():
    assert metrics.predicted_class([0.4, 0.5, 0.6]).tolist() == [0, 0, 1]


@pytest.mark.parametrize("ties", [False, True])
def test_each_resample_is_scikit_learn_with_weights(ties):
    target, probability = classes(80, ties=ties)
    probability[:2] = 0, 1
    predicted = metrics.predicted_class(probability)
    counts = np.concatenate(list(metrics._bootstrap_counts(80, 20, seed=1)))
    assert (counts.sum(axis=1) == 80).all()
    resampled = metrics._resampled_classification(target, probability, counts)
    for row, weight in enumerate(counts):
        rows = np.repeat(np.arange(80), weight.astype(int))
        expected = {
            "accuracy": sk.accuracy_score(target, predicted, sample_weight=weight),
            "balanced_accuracy": sk.balanced_accuracy_score(target, predicted, sample_weight=weight),
            "roc_auc": sk.roc_auc_score(target, probability, sample_weight=weight),
            "f1": sk.f1_score(target, predicted, sample_weight=weight),
            "nll": sk.log_loss(target, probability, sample_weight=weight),
            "ece": metrics.expected_calibration_error(target[rows], probability[rows]),
        }
        assert {name: values[row] for name, values in resampled.items()} == pytest.approx(expected)


def test_each_resample_of_a_regression_is_scikit_learn_with_weights():
    target, prediction = energies(80)
    counts = np.concatenate(list(metrics._bootstrap_counts(80, 20, seed=1)))
    resampled = metrics._resampled_regression(target, prediction, counts)
    for row, weight in enumerate(counts):
        expected = {
            "mae": sk.mean_absolute_error(target, prediction, sample_weight=weight),
            "rmse": sk.root_mean_squared_error(target, prediction, sample_weight=weight),
            "r2": sk.r2_score(target, prediction, sample_weight=weight),
        }
        assert {name: values[row] for name, values in resampled.items()} == pytest.approx(expected)


@pytest.mark.parametrize(
    ("kind", "name", "data", "statistic"),
    [
        ("regression", "mae", energies(), lambda y, p, axis: np.mean(np.abs(y - p), axis)),
        ("regression", "rmse", energies(), lambda y, p, axis: np.sqrt(np.mean((y - p) ** 2, axis))),
        ("classification", "accuracy", classes(), lambda y, p, axis: np.mean((p > 0.5) == y, axis)),
    ],
)
def test_intervals_are_scipys(kind, name, data, statistic):
    mine = metrics.with_interval(kind, *data, resamples=4000)[name]
    scipys = scipy.stats.bootstrap(
        data, statistic, n_resamples=4000, paired=True, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    width = scipys.high - scipys.low
    assert mine["value"] == metrics.evaluate(kind, *data)[name]
    assert mine["low"] == pytest.approx(scipys.low, abs=0.06 * width)
    assert mine["high"] == pytest.approx(scipys.high, abs=0.06 * width)


def test_resamples_of_one_class_are_skipped():
    """With one member of class 1 among six a third of the resamples lack it."""
    intervals = metrics.with_interval("classification", [1, 0, 0, 0, 0, 0], [0.6, 0.7, 0.1, 0.2, 0.3, 0.8])
    for name in ("roc_auc", "balanced_accuracy", "f1"):
        assert 0 <= intervals[name]["low"] <= intervals[name]["value"] <= intervals[name]["high"] <= 1


def test_intervals_follow_the_seed():
    data = energies(50)
    first, again, other = (metrics.with_interval("regression", *data, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_paired_difference_of_equal_predictions_is_nothing():
    target, prediction = energies(50)
    found = metrics.paired("regression", target, prediction, prediction)
    assert found == {"metric": "mae", "difference": 0.0, "low": 0.0, "high": 0.0}


def test_paired_interval_is_scipys_and_narrower_than_an_unpaired_one():
    target, good = energies(300)
    bad = target + 1.2 * (good - target)
    found = metrics.paired("regression", target, bad, good, resamples=4000)
    errors = np.abs(bad - target), np.abs(good - target)
    scipys = scipy.stats.bootstrap(
        errors,
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        n_resamples=4000,
        paired=True,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert found["difference"] == pytest.approx(0.2 * errors[1].mean())
    assert (found["low"], found["high"]) == pytest.approx(tuple(scipys), rel=0.03)
    alone = metrics.with_interval("regression", target, bad)["mae"]
    assert found["high"] - found["low"] < 0.5 * (alone["high"] - alone["low"])


def test_paired_accuracy_counts_materials():
    found = metrics.paired("classification", [1, 1, 0, 0], [0.9, 0.9, 0.1, 0.1], [0.9, 0.1, 0.1, 0.9])
    assert (found["metric"], found["difference"]) == ("accuracy", 0.5)
    assert metrics.paired("classification", [], [], [])["difference"] is None


@pytest.mark.parametrize(("kind", "data"), [("regression", energies(100)), ("classification", classes(100))])
def test_summary_of_three_seeds(kind, data):
    target, prediction = data
    subset = np.repeat(["train", "validation", "test"], [60, 20, 20])
    shifts = {2: 0.06, 0: -0.03, 1: 0.03}
    least, most = (0, 1) if kind == "classification" else (-np.inf, np.inf)
    predictions = {seed: np.clip(prediction + shift, least, most) for seed, shift in shifts.items()}
    found = metrics.summarise(kind, target, subset, predictions, resamples=100)
    test = subset == "test"

    assert list(found["seeds"]) == ["0", "1", "2"]
    for seed, p in predictions.items():
        for name, n in (("train", 60), ("validation", 20), ("test", 20)):
            scores = found["seeds"][str(seed)][name]
            assert scores == metrics.evaluate(kind, target[subset == name], p[subset == name])
            assert scores["n"] == n
    mean = np.mean(list(predictions.values()), axis=0)
    assert set(found["ensemble"]["test"]) == set(METRICS[kind])
    headline = HEADLINE[kind]
    ensemble = found["ensemble"]["test"][headline]
    assert ensemble["value"] == pytest.approx(metrics.evaluate(kind, target[test], mean[test])[headline])
    assert ensemble["low"] <= ensemble["value"] <= ensemble["high"]
    over_seeds = [metrics.evaluate(kind, target[test], p[test])[headline] for p in predictions.values()]
    summary = found["summary"]["test"][headline]
    assert summary == pytest.approx(
        {"mean": np.mean(over_seeds), "std": scipy.stats.tstd(over_seeds), "n_seeds": 3}, abs=1e-12
    )
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_summary_of_one_seed_has_no_spread():
    target, prediction = classes(30)
    target[20:] = 1
    found = metrics.summarise("classification", target, ["train"] * 20 + ["test"] * 10, {5: prediction}, resamples=100)
    assert found["summary"]["test"]["nll"]["std"] is None
    assert found["summary"]["test"]["roc_auc"] == {"mean": None, "std": None, "n_seeds": 1}
    assert found["seeds"]["5"]["validation"]["n"] == 0


def test_every_metric_has_a_direction():
    assert set(METRICS["regression"] + METRICS["classification"]) - LOWER_IS_BETTER == {
        "r2", "accuracy", "balanced_accuracy", "roc_auc", "f1"
    }  # fmt: skip
    assert all(HEADLINE[kind] in METRICS[kind] for kind in METRICS)
