"""Batches of fixed sizes: what is missing is filled up with sites and edges of multiplicity 0, which change nothing.

A GPU that plays a recorded step again (replay.py) needs every array as long as it was when recorded. Sites that fill up
belong to the last crystal, edges that fill up to such sites; sums, means and batch norms weigh all of them with 0.
Shapes: N sites, E edges, D distances of a batch; n, e, d of them fill up.
"""

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from cgcnn.tensors import Batch, PackedGraphs

_DEVIATIONS = 3.0  # of the sum over a batch's crystals: one batch in some hundred is larger
_EDGES_OF_A_ROW = 16  # that fill up: long rows are summed slowly


class Room(NamedTuple):
    """How many of each a padded batch has."""

    sites: int
    edges: int
    distances: int

    @classmethod
    def of(cls, graphs: PackedGraphs, crystals: Tensor, n: int) -> "Room":
        """For nearly every batch of `n` of these crystals (positions, int64)."""
        sizes = graphs.sizes[crystals].double()  # (len(crystals), 3)
        largest = n * sizes.mean(0) + _DEVIATIONS * n**0.5 * sizes.std(0, correction=0)  # (3,)
        sites, edges, distances = (int(size) + 1 for size in largest.tolist())
        rows = edges // _EDGES_OF_A_ROW + 1
        return cls(sites + rows, edges, distances + rows)

    def holds(self, batch: Batch) -> bool:
        """Whether the batch can be padded; a site and a distance are left for the edges that fill up."""
        sites, edges, distances = len(batch.atomic_number), len(batch.centre), len(batch.distance)
        return sites < self.sites and edges <= self.edges and distances < self.distances


def padded(batch: Batch, room: Room) -> Batch:
    """The batch with as many sites, edges and distances as `room`, which must hold it."""
    n_sites, n_edges, n_distances = len(batch.atomic_number), len(batch.centre), len(batch.distance)
    sites, edges, distances = room.sites - n_sites, room.edges - n_edges, room.distances - n_distances  # n, e, d
    place = torch.arange(edges, device=batch.centre.device)  # (e,)
    of_site, of_distance = (place * rows // max(edges, 1) for rows in (sites, distances))  # (e,) each, spread evenly
    by_centre, by_neighbour, by_distance = batch.edges_of_rows.tensor_split(3)  # (E - e,) each
    first_of_centres, first_of_neighbours, first_of_distances, _ = batch.first_of_rows.tensor_split(
        [n_sites, 2 * n_sites, 2 * n_sites + n_distances]
    )
    starts_of_sites, starts_of_distances = (
        n_edges + (torch.arange(rows, device=place.device) * edges + rows - 1) // rows for rows in (sites, distances)
    )  # (n,), (d,): where in `place` the edges of each begin, behind the edges that are there
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
        edges_of_rows=torch.cat(
            [by_centre, n_edges + place, by_neighbour, n_edges + place, by_distance, n_edges + place]
        ),
        first_of_rows=torch.cat(
            [
                first_of_centres,
                starts_of_sites,
                first_of_neighbours + edges,
                starts_of_sites + room.edges,
                first_of_distances + 2 * edges,
                starts_of_distances + 2 * room.edges,
                place.new_full((1,), 3 * room.edges),
            ]
        ),
    )


def _filled(rows: Tensor, n: int, value: int = 0) -> Tensor:
    """`rows` (N, ...) and `n` more of this value: (N + n, ...)."""
    return torch.cat([rows, rows.new_full((n, *rows.shape[1:]), value)])
