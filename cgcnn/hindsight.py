"""Would the screening have found what is known today? Hide materials that meet a target, and look for them.

Known materials that meet the target are hidden among others that do not; networks are trained from scratch on what is
left, the hidden ones are ranked by the probability of meeting the target, and the top of that list is counted. The
enrichment factor is how many times more it holds than a random list of its length (Truchon & Bayly, J. Chem. Inf.
Model. 47, 488, 2007). Formulas stay whole, so that no polymorph of a hidden material is trained on.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cgcnn.arrays import CrystalGraphs
from cgcnn.baselines import fit_predict
from cgcnn.domain import probability_between
from cgcnn.element_numbers import atom_features
from cgcnn.errors import InputError
from cgcnn.model import ModelSettings
from cgcnn.predict import predict
from cgcnn.tensors import PackedGraphs
from cgcnn.training import Example, TrainSettings, new_model, train

Floats = NDArray[np.floating[Any]]

_VALIDATION = 0.2  # of what is not hidden
_FEWEST = 2  # materials to train on and to validate on; batch norm needs two


@dataclass(frozen=True)
class Trial:
    """How one trial hides its materials."""

    low: float  # the target window, in the property's unit; either end may be infinite
    high: float
    hidden_hits: float  # share of the formulas that meet the target and are hidden; 1: training never sees one
    hidden_others: float  # share of the other formulas that are hidden with them


def prove(
    graphs: CrystalGraphs,
    formulas: Sequence[str],
    target: Floats,
    section: Mapping[str, Any],
    progress: Callable[[Iterable[int], str], Iterable[int]],
    shown: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Every trial that the configuration asks for.

    Args:
        graphs, formulas, target: of C materials, as for `run_trial`.
        section: low and high of the target window, None for infinite; hidden_hits, hidden_others, draws and seeds of
            the configuration's screen.hindsight; conv, model and train of the networks.
        progress: wraps the draws of a trial, with a label.
        shown: called with lines of progress.

    Returns:
        For each share of hidden hits: hidden_hits, draws (what `run_trial` gives of each), summary.
    """
    low = -math.inf if section["low"] is None else section["low"]
    high = math.inf if section["high"] is None else section["high"]
    shape = ModelSettings(section["conv"], "regression", **section["model"])
    settings = TrainSettings(**section["train"])
    found = []
    for hidden in section["hidden_hits"]:
        trial = Trial(low, high, hidden, section["hidden_others"])
        draws = []
        for draw in progress(range(section["draws"]), f"{hidden:.0%} of the hits hidden"):
            draws.append(run_trial(graphs, formulas, target, trial, draw, shape, settings, section["seeds"], shown))
            shown(_told(draws[-1]))
        found.append({"hidden_hits": hidden, "draws": draws, "summary": summarise(draws)})
    return found


def _told(trial: Mapping[str, Any]) -> str:
    better = ", ".join(f"{name} {trial[name]['enrichment_5']:.1f}" for name in ("network", "composition"))
    return f"{trial['hits']} of {trial['hidden']} hidden materials meet it; the top 5 % hold, over chance: {better}"


