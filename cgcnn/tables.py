"""Every table of the pipeline: its Arrow schema, and how it is read and written.

A file is written beside its final name, flushed to disk, and renamed, so that a reader sees all of it or none.
The schema's metadata say what the data are (schema version, units, source, licence), never which code made them.
"""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from cgcnn.angles import N_MOMENTS
from cgcnn.arrays import Crystal, CrystalGraphs, concatenate, offsets
from cgcnn.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1
_COMPRESSION = {"compression": "zstd", "compression_level": 9}
_LISTS = (pa.ListType, pa.FixedSizeListType)
CHUNK = 1024  # rows in a row group, and crystals at once in memory of a process that builds graphs


def _field(name: str, kind: pa.DataType, unit: str = "", nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"unit": unit} if unit else None)


#: One crystal structure a row; target columns (float64, with their unit) follow these.
STRUCTURES = pa.schema(
    [
        _field("material_id", pa.string()),
        _field("formula", pa.string()),  # reduced
        _field("family", pa.string(), nullable=True),  # perovskite, oxide, or whatever the user calls them
        _field("perovskite_kind", pa.string()),  # verdict of perovskites.py
        _field("prototype", pa.string()),  # anonymous formula, space group, site symmetries
        _field("space_group", pa.int16()),  # 1 to 230; 0 where it could not be told
        _field("n_sites", pa.int32()),
        _field("lattice", pa.list_(pa.float64(), 9), "Å"),  # rows are the lattice vectors
        _field("atomic_numbers", pa.list_(pa.uint8())),
        _field("frac_coords", pa.list_(pa.float64())),  # x1, y1, z1, x2, ...
    ]
)

#: Materials that could not be used, and why.
REJECTS = pa.schema(
    [
        _field("material_id", pa.string()),
        _field("origin", pa.string()),  # file and row that it came from
        _field("reason", pa.string()),
    ]
)

#: One crystal graph a row, in compressed sparse rows: site i owns the next degree[i] entries of the edge columns.
GRAPHS = pa.schema(
    [
        _field("material_id", pa.string()),
        _field("atomic_numbers", pa.list_(pa.uint8())),
        _field("degree", pa.list_(pa.uint16())),  # distinct edges of each site
        _field("neighbour", pa.list_(pa.uint16())),  # site index at the other end
        _field("distance", pa.list_(pa.float32()), "Å"),
        _field("multiplicity", pa.list_(pa.uint16())),  # equal edges: same pair, same distance
        _field("image", pa.list_(pa.int16()), "lattice vectors", nullable=True),  # 3 a neighbour, equal edges in turn
        _field("angles", pa.list_(pa.int16()), "1/16384", nullable=True),  # 4 an edge, see angles.py
    ]
)

#: Which part of the data each material of a task belongs to.
SPLIT = pa.schema(
    [
        _field("material_id", pa.string()),
        _field("subset", pa.string()),  # train, validation, test
        _field("target", pa.float64()),  # in the task's unit; 1 or 0 for a class
    ]
)

#: What each model said of each material.
PREDICTIONS = pa.schema(
    [
        _field("material_id", pa.string()),
        _field("model", pa.string()),  # a variant or a baseline
        _field("seed", pa.int32()),
        _field("subset", pa.string()),
        _field("target", pa.float64()),
        _field("prediction", pa.float64()),  # in the task's unit; the probability of class 1 for a class
    ]
)

#: Where the best variant of a task and split puts each of its materials, and what their sites add to the prediction.
EXAMINATION = pa.schema(
    [
        _field("material_id", pa.string()),
        _field("pca_x", pa.float64()),
        _field("pca_y", pa.float64()),
        _field("umap_x", pa.float64()),  # NaN where it was not wanted
        _field("umap_y", pa.float64()),
        _field("distance", pa.float64()),  # to `nearest`; 1 is the median of that among training materials
        _field("nearest", pa.string()),  # the nearest training material
        _field("contributions", pa.list_(pa.float64())),  # of each site, in the task's unit or in log odds
    ]
)


def predictions_of(split: pa.Table, model: str, seed: int, prediction: np.ndarray) -> pa.Table:
    """Rows of PREDICTIONS: what one seed of a model says (n,) of the n materials of a split."""
    columns = {
        **{name: split[name] for name in SPLIT.names},
        "model": pa.repeat(model, len(split)),
        "seed": pa.repeat(pa.scalar(seed, pa.int32()), len(split)),
        "prediction": pa.array(prediction),
    }
    return pa.table(columns).select(PREDICTIONS.names)


def structures_schema(units: Mapping[str, str]) -> pa.Schema:
    """The structures table with a column for each target property, in its unit, missing values allowed."""
    return pa.schema([*STRUCTURES, *(_field(name, pa.float64(), unit, nullable=True) for name, unit in units.items())])


