"""From crystal structures to crystal graphs: which neighbours each site sees, at which distances.

The radius of the search (neighbours.py) grows until every site has enough neighbours. All is done for many crystals at
once.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np

from cgcnn.angles import angular_moments, codes
from cgcnn.arrays import Crystal, CrystalGraphs, concatenate, offsets
from cgcnn.neighbours import Pairs, pairs_in_published_order, pairs_within

#: Distances are stored as multiples of this (1.5e-5 Å): exact in float32, so that equal edges compare equal.
DISTANCE_GRID = 2.0**-16

_NUMERICAL_TOLERANCE = 1e-8  # Å
# Both measured: a larger first sphere costs more than a second search of the few crystals that need one.
_FIRST_GUESS = 1.5  # how many times the wanted neighbours the first sphere would hold at uniform density
_GROWTH = 1.15
_SITES_AT_ONCE = 8000  # measured: what is computed for them fits into a cache

# An edge as one integer that sorts by centre, distance, neighbour: 27 bits, 20 (16 Å), 16.
_NEIGHBOUR_BITS, _STEP_BITS = 16, 20


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
    angles: bool = False  # also how the neighbours lie around each edge (angles.py)


def crystal_graphs(crystals: Sequence[Crystal], rule: NeighbourRule, keep_images: bool = False) -> CrystalGraphs:
    """Crystal graphs of C crystals (Xie & Grossman 2018, "crystal graph").

    A site with fewer neighbours than asked keeps those that it has; one with none has degree 0.
    """
    n_sites = np.array([len(crystal.atomic_numbers) for crystal in crystals], dtype=np.int64)
    part = (offsets(n_sites)[:-1] // _SITES_AT_ONCE).tolist()  # which one a crystal belongs to
    parts = [list(group) for _, group in groupby(range(len(crystals)), key=part.__getitem__)]
    return concatenate([_graphs([crystals[k] for k in some], n_sites[some], rule, keep_images) for some in parts])


def _graphs(crystals: Sequence[Crystal], n_sites: np.ndarray, rule: NeighbourRule, keep_images: bool) -> CrystalGraphs:
    wants_images = keep_images or rule.angles
    edges, images = zip(*_search(crystals, n_sites, rule, wants_images), strict=True)
    edge = np.concatenate(edges)  # (E0,)
    image = np.concatenate(images).astype(np.int16) if wants_images else None  # (E0, 3)
    if image is None:
        edge.sort()
    else:
        order = np.lexsort((image[:, 2], image[:, 1], image[:, 0], edge))
        edge, image = edge[order], image[order]
    kept = _near(edge, int(n_sites.sum()), rule)
    edge, image = edge[kept], image[kept] if image is not None else None

    angles, new = None, np.diff(edge, prepend=-1) != 0
    if image is not None and rule.angles:
        angles = angular_moments(_unpack(edge)[0], _vectors(crystals, n_sites, edge, image))
        order = np.lexsort((code := codes(angles), edge))
        edge, image, angles = edge[order], image[order], angles[order]
        new = (np.diff(edge, prepend=-1) != 0) | (np.diff(code[order], prepend=0) != 0)

    # Equal edges become one with a multiplicity.
    first = np.flatnonzero(new)  # (E,)
    centre, steps, neighbour = _unpack(edge[first])
    return CrystalGraphs(
        n_sites=n_sites,
        atomic_numbers=np.concatenate([crystal.atomic_numbers for crystal in crystals]).astype(np.uint8),
        degree=np.bincount(centre, minlength=int(n_sites.sum())).astype(np.uint16),
        neighbour=neighbour.astype(np.uint16),
        distance=(steps * DISTANCE_GRID).astype(np.float32),
        multiplicity=np.diff(first, append=len(edge)).astype(np.uint16),
        image=image if keep_images else None,
        angles=angles[first] if angles is not None else None,
    )


def _search(
    crystals: Sequence[Crystal], n_sites: np.ndarray, rule: NeighbourRule, images: bool
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """At least the edges that `rule` wants, packed, and the images of their neighbours."""
    first_site = offsets(n_sites)[:-1]
    if rule.ties == "cut":
        pairs = pairs_in_published_order(crystals, first_site, rule.cutoff, images)
        yield _taken(pairs, _first_come(pairs.centre, pairs.distance, rule.max_neighbours))
        return
    volume = np.abs(np.linalg.det(np.array([crystal.lattice for crystal in crystals], dtype=np.float64)))  # (C,)
    wanted = rule.max_neighbours * _FIRST_GUESS * volume / n_sites
    radius = np.minimum((3 / (4 * math.pi) * wanted) ** (1 / 3), rule.cutoff)  # (C,)
    searched = np.arange(len(crystals))
    while len(searched):
        pairs = pairs_within([crystals[k] for k in searched.tolist()], first_site[searched], radius[searched], images)
        inside = pairs.distance <= np.repeat(radius - rule.tie_tolerance, n_sites)[pairs.centre]
        count = np.bincount(pairs.centre[inside], minlength=int(n_sites.sum()))  # (N,), each site itself included
        fewest = np.minimum.reduceat(count, first_site)[searched] - 1
        lacking = searched[(fewest < rule.max_neighbours) & (radius[searched] < rule.cutoff)]
        complete = np.ones(len(crystals), dtype=bool)
        complete[lacking] = False
        yield _taken(pairs, np.repeat(complete, n_sites)[pairs.centre])
        radius[lacking] = np.minimum(radius[lacking] * _GROWTH, rule.cutoff)
        searched = lacking


def _taken(pairs: Pairs, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The chosen pairs as packed edges, and their images."""
    edge = _pack(pairs.centre, pairs.distance, pairs.neighbour)[chosen]
    return edge, None if pairs.image is None else pairs.image[chosen]


