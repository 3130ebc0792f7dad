"""The set of hypothetical oxides that comes with the project. Its labels are a potential's, not DFT."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from cgcnn import tables
from cgcnn.crystals import crystal_in
from cgcnn.errors import InputError
from cgcnn.sources import Entry

_SCHEMA = pa.schema(
    [tables.STRUCTURES.field(name) for name in ("material_id", "family", "lattice", "atomic_numbers", "frac_coords")]
)


def read(path: Path, targets: Sequence[str]) -> Iterator[Entry]:
    """Entries of the embedded set. The file is checked here, its rows become crystals one by one.

    Raises:
        InputError: the file is not there or not what it should be, or it lacks a target.
    """
    table = tables.read_table(path, _SCHEMA)
    numbers = [field.name for field in table.schema if pa.types.is_float64(field.type)]
    for name in targets:
        if name not in numbers:
            raise InputError(
                f"The embedded set has no column '{name}', which a task asks for as its target: it has "
                f"{', '.join(numbers)}. Correct tasks.*.target, remove the task (null), or use another source."
            )
    return (
        Entry(
            material_id=row["material_id"],
            origin=f"{path.name} row {number}",
            crystal=crystal_in(row),
            family=row["family"],
            targets={name: row[name] for name in targets},
        )
        for number, row in enumerate(table.to_pylist(), start=1)
    )


def about(path: Path) -> dict[str, object]:
    """What the set is, for the metadata of tables made from it: source, version, label method, licence, attribution."""
    return tables.about_of(path)
