"""The scores of a run, and the few figures by which versions of it are compared, for `dvc metrics` and `dvc plots`."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from cgcnn.metrics import HEADLINE, Kind, summarise


def scores(kind: Kind, table: pd.DataFrame, resamples: int, seed: int) -> dict[str, dict[str, Any]]:
    """Model -> what `metrics.summarise` gives.

    Args:
        table: predictions of all models, as `tables.PREDICTIONS`.
        resamples, seed: of the bootstrap intervals.
    """
    found = {}
    for name, rows in table.groupby("model", sort=True):
        wide = rows.pivot(index="material_id", columns="seed", values="prediction")
        about = rows.drop_duplicates("material_id").set_index("material_id").loc[wide.index]
        predictions = {int(each): wide[each].to_numpy() for each in sorted(rows["seed"].unique())}
        found[str(name)] = summarise(kind, about["target"], about["subset"], predictions, resamples, seed)
    return found


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
