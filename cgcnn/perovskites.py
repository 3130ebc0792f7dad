"""Is this crystal a perovskite? A topological test, and the sampling of the two families: perovskites, other oxides.

A perovskite ABX3 is a three-dimensional network of octahedra BX6 that share corners: each X joins exactly two B, and
the B so joined make a simple cubic net. Asking for just that finds tilted, distorted and ordered perovskites without a
list of prototypes or space groups, and gives the same answer for every cell, orientation and order of sites.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pymatgen.core.periodic_table import Element
from pymatgen.optimization.neighbors import find_points_in_spheres

from cgcnn.errors import InputError

Kind = Literal["perovskite", "LiNbO3-type", "complex perovskite", "none"]
Family = Literal["perovskite", "oxide"]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Most electronegative first (Pauling).
ANION_FORMERS = ("F", "O", "Cl", "N", "Br", "I", "S", "Se", "C", "H", "P", "As", "Te")
METALLOIDS_OF_OXIDES = ("Ge", "Sb")

SEARCH_RADIUS = 6.0  # Å, longer than any bond between a cation and an anion
SEVENTH_TO_SIXTH = 1.1  # least ratio of distances: a seventh X as near as the sixth means that there is no octahedron
TRANS_ANGLE = 135.0  # degrees, midway between cis and trans: each X of an octahedron has exactly one other beyond it
BRIDGE_ANGLE = 130.0  # degrees, least mean B-X-B angle; calcite is a perovskite too strongly rotated to be called one
FOURTH_TO_THIRD = 1.5  # greatest ratio about A: beyond it A makes a group AX3, such as carbonate, and fills no cage
SIMPLE_CUBIC = (6, 18, 38)  # coordination sequence: how many nodes are 1, 2 and 3 bonds away


@dataclass(frozen=True)
class Verdict:
    """What a structure is, and why in words.

    - "perovskite": ABX3 with one element on each of A, B and X.
    - "LiNbO3-type": the same with A, too, in an octahedron of X. Tilted R3c perovskites pass into it continuously.
    - "complex perovskite": the same network with several elements on A, B or X, such as A2BB'X6 or ABO2N.
    - "none": anything else, antiperovskites (cations at X) included.
    """

    kind: Kind
    reason: str


def classify(lattice: ArrayLike, atomic_numbers: ArrayLike, frac_coords: ArrayLike) -> Verdict:
    """Tell what kind of perovskite a crystal is, if any.

    `lattice` (3, 3) holds the cell vectors as rows in Å, `atomic_numbers` (N,), `frac_coords` (N, 3).

    Nobody says which sites are A, B and X. X are the most electronegative anion formers, as many as fill three fifths
    of the sites; for B every choice of elements that fill a fifth of the sites is tried.
    """
    cell = np.ascontiguousarray(lattice, dtype=np.float64)
    numbers = np.asarray(atomic_numbers, dtype=np.int64)
    frac = np.asarray(frac_coords, dtype=np.float64)
    is_x = _x_sites(numbers)
    if is_x is None:
        return Verdict("none", _why_not_abx3(numbers))
    cations = np.flatnonzero(~is_x)
    octahedra = _find_octahedra(cell, frac, np.flatnonzero(is_x), cations)

    x_name = _names(numbers[is_x])
    misses = []
    for is_b in _b_choices(numbers[cations], octahedra.exists):
        a_name, b_name = _names(numbers[cations[~is_b]]), _names(numbers[cations[is_b]])
        is_network, finding = _follow_network(octahedra, is_b, len(numbers))
        if not is_network:
            misses.append(f"with {b_name} as B and {x_name} as X: {finding}")
            continue
        reason = f"corner-sharing octahedra of {x_name} about {b_name}, with {a_name} as A; {finding}"
        if any("," in name for name in (a_name, b_name, x_name)):
            return Verdict("complex perovskite", f"{reason}; several elements share A, B or X")
        if octahedra.exists[~is_b].all():
            return Verdict("LiNbO3-type", f"{reason}; {a_name} is in octahedra, too")
        return Verdict("perovskite", reason)
    no_choice = f"no choice of elements as B fills a fifth of the sites with octahedra of {x_name}"
    return Verdict("none", "; ".join(misses) or no_choice)


def is_oxide(atomic_numbers: ArrayLike) -> bool:
    """Whether the crystal is made of oxygen and of metals, Ge or Sb, and of nothing else."""
    elements = {Element.from_Z(number) for number in np.unique(atomic_numbers).tolist()}
    others = elements - {Element("O")}
    return 0 < len(others) < len(elements) and all(e.is_metal or e.symbol in METALLOIDS_OF_OXIDES for e in others)


def family(verdict: Verdict, atomic_numbers: ArrayLike, *, count_linbo3_type: bool = True) -> tuple[Family | None, str]:
    """Which of the two families a crystal of this verdict is in, if any, and why.

    Complex perovskites are in neither, and so is the LiNbO3 type unless `count_linbo3_type`.
    """
    if verdict.kind == "perovskite" or (verdict.kind == "LiNbO3-type" and count_linbo3_type):
        return "perovskite", verdict.reason
    if verdict.kind != "none":
        return None, f"{verdict.kind}: {verdict.reason}"
    if is_oxide(atomic_numbers):
        return "oxide", f"oxide, and no perovskite: {verdict.reason}"
    return None, f"neither a perovskite ({verdict.reason}) nor an oxide of metals"


def sample(ids: Iterable[str], size: int, seed: int) -> list[str]:
    """A random sample of `size` ids, sorted; all of them if there are fewer, so compare the length if that matters.

    It depends on nothing but the set of ids and the seed (PCG64), and a larger sample contains the smaller ones.
    Raises InputError for a repeated id or a negative size.
    """
    ordered = sorted(ids)
    if size < 0:
        raise InputError(f"sample size {size}: give 0 or more")
    for first, second in pairwise(ordered):
        if first == second:
            raise InputError(f"id {first} occurs more than once; every id must be unique")
    keys = np.random.Generator(np.random.PCG64(seed)).random(len(ordered))
    return sorted(ordered[k] for k in np.argsort(keys, kind="stable")[:size])


def _x_sites(numbers: Ints) -> Bools | None:
    """Mask (N,) of the X sites if the composition is ABX3, else None."""
    is_x = np.zeros(len(numbers), dtype=np.bool_)
    for anion in ANION_FORMERS:
        is_x |= numbers == Element(anion).Z
        if 0 < 5 * is_x.sum() == 3 * len(numbers):
            return is_x
    return None


def _why_not_abx3(numbers: Ints) -> str:
    elements, counts = np.unique(numbers, return_counts=True)
    for element in elements[5 * counts == 3 * len(numbers)]:
        return f"not ABX3: {_names(element)} fills three fifths of the sites but is not the anion (an antiperovskite?)"
    return "not ABX3: no anions fill three fifths of the sites"


def _names(numbers: ArrayLike) -> str:
    """The elements' symbols, each once, in the order of atomic number: "Ti" or "Sc, Nb"."""
    return ", ".join(Element.from_Z(int(number)).symbol for number in np.unique(numbers))


