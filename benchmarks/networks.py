"""Rows about networks: an epoch, prediction, peak memory, and all the way from CIFs to a model."""

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks import peers
from benchmarks.materials import Materials, everything, perovskites, split, write_cgcnn_folder, write_graphs
from benchmarks.measure import Row, in_a_process, in_turn, rows, seconds
from cgcnn.elements import feature_table
from cgcnn.model import CGCNN, ModelSettings
from cgcnn.predict import predict
from cgcnn.tables import read_graphs
from cgcnn.tensors import PackedGraphs
from cgcnn.training import Example, TrainSettings, TrainState, new_model, train

BATCH = 256
DEFAULT = ModelSettings("gated", "regression", shared_shell=0.1)  # as config.yaml has it
SHAPE = replace(DEFAULT, n_hidden=1)  # cgcnn2's and PyG's network, too
_EPOCHS, _REPEATS = 3, 3


@dataclass(frozen=True)
class Ours:
    graphs: PackedGraphs
    data: Example
    test: np.ndarray

    def fresh(self, seed: int = 0) -> CGCNN:
        return new_model(SHAPE, torch.tensor(feature_table()), self.data, seed)


def load_ours(path: Path, materials: Materials, device: str = "cpu") -> Ours:
    """Our graphs and targets, in the order of the file."""
    ids, graphs = read_graphs([path])
    assert ids == materials.ids
    target = torch.tensor(materials.target, dtype=torch.float32, device=device)
    first, validation, test = split(len(ids))
    chosen = [torch.tensor(part, device=device) for part in (first, validation)]
    return Ours(PackedGraphs(graphs, device), Example(target, *chosen, ids), test)


def epoch_seconds(ours: Ours) -> float:
    """An epoch of training alone, on the default path: the validation set is one crystal."""
    data = Example(ours.data.target, ours.data.train, ours.data.train[:1], ours.data.material_ids)
    ends: list[float] = []
    settings = TrainSettings(epochs=_EPOCHS, batch_size=BATCH, patience=_EPOCHS)

    def clock(state: TrainState, copy: object) -> None:
        ends.append(time.perf_counter())

    train(ours.fresh(), ours.graphs, data, settings, 0, after_epoch=[clock])
    return float(np.median(np.diff(ends)))  # the first epoch warms up


class Side:
    """All three sides on the same materials."""

    def __init__(self, folder: Path) -> None:
        materials = perovskites()
        write_cgcnn_folder(materials, folder)
        write_graphs(folder, materials.ids, folder / "graphs.parquet")
        self.ours = load_ours(folder / "graphs.parquet", materials)
        self.first, _, _ = split(len(materials.ids))
        self.all = np.arange(len(materials.ids))
        self.target = torch.tensor(materials.target[self.first], dtype=torch.float32)
        self.items = peers.cgcnn2_items(folder)
        self.geometric = peers.geometric_items(self.items)


def train_epoch() -> list[Row]:
    """Seconds an epoch of 60 % of the crystals."""
    with tempfile.TemporaryDirectory() as name:
        side = Side(Path(name))
    net, loader = peers.cgcnn2_net(), peers.cgcnn2_loader(side.items, side.first, BATCH, True)
    other, others = peers.GeometricNet(), peers.geometric_loader(side.geometric, side.first, BATCH, True)
    found = in_turn(
        {
            "ours": lambda: epoch_seconds(side.ours),
            "cgcnn2": lambda: seconds(lambda: peers.train(net, loader, peers.cgcnn2_step, 1, side.target)),
            "PyG CGConv": lambda: seconds(lambda: peers.train(other, others, peers.geometric_step, 1, side.target)),
        },
        _REPEATS,
    )
    return rows("train_epoch", "s/epoch", found.pop("ours"), found)


def prediction() -> list[Row]:
    """Seconds to predict all crystals, from what each holds in memory."""
    with tempfile.TemporaryDirectory() as name:
        side = Side(Path(name))
    model, net, other = side.ours.fresh(), peers.cgcnn2_net(), peers.GeometricNet()
    loader = peers.cgcnn2_loader(side.items, side.all, BATCH, False)
    others = peers.geometric_loader(side.geometric, side.all, BATCH, False)
    found = in_turn(
        {
            "ours": lambda: seconds(lambda: predict({0: model}, side.ours.graphs)),
            "cgcnn2": lambda: seconds(lambda: peers.predict(net, loader, peers.cgcnn2_step, side.target)),
            "PyG CGConv": lambda: seconds(lambda: peers.predict(other, others, peers.geometric_step, side.target)),
        },
        5,
    )
    return rows("predict", "s", found.pop("ours"), found)


def peak_memory() -> list[Row]:
    """Peak of a process that loads its data and trains two epochs; and what of it is beyond its imports."""
    found = []
    for materials in (perovskites(), everything()):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_cgcnn_folder(materials, folder)
            write_graphs(folder, materials.ids, folder / "graphs.parquet")
            ours, peer = (in_a_process("benchmarks.memory", side, name) for side in ("ours", "cgcnn2"))
        told = f"cgcnn2, {len(materials.ids)} crystals"
        found += rows("peak_memory", "MiB", ours["peak"], {told: peer["peak"]})
        beyond = {f"{told}, beyond imports": peer["peak"] - peer["imports"]}
        found += rows("peak_memory", "MiB", ours["peak"] - ours["imports"], beyond)
    return found


def cif_to_model() -> list[Row]:
    """From CIFs to the best of 100 epochs by validation, one recipe for both; the test errors are told beside."""
    materials, epochs = perovskites(), 100
    test = split(len(materials.ids))[2]
    errors: dict[str, float] = {}

    def ours(folder: Path) -> None:
        write_graphs(folder, materials.ids, folder / "graphs.parquet")
        own = load_ours(folder / "graphs.parquet", materials)
        model = own.fresh()
        train(model, own.graphs, own.data, TrainSettings(epochs=epochs, batch_size=BATCH, patience=epochs), 0)
        errors["ours"] = float(np.abs(predict({0: model}, own.graphs)[0] - materials.target)[test].mean())

    def cgcnn2(folder: Path) -> None:
        errors["cgcnn2"] = cgcnn2_error(peers.cgcnn2_items(folder), materials, epochs, BATCH, 0)

    with tempfile.TemporaryDirectory() as name:
        write_cgcnn_folder(materials, Path(name))
        times = {side.__name__: seconds(lambda side=side: side(Path(name))) for side in (ours, cgcnn2)}
    told = f"cgcnn2 (test MAE {errors['ours']:.4f} ours, {errors['cgcnn2']:.4f} {materials.unit})"
    return rows("cif_to_model", "s", times["ours"], {told: times["cgcnn2"]})


def cgcnn2_error(
    items: peers.CIFData,
    materials: Materials,
    epochs: int,
    batch: int,
    seed: int,
    settings: TrainSettings | None = None,
) -> float:
    """Test error of cgcnn2's network, its best epoch by validation, in the target's unit."""
    first, validation, test = split(len(materials.ids))
    torch.manual_seed(seed)
    target = torch.tensor(materials.target[first], dtype=torch.float32)
    loaders = [peers.cgcnn2_loader(items, part, batch, part is first) for part in (first, validation, test)]
    net = peers.cgcnn2_net()
    peers.train(net, loaders[0], peers.cgcnn2_step, epochs, target, validation=loaders[1], settings=settings)
    said = peers.predict(net, loaders[2], peers.cgcnn2_step, target)
    return float(np.abs(said - materials.target[test]).mean())
