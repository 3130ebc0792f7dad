"""What a model knows of itself: how far off it was on validation materials, and where its training materials lie.

Kept beside its weights as `domain.safetensors`, so that a copied model can still say how sure it is.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from cgcnn.arrays import CrystalGraphs
from cgcnn.crystals import reduced_formula
from cgcnn.elements import MAX_ATOMIC_NUMBER, SYMBOLS
from cgcnn.errors import InputError
from cgcnn.tables import atomic_path

Floats = NDArray[np.floating[Any]]

DOMAIN_FILE = "domain.safetensors"
MOST_REFERENCES = 1000  # training crystals that distances are measured to; more are thinned out evenly
_AT_ONCE = 1024  # crystals whose distances to all references are in memory


@dataclass(frozen=True)
class Domain:
    """Of an ensemble of S seeds with F features each, D = S F, V validation and R training materials."""

    scores: Floats  # (V,) ascending; target - prediction, of a class the target less its probability
    reference: Floats  # (R, D) float32, embeddings of training crystals, `scaled`
    nearest: Floats  # (R,) ascending, distance of each to its nearest other one
    centre: Floats  # (D,) mean of the training embeddings
    scale: Floats  # (D,) their standard deviations
    baseline: Floats  # (S, F) mean of the pooled features of the training crystals, before the softplus
    elements: NDArray[np.int64]  # (101,) how many training materials hold each element
    facts: Mapping[str, Any]  # material_ids of the references; formulas, reduced, of all materials of the task

    def half_width(self, confidence: float) -> float:
        """Half the width of the interval that holds a new target with at least this probability.

        Split conformal prediction (Vovk et al. 2005; Lei et al., JASA 113, 1094, 2018): the k-th smallest absolute
        residual of V validation materials, k = ceil((V + 1) confidence). True on average over materials that are
        exchangeable with the validation materials; infinite where V is too small for the confidence asked.
        """
        rank = math.ceil(round((len(self.scores) + 1) * confidence, 9))
        return math.inf if rank > len(self.scores) else float(np.sort(np.abs(self.scores))[rank - 1])

    def interval(self, prediction: Floats, confidence: float, kind: str) -> tuple[Floats, Floats]:
        """Lower and upper end (n,) for predictions (n,).

        Of a classification: the smallest and the largest class of the conformal set, which holds every class whose
        score would not be extreme; the likelier class if none is left.
        """
        half = self.half_width(confidence)
        if kind == "regression":
            return prediction - half, prediction + half
        with_one, with_zero = 1 - prediction <= half, prediction <= half
        likely_one = prediction > 0.5
        lower = np.where(with_zero | (~with_one & ~likely_one), 0.0, 1.0)
        upper = np.where(with_one | (~with_zero & likely_one), 1.0, 0.0)
        return lower, upper

    def probability_between(self, prediction: Floats, low: float, high: float) -> Floats:
        """Probability (n,) that targets lie in [low, high], for predictions (n,) of a regression.

        The share of the validation residuals that would carry the prediction there: the conformal predictive
        distribution without its smoothing (Vovk et al., Mach. Learn. 108, 445, 2019).
        """
        return probability_between(self.scores, prediction, low, high)

    def scaled(self, embeddings: Sequence[Floats]) -> NDArray[np.float32]:
        """Embeddings (n, F) of all seeds side by side, (n, D), each feature over its deviation in training."""
        return ((np.concatenate(embeddings, axis=1) - self.centre) / self.scale).astype(np.float32)

    def distances(self, embeddings: Sequence[Floats]) -> tuple[Floats, NDArray[np.int64]]:
        """Distance (n,) of crystals to the nearest training crystal, and which of the references that is."""
        return _nearest(self.scaled(embeddings), self.reference)

    def percentile(self, distance: Floats) -> Floats:
        """Share (n,), in %, of the training crystals that lie nearer than this to their nearest other one.

        100 is farther out than any training crystal is from the others.
        """
        return 100 * np.searchsorted(self.nearest, distance, side="left") / len(self.nearest)

    def unseen(self, atomic_numbers: NDArray[Any]) -> str:
        """Symbols of the elements that no training material holds, separated by spaces."""
        return " ".join(SYMBOLS[z] for z in np.unique(atomic_numbers) if self.elements[z] == 0)


def probability_between(residuals: Floats, prediction: Floats, low: float, high: float) -> Floats:
    """Share (n,) of the residuals (V,), ascending, that carry a prediction (n,) into [low, high]."""
    below_high = np.searchsorted(residuals, high - prediction, side="right")
    below_low = np.searchsorted(residuals, low - prediction, side="left")
    return (below_high - below_low) / len(residuals)


def measure(
    predictions: Floats,
    pooled: Floats,
    target: Floats,
    subset: NDArray[Any],
    graphs: CrystalGraphs,
    material_ids: Sequence[str],
) -> Domain:
    """The domain of an ensemble of S seeds, from what it says of the C materials of its task.

    Args:
        predictions: (S, C) in the target's unit, or the probability of class 1.
        pooled: (S, C, F) means over sites, before the softplus.
        target: (C,) in the target's unit, or 1 and 0.
        subset: (C,) of train, validation, test; of the test materials nothing is used but which there are.
        graphs: of the C materials.
        material_ids: C.
    """
    residual = target - predictions.mean(axis=0)
    train = np.flatnonzero(subset == "train")
    embeddings = np.concatenate([softplus(features[train]) for features in pooled], axis=1).astype(np.float64)
    centre, scale = embeddings.mean(axis=0), embeddings.std(axis=0)
    scale[scale < 1e-6] = 1.0  # a feature that never changes
    kept = np.arange(len(train)) if len(train) <= MOST_REFERENCES else _evenly(len(train))
    reference = ((embeddings - centre) / scale)[kept].astype(np.float32)
    others = _nearest(reference, reference, itself=True)[0]
    crystal = np.repeat(np.arange(len(graphs)), graphs.n_sites)
    held = np.zeros((len(graphs), MAX_ATOMIC_NUMBER + 1), dtype=bool)
    held[crystal, graphs.atomic_numbers] = True
    return Domain(
        scores=np.sort(residual[subset == "validation"]),
        reference=reference,
        nearest=np.sort(others),
        centre=centre,
        scale=scale,
        baseline=np.stack([features[train].mean(axis=0, dtype=np.float64) for features in pooled]),
        elements=held[train].sum(axis=0),
        facts={"material_ids": [material_ids[k] for k in train[kept]], "formulas": sorted(_formulas(graphs))},
    )


def _formulas(graphs: CrystalGraphs) -> set[str]:
    """Reduced formulas of crystals."""
    return {reduced_formula(numbers) for numbers in np.split(graphs.atomic_numbers, graphs.site_offsets[1:-1])}


def softplus(x: Floats) -> Floats:
    """log(1 + e^x), as the network has it between pooling and reading out."""
    return np.logaddexp(x, 0)


def save_domain(path: Path, domain: Domain) -> None:
    """Write it as safetensors. The same domain gives the same bytes."""
    tensors = {field.name: np.ascontiguousarray(getattr(domain, field.name)) for field in fields(domain)[:-1]}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(tensors, {"facts": json.dumps(domain.facts, sort_keys=True)}))


def load_domain(path: Path) -> Domain | None:
    """The domain that lies beside weights, None where there is none.

    Raises:
        InputError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {field.name: file.get_tensor(field.name) for field in fields(Domain)[:-1]}
            return Domain(**tensors, facts=json.loads(file.metadata()["facts"]))
    except (SafetensorError, OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not a readable domain file ({error}). Make it again.") from None


def _evenly(n: int) -> NDArray[np.int64]:
    return np.linspace(0, n - 1, MOST_REFERENCES).astype(np.int64)


def _nearest(points: Floats, reference: Floats, itself: bool = False) -> tuple[Floats, NDArray[np.int64]]:
    """Euclidean distance (n,) of each point to its nearest reference, and which; `itself`: not the one of equal row."""
    square = np.einsum("rd,rd->r", reference, reference)
    distance, which = np.zeros(len(points)), np.zeros(len(points), dtype=np.int64)
    for start in range(0, len(points), _AT_ONCE):
        some = points[start : start + _AT_ONCE]
        score = square - 2 * (some @ reference.T)  # squared distance but for a constant of each row
        if itself and len(reference) > 1:
            score[np.arange(len(some)), start + np.arange(len(some))] = np.inf
        best = score.argmin(axis=1)
        which[start : start + len(some)] = best
        # From the difference, for the short way above loses the digits of a small distance.
        difference = (some - reference[best]).astype(np.float64)
        distance[start : start + len(some)] = np.sqrt(np.einsum("nd,nd->n", difference, difference))
    return distance, which
