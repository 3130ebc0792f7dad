"""torch.cuda's graphs on a CPU: operations are recorded with the memory that they use, and done again."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Tape(TorchDispatchMode):
    """In place of `torch.cuda.CUDAGraph`. A `with` block records."""

    n_played = 0

    def __init__(self) -> None:
        super().__init__()
        self._operations: list[tuple[Any, Any, Any, Any]] = []
        self._made = set[int]()  # storages of the recording itself
        self._before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}  # of others that it changes

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        changes = operation._schema.is_mutable
        for given in _tensors((args, kwargs)) if changes else ():
            storage = given.untyped_storage()
            if storage.data_ptr() not in self._made | self._before.keys():
                self._before[storage.data_ptr()] = storage, storage.clone()
        result = operation(*args, **kwargs)
        if not (changes or operation.is_view):
            self._made |= {made.untyped_storage().data_ptr() for made in _tensors(result)}
        self._operations.append((operation, args, kwargs, result))
        return result

    def rewind(self) -> None:
        """Recording did what it recorded, which a GPU's does not: put back what it changed."""
        for storage, value in self._before.values():
            storage.copy_(value)

    def replay(self) -> None:
        self.n_played += 1
        with torch.no_grad():
            for operation, args, kwargs, result in self._operations:
                again = operation(*args, **kwargs)
                if not (operation._schema.is_mutable or operation.is_view):
                    for old, new in zip(_tensors(result), _tensors(again), strict=True):
                        old.copy_(new)


class _Stream:
    def wait_stream(self, other: "_Stream") -> None:
        assert isinstance(other, _Stream) and other is not self


@pytest.fixture
def tapes(monkeypatch: pytest.MonkeyPatch) -> list[Tape]:
    """Every recording that `cgcnn.replay.CudaGraphs` makes while torch.cuda is what stands here."""
    made: list[Tape] = []
    here = _Stream()

    @contextmanager
    def recording(tape: Tape, stream: _Stream) -> Iterator[None]:
        assert stream is not here
        with tape:
            yield
        tape.rewind()

    def graph() -> Tape:
        made.append(Tape())
        return made[-1]

    monkeypatch.setattr(torch.cuda, "Stream", _Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: here)
    monkeypatch.setattr(torch.cuda, "stream", nullcontext)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", graph)
    monkeypatch.setattr(torch.cuda, "graph", recording)
    return made


def _tensors(result: Any) -> list[Tensor]:
    return [each for each in tree_leaves(result) if isinstance(each, Tensor)]
