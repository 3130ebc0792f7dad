"""Student notebooks are those of the masters and fail every check; solutions run and pass every hidden test."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from cgcnn.errors import InputError
from homework import checks
from homework import course as course_module
from homework.build import NOTEBOOKS, build, masters, publish, source_notebook
from tests.homework import small_model

NAMES = [master.stem for master in masters()]


@pytest.fixture(scope="session")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All assignments as nbgrader makes them."""
    folder = tmp_path_factory.mktemp("course")
    build(folder)
    return folder


def test_student_notebooks_are_those_of_the_masters(course: Path, tmp_path: Path) -> None:
    publish(course, tmp_path)
    for name in NAMES:
        made = (tmp_path / f"{name}.ipynb").read_text(encoding="utf-8")
        kept = (NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8")
        assert made == kept, f"{name}: differs from its master. Run `make homework` and commit homework/notebooks."


@pytest.mark.parametrize("name", NAMES)
def test_student_notebooks_hold_no_answers(name: str) -> None:
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert "SOLUTION" not in text and "HIDDEN" not in text and "hidden" not in text and "Rubric" not in text
    master = next(m for m in masters() if m.stem == name).read_text(encoding="utf-8")
    for solution in re.findall(r"### BEGIN SOLUTION\n(.*?)\n *(?:# )?### END SOLUTION", master, re.DOTALL):
        longest = max((line.strip() for line in solution.splitlines()), key=len)
        assert longest not in text


@pytest.mark.parametrize("name", NAMES)
def test_notebooks_are_complete(name: str) -> None:
    """A setup cell, a check after each exercise, two written questions with a rubric, and points that add up."""
    cells = source_notebook(next(m for m in masters() if m.stem == name)).cells
    facts = [cell.metadata.get("nbgrader", {}) for cell in cells]
    written = [c for c, f in zip(cells, facts, strict=True) if f.get("grade") and f.get("solution")]
    assert len(written) == 2 and all("*Rubric." in cell.source for cell in written)
    assert sum(f.get("grade_id") == "setup" for f in facts) == 1
    exercises = {f["grade_id"] for f in facts if f.get("solution") and not f.get("grade")}
    checked = {f["grade_id"].removeprefix("check-") for f in facts if f.get("locked") and f.get("grade")}
    assert exercises <= checked <= set(checks.__all__)
    points = sum(f.get("points", 0) for f in facts)
    assert f"**Points:** {points}." in cells[0].source


@pytest.mark.parametrize("name", NAMES)
def test_an_untouched_notebook_fails_every_check(name: str) -> None:
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    kept = [c for c in notebook.cells if c.cell_type == "code" and _needed(c)]
    notebook.cells = [nbformat.v4.new_code_cell("from homework import checks"), *kept]
    NotebookClient(notebook, timeout=300, allow_errors=True).execute(cwd=str(NOTEBOOKS))
    graded = [cell for cell in kept if cell.metadata["nbgrader"]["grade"]]
    assert graded
    for cell in graded:
        assert [o for o in cell.outputs if o.output_type == "error"], cell.source
        assert "Passed" not in "".join(o.get("text", "") for o in cell.outputs)


def _needed(cell: nbformat.NotebookNode) -> bool:
    return cell.metadata.get("nbgrader", {}).get("grade_id", "setup") != "setup"


@pytest.fixture(scope="session")
def with_a_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory in which a trained model is found."""
    folder = tmp_path_factory.mktemp("run")
    small_model.write(folder)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_solutions_run_and_pass_hidden_tests(name: str, with_a_model: Path) -> None:
    """With a tenth of the epochs: what notebooks 3 and 5 then show is nothing, that they run is all that is tested."""
    notebook = source_notebook(next(m for m in masters() if m.stem == name))
    for cell in notebook.cells:
        if cell.cell_type == "code" and "check" not in cell.metadata.get("nbgrader", {}).get("grade_id", ""):
            cell.source = re.sub(r"epochs=(\d)\d\b", r"epochs=\1", cell.source)
    try:
        NotebookClient(notebook, timeout=600).execute(cwd=str(with_a_model))
    except CellExecutionError as error:
        pytest.fail(str(error))
    pictures = [o for c in notebook.cells for o in c.get("outputs", []) if "image/png" in o.get("data", {})]
    assert pictures, "a notebook without a figure"


def test_nbgrader_executes_a_solution_notebook(tmp_path: Path) -> None:
    build(tmp_path, solve=True, only=["1_crystal_graph"])
    cells = nbformat.read(tmp_path / "solution/1_crystal_graph/1_crystal_graph.ipynb", as_version=4).cells
    assert all(cell.execution_count for cell in cells if cell.cell_type == "code")
    assert any("image/png" in output.get("data", {}) for cell in cells for output in cell.get("outputs", []))


def test_without_a_model_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"dvc pull pretrained/embedded`.*make run"):
        course_module.pretrained("no_such_task/gated")
    monkeypatch.setattr(course_module, "_HERE", tmp_path)  # what students get has no masters, and no DVC
    with pytest.raises(InputError, match=r"[Ii]nstall the course again") as caught:
        course_module.pretrained("no_such_task/gated")
    assert "dvc" not in str(caught.value) and "make" not in str(caught.value)
