"""A small trained-looking ensemble on disk, with its domain, for the tests that predict."""

from pathlib import Path

import numpy as np
import torch
from pymatgen.core import Lattice, Structure

from cgcnn.checkpoint import save_models
from cgcnn.domain import DOMAIN_FILE, measure, save_domain
from cgcnn.elements import feature_table
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.model import CGCNN, ModelSettings
from cgcnn.predict import predict_and_embed
from cgcnn.pretrained import WEIGHTS
from cgcnn.tensors import PackedGraphs
from tests.crystals import crystal

SITES = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
A_SITES, B_SITES = ("Ca", "Sr", "Ba", "La"), ("Ti", "Zr", "Mn", "Fe", "Co")


def training_set() -> list[Structure]:
    """20 cubic oxides."""
    return [
        Structure(Lattice.cubic(3.8 + 0.02 * k), [a, b, "O", "O", "O"], SITES)
        for k, (a, b) in enumerate((a, b) for a in A_SITES for b in B_SITES)
    ]


def save_small_model(folder: Path, kind: str = "regression", ties: str = "shells", target: str = "energy") -> Path:
    """Weights of three seeds, card and domain in `folder`; two of five materials are validated on."""
    rule = {"cutoff": 6.0, "max_neighbours": 8, "ties": ties, "tie_tolerance": 0.1}
    models = {}
    for seed in range(3):
        torch.manual_seed(seed)
        settings = ModelSettings("gated", kind, atom_dim=8, n_conv=2, hidden_dim=8)
        models[seed] = CGCNN(settings, torch.tensor(feature_table())).eval()
    task = {"kind": kind, "target": target, "unit": "eV", "families": [], "positive": ""}
    if kind == "classification":
        task |= {"target": "family", "unit": "", "positive": "perovskite"}
    folder.mkdir(parents=True, exist_ok=True)
    save_models(folder / WEIGHTS, models, {"name": f"{target}/formula/gated", "task": task, "neighbours": rule})
    graphs = crystal_graphs([crystal(structure) for structure in training_set()], NeighbourRule(**rule))
    said = [predict_and_embed(model, PackedGraphs(graphs)) for model in models.values()]
    predictions, pooled = (np.stack(every) for every in zip(*said, strict=True))
    truth = predictions.mean(axis=0) + np.linspace(-0.3, 0.2, len(graphs))
    truth = truth if kind == "regression" else (truth > 0.5).astype(float)
    subset = np.array(["train", "train", "train", "validation", "validation"] * 4)
    ids = [f"train-{k}" for k in range(len(graphs))]
    save_domain(folder / DOMAIN_FILE, measure(predictions, pooled, truth, subset, graphs, ids))
    return folder
