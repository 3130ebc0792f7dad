"""Grading: right, wrong and hostile submissions, really run; and what a second run keeps."""

import json
import shutil
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbgrader.api import Gradebook

from cgcnn.errors import InputError
from homework import build
from homework.grading import ledger
from homework.grading.grade import Limits, grade
from homework.grading.inspect import fingerprint
from tests.homework import mock_course

RUN = ("ada-right", "cy-squares", "jo-crashes", "kim-deletes", "finn-hides-it", "ned-garbage", "mia-own-checks")


LIMITS = Limits(cell_seconds=120, notebook_seconds=600)


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """A course of a few students, graded."""
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    root = tmp_path_factory.mktemp("course")
    mock_course.make(root / "all", root / "grades")
    for name in RUN:
        shutil.copytree(root / "all" / name, root / "submissions" / name)
    return root, grade(root / "submissions", root / "grades", LIMITS)


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


@pytest.fixture
def again(graded: tuple[Path, pd.DataFrame], tmp_path: Path) -> Path:
    """The graded course, copied, and points that staff gave by hand."""
    shutil.copytree(graded[0], tmp_path, dirs_exist_ok=True)
    with _gradebook(tmp_path) as book:
        for student in ("ada-right", "cy-squares", "jo-crashes"):
            row = book.find_grade("q-cut", mock_course.NAME, mock_course.NAME, student)
            row.manual_score, row.needs_manual_grade = 1.5, False
        book.db.commit()
    return tmp_path


def _gradebook(root: Path) -> Gradebook:
    return Gradebook(f"sqlite:///{root}/grades/course/gradebook.db")


def _hand_in(root: Path, student: str, answers: dict[str, str]) -> None:
    path = root / "submissions" / student / f"{mock_course.NAME}.ipynb"
    path.parent.mkdir(exist_ok=True)
    nbformat.write(mock_course.handed_in(answers), path)


def test_grading_again_keeps_what_staff_gave_by_hand(again: Path) -> None:
    """One late, one changed, one that is broken now, one that is whole now; the others are not run again."""
    right = mock_course.solved()
    # An honest answer with a global `hidden`, that fails if it sees the grades of others.
    peeks = f"import pathlib\nhidden = 41\nassert not list(pathlib.Path('{again}/grades').glob('*'))\n"
    _hand_in(again, "pam-late", right | {"expand": peeks + right["expand"].replace("41", "hidden")})
    _hand_in(again, "cy-squares", right)
    _hand_in(again, "ned-garbage", right)
    (again / "submissions" / "jo-crashes" / f"{mock_course.NAME}.ipynb").write_text("no notebook")
    untouched = again / "grades/course/autograded/ada-right" / mock_course.NAME / f"{mock_course.NAME}.ipynb"
    before = untouched.read_bytes()
    table = grade(again / "submissions", again / "grades", LIMITS).set_index(["student", "question"])
    score = table["score"].groupby("student").sum()
    assert untouched.read_bytes() == before
    assert score["ada-right"] == 21.5 and not table.loc[("ada-right", "q-cut"), "to_read"]
    assert score["pam-late"] == 20
    assert score["cy-squares"] == 21.5 and table.loc[("cy-squares", "q-cut"), "to_read"]
    assert score["ned-garbage"] == 20  # nothing is left of the 0 that it had
    assert score["jo-crashes"] == 1.5 and table.loc[("jo-crashes", "q-cut"), "to_read"]
    assert table.loc["jo-crashes", "reason"].str.contains("not a readable notebook").all()
    assert (
        table.loc["kim-deletes", "reason"].eq("").all() and "its own homework" in table.loc["mia-own-checks"].iat[0, -1]
    )
    page = next((again / "grades" / "feedback" / "ada-right").rglob("*.html")).read_text()
    assert "21.5" in page


