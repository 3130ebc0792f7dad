"""From the graphs and the split on disk to what training and prediction take."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from cgcnn.arrays import CrystalGraphs
from cgcnn.errors import InputError
from cgcnn.tables import SPLIT, read_graphs, read_table
from cgcnn.tensors import PackedGraphs
from cgcnn.training import Example


def load_graphs(graphs: Sequence[Path], split: Path) -> tuple[CrystalGraphs, pa.Table]:
    """Crystal graphs of one task, and its split, in the same order.

    Raises:
        InputError: a material of the split has no graph.
    """
    table = read_table(split, SPLIT)
    return graphs_of(graphs, table["material_id"].to_pylist()), table


def graphs_of(graphs: Sequence[Path], material_ids: Sequence[str]) -> CrystalGraphs:
    """Crystal graphs of these materials, in their order.

    Raises:
        InputError: a material has no graph.
    """
    ids, everything = read_graphs(graphs)
    place = {material_id: row for row, material_id in enumerate(ids)}
    missing = [material_id for material_id in material_ids if material_id not in place]
    if missing:
        others = f" and {len(missing) - 1} others" if len(missing) > 1 else ""
        raise InputError(f"{graphs[0]}: no graph of {missing[0]}{others}. Build the graphs again.")
    return everything.take(np.array([place[material_id] for material_id in material_ids]))


def load_examples(graphs: Sequence[Path], split: Path, device: torch.device) -> tuple[PackedGraphs, Example]:
    """Crystal graphs of one task on `device`, and which of them to learn from."""
    everything, table = load_graphs(graphs, split)
    subset = table["subset"].to_numpy(zero_copy_only=False)

    def positions(name: str) -> torch.Tensor:
        return torch.from_numpy(np.flatnonzero(subset == name)).to(device)

    data = Example(
        target=torch.tensor(table["target"].to_numpy(), dtype=torch.float32, device=device),
        train=positions("train"),
        validation=positions("validation"),
        material_ids=table["material_id"].to_pylist(),
    )
    return PackedGraphs(everything, device), data
