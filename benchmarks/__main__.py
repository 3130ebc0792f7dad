"""Measure the rows named on the command line (all the short ones by default), print them, keep them as JSON."""

import os
import sys
from argparse import ArgumentParser
from pathlib import Path

from benchmarks.measure import ONE_THREAD, Row, machine, table, write

SHORT = (
    "cif_to_graphs",
    "neighbour_search",
    "train_epoch",
    "predict",
    "bytes_per_crystal",
    "peak_memory",
    "cif_to_model",
)
LONG = ("test_mae", "precision", "ten_thousand", "graphs_scaling")


def _measure(name: str) -> list[Row]:
    if name in LONG:
        from benchmarks import long

        return getattr(long, name)()
    if name in ("cif_to_graphs", "neighbour_search", "bytes_per_crystal"):
        from benchmarks import graphs

        return getattr(graphs, name)()
    from benchmarks import networks

    return getattr(networks, "prediction" if name == "predict" else name)()


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", default=SHORT, help=f"any of {', '.join(SHORT + LONG)}")
    parser.add_argument("--results", type=Path, default=Path("results/benchmarks.json"))
    arguments = parser.parse_args()
    for name in arguments.rows:
        if name not in SHORT + LONG:
            parser.error(f"no row '{name}': there are {', '.join(SHORT + LONG)}")

    import torch

    from benchmarks.materials import perovskites
    from cgcnn.memory import keep_freed_memory

    keep_freed_memory()  # as a training does; the peers are no slower for it
    torch.set_num_threads(1)
    materials = perovskites()
    data = f"{materials.name}, {len(materials.ids):,} crystals"
    print(f"{machine()}, torch {torch.__version__}; 1 thread; {data}", flush=True)
    found: list[Row] = []
    for name in arguments.rows:
        print(f"... {name}", file=sys.stderr, flush=True)
        measured = _measure(name)
        write(measured, arguments.results)
        found += measured
    print(table(found))
    print(f"kept in {arguments.results}")


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks", *sys.argv[1:]], os.environ | ONE_THREAD)
    main()
