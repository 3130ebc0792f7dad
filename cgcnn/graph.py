"""From crystal structures to crystal graphs: which neighbours each site sees, at which distances.

The neighbour search is pymatgen's compiled `find_points_in_spheres`, with a radius that grows until every site has
enough neighbours; docs/decisions/neighbours.md has the libraries that were measured. Everything after the search is
done for many crystals at once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pymatgen.optimization.neighbors import find_points_in_spheres

from cgcnn.arrays import Crystal, CrystalGraphs, offsets

#: Distances are stored as multiples of this (1.5e-5 Å): exact in float32, so that equal edges compare equal.
DISTANCE_GRID = 2.0**-16

_PERIODIC = np.ones(3, dtype=np.int64)
_NUMERICAL_TOLERANCE = 1e-8  # Å
_FIRST_GUESS = 2.0  # how many times the wanted neighbours the first sphere would hold at uniform density
_GROWTH = 1.25


@dataclass(frozen=True)
class NeighbourRule:
    """Which neighbours of a site are its edges.

    ties='shells' keeps every neighbour within `tie_tolerance` of the `max_neighbours`-th, so that the graph depends on
    the crystal alone; ties='cut' keeps exactly `max_neighbours`, the paper's cut, first come first served in ties.
    """

    cutoff: float = 8.0  # Å
    max_neighbours: int = 12
    ties: Literal["shells", "cut"] = "shells"
    tie_tolerance: float = 0.1  # Å


def crystal_graphs(crystals: Sequence[Crystal], rule: NeighbourRule, keep_images: bool = False) -> CrystalGraphs:
    """Crystal graphs of C crystals (Xie & Grossman 2018, "crystal graph").

    A site with fewer neighbours than asked keeps those that it has; one with none has degree 0.
    """
    found = [_search(crystal, rule) for crystal in crystals]
    n_sites = np.array([len(crystal.atomic_numbers) for crystal in crystals], dtype=np.int64)
    site_offsets = offsets(n_sites)
    centre = np.concatenate([hit[0] + first for hit, first in zip(found, site_offsets[:-1], strict=True)])  # (E0,)
    neighbour, distance = (np.concatenate([hit[k] for hit in found]) for k in (1, 3))
    image = np.concatenate([hit[2] for hit in found]).astype(np.int8)  # (E0, 3)

    kept = _nearest(centre, distance, int(n_sites.sum()), rule)
    centre, neighbour, distance, image = centre[kept], neighbour[kept], distance[kept], image[kept]

    # Equal edges become one with a multiplicity: they share centre, distance and neighbour.
    steps = np.rint(distance / DISTANCE_GRID).astype(np.int64)
    order = np.lexsort((image[:, 2], image[:, 1], image[:, 0], neighbour, steps, centre))
    centre, neighbour, steps = centre[order], neighbour[order], steps[order]
    same = (np.diff(centre) == 0) & (np.diff(steps) == 0) & (np.diff(neighbour) == 0)
    first = np.flatnonzero(np.concatenate([[True], ~same])) if len(centre) else np.zeros(0, dtype=np.int64)
    return CrystalGraphs(
        n_sites=n_sites,
        atomic_numbers=np.concatenate([crystal.atomic_numbers for crystal in crystals]).astype(np.uint8),
        degree=np.bincount(centre[first], minlength=int(n_sites.sum())).astype(np.uint16),
        neighbour=neighbour[first].astype(np.uint16),
        distance=(steps[first] * DISTANCE_GRID).astype(np.float32),
        multiplicity=np.diff(np.append(first, len(centre))).astype(np.uint16),
        image=image[order] if keep_images else None,
    )


def _search(crystal: Crystal, rule: NeighbourRule) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Centre, neighbour, image and distance (Å) of at least the neighbours that `rule` wants, and of others."""
    lattice = np.ascontiguousarray(crystal.lattice, dtype=np.float64)
    coords = np.ascontiguousarray(crystal.frac_coords @ lattice)
    radius = rule.cutoff
    if rule.ties == "cut":
        # The published choice among ties hangs on the last bit: pymatgen's coordinates are products site by site.
        coords = np.array([site @ lattice for site in crystal.frac_coords])
    else:
        volume_a_site = abs(np.linalg.det(lattice)) / len(coords)
        radius = (3 / (4 * math.pi) * volume_a_site * rule.max_neighbours * _FIRST_GUESS) ** (1 / 3)
    # The cut begins with the whole cutoff: that choice follows the order of the full search, too.
    while True:
        radius = min(radius, rule.cutoff)
        hit = find_points_in_spheres(coords, coords, radius, _PERIODIC, lattice, _NUMERICAL_TOLERANCE)
        if radius == rule.cutoff:
            return hit
        inside = hit[0][hit[3] <= radius - rule.tie_tolerance]
        if np.bincount(inside, minlength=len(coords)).min() > rule.max_neighbours:  # more: each site finds itself
            return hit
        radius *= _GROWTH


def _nearest(centre: np.ndarray, distance: np.ndarray, n_sites: int, rule: NeighbourRule) -> np.ndarray:
    """Positions of the edges that `rule` keeps, sorted by centre and distance; order of arrival decides ties."""
    order = np.lexsort((distance, centre))
    order = order[distance[order] > _NUMERICAL_TOLERANCE]  # a site is not its own neighbour, its images are
    centre, distance = centre[order], distance[order]
    count = np.bincount(centre, minlength=n_sites)
    start = offsets(count)[:-1]
    rank = np.arange(len(order)) - start[centre]
    if rule.ties == "cut":
        return order[rank < rule.max_neighbours]
    last = np.full(n_sites, np.inf)  # (N,) distance of the max_neighbours-th neighbour
    full = count >= rule.max_neighbours
    last[full] = distance[start[full] + rule.max_neighbours - 1]
    return order[distance <= last[centre] + rule.tie_tolerance]
