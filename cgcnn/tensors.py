"""Crystal graphs as tensors: all crystals of a data set packed once on a device, batches cut out by indexing.

Shapes: C crystals, N distinct sites, E distinct edges, D distinct distances (within each crystal), over a whole batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from cgcnn.angles import ANGLE_GRID, codes
from cgcnn.arrays import CrystalGraphs, offsets
from cgcnn.orbits import merge_equal_sites


@dataclass(frozen=True)
class Batch:
    """Some crystals as one graph without edges between them; every index counts from the start of the batch."""

    n_sites: Tensor  # (C,) int64, equal sites counted singly
    crystal: Tensor  # (N,) int64, which crystal a site belongs to
    atomic_number: Tensor  # (N,) int64
    site_multiplicity: Tensor  # (N, 1) float, how many equal sites this one stands for
    centre: Tensor  # (E,) int64, site i of edge (i, j)k, ascending
    neighbour: Tensor  # (E,) int64, site j
    multiplicity: Tensor  # (E, 1) float, how many equal edges of site i this one stands for
    distance: Tensor  # (D,) float, Å, each distinct distance of a crystal once; with angles, each pair of both
    distance_index: Tensor  # (E,) int64, which of them an edge has
    edges_of_rows: Tensor  # (3E,) int64: edges by centre, then by neighbour, then by distance
    first_of_rows: Tensor  # (2N + D + 1,) int64, where in edges_of_rows each centre, neighbour, distance begins
    angles: Tensor  # (D, 4) float, moments of the angles (angles.py); (D, 0) in graphs without

    @cached_property
    def rows_of_edges(self) -> Tensor:
        """(E, 3) int64: centre, neighbour and distance of an edge as rows of a table of N + N + D rows."""
        n = len(self.atomic_number)
        return torch.stack([self.centre, self.neighbour + n, self.distance_index + 2 * n], dim=1)

    @cached_property
    def n_edges(self) -> Tensor:
        """() float, edges of the crystals, all counted singly."""
        return self._edge_weight.sum()

    @cached_property
    def edge_share(self) -> Tensor:
        """(E, 1) float, adds up to 1: the share of each edge in a mean over all edges of the crystals."""
        return self._edge_weight / self.n_edges

    @cached_property
    def row_share(self) -> Tensor:
        """(2N + D, 1) float: the sum of the shares of a row's edges."""
        shares = self.edge_share.new_zeros(len(self.first_of_rows) - 1, 1)
        return shares.index_add(0, self.rows_of_edges.flatten(), self.edge_share.repeat_interleave(3, dim=0))

    @cached_property
    def _edge_weight(self) -> Tensor:
        """(E, 1) float, how many edges of the crystals an edge stands for: those of equal sites, too."""
        return self.multiplicity * self.site_multiplicity.index_select(0, self.centre)


