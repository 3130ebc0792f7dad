"""What all figures share: how a model looks, empty axes, titles.

Plotly reads text as if it were HTML, so every text from the data goes through `escape`. `meta` of a trace is the name
of its model, by which the page shows and hides it everywhere at once. `customdata` of a point that stands for a
material begins with its id, by which the page opens its structure.
"""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import plotly.graph_objects as go

from cgcnn.report.results import Model

# First Okabe & Ito's colours that show on white and on near-black; told apart by the colour-blind, and by symbol.
VARIANT_COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7"),
    *("#56B4E9", "#6A3D9A", "#6B8E23", "#B2182B", "#1B9E9E"),
)
_VARIANT_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "pentagon")
BASELINE_COLOURS = {"mean": "#9aa1a9", "elements": "#8a6f4d", "composition": "#5f6770"}
_BASELINE_SYMBOLS = {"mean": "x", "elements": "triangle-down", "composition": "star"}
_BASELINE_DASHES = {"mean": "dot", "elements": "dash", "composition": "dashdot"}
SUBSET_COLOURS = {"train": "#56708f", "validation": "#93a8c0", "test": "#E69F00"}

_FONT = {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 12}
_TITLE_FONT = {"size": 13}
_MANY_DECADES = 1e3  # from largest to smallest value
_LINE_STYLE = {"showline": True, "zeroline": False, "ticks": "outside", "ticklen": 4, "automargin": True}


@dataclass(frozen=True)
class Style:
    """How a model looks in every figure."""

    colour: str
    symbol: str
    dash: str = "solid"


def styles(models: Sequence[Model]) -> dict[str, Style]:
    """A style for each model; that of a variant follows from its place among the variants."""
    looks = zip(cycle(VARIANT_COLOURS), cycle(_VARIANT_SYMBOLS), strict=True)
    return {
        model.name: Style(BASELINE_COLOURS[model.name], _BASELINE_SYMBOLS[model.name], _BASELINE_DASHES[model.name])
        if model.is_baseline
        else Style(*next(looks))
        for model in models
    }


def escape(text: str) -> str:
    """Text that plotly shows as it is, instead of reading it as HTML."""
    return html.escape(text, quote=False)


def empty(x_title: str, y_title: str) -> go.Figure:
    """A figure with axes and nothing in them."""
    layout: dict[str, Any] = {
        "template": go.layout.Template(),
        "font": _FONT,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
        "showlegend": False,
        "hovermode": "closest",
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "#8b939b", "activecolor": "#0072B2"},
        "hoverlabel": {"font": _FONT, "align": "left"},
        "xaxis": {**_LINE_STYLE, "title": {"text": x_title, "standoff": 8, "font": _TITLE_FONT}},
        "yaxis": {**_LINE_STYLE, "title": {"text": y_title, "standoff": 6, "font": _TITLE_FONT}},
    }
    return go.Figure(layout=layout)


def styled(models: Sequence[Model]) -> list[tuple[Model, Style]]:
    """Each model with its style."""
    looks = styles(models)
    return [(model, looks[model.name]) for model in models]


def axis_title(quantity: str, unit: str, note: str) -> str:
    """Quantity and unit, and below them what must be said of the labels."""
    title = f"{quantity} ({unit})" if unit else quantity
    return escape(title) + (f"<br>{escape(note)}" if note else "")


def plain(values: Any) -> list[float]:
    """Floats rounded to what a figure can show, so that the page stays small."""
    return [float(f"{value:.5g}") for value in values]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5 in each decade; all digits where less than a decade is shown, 1 alone beyond three decades."""
    ratio = high / low
    digits = range(1, 10) if ratio <= 10 else (1, 2, 5) if ratio <= _MANY_DECADES else (1,)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [float(f"{digit}e{decade}") for decade in decades for digit in digits]
