"""How a check speaks: what is right is said in one line, what is wrong by the mistake that it looks like."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import numpy as np
import torch


class Wrong(AssertionError):
    """An answer that is not right. Notebooks show its message alone, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"Not yet. {self}"]


def check(function: Callable[..., None]) -> Callable[..., None]:
    """Make a check: it says when an answer passes, and that nothing is there yet while nothing is."""

    @wraps(function)
    def checked(*answer: Any, **case: Any) -> None:
        try:
            function(*answer, **case)
        except NotImplementedError:
            raise Wrong(f"{function.__name__}: there is nothing here yet.") from None
        print(f"Passed: {function.__name__}")

    return checked


def must(condition: object, message: str) -> None:
    """Wrong(message) unless the condition holds."""
    if not condition:
        raise Wrong(message)


def has_shape(found: Any, shape: tuple[int, ...], meaning: str) -> None:
    """Wrong unless `found` is an array or tensor of this shape; `meaning` names its axes."""
    must(isinstance(found, np.ndarray | torch.Tensor), f"The answer is a {type(found).__name__}, not an array.")
    if tuple(found.shape) != shape:
        raise Wrong(f"The answer has shape {tuple(found.shape)}, it should be {shape}: {meaning}.")


def same(found: Any, expected: Any, mistakes: Mapping[str, Any], otherwise: str, tolerance: float = 1e-6) -> None:
    """Wrong unless `found` is close to `expected`; the message is that of the mistake which gives `found`."""
    if close(found, expected, tolerance):
        return
    for message, result in mistakes.items():
        if close(found, result, tolerance) and not close(result, expected, tolerance):
            raise Wrong(message)
    raise Wrong(otherwise)


def close(found: Any, expected: Any, tolerance: float = 1e-6) -> bool:
    """Whether two arrays or tensors have equal shapes and nearly equal values, NaN nowhere."""
    a, b = (np.asarray(x.detach() if isinstance(x, torch.Tensor) else x, dtype=float) for x in (found, expected))
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=tolerance, atol=tolerance))
