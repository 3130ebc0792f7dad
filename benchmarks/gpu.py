"""Rows for a CUDA machine: from graphs in Parquet, with torch, pyarrow, numpy and safetensors and nothing else.

    python -m benchmarks.gpu data/graphs/*.parquet

Before anything is measured, the device is checked: against a CPU, and each way to train against the others.
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
from cgcnn.replay import CudaGraphs
from cgcnn.tables import read_graphs
from cgcnn.tensors import PackedGraphs
from cgcnn.together import train_together
from cgcnn.training import Example, TrainSettings, TrainState, new_model, train

_BATCH, _EPOCHS = 256, 10


class Job:
    """Crystal graphs on the device, split 60/20/20, and networks for them."""

    def __init__(self, paths: Sequence[Path], device: torch.device) -> None:
        _, graphs = read_graphs(paths)
        self.device, self.crystals, self.graphs = device, graphs, PackedGraphs(graphs, device)
        self.ways = ("launched", "replayed") if device.type == "cuda" else ("launched",)  # how steps are taken
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

    def train(
        self, conv: str, kind: str, seeds: Sequence[int], epochs: int, way: str
    ) -> tuple[dict[int, CGCNN], list[float]]:
        """Networks of all seeds, trained together where they are several; and when each epoch of the first ended."""
        data, ends = self.data(kind), list[float]()
        settings = TrainSettings(epochs=epochs, batch_size=_BATCH, patience=epochs)
        recorder = CudaGraphs() if way == "replayed" else None

        def clock(state: TrainState, copy: object) -> None:
            ends.append(self.now())

        models = [new_model(ModelSettings(conv, kind, shared_shell=0.1), self._features, data, seed) for seed in seeds]
        if len(models) == 1:
            train(models[0], self.graphs, data, settings, seeds[0], None, [clock], recorder)
        else:
            states, calls = [TrainState() for _ in seeds], [[clock], *([] for _ in seeds[1:])]
            train_together(models, self.graphs, data, settings, seeds, states, calls, recorder)
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


def check(job: Job, way: str) -> None:
    """That the device computes what a CPU does, and that training there so, one seed and two, learns what it should.

    Raises:
        AssertionError: outputs differ by more than 1e-4 of the largest, or errors after three epochs by more than 2 %.
    """
    few = job.crystals.take(np.arange(min(256, len(job.crystals))))
    for conv in ("none", "shared", "gated"):
        models, _ = job.train(conv, "regression", [0], 1, way)
        here = predict(models, job.graphs)[0][: len(few)]
        there = predict({0: models[0].cpu()}, PackedGraphs(few))[0]
        difference = float(np.abs(there - here).max() / np.abs(there).max())
        print(f"outputs of {conv}, this device against a CPU: {difference:.1e} of the largest", flush=True)
        assert difference < 1e-4
    target = job.data("regression").target.cpu().numpy()
    errors = []
    for how, seeds in dict.fromkeys([("launched", 1), (way, 1), (way, 2)]):
        models, _ = job.train("gated", "regression", range(seeds), 3, how)
        errors.append(float(np.abs(predict({0: models[0]}, job.graphs)[0] - target).mean()))
        print(f"error of seed 0 after three epochs, {how}, {seeds} at once: {errors[-1]:.5f}", flush=True)
        assert abs(errors[-1] - errors[0]) <= 0.02 * errors[0]


def measure(job: Job, way: str, epochs: int) -> list[Row]:
    """Seconds of an epoch (in TF32, too), of prediction, of one seed and of five, of three variants for two tasks."""
    device = torch.cuda.get_device_name(job.device) if job.device.type == "cuda" else job.device.type

    def row(name: str, unit: str, ours: float, peer: float | None = None, peer_name: str = "none") -> Row:
        told = f"{peer_name}; steps {way}"
        return Row(name, unit, ours, peer, told, None if peer is None else peer / ours, device)

    def epoch_seconds() -> float:
        _, ends = job.train("gated", "regression", [0], _EPOCHS, way)
        return statistics.median(np.diff(ends).tolist())  # the first epoch warms up

    def everything() -> None:
        for kind in ("regression", "classification"):
            for conv in ("none", "shared", "gated"):
                predict(job.train(conv, kind, range(3), epochs, way)[0], job.graphs)

    epoch = epoch_seconds()
    torch.backends.cuda.matmul.allow_tf32 = True
    epoch_in_tf32 = epoch_seconds()
    torch.backends.cuda.matmul.allow_tf32 = False
    models, _ = job.train("gated", "regression", [0], 1, way)
    predict(models, job.graphs)
    prediction = statistics.median(job.seconds(lambda: predict(models, job.graphs)) for _ in range(5))
    one, five = (job.seconds(lambda n=n: job.train("gated", "regression", range(n), _EPOCHS, way)) for n in (1, 5))
    return [
        row("train_epoch", "s/epoch", epoch, epoch_in_tf32, "ours in tf32"),
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
    job = Job(arguments.graphs, torch.device(arguments.device))
    print(f"torch {torch.__version__}")
    for way in job.ways:
        check(job, way)
        found = measure(job, way, arguments.epochs)
        write(found, arguments.results)
        print(table(found), flush=True)
    print(f"kept in {arguments.results}")


if __name__ == "__main__":
    main()
