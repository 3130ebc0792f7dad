"""Scores of all models over groups of the test materials."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import plotly.graph_objects as go

from cgcnn.report.figures.base import BASELINE_COLOURS, VARIANT_COLOURS, empty, escape, plain


def grouped(groups: Sequence[Mapping[str, Any]], x_title: str, y_title: str) -> go.Figure:
    """A bar for each model in each group, variants first; below each group how many there are."""
    figure = empty(x_title, y_title)
    places = [f"{escape(group['group'])}<br>n = {group['n']}" for group in groups]
    models = sorted(groups[0]["scores"], key=lambda name: (name in BASELINE_COLOURS, name))
    others = cycle(VARIANT_COLOURS)
    for model in models:
        figure.add_bar(
            x=places,
            y=plain(group["scores"][model] for group in groups),
            name=escape(model),
            marker={"color": BASELINE_COLOURS.get(model) or next(others), "line": {"width": 0}},
            hovertemplate=f"{escape(model)}: %{{y:.4f}}<extra></extra>",
        )
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(rangemode="tozero")
    figure.update_layout(barmode="group", showlegend=True, legend={"orientation": "h", "y": 1.12})
    return figure