def with_metadata(schema: pa.Schema, about: Mapping[str, object]) -> pa.Schema:
    """The schema with its version, the units of its columns and `about`, as every Parquet file has them."""
    units = {field.name: field.metadata[b"unit"].decode() for field in schema if field.metadata}
    facts = {"schema_version": SCHEMA_VERSION, "units": units, **about}
    return schema.with_metadata({key: json.dumps(facts[key], sort_keys=True) for key in sorted(facts)})


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; on success flush it to disk and rename it to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_table(path: Path, table: pa.Table, schema: pa.Schema, about: Mapping[str, object]) -> None:
    """Write `table` under `schema`, sorted by material_id, with the facts of `about` in its metadata."""
    keys = [(name, "ascending") for name in ("material_id", "model", "seed") if name in schema.names]
    write_batches(path, table.cast(schema).sort_by(keys).combine_chunks().to_batches(CHUNK), schema, about)


def write_batches(
    path: Path, batches: Iterable[pa.RecordBatch], schema: pa.Schema, about: Mapping[str, object]
) -> None:
    """Stream record batches, already in order, into one file: a row group a batch, bounded memory."""
    schema = with_metadata(schema, about)
    # Distances hardly repeat: without a dictionary they take two thirds of the bytes.
    paths = [
        f"{field.name}.list.element" if isinstance(field.type, _LISTS) else field.name
        for field in schema
        if field.name != "distance"
    ]
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(temporary, schema, use_dictionary=paths, **_COMPRESSION) as writer,
    ):
        for batch in batches:
            writer.write_table(pa.Table.from_batches([batch.cast(schema)], schema))


