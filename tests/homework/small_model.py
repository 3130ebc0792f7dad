"""A small model, trained for seconds, for notebooks that want a trained one."""

from pathlib import Path

import numpy as np
import torch

from cgcnn.checkpoint import save_models
from cgcnn.domain import DOMAIN_FILE, measure, save_domain
from cgcnn.elements import feature_table
from cgcnn.graph import NeighbourRule
from cgcnn.model import ModelSettings
from cgcnn.predict import predict_and_embed
from cgcnn.pretrained import WEIGHTS
from cgcnn.tensors import PackedGraphs
from cgcnn.training import TrainSettings, new_model, train
from homework import course


def write(root: Path) -> None:
    """Write embedded/energy/gated into the folder `pretrained` of `root`."""
    perovskites = course.perovskites()
    graphs, data = perovskites.graphs(), perovskites.example()
    packed = PackedGraphs(graphs)
    models = {}
    for seed in (0, 1):
        net = new_model(ModelSettings("gated", "regression", 16, 1, 16, 1), torch.tensor(feature_table()), data, seed)
        train(net, packed, data, TrainSettings(epochs=5), seed)
        models[seed] = net
    folder = root / "pretrained" / "embedded" / "energy" / "gated"
    card = {
        "name": "energy/formula/gated",
        "task": {"kind": "regression", "target": course.TARGET, "unit": "eV/atom"},
        "neighbours": vars(NeighbourRule()),
    }
    save_models(folder / WEIGHTS, models, card)
    predictions, pooled = zip(*(predict_and_embed(net, packed) for net in models.values()), strict=True)
    subset, ids = perovskites.table["subset"].to_numpy(), list(perovskites.table["id"])
    domain = measure(np.stack(predictions), list(pooled), data.target.numpy(), subset, graphs, ids)
    save_domain(folder / DOMAIN_FILE, domain)
