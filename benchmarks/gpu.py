"""Rows for a CUDA machine: from graphs in Parquet, with torch, pyarrow, numpy and safetensors and nothing else.

    python -m benchmarks.gpu data/graphs/*.parquet

Timing only: the targets are the mean atomic number, and whether it is above its median.
"""

import statistics
import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.measure import Row, table, write
from cgcnn.elements import feature_table
from cgcnn.model import CGCNN, ModelSettings
from cgcnn.predict import predict
from cgcnn.tables import read_graphs
from cgcnn.tensors import PackedGraphs
from cgcnn.together import train_together
from cgcnn.training import Example, TrainSettings, TrainState, new_model, train

_BATCH, _EPOCHS = 256, 10


class Job:
    """Crystal graphs on the device, split 60/20/20, and networks for them."""

    def __init__(self, paths: Sequence[Path], device: torch.device) -> None:
        _, graphs = read_graphs(paths)
        self.device, self.graphs = device, PackedGraphs(graphs, device)
        sums = np.add.reduceat(graphs.atomic_numbers.astype(np.float64), graphs.site_offsets[:-1])
        self._mean_number = sums / graphs.n_sites
        self._features = torch.tensor(feature_table())

    def data(self, kind: str) -> Example:
        value = self._mean_number
        target = value if kind == "regression" else value > np.median(value)
        order = torch.tensor(np.random.default_rng(0).permutation(len(value)), device=self.device)
        first, validation = round(0.6 * len(value)), round(0.8 * len(value))
        wanted = torch.tensor(target, dtype=torch.float32, device=self.device)
        ids = [str(k) for k in range(len(value))]
        return Example(wanted, order[:first], order[first:validation], ids)

    def train(self, conv: str, kind: str, seeds: Sequence[int], epochs: int) -> tuple[dict[int, CGCNN], list[float]]:
        """Networks of all seeds, trained together where they are several; and when each epoch of the first ended."""
        data, ends = self.data(kind), list[float]()
        settings = TrainSettings(epochs=epochs, batch_size=_BATCH, patience=epochs)

        def clock(state: TrainState, copy: object) -> None:
            ends.append(self.now())

        models = [new_model(ModelSettings(conv, kind, shared_shell=0.1), self._features, data, seed) for seed in seeds]
        if len(models) == 1:
            train(models[0], self.graphs, data, settings, seeds[0], after_epoch=[clock])
        else:
            states, calls = [TrainState() for _ in seeds], [[clock], *([] for _ in seeds[1:])]
            train_together(models, self.graphs, data, settings, seeds, states, calls)
        return dict(zip(seeds, models, strict=True)), ends

    def now(self) -> float:
        """Seconds, once the device has done all that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def seconds(self, call: Callable[[], object]) -> float:
        start = self.now()
        call()
        return self.now() - start


def measure(job: Job, epochs: int) -> list[Row]:
    """Seconds of an epoch (in TF32, too), of prediction, of one seed and of five, of three variants for two tasks."""
    device = torch.cuda.get_device_name(job.device) if job.device.type == "cuda" else job.device.type

    def row(name: str, unit: str, ours: float, peer: float | None = None, peer_name: str = "none") -> Row:
        return Row(name, unit, ours, peer, peer_name, None if peer is None else peer / ours, device)

    models, ends = job.train("gated", "regression", [0], _EPOCHS)
    epoch = statistics.median(np.diff(ends).tolist())  # the first epoch warms up
    torch.backends.cuda.matmul.allow_tf32 = True
    _, ends = job.train("gated", "regression", [0], _EPOCHS)
    torch.backends.cuda.matmul.allow_tf32 = False
    epoch_in_tf32 = statistics.median(np.diff(ends).tolist())
    predict(models, job.graphs)
    prediction = statistics.median(job.seconds(lambda: predict(models, job.graphs)) for _ in range(5))
    one = job.seconds(lambda: job.train("gated", "regression", [0], _EPOCHS))
    five = job.seconds(lambda: job.train("gated", "regression", range(5), _EPOCHS))

    def everything() -> None:
        for kind in ("regression", "classification"):
            for conv in ("none", "shared", "gated"):
                predict(job.train(conv, kind, range(3), epochs)[0], job.graphs)

    return [
        row("train_epoch", "s/epoch", epoch, epoch_in_tf32, "ours, tf32"),
        row("predict", "s", prediction),
        row("seeds_together", "s", five, one, "ours, 1 seed"),
        row("ten_thousand", "min", job.seconds(everything) / 60, peer_name=f"none, {len(job.graphs)} structures"),
    ]


def main() -> None:
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("graphs", type=Path, nargs="+", help="graphs in Parquet, from the graphs stage")
    parser.add_argument("--device", default="cuda", help="cpu only to try the script")
    parser.add_argument("--epochs", type=int, default=100, help="of ten_thousand")
    parser.add_argument("--results", type=Path, default=Path("results/benchmarks.json"))
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("no CUDA device here")
    found = measure(Job(arguments.graphs, torch.device(arguments.device)), arguments.epochs)
    write(found, arguments.results)
    print(f"torch {torch.__version__}\n{table(found)}\nkept in {arguments.results}")


if __name__ == "__main__":
    main()
