"""From submissions to grades, through nbgrader's autograde and generate_feedback, one cage a notebook."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import nbformat
import pandas as pd
from nbgrader.api import Gradebook
from tqdm import tqdm

from cgcnn.errors import InputError
from cgcnn.tables import atomic_path
from homework.build import MASTERS, ROOT, build, masters
from homework.grading import ledger
from homework.grading.cage import KERNEL, Cage, require_bubblewrap, specify
from homework.grading.inspect import brings_its_own_checks, fingerprint, readable, tampers, without_copies

# What an answer must not read: solutions, hidden tests' zoo, the history of both, what was built of them.
SECRET = ("homework/masters", "tests", ".git", "build", "dvc-store")


@dataclass(frozen=True)
class Limits:
    """Of what one notebook may use."""

    cell_seconds: int = 300
    notebook_seconds: int = 1200
    memory_gb: float = 4.0


@dataclass(frozen=True)
class Submission:
    """One notebook of one student."""

    student: str
    assignment: str
    path: Path

    @property
    def key(self) -> str:
        """In the ledger."""
        return f"{self.student}/{self.assignment}"


def grade(submissions: Path, out: Path, limits: Limits, again: bool = False) -> pd.DataFrame:
    """Grade notebooks that are new or have changed; write grades.csv, totals.csv and feedback of all into `out`.

    What an earlier run and staff put into the gradebook of `out` stays. Where a notebook is graded anew, points that it
    had by hand are kept and marked `to_read`, as nbgrader does it.

    Args:
        submissions: a folder a student, in it notebooks named as they were handed out; others are not looked at.
        again: grade what has not changed, too, for the checks have.

    Returns:
        What grades.csv holds: student, notebook, question, score, max_score, to_read, reason.

    Raises:
        InputError: no submissions, no sandbox on this machine, `out` is not a place for grades, or the questions are no
            longer those that were graded there.
    """
    found = _found(submissions)
    ledger.require_place(out, submissions)
    require_bubblewrap()
    with ledger.alone(out):
        return _grade(found, submissions, out, limits, again)


def _grade(found: Sequence[Submission], submissions: Path, out: Path, limits: Limits, again: bool) -> pd.DataFrame:
    known = ledger.read(out)
    prints = {s: fingerprint(s.path, MASTERS / f"{s.assignment}.py") for s in found}
    todo = [s for s in found if again or s.key not in known or known[s.key].fingerprint != prints[s]]
    print(f"{len(todo)} of {len(found)} notebooks are new or have changed.")
    course = (out / "course").resolve()
    if todo:
        token = secrets.token_hex(16)
        ledger.write(out, known)  # from now on this is a folder of grades
        _build(course, todo, token)
        known = {key: value for key, value in known.items() if key not in {s.key for s in todo}}
        ledger.write(out, known)
        for s in tqdm(todo, "Grading", disable=None):
            known[s.key] = ledger.Graded(prints[s], _grade_one(s, course, limits, token, submissions))
            ledger.write(out, known)
    _feedback(course, known)
    shutil.copytree(course / "feedback", out / "feedback", dirs_exist_ok=True)
    table = _table(course, known)
    totals = table.groupby("student", sort=True)[["score", "max_score"]].sum().reset_index()
    for name, content in (("grades.csv", table), ("totals.csv", totals)):
        with atomic_path(out / name) as temporary:
            content.to_csv(temporary, index=False)
    return table


def _found(submissions: Path) -> list[Submission]:
    if not submissions.is_dir():
        raise InputError(f"{submissions}: no such folder. It holds a folder a student, and in it the notebooks.")
    names = sorted(path.stem for path in masters())
    folders = sorted(folder for folder in submissions.iterdir() if folder.is_dir() and not folder.is_symlink())
    for folder in folders:
        if set(folder.name) & set("[]*?"):
            raise InputError(f"{folder}: nbgrader takes [ ] * and ? in a name for patterns. Rename the folder.")
        for path in sorted(folder.glob("*.ipynb")):
            if path.stem not in names:
                print(f"Not graded, for it is called otherwise than handed out: {path}")
    paths = [folder / f"{name}.ipynb" for folder in folders for name in names]
    found = [Submission(path.parent.name, path.stem, path) for path in paths if path.exists() or path.is_symlink()]
    if not found:
        raise InputError(f"{submissions}: no <student>/<notebook>.ipynb among {', '.join(names)}.")
    return found


def _build(course: Path, todo: Sequence[Submission], token: str) -> None:
    try:
        build(course, only=[s.assignment for s in todo], token=token)
    except RuntimeError as error:
        if "Cannot add or remove cells" not in str(error):
            raise
        raise InputError(
            f"{course.parent}: holds grades of a notebook that had other questions than its master has now. "
            "Grade all submissions into a new folder, --out FOLDER. The grades in this one stay as they are."
        ) from None


def _grade_one(s: Submission, course: Path, limits: Limits, token: str, submissions: Path) -> str:
    """Have one notebook graded; return why it got 0 altogether, or nothing."""
    released = nbformat.read(course / "release" / s.assignment / f"{s.assignment}.ipynb", as_version=4)
    notebook, reason = readable(s.path)
    try:
        reason = reason or brings_its_own_checks(s.path.parent)
        if notebook is not None and not reason:
            reason = tampers(notebook, released)
    except Exception as error:  # one notebook, strange in a way that nobody thought of, must not stop the others
        reason = f"could not be looked at ({type(error).__name__}: {error})"
    target = course / "submitted" / s.student / s.assignment / f"{s.assignment}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    graded = course / "autograded" / s.student / s.assignment / f"{s.assignment}.ipynb"
    if notebook is not None and not reason:
        nbformat.write(without_copies(notebook), target)
        reason = _autograde(s, course, limits, submissions)
        if not reason and graded.exists():
            reason = _forged(graded, token)
        elif not reason:
            reason = "did not run: the kernel died, or nbgrader could not read it"
    if reason:
        _refuse(s, course, reason, released, graded)
    return reason


@contextmanager
def _cage(course: Path, limits: Limits, submissions: Path) -> Iterator[dict[str, str]]:
    """A kernel specification for one notebook, and the environment in which nbgrader finds it."""
    scratch = Path(tempfile.mkdtemp(prefix="cgcnn-"))
    settings = Path(tempfile.mkdtemp(prefix="cgcnn-"))
    try:
        for fonts in Path(matplotlib.get_cachedir()).glob("fontlist*.json"):
            shutil.copy(fonts, scratch)  # else each kernel looks for all fonts again
        # The folder of grades, too: it has the grades and feedback of earlier runs.
        hidden = [str(ROOT / name) for name in SECRET] + [str(course.parent), str(submissions.resolve())]
        specify(Cage(str(scratch), hidden, int(limits.memory_gb * 2**30), limits.notebook_seconds), settings)
        jupyter = {"JUPYTER_PATH": str(settings), "TMPDIR": str(scratch)}  # where the connection file is put
        yield {**os.environ, **jupyter, "PYTHONPATH": str(ROOT)}
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(settings, ignore_errors=True)


def _autograde(s: Submission, course: Path, limits: Limits, submissions: Path) -> str:
    options = {
        "CourseDirectory.root": str(course),
        "CourseDirectory.db_url": f"sqlite:///{course}/gradebook.db",
        "Execute.timeout": str(limits.cell_seconds),
        "Execute.startup_timeout": "300",
        "Execute.kernel_name": KERNEL,
    }
    command = [sys.executable, "-m", "nbgrader", "autograde", s.assignment, f"--student={s.student}", "--force"]
    log = course / "logs" / f"{s.student}-{s.assignment}.log"
    log.parent.mkdir(exist_ok=True)
    with _cage(course, limits, submissions) as environment, log.open("w") as output:
        # The cage has no network: the kernel is spoken to through sockets in its folder.
        options |= {"ConnectionFileMixin.transport": "ipc", "ConnectionFileMixin.ip": f"{environment['TMPDIR']}/kernel"}
        command += [f"--{name}={value}" for name, value in options.items()]
        nbgrader = subprocess.Popen(
            command, env=environment, cwd=course, stdout=output, stderr=output, start_new_session=True
        )
        try:
            nbgrader.wait(limits.notebook_seconds)
        except subprocess.TimeoutExpired:
            return f"took longer than {limits.notebook_seconds} s: it hangs"
        finally:
            _end(nbgrader)
    return _why_dead(log.read_text(errors="replace")) if nbgrader.returncode else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started; the kernel's cage dies with its parent."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def _why_dead(log: str) -> str:
    if "DeadKernel" in log or "Kernel died" in log:
        return "the kernel died: the notebook crashed it, or used too much memory or time"
    last = next((line for line in reversed(log.splitlines()) if "ERROR" in line), "")
    return f"nbgrader could not grade it: {last[-200:]}"


def _forged(path: Path, token: str) -> str:
    """Why a graded notebook is refused: a check cell neither failed nor printed the token."""
    for cell in nbformat.read(path, as_version=4).cells:
        facts = cell.metadata.get("nbgrader", {})
        if not (cell.cell_type == "code" and facts.get("grade") and facts.get("locked")):
            continue
        printed = "".join(output.get("text", "") for output in cell.outputs if output.output_type == "stream")
        errors = [output for output in cell.outputs if output.output_type == "error"]
        replaced = [e for e in errors if "changed checks" in e.evalue]
        if replaced:
            return str(replaced[0].evalue)
        if not errors and f"{token} {facts['grade_id']}" not in printed:
            return f"changed checks: {facts['grade_id']} ended without a verdict"
    return ""


def _refuse(s: Submission, course: Path, reason: str, released: nbformat.NotebookNode, graded: Path) -> None:
    """Give 0 for every question, and a feedback page that says why; points given by hand are left to staff."""
    note = nbformat.v4.new_markdown_cell(
        f"# Not graded\n\n**{reason}**\n\nAll questions of this notebook have 0 points, but for points given by hand."
    )
    page = nbformat.from_dict({**released, "cells": [note, *released.cells]})
    graded.parent.mkdir(parents=True, exist_ok=True)
    graded.unlink(missing_ok=True)  # nbgrader makes them read-only
    nbformat.write(page, graded)
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        book.update_or_create_student(s.student)
        book.update_or_create_submission(s.assignment, s.student)
        for row in book.find_submission_notebook(s.assignment, s.assignment, s.student).grades:
            row.auto_score, row.needs_manual_grade = 0, row.manual_score is not None
        book.db.commit()


def _feedback(course: Path, known: ledger.Ledger) -> None:
    (course / "logs").mkdir(exist_ok=True)
    for assignment in sorted({key.split("/")[1] for key in known}):
        command = [sys.executable, "-m", "nbgrader", "generate_feedback", assignment, "--force"]
        command += [f"--CourseDirectory.root={course}", f"--CourseDirectory.db_url=sqlite:///{course}/gradebook.db"]
        with (course / "logs" / f"feedback-{assignment}.log").open("w") as output:
            subprocess.run(command, cwd=course, stdout=output, stderr=output, check=True)


def _table(course: Path, known: ledger.Ledger) -> pd.DataFrame:
    """All that the gradebook holds, not only of this run."""
    interrupted = ledger.Graded("", "not graded: a run was interrupted; grade it again")
    rows = []
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        for submission in (s for assignment in book.assignments for s in assignment.submissions):
            student, assignment = submission.student.id, submission.assignment.name
            for row in (row for notebook in submission.notebooks for row in notebook.grades):
                rows.append(
                    {
                        "student": student,
                        "notebook": assignment,
                        "question": row.name.removeprefix("check-"),
                        "score": row.score,
                        "max_score": row.max_score,
                        "to_read": bool(row.needs_manual_grade),
                        "reason": known.get(f"{student}/{assignment}", interrupted).reason,
                    }
                )
    return pd.DataFrame(rows).sort_values(["student", "notebook"], kind="stable", ignore_index=True)
