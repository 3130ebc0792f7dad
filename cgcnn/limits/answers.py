"""What all models of a contest said of its test materials, and their mean scores over groups of these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from cgcnn.limits.asking import Floats


@dataclass(frozen=True)
class Answers:
    """Of T test materials, by id."""

    ids: list[str]
    target: Floats  # (T,) in the task's unit, or 1 and 0
    said: Mapping[str, Floats]  # model -> (T,), the mean of its seeds: the prediction, or the probability of class 1

    @classmethod
    def of(cls, predictions: Sequence[pa.Table]) -> "Answers":
        """From tables of predictions, one or several models each."""
        frame = pa.concat_tables(predictions).to_pandas()
        frame = frame[frame["subset"] == "test"]
        said = frame.pivot_table(index="material_id", columns="model", values="prediction", aggfunc="mean", sort=True)
        target = frame.groupby("material_id")["target"].first()
        return cls(
            said.index.tolist(),
            target.loc[said.index].to_numpy(dtype=float),
            {str(model): said[model].to_numpy(dtype=float) for model in said.columns},
        )

    def errors(self) -> dict[str, Floats]:
        """Model -> (T,) absolute errors."""
        return {model: np.abs(values - self.target) for model, values in self.said.items()}

    def hits(self) -> dict[str, Floats]:
        """Model -> (T,) 1 where the more probable class is the right one, else 0."""
        return {model: ((values > 0.5) == (self.target > 0.5)).astype(float) for model, values in self.said.items()}


def by_group(
    groups: Mapping[str, np.ndarray], scores: Mapping[str, Floats], least: int = 1
) -> list[dict[str, int | str | dict[str, float]]]:
    """Mean score of every model in each group, a mask (T,), that has at least so many materials."""
    return [
        {"group": name, "n": int(mask.sum()), "scores": {model: float(v[mask].mean()) for model, v in scores.items()}}
        for name, mask in groups.items()
        if mask.sum() >= least
    ]


def binned(values: Floats, bounds: Sequence[float], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Masks (T,) of the values up to each bound and of those beyond the last; what is NaN is in none.

    Args:
        bounds: ascending, inclusive.
        names: one more than bounds.
    """
    place = np.searchsorted(bounds, values, side="left")
    known = ~np.isnan(values)
    return {name: known & (place == k) for k, name in enumerate(names)}


def column_of(structures: pa.Table, name: str, ids: Sequence[str]) -> list[Any]:
    """A column of the structures table for these materials."""
    rows = dict(zip(structures["material_id"].to_pylist(), structures[name].to_pylist(), strict=True))
    return [rows[each] for each in ids]