def run_trial(
    graphs: CrystalGraphs,
    formulas: Sequence[str],
    target: Floats,
    trial: Trial,
    draw: int,
    shape: ModelSettings,
    settings: TrainSettings,
    seeds: Sequence[int],
    shown: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """One draw of hidden materials.

    Args:
        graphs: of C materials.
        formulas: C, reduced.
        target: (C,) a property.
        draw: seed of what is hidden and what is validated on.
        shape, settings, seeds: of the networks trained, whose mean is ranked by.
        shown: called with a line of progress.

    Returns:
        hidden, hits (how many are hidden, how many of them meet the target), and for network, composition and random
        what `enrichment` says of its list; random is its expectation.

    Raises:
        InputError: nothing, or everything, meets the target, or next to nothing is left to learn from.
    """
    meets = (trial.low <= target) & (target <= trial.high)
    if not 0 < meets.sum() < len(meets):
        raise InputError(
            f"{meets.sum()} of {len(meets)} materials lie in {trial.low:g} to {trial.high:g}: change the window."
        )
    subset = _hide(np.asarray(formulas), meets, trial, draw)
    hidden = subset == "test"
    if min(np.sum(subset == "train"), np.sum(subset == "validation")) < _FEWEST:
        raise InputError(
            f"With {hidden.sum()} of {len(hidden)} materials hidden, {np.sum(~hidden)} are left to learn from: narrow "
            f"the window {trial.low:g} to {trial.high:g}, or lower hidden_hits or hidden_others of screen.hindsight."
        )
    data = _example(target, subset, formulas)
    packed = PackedGraphs(graphs)
    models = {}
    for seed in seeds:
        model = new_model(shape, torch.tensor(atom_features(shape.element_numbers)), data, seed, packed)
        state = train(model, packed, data, settings, seed)
        models[seed] = model
        error = state.history[state.best_epoch - 1]["validation_error"]
        shown(f"draw {draw}, seed {seed}: validation MAE {error:.3f}")
    compositions = np.split(graphs.atomic_numbers, graphs.site_offsets[1:-1])
    said = {
        "network": np.mean(list(predict(models, packed).values()), axis=0),
        "composition": fit_predict("composition", "regression", compositions, target, subset, draw)[0],
    }
    result: dict[str, Any] = {"hidden": int(hidden.sum()), "hits": int(meets[hidden].sum())}
    for name, prediction in said.items():
        residuals = np.sort((target - prediction)[subset == "validation"])
        probability = probability_between(residuals, prediction[hidden], trial.low, trial.high)
        order = best_first(probability, prediction[hidden], trial.low, trial.high)
        result[name] = enrichment(meets[hidden][order]) | {
            "mae": float(np.abs(target - prediction)[hidden].mean()),
            "expected_hits": float(probability.sum()),
        }
    result["random"] = {
        "enrichment_5": 1.0,
        "enrichment_10": 1.0,
        "found_in_as_many": result["hits"] / result["hidden"],
    }
    return result


def best_first(probability: Floats, prediction: Floats, low: float, high: float) -> NDArray[np.int64]:
    """Order (n,) by probability of the window; among equals the nearest to its middle, or the farthest in, first."""
    if math.isinf(low) or math.isinf(high):
        farther = prediction if math.isinf(low) else -prediction
    else:
        farther = np.abs(prediction - (low + high) / 2)
    return np.lexsort((farther, -probability))


def enrichment(met: NDArray[np.bool_]) -> dict[str, float]:
    """What the top of a list holds, for which (n,) of the list, best first, meet the target.

    Returns:
        enrichment_5, enrichment_10: share of hits in the best 5 and 10 % over that in the whole list;
        found_in_as_many: share of the hits found in as many places as there are hits.
    """
    n, hits = len(met), int(met.sum())
    found = {f"enrichment_{percent}": _top(met, math.ceil(n * percent / 100)) * n / hits for percent in (5, 10)}
    return {**found, "found_in_as_many": _top(met, hits)}


def summarise(trials: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation over the draws of every number."""
    summary: dict[str, Any] = {}
    for key, value in trials[0].items():
        if isinstance(value, Mapping):
            summary[key] = summarise([trial[key] for trial in trials])
        else:
            values = [float(trial[key]) for trial in trials]
            spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
            summary[key] = {"mean": float(np.mean(values)), "std": spread}
    return summary


def _top(met: NDArray[np.bool_], n: int) -> float:
    return float(met[:n].mean())


def _hide(formulas: NDArray[np.str_], meets: NDArray[np.bool_], trial: Trial, draw: int) -> NDArray[np.str_]:
    """Subset (C,): test is hidden. A formula meets the target if one of its polymorphs does."""
    rng = np.random.Generator(np.random.PCG64(draw))
    subset = np.full(len(formulas), "train", dtype="<U10")
    hits = np.unique(formulas[meets])
    others = np.setdiff1d(formulas, hits)
    hidden = [
        rng.permutation(some)[: max(1, round(share * len(some)))]
        for some, share in ((hits, trial.hidden_hits), (others, trial.hidden_others))
    ]
    subset[np.isin(formulas, np.concatenate(hidden))] = "test"
    left = rng.permutation(np.unique(formulas[subset == "train"]))
    subset[np.isin(formulas, left[: max(1, round(_VALIDATION * len(left)))])] = "validation"
    return subset


def _example(target: Floats, subset: NDArray[np.str_], formulas: Sequence[str]) -> Example:
    return Example(
        target=torch.tensor(target, dtype=torch.float32),
        train=torch.from_numpy(np.flatnonzero(subset == "train")),
        validation=torch.from_numpy(np.flatnonzero(subset == "validation")),
        material_ids=formulas,
    )
