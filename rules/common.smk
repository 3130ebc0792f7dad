"""What all rules use: the validated configuration, and the parameters that decide whether a job runs again.

A job runs again when its `section` (the part of the configuration that it reads, as JSON) or its `code` (a digest of its
script and of all of cgcnn that it imports) changes, or the content of an input. The section `execution` is in neither.
"""

import hashlib
import json
import os
import shlex
import signal
import sys
import time
from pathlib import Path

from cgcnn import config as schema
from cgcnn.errors import InputError
from cgcnn.paths import expanded
from cgcnn.provenance import code_digest
from cgcnn.splits import STRATEGIES

ROOT = Path(workflow.basedir)
SCRIPTS = ROOT / "scripts"

try:
    CONFIG = schema.validate(config)
except InputError as error:
    raise WorkflowError(str(error)) from None

# A run of its own has its data, results and Snakemake metadata in runs/<run>.
HERE = ROOT / "runs" / CONFIG.run if CONFIG.run else ROOT
SNAPSHOT = "data/raw/snapshot.parquet"


workdir: HERE


def as_json(section):
    """A section of the configuration as one string, keys sorted; tuples and models of pydantic included."""
    return json.dumps(section, sort_keys=True, default=lambda model: model.model_dump())


# Scripts run under the Python that runs Snakemake. Libraries below torch take one thread; training sets its own.
shell.prefix(f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH OMP_NUM_THREADS=1; ")


# Slurm warns training with SIGUSR1 before its time is over. Snakemake, which runs it inside the job, must not die of that.
signal.signal(signal.SIGUSR1, signal.SIG_IGN)


# Pages that people read, each made by a rule of its own.
PAGES = [f"results/{name}/index.html" for name in ("report", "study", "screen", "limits")]
STARTED = time.time()


def pages_made():
    """Those that this run of Snakemake made; the report where it made none and there is one."""
    there = [HERE / page for page in PAGES if (HERE / page).exists()]
    made = [page for page in there if page.stat().st_mtime >= STARTED]
    return made or there[:1]


def memory(base, per_input):
    """Megabytes that a job asks for: `base`, and `per_input` times its input; twice as many at each further attempt."""
    return lambda wildcards, input, attempt: round((base + per_input * input.size_mb) * 2 ** (attempt - 1))


def minutes(base, per_input):
    """Minutes that a job asks for: `base`, and `per_input` for each megabyte of input, up to the longest allowed."""
    return lambda wildcards, input: min(round(base + per_input * input.size_mb), 60 * CONFIG.execution.longest_job)


def script(name):
    """A script of scripts/, as seen from the working directory."""
    return os.path.relpath(SCRIPTS / name, HERE)


def code_of(script):
    """Digest of the code behind a script."""
    return code_digest(SCRIPTS / script, ROOT)


def from_root(path):
    """A path that config.yaml gives, which counts from the repository, as seen from the working directory."""
    return path if os.path.isabs(path) else os.path.relpath(ROOT / path, HERE)


def own_paths(key, paths):
    """The user's paths under a key of the configuration, their variables filled in; all of them exist."""
    found = []
    for path in paths:
        try:
            found.append(expanded(path))
        except InputError as error:
            raise WorkflowError(f"{key}: {error}") from None
        if not (ROOT / found[-1]).exists():
            raise WorkflowError(f"{key}: {path}: no such file or folder. Correct the path in the configuration.")
    return found


def as_input(key, files):
    """The files, if Snakemake can take them."""
    for file in files:
        if "{" in file or "}" in file:
            raise WorkflowError(f"{key}: {file}: Snakemake takes braces for wildcards. Rename the file or folder.")
    return files


def source_files(wildcards):
    """Every file that the source is made of, so that an edit of one is seen."""
    if CONFIG.source.name == "embedded":
        return [from_root("data/embedded/materials.parquet")]
    if CONFIG.source.name == "materials_project":
        return [SNAPSHOT]
    files = []
    for path in own_paths("source.paths", CONFIG.source.paths):
        inside = [path]
        if (ROOT / path).is_dir():
            inside = sorted(os.path.join(path, file.name) for file in (ROOT / path).iterdir() if file.is_file())
        if not inside:
            raise WorkflowError(
                f"source.paths: {path}: no file in this folder; those below it are not read. Name them."
            )
        files += [from_root(file) for file in inside]
    return as_input("source.paths", files)


def candidates():
    """The user's files of candidates, those in folders and below them, too, so that an edit of one is seen."""
    files = []
    for path in own_paths("screen.paths", CONFIG.screen.paths):
        inside = sorted((ROOT / path).rglob("*")) if (ROOT / path).is_dir() else [ROOT / path]
        files += [str(file) for file in inside if file.is_file() and not file.name.startswith(".")]
    return as_input("screen.paths", files)


if CONFIG.source.name == "local":
    source_files(None)  # before any rule asks, so that a missing path is told in one line


def source_section():
    """The part of `source` that is read: the query belongs to the Materials Project alone."""
    others = {"materials_project"} if CONFIG.source.name != "materials_project" else set()
    return CONFIG.source.model_dump(exclude=others)


def content_of(files):
    """Digest of files that others write: Snakemake does not look into one that is older than what was made of it."""
    digest = hashlib.sha256()
    for file in files:
        with open(file, "rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:16]


def of_each_contest(pattern, splits=CONFIG.splits):
    """`pattern` for every task and split."""
    return expand(pattern, task=CONFIG.tasks, split=splits, allow_missing=True)


def of_each_variant(pattern):
    """`pattern` for every variant of the network."""
    return expand(pattern, variant=CONFIG.variants, allow_missing=True)


def of_each_model(pattern):
    """`pattern` for every variant of the network, and for the baselines together."""
    return expand(pattern, model=[*CONFIG.variants, *(["baselines"] if CONFIG.baselines else [])], allow_missing=True)


def strategy_of(name):
    """`formula` is a strategy; `formula-0.25` is it with a quarter of the training materials."""
    strategy, _, share = name.partition("-")
    return {"strategy": strategy, "train_share": float(share or 1)}


def one_of(key, name, choices):
    """The name that a key of the configuration gives, which is one of what this run makes."""
    if name not in choices:
        raise WorkflowError(f"{key}: {name} is none of those of this run. Choose from {', '.join(choices)}.")
    return name


REGRESSIONS = [name for name, task in CONFIG.tasks.items() if task.kind == "regression"]


def wanted(file):
    """`file` of the model of every want, in the order of their names."""

    def of(wildcards):
        screen = CONFIG.screen
        split, variant = one_of("screen.split", screen.split, CONFIG.splits), variant_of_the_screening()
        tasks = sorted(one_of("screen.wants", task, REGRESSIONS) for task in screen.wants)
        return expand(f"results/{{task}}/{split}/{variant}/{file}", task=tasks)

    return of


def variant_of_the_screening():
    """Its name."""
    return one_of("screen.variant", CONFIG.screen.variant, CONFIG.variants)


def hindsight_section(wildcards):
    """What decides the proof: the target, what is hidden, and the networks that are trained."""
    screen, variant = CONFIG.screen, CONFIG.variants[variant_of_the_screening()]
    wanted_regressions = [name for name in screen.wants if name in REGRESSIONS]
    task = one_of("screen.hindsight.task", screen.hindsight.task, wanted_regressions)
    low, high = screen.wants[task]
    return as_json(
        {
            **dict(screen.hindsight),
            "task": CONFIG.tasks[task],
            "low": low,
            "high": high,
            "conv": variant.conv,
            "model": variant.model,
            "train": variant.train.model_dump(exclude={"seeds"}),
        }
    )


def of_the_limits(file):
    """`file` of the variant that limits names."""

    def of(wildcards):
        limits = CONFIG.limits
        task = one_of("limits.task", limits.task, REGRESSIONS)
        split = one_of("limits.split", limits.split, CONFIG.splits)
        return f"results/{task}/{split}/{one_of('limits.variant', limits.variant, CONFIG.variants)}/{file}"

    return of


# The task, if any, whose classes a formula may give away.
FIRST_CLASSIFICATION = [name for name, task in CONFIG.tasks.items() if task.kind == "classification"][:1]


def said_of(task):
    """Predictions of all models of this task, under the split of limits."""
    return expand(of_each_model(f"results/{task}/{CONFIG.limits.split}/{{model}}/predictions.parquet"))


wildcard_constraints:
    task="|".join(CONFIG.tasks),
    split=rf"({'|'.join(STRATEGIES)})(-0\.\d+)?",
    variant="|".join(CONFIG.variants),
    shard=r"\d+",
