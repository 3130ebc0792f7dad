"""Grading: right, wrong and hostile submissions, really run; and what is told of a notebook without running it."""

import json
import shutil
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbgrader.api import Gradebook

from cgcnn.errors import InputError
from homework import build, checks
from homework.build import NOTEBOOKS
from homework.grading.grade import Limits, grade
from homework.grading.inspect import readable, tampers
from homework.grading.reach import reaches_for
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


RELEASED = nbformat.read(NOTEBOOKS / f"{mock_course.NAME}.ipynb", as_version=4)


HONEST = [
    "%time checks.expand(expand)\nimport numpy as np\nnp.random.seed(0)",
    "hidden = torch.relu(x)\nprint(hidden.shape)",
    "def layer(x, hidden=64):\n    return x * hidden",
    "class Net(torch.nn.Module):\n    def __init__(self):\n        self.hidden = torch.nn.Linear(1, 1)\n"
    "    def forward(self, x):\n        return self.hidden(x) + self.hidden.bias",
    "model = Net()\nmodel.hidden.weight\nmodel.eval()",
    "sum(p.numel() for layer in model.modules() for p in layer.parameters())",
    "modules = list(model.modules())\nmodules[0]",
    "from torch.nn.modules import Linear\nimport torch.nn.modules.linear\ntorch.nn.modules.Linear",
    "torch.backends.cudnn.deterministic = True\ntorch.backends.cudnn.benchmark = False",
    "torch.backends.cuda.matmul.allow_tf32 = True",
    "import sys\nprint(sys.version)",
    "getattr(torch.nn, 'ReLU')()",
]


def test_an_honest_notebook_is_left_alone() -> None:
    assert tampers(mock_course.handed_in(mock_course.solved()), RELEASED) == ""
    extra = mock_course.handed_in(mock_course.solved())
    extra.cells += [nbformat.v4.new_code_cell(code) for code in HONEST]
    assert tampers(extra, RELEASED) == ""
    for master in build.masters():
        cells = [c for c in build.source_notebook(master).cells if not c.metadata.get("nbgrader", {}).get("locked")]
        assert reaches_for([c.source for c in cells if c.cell_type == "code"]) == "", master


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
        # homework.hidden, whatever its package is called
        "import homework.hidden.seal as s",
        "from homework import hidden as h",
        "from homework.hidden import cases",
        "homework.hidden.expand = print",
        "import homework as h\n---\nh.hidden.expand = print",
        "h = homework\n---\nh.hidden.expand = print",
        "def f(h=homework):\n    h.hidden.expand = print",
        "[homework][0].hidden",
        "from homework import *\nhidden.expand = print",
        "import __main__ as m\nm.homework.hidden",
        "g = globals()\nh = g['home' + 'work']\nh.hidden.expand = print",
        "getattr(m, 'home' + 'work').hidden",
        "import pkgutil\npkgutil.resolve_name('homework').hidden",
        "from pydoc import locate\nlocate('homework').hidden",
        "__import__('homework.hidden')",
        "import importlib\nimportlib.import_module('homework.hidden')",
        "from importlib import import_module as i\ni('homework.hidden')",
        "__hidden_tests.expand = print",
        # sys.modules, whatever sys is called
        "import sys as s; s.modules['homework.checks'] = None",
        "from sys import modules as m; m.clear()",
        "from sys import *; modules.clear()",
        "import os; os.sys.modules.clear()",
        "from os import sys as s; s.modules.clear()",
        "import os\ns = os.sys\n---\ns.modules.clear()",
        "vars(os)['sys'].modules.clear()",
        "globals().update(vars(os.sys)); modules.clear()",
        "import inspect\ndict(inspect.getmembers(os))['sys'].modules.clear()",
        "match os:\n    case object(sys=s):\n        s.modules.clear()",
        # what checks rely on, which the seal does not see below the modules
        "torch.cat = print",
        "del np.allclose",
        "np.allclose += 1",
        "setattr(np, 'allclose', print)",
        "np.allclose.__kwdefaults__ = {}",
        "np.linalg.norm = print",
        "torch.nn.functional.softplus = print",
        "torch.Tensor.detach = print",
        "torch.Tensor.shape = ()",
        "checks.verdict.close = print",
    ],
)
def test_reaching_for_the_checks_is_seen(code: str) -> None:
    notebook = mock_course.handed_in({})
    notebook.cells += [nbformat.v4.new_code_cell(part) for part in code.split("\n---\n")]
    assert "changed checks" in tampers(notebook, RELEASED)


def test_a_deep_expression_does_not_stop_the_grading() -> None:
    for depth in (400, 1500, 20_000):
        notebook = mock_course.handed_in({})
        notebook.cells.append(nbformat.v4.new_code_cell(f"a{'.b' * depth}()\nnp{'.b' * depth} = 1"))
        tampers(notebook, RELEASED)


def test_the_seal_sees_a_replaced_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under another name, `import numpy as xp; xp.allclose = ...`, it is not seen before the notebook runs."""
    from homework.hidden.seal import unbroken

    unbroken()
    monkeypatch.setattr(np, "allclose", lambda *_, **__: True)
    with pytest.raises(checks.Wrong, match=r"changed checks: numpy.allclose"):
        unbroken()


def test_hidden_tests_leave_a_students_names_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """And they run those that the notebook began with, not what homework.hidden has become."""
    master = build.MASTERS / f"{mock_course.NAME}.py"
    cells = {c.metadata.get("nbgrader", {}).get("grade_id"): c.source for c in build.source_notebook(master).cells}
    hidden_tests = cells["check-expand"].split("### BEGIN HIDDEN TESTS")[1]
    import homework.hidden.seal

    monkeypatch.setattr(homework, "hidden", None)
    names = {"expand": lambda distance: distance, "hidden": 41}
    with pytest.raises(checks.Wrong, match="hidden test"):
        exec(hidden_tests, names)
    assert {name for name in names if not name.startswith("__")} == {"expand", "hidden"} and names["hidden"] == 41


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
        grade(tmp_path, tmp_path.parent / f"{tmp_path.name}-out", Limits())
