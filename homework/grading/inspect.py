"""What can be told of a submission before it runs, and after: is it a notebook, does it leave the checks alone?"""

import hashlib
from collections import Counter
from contextlib import suppress
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from homework.grading.reach import reaches_for

MOST_BYTES = 20 * 2**20  # of a notebook


def readable(path: Path) -> tuple[NotebookNode | None, str]:
    """The notebook in this file, or why there is none."""
    if fault := _no_file(path):
        return None, fault
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # a file may be strange in more ways than nbformat has errors for
        return None, f"not a readable notebook ({type(error).__name__})"
    return notebook, ""


def _no_file(path: Path) -> str:
    if path.is_symlink() or not path.is_file():
        return "not a file"
    return f"larger than {MOST_BYTES // 2**20} MB" if path.stat().st_size > MOST_BYTES else ""


def fingerprint(path: Path, master: Path) -> str:
    """Another one when the notebook in this file, what was handed in with it, or its master has changed."""
    fault, content = _no_file(path), master.read_bytes()
    if not fault:
        with suppress(OSError):  # `readable` says what is wrong
            content += path.read_bytes()
    return hashlib.sha256(content + f"{fault}{brings_its_own_checks(path.parent)}".encode()).hexdigest()


def brings_its_own_checks(folder: Path) -> str:
    """Why a student's folder is refused, for files that would stand in for the course's own; else empty."""
    for path in sorted(folder.rglob("*")):
        if path.name in ("checks", "homework", "cgcnn", "hidden") or path.name in ("checks.py", "sitecustomize.py"):
            return f"changed checks: the submission brings its own {path.name}"
    return ""


def tampers(submitted: NotebookNode, released: NotebookNode) -> str:
    """Why a notebook is refused: a check is missing or changed, or an answer reaches for the checks; else empty."""
    given = {_grade_id(cell): cell for cell in submitted.cells if _grade_id(cell)}
    times = Counter(map(_grade_id, submitted.cells))
    for cell in released.cells:
        name = _grade_id(cell)
        if name and name not in given:
            return f"changed checks: cell {name} is missing"
        if name and cell.metadata["nbgrader"]["locked"] and times[name] > 1:
            return f"changed checks: cell {name} is there twice"
        if name and cell.metadata["nbgrader"]["locked"] and given[name].source.strip() != cell.source.strip():
            return f"changed checks: cell {name} was edited"
    locked = {_grade_id(cell) for cell in released.cells if _grade_id(cell) and cell.metadata["nbgrader"]["locked"]}
    answers = [cell.source for cell in submitted.cells if cell.cell_type == "code" and _grade_id(cell) not in locked]
    found = reaches_for(answers)
    return f"changed checks: an answer reaches for {found}" if found else ""


def without_copies(notebook: NotebookNode) -> NotebookNode:
    """The notebook where only the first of several copies of a cell is an answer, as cells are when they are split."""
    seen: set[str] = set()
    for cell in notebook.cells:
        name = _grade_id(cell)
        if name in seen or not name:
            cell.metadata.pop("nbgrader", None)
        seen.add(name)
    return notebook


def _grade_id(cell: NotebookNode) -> str:
    facts = cell.metadata.get("nbgrader")  # anything, in a notebook that anybody wrote
    return str(facts.get("grade_id", "")) if isinstance(facts, dict) else ""
