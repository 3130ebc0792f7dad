"""Every pair of sites within a radius, through the periodic images, for many crystals.

Large cells go to pymatgen's compiled `find_points_in_spheres`, whose time grows with the sites and not with their
square. In others every site is compared with every image that may be near: d² = |x|² + |y|² - 2 x·y of all pairs of a
crystal is one matrix product, and all else is done for many crystals in one numpy expression.
docs/decisions/neighbours.md has the measurement.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pymatgen.optimization.neighbors import find_points_in_spheres

from cgcnn.arrays import Crystal, offsets

_PERIODIC = np.ones(3, dtype=np.int64)
_NUMERICAL_TOLERANCE = 1e-8  # Å
# Both measured.
_MOST_PAIRS = 150_000  # of a site and an image in a crystal that is compared: 100 sites in a compact cell
_BLOCK = 800_000  # such pairs at once; what is near enough to be compared fits into a cache


class Pairs(NamedTuple):
    """P ordered pairs of sites; a site is also paired with itself, at distance 0 to rounding (1e-6 Å)."""

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
    margin = (radius[:, None] + _NUMERICAL_TOLERANCE) / heights  # (C, 3) fractional, of the sphere around a site
    reach = 1 + np.floor(margin).astype(np.int64)  # (C, 3) images on either side that sites in the cell can see
    n_sites = np.array([len(crystal.atomic_numbers) for crystal in crystals])
    n_pairs = n_sites**2 * np.prod(2.0 * reach + 1, axis=1) / 2  # (C,)
    is_large = n_pairs > _MOST_PAIRS

    large = np.flatnonzero(is_large)
    coords = [np.ascontiguousarray(crystals[k].frac_coords @ lattices[k]) for k in large.tolist()]
    found = [_in_spheres(coords, lattices[large], first_site[large], radius[large], images)] if coords else []
    for common in np.unique(reach[~is_large], axis=0):
        alike = np.flatnonzero((reach == common).all(axis=1) & ~is_large)
        image = _half_of_images(common)
        block = np.cumsum(n_pairs[alike]) // _BLOCK  # (len(alike),)
        for part in np.split(alike, np.flatnonzero(np.diff(block)) + 1):
            frac_coords = [crystals[k].frac_coords for k in part.tolist()]
            found.append(
                _compared(frac_coords, lattices[part], image, margin[part], radius[part], first_site[part], images)
            )
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


def _half_of_images(reach: np.ndarray) -> np.ndarray:
    """(M, 3) int64: no shift, then of every two opposite ones within `reach` (3,) one; the other's pairs mirror its."""
    every = np.indices((2 * reach + 1).tolist()).reshape(3, -1).T - reach
    return every[len(every) // 2 :]


def _compared(
    frac_coords: Sequence[np.ndarray],
    lattices: np.ndarray,
    image: np.ndarray,
    margin: np.ndarray,
    radius: np.ndarray,
    first_site: np.ndarray,
    images: bool,
) -> Pairs:
    """Of G crystals with N sites in all, every site with those images (M, 3) of sites that may be within `radius`."""
    n_sites = np.array([len(coords) for coords in frac_coords])
    start = offsets(n_sites)
    crystal = np.repeat(np.arange(len(n_sites)), n_sites)  # (N,)
    frac = np.concatenate(frac_coords)  # (N, 3)
    home = np.floor(frac)
    inside = frac - home
    limit = (radius + _NUMERICAL_TOLERANCE) ** 2  # (G,) Å²
    site, shift = np.divmod(_may_be_near(inside, crystal, start, image, margin), len(image))  # (K,) each, by crystal

    xyz = np.einsum("ni,nij->jn", inside - 0.5, lattices[crystal])  # (3, N) Å, from the cell's centre, to round little
    shifts = (image @ lattices).reshape(-1, 3).T  # (3, G M) Å
    far = np.empty((5, len(site)))  # columns y, 1, |y|² - limit
    np.add(xyz[:, site], shifts[:, crystal[site] * len(image) + shift], out=far[:3])
    far[3], far[4] = 1, np.einsum("ik,ik->k", far[:3], far[:3]) - limit[crystal[site]]
    near = np.ones((len(frac), 5))  # rows -2 x, |x|², 1
    near[:, :3], near[:, 3] = -2 * xyz.T, np.einsum("in,in->n", xyz, xyz)

    first_column = np.searchsorted(site, start)  # (G + 1,)
    n_columns = np.diff(first_column)
    ends = offsets(n_sites * n_columns)
    excess = np.empty(ends[-1])  # d² - limit of all pairs, crystal by crystal
    edges = [bounds.tolist() for bounds in (start, first_column, ends)]
    for n, n_end, k, k_end, e, e_end in zip(*(part for b in edges for part in (b, b[1:])), strict=False):
        np.matmul(near[n:n_end], far[:, k:k_end], out=excess[e:e_end].reshape(n_end - n, k_end - k))

    hit = np.flatnonzero(excess <= 0)  # (H,)
    first_of_row = offsets(n_columns[crystal])
    row = np.repeat(np.arange(len(frac)), np.diff(np.searchsorted(hit, first_of_row)))  # (H,) which site
    column = hit + (first_column[crystal] - first_of_row[:-1])[row]  # (H,) with which image of a site
    other = site[column]
    distance = np.sqrt(np.maximum(excess[hit] + limit[crystal[row]], 0))
    of_image = np.flatnonzero(shift[column])  # seen from their side, too
    within = np.arange(len(frac)) - start[crystal]  # (N,)
    number = within + first_site[crystal]  # (N,)
    vector = image[shift[column]] + (home[row] - home[other]) if images else None  # (H, 3)
    return Pairs(
        np.concatenate([number[row], number[other[of_image]]]),
        np.concatenate([within[other], within[row[of_image]]]),
        np.concatenate([distance, distance[of_image]]),
        None if vector is None else np.concatenate([vector, -vector[of_image]]),
    )


def _may_be_near(
    inside: np.ndarray, crystal: np.ndarray, start: np.ndarray, image: np.ndarray, margin: np.ndarray
) -> np.ndarray:
    """Which images of sites, counted over (N, M), lie in the box around the crystal's sites that is `margin` wider."""
    low = (np.minimum.reduceat(inside, start[:-1]) - margin)[crystal]  # (N, 3)
    high = (np.maximum.reduceat(inside, start[:-1]) + margin)[crystal]
    reach = image.max(axis=0)
    is_near = np.ones((len(inside), len(image)), dtype=bool)
    for axis in range(3):
        moved = inside[:, axis, None] + np.arange(-reach[axis], reach[axis] + 1)
        seen = (moved >= low[:, axis, None]) & (moved <= high[:, axis, None])
        is_near &= seen[:, image[:, axis] + reach[axis]]
    return np.flatnonzero(is_near)
