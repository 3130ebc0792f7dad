"""A training step that a GPU records once and plays again, as a CUDA graph.

A step is some hundreds of small operations, and a GPU waits for Python to name each; a recording is named once. It
reads and writes the same memory whenever it is played, so that a step finds its batch there, padded to one size
(padding.py), and weights and moments of the optimizer stay where they are.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Protocol

import torch
from torch import Tensor

from cgcnn.padding import Room, padded
from cgcnn.tensors import Batch

_WARM_UP = 3  # steps before a recording, in which libraries take what they need for themselves

#: (batch, targets (C,), learning rate) -> loss, () or (S,); weights and optimizer change in place.
Step = Callable[[Batch, Tensor, float | Tensor], Tensor]


class Recorder(Protocol):
    """How calls without arguments are recorded."""

    def warm_up(self, call: Callable[[], Tensor]) -> Tensor:
        """Call it as a recording will be made of it."""

    def record(self, call: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """What plays the call again, each time with the result in the same tensor. It is not played by recording."""


class CudaGraphs:
    """Recordings of a GPU (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs)."""

    def warm_up(self, call: Callable[[], Tensor]) -> Tensor:
        here, aside = torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            result = call()
        here.wait_stream(aside)
        return result

    def record(self, call: Callable[[], Tensor]) -> Callable[[], Tensor]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = call()

        def play() -> Tensor:
            graph.replay()
            return result

        return play


@dataclass
class _Recording:
    """Steps with one number of crystals, and the memory that they read."""

    batch: Batch
    target: Tensor
    lr: Tensor
    warm_ups: int = 0
    play: Callable[[], Tensor] | None = None


class Replayed:
    """A step whose recording is played. A batch that is too large for it takes the step itself.

    Args:
        step: computes nothing that hangs on numbers, but in tensors; the same ones whatever is in them.
        room: what batches are padded to.
        recorder: of the device that the step runs on.
    """

    def __init__(self, step: Step, room: Room, recorder: Recorder) -> None:
        self._step, self._room, self._recorder = step, room, recorder
        self._recordings = dict[int, _Recording]()  # by crystals of a batch: an epoch has two sizes at most

    def __call__(self, batch: Batch, target: Tensor, lr: float | Tensor) -> Tensor:
        if not self._room.holds(batch):
            return self._step(batch, target, lr)
        batch = padded(batch, self._room)
        known = self._recordings.get(len(target))
        if known is None:
            known = _Recording(batch, target.clone(), target.new_tensor(lr))
            self._recordings[len(target)] = known
        else:
            _overwrite(known.batch, batch)
            known.target.copy_(target)
        known.lr.fill_(lr)

        def call() -> Tensor:
            # A new object, so that what a batch keeps once computed is a part of the recording.
            return self._step(replace(known.batch), known.target, known.lr)

        if known.play is None and known.warm_ups < _WARM_UP:
            known.warm_ups += 1
            return self._recorder.warm_up(call)
        known.play = known.play or self._recorder.record(call)
        return known.play().clone()


def _overwrite(old: Batch, new: Batch) -> None:
    for field in fields(Batch):
        getattr(old, field.name).copy_(getattr(new, field.name))