class PackedGraphs:
    """All crystals of a data set on one device.

    Args:
        graphs: the crystals, in the order of the positions that `batch` takes.
        merge_sites: compute equal sites once (see orbits.py); without it, every site of a crystal is one of the batch.
    """

    def __init__(self, graphs: CrystalGraphs, device: torch.device | str = "cpu", merge_sites: bool = True) -> None:
        def put(values: np.ndarray, kind: torch.dtype = torch.int64) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(values)).to(device=device, dtype=kind)

        self.n_sites = put(graphs.n_sites)
        site_multiplicity = np.ones(len(graphs.atomic_numbers))
        if merge_sites:
            merged = merge_equal_sites(graphs)
            graphs, site_multiplicity = merged.graphs, merged.site_multiplicity

        sites, edges = graphs.site_offsets, graphs.edge_offsets
        crystal_of_edge = np.repeat(np.arange(len(graphs)), np.diff(edges))  # (E,)
        key = crystal_of_edge * 16.0 + graphs.distance.astype(np.float64)  # distances stay below 16 Å
        angles = np.empty((len(key), 0)) if graphs.angles is None else graphs.angles * ANGLE_GRID  # (E, 4)
        if graphs.angles is None:
            distinct, first, index = np.unique(key, return_index=True, return_inverse=True)
        else:
            pairs = np.stack([key.view(np.int64), codes(graphs.angles)])  # positive floats sort as their bits do
            _, first, index = np.unique(pairs, axis=1, return_index=True, return_inverse=True)
            distinct = key[first]
        crystal_of_distance = (distinct // 16.0).astype(np.int64)  # (D,)
        distances = offsets(np.bincount(crystal_of_distance, minlength=len(graphs)))
        neighbour = graphs.neighbour + sites[crystal_of_edge]  # (E,)
        centre = np.repeat(np.arange(len(graphs.degree)), graphs.degree)

        first_edge = edges[crystal_of_edge]
        # Of each crystal: where its runs of sites, edges and distances begin, and how long they are.
        self._start = put(np.stack([sites[:-1], edges[:-1], distances[:-1]], axis=1))  # (C, 3)
        self._length = put(np.stack([np.diff(sites), np.diff(edges), np.diff(distances)], axis=1))  # (C, 3)
        self._atomic_number = put(graphs.atomic_numbers)
        self._site_multiplicity = put(site_multiplicity, torch.float32)
        self._degree = put(graphs.degree)
        self._centre = put(centre - sites[crystal_of_edge])
        self._neighbour = put(graphs.neighbour)
        self._multiplicity = put(graphs.multiplicity, torch.float32)
        self._distance = put(distinct - 16.0 * crystal_of_distance, torch.float32)
        self._angles = put(angles[first], torch.float32)
        self._distance_index = put(index - distances[crystal_of_edge])
        self._by_neighbour = put(np.argsort(neighbour, kind="stable") - first_edge)
        self._degree_as_neighbour = put(np.bincount(neighbour, minlength=sites[-1]))
        self._by_distance = put(np.argsort(index, kind="stable") - first_edge)
        self._degree_of_distance = put(np.bincount(index, minlength=len(distinct)))

    def __len__(self) -> int:
        return len(self.n_sites)

    @property
    def device(self) -> torch.device:
        return self.n_sites.device

    def batch(self, crystals: Tensor) -> Batch:
        """The crystals at these positions, (C,) int64, in this order."""
        return next(self.batches(crystals, 1))

    def batches(self, crystals: Tensor, n_batches: int) -> Iterator[Batch]:
        """The crystals at these positions, (C,) int64, in this order, cut into batches as `tensor_split` cuts.

        Their sizes are asked from the device once, at the start.
        """
        parts = crystals.tensor_split(n_batches)
        sizes = torch.stack([self._length[part].sum(0) for part in parts]).tolist()
        for part, (n_sites, n_edges, n_distances) in zip(parts, sizes, strict=True):
            start, length = self._start[part].unbind(1), self._length[part].unbind(1)
            site, first_site = _runs(start[0], length[0], n_sites)
            edge, first_edge = _runs(start[1], length[1], n_edges)
            distance, first_distance = _runs(start[2], length[2], n_distances)
            shift = torch.stack([first_site, first_edge, first_distance])  # (3, C)
            site_shift, edge_shift, distance_shift = torch.repeat_interleave(
                shift, length[1], dim=1, output_size=n_edges
            )  # (E,) each
            degrees = (self._degree[site], self._degree_as_neighbour[site], self._degree_of_distance[distance])
            yield Batch(
                n_sites=self.n_sites[part],
                crystal=torch.arange(len(part), device=self.device).repeat_interleave(length[0], output_size=n_sites),
                atomic_number=self._atomic_number[site],
                site_multiplicity=self._site_multiplicity[site].unsqueeze(1),
                centre=self._centre[edge] + site_shift,
                neighbour=self._neighbour[edge] + site_shift,
                multiplicity=self._multiplicity[edge].unsqueeze(1),
                distance=self._distance[distance],
                distance_index=self._distance_index[edge] + distance_shift,
                angles=self._angles[distance],
                edges_of_rows=torch.cat(
                    [
                        torch.arange(n_edges, device=self.device),
                        self._by_neighbour[edge] + edge_shift,
                        self._by_distance[edge] + edge_shift,
                    ]
                ),
                first_of_rows=torch.cat([length[0].new_zeros(1), *degrees]).cumsum(0),
            )


def _runs(start: Tensor, length: Tensor, total: int) -> tuple[Tensor, Tensor]:
    """Positions of the runs that begin at `start` with `length` entries each, and where each begins in the result."""
    first = length.cumsum(0) - length
    shift = torch.repeat_interleave(start - first, length, output_size=total)
    return torch.arange(total, device=start.device) + shift, first
