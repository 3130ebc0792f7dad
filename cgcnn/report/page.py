"""The page: from a run to one HTML text that needs nothing else, not even a network."""

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import groupby
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from cgcnn.metrics import HEADLINE, LOWER_IS_BETTER, METRICS, predicted_class
from cgcnn.report import contents, figures, words
from cgcnn.report.compare import gain, mean_score, verdicts
from cgcnn.report.results import Contest, Model, Run

_TEMPLATES = files("cgcnn.report") / "templates"


def render(run: Run) -> str:
    """The report as one HTML page. The same run gives the same text."""
    environment = Environment(
        autoescape=True,
        loader=PackageLoader("cgcnn.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"readable": words.readable, "as_text": contents.as_text}
    scripts = [get_plotlyjs(), (_TEMPLATES / "page.js").read_text(encoding="utf-8")]
    settings = run.provenance["settings"]
    return environment.get_template("page.html").render(
        title=run.title,
        tasks=_tasks(run),
        legend=_legend(run),
        metrics=words.METRICS,
        banner=run.about.get("label_method", "") if words.is_surrogate(run.about) else "",
        about=run.about,
        n_materials=len(run.structures),
        families=contents.families_of(run.structures),
        sizes=[contents.split_sizes(contest) for contest in run.contests],
        elements=contents.elements_of(run.structures),
        rejects=contents.rejects_of(run.rejects),
        most_reasons=contents.MOST_REASONS,
        settings=contents.settings_of(settings),
        variants={
            model.name: contents.flattened(settings["variants"][model.name]) for model in run.contests[0].variants
        },
        provenance=run.provenance,
        evaluation=settings["evaluation"],
        style=Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8")),
        scripts=[Markup(script) for script in scripts],
        digests=[_digest(script) for script in scripts],
    )


def _digest(script: str) -> str:
    """By which the content security policy lets a script run, and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _legend(run: Run) -> list[dict[str, Any]]:
    """Every model once, with its colour and what it is."""
    models = {model.name: model for contest in run.contests for model in contest.models}
    looks = figures.styles(list(models.values()))
    variants = run.provenance["settings"]["variants"]
    equations = {name: words.CONVOLUTIONS[variant["conv"]] for name, variant in variants.items()}
    return [
        {
            "name": name,
            "colour": looks[name].colour,
            "is_baseline": model.is_baseline,
            "equation": "" if model.is_baseline else equations[name][0],
            "what": words.BASELINES[name] if model.is_baseline else equations[name][1],
        }
        for name, model in models.items()
    ]


def _tasks(run: Run) -> list[dict[str, Any]]:
    evaluation = run.provenance["settings"]["evaluation"]
    found = []
    told = zip(run.contests, verdicts(run), strict=True)
    for name, contests in groupby(told, key=lambda pair: pair[0].task):
        views = [_contest(contest, verdict, run.about, evaluation) for contest, verdict in contests]
        found.append({"name": name, "contests": views, **{key: views[0][key] for key in ("kind", "note", "contest")}})
    return found


def _contest(
    contest: Contest, verdict: Sequence[str], about: Mapping[str, Any], evaluation: Mapping[str, Any]
) -> dict[str, Any]:
    note = words.label_note(about, contest.kind)
    return {
        "contest": contest,
        "kind": contest.kind,
        "note": note,
        "split": words.SPLITS[contest.split][0],
        "split_meaning": words.SPLITS[contest.split][1],
        "verdict": verdict,
        "headline": HEADLINE[contest.kind],
        "metric_names": METRICS[contest.kind],
        "n_test": len(contest.target),
        "rows": _rows(contest, evaluation),
        "figures": _figures(contest, note),
        "both_classes": len(set(contest.target)) == 2,
        "confusions": _confusions(contest) if contest.kind == "classification" else [],
    }


def _rows(contest: Contest, evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of the tables: a model each, numbers already written."""
    headline = HEADLINE[contest.kind]
    summaries = [model.scores["summary"]["test"] for model in contest.models]
    decimals = {
        metric: words.decimals_for(summary[metric]["mean"] for summary in summaries) if metric in ("mae", "rmse") else 3
        for metric in METRICS[contest.kind]
    }
    scores = [score for model in contest.models if (score := mean_score(contest, model)) is not None]
    best = (min if headline in LOWER_IS_BETTER else max)(scores, default=None)
    composition = contest.baseline("composition")
    rows = []
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
            "gain": words.DASH,
            "gain_interval": "",
        }
        if composition is not None and model is not composition:
            found = gain(contest, model, composition, evaluation["bootstrap"], evaluation["seed"])
            row |= {
                "gain": ("+" if found.value > 0 else "") + words.number(found.value, places),
                "gain_interval": words.interval(found.low, found.high, places),
            }
        rows.append(row)
    return rows


def _chosen(model: Model) -> str:
    """Which estimators a baseline chose on the validation materials; nothing where there was no choice."""
    counts = Counter(model.chosen.values())
    if set(counts) <= {model.name}:
        return ""
    return ", ".join(name if len(counts) == 1 else f"{name} ({count})" for name, count in counts.most_common())


def _mean_of(model: Model, subset: str, metric: str) -> float | None:
    values = [parts[subset][metric] for parts in model.scores["seeds"].values()]
    return None if None in values else float(np.mean(values))


def _confusions(contest: Contest) -> list[dict[str, Any]]:
    """For each model how many materials of each class (row) the mean prediction of the seeds puts in each (column)."""
    found = []
    for model in contest.models:
        predicted = predicted_class(model.prediction.mean(axis=0))
        counts = [[int(np.sum((contest.target == true) & (predicted == said))) for said in (0, 1)] for true in (0, 1)]
        shares = [[count / (sum(row) or 1) for count in row] for row in counts]
        found.append({"name": model.name, "counts": counts, "shares": shares})
    return found


def _figures(contest: Contest, note: str) -> dict[str, list[dict[str, Any]]]:
    """Groups of figures, each with its caption and a fixed id."""
    unit = f" ({contest.unit})" if contest.unit else ""
    if contest.kind == "regression":
        error = f"validation MAE{unit}"
        loss = "loss, scaled targets"
    else:
        error, loss = "share of wrong classes, validation", "loss, NLL (nats)"
    groups = {
        "scores": [_figure(contest, "scores", "Every seed, and the mean prediction", figures.scores(contest, note))],
        "learning": [
            _figure(contest, quantity, caption, figures.learning_curves(contest, quantity, title, note))
            for quantity, caption, title in (
                ("train_loss", "Training loss", f"training {loss}"),
                ("validation_loss", "Validation loss", f"validation {loss}"),
                ("validation_error", "Validation error", error),
            )
        ],
        "predictions": [],
    }
    if contest.kind == "regression":
        groups["targets"] = [
            _figure(contest, "targets", f"Targets of task {contest.task}", figures.targets(contest, note))
        ]
        for model in contest.models:
            if model.name != "mean":  # a level line
                figure = figures.parity(contest, model, note)
                groups["predictions"].append(_figure(contest, f"parity-{model.name}", model.name, figure, model.name))
    elif len(set(contest.target)) == 2:
        groups["predictions"].append(_figure(contest, "roc", "ROC", figures.roc(contest, note)))
    return groups


def _figure(contest: Contest, name: str, caption: str, figure: go.Figure, model: str = "") -> dict[str, Any]:
    return {
        "id": f"{contest.key}-{name}",
        "caption": caption,
        "model": model,
        "content": figure.to_plotly_json(),
    }
