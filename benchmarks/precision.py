"""What it costs in accuracy if a GPU rounds what it multiplies: emulated, so that it needs none."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

_MANTISSA = 23  # bits of a float32
#: Bits that are left of each number in a product of matrices; sums keep all of float32.
TF32, BF16 = 10, 7


class RoundedProducts(TorchDispatchMode):
    """Within it, forward and backward, products of float32 matrices take their numbers rounded to so many bits."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self._bits = bits

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        first = {"aten.mm": 0, "aten.bmm": 0, "aten.addmm": 1, "aten.baddbmm": 1}.get(str(func.overloadpacket))
        if first is not None:
            factors = tree_map_only(Tensor, lambda factor: rounded(factor, self._bits), tuple(args[first:]))
            args = (*args[:first], *factors)
        return func(*args, **(kwargs or {}))


def rounded(values: Tensor, bits: int) -> Tensor:
    """Float32 to the nearest number of so many bits of mantissa, halves away from zero, as a GPU converts to TF32."""
    dropped = _MANTISSA - bits
    pattern = values.contiguous().view(torch.int32) + (1 << (dropped - 1))
    return ((pattern >> dropped) << dropped).view(torch.float32)
