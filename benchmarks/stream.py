"""`cgcnn predict` on 10,000 structures and more: seconds and peak memory of the command itself.

    python -m benchmarks.stream 10000 100000 1000000 --suffixes parquet

The input is the embedded set again and again under new ids.
"""

import json
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ase import Atoms

from benchmarks.materials import EMBEDDED, embedded_cifs
from benchmarks.measure import in_a_process
from benchmarks.memory import status

COLUMNS = ["lattice", "atomic_numbers", "frac_coords"]
BATCH = 10_000  # structures written at once


def _rows(size: int) -> Iterator[dict[str, Any]]:
    every = pq.read_table(EMBEDDED, columns=COLUMNS).to_pylist()
    return ({"material_id": f"s-{k:07d}", **every[k % len(every)]} for k in range(size))


def write_input(path: Path, size: int) -> None:
    """`size` structures as Parquet, JSON Lines, extended XYZ, or a folder of CIFs, by suffix."""
    rows = _rows(size)
    if path.suffix == ".cif":
        path.mkdir()
        every = embedded_cifs()
        for k in range(size):
            (path / f"s-{k:07d}.cif").write_text(every[k % len(every)])
        return
    if path.suffix == ".parquet":
        schema = pa.schema([("material_id", pa.string()), *(pq.read_schema(EMBEDDED).field(name) for name in COLUMNS)])
        with pq.ParquetWriter(path, schema) as writer:
            while batch := list(islice(rows, BATCH)):
                writer.write_table(pa.Table.from_pylist(batch, schema))
    elif path.suffix == ".jsonl":
        with path.open("w") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    else:
        with path.open("w") as file:
            for row in rows:
                cell, coords = (np.reshape(row[name], (-1, 3)) for name in ("lattice", "frac_coords"))
                atoms = Atoms(row["atomic_numbers"], scaled_positions=coords, cell=cell, pbc=True)
                atoms.info["material_id"] = row["material_id"]
                ase.io.write(file, atoms, format="extxyz")


def _predict(source: str, model: str, output: str) -> None:
    """In a process of its own, for peak memory is a process's own."""
    from cgcnn.cli import app

    start = time.perf_counter()
    app(["predict", source, "--model", model, "-o", output], standalone_mode=False)
    print(json.dumps({"seconds": time.perf_counter() - start, "peak": status("VmHWM")}))


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=[10_000, 100_000])
    parser.add_argument("--suffixes", nargs="+", default=["parquet"], help="of parquet, jsonl, extxyz, cif")
    parser.add_argument("--output", default="csv", help="csv, json, jsonl or parquet")
    parser.add_argument("--model", default="embedded/energy/gated")
    arguments = parser.parse_args()
    print(f"{'structures':>10}  {'from':8} {'to':8} {'s':>8} {'s per 1,000':>12} {'peak MiB':>9}", flush=True)
    for suffix in arguments.suffixes:
        for size in arguments.sizes:
            with tempfile.TemporaryDirectory() as folder:
                source, output = Path(folder, f"in.{suffix}"), Path(folder, f"out.{arguments.output}")
                write_input(source, size)
                told = in_a_process("benchmarks.stream", "--predict", str(source), arguments.model, str(output))
            cost = f"{told['seconds']:8.1f} {1000 * told['seconds'] / size:12.2f} {told['peak']:9.0f}"
            print(f"{size:10}  {suffix:8} {arguments.output:8} {cost}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--predict"]:
        _predict(*sys.argv[2:])
    else:
        main()
