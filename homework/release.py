"""The folder that students get: notebooks, checks, package, data and weights; no masters, solutions or hidden tests.

    python -m homework.release build/students

It can be installed (`pip install .`), and is meant to be published as a repository of its own, whose address stands in
pyproject.toml as project.urls.Course: on Colab the first cell of each notebook installs from there. So a release into a
folder that is one already replaces what the last release made, and leaves everything else, such as .git, alone.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from cgcnn.errors import InputError
from homework.build import NOTEBOOKS, ROOT, masters

SHARED = ("cgcnn", "LICENSE", "CITATION.cff")
COURSE = ("__init__.py", "course.py", "checks")  # of homework/
MODELS = ("energy/gated",)  # of pretrained/embedded, else of results/<task>/formula
LIST = ".release"  # in the students' folder: the files that a release made

README = """\
# Crystal graph networks: the homework

Six notebooks, in `notebooks/`. On your own computer, with Python 3.11 or newer:

    python3 -m venv .venv
    .venv/bin/pip install '.[homework]' jupyterlab
    .venv/bin/jupyter lab notebooks

On Linux the default PyTorch brings gigabytes of CUDA along. Without a GPU, install the CPU build first:
`.venv/bin/pip install torch --index-url https://download.pytorch.org/whl/cpu`. On Colab the first cell of each notebook
installs what it needs.

Fill in every `# YOUR CODE HERE`, run the check below it, and answer the questions at the end. Do not change, copy or
remove cells with checks. Before you hand in: restart, run all. Hand in the notebooks under the names that they have.
"""


def release(folder: Path) -> None:
    """Write the students' folder, or bring the one that is there up to date.

    Raises:
        InputError: notebooks or trained weights are missing, or `folder` is something else; then nothing is written.
    """
    folder = folder.resolve()
    _require_place(folder)
    if len(list(NOTEBOOKS.glob("*.ipynb"))) != len(masters()):
        raise InputError(f"{NOTEBOOKS}: notebooks are missing. Run `make homework` first.")
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if _has_answers(path):
            raise InputError(f"{path}: somebody has filled in an answer. Run `make homework`, which makes it anew.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as made:
        _make(Path(made))
        _replace(folder, Path(made))


def _require_place(folder: Path) -> None:
    if folder == ROOT or folder in ROOT.parents or (folder / "homework" / "masters").exists():
        raise InputError(f"{folder}: holds the masters, which students must not see. Name another folder.")
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not any((folder / mark).exists() for mark in (LIST, ".git", "homework/assets")):
        raise InputError(f"{folder}: neither a release nor a repository, so nothing was written. Name another folder.")


def _has_answers(path: Path) -> bool:
    cells = nbformat.read(path, as_version=4).cells
    exercises = [c for c in cells if c.cell_type == "code" and c.metadata.get("nbgrader", {}).get("solution")]
    return any("YOUR CODE HERE" not in cell.source for cell in exercises)


def _make(folder: Path) -> None:
    """Write a release into an empty folder."""
    no_caches = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "leaderboard.csv")
    for name in [*SHARED, *(f"homework/{name}" for name in COURSE)]:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=no_caches)
        else:
            shutil.copyfile(source, target)
    shutil.copytree(NOTEBOOKS, folder / "notebooks", ignore=no_caches)
    assets = folder / "homework" / "assets"
    assets.mkdir()
    shutil.copyfile(ROOT / "data" / "embedded" / "materials.parquet", assets / "materials.parquet")
    for name in MODELS:
        _copy_model(name, assets / "pretrained" / name)
    (folder / "README.md").write_text(README, encoding="utf-8")
    shutil.copyfile(ROOT / "pyproject.toml", folder / "pyproject.toml")


def _copy_model(name: str, target: Path) -> None:
    source = next((source for source in _sources(name) if (source / "model.safetensors").exists()), None)
    if source is None:
        raise InputError(f"No weights of {name}. Run `dvc pull pretrained/embedded`, or `make run`, and release again.")
    target.mkdir(parents=True)
    for file in ("model.safetensors", "model.json", "domain.safetensors", "card.md"):
        if (source / file).exists():
            shutil.copyfile(source / file, target / file)


def _sources(name: str) -> list[Path]:
    task, variant = name.split("/")
    return [ROOT / "pretrained" / "embedded" / name, ROOT / "results" / task / "formula" / variant]


def _replace(folder: Path, made: Path) -> None:
    """Move all of `made` into `folder`; of what is there go only files of the last release that this one has not."""
    new = sorted(path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file())
    old = (folder / LIST).read_text(encoding="utf-8").splitlines() if (folder / LIST).exists() else []
    for path in (folder / name for name in set(old) - set(new)):
        if path.parent.resolve().is_relative_to(folder):  # the list is published, and may come back edited
            path.unlink(missing_ok=True)
    for name in new:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).replace(folder / name)
    (folder / LIST).write_text("\n".join(new) + "\n", encoding="utf-8")


if __name__ == "__main__":
    chosen = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "students"
    try:
        release(chosen)
    except InputError as error:
        sys.exit(f"Error: {error}")
    size = subprocess.run(["du", "-sh", str(chosen)], capture_output=True, text=True).stdout.split("\t")[0]
    print(f"The students' folder: {chosen} ({size})")
