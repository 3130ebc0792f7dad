"""What was added, removed and changed between two tables, told apart and put into words."""

from pathlib import Path

import pyarrow as pa

from cgcnn import tables
from cgcnn.differences import compare_structures

ROOT = Path(__file__).parent.parent
EMBEDDED = ROOT / "data/embedded/materials.parquet"
SCHEMA = pa.schema(
    [
        pa.field("material_id", pa.string(), nullable=False),
        pa.field("formation_energy_per_atom", pa.float64()),
        pa.field("lattice", pa.list_(pa.float64(), 9)),
    ]
)


def written(path: Path, table: pa.Table, version: str) -> Path:
    tables.write_table(path, table, SCHEMA, {"source": "test", "source_version": version})
    return path


def test_additions_removals_and_changes_are_told_apart(tmp_path: Path) -> None:
    rows = tables.read_table(EMBEDDED, SCHEMA).select(SCHEMA.names).to_pylist()[:10]
    newer = [dict(row) for row in rows[1:]]
    newer[0]["formation_energy_per_atom"] = -9.5
    newer[1]["lattice"] = [2 * x for x in newer[1]["lattice"]]
    newer.append(rows[3] | {"material_id": "zz-new"})
    old = written(tmp_path / "old.parquet", pa.Table.from_pylist(rows, SCHEMA), "1")
    new = written(tmp_path / "new.parquet", pa.Table.from_pylist(newer, SCHEMA), "2")
    found = compare_structures(old, new)
    assert found.added == ["zz-new"]
    assert found.removed == [rows[0]["material_id"]]
    assert sorted(found.changed) == sorted(row["material_id"] for row in rows[1:3])
    assert found.changed[rows[1]["material_id"]][0].endswith("-> -9.5")
    assert found.changed[rows[2]["material_id"]] == ["lattice"]
    assert found.lines(0)[:3] == ["old: test 1", "new: test 2", "1 added, 1 removed, 2 changed, 7 the same"]


def test_a_table_does_not_differ_from_itself() -> None:
    found = compare_structures(EMBEDDED, EMBEDDED)
    assert not (found.added or found.removed or found.changed)
    assert found.n_common > 1000
