"""Is everything here that the pipeline needs? Each check finds one thing, judges it, and says how to mend it."""

import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import psutil
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cgcnn.cluster import answer, keeps_accounts, read_site
from cgcnn.errors import InputError

GIB = 2**30
_NEEDED_MEMORY, _NEEDED_SCRATCH = 2, 2  # GiB: what the default run takes, with room
_OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    subject: str
    found: str
    verdict: Literal["ok", "note", "wrong"]
    remedy: str = ""


def examine(device: str, root: Path) -> Iterator[Finding]:
    """All findings, one after the other.

    Args:
        device: `execution.device` of the configuration: with cuda a missing GPU is wrong, with auto one that is
            there, or that Slurm has given to this job, and does not work.
        root: folder of the project, which holds constraints.txt and slurm-a100/.
    """
    checks: list[Callable[[], Iterator[Finding]]] = [
        _python,
        lambda: _versions(root / "constraints.txt"),
        lambda: _gpu(device),
        _memory,
        lambda: _disk("scratch space", Path(tempfile.gettempdir()), "Set TMPDIR to a folder on a larger disk."),
        lambda: _disk("project's disk", root, "Delete old runs (runs/), or clone the project to a larger disk."),
        lambda: _slurm(root / "slurm-a100" / "site.yaml"),
    ]
    for check in checks:
        yield from check()


def report(findings: Iterable[Finding]) -> tuple[str, bool]:
    """A table of the findings with what to do about them, and whether nothing is wrong."""
    everything = list(findings)
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("")
    table.add_column("what", no_wrap=True)
    table.add_column("found", overflow="fold")
    table.add_column("what to do", overflow="fold")
    for finding in everything:
        table.add_row(finding.verdict, finding.subject, escape(finding.found), escape(finding.remedy))
    wrong = [finding.subject for finding in everything if finding.verdict == "wrong"]
    console = Console(width=shutil.get_terminal_size((120, 40)).columns, no_color=True)
    with console.capture() as text:
        console.print(f"{platform.node()}{f', Slurm job {job}' if (job := os.environ.get('SLURM_JOB_ID')) else ''}")
        console.print(table)
        console.print(f"Wrong: {', '.join(wrong)}." if wrong else "Nothing is wrong.", highlight=False)
    return text.get(), not wrong


def _python() -> Iterator[Finding]:
    found = f"{platform.python_version()}, {sys.executable}"
    if sys.version_info < _OLDEST_PYTHON:
        yield Finding("Python", found, "wrong", "Python 3.11 or newer is needed: make run PYTHON=python3.11")
    else:
        yield Finding("Python", found, "ok")


def _versions(lock: Path) -> Iterator[Finding]:
    """What is installed against what constraints.txt says; the libraries that matter most by name."""
    if not lock.is_file():
        yield Finding("versions", f"no {lock.name} beside the package", "note", "Run this in a clone of the project.")
        return
    locked = dict(line.split("==") for line in lock.read_text(encoding="utf-8").split() if "==" in line)
    for name in ("torch", "snakemake", "snakemake-executor-plugin-slurm"):
        found = _installed(name)
        if found is not None:
            yield Finding(name, found, "ok")
        elif name.endswith("slurm"):
            remedy = "Only for a cluster: pip install --constraint constraints.txt --editable '.[slurm]'"
            yield Finding(name, "not installed", "wrong" if shutil.which("sbatch") else "note", remedy)
        else:
            yield Finding(name, "not installed", "wrong", "make run, or pip install -c constraints.txt -e .")
    needed = [
        re.split(r"[^\w.-]", line)[0] for line in metadata.requires("cgcnn-pipeline") or [] if "extra ==" not in line
    ]
    missing = [name for name in needed if _installed(name) is None]
    other = [
        f"{name} {found} instead of {want}"
        for name, want in locked.items()
        if (found := _installed(name)) is not None and found != want
    ]
    if missing:
        yield Finding("packages", f"missing: {', '.join(missing)}", "wrong", "pip install -c constraints.txt -e .")
    if other:
        remedy = "Results may differ in their last digits. pip install -c constraints.txt -e . gives the tested ones."
        yield Finding("versions", "; ".join(other), "note", remedy)
    elif not missing:
        yield Finding("versions", "as in constraints.txt", "ok")


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name).split("+")[0]  # torch says which CUDA behind the plus
    except metadata.PackageNotFoundError:
        return None