def test_grading_late_notebooks_alone_keeps_the_others(again: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (again / "late" / "ada-right").mkdir(parents=True)
    shutil.copy(again / "submissions" / "ada-right" / f"{mock_course.NAME}.ipynb", again / "late" / "ada-right")
    monkeypatch.setattr("homework.grading.grade._autograde", lambda *_: pytest.fail("it was graded before"))
    table = grade(again / "late", again / "grades", LIMITS)
    assert sorted(set(table["student"])) == sorted(RUN)
    kept = pd.read_csv(again / "grades" / "totals.csv").set_index("student")
    assert kept.loc["ada-right", "score"] == 21.5


def test_other_questions_than_before_are_refused(again: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    master = (build.MASTERS / f"{mock_course.NAME}.py").read_text(encoding="utf-8")
    (again / "masters").mkdir()
    (again / "masters" / f"{mock_course.NAME}.py").write_text(master.replace('answer="q-cut"', 'answer="q-other"'))
    monkeypatch.setattr(build, "MASTERS", again / "masters")
    _hand_in(again, "pam-late", {})
    with pytest.raises(InputError, match=r"other questions.*--out"):
        grade(again / "submissions", again / "grades", LIMITS)
    with _gradebook(again) as book:
        assert book.find_grade("q-cut", mock_course.NAME, mock_course.NAME, "ada-right").manual_score == 1.5


def test_an_interrupted_run_goes_on_where_it_was(again: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _hand_in(again, "pam-late", {})
    _hand_in(again, "zoe-later", {})

    def autograde(s: object, *_: object) -> str:
        if getattr(s, "student", "") == "zoe-later":
            raise KeyboardInterrupt
        return "did not run here"

    monkeypatch.setattr("homework.grading.grade._autograde", autograde)
    with pytest.raises(KeyboardInterrupt):
        grade(again / "submissions", again / "grades", LIMITS)
    known = json.loads((again / "grades" / "graded.json").read_text())
    assert f"pam-late/{mock_course.NAME}" in known and f"zoe-later/{mock_course.NAME}" not in known


def test_all_can_be_graded_again_when_the_checks_have_changed(again: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homework.grading.grade._autograde", lambda *_: "ran again")
    table = grade(again / "submissions", again / "grades", LIMITS, again=True).set_index(["student", "question"])
    assert table.loc["ada-right", "reason"].eq("ran again").all()
    assert table.loc[("ada-right", "q-cut"), "score"] == 1.5 and table.loc["ada-right", "score"].sum() == 1.5


@pytest.mark.parametrize("out", ["course", ".", "course/submissions", "course/submissions/grades"])
def test_grades_and_submissions_must_not_lie_in_each_other(tmp_path: Path, out: str) -> None:
    (tmp_path / "course" / "submissions").mkdir(parents=True)
    _hand_in(tmp_path / "course", "ada", {})
    with pytest.raises(InputError, match=r"must not lie in each other.*--out"):
        grade(tmp_path / "course" / "submissions", tmp_path / out, LIMITS)
    assert (tmp_path / "course" / "submissions" / "ada" / f"{mock_course.NAME}.ipynb").exists()


def test_grades_are_put_over_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "submissions").mkdir(parents=True)
    _hand_in(tmp_path / "a", "ada", {})
    thesis = tmp_path / "b" / "project" / "thesis.tex"
    thesis.parent.mkdir(parents=True)
    thesis.write_text("years of work")
    for out in (thesis.parent, thesis):
        with pytest.raises(InputError, match=r"not a folder of grades.*--out"):
            grade(tmp_path / "a" / "submissions", out, LIMITS)
    monkeypatch.setattr("homework.grading.ledger.ROOT", thesis.parent)
    for out in (thesis.parent, tmp_path / "b"):
        with pytest.raises(InputError, match=r"holds this project.*--out"):
            grade(tmp_path / "a" / "submissions", out, LIMITS)
    assert thesis.read_text() == "years of work"


def test_no_submissions(tmp_path: Path) -> None:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    with pytest.raises(InputError, match="no such folder"):
        grade(tmp_path / "nowhere", tmp_path / "out", Limits())
    with pytest.raises(InputError, match="<student>/<notebook>"):
        grade(tmp_path, tmp_path.parent / f"{tmp_path.name}-out", Limits())


@pytest.mark.parametrize("name", ["ann [pair bob]", "what?", "a*"])
def test_a_folder_whose_name_is_a_pattern_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "in" / name).mkdir(parents=True)
    with pytest.raises(InputError, match="Rename the folder"):
        grade(tmp_path / "in", tmp_path / "out", LIMITS)


def test_two_do_not_grade_into_one_folder(again: Path) -> None:
    with ledger.alone(again / "grades"), pytest.raises(InputError, match="another run grades into this folder"):
        grade(again / "submissions", again / "grades", LIMITS)


def test_strange_notebooks_stop_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first of a course, alone: refused, told why in table and feedback; one with another name is told."""
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    edited = mock_course.handed_in({"check-expand": "pass"})
    edited.cells.append(nbformat.v4.new_markdown_cell("", metadata={"nbgrader": None}))
    (tmp_path / "in" / "aaa").mkdir(parents=True)
    nbformat.write(edited, tmp_path / "in" / "aaa" / f"{mock_course.NAME}.ipynb")
    nbformat.write(edited, tmp_path / "in" / "aaa" / f"{mock_course.NAME} (1).ipynb")
    table = grade(tmp_path / "in", tmp_path / "out", LIMITS)
    assert table["score"].sum() == 0 and table["reason"].str.contains("check-expand was edited").all()
    assert list((tmp_path / "out" / "feedback" / "aaa").rglob("*.html"))
    assert f"Not graded, for it is called otherwise than handed out: {tmp_path}" in capsys.readouterr().out


def test_a_changed_master_is_a_reason_to_grade_again(tmp_path: Path) -> None:
    for name in ("notebook", "master", "other"):
        (tmp_path / name).write_text(name)
    first = fingerprint(tmp_path / "notebook", tmp_path / "master")
    assert first == fingerprint(tmp_path / "notebook", tmp_path / "master")
    assert first != fingerprint(tmp_path / "notebook", tmp_path / "other")
