"""What trained networks say of crystal graphs."""

import math
from collections.abc import Mapping

import numpy as np
import torch

from cgcnn.errors import InputError
from cgcnn.model import CGCNN
from cgcnn.tensors import PackedGraphs

_BATCH = 256  # crystals


def predict(models: Mapping[int, CGCNN], graphs: PackedGraphs) -> dict[int, np.ndarray]:
    """Prediction of every seed for every crystal: (C,) in the target's unit, or the probability of class 1."""
    return {seed: predict_and_embed(model, graphs)[0] for seed, model in models.items()}


def predict_and_embed(model: CGCNN, graphs: PackedGraphs) -> tuple[np.ndarray, np.ndarray]:
    """Prediction (C,) as above, and pooled features (C, F), the mean of v_i over the sites, of one seed."""
    model = model.to(graphs.device).eval()
    everything = torch.arange(len(graphs), device=graphs.device)
    n_batches = max(1, math.ceil(len(graphs) / _BATCH))
    with torch.inference_mode():
        pooled = torch.cat([model.pooled(batch) for batch in graphs.batches(everything, n_batches)])
        prediction = model.prediction(model.read_out(pooled))
    return prediction.double().cpu().numpy(), pooled.cpu().numpy()


def device_named(name: str) -> torch.device:
    """`auto` is the GPU where there is one that works.

    Raises:
        InputError: it is none of auto, cpu, cuda, or there is no GPU to use.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"{name}: no such device. Choose auto, cpu or cuda.")
    found = torch.cuda.is_available()
    if name == "cuda" and not found:
        raise InputError("cuda: PyTorch finds no GPU here. Choose auto or cpu; `cgcnn doctor --device cuda` says why.")
    return torch.device("cuda" if found and name != "cpu" else "cpu")
