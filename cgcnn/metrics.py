"""How good predictions are: of a whole split at once, with bootstrap intervals over its materials.

A metric that does not exist for the data at hand (R2 of one material, ROC-AUC of one class) is None, never NaN.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import sklearn.metrics as sk
from numpy.typing import ArrayLike, NDArray

Kind = Literal["regression", "classification"]
Floats = NDArray[np.float64]

METRICS: dict[Kind, tuple[str, ...]] = {
    "regression": ("mae", "rmse", "r2"),
    "classification": ("accuracy", "balanced_accuracy", "roc_auc", "f1", "nll", "ece"),
}
#: The metric by which models are chosen and compared.
HEADLINE: dict[Kind, str] = {"regression": "mae", "classification": "accuracy"}
LOWER_IS_BETTER = frozenset({"mae", "rmse", "nll", "ece"})

CALIBRATION_BINS = 10
CONFIDENCE = 0.95  # of every interval

_RESAMPLES_AT_ONCE = 250  # bounds the memory to 250 x n counts


def evaluate(kind: Kind, target: ArrayLike, prediction: ArrayLike) -> dict[str, float | int | None]:
    """`regression` or `classification`, by name."""
    return regression(target, prediction) if kind == "regression" else classification(target, prediction)


def regression(target: ArrayLike, prediction: ArrayLike) -> dict[str, float | int | None]:
    """Mean absolute error, root mean squared error, coefficient of determination, number of materials.

    Args:
        target, prediction: (n,) in one unit, which mae and rmse have too.

    Returns:
        mae, rmse, r2, n. r2 is None unless the targets differ; all but n are None without materials.
    """
    y, p = np.asarray(target, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    if len(y) == 0:
        return {**dict.fromkeys(METRICS["regression"]), "n": 0}
    return {
        "mae": float(sk.mean_absolute_error(y, p)),
        "rmse": float(sk.root_mean_squared_error(y, p)),
        "r2": float(sk.r2_score(y, p)) if np.ptp(y) > 0 else None,
        "n": len(y),
    }


def classification(target: ArrayLike, probability: ArrayLike) -> dict[str, float | int | None]:
    """Measures of the class predicted, of the ranking, and of the probabilities themselves.

    Args:
        target: (n,) of 1 and 0.
        probability: (n,) of class 1; above 1/2 class 1 is predicted.

    Returns:
        accuracy; balanced_accuracy, the mean recall of the two classes; roc_auc, area under the receiver operating
        characteristic; f1 of class 1; nll, mean negative log-likelihood in nats; ece, see
        `expected_calibration_error`; n. balanced_accuracy and roc_auc are None unless both classes occur, f1 is None
        where class 1 neither occurs nor is predicted, all but n are None without materials.
    """
    y, p = np.asarray(target, dtype=np.int64), np.asarray(probability, dtype=np.float64)
    if len(y) == 0:
        return {**dict.fromkeys(METRICS["classification"]), "n": 0}
    predicted = predicted_class(p)
    both = 0 < y.sum() < len(y)
    return {
        "accuracy": float(sk.accuracy_score(y, predicted)),
        "balanced_accuracy": float(sk.balanced_accuracy_score(y, predicted)) if both else None,
        "roc_auc": float(sk.roc_auc_score(y, p)) if both else None,
        "f1": float(sk.f1_score(y, predicted)) if np.any(y | predicted) else None,
        "nll": float(sk.log_loss(y, p, labels=[0, 1])),
        "ece": expected_calibration_error(y, p),
        "n": len(y),
    }


def predicted_class(probability: ArrayLike) -> NDArray[np.int64]:
    """Class (n,) 1 or 0, the more probable one; 0 where both are equally probable."""
    return (np.asarray(probability) > 0.5).astype(np.int64)


def expected_calibration_error(target: ArrayLike, probability: ArrayLike) -> float:
    """Mean gap between the probability of class 1 and how often it is class 1, over bins weighted by their members.

    sum over bins b of n_b / n |mean target in b - mean probability in b|, with CALIBRATION_BINS bins of equal width
    (Naeini, Cooper & Hauskrecht, AAAI 2015; with the confidence in the predicted class instead: Guo et al., ICML 2017).

    Args:
        target: (n,) of 1 and 0, n > 0.
        probability: (n,) of class 1.
    """
    y, p = np.asarray(target, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    return float(np.abs((y - p) @ _calibration_bins(p)).sum() / len(y))


def with_interval(
    kind: Kind, target: ArrayLike, prediction: ArrayLike, resamples: int = 1000, seed: int = 0
) -> dict[str, dict[str, float | None]]:
    """Each metric with its percentile bootstrap interval over materials (Efron & Tibshirani 1993, ch. 13).

    Args:
        kind: regression, or classification with the probability of class 1 as prediction.
        target, prediction: (n,) as for `regression` and `classification`.
        resamples: bootstrap samples of n materials, drawn with replacement.
        seed: of the draw.

    Returns:
        metric -> value, low, high. Resamples for which a metric does not exist (one class alone) do not count for it;
        low and high are None if none is left, if the value is None, and for fewer than two materials.
    """
    y, p = np.asarray(target, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    values = evaluate(kind, y, p)
    resampled = _resampled_regression if kind == "regression" else _resampled_classification
    parts = [resampled(y, p, counts) for counts in _bootstrap_counts(len(y), resamples, seed)]
    return {
        name: {"value": values[name], **_interval([part[name] for part in parts], values[name] is not None)}
        for name in METRICS[kind]
    }


def paired(
    kind: Kind,
    target: ArrayLike,
    prediction_a: ArrayLike,
    prediction_b: ArrayLike,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, str | float | None]:
    """How much the headline metric of a differs from that of b, on the same materials.

    Both are resampled together, so that what makes a material hard for both cancels.

    Args:
        target, prediction_a, prediction_b: (n,) as for `with_interval`.

    Returns:
        metric, its name; difference, of a minus b; low, high, the paired bootstrap interval of that.
    """
    score = _absolute_error if kind == "regression" else _is_right
    y = np.asarray(target, dtype=np.float64)
    gain = score(y, np.asarray(prediction_a)) - score(y, np.asarray(prediction_b))
    means = [counts @ gain / len(y) for counts in _bootstrap_counts(len(y), resamples, seed)]
    difference = float(gain.mean()) if len(y) else None
    return {"metric": HEADLINE[kind], "difference": difference, **_interval(means, difference is not None)}


def summarise(
    kind: Kind,
    target: ArrayLike,
    subset: ArrayLike,
    predictions: Mapping[int, ArrayLike],
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """All figures of one model on one split of one task.

    Args:
        target: (n,) of all materials.
        subset: (n,) of "train", "validation", "test".
        predictions: seed of the model -> (n,).
        resamples, seed: of the intervals.

    Returns:
        What JSON can hold:
        seeds -> seed -> subset -> metric -> number;
        ensemble -> test -> metric -> value, low, high, of the mean prediction over the seeds;
        summary -> test -> metric -> mean, std, n_seeds: over the seeds, std the sample one, None for a single seed.
    """
    y, subset = np.asarray(target), np.asarray(subset)
    by_seed = {str(key): np.asarray(predictions[key]) for key in sorted(predictions)}
    seeds = {
        key: {name: evaluate(kind, y[subset == name], p[subset == name]) for name in ("train", "validation", "test")}
        for key, p in by_seed.items()
    }
    test = subset == "test"
    mean_prediction = np.mean(list(by_seed.values()), axis=0)
    ensemble = with_interval(kind, y[test], mean_prediction[test], resamples, seed)
    summary = {name: _spread([scores["test"][name] for scores in seeds.values()]) for name in METRICS[kind]}
    return {"seeds": seeds, "ensemble": {"test": ensemble}, "summary": {"test": summary}}


def best_on_validation(kind: Kind, models: Mapping[str, Mapping[str, Any]]) -> str:
    """The model with the best headline metric on the validation materials, mean over its seeds; the first of equals.

    Args:
        models: name -> what `summarise` returned.
    """
    metric = HEADLINE[kind]
    sign = 1 if metric in LOWER_IS_BETTER else -1
    means = {
        name: sign * float(np.mean([parts["validation"][metric] for parts in scores["seeds"].values()]))
        for name, scores in models.items()
    }
    return min(means, key=means.__getitem__)


def _spread(values: Sequence[float | None]) -> dict[str, float | int | None]:
    known = [value for value in values if value is not None]
    complete = len(known) == len(values)
    return {
        "mean": float(np.mean(known)) if complete else None,
        "std": float(np.std(known, ddof=1)) if complete and len(known) > 1 else None,
        "n_seeds": len(values),
    }


def _bootstrap_counts(n: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each of n materials is in each resample: (resamples, n), some rows at a time. None for n < 2."""
    if n < 2:
        return
    rng = np.random.Generator(np.random.PCG64(seed))
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        rows = min(_RESAMPLES_AT_ONCE, resamples - start)
        drawn = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def _interval(resampled: Sequence[Floats], exists: bool) -> dict[str, float | None]:
    known = np.concatenate([np.empty(0), *resampled])
    known = known[~np.isnan(known)]
    if not exists or len(known) == 0:
        return {"low": None, "high": None}
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return {"low": float(low), "high": float(high)}


