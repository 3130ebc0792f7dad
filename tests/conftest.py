"""What tests share: the published run, and real structures where there are any."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import settings
from pymatgen.core import Structure

from tests import ROOT

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


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what is published: the one that CGCNN_PUBLISHED names, else a clone into which it is pulled."""
    named = os.environ.get("CGCNN_PUBLISHED")
    if named:
        return ROOT / named
    if not (ROOT / "dvc.lock").exists():
        pytest.skip("nothing is published yet: make publish")
    clone = tmp_path_factory.mktemp("published") / "clone"
    for command in (["git", "clone", "-q", str(ROOT), str(clone)], [sys.executable, "-m", "dvc", "pull", "-q"]):
        where = clone if clone.exists() else ROOT
        done = subprocess.run(command, cwd=where, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return clone
