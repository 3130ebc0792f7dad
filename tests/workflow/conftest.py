"""The smoke preset, run once, for the tests that edit it."""

import pytest

from tests.workflow.project import Project, copy_of_project


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The smoke preset, run once."""
    project = Project(copy_of_project(tmp_path_factory.mktemp("project")), ["--configfile", "presets/smoke.yaml"])
    done = project.snakemake()
    assert done.returncode == 0, done.stdout + done.stderr
    return project