def read_table(path: Path, schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
    """Read a table and check that it holds the columns of `schema`; further ones (targets) are kept.

    Raises:
        InputError: not there, not Parquet, another schema version, or columns missing; the message names the file.
    """
    _check(path, schema)
    return pq.read_table(path, columns=columns)


def _check(path: Path, schema: pa.Schema) -> None:
    try:
        found = pq.read_schema(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Run the stage that makes it, or correct the path.") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not a readable Parquet file ({error}). Delete it and make it again.") from None
    try:
        version = metadata_of(found).get("schema_version")
    except json.JSONDecodeError:
        raise InputError(f"{path}: a Parquet file, but not one of this pipeline. Correct the path.") from None
    if version != SCHEMA_VERSION:
        raise InputError(f"{path}: schema version {version}, this code reads {SCHEMA_VERSION}. Make the file again.")
    for field in schema:
        if field.name not in found.names or found.field(field.name).type != field.type:
            raise InputError(f"{path}: column '{field.name}' of type {field.type} is missing. Make the file again.")


def metadata_of(schema: pa.Schema) -> dict[str, object]:
    """The facts that `write_table` put into a file: schema version, units, source, licence."""
    return {key.decode(): json.loads(value) for key, value in (schema.metadata or {}).items() if key != b"pandas"}


def write_json(path: Path, content: object) -> None:
    """Write JSON atomically, keys sorted, so that equal content gives equal bytes."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """What `write_json` wrote.

    Raises:
        InputError: not there, or not JSON; the message names the file.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Run the stage that makes it.") from None
    except ValueError as error:
        raise InputError(f"{path}: not readable JSON ({error}). Delete it and make it again.") from None


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Write a small table for programs that read no Parquet, atomically."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False)


def about_of(path: Path) -> dict[str, object]:
    """What a file says of its data, to be handed on: source and its version, licence."""
    facts = metadata_of(pq.read_schema(path))
    return {key: value for key, value in facts.items() if key not in ("schema_version", "units")}


def read_shard(path: Path, shard: int, n_shards: int) -> tuple[int, Iterator[pa.RecordBatch]]:
    """One of `n_shards` nearly equal runs of the structures table: how many chunks, and their rows, for `crystals_in`.

    The table is read as the chunks are asked for, so that memory does not grow with it.
    """
    _check(path, STRUCTURES)
    n_rows = pq.read_metadata(path).num_rows
    first, last = n_rows * shard // n_shards, n_rows * (shard + 1) // n_shards
    n_chunks = -(-last // CHUNK) - first // CHUNK if last > first else 0
    return n_chunks, _rows(path, first, last)


def _rows(path: Path, first: int, last: int) -> Iterator[pa.RecordBatch]:
    """Rows `first` to `last` of a structures table, at most CHUNK at once. Row groups without any are not read."""
    with opened(path) as file:
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        starts = offsets(np.array(sizes, dtype=np.int64))
        touched = [group for group in range(len(sizes)) if starts[group] < last and starts[group + 1] > first]
        start = int(starts[touched[0]]) if touched else 0
        columns = ["material_id", "lattice", "atomic_numbers", "frac_coords"]
        for rows in file.iter_batches(CHUNK, row_groups=touched, columns=columns):
            skipped, wanted = max(first - start, 0), min(last - start, len(rows))
            if skipped < wanted:
                yield rows.slice(skipped, wanted - skipped)
            start += len(rows)


def opened(path: Path) -> pq.ParquetFile:
    """To be read in batches, of which one at a time is in memory: Arrow would read the whole file ahead."""
    return pq.ParquetFile(path, pre_buffer=False)


def crystals_in(rows: pa.RecordBatch) -> list[Crystal]:
    """The crystals of rows of the structures table."""
    lattices = rows["lattice"].flatten().to_numpy().reshape(-1, 3, 3)
    numbers, coords = (rows[name].flatten().to_numpy() for name in ("atomic_numbers", "frac_coords"))
    starts = offsets(pa.compute.list_value_length(rows["atomic_numbers"]).to_numpy())
    return [
        Crystal(lattice, coords[3 * start : 3 * end].reshape(-1, 3), numbers[start:end])
        for lattice, start, end in zip(lattices, starts[:-1], starts[1:], strict=True)
    ]


def crystals_of(structures: pa.Table, material_ids: Iterable[str]) -> list[Crystal]:
    """These materials of a structures table, in this order."""
    place = {material_id: row for row, material_id in enumerate(structures["material_id"].to_pylist())}
    chosen = structures.take(pa.array([place[material_id] for material_id in material_ids], pa.int64()))
    return crystals_in(chosen.combine_chunks().to_batches()[0]) if len(chosen) else []


def graphs_batch(material_ids: pa.Array, graphs: CrystalGraphs) -> pa.RecordBatch:
    """Rows of the graphs table for as many crystals."""
    sites, edges = graphs.site_offsets, graphs.edge_offsets
    columns = [
        material_ids,
        lists(sites, graphs.atomic_numbers),
        lists(sites, graphs.degree),
        lists(edges, graphs.neighbour),
        lists(edges, graphs.distance),
        lists(edges, graphs.multiplicity),
    ]
    if graphs.image is None:
        columns.append(pa.nulls(len(graphs), GRAPHS.field("image").type))
    else:
        shares = offsets(graphs.multiplicity)[edges]  # (C + 1,) first image of each crystal
        columns.append(lists(3 * shares, graphs.image.ravel()))
    if graphs.angles is None:
        columns.append(pa.nulls(len(graphs), GRAPHS.field("angles").type))
    else:
        columns.append(lists(N_MOMENTS * edges, graphs.angles.ravel()))
    return pa.RecordBatch.from_arrays(columns, schema=GRAPHS)


def lists(starts: np.ndarray, values: np.ndarray) -> pa.Array:
    """A column of lists from their values one after the other, and where each list begins, (rows + 1,)."""
    return pa.ListArray.from_arrays(pa.array(starts, pa.int32()), pa.array(values))


def read_graphs(paths: Iterable[Path]) -> tuple[list[str], CrystalGraphs]:
    """Material ids and crystal graphs of all shards, in the order of the files."""
    ids: list[str] = []
    graphs = []
    for path in paths:
        _check(path, GRAPHS)
        # In batches and one thread: reading the whole table takes several times the memory of the graphs.
        with opened(path) as file:
            for rows in file.iter_batches(CHUNK, use_threads=False):
                ids += rows["material_id"].to_pylist()
                graphs.append(_graphs_of(rows))
    joined = concatenate(graphs or [_graphs_of(pa.RecordBatch.from_pylist([], schema=GRAPHS))])
    del graphs
    pa.default_memory_pool().release_unused()  # it keeps what the decoding took
    return ids, joined


def _graphs_of(rows: pa.RecordBatch) -> CrystalGraphs:
    """Views of what Arrow read, no copies; not by `to_numpy`, which imports pandas, as large as many graphs."""
    has_images, has_angles = (rows[name].null_count == 0 for name in ("image", "angles"))
    return CrystalGraphs(
        n_sites=np.from_dlpack(pa.compute.list_value_length(rows["atomic_numbers"])).astype(np.int64),
        atomic_numbers=np.from_dlpack(rows["atomic_numbers"].flatten()),
        degree=np.from_dlpack(rows["degree"].flatten()),
        neighbour=np.from_dlpack(rows["neighbour"].flatten()),
        distance=np.from_dlpack(rows["distance"].flatten()),
        multiplicity=np.from_dlpack(rows["multiplicity"].flatten()),
        image=np.from_dlpack(rows["image"].flatten()).reshape(-1, 3) if has_images else None,
        angles=np.from_dlpack(rows["angles"].flatten()).reshape(-1, N_MOMENTS) if has_angles else None,
    )
