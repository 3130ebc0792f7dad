"""What trained networks say of crystal graphs."""

from collections.abc import Mapping

import numpy as np
import torch

from cgcnn.model import CGCNN
from cgcnn.tensors import PackedGraphs
from cgcnn.training import outputs


def predict(models: Mapping[int, CGCNN], graphs: PackedGraphs) -> dict[int, np.ndarray]:
    """Prediction of every seed for every crystal: (C,) in the target's unit, or the probability of class 1."""
    everything = torch.arange(len(graphs), device=graphs.device)
    return {
        seed: model.prediction(outputs(model.to(graphs.device), graphs, everything)).double().cpu().numpy()
        for seed, model in models.items()
    }


def device_named(name: str) -> torch.device:
    """`auto` is the GPU where there is one that works."""
    return torch.device("cuda" if name == "auto" and torch.cuda.is_available() else "cpu" if name == "auto" else name)
