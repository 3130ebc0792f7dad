"""A mock course: a dozen students hand in notebook 1, among them broken and malicious ones.

python -m tests.homework.mock_course FOLDER      # then: make grade SUBMISSIONS=FOLDER
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from homework.build import MASTERS, NOTEBOOKS

NAME = "1_crystal_graph"
HEAD = "def neighbours(lattice, frac_coords, cutoff):\n"

#: Students who replace one answer of an otherwise right notebook, and what they put there.
INSTEAD: dict[str, tuple[str, str]] = {
    "cy-squares": (
        "expand",
        "def expand(distance):\n    return np.exp(-((distance[:, None] - 0.2 * np.arange(41)) / 0.2))",
    ),
    "dee-broken": ("expand", "def expand(distance:\n    return distance"),
    "eve-replaces-checks": (
        "neighbours",
        "from homework import checks\nchecks.neighbours = print\n" + HEAD + "    return None",
    ),
    "finn-hides-it": (
        "neighbours",
        "import homework.checks.verdict as v\nvars(v)['must'] = vars(v)['same'] = lambda *a, **k: None\n"
        + HEAD
        + "    return None",
    ),
    "gus-hangs": ("neighbours", HEAD + "    while True:\n        pass"),
    "hal-hangs-for-good": (
        "neighbours",
        HEAD + "    while True:\n        try:\n            while True:\n                pass\n"
        "        except BaseException:\n            pass",
    ),
    "ivy-memory": ("neighbours", HEAD + "    return [np.ones(2**27) for _ in range(1000)]"),
    "jo-crashes": ("neighbours", "import os\n" + HEAD + "    os.abort()"),
    "kim-deletes": (
        "neighbours",
        "import shutil, pathlib\n"
        + HEAD
        + "    for path in pathlib.Path('{course}').rglob('*'):\n        path.unlink()\n"
        + "    shutil.rmtree('{submissions}')",
    ),
}


def solved() -> dict[str, str]:
    """The right answers: grade id -> source."""
    cells = jupytext.read(MASTERS / f"{NAME}.py").cells
    return {c.metadata[key]: c.source for c in cells for key in ("exercise", "answer") if key in c.metadata}


def handed_in(answers: Mapping[str, str]) -> NotebookNode:
    """The student notebook with these answers in it."""
    notebook = nbformat.read(NOTEBOOKS / f"{NAME}.ipynb", as_version=4)
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = answers.get(name, cell.source)
    return notebook


def make(folder: Path, grades: Path) -> None:
    """Write all submissions; `grades` is where they will be graded, which one of them tries to destroy."""
    right = solved()
    notebooks = {"ada-right": handed_in(right), "bo-half": handed_in({k: right[k] for k in ("neighbours", "expand")})}
    for student, (question, code) in INSTEAD.items():
        code = code.replace("{course}", str(grades)).replace("{submissions}", str(folder))
        notebooks[student] = handed_in(right | {question: code})
    edited = handed_in(right)
    for cell in edited.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "check-neighbours":
            cell.source = "print('Passed')"
    notebooks["lou-edits-a-check"] = edited
    for student, notebook in notebooks.items():
        (folder / student).mkdir(parents=True)
        nbformat.write(notebook, folder / student / f"{NAME}.ipynb")
    (folder / "mia-own-checks" / "homework").mkdir(parents=True)
    (folder / "mia-own-checks" / "homework" / "checks.py").write_text("def neighbours(*_): pass\n")
    nbformat.write(handed_in({}), folder / "mia-own-checks" / f"{NAME}.ipynb")
    (folder / "ned-garbage").mkdir()
    (folder / "ned-garbage" / f"{NAME}.ipynb").write_text("PK\x03\x04 this is a zip file")


if __name__ == "__main__":
    make(Path(sys.argv[1]).resolve(), Path(sys.argv[2] if len(sys.argv) > 2 else "build/grades").resolve())
