"""Crystal graphs as tensors: all crystals of a data set packed once on a device, batches cut out by indexing.

Shapes: C crystals, N distinct sites, E distinct edges, D distinct distances (within each crystal), over a whole batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cgcnn.angles import ANGLE_GRID, codes
from cgcnn.arrays import CrystalGraphs, offsets
from cgcnn.orbits import merge_equal_sites

_CHUNK = 1024  # crystals that are packed at once, which takes a few times their memory


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
        return self._edge_weight / self.n_edges.clamp(min=1)  # without edges every share is 0

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

        some = [np.arange(first, min(first + _CHUNK, len(graphs))) for first in range(0, len(graphs) or 1, _CHUNK)]
        parts = [_Columns.of(graphs.take(crystals), merge_sites) for crystals in some]
        packed = _Columns(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
        self.n_sites = put(graphs.n_sites)
        # Of each crystal: how long its runs of sites, edges and distances are, and where they begin.
        self.sizes = put(packed.length)  # (C, 3) distinct sites, edges, distances
        self._start = self.sizes.cumsum(0) - self.sizes  # (C, 3)
        self._atomic_number = put(packed.atomic_number)
        self._site_multiplicity = put(packed.site_multiplicity, torch.float32)
        self._multiplicity = put(packed.multiplicity, torch.float32)
        self._distance = put(packed.distance, torch.float32)
        self._angles = put(packed.angles, torch.float32)
        self._centre = put(packed.centre, torch.int32)
        self._neighbour = put(packed.neighbour, torch.int32)
        self._distance_index = put(packed.distance_index, torch.int32)
        self._by_neighbour = put(packed.by_neighbour, torch.int32)
        self._by_distance = put(packed.by_distance, torch.int32)
        self._degree = put(packed.degree)
        self._degree_as_neighbour = put(packed.degree_as_neighbour)
        self._degree_of_distance = put(packed.degree_of_distance)

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
        sizes = torch.stack([self.sizes[part].sum(0) for part in parts]).tolist()
        for part, (n_sites, n_edges, n_distances) in zip(parts, sizes, strict=True):
            start, length = self._start[part].unbind(1), self.sizes[part].unbind(1)
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


class _Columns(NamedTuple):
    """What a batch is cut from; every index counts from the start of its crystal."""

    length: np.ndarray  # (C, 3) distinct sites, edges, distances
    atomic_number: np.ndarray  # (N,)
    site_multiplicity: np.ndarray  # (N,)
    degree: np.ndarray  # (N,) edges by centre
    degree_as_neighbour: np.ndarray  # (N,) edges by neighbour
    degree_of_distance: np.ndarray  # (D,) edges by distance
    distance: np.ndarray  # (D,) Å
    angles: np.ndarray  # (D, 4) or (D, 0)
    centre: np.ndarray  # (E,)
    neighbour: np.ndarray  # (E,)
    multiplicity: np.ndarray  # (E,)
    distance_index: np.ndarray  # (E,)
    by_neighbour: np.ndarray  # (E,) the edges sorted by neighbour
    by_distance: np.ndarray  # (E,) the edges sorted by distance

    @classmethod
    def of(cls, graphs: CrystalGraphs, merge_sites: bool) -> "_Columns":
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
        n_distances = np.bincount(crystal_of_distance, minlength=len(graphs))
        neighbour = graphs.neighbour + sites[crystal_of_edge]  # (E,)
        centre = np.repeat(np.arange(len(graphs.degree)), graphs.degree)
        first_edge = edges[crystal_of_edge]
        small = partial(np.asarray, dtype=np.int32)  # counted within a crystal, and as many as edges
        return cls(
            length=np.stack([np.diff(sites), np.diff(edges), n_distances], axis=1),
            atomic_number=graphs.atomic_numbers,
            site_multiplicity=site_multiplicity,
            degree=graphs.degree,
            degree_as_neighbour=np.bincount(neighbour, minlength=sites[-1]),
            degree_of_distance=np.bincount(index, minlength=len(distinct)),
            distance=distinct - 16.0 * crystal_of_distance,
            angles=angles[first],
            centre=small(centre - sites[crystal_of_edge]),
            neighbour=small(graphs.neighbour),
            multiplicity=graphs.multiplicity,
            distance_index=small(index - offsets(n_distances)[:-1][crystal_of_edge]),
            by_neighbour=small(np.argsort(neighbour, kind="stable") - first_edge),
            by_distance=small(np.argsort(index, kind="stable") - first_edge),
        )


def _runs(start: Tensor, length: Tensor, total: int) -> tuple[Tensor, Tensor]:
    """Positions of the runs that begin at `start` with `length` entries each, and where each begins in the result."""
    first = length.cumsum(0) - length
    shift = torch.repeat_interleave(start - first, length, output_size=total)
    return torch.arange(total, device=start.device) + shift, first
