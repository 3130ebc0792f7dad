"""The sections of a task: from a contest to what the templates show."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from cgcnn.elements import SYMBOLS
from cgcnn.metrics import HEADLINE, METRICS
from cgcnn.report import failures, scoreboard, words
from cgcnn.report.belief import calibration
from cgcnn.report.compare import errors_of
from cgcnn.report.contents import periodic_table
from cgcnn.report.figures import belief, comparison, learned
from cgcnn.report.figures import failures as failing
from cgcnn.report.figures.learned import Chosen
from cgcnn.report.materials import CRYSTAL_SYSTEMS, Material
from cgcnn.report.results import Contest, Examination, Model

N_CHOSEN = 6  # crystals whose sites are told apart


def contest_view(
    contest: Contest,
    verdict: Sequence[str],
    facts: Mapping[str, Material],
    about: Mapping[str, Any],
    evaluation: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything that task.html shows of one contest."""
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
        "rows": scoreboard.rows(contest, evaluation),
        "figures": _figures(contest, facts, note),
        "both_classes": len(set(contest.target)) == 2,
        "confusions": scoreboard.confusions(contest) if contest.kind == "classification" else [],
        "best": contest.best.name,
        "failures": _failures(contest, facts, note),
        "learned": _learned(contest, facts, note) if contest.examination else None,
        "belief": _belief(contest, note),
    }


