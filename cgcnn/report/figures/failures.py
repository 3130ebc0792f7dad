"""Where it fails: errors by what a material is, and by how far it is from the training materials."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from cgcnn.metrics import HEADLINE
from cgcnn.report.compare import errors_of
from cgcnn.report.failures import Group
from cgcnn.report.figures.base import axis_title, empty, escape, plain, styles
from cgcnn.report.materials import Material
from cgcnn.report.results import Contest, Model
from cgcnn.report.words import METRICS

_MOST_GROUPS = 12
_BINS = 6  # of equal counts, by distance


def error_title(contest: Contest, note: str) -> str:
    """What the error of some test materials is called on an axis."""
    if contest.kind == "classification":
        return axis_title("share of wrong classes", "", note)
    return axis_title(METRICS[HEADLINE["regression"]][0], contest.unit, note)


def by_group(contest: Contest, groups: Mapping[str, Sequence[Group]], note: str) -> go.Figure:
    """Mean error of each group, a dot a model with its standard error; `groups` by the name of the model."""
    figure = empty(error_title(contest, note), "")
    looks = styles(contest.models)
    for name, found in groups.items():
        shown = found[:_MOST_GROUPS]
        figure.add_scatter(
            x=plain(group.mean for group in shown),
            y=[f"{escape(group.label)} ({group.n})" for group in shown],
            error_x={
                "type": "data",
                "array": plain(group.standard_error or 0 for group in shown),
                "color": looks[name].colour,
                "thickness": 1,
                "width": 3,
            },
            mode="markers",
            marker={"color": looks[name].colour, "symbol": looks[name].symbol, "size": 8},
            hovertemplate=f"{escape(name)}, %{{y}}<br>%{{x:.4f}}<extra></extra>",
            meta=name,
        )
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False)
    figure.update_xaxes(rangemode="tozero")
    return figure


def by_distance(contest: Contest, model: Model, facts: Mapping[str, Material], note: str) -> go.Figure:
    """Error of each test material of the model that was examined against its distance to the training materials."""
    figure = empty("distance to training", error_title(contest, note))
    if contest.examination is None:
        return figure
    style = styles(contest.models)[model.name]
    distance = contest.examination.crystals.loc[list(contest.material_id)]
    far, error = distance["distance"].to_numpy(), errors_of(contest, model)
    hover = [
        [escape(name), escape(formula), escape(facts[nearest].formula)]
        for name, formula, nearest in zip(contest.material_id, contest.formula, distance["nearest"], strict=True)
    ]
    figure.add_scatter(
        x=plain(far),
        y=plain(error),
        customdata=hover,
        mode="markers",
        marker={"color": style.colour, "size": 5, "opacity": 0.45},
        hovertemplate="%{customdata[1]} (%{customdata[0]})<br>nearest: %{customdata[2]}, %{x:.2f}"
        "<br>error %{y:.4f}<extra></extra>",
        meta=model.name,
    )
    parts = np.array_split(np.argsort(far, kind="stable"), min(_BINS, len(far)))
    figure.add_scatter(
        x=plain(far[part].mean() for part in parts),
        y=plain(error[part].mean() for part in parts),
        customdata=[len(part) for part in parts],
        mode="lines+markers",
        line={"color": "#E69F00", "width": 2.5},
        marker={"size": 8, "symbol": "square", "color": "#E69F00"},
        hovertemplate="mean of %{customdata} materials<br>%{y:.4f}<extra></extra>",
    )
    figure.update_yaxes(rangemode="tozero")
    return figure
