"""Which materials a task speaks of, and what is to be predicted of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cgcnn.errors import InputError


def what_is_predicted(task: Mapping[str, Any]) -> str:
    """Such as band gap, or the probability of perovskite."""
    if task["kind"] == "regression":
        return str(task["target"]).replace("_", " ")
    return f"the probability of {task['positive'] or task['target'] + ' = 1'}"


def materials_of(structures: pa.Table, task: Mapping[str, Any]) -> tuple[pa.Table, np.ndarray]:
    """Rows of the structures table that a task uses, and their targets (n,) in its unit, or 1.0 and 0.0 for classes.

    Materials of other families are left out, and so are those without a target.

    Raises:
        InputError: no material has a target, or a class is neither 0 nor 1.
    """
    if task["families"]:
        structures = structures.filter(pc.is_in(structures["family"], pa.array(task["families"])))
    if task["target"] == "family":
        return structures, pc.equal(structures["family"], task["positive"]).to_numpy().astype(float)
    structures = structures.filter(pc.is_valid(structures[task["target"]]))
    target = structures[task["target"]].to_numpy()
    if len(target) == 0:
        raise InputError(f"No material of {', '.join(task['families']) or 'the source'} has a {task['target']}.")
    if task["kind"] == "classification":
        for row in np.flatnonzero(~np.isin(target, (0, 1))):
            name = structures["material_id"][int(row)]
            raise InputError(f"{name}: {task['target']} is {target[row]:g}; a class is 0 or 1.")
    return structures, target
