"""Have the checks been replaced while a notebook ran? A grading notebook asks before each hidden test."""

import builtins
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np
import torch

from cgcnn import arrays, elements, graph, model
from homework import checks, hidden
from homework.checks import Wrong, convolutions, crystal_graphs, limits, materials, training, verdict

_MODULES = (checks, hidden, hidden.cases, verdict, crystal_graphs, convolutions, training, materials, limits)
_MODULES += (arrays, elements, graph, model)  # with which the checks make the right answers
_TOOLS = {
    np: ("allclose", "array_equal", "abs", "asarray", "sort", "stack", "round"),
    torch: ("allclose", "cat", "sigmoid"),
    builtins: ("all", "any", "print"),
}


def _seen() -> dict[tuple[str, str], Any]:
    """Every function that decides, with its code and what it closes over."""
    found: dict[tuple[str, str], Any] = {}
    for module in _MODULES:
        for name, value in vars(module).items():
            if isinstance(value, FunctionType):
                cells = [cell.cell_contents for cell in value.__closure__ or ()]
                found[module.__name__, name] = (value, value.__code__, value.__defaults__, [id(c) for c in cells])
            elif isinstance(value, type):
                found[module.__name__, name] = (value, {key: id(member) for key, member in vars(value).items()})
    for tool, names in _TOOLS.items():
        found |= {(tool.__name__, name): getattr(tool, name) for name in names}
    return found


def _sealed() -> Callable[[], None]:
    at_start = _seen()

    def unbroken() -> None:
        """Wrong if a check, or what checks rely on, is no longer what it was when the notebook began."""
        now = _seen()
        changed = [".".join(key) for key in at_start if now.get(key) != at_start[key]]
        if changed:
            raise Wrong(f"changed checks: {changed[0]} was replaced")

    return unbroken


unbroken = _sealed()
