"""A copy of the project on a cluster, Slurm's own records of its jobs, and what a run leaves. No pytest here."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests import ROOT

PARTS = ("Snakefile", "config.yaml", "rules", "scripts", "cgcnn", "presets", "profiles", "slurm-a100", "data/embedded")
LONG = "tests/slurm/long.yaml"
INPUTS = ("data/graphs/0.parquet", "data/splits/formula/energy.parquet")  # of the long training
WEIGHTS = "results/energy/formula/gated/model.safetensors"
METRICS = "results/energy/formula/metrics.json"


class Project:
    """A copy of the project with a home of its own, empty, and snakemake in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        for part in (*PARTS, LONG):
            source, target = ROOT / part, self.folder / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "site.yaml"))
            else:
                shutil.copy2(source, target)

    @classmethod
    def copy_of(cls, other: "Project", folder: Path) -> "Project":
        """A project with all that another one has made."""
        project = cls.__new__(cls)
        project.folder, project.home = folder / "project", folder / "home"
        shutil.copytree(other.folder.parent, folder)
        return project

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Snakemake with these arguments; what it prints goes to snakemake.log, after what is there."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
        environment |= {"HOME": str(self.home), "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        snakemake = Path(sys.executable).with_name("snakemake")
        with (self.folder / "snakemake.log").open("a") as log:
            return subprocess.Popen(
                [snakemake, *arguments], cwd=self.folder, env=environment, stdout=log, stderr=log, text=True
            )

    def on_slurm(self, *arguments: str) -> "subprocess.Popen[str]":
        return self.start("--profile", "slurm-a100", *arguments)

    def printed(self) -> str:
        return (self.folder / "snakemake.log").read_text()

    def results(self) -> dict[str, bytes]:
        """What the long training left: weights, history, metrics."""
        names = (WEIGHTS, WEIGHTS.replace("model.safetensors", "history.json"), METRICS)
        return {name: (self.folder / "runs/long" / name).read_bytes() for name in names}

    def training_under_way(self) -> bool:
        """Whether the long training has written a checkpoint."""
        return any((self.folder / "runs/long/checkpoints").rglob("*.safetensors"))


@dataclass(frozen=True)
class Job:
    """One job, as `scontrol show job` tells of it."""

    number: int
    rule: str
    state: str
    partition: str
    gpus: int
    memory: str
    restarts: int
    start: datetime | None
    end: datetime | None

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds() if self.start and self.end else 0.0


def jobs(project: Project) -> list[Job]:
    """Slurm's records of all jobs of a project, oldest first."""
    done = subprocess.run(["scontrol", "show", "job", "--oneliner"], capture_output=True, text=True, check=True)
    found = []
    for line in done.stdout.splitlines():
        facts = dict(re.findall(r"(\w[\w/:]*)=(\S*)", line))
        if not facts.get("WorkDir", "").startswith(str(project.folder)):
            continue
        gpus = re.search(r"TresPerNode=\S*gpu(?::\w+)?:(\d+)", line)
        found.append(
            Job(
                number=int(facts["JobId"]),
                rule=facts.get("Comment", ""),
                state=facts["JobState"],
                partition=facts["Partition"],
                gpus=int(gpus[1]) if gpus else 0,
                memory=facts.get("MinMemoryNode", ""),
                restarts=int(facts.get("Restarts", 0)),
                start=_moment(facts["StartTime"]),
                end=_moment(facts["EndTime"]),
            )
        )
    return sorted(found, key=lambda job: job.number)


def most_at_once(chosen: list[Job]) -> int:
    """How many of the jobs ran at the same time, at most."""
    moments = sorted([(job.start, 1) for job in chosen if job.start] + [(job.end, -1) for job in chosen if job.end])
    running = most = 0
    for _, change in moments:
        running += change
        most = max(most, running)
    return most


def training_job(project: Project) -> Job | None:
    """The training that runs, or None."""
    running = [job for job in jobs(project) if job.gpus and job.state == "RUNNING"]
    return running[-1] if running else None


def wait_for(what: Callable[[], object], seconds: float) -> None:
    """Wait until `what` is true.

    Raises:
        TimeoutError: it was not within `seconds`.
    """
    last = time.monotonic() + seconds
    while not what():
        if time.monotonic() > last:
            raise TimeoutError(f"waited {seconds:.0f} s in vain")
        time.sleep(0.5)


def _moment(text: str) -> datetime | None:
    return None if text == "Unknown" else datetime.fromisoformat(text)