def _absolute_error(y: Floats, p: Floats) -> Floats:
    return np.abs(y - p)


def _is_right(y: Floats, p: Floats) -> Floats:
    return (predicted_class(p) == y).astype(np.float64)


def _calibration_bins(p: Floats) -> Floats:
    """(n, bins) of 1 where a probability (n,) lies in a bin, its lower edge included (in the last bin also 1)."""
    bins = np.minimum((p * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    return (bins[:, None] == np.arange(CALIBRATION_BINS)).astype(np.float64)


# The same metrics as above for B resamples at once, given how often each material is in each, counts (B, n): a call
# of scikit-learn a resample would take minutes a run. NaN where a metric does not exist.


def _resampled_regression(y: Floats, p: Floats, counts: Floats) -> dict[str, Floats]:
    n = len(y)
    squares = counts @ (y - p) ** 2
    centred = y - y.mean()
    spread = counts @ centred**2 - (counts @ centred) ** 2 / n
    differ = np.array([np.ptp(y[row > 0]) > 0 for row in counts])
    return {
        "mae": counts @ _absolute_error(y, p) / n,
        "rmse": np.sqrt(squares / n),
        "r2": 1 - squares / np.where(differ, spread, np.nan),
    }


def _resampled_classification(y: Floats, p: Floats, counts: Floats) -> dict[str, Floats]:
    n = len(y)
    predicted = predicted_class(p)
    positives, negatives = counts @ y, counts @ (1 - y)
    true_positives, true_negatives = counts @ (y * predicted), counts @ ((1 - y) * (1 - predicted))
    tiny = np.finfo(np.float64).eps  # as in scikit-learn's log_loss
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN: does not exist
        return {
            "accuracy": (true_positives + true_negatives) / n,
            "balanced_accuracy": (true_positives / positives + true_negatives / negatives) / 2,
            "roc_auc": _resampled_ranking(y, p, counts) / (positives * negatives),
            "f1": 2 * true_positives / (positives + counts @ predicted),
            "nll": counts @ -np.log(np.clip(np.where(y == 1, p, 1 - p), tiny, 1 - tiny)) / n,
            "ece": np.abs(counts @ ((y - p)[:, None] * _calibration_bins(p))).sum(axis=1) / n,
        }


def _resampled_ranking(y: Floats, p: Floats, counts: Floats) -> Floats:
    """Pairs of a material of each class where that of class 1 is the more probable; ties count half: (B,)."""
    order = np.argsort(p, kind="stable")
    _, first = np.unique(p[order], return_index=True)
    ones = np.add.reduceat(counts[:, order] * y[order], first, axis=1)  # (B, distinct probabilities)
    zeros = np.add.reduceat(counts[:, order] * (1 - y[order]), first, axis=1)
    return np.sum(ones * (np.cumsum(zeros, axis=1) - zeros / 2), axis=1)
