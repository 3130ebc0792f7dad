"""Crystal graphs of many crystals as flat numpy arrays: what graph.py makes, tables.py stores, tensors.py takes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Crystal:
    """What a graph is made from."""

    lattice: np.ndarray  # (3, 3) Å, rows are the lattice vectors
    frac_coords: np.ndarray  # (N, 3)
    atomic_numbers: np.ndarray  # (N,)


@dataclass(frozen=True)
class CrystalGraphs:
    """C crystals with N sites and E distinct edges in all, in compressed sparse rows.

    Crystal c owns the next `n_sites[c]` sites, site i the next `degree[i]` edges. An edge stands for `multiplicity`
    equal ones: the same pair of sites at the same distance through different periodic images.
    """

    n_sites: np.ndarray  # (C,) int64
    atomic_numbers: np.ndarray  # (N,) uint8
    degree: np.ndarray  # (N,) uint16
    neighbour: np.ndarray  # (E,) uint16, index of a site within its crystal
    distance: np.ndarray  # (E,) float32, Å
    multiplicity: np.ndarray  # (E,) uint16
    image: np.ndarray | None = None  # (sum of multiplicity, 3) int8, lattice vectors from neighbour's cell
    angles: np.ndarray | None = None  # (E, 4) int16, see angles.py; equal edges have equal ones

    def __len__(self) -> int:
        return len(self.n_sites)

    @property
    def site_offsets(self) -> np.ndarray:
        """(C + 1,) first site of each crystal."""
        return offsets(self.n_sites)

    @property
    def edge_offsets(self) -> np.ndarray:
        """(C + 1,) first edge of each crystal."""
        return offsets(self.degree)[self.site_offsets]

    def take(self, crystals: np.ndarray) -> "CrystalGraphs":
        """The crystals at these positions, in this order, without images."""
        site, edge = runs(self.site_offsets, crystals), runs(self.edge_offsets, crystals)
        return CrystalGraphs(
            n_sites=self.n_sites[crystals],
            atomic_numbers=self.atomic_numbers[site],
            degree=self.degree[site],
            neighbour=self.neighbour[edge],
            distance=self.distance[edge],
            multiplicity=self.multiplicity[edge],
            angles=None if self.angles is None else self.angles[edge],
        )


def runs(starts: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Positions of all entries of the `chosen` runs, one after the other, for where (n + 1,) runs start."""
    first, length = starts[chosen], starts[chosen + 1] - starts[chosen]
    return np.arange(length.sum()) + np.repeat(first - offsets(length)[:-1], length)


def offsets(counts: np.ndarray) -> np.ndarray:
    """(n + 1,) where each of n runs starts, for their (n,) lengths."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def concatenate(parts: Sequence[CrystalGraphs]) -> CrystalGraphs:
    """One after the other. Images and angles are kept only where every part has them."""
    images = [part.image for part in parts if part.image is not None]
    angles = [part.angles for part in parts if part.angles is not None]
    return CrystalGraphs(
        n_sites=np.concatenate([part.n_sites for part in parts]),
        atomic_numbers=np.concatenate([part.atomic_numbers for part in parts]),
        degree=np.concatenate([part.degree for part in parts]),
        neighbour=np.concatenate([part.neighbour for part in parts]),
        distance=np.concatenate([part.distance for part in parts]),
        multiplicity=np.concatenate([part.multiplicity for part in parts]),
        image=np.concatenate(images) if len(images) == len(parts) else None,
        angles=np.concatenate(angles) if len(angles) == len(parts) else None,
    )
