"""From the masters to student notebooks, solution notebooks and the grader's source, through nbgrader's own commands.

    python -m homework.build            # student notebooks into homework/notebooks
    python -m homework.build --solve    # the solution notebooks executed, too

A master marks its cells in short: `exercise="name"`, `check="name" points=3`, `answer="name" points=2`,
`setup="course"`. Here these become nbgrader's metadata, and each check gets its hidden test.
"""

import logging
import os
import re
import shutil
import sys
import tomllib
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

import jupytext
import nbformat
from nbgrader.apps import NbGraderAPI
from nbgrader.converters import GenerateSolution
from nbgrader.utils import capture_log, temp_attrs
from traitlets.config import Config

ROOT = Path(__file__).parent.parent
MASTERS = ROOT / "homework" / "masters"
NOTEBOOKS = ROOT / "homework" / "notebooks"
COURSE = ROOT / "build" / "homework"

SETUP = """\
# On Colab this installs the course. Where it is installed already it does nothing.
import importlib.util

if importlib.util.find_spec("homework") is None:
    %pip install --quiet "cgcnn-pipeline[homework] @ git+{url}"
"""
# Under names that no student has, for they share the notebook's; and from the seal, which holds the true module.
_SEALED = (
    "from homework.hidden.seal import hidden as __hidden_tests, unbroken as __unbroken_seal",
    "",
    "__unbroken_seal()",
)
_CHECK = re.compile(r"^checks\.(\w+)\((.*)\)$", re.MULTILINE)


def masters() -> list[Path]:
    """The masters in the order of the course."""
    return sorted(MASTERS.glob("*.py"))


def source_notebook(master: Path, token: str = "") -> nbformat.NotebookNode:
    """A master as nbgrader's source notebook: solutions and hidden tests are in it.

    With a token each check cell prints it, and its name, once it has passed: no answer can know it beforehand.
    """
    notebook = jupytext.read(master)
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook.metadata = nbformat.from_dict({"kernelspec": kernel, "language_info": {"name": "python"}})
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{master.stem[0]}-{number}"
        _expand(cell, token)
    return notebook


def _expand(cell: nbformat.NotebookNode, token: str) -> None:
    """Turn a cell's short mark into nbgrader's metadata."""
    marks = dict(cell.metadata)
    cell.metadata.clear()
    facts = {"schema_version": 3, "grade": False, "solution": False, "locked": False, "task": False}
    if "setup" in marks:
        cell.source = SETUP.format(url=course_url()).rstrip()
        facts |= {"grade_id": "setup", "locked": True}
    elif "exercise" in marks:
        facts |= {"grade_id": marks["exercise"], "solution": True}
    elif "check" in marks:
        facts |= {"grade_id": f"check-{marks['check']}", "grade": True, "locked": True, "points": marks["points"]}
        tests = [f"__hidden_tests.{name}({answer})" for name, answer in _CHECK.findall(cell.source)]
        tests += [f'print("{token}", "check-{marks["check"]}")'] if token else []
        cell.source = "\n".join([cell.source, "### BEGIN HIDDEN TESTS", *_SEALED, *tests, "### END HIDDEN TESTS"])
    elif "answer" in marks:
        facts |= {"grade_id": marks["answer"], "grade": True, "solution": True, "points": marks["points"]}
    else:
        return
    cell.metadata["nbgrader"] = facts


def course_url() -> str:
    """Where students install the course from; staff set it in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Course"])


def api(course: Path, **sections: dict[str, object]) -> NbGraderAPI:
    """nbgrader for the course in this folder, quiet unless something is wrong."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # it calls alembic by name
    config = Config({name: Config(section) for name, section in sections.items()})
    config.CourseDirectory.root = str(course)
    config.CourseDirectory.db_url = f"sqlite:///{course}/gradebook.db"
    config.Application.log_level = logging.WARNING
    return NbGraderAPI(config=config)


def build(course: Path, solve: bool = False, only: Sequence[str] = (), token: str = "") -> None:
    """Make `source`, `release` and, if asked, `solution` notebooks of a course in this folder, one assignment each.

    Raises:
        RuntimeError: nbgrader refused a master, or a solution notebook does not run.
    """
    course.mkdir(parents=True, exist_ok=True)
    settings = {"ClearSolutions": {"code_stub": {"python": "# YOUR CODE HERE\nraise NotImplementedError"}}}
    grader = api(course, **settings, Execute={"timeout": 900}, ExecutePreprocessor={"timeout": 900})
    for master in masters():
        name = master.stem
        if only and name not in only:
            continue
        path = course / "source" / name / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(source_notebook(master, token), path)
        _require(grader.generate_assignment(name, force=True, create=True), master)
        if solve:
            with temp_attrs(grader.coursedir, assignment_id=name):  # as the API does it for its other commands
                solution = GenerateSolution(coursedir=grader.coursedir, parent=grader)
                solution.force = True
                _require(capture_log(solution), master)
            _require_no_errors(course / "solution" / name / f"{name}.ipynb")


def _require(result: dict[str, object], master: Path) -> None:
    if not result["success"]:
        raise RuntimeError(f"{master}: nbgrader refused it:\n{result.get('error')}\n{result.get('log')}")


def _require_no_errors(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                raise RuntimeError(f"{path}: {output.ename}: {output.evalue}\nin\n{cell.source}")


def publish(course: Path, notebooks: Path) -> None:
    """Copy the student notebooks of a built course into one folder."""
    notebooks.mkdir(exist_ok=True)
    for path in sorted((course / "release").glob("*/*.ipynb")):
        shutil.copyfile(path, notebooks / path.name)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--solve", action="store_true", help="execute the solution notebooks, too")
    parser.add_argument("--only", nargs="*", default=[], help="names of notebooks, such as 1_crystal_graph")
    arguments = parser.parse_args()
    build(COURSE, arguments.solve, arguments.only)
    publish(COURSE, NOTEBOOKS)
