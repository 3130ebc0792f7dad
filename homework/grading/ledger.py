"""What a folder of grades remembers of earlier runs: which notebooks were graded, and why some were refused."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from cgcnn.errors import InputError
from cgcnn.tables import atomic_path
from homework.build import ROOT

FILE = "graded.json"  # also tells a folder of grades from others


@dataclass(frozen=True)
class Graded:
    """One notebook as it was graded last."""

    fingerprint: str  # of what was handed in
    reason: str  # why it got 0 altogether, or empty


#: "student/notebook" -> what was graded.
Ledger = dict[str, Graded]


def read(out: Path) -> Ledger:
    """What is known in this folder; nothing if it is new."""
    path = out / FILE
    if not path.exists():
        return {}
    return {key: Graded(**value) for key, value in json.loads(path.read_text(encoding="utf-8")).items()}


def write(out: Path, ledger: Ledger) -> None:
    """Keep it, so that an interrupted run can go on."""
    with atomic_path(out / FILE) as temporary:
        content = {key: vars(value) for key, value in sorted(ledger.items())}
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Inside, nobody else grades into this folder.

    Raises:
        InputError: somebody does.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out.parent / f".{out.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"{out}: another run grades into this folder. Wait until it is over.") from None
    try:
        yield
    finally:
        lock.release()


def require_place(out: Path, submissions: Path) -> None:
    """Raise InputError if grades written into `out` could harm submissions, the project, or anything that is there."""
    place, handed_in = out.resolve(), submissions.resolve()
    if place == handed_in or place in handed_in.parents or handed_in in place.parents:
        raise InputError(
            f"{out}: grades and submissions ({submissions}) must not lie in each other. Name another folder with --out."
        )
    if place == ROOT or place in ROOT.parents:
        raise InputError(f"{out}: holds this project. Name a folder for grades alone with --out.")
    if place.is_dir() and ((place / FILE).exists() or not any(place.iterdir())):
        return
    if place.exists():
        raise InputError(
            f"{out}: not a folder of grades (it has no {FILE}), so nothing was written. "
            "Move it away, or name another folder with --out."
        )
