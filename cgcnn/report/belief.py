"""Whether a stated uncertainty can be believed: how often targets lie as near as the spread of the seeds says."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from cgcnn.metrics import CALIBRATION_BINS
from cgcnn.report.results import Contest, Model

Floats = NDArray[np.float64]

LEVELS = np.linspace(0.05, 0.95, 19)
_BINS = 6  # of equal counts, by spread


@dataclass(frozen=True)
class Calibration:
    """Spread of the seeds of one regression model against its errors on the test materials."""

    spread: Floats  # (bins,) mean standard deviation over the seeds, in the target's unit
    rmse: Floats  # (bins,) of the mean prediction
    observed: Floats  # (levels,) share of the targets inside the central interval of LEVELS
    rescaled: Floats  # the same with the spread multiplied by `factor`
    factor: float  # root mean square of error over spread on the validation materials


def calibration(contest: Contest, model: Model) -> Calibration | None:
    """Of a regression with two seeds or more that differ; else None.

    The spread is taken for the standard deviation of a normal distribution. Few seeds make it a rough one.
    """
    if contest.kind != "regression" or len(model.prediction) < 2 or not len(model.validation.T):
        return None
    spread, error = model.prediction.std(axis=0, ddof=1), model.prediction.mean(axis=0) - contest.target
    spread_v = model.validation.std(axis=0, ddof=1)
    if not spread.min() > 0 or not spread_v.min() > 0:
        return None
    factor = float(np.sqrt(np.mean(((model.validation.mean(axis=0) - contest.validation_target) / spread_v) ** 2)))
    half = norm.ppf((1 + LEVELS) / 2)[:, None]
    parts = np.array_split(np.argsort(spread, kind="stable"), min(_BINS, len(spread)))
    return Calibration(
        spread=np.array([spread[part].mean() for part in parts]),
        rmse=np.array([np.sqrt(np.mean(error[part] ** 2)) for part in parts]),
        observed=np.mean(np.abs(error) <= half * spread, axis=1),
        rescaled=np.mean(np.abs(error) <= half * spread * factor, axis=1),
        factor=factor,
    )


def reliability(contest: Contest, model: Model) -> list[tuple[float, float, int]]:
    """Of a classification: mean probability of class 1, how often it is, and members of each bin that has any."""
    probability = model.prediction.mean(axis=0)
    place = np.minimum((probability * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    bins = [place == k for k in range(CALIBRATION_BINS)]
    return [
        (float(probability[own].mean()), float(contest.target[own].mean()), int(own.sum())) for own in bins if own.any()
    ]
