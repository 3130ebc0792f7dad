"""What can go wrong on a cluster, done on purpose: `python -m tests.slurm.faults [fault ...]`, on up.sh's Slurm.

Each fault strikes a training that has written a checkpoint. In the end its weights, history and metrics must equal,
byte for byte, those of a run on this machine that nothing disturbed. Prints a table; exit code 1 if one differs.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.slurm.cluster import INPUTS, LONG, METRICS, WEIGHTS, Job, Project, jobs, training_job, wait_for

ARGUMENTS = (WEIGHTS, "--configfile", LONG)
LONGEST = 1500.0  # seconds for one fault, on a slow machine
Snakemake = subprocess.Popen[str]


def undisturbed(project: Project, snakemake: Snakemake) -> Snakemake:
    """Nothing happens."""
    return snakemake


def scancel(project: Project, snakemake: Snakemake) -> Snakemake:
    """The job is cancelled by hand; snakemake tries again."""
    command("scancel", _struck(project))
    return snakemake


def requeue(project: Project, snakemake: Snakemake) -> Snakemake:
    """Slurm takes the job back into the queue, as after a preemption."""
    command("scontrol", "requeue", _struck(project))
    return snakemake


def time_limit(project: Project, snakemake: Snakemake) -> Snakemake:
    """The job's time is over: SIGUSR1 before, then SIGTERM, then SIGKILL. It is held until then, to strike at all."""
    command("scontrol", "update", f"JobId={_struck(project)}", "TimeLimit=1")
    over = time.monotonic() + 60
    while time.monotonic() < over:
        for process in _trainings(project):
            process.suspend()  # again and again, for Slurm wakes it with the first signal
        time.sleep(0.2)
    for process in _trainings(project):
        process.resume()
    return snakemake


def memory(project: Project, snakemake: Snakemake) -> Snakemake:
    """The first attempt asks for too little memory (see `more_arguments`) and is killed."""
    return snakemake


def killed_snakemake(project: Project, snakemake: Snakemake) -> Snakemake:
    """kill -9 of snakemake. Its job goes on; a second snakemake submits a copy of it, which waits for it."""
    _struck(project)
    held = _trainings(project)
    for process in held:
        process.suspend()  # until the copy is there
    snakemake.kill()
    snakemake.wait()
    project.on_slurm("--unlock", *ARGUMENTS).wait()
    again = project.on_slurm(*ARGUMENTS)
    wait_for(lambda: any((project.folder / "runs/long/checkpoints").rglob("*.waiting-*")), LONGEST)
    for process in held:
        process.resume()
    return again


def controller(project: Project, snakemake: Snakemake) -> Snakemake:
    """The controller is gone for 20 s."""
    _struck(project)
    command("scontrol", "shutdown", "slurmctld")
    time.sleep(20)
    command("slurmctld")
    return snakemake


FAULTS: dict[str, Callable[[Project, Snakemake], Snakemake]] = {
    fault.__name__: fault for fault in (undisturbed, scancel, requeue, time_limit, memory, killed_snakemake, controller)
}


#: How Slurm's records of the trainings show that a fault struck.
STRUCK: dict[str, Callable[[list[Job]], bool]] = {
    "undisturbed": lambda trainings: [job.state for job in trainings] == ["COMPLETED"],
    "scancel": lambda trainings: trainings[0].state == "CANCELLED",
    "requeue": lambda trainings: trainings[0].restarts > 0,
    "time_limit": lambda trainings: trainings[0].state == "TIMEOUT",
    "memory": lambda trainings: trainings[0].state in ("FAILED", "OUT_OF_MEMORY", "CANCELLED"),
    "killed_snakemake": lambda trainings: len(trainings) == 2,
    "controller": lambda trainings: trainings[0].state == "COMPLETED",
}


def more_arguments(name: str) -> tuple[str, ...]:
    """Resources given on the command line replace all that the profile says of a rule."""
    if name != "memory":
        return ()
    too_little = "train:mem_mb=300*8**(attempt-1)"
    return ("--set-resources", too_little, "train:gres='gpu:a100:1'", "train:slurm_partition='gpu'")


def prepared(folder: Path) -> tuple[Project, dict[str, bytes]]:
    """A project in which only the training is left to do, and what the training gives on this machine, undisturbed."""
    before = Project(folder / "prepared")
    assert before.start("--cores", "1", *INPUTS, "--configfile", LONG).wait(LONGEST) == 0, before.printed()
    reference = Project.copy_of(before, folder / "reference")
    return before, evaluated(reference)


def strike(name: str, project: Project) -> int:
    """Run the training on the cluster under one fault; says how often snakemake was started again."""
    snakemake = FAULTS[name](project, project.on_slurm(*ARGUMENTS, *more_arguments(name)))
    for again in range(3):
        if snakemake.wait(LONGEST) == 0:
            return again
        project.on_slurm("--unlock", *ARGUMENTS).wait()
        snakemake = project.on_slurm(*ARGUMENTS, *more_arguments(name))
    raise RuntimeError(f"snakemake fails again and again, see {project.folder}/snakemake.log")


def evaluated(project: Project) -> dict[str, bytes]:
    """Weights, history and test metrics; what is missing is made on this machine."""
    assert project.start("--cores", "1", METRICS, "--configfile", LONG).wait(LONGEST) == 0, project.printed()
    return project.results()


def _trainings(project: Project) -> list[psutil.Process]:
    """The processes of a project that train."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words, folder = process.info["cmdline"] or [], process.info["cwd"] or ""
        if folder.startswith(str(project.folder)) and any(word.endswith("train.py") for word in words[:2]):
            found.append(process)
    return found


def command(*words: str) -> None:
    subprocess.run(words, check=True)


def _struck(project: Project) -> str:
    """Number of the training job, once it has written a checkpoint."""
    wait_for(lambda: project.training_under_way() and training_job(project), LONGEST)
    job = training_job(project)
    assert job is not None
    return str(job.number)


def told(job: Job) -> str:
    again = f", {job.restarts} restarts" if job.restarts else ""
    return f"{job.number} {job.state} {job.memory} {job.seconds:.0f} s{again}"


def main(names: list[str]) -> int:
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    print(f"Runs and their logs: {folder}", flush=True)
    before, expected = prepared(folder)
    print("| fault | training jobs, by Slurm's records | snakemake started again | weights, history, metrics |")
    print("|---|---|---|---|", flush=True)
    failures = 0
    for name in names or list(FAULTS):
        project = Project.copy_of(before, folder / name)
        try:
            again = strike(name, project)
            trainings = [job for job in jobs(project) if job.gpus]  # before evaluation, which trains what is missing
            verdict = "equal" if evaluated(project) == expected else "DIFFERENT"
        except (AssertionError, RuntimeError, OSError, subprocess.SubprocessError) as error:
            again, trainings, verdict = 0, [job for job in jobs(project) if job.gpus], f"failed: {error}"
        if verdict == "equal" and not STRUCK[name](trainings):
            verdict = "equal, but the fault did not strike"
        print(f"| {name} | {'; '.join(map(told, trainings))} | {again} | {verdict} |", flush=True)
        failures += verdict != "equal"
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
