"""A cutoff that lets neighbours go gradually, so that a prediction does not jump while an atom moves.

The twelfth distance of a site is a continuous function of the positions, although the twelfth neighbour is not. Weights
that fall from 1 at that distance to 0 at a `width` behind it are continuous with it, and whole shells keep every
neighbour that has one. In an ideal crystal, where a shell has one distance, nothing changes. Two things still jump: a
neighbour at the cutoff of the graph, where that cuts the switch off; and moments of angles, which count all alike.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor

from cgcnn.conv import NEIGHBOURS
from cgcnn.tensors import Batch


def softened(batch: Batch, width: float) -> Batch:
    """The batch, its edges weighted by (1 + cos π x) / 2, x = (d - d_12) / width between 0 and 1 (Behler 2011).

    Args:
        batch: of graphs with whole shells of a tolerance of at least `width`, and of at least 12 neighbours.
        width: in Å.
    """
    distance = batch.distance.index_select(0, batch.distance_index)  # (E,)
    behind = (distance - twelfth_distance(batch, distance)[batch.centre]) / width
    weight = (1 + torch.cos(math.pi * behind.clamp(0, 1))) / 2
    return replace(batch, multiplicity=batch.multiplicity * weight.unsqueeze(1))


def twelfth_distance(batch: Batch, distance: Tensor) -> Tensor:
    """Of each site the distance of its twelfth neighbour (N,) in Å; infinite where it has fewer."""
    order = torch.argsort(distance)
    order = order[torch.argsort(batch.centre[order], stable=True)]  # by site, then by distance
    centre, multiplicity = batch.centre[order], batch.multiplicity[order, 0].double()
    seen = multiplicity.cumsum(0)
    n_sites = len(batch.atomic_number)
    before = seen.new_zeros(n_sites).index_add(0, centre, multiplicity).cumsum(0)  # (N,)
    before = torch.cat([before.new_zeros(1), before[:-1]])
    enough = seen - before[centre] > NEIGHBOURS - 0.5
    far = torch.where(enough, distance[order], torch.inf)
    return distance.new_full((n_sites,), torch.inf).scatter_reduce(0, centre, far, "amin")
