"""What tests share: real structures where there are any, textbook cells everywhere."""

import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import settings
from pymatgen.core import Lattice, Structure

from cgcnn.arrays import Crystal

ROOT = Path(__file__).parent.parent
settings.register_profile("default", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("default")
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real DFT data that CGCNN_TEST_DATA names."""
    folder = os.environ.get("CGCNN_TEST_DATA")
    if not folder:
        pytest.skip("CGCNN_TEST_DATA does not name a folder with the real data")
    return Path(folder)


@pytest.fixture(scope="session")
def real_structures(real_data: Path) -> list[Structure]:
    """50 real structures of all kinds: every hundredth of the perovskites and oxides."""
    cifs: list[str] = []
    for name, step in (("perovskites", 50), ("oxides", 190)):
        cifs += pq.read_table(real_data / "materials_project" / f"{name}.parquet")["cif"].to_pylist()[::step]
    return [Structure.from_str(cif, fmt="cif") for cif in cifs[:50]]


def crystal(structure: Structure) -> Crystal:
    numbers = np.array([site.specie.Z for site in structure], dtype=np.uint8)
    return Crystal(structure.lattice.matrix.copy(), structure.frac_coords.copy(), numbers)


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
