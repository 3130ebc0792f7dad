"""Grading: right, wrong and hostile submissions, really run; and what is told of a notebook without running it."""

import shutil
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from cgcnn.errors import InputError
from homework.build import NOTEBOOKS
from homework.grading.grade import Limits, grade
from homework.grading.inspect import readable, tampers
from tests.homework import mock_course

RUN = ("ada-right", "cy-squares", "jo-crashes", "kim-deletes", "finn-hides-it", "ned-garbage", "mia-own-checks")


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """A course of a few students, graded."""
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    root = tmp_path_factory.mktemp("course")
    mock_course.make(root / "all", root / "grades")
    for name in RUN:
        shutil.copytree(root / "all" / name, root / "submissions" / name)
    limits = Limits(cell_seconds=120, notebook_seconds=600)
    return root, grade(root / "submissions", root / "grades", limits)


def test_every_submission_gets_what_it_deserves(graded: tuple[Path, pd.DataFrame]) -> None:
    table = graded[1].set_index(["student", "question"])
    score = table["score"].groupby("student").sum()
    assert score["ada-right"] == 20  # all but the written questions
    assert score["cy-squares"] == 17  # without `expand`
    assert table.loc["ada-right"].loc["q-cut", "to_read"]
    reason = table["reason"].groupby("student").first()
    assert not reason["ada-right"] and not reason["cy-squares"]
    for student, words in {
        "jo-crashes": "kernel died",
        "finn-hides-it": "changed checks",
        "mia-own-checks": "its own homework",
        "ned-garbage": "not a readable notebook",
    }.items():
        assert score[student] == 0 and words in reason[student]


def test_nobody_is_harmed(graded: tuple[Path, pd.DataFrame]) -> None:
    root, table = graded
    assert sorted(path.name for path in (root / "submissions").iterdir()) == sorted(RUN)
    assert set(table["student"]) == set(RUN)
    for name in RUN:
        assert len(list((root / "grades" / "feedback" / name).rglob("*.html"))) == 1


def test_reasons_stand_in_csv_and_feedback(graded: tuple[Path, pd.DataFrame]) -> None:
    root, _ = graded
    kept = pd.read_csv(root / "grades" / "grades.csv", keep_default_na=False)
    assert (kept.loc[kept["student"] == "jo-crashes", "reason"] != "").all()
    page = next((root / "grades" / "feedback" / "ned-garbage").rglob("*.html")).read_text()
    assert "not a readable notebook" in page
    totals = pd.read_csv(root / "grades" / "totals.csv").set_index("student")
    assert totals.loc["ada-right", "max_score"] == 24


RELEASED = nbformat.read(NOTEBOOKS / f"{mock_course.NAME}.ipynb", as_version=4)


def test_an_honest_notebook_is_left_alone() -> None:
    assert tampers(mock_course.handed_in(mock_course.solved()), RELEASED) == ""
    extra = mock_course.handed_in(mock_course.solved())
    extra.cells.append(nbformat.v4.new_code_cell("%time checks.expand(expand)\nimport numpy as np\nnp.random.seed(0)"))
    assert tampers(extra, RELEASED) == ""


@pytest.mark.parametrize(
    "code",
    [
        "checks.expand = print",
        "class checks: pass",
        "import homework.hidden",
        "import sys; sys.modules['homework.checks'] = None",
        "np.allclose = lambda *a, **k: True",
        "get_ipython().set_custom_exc((Exception,), print)",
        "setattr(checks, 'expand', print)",
        "import os; os._exit(0)",
    ],
)
def test_reaching_for_the_checks_is_seen(code: str) -> None:
    notebook = mock_course.handed_in({})
    notebook.cells.append(nbformat.v4.new_code_cell(code))
    assert "changed checks" in tampers(notebook, RELEASED)


def test_missing_edited_and_doubled_checks_are_seen() -> None:
    for change, word in ((lambda c: c[:6] + c[7:], "missing"), (lambda c: [*c, *c[5:8]], "twice")):
        notebook = mock_course.handed_in({})
        notebook.cells = change(notebook.cells)
        assert word in tampers(notebook, RELEASED)
    notebook = mock_course.handed_in({"check-expand": "pass"})
    assert "edited" in tampers(notebook, RELEASED)


def test_what_is_no_notebook(tmp_path: Path) -> None:
    for name, content in (("empty", b""), ("binary", b"\xff\xfe\x00"), ("list", b"[]"), ("old", b'{"cells": 3}')):
        (tmp_path / name).write_bytes(content)
        assert readable(tmp_path / name)[0] is None
    (tmp_path / "link").symlink_to("/etc/passwd")
    assert readable(tmp_path / "link")[1] == "not a file"


def test_no_submissions(tmp_path: Path) -> None:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    with pytest.raises(InputError, match="no such folder"):
        grade(tmp_path / "nowhere", tmp_path / "out", Limits())
    with pytest.raises(InputError, match="<student>/<notebook>"):
        grade(tmp_path, tmp_path / "out", Limits())
