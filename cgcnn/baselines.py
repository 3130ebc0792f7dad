"""Reference models that see no structure: what a network has to beat before its neighbours have taught it anything."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from cgcnn.elements import MAX_ATOMIC_NUMBER, properties
from cgcnn.metrics import HEADLINE, LOWER_IS_BETTER, Kind, evaluate

Floats = NDArray[np.float64]

#: mean: of the training targets, or the share of class 1. elements: which elements are there, not how much of each.
#: composition: how much of each, and the statistics of their properties.
BASELINES = ("mean", "elements", "composition")

_RIDGE_PENALTIES = np.logspace(-2, 4, 13)


def fit_predict(
    name: str,
    kind: Kind,
    compositions: Sequence[ArrayLike],
    target: ArrayLike,
    subset: ArrayLike,
    seed: int,
) -> tuple[Floats, dict[str, Any]]:
    """Fit a baseline on the training materials and predict all.

    `elements` and `composition` try ridge (or logistic) regression, a random forest and gradient boosting of
    scikit-learn, and keep the one that is best on the validation materials. Test targets are never looked at.

    Args:
        name: one of BASELINES.
        compositions: n arrays with the atomic number, 1 to 100, of each site.
        target: (n,), in any unit; 1 and 0 for a classification.
        subset: (n,) of "train", "validation", "test".
        seed: of the random forest and of gradient boosting; the same one gives the same prediction.

    Returns:
        The prediction (n,), in the unit of the target, or the probability of class 1; and what was `chosen`, with the
        `validation` score of each candidate in the headline `metric`.
    """
    y, subset = np.asarray(target, dtype=np.float64), np.asarray(subset)
    train, validation = subset == "train", subset == "validation"
    # scikit-learn's trees take tiny errors for none at all. A power of two changes no other bit.
    unit = 2.0 ** np.floor(np.log2(y[train].std() or 1.0)) if kind == "regression" else 1.0
    x = _features(name, compositions)
    metric = HEADLINE[kind]
    predictions: dict[str, Floats] = {}
    scores: dict[str, Any] = {}
    for candidate, estimator in _candidates(name, kind, seed).items():
        with threadpool_limits(limits=1):  # the order of sums, and so the last bits, must not depend on the machine
            predictions[candidate] = unit * _predict(estimator.fit(x[train], y[train] / unit), kind, x)
        scores[candidate] = evaluate(kind, y[validation], predictions[candidate][validation])[metric]
    best = (min if metric in LOWER_IS_BETTER else max)(scores, key=scores.__getitem__)
    return predictions[best], {"chosen": best, "metric": metric, "validation": scores}


def element_fractions(compositions: Sequence[ArrayLike]) -> Floats:
    """(n, 101) share of each atomic number, 0 to 100, among the sites of n materials."""
    counts = [np.bincount(np.asarray(sites), minlength=MAX_ATOMIC_NUMBER + 1) for sites in compositions]
    table = np.array(counts, dtype=np.float64).reshape(-1, MAX_ATOMIC_NUMBER + 1)
    return table / table.sum(axis=1, keepdims=True)


def property_statistics(fractions: Floats) -> Floats:
    """Mean, standard deviation, smallest and largest value of each element property in n materials.

    The mean and the deviation weigh an element by its share (as in Magpie: Ward et al., npj Comput. Mater. 2, 16028,
    2016). A property that is not known for an element counts as its median over the elements for which it is.

    Args:
        fractions: (n, 101) from `element_fractions`.

    Returns:
        (n, 4 properties).
    """
    table = np.stack(list(properties().values()), axis=1)  # (101, properties)
    table = np.where(np.isnan(table), np.nanmedian(table, axis=0), table)
    mean = fractions @ table
    variance = fractions @ table**2 - mean**2
    present = fractions > 0
    smallest = np.stack([np.where(present, values, np.inf).min(axis=1) for values in table.T], axis=1)
    largest = np.stack([np.where(present, values, -np.inf).max(axis=1) for values in table.T], axis=1)
    return np.concatenate([mean, np.sqrt(np.maximum(variance, 0)), smallest, largest], axis=1)


def _features(name: str, compositions: Sequence[ArrayLike]) -> Floats:
    """(n, features) that the baseline may see. There is a column for every element, trained on or not."""
    fractions = element_fractions(compositions)
    if name == "composition":
        return np.concatenate([fractions, property_statistics(fractions)], axis=1)
    return (fractions > 0).astype(np.float64)


def _candidates(name: str, kind: Kind, seed: int) -> dict[str, BaseEstimator]:
    """Unfitted models by name, the simplest first: it wins a tie."""
    if name == "mean":
        return {"mean": DummyRegressor() if kind == "regression" else DummyClassifier(strategy="prior")}
    forest: dict[str, Any] = {"n_estimators": 200, "max_features": 1 / 3, "n_jobs": 1, "random_state": seed}
    # the default leaf of 20 materials is blind to any element that fewer hold
    boosting: dict[str, Any] = {"min_samples_leaf": 5, "random_state": seed}
    if kind == "regression":
        return {
            "ridge": make_pipeline(StandardScaler(), RidgeCV(_RIDGE_PENALTIES)),
            "random forest": RandomForestRegressor(**forest),
            "gradient boosting": HistGradientBoostingRegressor(**boosting),
        }
    return {
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "random forest": RandomForestClassifier(**forest),
        "gradient boosting": HistGradientBoostingClassifier(**boosting),
    }


def _predict(estimator: Any, kind: Kind, x: Floats) -> Floats:
    """Prediction (n,), or the probability of class 1."""
    if kind == "regression":
        return estimator.predict(x)
    return estimator.predict_proba(x)[:, list(estimator.classes_).index(1)]
