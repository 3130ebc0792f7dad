"""What the data themselves allow: polymorphs, and structures that are not relaxed."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from cgcnn.arrays import Crystal
from cgcnn.graph import NeighbourRule
from cgcnn.limits.asking import Floats, ask
from cgcnn.model import CGCNN

DISPLACEMENTS = (0.0, 0.01, 0.03, 0.1, 0.2)  # Å, deviation of each step of a site along x, y and z
STRAINS = (0.0, 0.01, 0.02, 0.04, 0.06)  # deviation of each component of the strain


def composition_floor(formulas: Sequence[str], target: Floats) -> tuple[int, float]:
    """How many materials share their formula with another, and the least MAE over those of any model of the formula.

    The best that a model can say of a formula is the median of its polymorphs, and it would have to know all answers.
    """
    names, which, counts = np.unique(np.asarray(formulas), return_inverse=True, return_counts=True)
    shared = counts[which] > 1
    best = np.array([np.median(target[which == k]) for k in range(len(names))])
    return int(shared.sum()), float(np.abs(target - best[which])[shared].mean()) if shared.any() else 0.0


def unrelaxed_errors(
    models: Mapping[int, CGCNN],
    crystals: Sequence[Crystal],
    target: Floats,
    rule: NeighbourRule,
    disturb: Callable[[Crystal, float, np.random.Generator], Crystal],
    sigmas: Sequence[float],
    seed: int,
) -> list[float]:
    """MAE of the ensemble on test crystals disturbed by each of `sigmas`, against the relaxed ones' targets."""
    errors = []
    for sigma in sigmas:
        rng = np.random.default_rng(seed)
        said = ask(models, [disturb(each, sigma, rng) for each in crystals], rule)
        errors.append(float(np.abs(said - target).mean()))
    return errors
