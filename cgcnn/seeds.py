"""All seeds of one network, side by side on cores or together on a GPU, each kept in a checkpoint of its own."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from joblib import Parallel, delayed
from tqdm import tqdm

from cgcnn import stage
from cgcnn.checkpoint import Checkpoint
from cgcnn.element_numbers import atom_features
from cgcnn.interruption import children_stop_first, saving_on_signals
from cgcnn.memory import keep_freed_memory
from cgcnn.model import CGCNN, ModelSettings
from cgcnn.replay import CudaGraphs
from cgcnn.tensors import PackedGraphs
from cgcnn.together import can_be_stacked, train_together
from cgcnn.training import Example, TrainSettings, TrainState, new_model, train

FEW_STEPS = 3  # an epoch

Trained = tuple[int, CGCNN, TrainState]  # seed, network, final state


@dataclass(frozen=True, kw_only=True)
class OnGpu:
    """How a GPU trains: execution.*_on_gpu of config.yaml, which says what each means. A CPU does not ask."""

    seeds: Literal["together", "apart"]
    precision: Literal["float32", "tf32"]
    steps: Literal["launched", "replayed"]


@dataclass(frozen=True)
class Training:
    """What is trained on what, whatever the seed. What lies in a seed's checkpoint is taken up.

    SIGTERM and SIGUSR1 write the last whole epoch of every seed at work.
    """

    shape: ModelSettings
    graphs: PackedGraphs
    data: Example
    settings: TrainSettings
    label: str  # of the progress bar
    gpu: OnGpu

    def trained(self, seeds: Sequence[int], kept: Sequence[Checkpoint], threads: int) -> Iterator[Trained]:
        """All seeds, on cores as many at once as there are threads, on a GPU together, if asked for and possible.

        Sets for the whole process whether torch multiplies in TF32.
        """
        torch.backends.cuda.matmul.allow_tf32 = self._in_tf32
        stack = self._on_gpu and self.gpu.seeds == "together" and can_be_stacked(self.shape)
        processes = 1 if self._on_gpu else min(threads, len(seeds))
        stage.log.info("on %s, %d seeds at a time", self.graphs.device, len(seeds) if stack else processes)
        return self.together(seeds, kept) if stack else self.side_by_side(seeds, kept, processes)

    def side_by_side(self, seeds: Sequence[int], kept: Sequence[Checkpoint], processes: int) -> Iterator[Trained]:
        """Train each seed for itself, so many at once; in the order of `seeds`."""
        self._warn_of_few_steps()
        tasks = (
            delayed(self._train_one)(seed, checkpoint, row % processes)
            for row, (seed, checkpoint) in enumerate(zip(seeds, kept, strict=True))
        )
        with children_stop_first():
            for seed, (net, state) in zip(seeds, Parallel(processes, return_as="generator")(tasks), strict=True):
                yield seed, net, state

    def together(self, seeds: Sequence[int], kept: Sequence[Checkpoint]) -> Iterator[Trained]:
        """Train the seeds as one network (together.py), but for those whose checkpoints are of other epochs."""
        self._warn_of_few_steps()
        nets, states = [self._new(seed) for seed in seeds], [each.load() or TrainState() for each in kept]
        at_epoch = defaultdict[int, list[int]](list)
        for k, state in enumerate(states):
            at_epoch[state.epoch].append(k)
        for group in at_epoch.values():
            some = [nets[k] for k in group], [seeds[k] for k in group], [states[k] for k in group]
            self._train_stack(*some, [kept[k] for k in group])
        yield from zip(seeds, nets, states, strict=True)

    @property
    def trained_with(self) -> dict[str, str | bool]:
        """For the model card."""
        told: dict[str, str | bool] = {"device": self.graphs.device.type, "torch": torch.__version__}
        return {**told, "tf32": self._in_tf32, **(asdict(self.gpu) if self._on_gpu else {})}

    @property
    def _on_gpu(self) -> bool:
        return self.graphs.device.type == "cuda"

    @property
    def _in_tf32(self) -> bool:
        return self._on_gpu and self.gpu.precision == "tf32"

    @property
    def _recorder(self) -> CudaGraphs | None:
        return CudaGraphs() if self._on_gpu and self.gpu.steps == "replayed" else None

    def _new(self, seed: int) -> CGCNN:
        features = torch.tensor(atom_features(self.shape.element_numbers))
        return new_model(self.shape, features, self.data, seed, self.graphs)

    def _train_one(self, seed: int, checkpoint: Checkpoint, row: int = 0) -> tuple[CGCNN, TrainState]:
        keep_freed_memory()
        torch.set_num_threads(1)  # the arrays are small: a second thread mostly waits, and moves the last bits
        net, found = self._new(seed), checkpoint.load()
        with saving_on_signals(checkpoint.write), self._progress(f"seed {seed}", row) as bar:
            calls = [checkpoint.after_epoch, stage.shown_on(bar)]
            return net, train(net, self.graphs, self.data, self.settings, seed, found, calls, self._recorder)

    def _train_stack(
        self, nets: list[CGCNN], seeds: list[int], states: list[TrainState], kept: list[Checkpoint]
    ) -> None:
        def write() -> None:
            for checkpoint in kept:
                checkpoint.write()

        with saving_on_signals(write), self._progress(f"seeds {', '.join(map(str, seeds))}", n_seeds=len(seeds)) as bar:
            calls = [[checkpoint.after_epoch, stage.shown_on(bar)] for checkpoint in kept]
            train_together(nets, self.graphs, self.data, self.settings, seeds, states, calls, self._recorder)

    def _progress(self, what: str, row: int = 0, n_seeds: int = 1) -> "tqdm[Any]":
        return stage.progress(None, f"{self.label}, {what}", self.settings.epochs * n_seeds, row)

    def _warn_of_few_steps(self) -> None:
        if len(self.data.train) < FEW_STEPS * self.settings.batch_size:
            stage.log.warning("%d materials to learn from: lower train.batch_size for more steps", len(self.data.train))