@dataclass(frozen=True)
class _Octahedra:
    """The six nearest X of each of M cations, and whether they make an octahedron."""

    exists: Bools  # (M,)
    is_threefold: Bools  # (M,) three X are much nearer than the others
    x_sites: Ints  # (M, 6) sites in the home cell
    images: Ints  # (M, 6, 3) lattice translations of these X
    vectors: Floats  # (M, 6, 3) Å, from the cation to these X


def _find_octahedra(lattice: Floats, frac: Floats, anions: Ints, cations: Ints) -> _Octahedra:
    cart = frac @ lattice
    centre, x, image, distance = find_points_in_spheres(
        cart[anions], cart[cations], SEARCH_RADIUS, np.ones(3, dtype=np.int64), lattice
    )
    order = np.lexsort((distance, centre))
    # One entry more, infinitely far away, stands for the neighbours that a cation lacks.
    distance = np.append(distance[order], np.inf)
    x_sites = anions[np.append(x[order], 0)]
    images = np.vstack([image[order], np.zeros(3)]).astype(np.int64)

    count = np.bincount(centre, minlength=len(cations))
    first = np.cumsum(count) - count
    rank = np.arange(7)
    seven = np.where(rank < count[:, None], first[:, None] + rank, len(order))  # (M, 7) into the sorted neighbours
    six = seven[:, :6]
    length = distance[seven]  # (M, 7) Å
    vectors = cart[x_sites[six]] + images[six] @ lattice - cart[cations][:, None]  # (M, 6, 3) Å

    dot = np.einsum("mix,mjx->mij", vectors, vectors)  # (M, 6, 6) Å^2
    opposite = dot < np.cos(np.radians(TRANS_ANGLE)) * length[:, :6, None] * length[:, None, :6]
    apart = length[:, 6] >= SEVENTH_TO_SIXTH * length[:, 5]
    exists = apart & (opposite.sum(axis=2) == 1).all(axis=1)
    is_threefold = length[:, 3] > FOURTH_TO_THIRD * length[:, 2]
    return _Octahedra(exists, is_threefold, x_sites[six], images[six], vectors)