def _figures(contest: Contest, facts: Mapping[str, Material], note: str) -> dict[str, list[dict[str, Any]]]:
    """Groups of figures, each with its caption and a fixed id."""
    unit = f" ({contest.unit})" if contest.unit else ""
    if contest.kind == "regression":
        error = f"validation MAE{unit}"
        loss = "loss, scaled targets"
    else:
        error, loss = "share of wrong classes, validation", "loss, NLL (nats)"
    every_seed = "Every seed, and the mean prediction"
    groups = {
        "scores": [_figure(contest, "scores", every_seed, comparison.scores(contest, note))],
        "headline": [_figure(contest, "headline", every_seed, comparison.scores(contest, note))],
        "learning": [
            _figure(contest, quantity, caption, comparison.learning_curves(contest, quantity, title, note))
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
            _figure(contest, "targets", f"Targets of task {contest.task}", comparison.targets(contest, note))
        ]
        for model in contest.models:
            if model.name != "mean":  # a level line
                figure = comparison.parity(contest, model, facts, note)
                groups["predictions"].append(_figure(contest, f"parity-{model.name}", model.name, figure, model.name))
        residuals = comparison.residuals(contest, note)
        groups["residuals"] = [_figure(contest, "residuals", "Residuals", residuals)]
    elif len(set(contest.target)) == 2:
        groups["predictions"] += [
            _figure(contest, "roc", "ROC", comparison.roc(contest, note)),
            _figure(contest, "precision", "Precision and recall", comparison.precision_recall(contest, note)),
        ]
    return groups


def _figure(contest: Contest, name: str, caption: str, figure: go.Figure, model: str = "") -> dict[str, Any]:
    return figure_view(f"{contest.key}-{name}", caption, figure, model)


def figure_view(name: str, caption: str, figure: go.Figure, model: str = "") -> dict[str, Any]:
    """What the macro `figure` draws; `model` hides it with its model."""
    return {"id": name, "caption": caption, "model": model, "content": figure.to_plotly_json()}


def _failures(contest: Contest, facts: Mapping[str, Material], note: str) -> dict[str, Any]:
    """Errors by what the test materials are, and the worst of them."""
    own = [facts[name] for name in contest.material_id]
    bins, bin_order = failures.site_bins([material.n_sites for material in own])
    labels = {
        "crystal system": ([material.crystal_system for material in own], (*CRYSTAL_SYSTEMS, "unknown")),
        "anion": ([material.anion for material in own], ()),
        "family": ([material.family for material in own], ()),
        "number of sites in the cell": (bins, bin_order),
    }
    compared = [model for model in contest.models if not model.is_baseline or model.name == "composition"]
    figures, alike = [], []
    for what, (label, order) in labels.items():
        if len(set(label)) < 2:
            alike.append((what, label[0]))
            continue
        groups = {model.name: failures.grouped(errors_of(contest, model), label, order) for model in compared}
        name = f"by-{what.split()[0]}"
        height = 110 + 30 * min(len(set(label)), 12)
        figures.append(
            _figure(contest, name, f"By {what}", failing.by_group(contest, groups, note)) | {"height": height}
        )
    best = contest.best
    if contest.examination is not None:
        figure = failing.by_distance(contest, best, facts, note)
        figures.append(
            _figure(contest, "by-distance", "By distance to the training materials", figure) | {"height": 320}
        )
    worst = failures.worst(contest, best, facts)
    return {"figures": figures, "alike": alike, "worst": worst, "elements": _error_by_element(contest, best, own)}


def _error_by_element(contest: Contest, model: Model, own: Sequence[Material]) -> Any:
    found = failures.by_element(errors_of(contest, model), [material.elements for material in own])
    most = max(group.mean for group in found.values()) or 1.0
    unit = f" {contest.unit}" if contest.kind == "regression" and contest.unit else ""
    texts = {
        z: (
            words.number(group.mean, 2),
            f"{group.label}: {words.number(group.mean, 4)}{unit} over {group.n} test materials",
            group.mean / most,
        )
        for z, group in found.items()
    }
    return periodic_table(texts)


def _learned(contest: Contest, facts: Mapping[str, Material], note: str) -> dict[str, Any]:
    """Maps of crystals and elements, and what sites add."""
    examination = contest.examination
    assert examination is not None
    families = {name: facts[name].family for name in contest.everything}
    label = "family"
    if len(set(families.values())) < 2:
        families, label = {name: facts[name].crystal_system for name in contest.everything}, "crystal system"
    maps = []
    for projection, name in (("pca", "PCA"), ("umap", "UMAP")):
        if not learned.has(examination, projection):
            continue
        if contest.kind == "regression":
            figure = learned.by_target(contest, projection, facts, note)
            maps.append(_figure(contest, f"{projection}-target", f"{name}, coloured by the target", figure))
        figure = learned.by_label(contest, projection, facts, families)
        maps.append(_figure(contest, f"{projection}-label", f"{name}, coloured by {label}", figure))
    elements = _figure(contest, "elements", "Elements, as the first layer places them", learned.elements(examination))
    chosen = _chosen_crystals(contest, examination, facts)
    sites = _figure(contest, "sites", "What the sites add", learned.contributions(contest, chosen, note))
    unit = contest.unit if contest.kind == "regression" else "log odds"
    table = _contribution_by_element(contest, examination, unit)
    return {"maps": maps, "elements": elements, "sites": sites, "periodic": table, "unit": unit}


def _chosen_crystals(contest: Contest, examination: Examination, facts: Mapping[str, Material]) -> list[Chosen]:
    """Test materials from the lowest to the highest prediction, evenly by rank."""
    order = np.argsort(contest.best.prediction.mean(axis=0), kind="stable")
    rows = order[np.unique(np.linspace(0, len(order) - 1, min(N_CHOSEN, len(order))).astype(int))]
    names = [contest.material_id[row] for row in rows]
    return [
        (name, facts[name].formula, np.asarray(examination.crystals.at[name, "contributions"]), examination.sites[name])
        for name in names
    ]


def _contribution_by_element(contest: Contest, examination: Examination, unit: str) -> Any:
    """Mean over the sites of an element of what a site would add if the crystal were made of sites like it."""
    added = examination.crystals.loc[list(contest.everything), "contributions"]
    values = np.concatenate([np.asarray(sites) * len(sites) for sites in added])
    numbers = np.concatenate([examination.sites[name] for name in contest.everything])
    means = {int(z): float(values[numbers == z].mean()) for z in np.unique(numbers)}
    most = max(map(abs, means.values())) or 1.0
    texts = {}
    for z, mean in means.items():
        title = f"{SYMBOLS[z]}: {words.number(mean, 3)} {unit}, {np.sum(numbers == z)} sites"
        texts[z] = (words.number(mean, 1), title, mean / most)
    return periodic_table(texts)


def _belief(contest: Contest, note: str) -> dict[str, Any]:
    """Invariance of every variant, and how far its uncertainty can be believed."""
    rows = []
    thousandth = 1000 if contest.kind == "regression" else 100
    unit = f"10⁻³ {contest.unit}" if contest.kind == "regression" else "percentage points"
    unit = unit.replace("10⁻³ eV", "meV")
    if contest.examination is not None:
        for name in (model.name for model in contest.variants):
            found = contest.examination.invariance[name]
            changes = {how: (thousandth * c["mean"], thousandth * c["largest"]) for how, c in found.items()}
            rows.append({"name": name, "changes": changes})
    calibrations = {model.name: calibration(contest, model) for model in contest.variants}
    factors = {name: each.factor for name, each in calibrations.items() if each}
    figures = []
    if contest.kind == "classification":
        figure = belief.reliability_diagram(contest, note)
        figures.append(_figure(contest, "reliability", "Reliability of the mean probability", figure))
    elif factors:
        figures = [
            _figure(contest, "spread", "Spread of the seeds and error", belief.spread_and_error(contest, note)),
            _figure(contest, "coverage", "Promised and found", belief.coverage(contest, note)),
        ]
    cells = contest.examination.cells if contest.examination else 0
    return {"rows": rows, "unit": unit, "figures": figures, "factors": factors, "cells": cells}
