"""The profile slurm-a100 on a real Slurm of one node that poses as one with two a100 GPUs (up.sh)."""

import json
import re
from pathlib import Path

import pytest

from tests.slurm.cluster import Project, jobs, most_at_once
from tests.slurm.faults import evaluated, prepared, strike

pytestmark = pytest.mark.slurm


def test_each_job_runs_where_it_belongs(smoke_on_slurm: Project) -> None:
    """By Slurm's own records."""
    by_rule: dict[str, list[tuple[str, int, str]]] = {}
    for job in jobs(smoke_on_slurm):
        rule = job.rule.removeprefix("rule_").split("_wildcards")[0]
        by_rule.setdefault(rule, []).append((job.partition, job.gpus, job.state))
    on_gpu, on_cpu = ("gpu", 1, "COMPLETED"), ("cpu", 0, "COMPLETED")
    assert by_rule == {
        "graphs": [on_cpu],
        "train": [on_gpu] * 6,
        "predict": [on_cpu] * 2,
        "baselines": [on_cpu] * 2,
        "examine": [on_cpu] * 2,
    }


def test_a_device_of_the_training_is_none_of_the_jobs_without_gpu(slurm: None, tmp_path: Path) -> None:
    project = Project(tmp_path)
    cuda = ("--configfile", "presets/smoke.yaml", "--config", "execution={device: cuda}")
    assert project.on_slurm("--dry-run", "--printshellcmds", *cuda).wait(300) == 0, project.printed()
    devices = re.findall(r"(\w+)\.py --section .* --device (\w+)", project.printed())
    assert set(devices) == {("train", "cuda"), ("predict", "cpu"), ("examine", "cpu")}


def test_no_more_gpus_at_once_than_there_are(smoke_on_slurm: Project) -> None:
    assert most_at_once([job for job in jobs(smoke_on_slurm) if job.gpus]) == 2


def test_what_comes_out_is_whole(smoke_on_slurm: Project) -> None:
    results = smoke_on_slurm.folder / "runs/smoke/results"
    assert (results / "report/index.html").is_file()
    models = json.loads((results / "energy/formula/metrics.json").read_text())["models"]
    assert {"none", "shared", "gated", "mean"} <= set(models)
    assert not any(path.is_file() for path in (smoke_on_slurm.folder / "runs/smoke/checkpoints").rglob("*"))
    assert not any(smoke_on_slurm.home.glob("*.yaml")), "nothing but caches belongs into the home folder"


def test_a_cancelled_training_goes_on_and_gives_the_same(slurm: None, tmp_path: Path) -> None:
    before, expected = prepared(tmp_path)
    project = Project.copy_of(before, tmp_path / "scancel")
    assert strike("scancel", project) == 0, project.printed()
    first, second = (job for job in jobs(project) if job.gpus)
    assert (first.state, second.state) == ("CANCELLED", "COMPLETED")
    assert int(second.memory.rstrip("MG")) > int(first.memory.rstrip("MG")), "more memory at the second attempt"
    assert evaluated(project) == expected


def test_the_doctor_comes_to_the_gpu(slurm: None, tmp_path: Path) -> None:
    """up.sh's GPU does not exist, which is what he must find, inside a GPU job; told to do without, he is content."""
    project = Project(tmp_path)
    assert project.on_slurm("doctor").wait(600) != 0
    assert "Wrong: GPU." in project.printed()
    assert [(job.rule, job.partition, job.gpus) for job in jobs(project)] == [("rule_doctor", "gpu", 1)]
    (project.folder / "cpu.yaml").write_text("execution: {device: cpu}\n")
    assert project.on_slurm("doctor", "--configfile", "cpu.yaml").wait(600) == 0, project.printed()
    assert "Nothing is wrong." in project.printed()
    assert not (project.folder / "logs/doctor.txt").exists()
