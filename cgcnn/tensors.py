"""Crystal graphs as tensors: all crystals of a data set packed once on a device, batches cut out by indexing.

Shapes: C crystals, N sites, E distinct edges, D distinct distances (within each crystal), over all of a batch.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cgcnn.arrays import CrystalGraphs, offsets


@dataclass(frozen=True)
class Batch:
    """Some crystals as one graph without edges between them; every index counts from the start of the batch."""

    n_sites: Tensor  # (C,) int64
    crystal: Tensor  # (N,) int64, which crystal a site belongs to
    atomic_number: Tensor  # (N,) int64
    centre: Tensor  # (E,) int64, site i of edge (i, j)k, ascending
    neighbour: Tensor  # (E,) int64, site j
    multiplicity: Tensor  # (E, 1) float, how many equal edges this one stands for
    distance: Tensor  # (D,) float, Å, each distinct distance of a crystal once
    distance_index: Tensor  # (E,) int64, which of them an edge has


class PackedGraphs:
    """All crystals of a data set on one device."""

    def __init__(self, graphs: CrystalGraphs, device: torch.device | str = "cpu") -> None:
        def put(values: np.ndarray, kind: torch.dtype) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(values)).to(device=device, dtype=kind)

        edges, sites = graphs.edge_offsets, graphs.site_offsets
        crystal_of_edge = np.repeat(np.arange(len(graphs)), np.diff(edges))  # (E,)
        key = crystal_of_edge * 16.0 + graphs.distance.astype(np.float64)  # distances stay below 16 Å
        distinct, index = np.unique(key, return_inverse=True)
        crystal_of_distance = (distinct // 16.0).astype(np.int64)  # (D,)
        distances = offsets(np.bincount(crystal_of_distance, minlength=len(graphs)))
        centre = np.repeat(np.arange(len(graphs.degree)), graphs.degree) - sites[crystal_of_edge]

        self.n_sites = put(graphs.n_sites, torch.int64)
        self._n_edges = put(np.diff(edges), torch.int64)
        self._n_distances = put(np.diff(distances), torch.int64)
        self._site_start, self._edge_start, self._distance_start = (
            put(start[:-1], torch.int64) for start in (sites, edges, distances)
        )
        self._atomic_number = put(graphs.atomic_numbers, torch.int64)
        self._centre = put(centre, torch.int64)
        self._neighbour = put(graphs.neighbour, torch.int64)
        self._multiplicity = put(graphs.multiplicity, torch.float32)
        self._distance = put(distinct - 16.0 * crystal_of_distance, torch.float32)
        self._distance_index = put(index - distances[crystal_of_edge], torch.int64)

    def __len__(self) -> int:
        return len(self.n_sites)

    @property
    def device(self) -> torch.device:
        return self.n_sites.device

    def batch(self, crystals: Tensor) -> Batch:
        """The crystals at these positions, (C,) int64, in this order."""
        n_sites, n_edges, n_distances = (
            counts[crystals] for counts in (self.n_sites, self._n_edges, self._n_distances)
        )
        site, first_site = _runs(self._site_start[crystals], n_sites)
        edge, _ = _runs(self._edge_start[crystals], n_edges)
        distance, first_distance = _runs(self._distance_start[crystals], n_distances)
        site_shift = torch.repeat_interleave(first_site, n_edges)  # (E,)
        return Batch(
            n_sites=n_sites,
            crystal=torch.repeat_interleave(n_sites),
            atomic_number=self._atomic_number[site],
            centre=self._centre[edge] + site_shift,
            neighbour=self._neighbour[edge] + site_shift,
            multiplicity=self._multiplicity[edge].unsqueeze(1),
            distance=self._distance[distance],
            distance_index=self._distance_index[edge] + torch.repeat_interleave(first_distance, n_edges),
        )


def _runs(start: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of the runs that begin at `start` with `length` entries each, and where each begins in the result."""
    end = length.cumsum(0)
    first = end - length
    shift = torch.repeat_interleave(start - first, length)
    return torch.arange(len(shift), device=start.device) + shift, first
