"""What differs between two structures tables, or two raw snapshots: added, removed, changed materials."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cgcnn import tables

_KEYED = pa.schema([tables.STRUCTURES.field("material_id")])


@dataclass(frozen=True)
class Differences:
    """Sorted material ids; for a changed one the columns that differ, for a number with its old and new value."""

    versions: tuple[str, str]  # source and its version, old and new
    n_common: int
    added: list[str]
    removed: list[str]
    changed: dict[str, list[str]]

    def lines(self, most: int = 20) -> list[str]:
        """For a reader: the counts, then at most `most` materials of each kind."""
        text = [
            f"old: {self.versions[0]}",
            f"new: {self.versions[1]}",
            f"{len(self.added)} added, {len(self.removed)} removed, {len(self.changed)} changed, "
            f"{self.n_common - len(self.changed)} the same",
        ]
        kinds = {
            "added": self.added,
            "removed": self.removed,
            "changed": [f"{key}: {', '.join(what)}" for key, what in self.changed.items()],
        }
        for kind, entries in kinds.items():
            text += [f"{kind} {entry}" for entry in entries[:most]]
            if len(entries) > most:
                text.append(f"{kind}: {len(entries) - most} more")
        return text


def compare_structures(old: Path, new: Path) -> Differences:
    """Compare two tables by material_id, in every column that both have.

    Raises:
        InputError: a file is not a table of this pipeline with a material_id.
    """
    first, second = (_rows(path) for path in (old, new))
    names = [name for name in pq.read_schema(old).names if name in pq.read_schema(new).names]
    changed = {}
    for key in sorted(first.keys() & second.keys()):
        before, after = first[key], second[key]
        different = [_worded(name, before[name], after[name]) for name in names if before[name] != after[name]]
        if different:
            changed[key] = different
    return Differences(
        versions=(_version(old), _version(new)),
        n_common=len(first.keys() & second.keys()),
        added=sorted(second.keys() - first.keys()),
        removed=sorted(first.keys() - second.keys()),
        changed=changed,
    )


def _rows(path: Path) -> dict[str, dict[str, object]]:
    return {row["material_id"]: row for row in tables.read_table(path, _KEYED).to_pylist()}


def _version(path: Path) -> str:
    about = tables.about_of(path)
    return " ".join(str(about[key]) for key in ("source", "source_version") if about.get(key)) or "unknown source"


def _worded(name: str, before: object, after: object) -> str:
    if isinstance(before, list | str) and name not in ("family", "formula"):
        return name
    return f"{name} {_short(before)} -> {_short(after)}"


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "none" if value is None else str(value)[:40]
