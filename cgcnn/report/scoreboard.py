"""The tables of scores of a contest, with every number already written as the page shows it."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from cgcnn.metrics import HEADLINE, METRICS, predicted_class
from cgcnn.report import words
from cgcnn.report.compare import best_score, gain, mean_score, ranked
from cgcnn.report.results import Contest, Model


def rows(contest: Contest, evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of the tables: a model each, numbers already written."""
    headline = HEADLINE[contest.kind]
    summaries = [model.scores["summary"]["test"] for model in contest.models]
    decimals = {
        metric: words.decimals_for(summary[metric]["mean"] for summary in summaries) if metric in ("mae", "rmse") else 3
        for metric in METRICS[contest.kind]
    }
    best = best_score(contest)
    composition = contest.baseline("composition")
    variants = ranked(contest, contest.variants)
    next_best = dict(zip((model.name for model in variants), variants[1:], strict=False))
    found = []
    for model, summary in zip(contest.models, summaries, strict=True):
        ensemble = model.scores["ensemble"]["test"][headline]
        places = decimals[headline]
        row = {
            "name": model.name,
            "is_baseline": model.is_baseline,
            "is_best": mean_score(contest, model) == best,
            "chosen": _chosen(model),
            "metrics": {
                metric: words.with_spread(summary[metric]["mean"], summary[metric]["std"], decimals[metric])
                for metric in METRICS[contest.kind]
            },
            "training": words.number(_mean_of(model, "train", headline), places),
            "ensemble": words.number(ensemble["value"], places),
            "interval": words.interval(ensemble["low"], ensemble["high"], places),
            "gain": (words.DASH, ""),
            "lead": (words.DASH, ""),
        }
        if composition is not None and model is not composition:
            row["gain"] = _gain(contest, model, composition, evaluation, places)
        if model.name in next_best:
            row["lead"] = _gain(contest, model, next_best[model.name], evaluation, places)
        found.append(row)
    return found


def _gain(contest: Contest, model: Model, other: Model, evaluation: Mapping[str, Any], places: int) -> tuple[str, str]:
    """Gain of one model on another in words, and its interval."""
    found = gain(contest, model, other, evaluation["bootstrap"], evaluation["seed"])
    sign = "+" if found.value > 0 else ""
    return sign + words.number(found.value, places), words.interval(found.low, found.high, places)


def _chosen(model: Model) -> str:
    """Which estimators a baseline chose on the validation materials; nothing where there was no choice."""
    counts = Counter(model.chosen.values())
    if set(counts) <= {model.name}:
        return ""
    return ", ".join(name if len(counts) == 1 else f"{name} ({count})" for name, count in counts.most_common())


def _mean_of(model: Model, subset: str, metric: str) -> float | None:
    values = [parts[subset][metric] for parts in model.scores["seeds"].values()]
    return None if None in values else float(np.mean(values))


def confusions(contest: Contest) -> list[dict[str, Any]]:
    """For each model how many materials of each class (row) the mean prediction of the seeds puts in each (column)."""
    found = []
    for model in contest.models:
        predicted = predicted_class(model.prediction.mean(axis=0))
        counts = [[int(np.sum((contest.target == true) & (predicted == said))) for said in (0, 1)] for true in (0, 1)]
        shares = [[count / (sum(row) or 1) for count in row] for row in counts]
        found.append({"name": model.name, "counts": counts, "shares": shares})
    return found