def _b_choices(elements: Ints, in_octahedron: Bools) -> Iterator[Bools]:
    """Masks (M,) of the cations that may be B: half of them, all those of some elements that sit in octahedra.

    An element may lie on A and on B: Ba3WO6 is Ba2(BaW)O6.
    """
    candidates = np.unique(elements[in_octahedron])
    for size in range(1, len(candidates) + 1):
        for chosen in combinations(candidates, size):
            is_b = in_octahedron & np.isin(elements, chosen)
            if 2 * is_b.sum() == len(elements):
                yield is_b


def _follow_network(octahedra: _Octahedra, is_b: Bools, n_sites: int) -> tuple[bool, str]:
    """Whether the octahedra of these B make the perovskite network; its mean B-X-B angle, or what is wrong with it."""
    corners = octahedra.x_sites[is_b].ravel()
    shared_by = np.bincount(corners, minlength=n_sites)[corners]
    if (shared_by != 2).any():
        worst = shared_by.max() if shared_by.max() > 2 else 1
        return False, f"X shared by {worst} B, not by exactly two"

    # Sorted by X, corners come in pairs: the two ends of each of the E bridges B-X-B.
    order = np.argsort(corners, kind="stable")
    ends = order.reshape(-1, 2) // 6  # (E, 2)
    images = octahedra.images[is_b].reshape(-1, 3)[order].reshape(-1, 2, 3)
    sequence = _coordination_sequence(ends, images[:, 0] - images[:, 1])
    if sequence != SIMPLE_CUBIC:
        return False, f"the net of B has the coordination sequence {sequence}, not that of the simple cubic net"

    to_x = octahedra.vectors[is_b].reshape(-1, 3)[order].reshape(-1, 2, 3)
    cosine = (to_x[:, 0] * to_x[:, 1]).sum(axis=1) / np.linalg.norm(to_x, axis=2).prod(axis=1)
    angle = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))).mean()
    if angle < BRIDGE_ANGLE:
        return False, f"mean B-X-B angle {angle:.1f} degrees, below {BRIDGE_ANGLE:.0f}"
    if octahedra.is_threefold[~is_b].any():
        return False, "A has three near X alone, as C has in calcite"
    return True, f"mean B-X-B angle {angle:.1f} degrees"


def _coordination_sequence(ends: Ints, shifts: Ints) -> tuple[int, ...]:
    """How many nodes of a periodic net are 1, 2 and 3 bonds from a node: the first node that is not as in SIMPLE_CUBIC,
    or else any.

    Bond e joins node ends[e, 0] in the home cell to ends[e, 1] in the cell shifts[e].
    """
    bonds: dict[int, list[tuple[int, int, int, int]]] = {node: [] for node in np.unique(ends).tolist()}
    for (start, end), (i, j, k) in zip(ends.tolist(), shifts.tolist(), strict=True):
        bonds[start].append((end, i, j, k))
        bonds[end].append((start, -i, -j, -k))
    sequence: tuple[int, ...] = ()
    for node in bonds:
        shell = {(node, 0, 0, 0)}
        seen = set(shell)
        sequence = ()
        for _ in SIMPLE_CUBIC:
            shell = {(end, x + i, y + j, z + k) for start, x, y, z in shell for end, i, j, k in bonds[start]} - seen
            seen |= shell
            sequence += (len(shell),)
        if sequence != SIMPLE_CUBIC:
            break
    return sequence
