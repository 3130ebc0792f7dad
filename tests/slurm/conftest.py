"""The smoke preset, run once on a real Slurm through the bare command, in a copy of the project with an empty home."""

import shutil
import subprocess

import pytest

from tests.slurm.cluster import Project


@pytest.fixture(scope="session")
def slurm() -> None:
    """A Slurm that answers."""
    if shutil.which("sinfo") is None or subprocess.run(["sinfo", "-h"], capture_output=True).returncode != 0:
        pytest.skip("no Slurm answers here: tests/slurm/up.sh, as root, starts one")


@pytest.fixture(scope="session")
def smoke_on_slurm(slurm: None, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("slurm"))
    assert project.on_slurm("--configfile", "presets/smoke.yaml").wait(1500) == 0, project.printed()
    return project
