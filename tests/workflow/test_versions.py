"""Versions with DVC beside Snakemake: publish, clone, pull; edits; switching; a damaged store.

A repository with one task and one variant, run and published once, and published again under another title.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.workflow.project import PARTS, Project

pytestmark = pytest.mark.workflow

MINI = """
structures: {sample: {perovskite: 40, oxide: 1}}
tasks: {family: null}
variants: {none: null, shared: null}
model: {atom_dim: 8, n_conv: 1, hidden_dim: 8}
train: {seeds: [0], epochs: 1}
evaluation: {bootstrap: 100}
examination: {cells: 2, umap: false}
"""
MORE_PARTS = (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore", ".gitattributes", "pyproject.toml", "tests")


class Repository(Project):
    """A project that is a git repository with DVC in it."""

    def run(self, *command: str, fails: bool = False) -> str:
        """Output of a command, `dvc` and `git` among them."""
        if command[0] == "dvc":
            command = (sys.executable, "-m", *command)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1", "PATH": path}
        done = subprocess.run(command, cwd=self.folder, env=environment, text=True, capture_output=True)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout + done.stderr

    def commit(self, message: str) -> None:
        self.run("git", "add", "--all")
        self.run("git", "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "-q", "-m", message)

    def publish(self, fails: bool = False) -> str:
        return self.run(sys.executable, "scripts/publish.py", fails=fails)

    def clone(self, folder: Path) -> "Repository":
        self.run("git", "clone", "-q", str(self.folder), str(folder))
        return Repository(folder, [])


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Published as v1."""
    project = Repository(tmp_path_factory.mktemp("origin"), [])
    for part in (*PARTS, *MORE_PARTS):
        target = project.folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / part, target)
    stages = (ROOT / "dvc.yaml").read_text().splitlines(keepends=True)
    kept = [line for line in stages if not re.search("/family|/none/|/shared/", line) or "cmd:" in line]
    text = "".join(kept[: kept.index("plots:\n")]).replace(" data/splits/formula/family.parquet", "")
    (project.folder / "dvc.yaml").write_text(text)
    configuration, mini = project.folder / "config.yaml", project.folder / "mini.yaml"
    mini.write_text(MINI)
    merge = (
        "import sys, yaml; from snakemake.common.configfile import load_configfile as load;"
        "from snakemake.utils import update_config; a = load('config.yaml'); update_config(a, load('mini.yaml'));"
        "print(yaml.safe_dump(a, sort_keys=False))"
    )
    configuration.write_text(project.run(sys.executable, "-c", merge))
    mini.unlink()
    project.run("git", "init", "-q", "-b", "main")
    project.commit("the project")
    assert "not up to date: make run" in project.publish(fails=True)
    done = project.snakemake("--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "git add dvc.lock pretrained dvc-store" in project.publish()
    project.commit("version 1")
    project.run("git", "tag", "v1")
    return project


@pytest.fixture
def pulled(origin: Repository, tmp_path: Path) -> Repository:
    clone = origin.clone(tmp_path / "clone")
    clone.run("git", "checkout", "-q", "v1")
    return clone


def test_a_clone_has_nothing_to_do_and_an_edit_runs_what_it_touches(pulled: Repository) -> None:
    pulled.run("dvc", "pull")
    assert pulled.would_run() == {}
    assert pulled.run("git", "status", "--porcelain") == ""
    assert "up to date" in pulled.run("dvc", "status")
    assert (pulled.folder / "pretrained/embedded/energy/gated/card.md").is_file()
    pulled.edit("config.yaml", "bootstrap: 100", "bootstrap: 101")
    assert {"evaluate", "report"} <= set(pulled.would_run()) and not {"train", "predict"} & set(pulled.would_run())
    assert "not committed" in pulled.publish(fails=True)


def test_a_damaged_and_a_missing_file_of_the_store_are_refused(pulled: Repository) -> None:
    stored = max((pulled.folder / "dvc-store/files/md5").glob("*/*"), key=lambda path: path.stat().st_size)
    content = stored.read_bytes()
    stored.write_bytes(content[:-1] + b"x")
    pulled.run("dvc", "pull", fails=True)
    assert not (pulled.folder / "results/report/index.html").exists()
    stored.unlink()
    assert stored.name in pulled.run("dvc", "pull", fails=True)
    (stored.parent / "foreign").write_text("not of this store")
    pulled.run("git", "checkout", "-q", "dvc-store")
    pulled.run("dvc", "pull")  # goes on where it was
    assert pulled.would_run() == {}


def test_a_pull_does_not_overwrite_own_results(pulled: Repository) -> None:
    own = pulled.folder / "results/energy/formula/summary.json"
    own.parent.mkdir(parents=True)
    own.write_text("{}")
    said = pulled.run("dvc", "pull", fails=True)
    assert "summary.json" in said and "--force" in said
    assert own.read_text() == "{}"
    pulled.run("dvc", "pull", "--force")
    assert pulled.would_run() == {}


def test_two_versions_switched_both_ways(origin: Repository) -> None:
    origin.edit("config.yaml", "title: ", "title: Once more, ")
    origin.commit("another title")
    origin.run("dvc", "repro", "report")
    assert origin.would_run() == {}
    origin.publish()
    origin.commit("version 2")
    page = origin.folder / "results/report/index.html"
    assert "Once more" in page.read_text()
    for version in ("v1", "main"):
        origin.run("git", "checkout", "-q", version)
        origin.run("dvc", "checkout")
        assert ("Once more" in page.read_text()) == (version == "main")
        assert origin.would_run() == {}
