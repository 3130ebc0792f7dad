"""What a CUDA graph does, on a CPU: operations are recorded with the memory that they use, and done again."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Tapes:
    """A recorder (cgcnn.replay)."""

    n_played = 0

    def warm_up(self, call: Callable[[], Tensor]) -> Tensor:
        return call()

    def record(self, call: Callable[[], Tensor]) -> Callable[[], Tensor]:
        with _Tape() as tape:
            result = call()
        tape.rewind()

        def play() -> Tensor:
            self.n_played += 1
            tape.play()
            return result

        return play


class _Tape(TorchDispatchMode):
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

    def play(self) -> None:
        with torch.no_grad():
            for operation, args, kwargs, result in self._operations:
                again = operation(*args, **kwargs)
                if not (operation._schema.is_mutable or operation.is_view):
                    for old, new in zip(_tensors(result), _tensors(again), strict=True):
                        old.copy_(new)


def _tensors(result: Any) -> list[Tensor]:
    return [each for each in tree_leaves(result) if isinstance(each, Tensor)]
