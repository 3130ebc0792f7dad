"""How scores depend on the kind of split, and on how many materials were trained on."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from cgcnn.metrics import HEADLINE, LOWER_IS_BETTER
from cgcnn.report.figures.base import axis_title, empty, escape, log_ticks, plain, styled
from cgcnn.report.results import Contest, Model
from cgcnn.report.words import METRICS, SPLITS


def ladder(contests: Sequence[Contest], note: str) -> go.Figure:
    """Headline metric of every seed under each kind of split; a line joins the means of a model."""
    figure = empty("", _title(contests[0], note))
    names = [SPLITS[contest.split][0] for contest in contests]
    _draw(figure, contests, names)
    figure.update_xaxes(type="category", showgrid=False)
    if HEADLINE[contests[0].kind] in LOWER_IS_BETTER:
        figure.update_yaxes(rangemode="tozero")
    return figure


def learning_curve(contests: Sequence[Contest], note: str) -> go.Figure:
    """The same against the number of training materials, errors on logarithmic axes: a power law is a line there."""
    figure = empty("training materials", _title(contests[0], note))
    sizes = [int(contest.is_training.sum()) for contest in contests]
    _draw(figure, contests, sizes)
    figure.update_xaxes(type="log", tickvals=sizes, ticktext=[str(size) for size in sizes])
    if HEADLINE[contests[0].kind] in LOWER_IS_BETTER:
        drawn = [value for trace in figure.data for value in trace.y]
        if min(drawn) > 0:
            ticks = log_ticks(min(drawn), max(drawn))
            figure.update_yaxes(type="log", tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks])
    return figure


def _title(contest: Contest, note: str) -> str:
    metric = HEADLINE[contest.kind]
    return axis_title(f"test {METRICS[metric][0]}", contest.unit if metric == "mae" else "", note)


def _draw(figure: go.Figure, contests: Sequence[Contest], places: Sequence[str | int]) -> None:
    metric = HEADLINE[contests[0].kind]
    for row, (model, style) in enumerate(styled(contests[0].models)):
        seeds = [_of_seeds(contest.models[row], metric) for contest in contests]
        name = escape(model.name)
        figure.add_scatter(
            x=list(places),
            y=plain(np.mean(values) for values in seeds),
            mode="lines",
            line={"color": style.colour, "width": 1.6, "dash": style.dash},
            hovertemplate=f"{name}, mean of the seeds<br>%{{x}}: %{{y:.4f}}<extra></extra>",
            meta=model.name,
        )
        figure.add_scatter(
            x=[place for place, values in zip(places, seeds, strict=True) for _ in values],
            y=plain(value for values in seeds for value in values),
            mode="markers",
            marker={"color": style.colour, "symbol": style.symbol, "size": 7, "opacity": 0.75},
            hovertemplate=f"{name}, one seed<br>%{{x}}: %{{y:.4f}}<extra></extra>",
            meta=model.name,
        )


def _of_seeds(model: Model, metric: str) -> list[float]:
    return [float(parts["test"][metric]) for parts in model.scores["seeds"].values()]
