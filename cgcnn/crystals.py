"""Crystals from pymatgen's structures and rows of tables, and back; their formulas, and what makes one unusable."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pymatgen.core import Composition, Structure

from cgcnn.arrays import Crystal, offsets
from cgcnn.elements import MAX_ATOMIC_NUMBER, SYMBOLS
from cgcnn.errors import InputError
from cgcnn.neighbours import pairs_within

_MOST_SITES = 65_535  # of one crystal: a neighbour's index has 16 bits
_LONGEST_VECTOR = 1000.0  # Å, of a cell
_FARTHEST_COORDINATE = 100.0  # cells away from the origin; more is a slip, and costs the search for neighbours dearly
_SHORTEST_DISTANCE = 0.5  # Å, pymatgen's own; no two atoms come closer, hydrogen molecules have 0.74
_LEAST_VOLUME = 1e-3  # Å³ a site


def crystal_of(structure: Structure) -> Crystal:
    """What its graph is made from.

    Raises:
        InputError: it is disordered, has an unknown element, or is not periodic.
    """
    if not structure.is_ordered:
        raise InputError("disordered: some sites are shared or partly occupied")
    numbers = [getattr(site.specie, "Z", 0) for site in structure]
    for site, number in zip(structure, numbers, strict=True):
        if not 1 <= number <= MAX_ATOMIC_NUMBER:
            raise InputError(_unknown(site.specie))
    if not all(structure.pbc):
        raise InputError("not periodic along all three lattice vectors")
    return Crystal(structure.lattice.matrix, structure.frac_coords, np.array(numbers, dtype=np.uint8))


def crystal_in(row: Mapping[str, Any]) -> Crystal:
    """The crystal of one row of the structures table, or of a user's table with its columns.

    Raises:
        TypeError, ValueError: the columns hold anything else.
    """
    numbers = np.array(row["atomic_numbers"])
    if numbers.size and numbers.dtype.kind not in "iu":
        raise TypeError("the atomic numbers are no whole numbers")
    coords = np.array(row["frac_coords"], dtype=float).reshape(-1, 3)
    if numbers.shape != (len(coords),):
        raise ValueError(f"atomic_numbers of shape {numbers.shape} for {len(coords)} sites in frac_coords")
    return Crystal(np.array(row["lattice"], dtype=float).reshape(3, 3), coords, numbers)


def structure_of(crystal: Crystal) -> Structure:
    """A crystal as a pymatgen structure, its sites in their order."""
    return Structure(crystal.lattice, [SYMBOLS[number] for number in crystal.atomic_numbers], crystal.frac_coords)


def reduced_formula(atomic_numbers: np.ndarray) -> str:
    """Reduced chemical formula, as pymatgen writes it, of sites with these atomic numbers (N,)."""
    return composition(atomic_numbers).reduced_formula


def composition(atomic_numbers: np.ndarray) -> Composition:
    """What sites with these atomic numbers (N,) are made of."""
    return Composition(Counter(SYMBOLS[number] for number in atomic_numbers.tolist()))


def checked(crystals: Sequence[Crystal | str]) -> list[Crystal | str]:
    """Each that can become a crystal graph, and the reason in place of any other; text is such a reason already."""
    found = [each if isinstance(each, str) else _flaw(each) or each for each in crystals]
    sound = {k: each for k, each in enumerate(found) if isinstance(each, Crystal)}
    for k, crowded in zip(sound, _crowded(list(sound.values())).tolist(), strict=True):
        if crowded:
            found[k] = f"two sites less than {_SHORTEST_DISTANCE} Å apart"
    return found


def _flaw(crystal: Crystal) -> str:
    lattice, coords, numbers = crystal.lattice, crystal.frac_coords, crystal.atomic_numbers
    if len(numbers) == 0:
        return "no sites"
    if len(numbers) > _MOST_SITES:
        return f"{len(numbers)} sites, more than {_MOST_SITES}"
    if numbers.min() < 1 or numbers.max() > MAX_ATOMIC_NUMBER:
        return _unknown(next(number for number in numbers.tolist() if not 1 <= number <= MAX_ATOMIC_NUMBER))
    if not (np.isfinite(lattice).all() and np.isfinite(coords).all()):
        return "lattice or coordinates are not finite"
    longest = np.sqrt(np.einsum("ij,ij->i", lattice, lattice).max())
    if longest > _LONGEST_VECTOR:
        return f"a lattice vector of {longest:.4g} Å, more than {_LONGEST_VECTOR:g}"
    if np.abs(coords).max() > _FARTHEST_COORDINATE:
        return f"a fractional coordinate beyond {_FARTHEST_COORDINATE:g}: are they in Å?"
    volume = abs(np.linalg.det(lattice))
    if volume < _LEAST_VOLUME * len(numbers):
        return f"cell volume {volume:.3g} Å^3 for {len(numbers)} sites"
    return ""


def _unknown(element: object) -> str:
    return f"unknown element {element}: only H to {SYMBOLS[MAX_ATOMIC_NUMBER]} have features"


def _crowded(crystals: Sequence[Crystal]) -> np.ndarray:
    """(C,) whether two sites of a crystal, or a site and its image, are too near."""
    if not crystals:
        return np.zeros(0, dtype=bool)
    n_sites = np.array([len(crystal.atomic_numbers) for crystal in crystals])
    starts = offsets(n_sites)
    pairs = pairs_within(crystals, starts[:-1], np.full(len(crystals), _SHORTEST_DISTANCE), images=False)
    per_crystal = np.add.reduceat(np.bincount(pairs.centre, minlength=starts[-1]), starts[:-1])
    return per_crystal > n_sites  # each site is paired with itself
