"""Batches of fixed sizes: what is missing is filled up with sites and edges of multiplicity 0, which change nothing.

A GPU that plays a recorded step again (replay.py) needs every array as long as it was when recorded. Sites that fill up
belong to the last crystal, edges that fill up to such sites; sums, means and batch norms weigh all of them with 0, and
a maximum leaves them out (pool.py).
Shapes: N sites, E edges, D distances of the batch that is padded.
"""

import math
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from cgcnn.tensors import Batch, PackedGraphs

_DEVIATIONS = 3.0  # above the mean of what n crystals have; one batch in some hundred is larger
_EDGES_A_ROW = 32  # as many of the edges that fill up share a site, so that no sum over a site's edges is a long one


class Room(NamedTuple):
    """The sizes to which batches are padded."""

    sites: int
    edges: int
    distances: int

    @classmethod
    def of(cls, graphs: PackedGraphs, crystals: Tensor, n: int) -> "Room":
        """For nearly every batch of `n` of these crystals (positions, int64, at least n of them)."""
        sizes = graphs.sizes[crystals].double()  # (len(crystals), 3)
        mean = sizes.mean(0)  # (3,)
        drawn = n * (len(crystals) - n) / max(len(crystals) - 1, 1)  # variance of a sum drawn without replacement
        more = _DEVIATIONS * (drawn * (sizes - mean).square().mean(0)).sqrt()  # (3,)
        sites, edges, distances, spread = torch.cat([n * mean + more, more[1:2]]).ceil().long().tolist()
        rows = 1 + math.ceil(2 * spread / _EDGES_A_ROW)  # for edges that fill up a batch as far below the mean
        return cls(sites + rows, edges, distances + rows)

    def holds(self, batch: Batch) -> bool:
        """Whether the batch can be padded; a site and a distance are left for the edges that fill up."""
        sites, edges, distances = len(batch.atomic_number), len(batch.centre), len(batch.distance)
        return sites < self.sites and edges <= self.edges and distances < self.distances


def padded(batch: Batch, room: Room) -> Batch:
    """The batch with as many sites, edges and distances as `room`, which must hold it."""
    n_sites, n_edges, n_distances = len(batch.atomic_number), len(batch.centre), len(batch.distance)
    sites, edges, distances = room.sites - n_sites, room.edges - n_edges, room.distances - n_distances
    place = n_edges + torch.arange(edges, device=batch.centre.device)  # (edges,) of those that fill up
    of_site, starts_of_sites = _shared_out(place, sites)
    of_distance, starts_of_distances = _shared_out(place, distances)
    by_centre, by_neighbour, by_distance = batch.edges_of_rows.tensor_split(3)  # (E,) each
    centres, neighbours, their_distances, _ = batch.first_of_rows.split([n_sites, n_sites, n_distances, 1])
    first = [
        *(centres, n_edges + starts_of_sites),
        *(edges + neighbours, room.edges + n_edges + starts_of_sites),
        *(2 * edges + their_distances, 2 * room.edges + n_edges + starts_of_distances),
    ]
    return replace(
        batch,
        crystal=_filled(batch.crystal, sites, len(batch.n_sites) - 1),
        atomic_number=_filled(batch.atomic_number, sites),
        site_multiplicity=_filled(batch.site_multiplicity, sites),
        centre=torch.cat([batch.centre, n_sites + of_site]),
        neighbour=torch.cat([batch.neighbour, n_sites + of_site]),
        multiplicity=_filled(batch.multiplicity, edges),
        distance=_filled(batch.distance, distances),
        distance_index=torch.cat([batch.distance_index, n_distances + of_distance]),
        angles=_filled(batch.angles, distances),
        edges_of_rows=torch.cat([by_centre, place, by_neighbour, place, by_distance, place]),
        first_of_rows=torch.cat([*first, place.new_full((1,), 3 * room.edges)]),
    )


def _shared_out(edges: Tensor, n_rows: int) -> tuple[Tensor, Tensor]:
    """For edges (e,) that rows share evenly: the row of each (e,), ascending, and where each row begins (n_rows,)."""
    e = len(edges)
    row = torch.arange(e, device=edges.device) * n_rows // max(e, 1)
    return row, (torch.arange(n_rows, device=edges.device) * e + n_rows - 1) // n_rows


def _filled(rows: Tensor, n: int, value: int = 0) -> Tensor:
    """`rows` (N, ...) and `n` more of this value: (N + n, ...)."""
    return torch.cat([rows, rows.new_full((n, *rows.shape[1:]), value)])
