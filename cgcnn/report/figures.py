"""The figures: from a contest to plotly. Colours of text and grid belong to the page's style sheet, light or dark.

Plotly reads text as if it were HTML, so every text from the data goes through `escape`. `meta` of a trace is the name
of its model, by which the page shows and hides it everywhere at once.
"""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
import plotly.graph_objects as go
import sklearn.metrics as sk

from cgcnn.metrics import HEADLINE, LOWER_IS_BETTER
from cgcnn.report.results import Contest, Model
from cgcnn.report.words import METRICS, readable

# Okabe & Ito's colours that show on white and on near-black; told apart by the colour-blind, and by symbol and dash.
_VARIANT_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_VARIANT_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "pentagon")
_BASELINE_COLOURS = {"mean": "#9aa1a9", "elements": "#8a6f4d", "composition": "#5f6770"}
_BASELINE_SYMBOLS = {"mean": "x", "elements": "triangle-down", "composition": "star"}
_BASELINE_DASHES = {"mean": "dot", "elements": "dash", "composition": "dashdot"}
_SUBSET_COLOURS = {"train": "#56708f", "validation": "#93a8c0", "test": "#E69F00"}

_FONT = {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 12}
_LINE_STYLE = {"showline": True, "zeroline": False, "ticks": "outside", "ticklen": 4, "automargin": True}


@dataclass(frozen=True)
class Style:
    """How a model looks in every figure."""

    colour: str
    symbol: str
    dash: str = "solid"


def styles(models: Sequence[Model]) -> dict[str, Style]:
    """A style for each model; that of a variant follows from its place among the variants."""
    looks = zip(cycle(_VARIANT_COLOURS), cycle(_VARIANT_SYMBOLS), strict=True)
    return {
        model.name: Style(_BASELINE_COLOURS[model.name], _BASELINE_SYMBOLS[model.name], _BASELINE_DASHES[model.name])
        if model.is_baseline
        else Style(*next(looks))
        for model in models
    }


def escape(text: str) -> str:
    """Text that plotly shows as it is, instead of reading it as HTML."""
    return html.escape(text, quote=False)


def scores(contest: Contest, note: str) -> go.Figure:
    """Headline metric on the test materials: a dot a seed, and their mean prediction with its interval."""
    metric = HEADLINE[contest.kind]
    name = METRICS[metric][0]
    figure = _figure(_axis_title(f"test {name}", contest.unit if metric == "mae" else "", note), "")
    for model, style in _styled(contest.models):
        per_seed = {seed: parts["test"][metric] for seed, parts in model.scores["seeds"].items()}
        figure.add_scatter(
            x=list(per_seed.values()),
            y=[escape(model.name)] * len(per_seed),
            customdata=[f"seed {seed}" for seed in per_seed],
            mode="markers",
            marker={"color": style.colour, "size": 9, "opacity": 0.75},
            hovertemplate=f"{escape(model.name)}, %{{customdata}}<br>{name} %{{x:.4f}}<extra></extra>",
            meta=model.name,
        )
        ensemble = model.scores["ensemble"]["test"][metric]
        if ensemble["low"] is None:
            continue
        figure.add_scatter(
            x=[ensemble["value"]],
            y=[escape(model.name)],
            error_x={
                "type": "data",
                "array": [ensemble["high"] - ensemble["value"]],
                "arrayminus": [ensemble["value"] - ensemble["low"]],
                "color": style.colour,
                "thickness": 1.5,
                "width": 5,
            },
            mode="markers",
            marker={"color": style.colour, "size": 13, "symbol": "line-ns-open", "line": {"width": 2}},
            hovertemplate=f"{escape(model.name)}, mean prediction of the seeds<br>{name} %{{x:.4f}}"
            f" (95 %: {ensemble['low']:.4f} to {ensemble['high']:.4f})<extra></extra>",
            meta=model.name,
        )
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False)
    if metric in LOWER_IS_BETTER:
        figure.update_xaxes(rangemode="tozero")
    return figure


def learning_curves(contest: Contest, quantity: str, title: str, note: str) -> go.Figure:
    """One line a seed of `quantity` (a key of the history's epochs) against the epoch; a mark on the epoch kept."""
    figure = _figure("epoch", title + (f"<br>{escape(note)}" if note else ""))
    for model, style in _styled(contest.variants):
        for seed, history in model.history.items():
            epochs, values = ([epoch[key] for epoch in history["epochs"]] for key in ("epoch", quantity))
            label = f"{escape(model.name)}, seed {escape(seed)}"
            figure.add_scatter(
                x=epochs,
                y=values,
                mode="lines",
                line={"color": style.colour, "width": 1.3},
                opacity=0.75,
                hovertemplate=f"{label}<br>epoch %{{x}}: %{{y:.4g}}<extra></extra>",
                meta=model.name,
            )
            figure.add_scatter(
                x=[history["best_epoch"]],
                y=[values[epochs.index(history["best_epoch"])]],
                mode="markers",
                marker={"color": style.colour, "size": 8, "symbol": style.symbol},
                hovertemplate=f"{label}, kept<br>epoch %{{x}}: %{{y:.4g}}<extra></extra>",
                meta=model.name,
            )
    drawn = [value for trace in figure.data for value in trace.y]
    if drawn and min(drawn) > 0:
        ticks = _log_ticks(min(drawn), max(drawn))
        figure.update_yaxes(type="log", tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks])
    return figure


