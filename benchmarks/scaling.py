"""The graphs stage on 1,000 to 100,000 structures, in one process and in several: seconds and peak memory of the script
that the pipeline runs. The memory of several processes is the sum of their peaks."""

import json
import runpy
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa

from benchmarks.materials import all_cifs
from benchmarks.measure import Row, in_a_process
from benchmarks.memory import status
from cgcnn.cif import plain_crystals
from cgcnn.tables import CHUNK, STRUCTURES, write_batches

SIZES = (1_000, 10_000, 100_000)
WORKERS = (1, 2)


def rows() -> list[Row]:
    """One row a size and number of processes, no peer: the real structures again and again."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        for size in SIZES:
            path = Path(name) / f"{size}.parquet"
            _write_structures(path, size)
            for workers in WORKERS:
                told = in_a_process("benchmarks.scaling", str(path), f"{name}/graphs-{size}.parquet", str(workers))
                where = f"none, {size} structures, processes: {workers}"
                cost = 1000 * told["seconds"] / size
                found.append(Row("graphs_scaling", "s/1000", cost, None, where, None, threads=workers))
                found.append(Row("graphs_peak_memory", "MiB", told["peak"], None, where, None, threads=workers))
    return found


def _write_structures(path: Path, size: int) -> None:
    crystals = [crystal for crystal in plain_crystals(all_cifs()) if crystal is not None]
    order = np.random.default_rng(0).permutation(len(crystals))  # sizes of cells mixed alike in every table

    def batch(first: int) -> pa.RecordBatch:
        rows = [
            {
                "material_id": f"{k:06d}",
                "formula": "",
                "family": None,
                "perovskite_kind": "",
                "prototype": "",
                "space_group": 1,
                "n_sites": len(crystal.atomic_numbers),
                "lattice": crystal.lattice.ravel(),
                "atomic_numbers": crystal.atomic_numbers,
                "frac_coords": crystal.frac_coords.ravel(),
            }
            for k in range(first, min(first + CHUNK, size))
            for crystal in [crystals[order[k % len(crystals)]]]
        ]
        return pa.RecordBatch.from_pylist(rows, schema=STRUCTURES)

    write_batches(path, (batch(first) for first in range(0, size, CHUNK)), STRUCTURES, {"source": "benchmark"})


def _run(structures: str, graphs: str, workers: str) -> None:
    section = {"cutoff": 8.0, "max_neighbours": 12, "ties": "shells", "tie_tolerance": 0.1}
    section |= {"keep_images": False, "shards": 1}
    options = {"section": json.dumps(section), "shard": "0", "workers": workers}
    options |= {"structures": structures, "graphs": graphs}
    sys.argv = ["graphs.py", *(part for name, value in options.items() for part in (f"--{name}", value))]
    start = time.perf_counter()
    runpy.run_path("scripts/graphs.py", run_name="__main__")
    seconds = time.perf_counter() - start
    children = psutil.Process().children(recursive=True)  # they wait for more to do
    peak = status("VmHWM") + sum(status("VmHWM", child.pid) for child in children)
    print(json.dumps({"seconds": seconds, "peak": peak}))


if __name__ == "__main__":
    _run(*sys.argv[1:])
