"""The page of `make study`: how scores depend on the kind of split, and on how many materials were trained on."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cgcnn.metrics import HEADLINE
from cgcnn.report import words
from cgcnn.report.belief import LEVELS, calibration
from cgcnn.report.compare import best_score, mean_score, verdict
from cgcnn.report.figures import study as figures
from cgcnn.report.page import document, legend
from cgcnn.report.results import Contest, Run
from cgcnn.report.sections import figure_view

_PROMISED = 0.9  # share of the intervals whose coverage is told


def render(run: Run, ladder: Sequence[str], learning: str) -> str:
    """One HTML page.

    Args:
        run: loaded with all the splits of the study.
        ladder: kinds of split to put side by side.
        learning: split whose training materials were thinned out; its contests are named learning-share.
    """
    return document(
        "study.html",
        ("page.js",),
        title="How far do the scores carry?",
        legend=legend(run),
        metrics=words.METRICS,
        banner=words.labels_of(run.about),
        meanings=[words.SPLITS[split] for split in ladder],
        learning=words.SPLITS[learning][0],
        tasks=[_task(run, task, ladder, learning) for task in dict.fromkeys(contest.task for contest in run.contests)],
    )


def _task(run: Run, task: str, ladder: Sequence[str], learning: str) -> dict[str, Any]:
    own = {contest.split: contest for contest in run.contests if contest.task == task}
    rungs = [own[split] for split in ladder]
    sizes = sorted(
        (contest for split, contest in own.items() if split.partition("-")[0] == learning),
        key=lambda contest: int(contest.is_training.sum()),
    )
    kind = rungs[0].kind
    note = words.label_note(run.about, kind)
    return {
        "name": task,
        "note": note,
        "verdicts": [(words.SPLITS[contest.split][0], _verdict(run, contest)) for contest in rungs],
        "headline": HEADLINE[kind],
        "unit": rungs[0].unit,
        "ladder": _table(rungs),
        "splits": [words.SPLITS[contest.split][0] for contest in rungs],
        "n_test": [len(contest.target) for contest in rungs],
        "sizes": _table(sizes),
        "n_train": [int(contest.is_training.sum()) for contest in sizes],
        "figures": [
            figure_view(f"{task}-ladder", "By kind of split", figures.ladder(rungs, note)),
            figure_view(f"{task}-sizes", "By number of training materials", figures.learning_curve(sizes, note)),
        ],
        "calibration": [_calibration(contest) for contest in rungs],
    }


def _verdict(run: Run, contest: Contest) -> list[str]:
    """Which variant wins, and what stands first against it."""
    evaluation = run.provenance["settings"]["evaluation"]
    note = words.label_note(run.about, contest.kind)
    return verdict(contest, note, evaluation["bootstrap"], evaluation["seed"])[:2]


def _table(contests: Sequence[Contest]) -> list[dict[str, Any]]:
    """A row a model: its headline metric, mean and spread over the seeds, in each contest; the best in bold."""
    headline = HEADLINE[contests[0].kind]
    decimals = words.decimals_for(mean_score(c, m) for c in contests for m in c.models) if headline == "mae" else 3
    rows = []
    for place, model in enumerate(contests[0].models):
        cells = []
        for contest in contests:
            own = contest.models[place]
            score = own.scores["summary"]["test"][headline]
            text = words.with_spread(score["mean"], score["std"], decimals)
            cells.append((text, mean_score(contest, own) == best_score(contest)))
        rows.append({"name": model.name, "is_baseline": model.is_baseline, "cells": cells})
    return rows


def _calibration(contest: Contest) -> list[str]:
    """Of each variant: the share of targets in intervals that promise _PROMISED, and after rescaling; or the ECE."""
    cells = []
    for model in contest.variants:
        found = calibration(contest, model)
        if contest.kind == "classification":
            ece = model.scores["summary"]["test"]["ece"]
            cells.append(words.with_spread(ece["mean"], ece["std"]))
        elif found is None:
            cells.append(words.DASH)
        else:
            level = int(np.argmin(np.abs(LEVELS - _PROMISED)))
            cells.append(f"{found.observed[level]:.0%}, rescaled {found.rescaled[level]:.0%}")
    return cells
