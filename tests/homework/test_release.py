"""The students' folder: a release replaces what a release made, and nothing else."""

import shutil
from pathlib import Path

import nbformat
import pytest

from cgcnn.errors import InputError
from homework import release as module
from homework.release import release
from tests.homework import mock_course


@pytest.fixture(autouse=True)
def _weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for trained weights, which are not in the repository."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "model.safetensors").write_text("weights")
    monkeypatch.setattr(module, "_sources", lambda _name: [folder])


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_it_holds_what_students_need_and_no_answers(tmp_path: Path) -> None:
    release(tmp_path / "students")
    files = _files(tmp_path / "students")
    for needed in (
        "README.md",
        "LICENSE",
        "pyproject.toml",
        "cgcnn/model.py",
        "homework/course.py",
        "homework/checks/verdict.py",
        "homework/assets/materials.parquet",
        "homework/assets/pretrained/energy/gated/model.safetensors",
        "notebooks/1_crystal_graph.ipynb",
    ):
        assert needed in files
    assert not [name for name in files if "masters" in name or "hidden" in name or "grading" in name]


def test_a_second_release_keeps_what_staff_put_there(tmp_path: Path) -> None:
    folder = tmp_path / "students"
    release(folder)
    first = _files(folder)
    own = {".git/HEAD": b"ref", ".github/ci.yml": b"on: push", "notebooks/0_syllabus.ipynb": b"{}", "FAQ.md": b"?"}
    for name, content in own.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "README.md").write_text("an older text")
    release(folder)
    assert _files(folder) == first | own


def test_a_filled_in_notebook_is_not_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NOTEBOOKS", shutil.copytree(module.NOTEBOOKS, tmp_path / "notebooks"))
    release(tmp_path / "students")
    nbformat.write(mock_course.handed_in(mock_course.solved()), tmp_path / "notebooks" / f"{mock_course.NAME}.ipynb")
    with pytest.raises(InputError, match="somebody has filled in an answer"):
        release(tmp_path / "students")


def test_what_is_no_longer_released_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "students"
    release(folder)
    monkeypatch.setattr(module, "SHARED", ("cgcnn", "LICENSE"))
    release(folder)
    assert not (folder / "CITATION.cff").exists() and (folder / "LICENSE").exists()


def test_an_edited_list_removes_nothing_elsewhere(tmp_path: Path) -> None:
    release(tmp_path / "students")
    (tmp_path / "thesis.tex").write_text("years of work")
    with (tmp_path / "students" / module.LIST).open("a") as list_:
        list_.write("../thesis.tex\n")
    release(tmp_path / "students")
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize("at", ["copytree", "copyfile"])
def test_a_failure_leaves_the_folder_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    folder = tmp_path / "students"
    release(folder)
    before = _files(tmp_path)
    (folder / "README.md").write_text("an older text")
    calls, right = [], getattr(shutil, at)

    def fails_late(*arguments: object, **options: object) -> object:
        calls.append(arguments)
        if len(calls) > 2:
            raise OSError("disk full")
        return right(*arguments, **options)

    with monkeypatch.context() as broken:
        broken.setattr(shutil, at, fails_late)
        with pytest.raises(OSError, match="disk full"):
            release(folder)
    assert _files(tmp_path) == before | {"students/README.md": b"an older text"}
    release(folder)
    assert _files(tmp_path) == before


def test_without_weights_the_last_release_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release(tmp_path / "students")
    before = _files(tmp_path)
    monkeypatch.setattr(module, "_sources", lambda _name: [])
    with pytest.raises(InputError, match=r"energy/gated.*dvc pull pretrained/embedded`.*make run"):
        release(tmp_path / "students")
    assert _files(tmp_path) == before


def test_an_empty_repository_can_be_released_into(tmp_path: Path) -> None:
    (tmp_path / "clone" / ".git").mkdir(parents=True)
    (tmp_path / "clone" / "README.md").write_text("# cgcnn-homework")
    release(tmp_path / "clone")
    assert "Six notebooks" in (tmp_path / "clone" / "README.md").read_text()


def test_other_folders_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "README.md").write_text("years of work")
    (tmp_path / "parent" / "staff" / "homework" / "masters").mkdir(parents=True)
    (tmp_path / "parent" / ".git").mkdir()
    (tmp_path / "parent" / "staff" / ".git").mkdir()
    before = _files(tmp_path)
    staff = tmp_path / "parent" / "staff"
    monkeypatch.setattr(module, "ROOT", staff)  # not the true one, which a mistake would cost
    for folder in (tmp_path / "thesis", tmp_path / "thesis" / "README.md", staff, staff.parent):
        with pytest.raises(InputError, match=r"[Nn]ame another folder"):
            release(folder)
    assert _files(tmp_path) == before