def _first_come(centre: np.ndarray, distance: np.ndarray, most: int) -> np.ndarray:
    """Positions of the `most` nearest neighbours of each site; order of arrival decides ties."""
    order = np.lexsort((distance, centre))
    order = order[distance[order] > _NUMERICAL_TOLERANCE]
    start = offsets(np.bincount(centre[order]))[:-1]
    return order[np.arange(len(order)) - start[centre[order]] < most]


def _pack(centre: np.ndarray, distance: np.ndarray, neighbour: np.ndarray) -> np.ndarray:
    steps = np.rint(distance / DISTANCE_GRID).astype(np.int64)
    return ((centre.astype(np.int64) << _STEP_BITS | steps) << _NEIGHBOUR_BITS) | neighbour


def _unpack(edge: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre, distance in steps of DISTANCE_GRID, neighbour."""
    steps = edge >> _NEIGHBOUR_BITS & (1 << _STEP_BITS) - 1
    return edge >> _NEIGHBOUR_BITS + _STEP_BITS, steps, edge & (1 << _NEIGHBOUR_BITS) - 1


def _vectors(crystals: Sequence[Crystal], n_sites: np.ndarray, edge: np.ndarray, image: np.ndarray) -> np.ndarray:
    """From the centre of every edge to its neighbour, (E0, 3) Å."""
    frac_coords = np.concatenate([crystal.frac_coords for crystal in crystals])
    centre, _, neighbour = _unpack(edge)
    crystal = np.repeat(np.arange(len(crystals)), n_sites)[centre]  # (E0,)
    apart = frac_coords[neighbour + offsets(n_sites)[:-1][crystal]] + image - frac_coords[centre]
    lattices = np.array([crystal.lattice for crystal in crystals])
    return np.einsum("ei,eij->ej", apart, lattices[crystal])


def _near(edge: np.ndarray, n_sites: int, rule: NeighbourRule) -> np.ndarray:
    """Which of the sorted edges `rule` keeps."""
    centre, steps, _ = _unpack(edge)
    count = np.bincount(centre, minlength=n_sites)
    itself = np.bincount(centre[steps == 0], minlength=n_sites)  # a site is not its own neighbour, its images are
    place = offsets(count)[:-1] + itself + rule.max_neighbours - 1  # of the max_neighbours-th
    limit = np.full(n_sites, 1 << _STEP_BITS)
    full = count - itself >= rule.max_neighbours
    limit[full] = steps[place[full]]
    if rule.ties == "shells":
        limit += round(rule.tie_tolerance / DISTANCE_GRID)
    return (steps > 0) & (steps <= np.repeat(limit, count))
