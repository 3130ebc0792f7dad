"""Every pair of sites within a radius, through the periodic images, for many crystals.

Large cells go to pymatgen's compiled `find_points_in_spheres`. For small ones its call takes longer than its search:
many alike are compared in one numpy expression, every site with every image of every site.
docs/decisions/neighbours.md has the measurement.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pymatgen.optimization.neighbors import find_points_in_spheres

from cgcnn.arrays import Crystal

_PERIODIC = np.ones(3, dtype=np.int64)
_NUMERICAL_TOLERANCE = 1e-8  # Å
# All measured.
_MOST_COMPARISONS = 4000  # of a crystal that is compared
_FEWEST_ALIKE = 8  # crystals for which an expression is worth its start
_BLOCK = 40_000  # comparisons at once: few enough for a processor's cache


class Pairs(NamedTuple):
    """P ordered pairs of sites; a site is also paired with itself, at distance 0."""

    centre: np.ndarray  # (P,) int64, site, counted over all crystals
    neighbour: np.ndarray  # (P,) int64, site, counted within its crystal
    distance: np.ndarray  # (P,) float64, Å
    image: np.ndarray | None  # (P, 3), lattice vectors from the neighbour's place in `frac_coords`; None if not wanted


def pairs_within(crystals: Sequence[Crystal], first_site: np.ndarray, radius: np.ndarray, images: bool) -> Pairs:
    """All pairs whose distance is at most the `radius` (C,), Å, of their crystal, in any order.

    `first_site` (C,) is the number of each crystal's first site; `images` are left out where they are not wanted.
    """
    lattices = np.array([crystal.lattice for crystal in crystals], dtype=np.float64)  # (C, 3, 3)
    heights = 1 / np.linalg.norm(np.linalg.inv(lattices), axis=1)  # (C, 3) Å, between opposite faces of the cell
    # Images on either side of the cell, (C, 3), that sites in the cell can see.
    reach = 1 + np.floor((radius[:, None] + _NUMERICAL_TOLERANCE) / heights).astype(np.int64)
    n_sites = np.array([len(crystal.atomic_numbers) for crystal in crystals])
    kinds, kind, count = np.unique(np.column_stack([n_sites, reach]), axis=0, return_inverse=True, return_counts=True)
    comparisons = kinds[:, 0] ** 2 * np.prod(2 * kinds[:, 1:] + 1, axis=1)
    compared = (comparisons <= _MOST_COMPARISONS) & (count >= _FEWEST_ALIKE)

    large = np.flatnonzero(~compared[kind])
    coords = [np.ascontiguousarray(crystals[k].frac_coords @ lattices[k]) for k in large.tolist()]
    found = [_in_spheres(coords, lattices[large], first_site[large], radius[large], images)] if coords else []
    for number in np.flatnonzero(compared).tolist():
        alike = np.flatnonzero(kind == number)
        for part in np.array_split(alike, -(-len(alike) * comparisons[number] // _BLOCK)):
            frac_coords = np.array([crystals[k].frac_coords for k in part.tolist()])
            found.append(_compared(frac_coords, lattices[part], reach[part[0]], radius[part], first_site[part], images))
    return _joined(found)


def pairs_in_published_order(crystals: Sequence[Crystal], first_site: np.ndarray, radius: float, images: bool) -> Pairs:
    """The same in the order of the published code, to the last bit, on which its choice among ties hangs."""
    lattices = np.array([crystal.lattice for crystal in crystals], dtype=np.float64)
    # Site by site, which rounds otherwise than all sites at once.
    coords = [
        np.array([site @ lattice for site in c.frac_coords]) for c, lattice in zip(crystals, lattices, strict=True)
    ]
    return _in_spheres(coords, lattices, first_site, np.full(len(crystals), radius), images)


def _joined(found: Sequence[Pairs]) -> Pairs:
    images = [pairs.image for pairs in found if pairs.image is not None]
    centre, neighbour, distance = (np.concatenate([pairs[k] for pairs in found]) for k in range(3))
    return Pairs(centre, neighbour, distance, np.concatenate(images) if images else None)


def _in_spheres(
    coords: Sequence[np.ndarray], lattices: np.ndarray, first_site: np.ndarray, radius: np.ndarray, images: bool
) -> Pairs:
    """Crystal by crystal, with coordinates in Å."""
    hits = [
        find_points_in_spheres(xyz, xyz, r, _PERIODIC, lattice, _NUMERICAL_TOLERANCE)
        for xyz, lattice, r in zip(coords, lattices, radius.tolist(), strict=True)
    ]
    centre, neighbour, distance = (np.concatenate([hit[k] for hit in hits]) for k in (0, 1, 3))
    centre += np.repeat(first_site, [len(hit[0]) for hit in hits])
    return Pairs(centre, neighbour, distance, np.concatenate([hit[2] for hit in hits]) if images else None)


def _compared(
    frac_coords: np.ndarray,
    lattices: np.ndarray,
    reach: np.ndarray,
    radius: np.ndarray,
    first_site: np.ndarray,
    images: bool,
) -> Pairs:
    """Of G crystals with equally many sites, (G, N, 3), every site with M images of every site."""
    n_crystals, n_sites, _ = frac_coords.shape
    home = np.floor(frac_coords)
    coords = (frac_coords - home) @ lattices  # (G, N, 3) Å, in the cell
    image = np.indices((2 * reach + 1).tolist()).reshape(3, -1).T - reach  # (M, 3)
    shift = image @ lattices  # (G, M, 3) Å
    squared = np.zeros((n_crystals, n_sites, n_sites, len(image)))  # of crystal, centre, neighbour, image
    for axis in range(3):
        apart = coords[:, None, :, axis] - coords[:, :, None, axis]  # (G, N, N)
        component = apart[..., None] + shift[:, None, None, :, axis]  # (G, N, N, M)
        component *= component
        squared += component
    most = (radius + _NUMERICAL_TOLERANCE) ** 2
    hit = np.flatnonzero(squared <= most[:, None, None, None])  # (P,)
    rest, which = np.divmod(hit, len(image))
    site, neighbour = np.divmod(rest, n_sites)  # (P,); sites are counted over the G crystals
    centre = (first_site[:, None] + np.arange(n_sites)).reshape(-1)[site]
    distance = np.sqrt(squared.reshape(-1)[hit])
    if not images:
        return Pairs(centre, neighbour, distance, None)
    home = home.reshape(-1, 3)
    return Pairs(centre, neighbour, distance, image[which] + home[site] - home[site - site % n_sites + neighbour])
