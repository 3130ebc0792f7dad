"""What tests share: real structures where there are any."""

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import settings
from pymatgen.core import Structure

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
