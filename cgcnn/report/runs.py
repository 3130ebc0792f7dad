"""Two runs on one page: what was set otherwise, what came out otherwise, and which materials changed most."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cgcnn.errors import InputError
from cgcnn.metrics import HEADLINE, LOWER_IS_BETTER, paired
from cgcnn.report import words
from cgcnn.report.compare import errors_of, mean_score
from cgcnn.report.contents import as_text, flattened
from cgcnn.report.materials import for_viewer
from cgcnn.report.page import document
from cgcnn.report.results import Contest, Model, Run, load
from cgcnn.tables import read_json

N_CHANGED = 20


def load_run(folder: Path) -> Run:
    """A finished run: the folder that holds its data/ and results/.

    Raises:
        InputError: there is no run, or a file of it is missing.
    """
    if not (folder / "results/provenance.json").is_file():
        raise InputError(
            f"{folder}: no finished run, without results/provenance.json. Name a folder such as runs/mine."
        )
    settings = read_json(folder / "results/provenance.json")["settings"]
    section = {name: settings[name] for name in ("report", "tasks", "splits", "variants", "baselines")}
    return load({**section, "examination": False}, folder / "data", folder / "results")


def render(names: tuple[str, str], runs: tuple[Run, Run]) -> str:
    """One HTML page on two runs, told apart by their names."""
    a, b = ({contest.key: contest for contest in run.contests} for run in runs)
    both = [(a[key], b[key]) for key in a if key in b]
    common = [(one, other) for one, other in both if _predicted(one) == _predicted(other)]
    unlike = [(one, _predicted(one), _predicted(other)) for one, other in both if _predicted(one) != _predicted(other)]
    changed = [_changes(*pair) for pair in common]
    first = list(dict.fromkeys(row["material_id"] for view in changed if view for row in view["rows"]))
    known = set(runs[0].structures["material_id"].to_pylist())
    return document(
        "runs.html",
        ("page.js", "viewer.js"),
        title=f"{names[0]} and {names[1]}",
        names=names,
        legend=[],
        banners=[words.label_note(run.about, "regression") for run in runs],
        settings=_differences(*({k: v for k, v in run.provenance["settings"].items() if k != "run"} for run in runs)),
        data=_differences(*(_data(run) for run in runs)),
        made_by=_differences(*({k: v for k, v in run.provenance.items() if k != "settings"} for run in runs)),
        only=[sorted(set(a) - set(b)), sorted(set(b) - set(a))],
        unlike=unlike,
        contests=[{**_scores(*pair), "changes": view} for pair, view in zip(common, changed, strict=True)],
        structures=for_viewer(runs[0].structures, [name for name in first if name in known], {}),
    )


def _predicted(contest: Contest) -> str:
    """What must be the same for scores to be compared: the quantity and its unit, or the classes."""
    if contest.kind == "classification":
        return f"{contest.classes[0]} or {contest.classes[1]}"
    return words.readable(contest.target_name) + (f" in {contest.unit}" if contest.unit else "")


def _differences(a: Any, b: Any) -> list[tuple[str, str, str]]:
    """Dotted path and both values wherever two nested mappings differ."""
    left, right = flattened(a), flattened(b)
    return [
        (key, left.get(key, words.DASH), right.get(key, words.DASH))
        for key in dict.fromkeys([*left, *right])
        if left.get(key) != right.get(key)
    ]


def _data(run: Run) -> dict[str, Any]:
    about = {key: as_text(value) if not isinstance(value, dict) else value for key, value in run.about.items()}
    splits = {c.key: {n: list(c.subset).count(n) for n in ("train", "validation", "test")} for c in run.contests}
    return {"materials": len(run.structures), "rejected": len(run.rejects), **about, "splits": splits}


def _scores(a: Contest, b: Contest) -> dict[str, Any]:
    """Headline metric of every model in both, and the difference on the test materials that both have."""
    metric = HEADLINE[a.kind]
    scored = [mean_score(contest, model) for contest in (a, b) for model in contest.models]
    places = words.decimals_for(scored) if metric in LOWER_IS_BETTER else 3
    models_a, models_b = ({model.name: model for model in contest.models} for contest in (a, b))
    rows = []
    for name in dict.fromkeys([*models_a, *models_b]):
        cells = []
        for models in (models_a, models_b):
            found = models[name].scores["summary"]["test"][metric] if name in models else {"mean": None, "std": None}
            cells.append(words.with_spread(found["mean"], found["std"], places))
        both = name in models_a and name in models_b
        change = _change(a, models_a[name], b, models_b[name], places) if both else (words.DASH, "")
        rows.append({"name": name, "cells": cells, "change": change})
    shared = len(set(a.material_id) & set(b.material_id))
    counts = {"shared": shared, "n_test": [len(a.target), len(b.target)]}
    return {"contest": a, "metric": words.METRICS[metric][0], "rows": rows, **counts}


def _change(a: Contest, model_a: Model, b: Contest, model_b: Model, places: int) -> tuple[str, str]:
    """By how much the error of the second is larger on the test materials that both have, and the paired interval."""
    rows_a, rows_b = _common_rows(a, b)
    if not len(rows_a):
        return words.DASH, ""
    errors = errors_of(b, model_b)[rows_b], errors_of(a, model_a)[rows_a]
    found = paired("regression", np.zeros(len(rows_a)), *errors)
    difference, low, high = (found[key] for key in ("difference", "low", "high"))
    assert not isinstance(difference, str) and not isinstance(low, str) and not isinstance(high, str)
    sign = "+" if difference is not None and difference > 0 else ""
    return sign + words.number(difference, places), words.interval(low, high, places)


def _common_rows(a: Contest, b: Contest) -> tuple[np.ndarray, np.ndarray]:
    place = {name: row for row, name in enumerate(b.material_id)}
    rows = [(row, place[name]) for row, name in enumerate(a.material_id) if name in place]
    found = np.array(rows, dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _changes(a: Contest, b: Contest) -> dict[str, Any] | None:
    """The common test materials whose prediction changed most, by the best variant of the first run that both have."""
    shared = [model for model in a.variants if model.name in {other.name for other in b.variants}]
    rows_a, rows_b = _common_rows(a, b)
    if not shared or not len(rows_a):
        return None
    model = a.best if a.best in shared else shared[0]
    other = next(each for each in b.variants if each.name == model.name)
    before, after = model.prediction.mean(axis=0)[rows_a], other.prediction.mean(axis=0)[rows_b]
    order: Sequence[int] = np.argsort(-np.abs(after - before), kind="stable")[:N_CHANGED].tolist()
    rows = [
        {
            "material_id": a.material_id[rows_a[k]],
            "formula": a.formula[rows_a[k]],
            "targets": (float(a.target[rows_a[k]]), float(b.target[rows_b[k]])),
            "predictions": (float(before[k]), float(after[k])),
            "change": float(after[k] - before[k]),
        }
        for k in order
        if after[k] != before[k]
    ]
    return {"model": model.name, "rows": rows}
