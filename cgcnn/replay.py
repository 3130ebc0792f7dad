"""A training step that a GPU records once and plays again, as a CUDA graph.

A step is some hundreds of small operations, and a GPU waits for Python to name each; a recording is named once. It
reads and writes the same memory whenever it is played, so that a step finds its batch there, padded to one size
(padding.py), and weights and moments of the optimizer stay where they are.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from cgcnn.padding import Room, padded
from cgcnn.tensors import Batch

_WARM_UP = 3  # steps before a recording, in which libraries take what they need for themselves

#: (batch, targets (C,), learning rate) -> loss, () or (S,); weights and optimizer change in place.
Step = Callable[[Batch, Tensor, float | Tensor], Tensor]


class CudaGraphs:
    """How a GPU records (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs), aside of its usual work."""

    def __init__(self) -> None:
        self._aside = torch.cuda.Stream()

    def warm_up(self, call: Callable[[], Tensor]) -> Tensor:
        """Call it where it will be recorded."""
        here = torch.cuda.current_stream()
        self._aside.wait_stream(here)
        with torch.cuda.stream(self._aside):
            result = call()
        here.wait_stream(self._aside)
        return result

    def record(self, call: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """What plays the call again, its result always in the same tensor. Recording does not play it."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._aside):
            result = call()

        def play() -> Tensor:
            graph.replay()
            return result

        return play


@dataclass
class _Recording:
    """Of steps with one number of crystals: the memory that they read, and what plays them."""

    batch: Batch
    target: Tensor
    lr: Tensor
    warm_ups: int = 0
    play: Callable[[], Tensor] | None = None


class Replayed:
    """A step whose recording is played. A batch that `room` does not hold takes the step itself.

    Args:
        step: no shape and no Python value in it may depend on what is in a tensor.
        room: the sizes that batches are padded to.
        recorder: of the device that the step runs on.
    """

    def __init__(self, step: Step, room: Room, recorder: CudaGraphs) -> None:
        self._step, self._room, self._recorder = step, room, recorder
        self._recordings = dict[int, _Recording]()  # by crystals of a batch: an epoch has two sizes at most

    def __call__(self, batch: Batch, target: Tensor, lr: float | Tensor) -> Tensor:
        if not self._room.holds(batch):
            return self._step(batch, target, lr)
        known = self._with_content(padded(batch, self._room), target, lr)

        def call() -> Tensor:
            # A new object, so that what a batch keeps once computed is a part of the recording.
            return self._step(replace(known.batch), known.target, known.lr)

        if known.play is None and known.warm_ups < _WARM_UP:
            known.warm_ups += 1
            return self._recorder.warm_up(call)
        known.play = known.play or self._recorder.record(call)
        return known.play().clone()

    def _with_content(self, batch: Batch, target: Tensor, lr: float | Tensor) -> _Recording:
        """The recording for so many crystals, with these in its memory."""
        known = self._recordings.get(len(target))
        if known is None:
            # float32, as torch's fused AdamW reads it, whatever the targets are
            known = _Recording(batch, target.clone(), torch.zeros((), device=target.device))
            self._recordings[len(target)] = known
        for field in fields(Batch):
            getattr(known.batch, field.name).copy_(getattr(batch, field.name))
        known.target.copy_(target)
        known.lr.fill_(lr)
        return known
