"""Ties at the cut, and how far a site sees."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from cgcnn.arrays import Crystal
from cgcnn.examine import REWRITINGS
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.limits.asking import RULES, Floats, ask, rattled
from cgcnn.model import CGCNN
from cgcnn.tensors import PackedGraphs

TINY = 1e-4  # Å, far below what a relaxation leaves
_REWRITTEN = ("supercell", "translation", "rotation")
_CELLS = 10  # in a row, long enough for the bound of three layers in most perovskites
_UNCHANGED = 1e-6  # of a feature, rounding
REPEATS = (2, 4, 8)  # cells in a row


def tie_changes(models: Mapping[int, CGCNN], crystals: Sequence[Crystal], seed: int) -> dict[str, dict[str, Floats]]:
    """|change of the prediction| (C,) of the same crystals written down otherwise, or moved by TINY.

    Returns:
        Rule (cut, shells) -> rewriting -> (C,) in the target's unit. Nothing physical changes, so nothing should.
    """
    found: dict[str, dict[str, Floats]] = {}
    for name, rule in RULES.items():
        rng = np.random.default_rng(seed)
        before = ask(models, crystals, rule)
        others = {how: [REWRITINGS[how](each, rng) for each in crystals] for how in _REWRITTEN}
        others["rattle"] = [rattled(each, TINY, rng) for each in crystals]
        found[name] = {how: np.abs(ask(models, cells, rule) - before) for how, cells in others.items()}
    return found


def row_changes(models: Mapping[int, CGCNN], crystals: Sequence[Crystal]) -> dict[str, list[float]]:
    """Rule -> mean |change of the prediction| over crystals written down as REPEATS cells in a row, long cells."""
    return {
        name: [float(np.abs(ask(models, [_row(each, n) for each in crystals], rule) - before).mean()) for n in REPEATS]
        for name, rule in RULES.items()
        for before in [ask(models, crystals, rule)]
    }


def _row(crystal: Crystal, n: int) -> Crystal:
    """n cells in a row along the first lattice vector, the sites cell by cell."""
    steps = np.arange(n)[:, None] * np.array([1.0, 0.0, 0.0])  # (n, 3)
    coords = ((crystal.frac_coords + steps[:, None]) / [n, 1, 1]).reshape(-1, 3)
    return Crystal(crystal.lattice * np.array([[n], [1], [1]]), coords, np.tile(crystal.atomic_numbers, n))


def receptive_field(model: CGCNN, crystal: Crystal, rule: NeighbourRule) -> tuple[Floats, Floats, float]:
    """How the features of all sites change when the element of one site does, in a row of cells along x.

    Returns:
        (N,) distance in Å of each site from the changed one, over periodic images;
        (N,) norm of the change of its features;
        bound: layers times the longest edge, in Å. Nothing beyond it can change.
    """
    row = _row(crystal, _CELLS)
    lattice, coords, numbers = row.lattice, row.frac_coords, row.atomic_numbers
    other = numbers.copy()
    other[0] = 20 if numbers[0] != 20 else 38  # calcium, or strontium in its place
    graphs = crystal_graphs([Crystal(lattice, coords, each) for each in (numbers, other)], rule)
    packed = PackedGraphs(graphs, merge_sites=False)
    with torch.no_grad():
        features = model.eval().site_features(packed.batch(torch.arange(2))).double().numpy()
    change = np.linalg.norm(np.subtract(*np.split(features, 2)), axis=1)
    images = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    distance = np.linalg.norm((coords - coords[0] + images) @ lattice, axis=2).min(axis=0)
    return distance, np.where(change > _UNCHANGED, change, 0.0), model.settings.n_conv * float(graphs.distance.max())
