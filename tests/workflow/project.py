"""A copy of the project in which Snakemake runs, so that tests may edit it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests import ROOT

PARTS = ("Snakefile", "config.yaml", "rules", "scripts", "cgcnn", "presets", "profiles", "data/embedded")


class Project:
    """A copy of the project, and how to run it."""

    def __init__(self, folder: Path, arguments: list[str]) -> None:
        self.folder, self.arguments = folder, arguments

    def snakemake(self, *more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *self.arguments, *more]
        environment = os.environ | {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(command, cwd=self.folder, env=environment, text=True, capture_output=True, timeout=600)

    def would_run(self, *more: str) -> dict[str, int]:
        """How many jobs of each rule a dry run announces."""
        done = self.snakemake("--dry-run", *more)
        assert done.returncode == 0, done.stdout + done.stderr
        if "Nothing to be done" in done.stdout + done.stderr:
            return {}
        table = re.search(r"^job +count\n[- ]+\n(.*?)^total", done.stdout, re.MULTILINE | re.DOTALL)
        assert table, done.stdout + done.stderr
        counts = {rule: int(count) for rule, count in (line.split() for line in table[1].splitlines())}
        counts.pop("all", None)
        return counts

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) >= 1, f"{file} does not hold {old!r}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")


def copy_of_project(folder: Path) -> Path:
    for part in PARTS:
        source, target = ROOT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    return folder