def parity(contest: Contest, model: Model, note: str) -> go.Figure:
    """Mean prediction of the seeds against the target, a dot a test material, on axes that all models share."""
    quantity = readable(contest.target_name)
    figure = _figure(_axis_title(quantity, contest.unit, note), _axis_title("predicted", contest.unit, note))
    style = styles(contest.models)[model.name]
    unit = f" {escape(contest.unit)}" if contest.unit else ""
    mean, low, high = (f(model.prediction, axis=0) for f in (np.mean, np.min, np.max))
    figure.add_scatter(
        x=_plain(contest.target),
        y=_plain(mean),
        customdata=[
            [escape(material_id), escape(formula), f"{lowest:.3f} to {highest:.3f}"]
            for material_id, formula, lowest, highest in zip(
                contest.material_id, contest.formula, low, high, strict=True
            )
        ],
        mode="markers",
        marker={"color": style.colour, "size": 6, "opacity": 0.6, "symbol": style.symbol},
        hovertemplate=f"%{{customdata[1]}} (%{{customdata[0]}})<br>target %{{x:.3f}}{unit}"
        f"<br>predicted %{{y:.3f}}{unit}<br>seeds %{{customdata[2]}}{unit}<extra></extra>",
        meta=model.name,
    )
    everything = np.concatenate([contest.target, *(shown.prediction.mean(axis=0) for shown in contest.models)])
    margin = 0.04 * float(np.ptp(everything)) or 0.5
    ends = [float(everything.min()) - margin, float(everything.max()) + margin]
    figure.add_shape(type="line", x0=ends[0], y0=ends[0], x1=ends[1], y1=ends[1], line={"width": 1, "dash": "dot"})
    figure.update_xaxes(range=ends)
    figure.update_yaxes(range=ends)
    return figure


def roc(contest: Contest, note: str) -> go.Figure:
    """Receiver operating characteristic on the test materials, which hold both classes: one curve a seed."""
    positive = escape(contest.classes[1])
    end = f"<br>{escape(note)}" if note else ""
    figure = _figure(f"false positive rate{end}", f"true positive rate ({positive}){end}")
    for model, style in _styled(contest.models):
        for seed, prediction in zip(model.seeds, model.prediction, strict=True):
            false_rate, true_rate, _ = sk.roc_curve(contest.target, prediction)
            area = sk.roc_auc_score(contest.target, prediction)
            figure.add_scatter(
                x=_plain(false_rate),
                y=_plain(true_rate),
                mode="lines",
                line={"color": style.colour, "width": 1.5, "dash": style.dash},
                opacity=0.8,
                hovertemplate=f"{escape(model.name)}, seed {seed}, area {area:.3f}"
                "<br>false positives %{x:.1%}<br>true positives %{y:.1%}<extra></extra>",
                meta=model.name,
            )
    figure.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line={"width": 1, "dash": "dot"})
    figure.update_xaxes(range=[-0.02, 1.02], tickformat=".0%")
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%")
    return figure


def targets(contest: Contest, note: str) -> go.Figure:
    """How the targets of a regression are spread, in training, validation and test."""
    figure = _figure(_axis_title(readable(contest.target_name), contest.unit, note), "materials")
    edges = np.histogram_bin_edges(contest.targets, bins=40)
    centres = _plain((edges[:-1] + edges[1:]) / 2)
    subset = np.asarray(contest.subset)
    for name, colour in _SUBSET_COLOURS.items():
        counts, _ = np.histogram(contest.targets[subset == name], bins=edges)
        figure.add_bar(
            x=centres,
            y=counts.tolist(),
            name=name,
            marker={"color": colour, "line": {"width": 0}},
            hovertemplate=f"{name}: %{{y}} materials around %{{x:.2f}}<extra></extra>",
        )
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"}
    figure.update_layout(barmode="stack", bargap=0.08, showlegend=True, legend=legend)
    return figure


def _figure(x_title: str, y_title: str) -> go.Figure:
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
        "xaxis": {**_LINE_STYLE, "title": {"text": x_title, "standoff": 8}},
        "yaxis": {**_LINE_STYLE, "title": {"text": y_title, "standoff": 6}},
    }
    return go.Figure(layout=layout)


def _styled(models: Sequence[Model]) -> list[tuple[Model, Style]]:
    looks = styles(models)
    return [(model, looks[model.name]) for model in models]


def _axis_title(quantity: str, unit: str, note: str) -> str:
    title = f"{quantity} ({unit})" if unit else quantity
    return escape(title) + (f"<br>{escape(note)}" if note else "")


def _plain(values: Any) -> list[float]:
    """Floats rounded to what a figure can show, so that the page stays small."""
    return [float(f"{value:.5g}") for value in values]


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5 in each decade; all digits where less than a decade is shown."""
    digits = (1, 2, 5) if high / low > 10 else range(1, 10)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [float(f"{digit}e{decade}") for decade in decades for digit in digits]
