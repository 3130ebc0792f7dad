"""The folder that students get: notebooks, checks, package, data and weights; no masters, solutions or hidden tests.

    python -m homework.release build/students

It can be installed (`pip install .`), and is meant to be published as a repository of its own, whose address stands in
pyproject.toml as project.urls.Course: on Colab the first cell of each notebook installs from there.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from cgcnn.errors import InputError
from homework.build import NOTEBOOKS, ROOT, masters

SHARED = ("cgcnn", "LICENSE", "CITATION.cff")
COURSE = ("__init__.py", "course.py", "checks")  # of homework/
MODELS = ("energy/gated",)  # of pretrained/embedded, else of results/<task>/formula

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


def release(folder: Path) -> list[str]:
    """Write the students' folder anew; return what could not be put into it.

    Raises:
        InputError: student notebooks are missing.
    """
    if len(list(NOTEBOOKS.glob("*.ipynb"))) != len(masters()):
        raise InputError(f"{NOTEBOOKS}: notebooks are missing. Run `make homework` first.")
    shutil.rmtree(folder, ignore_errors=True)
    home, no_caches = (
        folder / "homework",
        shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "leaderboard.csv"),
    )
    for source, target in [(ROOT / n, folder / n) for n in SHARED] + [
        (ROOT / "homework" / n, home / n) for n in COURSE
    ]:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=no_caches)
        else:
            shutil.copyfile(source, target)
    shutil.copytree(NOTEBOOKS, folder / "notebooks", ignore=no_caches)
    assets = home / "assets"
    assets.mkdir()
    shutil.copyfile(ROOT / "data" / "embedded" / "materials.parquet", assets / "materials.parquet")
    missing = [name for name in MODELS if not _copy_model(name, assets / "pretrained" / name)]
    (folder / "README.md").write_text(README, encoding="utf-8")
    shutil.copyfile(ROOT / "pyproject.toml", folder / "pyproject.toml")
    return missing


def _copy_model(name: str, target: Path) -> bool:
    task, variant = name.split("/")
    for source in (ROOT / "pretrained" / "embedded" / name, ROOT / "results" / task / "formula" / variant):
        if (source / "model.safetensors").exists():
            target.mkdir(parents=True)
            for file in ("model.safetensors", "model.json", "domain.safetensors", "card.md"):
                if (source / file).exists():
                    shutil.copyfile(source / file, target / file)
            return True
    return False


if __name__ == "__main__":
    chosen = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "students"
    try:
        left_out = release(chosen)
    except InputError as error:
        sys.exit(f"Error: {error}")
    size = subprocess.run(["du", "-sh", str(chosen)], capture_output=True, text=True).stdout.split("\t")[0]
    print(f"The students' folder: {chosen} ({size})")
    if left_out:
        sys.exit(
            f"Error: without weights of {', '.join(left_out)}. Run `dvc pull pretrained`, or `make run`, and again."
        )
