"""Scores of all models over groups of the test materials."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import plotly.graph_objects as go

from cgcnn.report.figures.base import BASELINE_COLOURS, VARIANT_COLOURS, empty, escape, plain

LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom"}  # above the figure, however many lines it takes


def grouped(groups: Sequence[Mapping[str, Any]], models: Sequence[str], x_title: str, y_title: str) -> go.Figure:
    """A bar for each model in each group, in the colours of the report; below each group how many there are."""
    figure = empty(x_title, y_title)
    places = [f"{escape(group['group'])}<br>n = {group['n']}" for group in groups]
    others = cycle(VARIANT_COLOURS)
    for model in sorted(models, key=lambda name: name in BASELINE_COLOURS):  # variants first
        figure.add_bar(
            x=places,
            y=plain(group["scores"][model] for group in groups),
            name=escape(model),
            marker={"color": BASELINE_COLOURS.get(model) or next(others), "line": {"width": 0}},
            hovertemplate=f"{escape(model)}: %{{y:.4f}}<extra></extra>",
        )
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(rangemode="tozero")
    figure.update_layout(barmode="group", showlegend=True, legend=LEGEND)
    return figure
