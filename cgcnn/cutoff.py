"""Weights of the neighbours around the twelfth: a cutoff that lets them go gradually, or a shell that shares places.

The paper's cut takes twelve neighbours, and of a shell of equal distances as many as there is room for, whichever come
first. Whole shells take all of it, and so thirteen or sixteen neighbours. A shell whose neighbours share the places
that nearer ones leave takes all of it, too, and counts as twelve: the mean over all choices that the cut might make.

A cutoff lets neighbours go gradually so that a prediction does not jump while an atom moves.
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


def sharing(batch: Batch, width: float) -> Batch:
    """The batch, its edges weighted so that those of a site count as twelve, where it has as many.

    Neighbours up to `width` nearer than the twelfth, and all that are farther, share what nearer ones leave of twelve.

    Args:
        batch: of graphs of 12 neighbours in whole shells (more would take their places from all, near and far); where
            they are cut at twelve, nothing changes.
        width: in Å.
    """
    distance = batch.distance.index_select(0, batch.distance_index)  # (E,)
    last = (distance >= twelfth_distance(batch, distance)[batch.centre] - width).to(distance.dtype).unsqueeze(1)
    nearer, sharers = (
        distance.new_zeros(len(batch.atomic_number), 1).index_add(0, batch.centre, batch.multiplicity * part)
        for part in (1 - last, last)
    )  # (N, 1) each
    share = ((NEIGHBOURS - nearer) / sharers.clamp(min=1)).clamp(max=1)[batch.centre]  # (E, 1)
    return replace(batch, multiplicity=batch.multiplicity * torch.where(last > 0, share, 1.0))


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
