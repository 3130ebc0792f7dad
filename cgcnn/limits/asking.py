"""What an ensemble says of crystals under a neighbour rule of one's choice."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cgcnn.arrays import Crystal
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.model import CGCNN
from cgcnn.predict import predict
from cgcnn.tensors import PackedGraphs

Floats = NDArray[np.float64]

#: Name -> rule: the paper's cut, and whole shells as the default configuration has them.
RULES = {"cut": NeighbourRule(ties="cut"), "shells": NeighbourRule(ties="shells")}


def ask(models: Mapping[int, CGCNN], crystals: Sequence[Crystal], rule: NeighbourRule) -> Floats:
    """Mean over the seeds (C,) in the target's unit. The graphs hold angles where the networks ask for them."""
    rule = replace(rule, angles=next(iter(models.values())).settings.angles)
    return np.mean(list(predict(models, PackedGraphs(crystal_graphs(crystals, rule))).values()), axis=0)


def rattled(crystal: Crystal, sigma: float, rng: np.random.Generator) -> Crystal:
    """Every site moved by normally distributed steps of deviation `sigma` (Å) along x, y and z."""
    steps = rng.normal(scale=sigma, size=crystal.frac_coords.shape) @ np.linalg.inv(crystal.lattice)
    return Crystal(crystal.lattice, crystal.frac_coords + steps, crystal.atomic_numbers)


def strained(crystal: Crystal, sigma: float, rng: np.random.Generator) -> Crystal:
    """The cell under a symmetric strain whose six components are normally distributed with deviation `sigma`."""
    upper = np.triu(rng.normal(scale=sigma, size=(3, 3)))
    strain = upper + np.triu(upper, 1).T
    return Crystal(crystal.lattice @ (np.eye(3) + strain), crystal.frac_coords, crystal.atomic_numbers)
