"""Textbook cells."""

import numpy as np
from pymatgen.core import Lattice, Structure

from cgcnn.arrays import Crystal
from cgcnn.crystals import structure_of
from cgcnn.sources import Entry


def crystal(structure: Structure) -> Crystal:
    numbers = np.array([site.specie.Z for site in structure], dtype=np.uint8)
    return Crystal(structure.lattice.matrix.copy(), structure.frac_coords.copy(), numbers)


def structure_in(entry: Entry) -> Structure:
    """What an entry holds, which must not be a reason."""
    assert isinstance(entry.crystal, Crystal), entry.crystal
    return structure_of(entry.crystal)


def cubic_perovskite(a: float = 3.905) -> Structure:
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return Structure(Lattice.cubic(a), ["Sr", "Ti", "O", "O", "O"], sites)


def rock_salt(a: float = 5.64) -> Structure:
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def low_symmetry() -> Structure:
    lattice = Lattice.from_parameters(4.1, 5.3, 6.2, 81, 97, 104)
    sites = [[0.02, 0.05, 0.91], [0.31, 0.44, 0.12], [0.77, 0.58, 0.35], [0.52, 0.13, 0.66]]
    return Structure(lattice, ["La", "Fe", "O", "O"], sites)


def argon_gas() -> Structure:
    """One atom in a cell so large that it has no neighbours."""
    return Structure(Lattice.cubic(20.0), ["Ar"], [[0.3, 0.3, 0.3]])


TEXTBOOK = [cubic_perovskite(), rock_salt(), low_symmetry(), argon_gas()]
