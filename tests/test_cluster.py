"""The site's settings and the doctor: what he finds is told with what to do, and decides the exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cgcnn import doctor
from cgcnn.cluster import Site, answer, read_site
from cgcnn.doctor import Finding, examine, report
from cgcnn.errors import InputError
from tests import ROOT


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    site = read_site(tmp_path / "site.yaml")
    assert site.gpu_partition == "gpu" and site.status_command in ("sacct", "squeue")


def test_the_example_is_the_defaults() -> None:
    site = read_site(ROOT / "slurm-a100/site.example.yaml")
    assert site == Site(status_command=site.status_command)
    assert set(site.model_fields_set) >= set(Site.model_fields)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("gpu_partion: a100", r"site\.yaml: gpu_partion: .*Known settings: gpu_partition, gpu"),
        ("status_command: qstat", r"site\.yaml: status_command: .*'sacct' or 'squeue'"),
        ("- gpu", r"site\.yaml: "),
        ("gpu: [", r"site\.yaml: not readable as YAML"),
    ],
)
def test_a_mistake_is_named(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_site(path)


def test_a_command_that_is_not_there_or_fails_has_no_answer() -> None:
    assert answer("no-such-command-here") is None
    assert answer(sys.executable, "-c", "raise SystemExit(1)") is None
    assert answer(sys.executable, "-c", "print('yes')") == "yes\n"


def by_subject(device: str, root: Path = ROOT) -> dict[str, Finding]:
    return {finding.subject: finding for finding in examine(device, root)}


def test_what_is_wrong_comes_with_what_to_do(tmp_path: Path) -> None:
    everything = list(examine("auto", ROOT)) + list(examine("cuda", tmp_path))
    assert all(finding.remedy for finding in everything if finding.verdict != "ok")
    text, healthy = report([Finding("disk", "full [100 %]", "wrong", "Delete old runs."), Finding("cpu", "2", "ok")])
    assert not healthy and "full [100 %]" in text and "Delete old runs." in text and "Wrong: disk." in text
    assert report([Finding("cpu", "2", "note", "More would help.")])[1]


def test_versions_are_held_against_the_lock(tmp_path: Path) -> None:
    installed = by_subject("cpu")["torch"].found
    (tmp_path / "constraints.txt").write_text(f"torch==0.1\nsnakemake=={by_subject('cpu')['snakemake'].found}\n")
    found = by_subject("cpu", tmp_path)["versions"]
    assert found.verdict == "note" and found.found == f"torch {installed} instead of 0.1"


def test_little_memory_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "300")
    assert by_subject("cpu")["memory"].verdict == "wrong"
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "64000")
    assert by_subject("cpu")["memory"] == Finding("memory", "62.5 GiB granted by Slurm", "ok")


def test_a_full_disk_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "_NEEDED_SCRATCH", 10**9)
    assert by_subject("cpu")["scratch space"].verdict == "wrong"
    monkeypatch.undo()
    assert by_subject("cpu", tmp_path / "gone")["project's disk"].verdict == "wrong"


@pytest.mark.parametrize(("device", "code"), [("cpu", 0), ("cuda", 1)])
def test_the_command_says_by_its_exit_code_whether_to_go_on(device: str, code: int, tmp_path: Path) -> None:
    """On a machine without a GPU, which is wrong only where one is asked for."""
    command = [sys.executable, "-m", "cgcnn.cli", "doctor", "--device", device, "--output", str(tmp_path / "a.txt")]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PATH": str(Path(sys.executable).parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stdout.strip() == (tmp_path / "a.txt").read_text().strip()
    assert ("Nothing is wrong." if code == 0 else "Wrong: GPU.") in done.stdout