def _gpu(device: str) -> Iterator[Finding]:
    """Is a GPU visible, and does it compute?"""
    given = os.environ.get("SLURM_JOB_GPUS") or os.environ.get("SLURM_STEP_GPUS")
    driver = answer("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")
    wanted = device == "cuda" or (device == "auto" and bool(given or driver))
    try:
        import torch
    except ImportError as error:
        yield Finding("GPU", f"torch does not load: {error}", "wrong", "pip install -c constraints.txt torch")
        return
    if torch.cuda.is_available():
        try:
            ones = torch.ones(64, 64, device="cuda")
            assert float((ones @ ones).sum()) == 64**3
        except (RuntimeError, AssertionError) as error:
            remedy = "Try another node, and tell the cluster's staff: the driver sees the GPU, but it does not compute."
            yield Finding("GPU", str(error).splitlines()[0], "wrong", remedy)
            return
        found = (
            f"{torch.cuda.get_device_name()}, {torch.cuda.mem_get_info()[1] / GIB:.0f} GiB, CUDA {torch.version.cuda}"
        )
        yield Finding("GPU", found, "ok")
    elif not wanted:
        yield Finding("GPU", "none; training runs on the CPU", "ok")
    elif torch.version.cuda is None:
        remedy = "pip install --force-reinstall torch, from the package index and not its CPU build."
        yield Finding("GPU", f"torch {torch.__version__} is a build without CUDA", "wrong", remedy)
    elif driver is None:
        remedy = "nvidia-smi finds no driver on this node: ask the cluster's staff, or for another partition."
        yield Finding("GPU", f"no driver{f', though Slurm gave GPU {given}' if given else ''}", "wrong", remedy)
    else:
        remedy = f"The driver may be too old for CUDA {torch.version.cuda}, or CUDA_VISIBLE_DEVICES hides the GPU."
        yield Finding("GPU", f"torch cannot use {driver.strip()}", "wrong", remedy)


def _memory() -> Iterator[Finding]:
    """Of the machine, or what Slurm grants this job."""
    granted = os.environ.get("SLURM_MEM_PER_NODE", "")
    available = int(granted) * 2**20 if granted.isdigit() and int(granted) else psutil.virtual_memory().available
    found = f"{available / GIB:.1f} GiB {'granted by Slurm' if granted else 'available'}"
    if available < _NEEDED_MEMORY * GIB:
        remedy = f"Less than {_NEEDED_MEMORY} GiB: close other programs, or ask for more (mem_mb)."
        yield Finding("memory", found, "wrong", remedy)
    else:
        yield Finding("memory", found, "ok")


def _disk(subject: str, folder: Path, remedy: str) -> Iterator[Finding]:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"1")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield Finding(subject, f"{folder}: {error.strerror}", "wrong", remedy)
        return
    found = f"{free / GIB:.1f} GiB free in {folder}"
    yield Finding(subject, found, "wrong", remedy) if free < _NEEDED_SCRATCH * GIB else Finding(subject, found, "ok")


def _slurm(site_file: Path) -> Iterator[Finding]:
    """Slurm, and whether the site's settings fit it."""
    if shutil.which("sbatch") is None:
        yield Finding("Slurm", "not here; only for snakemake --profile slurm-a100", "ok")
        return
    partitions = answer("sinfo", "--noheader", "--format=%P|%G|%a")
    if partitions is None:
        remedy = "sinfo does not answer: is this a login node? Is slurmctld up? Ask the cluster's staff."
        yield Finding("Slurm", "installed, but not running", "wrong", remedy)
        return
    rows = [line.split("|") for line in partitions.split()]
    gpus = {name.rstrip("*"): gres for name, gres, up in rows if up == "up"}
    yield Finding("Slurm", f"{(answer('sbatch', '--version') or '').strip()}; accounts: {keeps_accounts()}", "ok")
    listed = ", ".join(f"{name} ({'no GPU' if gres == '(null)' else gres})" for name, gres in gpus.items())
    try:
        site = read_site(site_file)
    except InputError as error:
        yield Finding("site.yaml", str(error), "wrong", "Correct slurm-a100/site.yaml.")
        return
    wrong = [name for name in (site.gpu_partition, site.cpu_partition) if name and name not in gpus]
    if wrong:
        remedy = "Name in slurm-a100/site.yaml those of your cluster (see site.example.yaml)."
        yield Finding("partitions", f"there is no {' nor '.join(wrong)}. There are: {listed}", "wrong", remedy)
    elif site.gpu_partition and site.gpu.rsplit(":", 1)[0] not in gpus[site.gpu_partition]:
        remedy = "Set gpu in slurm-a100/site.yaml, e.g. gpu:h100:1 or gpu:1."
        yield Finding("partitions", f"{site.gpu_partition} has no {site.gpu}. There are: {listed}", "wrong", remedy)
    else:
        yield Finding("partitions", listed, "ok")
