"""Tables on disk: whole or not at all, the same bytes for the same data, and checked when read."""

import json
import os
import stat
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cgcnn import tables
from cgcnn.arrays import CrystalGraphs, concatenate
from cgcnn.errors import InputError
from cgcnn.sources.local import rows_of
from cgcnn.tables import (
    REJECTS,
    SPLIT,
    atomic_path,
    read_graphs,
    read_table,
    structures_schema,
    write_json,
    write_table,
)

ABOUT = {"source": "test", "licence": "MIT", "attribution": ["A", "B"]}
ROWS = [
    {"material_id": "b", "subset": "test", "target": -1.5},
    {"material_id": "c", "subset": "train", "target": 0.25},
    {"material_id": "a", "subset": "train", "target": 1.0},
]


def split_table(rows: list[dict[str, object]] = ROWS) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SPLIT)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_failed_write_leaves_the_old_file_and_nothing_else(failure: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(failure), atomic_path(path) as temporary:
        temporary.write_text("half of the n")
        assert path.read_text() == "old"
        raise failure
    assert path.read_text() == "old"
    assert files_in(tmp_path) == ["a.txt"]


def test_table_that_fails_midway_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "split.parquet"
    write_table(path, split_table(), SPLIT, ABOUT)
    before = path.read_bytes()

    def torn() -> Iterator[pa.RecordBatch]:
        yield from split_table().to_batches()
        raise RuntimeError("torn")

    with pytest.raises(RuntimeError, match="torn"):
        tables.write_batches(path, torn(), SPLIT, ABOUT)
    assert path.read_bytes() == before
    assert files_in(tmp_path) == ["split.parquet"]


def test_write_makes_the_folder_and_obeys_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.json"
    before = os.umask(0o027)
    try:
        write_json(path, {})
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_write_replaces_in_one_step(tmp_path: Path) -> None:
    """The new content is a new file under the old name: a reader that holds the old one open is not disturbed."""
    path = tmp_path / "a.json"
    write_json(path, "old")
    with path.open() as reader:
        write_json(path, "new")
        assert (json.load(reader), json.loads(path.read_text())) == ("old", "new")


def test_same_data_in_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", split_table(), SPLIT, ABOUT)
    reordered = {key: ABOUT[key] for key in reversed(ABOUT)}
    write_table(tmp_path / "b.parquet", split_table(ROWS[::-1]), SPLIT, reordered)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    write_json(tmp_path / "a.json", {"x": 1, "y": [0.1, {"b": 1, "a": 2}]})
    write_json(tmp_path / "b.json", {"y": [0.1, {"a": 2, "b": 1}], "x": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_rows_are_sorted_by_material_model_and_seed(tmp_path: Path) -> None:
    keys = [("b", "shared", 1), ("a", "shared", 1), ("a", "gated", 2), ("a", "gated", 1)]
    rows = [
        {"material_id": name, "model": model, "seed": seed, "subset": "test", "target": 0.0, "prediction": 0.0}
        for name, model, seed in keys
    ]
    path = tmp_path / "a.parquet"
    write_table(path, pa.Table.from_pylist(rows, schema=tables.PREDICTIONS), tables.PREDICTIONS, {})
    read = read_table(path, tables.PREDICTIONS).to_pylist()
    assert [(row["material_id"], row["model"], row["seed"]) for row in read] == sorted(keys)


def test_metadata_say_what_the_data_are(tmp_path: Path) -> None:
    path = tmp_path / "structures.parquet"
    schema = structures_schema({"formation_energy_per_atom": "eV/atom", "is_metal": ""})
    write_table(path, schema.empty_table(), schema, ABOUT)
    facts = tables.metadata_of(pq.read_schema(path))
    assert facts == {
        "schema_version": tables.SCHEMA_VERSION,
        "units": {"lattice": "Å", "formation_energy_per_atom": "eV/atom"},
        **ABOUT,
    }
    assert pq.read_schema(path).field("formation_energy_per_atom").metadata == {b"unit": b"eV/atom"}
    assert tables.about_of(path) == ABOUT


def test_read_gives_what_was_written_and_keeps_further_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    wider = pa.schema([*SPLIT, pa.field("band_gap", pa.float64())])
    write_table(path, split_table().append_column("band_gap", pa.array([1.0, None, 3.0])), wider, ABOUT)
    assert read_table(path, SPLIT).to_pylist() == [
        {**ROWS[2], "band_gap": 3.0},
        {**ROWS[0], "band_gap": 1.0},
        {**ROWS[1], "band_gap": None},
    ]
    assert read_table(path, SPLIT, ["target"]).column_names == ["target"]


def test_null_where_none_may_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises((ValueError, pa.ArrowInvalid), match="material_id"):
        write_table(tmp_path / "a.parquet", split_table([{**ROWS[0], "material_id": None}]), SPLIT, ABOUT)
    assert files_in(tmp_path) == []


def refused(path: Path, schema: pa.Schema = SPLIT) -> str:
    with pytest.raises(InputError) as caught:
        read_table(path, schema)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_missing_file_is_told(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "gone.parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1 but no table PAR1", b"{}"])
def test_file_of_another_kind_is_told(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    assert "not a readable Parquet file" in refused(path)


def test_torn_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_table(path, split_table(), SPLIT, ABOUT)
    path.write_bytes(path.read_bytes()[:-20])
    assert "not a readable Parquet file" in refused(path)


def test_folder_is_told(tmp_path: Path) -> None:
    assert "not a readable Parquet file" in refused(tmp_path)


def test_other_schema_version_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    with monkeypatch.context() as patch:
        patch.setattr(tables, "SCHEMA_VERSION", 99)
        write_table(path, split_table(), SPLIT, ABOUT)
    assert f"schema version 99, this code reads {tables.SCHEMA_VERSION}" in refused(path)


def test_file_that_somebody_else_wrote_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame(ROWS).to_parquet(path)
    assert "schema version None" in refused(path)


def test_missing_column_and_wrong_type_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_table(path, split_table().drop_columns("subset"), SPLIT.remove(1), ABOUT)
    assert "column 'subset' of type string is missing" in refused(path)
    as_float32 = pa.schema([*list(SPLIT)[:2], pa.field("target", pa.float32(), nullable=False)])
    write_table(path, split_table(), as_float32, ABOUT)
    assert "column 'target' of type double is missing" in refused(path)


def test_json_refuses_nan_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"mae": 0.1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"mae": float("nan")})
    assert json.loads(path.read_text()) == {"mae": 0.1}
    assert files_in(tmp_path) == ["metrics.json"]


@st.composite
def crystal_graphs(draw: st.DrawFn, images: bool) -> CrystalGraphs:
    """Any number of crystals of any size, with isolated sites among them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_sites = np.array(draw(st.lists(st.integers(1, 6), min_size=1, max_size=5)), dtype=np.int64)
    degree = rng.integers(0, 4, n_sites.sum()).astype(np.uint16)
    multiplicity = rng.integers(1, 9, degree.sum()).astype(np.uint16)
    return CrystalGraphs(
        n_sites=n_sites,
        atomic_numbers=rng.integers(1, 101, n_sites.sum()).astype(np.uint8),
        degree=degree,
        neighbour=rng.integers(0, 6, degree.sum()).astype(np.uint16),
        distance=rng.uniform(1, 8, degree.sum()).astype(np.float32),
        multiplicity=multiplicity,
        image=rng.integers(-3, 4, (multiplicity.sum(), 3)).astype(np.int16) if images else None,
    )


def assert_equal_graphs(found: CrystalGraphs, expected: CrystalGraphs) -> None:
    for name, array in vars(expected).items():
        if array is None:
            assert getattr(found, name) is None
        else:
            np.testing.assert_array_equal(getattr(found, name), array, strict=True, err_msg=name)


@pytest.mark.parametrize("images", [False, True])
@given(data=st.data())
def test_graphs_of_all_shards_come_back_as_they_were(
    images: bool, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    parts = data.draw(st.lists(crystal_graphs(images), min_size=1, max_size=3))
    names = [[f"{shard}-{i}" for i in range(len(part))] for shard, part in enumerate(parts)]
    paths = [folder / f"{shard}.parquet" for shard in range(len(parts))]
    for path, ids, part in zip(paths, names, parts, strict=True):
        tables.write_batches(path, [tables.graphs_batch(pa.array(ids), part)], tables.GRAPHS, ABOUT)
    ids, graphs = read_graphs(paths)
    assert ids == list(chain.from_iterable(names))
    assert_equal_graphs(graphs, concatenate(parts))


@given(n_rows=st.integers(0, 40), n_shards=st.integers(1, 9))
def test_shards_part_the_structures_evenly(
    n_rows: int, n_shards: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("structures") / "a.parquet"
    rows = [
        {
            "material_id": f"{i:03d}",
            "formula": "Po",
            "family": None,
            "perovskite_kind": "none",
            "prototype": "A",
            "space_group": 221,
            "n_sites": i % 3 + 1,
            "lattice": list(range(9 * i, 9 * i + 9)),
            "atomic_numbers": [84] * (i % 3 + 1),
            "frac_coords": np.linspace(0, 1, 3 * (i % 3 + 1)).tolist(),
        }
        for i in range(n_rows)
    ]
    write_table(path, pa.Table.from_pylist(rows, schema=tables.STRUCTURES), tables.STRUCTURES, ABOUT)
    found = []
    for shard in range(n_shards):
        n_chunks, chunks = tables.read_shard(path, shard, n_shards)
        read = list(chunks)
        assert len(read) == n_chunks
        pairs = (zip(part["material_id"].to_pylist(), tables.crystals_in(part), strict=True) for part in read)
        found.append(list(chain.from_iterable(pairs)))
    assert max(map(len, found)) - min(map(len, found)) <= 1
    every = list(chain.from_iterable(found))
    assert [name for name, _ in every] == [row["material_id"] for row in rows]
    for (_, crystal), row in zip(every, rows, strict=True):
        assert crystal.lattice.ravel().tolist() == row["lattice"]
        assert crystal.atomic_numbers.tolist() == row["atomic_numbers"]
        assert crystal.frac_coords.shape == (row["n_sites"], 3)
        assert crystal.frac_coords.ravel().tolist() == row["frac_coords"]


def test_a_shard_reads_its_own_row_groups_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of other shards are wiped out, and nobody notices."""
    monkeypatch.setattr(tables, "CHUNK", 4)
    row = {"formula": "Po", "perovskite_kind": "none", "prototype": "A", "space_group": 221, "n_sites": 1}
    row |= {"lattice": [3.0, 0, 0, 0, 3.0, 0, 0, 0, 3.0], "atomic_numbers": [84], "frac_coords": [0.0] * 3}
    rows = [row | {"material_id": f"{k:02d}", "family": None} for k in range(16)]
    path = tmp_path / "a.parquet"
    write_table(path, pa.Table.from_pylist(rows, schema=tables.STRUCTURES), tables.STRUCTURES, ABOUT)
    last = pq.read_metadata(path).row_group(3).column(0)
    content = path.read_bytes()
    path.write_bytes(b"PAR1" + bytes(last.dictionary_page_offset - 4) + content[last.dictionary_page_offset :])
    _, chunks = tables.read_shard(path, 3, 4)
    assert [part["material_id"].to_pylist() for part in chunks] == [["12", "13", "14", "15"]]
    with pytest.raises(OSError):
        list(tables.read_shard(path, 2, 4)[1])


def large_structures(path: Path) -> int:
    """40 row groups of cells with eight sites in random places; its size in bytes."""
    rng, n = np.random.default_rng(0), tables.CHUNK
    lattice = pa.FixedSizeListArray.from_arrays(pa.array(np.tile(4 * np.eye(3).ravel(), n)), 9)

    def batch(number: int) -> pa.RecordBatch:
        columns = {name: pa.array([""] * n) for name in ("formula", "family", "perovskite_kind", "prototype")}
        columns |= {
            "material_id": pa.array([f"{number * n + k:06d}" for k in range(n)]),
            "space_group": pa.array(np.ones(n, dtype=np.int16)),
            "n_sites": pa.array(np.full(n, 8, dtype=np.int32)),
            "lattice": lattice,
            "atomic_numbers": tables.lists(8 * np.arange(n + 1), np.full(8 * n, 84, dtype=np.uint8)),
            "frac_coords": tables.lists(24 * np.arange(n + 1), rng.random(24 * n)),
        }
        return pa.RecordBatch.from_arrays([columns[name] for name in tables.STRUCTURES.names], tables.STRUCTURES.names)

    tables.write_batches(path, (batch(number) for number in range(40)), tables.STRUCTURES, ABOUT)
    return path.stat().st_size


@pytest.mark.parametrize("reader", ["shard", "rows"])
def test_a_large_table_is_never_in_memory_as_a_whole(reader: str, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    whole = large_structures(path)
    before = pa.total_allocated_bytes()
    parts = tables.read_shard(path, 0, 1)[1] if reader == "shard" else rows_of(path)
    for number, _ in enumerate(parts):
        if reader == "shard" or number % 1000 == 999:
            assert pa.total_allocated_bytes() - before < whole / 4
    assert number + 1 == (40 if reader == "shard" else 40 * tables.CHUNK)


def test_graphs_are_decoded_part_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside what has been read there is one part of the file, and not the whole of it."""
    n = tables.CHUNK
    graphs = CrystalGraphs(
        n_sites=np.full(n, 8),
        atomic_numbers=np.full(8 * n, 84, dtype=np.uint8),
        degree=np.full(8 * n, 4, dtype=np.uint16),
        neighbour=np.zeros(32 * n, dtype=np.uint16),
        distance=np.random.default_rng(0).random(32 * n).astype(np.float32),
        multiplicity=np.ones(32 * n, dtype=np.uint16),
    )
    parts = (tables.graphs_batch(pa.array([f"{k:02d}-{row}" for row in range(n)]), graphs) for k in range(30))
    tables.write_batches(tmp_path / "a.parquet", parts, tables.GRAPHS, ABOUT)
    whole, before, more = (tmp_path / "a.parquet").stat().st_size, pa.total_allocated_bytes(), []
    usual = tables._graphs_of

    def watched(rows: pa.RecordBatch) -> CrystalGraphs:
        more.append(pa.total_allocated_bytes() - before - len(more) * rows.nbytes)
        return usual(rows)

    monkeypatch.setattr(tables, "_graphs_of", watched)
    ids, _ = tables.read_graphs([tmp_path / "a.parquet"])
    assert len(ids) == 30 * n and max(more) < whole / 2


def test_foreign_metadata_are_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "foreign.parquet"
    table = pa.table({"material_id": ["a"]}).replace_schema_metadata({"made by": "somebody"})
    pq.write_table(table, path)
    with pytest.raises(InputError, match=r"foreign.parquet: a Parquet file, but not one of this pipeline"):
        read_table(path, REJECTS)
