"""How much each site contributes to a prediction, by integrated gradients from the average training crystal.

A crystal is pooled into m = (1/N) Σ_i v_i, the mean of its sites' features, and f(m) reads the property off through
layers that are not linear, so that a prediction is no sum over sites of itself. Integrated gradients (Sundararajan,
Taly & Yan, ICML 2017; the cost shares of Aumann & Shapley 1974) share f(m) - f(m0) out along the straight path from a
baseline m0:

    contribution_i = (1/N) (v_i - m0) · ∫_0^1 ∇f(m0 + t (m - m0)) dt,   Σ_i contribution_i = f(m) - f(m0).

m0 is the mean pooled feature of the training crystals, so that f(m0) is what the model says of an average one. v_i is
taken after the last convolution: it holds what site i has heard of its neighbours, and its contribution belongs to the
site in its surroundings, not to the element alone. (The paper reads site energies off a model without hidden layers
instead, which sums by itself but is another model.)
"""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from cgcnn.arrays import Crystal
from cgcnn.crystals import checked
from cgcnn.elements import SYMBOLS
from cgcnn.errors import InputError
from cgcnn.graph import crystal_graphs
from cgcnn.model import CGCNN
from cgcnn.predictor import Predictor
from cgcnn.sources import Entry
from cgcnn.tensors import PackedGraphs

_POINTS = 64  # of the Gauss-Legendre quadrature; the sum over sites is right to 1e-9 of a smooth f
LOG_ODDS = "log-odds"  # what is explained of a classification: ln p / (1 - p), which has no bounds


@dataclass(frozen=True)
class Explanation:
    """The contributions of one structure's N sites; or why there are none."""

    material_id: str
    crystal: Crystal | None
    reason: str = ""
    base: float = float("nan")  # what the model says of the average training crystal
    prediction: float = float("nan")  # base + sum of the contributions
    contributions: np.ndarray | None = None  # (N,) in the task's unit, or log-odds; mean over the seeds
    spread: np.ndarray | None = None  # (N,) their standard deviation over the seeds, NaN for a single one

    def table(self) -> pd.DataFrame:
        """A row a site: id, site (from 1), element, fractional coordinates, contribution, spread, prediction, base."""
        columns = ["id", "site", "element", "x", "y", "z", "contribution", "spread", "prediction", "base", "reason"]
        if self.crystal is None:
            row = {"id": self.material_id, "site": 0, "element": "", "reason": self.reason}
            return pd.DataFrame([row], columns=columns).astype(dict.fromkeys(columns[3:-1], float))
        x, y, z = self.crystal.frac_coords.T
        return pd.DataFrame(
            {
                "id": self.material_id,
                "site": np.arange(1, len(x) + 1),
                "element": [SYMBOLS[number] for number in self.crystal.atomic_numbers],
                **{"x": x, "y": y, "z": z, "contribution": self.contributions, "spread": self.spread},
                **{"prediction": self.prediction, "base": self.base, "reason": ""},
            },
            columns=columns,
        )


def explain(predictor: Predictor, entries: Iterable[Entry]) -> Iterator[Explanation]:
    """An explanation of each structure, in order.

    Raises:
        InputError: the model's domain, which holds the baseline, is not known, as of the published weights.
    """
    if predictor.domain is None:
        raise InputError(
            f"{predictor.task['name']}: its domain.safetensors is missing, which holds the baseline. "
            "Run the pipeline, or take another model."
        )
    baselines = torch.from_numpy(predictor.domain.baseline)  # (S, F)
    readers = [copy.deepcopy(model).double().cpu() for model in predictor.models.values()]
    return (_explanation(predictor, readers, baselines, entry) for entry in entries)


def _explanation(predictor: Predictor, readers: list[CGCNN], baselines: torch.Tensor, entry: Entry) -> Explanation:
    (crystal,) = checked([entry.crystal])
    if isinstance(crystal, str):
        return Explanation(entry.material_id, None, crystal)
    graphs = crystal_graphs([crystal], predictor.rule)
    packed = PackedGraphs(graphs, predictor.device, merge_sites=False)
    batch = packed.batch(torch.zeros(1, dtype=torch.int64, device=packed.device))
    shares, bases = [], []
    for model, reader, baseline in zip(predictor.models.values(), readers, baselines, strict=True):
        with torch.no_grad():
            v = model.site_features(batch).double().cpu()  # (N, F)
            bases.append(float(read(reader, baseline[None])))
        shares.append(site_shares(reader, v, baseline).numpy())
    every = np.stack(shares)  # (S, N)
    base, contributions = float(np.mean(bases)), every.mean(axis=0)
    spread = every.std(axis=0, ddof=1) if len(every) > 1 else np.full(len(contributions), np.nan)
    prediction = base + float(contributions.sum())
    return Explanation(entry.material_id, crystal, "", base, prediction, contributions, spread)


def site_shares(reader: CGCNN, v: torch.Tensor, baseline: torch.Tensor) -> torch.Tensor:
    """Contributions (N,) of sites with features v (N, F), in float64, from a baseline (F,)."""
    nodes, weights = np.polynomial.legendre.leggauss(_POINTS)  # on [-1, 1]
    t = torch.from_numpy((nodes + 1) / 2).unsqueeze(1)  # (P, 1)
    path = (baseline + t * (v.mean(dim=0) - baseline)).requires_grad_()  # (P, F)
    (gradient,) = torch.autograd.grad(read(reader, path).sum(), path)  # (P, F)
    mean_gradient = torch.from_numpy(weights / 2) @ gradient  # (F,)
    return (v - baseline) @ mean_gradient / len(v)


def read(model: CGCNN, pooled: torch.Tensor) -> torch.Tensor:
    """f (n,) of pooled features (n, F): the property in its unit, or the log-odds of class 1."""
    output = model.read_out(pooled)
    return output[:, 1] - output[:, 0] if model.settings.kind == "classification" else model.prediction(output)
