"""Checks of notebook 1. Each takes the student's function, and a case to try it on; there is always a first case."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cgcnn.arrays import Crystal
from cgcnn.elements import Block
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.model import GAUSSIAN_STEP, N_GAUSSIANS

from .verdict import Wrong, check, close, has_shape, must, same

Edges = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Cell:
    """A crystal without elements, and how far to look."""

    lattice: np.ndarray  # (3, 3) Å, rows are the lattice vectors
    frac_coords: np.ndarray  # (N, 3)
    cutoff: float  # Å

    def edges(self) -> Edges:
        """Every neighbour within the cutoff, by the package: centre (E,), neighbour (E,), distance (E,) in Å."""
        crystal = Crystal(self.lattice, self.frac_coords, np.ones(len(self.frac_coords), dtype=np.uint8))
        graph = crystal_graphs([crystal], NeighbourRule(self.cutoff, max_neighbours=10**6))
        centre = np.repeat(np.arange(len(self.frac_coords)), graph.degree)
        rows = (centre, graph.neighbour.astype(int), graph.distance.astype(float))
        return tuple(np.repeat(row, graph.multiplicity) for row in rows)  # type: ignore[return-value]


_FCC = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
NACL = Cell(5.64 * np.eye(3), np.array(_FCC + [[(x + 0.5) % 1, y, z] for x, y, z in _FCC]), 6.0)
OBLIQUE = Cell(
    np.array([[2.9, 0, 0], [2.4, 1.9, 0], [0.3, 1.1, 4.2]]), np.array([[0.1, 0.2, 0.3], [0.6, 0.9, 0.8]]), 5.0
)


@check
def neighbours(answer: Callable[..., Edges], *cells: Cell) -> None:
    """`answer(lattice, frac_coords, cutoff)` gives centre, neighbour and distance of every edge, in any order."""
    for cell in cells or (NACL, OBLIQUE):
        found = answer(cell.lattice, cell.frac_coords, cell.cutoff)
        must(isinstance(found, tuple) and len(found) == 3, "Return three arrays: centre, neighbour, distance.")
        centre, neighbour, distance = (np.asarray(row) for row in found)
        must(
            centre.shape == neighbour.shape == distance.shape,
            "The three arrays must be equally long: one entry an edge.",
        )
        if not _equal(_sorted(centre, neighbour, distance), _sorted(*cell.edges())):
            raise Wrong(_what_is_wrong_with_edges(cell, centre, neighbour, distance))


def _sorted(centre: np.ndarray, neighbour: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """(E, 3) rows centre, neighbour, distance (1e-3 Å), sorted."""
    rows = np.stack([centre, neighbour, np.round(distance, 3)], axis=1) if len(centre) else np.zeros((0, 3))
    return rows[np.lexsort(rows.T[::-1])]


def _equal(found: np.ndarray, expected: np.ndarray) -> bool:
    return found.shape == expected.shape and bool(np.allclose(found, expected, atol=2e-3))


def _what_is_wrong_with_edges(cell: Cell, centre: np.ndarray, neighbour: np.ndarray, distance: np.ndarray) -> str:
    expected = cell.edges()
    count = f"There are {len(centre)} edges instead of {len(expected[0])}"
    found = _sorted(centre, neighbour, distance)

    def is_for(lattice: np.ndarray) -> bool:
        return _equal(found, _sorted(*Cell(lattice, cell.frac_coords, cell.cutoff).edges()))

    if len(centre) == 0:
        return f"{count}: are the periodic images there?"
    if distance.min() < 1e-6:
        return "Some distance is zero: a site is not its own neighbour (its images in other cells are)."
    if is_for(cell.lattice.T):
        return "These are the neighbours in another lattice: the lattice vectors are the rows of the matrix."
    if (
        distance.max() <= cell.cutoff**2
        and len(centre) == len(expected[0])
        and close(np.sort(distance), np.sort(expected[2] ** 2), 1e-3)
    ):
        return "The distances look squared."
    if distance.max() > cell.cutoff + 1e-3:
        return f"An edge is {distance.max():.2f} Å long, beyond the cutoff of {cell.cutoff} Å."
    if np.all(centre < neighbour) or np.all(centre <= neighbour):
        return f"{count}: does every pair count in both directions? If j is a neighbour of i, i is one of j."
    pairs = {tuple(row) for row in np.stack([centre, neighbour], axis=1).tolist()}
    if len(pairs) == len(centre):
        return f"{count}, one a pair of sites at most: several images of one site may be neighbours of another."
    if not np.any(centre == neighbour) and np.any(expected[0] == expected[1]):
        return f"{count}: a site's own images in other cells are neighbours, too."
    if distance.max() < 0.6 * expected[2].max():
        return "The distances are much too short: fractional coordinates become Å with the help of the lattice."
    if len(centre) < len(expected[0]):
        return f"{count}: look further, the cutoff may reach beyond the nearest cells, most of all in a slanted one."
    if len(centre) > len(expected[0]):
        return f"{count}: are some edges there twice?"
    return (
        "There are as many edges as there should be, but other ones: look at which site is where, and at the distances."
    )


@check
def nearest(answer: Callable[..., np.ndarray], *cases: tuple[Edges, int, int, float]) -> None:
    """`answer(centre, distance, n_sites, k, tolerance)` gives (E,) bool: which edges stay."""
    for (centre, _, distance), n_sites, k, tolerance in cases or _FIRST_NEAREST:
        found = np.asarray(answer(centre, distance, n_sites, k, tolerance))
        has_shape(found, centre.shape, "one entry an edge")
        must(found.dtype == bool, f"The answer has type {found.dtype}: it should be bool, True for an edge that stays.")
        limit = _kth(centre, distance, n_sites, k)
        expected = distance <= limit[centre] + tolerance
        if np.array_equal(found, expected):
            continue
        degree, wanted = (np.bincount(centre[kept], minlength=n_sites) for kept in (found, expected))
        few = np.bincount(centre, minlength=n_sites) < k
        order = np.argsort(distance, kind="stable")
        overall = np.zeros(len(distance), dtype=bool)
        overall[order[:k]] = True
        if np.array_equal(
            found, distance <= np.sort(distance)[min(k, len(distance)) - 1] + tolerance
        ) or np.array_equal(found, overall):
            raise Wrong("The nearest edges of the whole crystal are kept: each site has neighbours of its own.")
        if few.any() and np.any(degree[few] < wanted[few]):
            raise Wrong(f"A site with fewer than {k} neighbours keeps those that it has.")
        if np.array_equal(found, distance <= _kth(centre, distance, n_sites, k + 1)[centre] + tolerance):
            raise Wrong(f"This looks for neighbour {k + 1} in place of {k}: counting starts at 0.")
        if np.array_equal(found, distance < limit[centre]) or np.array_equal(
            found, distance < limit[centre] - tolerance
        ):
            raise Wrong(f"The {k}-th neighbour and its shell are missing: compare with <=, and add the tolerance.")
        if np.array_equal(found, distance <= _kth(centre, distance, n_sites, k - 1)[centre] + tolerance):
            raise Wrong(f"This looks for neighbour {k - 1} in place of {k}.")
        if np.array_equal(found, distance <= limit[centre]) or np.array_equal(found, distance <= limit[centre] + 1e-8):
            raise Wrong(f"Neighbours within {tolerance} Å of the {k}-th belong to its shell: the tolerance is missing.")
        if np.all(degree <= k) and np.any(wanted > k):
            raise Wrong(
                f"Some sites keep just {k}: their shell is cut in two. All that are as near as the {k}-th stay."
            )
        raise Wrong(f"The sites keep {degree[:6].tolist()}... neighbours instead of {wanted[:6].tolist()}...")


def _kth(centre: np.ndarray, distance: np.ndarray, n_sites: int, k: int) -> np.ndarray:
    """(N,) distance of the k-th neighbour of each site, infinite where there are fewer."""
    own = [np.sort(distance[centre == site]) for site in range(n_sites)]
    return np.array([d[k - 1] if 0 < k <= len(d) else np.inf for d in own])


_LONELY = (np.array([0, 0, 1]), np.array([1, 1, 0]), np.array([2.0, 2.5, 2.0]))
# Two sites whose shells differ, with a near-tie of 0.05 Å at the second neighbour of site 1.
_NEAR_TIE = (np.array([1, 0, 1, 0, 1, 0, 1]), np.zeros(7, dtype=int), np.array([3.05, 1.0, 2.0, 1.5, 3.0, 1.8, 3.5]))
_FIRST_NEAREST = ((_NEAR_TIE, 2, 2, 0.1), (NACL.edges(), 8, 12, 0.1), (_LONELY, 3, 2, 0.1))


@check
def expand(answer: Callable[[np.ndarray], np.ndarray], *distances: np.ndarray) -> None:
    """`answer(distance)` gives (E, 41): each distance on Gaussians of width 0.2 Å at 0, 0.2, ..., 8 Å."""
    for distance in distances or (np.array([2.0, 2.82, 3.988]),):
        found = answer(distance)
        if isinstance(found, np.ndarray) and found.shape == (N_GAUSSIANS, len(distance)) != found.T.shape:
            raise Wrong("The answer lies on its side: one row a distance, one column a Gaussian.")
        if isinstance(found, np.ndarray) and found.shape == (len(distance), N_GAUSSIANS - 1):
            raise Wrong("There are 40 Gaussians. From 0 to 8 Å in steps of 0.2 Å, both ends included, there are 41.")
        has_shape(found, (len(distance), N_GAUSSIANS), "one row a distance, one column a Gaussian")
        gap = (distance[:, None] - GAUSSIAN_STEP * np.arange(N_GAUSSIANS)) / GAUSSIAN_STEP
        expected = np.exp(-(gap**2))
        with np.errstate(over="ignore", invalid="ignore"):
            mistakes = {
                "The exponent is halved: that is the 2 of a normal distribution, here there is none.": np.exp(
                    -(gap**2) / 2
                ),
                "The gap is not squared.": np.exp(-np.abs(gap)),
                "The gap is not squared. ": np.exp(-gap),
                "The values grow with the gap: the sign of the exponent is wrong.": np.exp(gap**2),
                "sigma is not squared.": np.exp(-(gap**2) * GAUSSIAN_STEP),
                "sigma = 0.2 Å seems to be missing.": np.exp(-((gap * GAUSSIAN_STEP) ** 2)),
                "The rows are normalised: a Gaussian is 1 at its centre, whatever the others are.": expected
                / expected.sum(axis=1, keepdims=True),
                "sigma is multiplied where it divides.": np.exp(-((gap * GAUSSIAN_STEP**2) ** 2)),
            }
            same(
                found,
                expected,
                mistakes,
                "The shape is right, the values are not: look at the centres and at the exponent.",
            )


@check
def bits(answer: Callable[..., np.ndarray], *cases: tuple[np.ndarray, float, float, int]) -> None:
    """`answer(values, low, high, width)` gives (n, width): one 1 in the bin of each value, none if it is unknown."""
    for values, low, high, width in cases or ((np.array([0.93, 3.16, np.nan, 0.2, 4.1, 2.0]), 0.5, 4.0, 10),):
        with np.errstate(invalid="ignore"):
            found = answer(values, low, high, width)
        has_shape(found, (len(values), width), "one row a value, one column a bin")
        found = np.asarray(found, dtype=float)
        expected = Block("", "", width, low, high).bits(values).astype(float)
        inside = expected.any(axis=1)
        unknown, outside = np.isnan(values), ~inside & ~np.isnan(values)
        must(not found[unknown].any(), "An unknown value (NaN) sets a bit: its row must stay empty.")
        must(not found[outside].any(), "A value below `low` or above `high` sets a bit: its row must stay empty.")
        must(np.isin(found, (0, 1)).all(), "There are other values than 0 and 1.")
        must(np.all(found[inside].sum(axis=1) > 0), "A known value within the range sets no bit.")
        must(np.all(found[inside].sum(axis=1) == 1), "A row has several bits: one-hot means one.")
        shift = found[inside].argmax(axis=1) - expected[inside].argmax(axis=1)
        must(
            not (len(shift) and np.all(np.isin(shift, (0, 1))) and shift.any()),
            "Some bits are one bin too high: a bin is found by rounding down.",
        )
        must(not shift.any(), "Some bits are in the wrong bin: the bins are equally wide, from `low` to `high`.")


@check
def relabel(
    answer: Callable[..., tuple[np.ndarray, np.ndarray]], *cases: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    """`answer(centre, neighbour, order)` gives the edges when the sites come in another order."""
    first = (np.array([0, 0, 1, 2, 3]), np.array([1, 2, 3, 0, 2]), np.array([2, 0, 3, 1]))
    for centre, neighbour, order in cases or (first,):
        given = centre.copy(), neighbour.copy()
        found = answer(centre, neighbour, order)
        must(isinstance(found, tuple) and len(found) == 2, "Return two arrays: centre and neighbour.")
        must(
            np.array_equal(centre, given[0]) and np.array_equal(neighbour, given[1]),
            "The arrays that were given have changed: make new ones.",
        )
        place = np.argsort(order)
        expected = (place[centre], place[neighbour])
        if not all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True)):
            if all(np.array_equal(a, order[b]) for a, b in zip(found, given, strict=True)):
                raise Wrong("This is the way back: order[p] is the old number of the site that is now number p.")
            if np.array_equal(found[0], expected[0]) or np.array_equal(found[1], expected[1]):
                raise Wrong("Only one end of the edges has new numbers.")
            if len(found[0]) == len(order) and np.array_equal(found[0], centre[order]):
                raise Wrong("This reorders the edges: they stay where they are, their sites get new numbers.")
            raise Wrong("Follow one edge: which number does its centre have in the new order?")
