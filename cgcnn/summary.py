"""The few figures of a run by which two versions of it are compared, flat enough for `dvc metrics` and `dvc plots`."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from cgcnn.metrics import HEADLINE, Kind


def headline(kind: Kind, models: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """Model -> the headline metric on the test materials, its mean over the seeds, and `spread`, its deviation.

    Args:
        models: model -> what `metrics.summarise` gives.
    """
    metric = HEADLINE[kind]
    scores = {name: found["summary"]["test"][metric] for name, found in models.items()}
    return {name: {metric: score["mean"], "spread": score["std"]} for name, score in scores.items()}


def learning(histories: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Validation error by epoch, a column a variant: the mean over the seeds that are still training.

    Args:
        histories: variant -> what history.json holds.

    Returns:
        epoch, then the variants; in the task's unit, or the share of wrong classes.
    """
    means = {}
    for variant, seeds in histories.items():
        rows = pd.concat(pd.DataFrame(seed["epochs"]) for seed in seeds.values())
        means[variant] = rows.groupby("epoch")["validation_error"].mean()
    return pd.DataFrame(means).rename_axis("epoch").reset_index()


def predictions_on_test(
    kind: Kind, table: pd.DataFrame, variants: Sequence[str], classes: Sequence[str]
) -> pd.DataFrame:
    """What each variant says of the test materials, on average over its seeds.

    Args:
        table: predictions of all models, as `tables.PREDICTIONS`.
        classes: names of class 0 and class 1.

    Returns:
        material_id, target, then the variants; in the task's unit, or names of classes.
    """
    test = table[(table["subset"] == "test") & table["model"].isin(variants)]
    wide = test.pivot_table("prediction", ["material_id", "target"], "model", aggfunc="mean").reset_index("target")
    if kind == "classification":
        wide = (wide > 0.5).astype(int).map(classes.__getitem__)
    return wide[["target", *variants]].rename_axis(columns=None).reset_index()
