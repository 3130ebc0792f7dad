"""Who wins: scores of every seed, learning curves, predictions against targets, curves of a classification."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
import sklearn.metrics as sk
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from cgcnn.metrics import HEADLINE, LOWER_IS_BETTER
from cgcnn.report.figures.base import SUBSET_COLOURS, axis_title, empty, escape, log_ticks, plain, styled, styles
from cgcnn.report.materials import Material
from cgcnn.report.results import Contest, Model
from cgcnn.report.words import METRICS, readable

MOST_POINTS = 2500  # of a parity plot
_ENOUGH_FOR_DENSITY = 60
_DENSITY_BINS = 32


def scores(contest: Contest, note: str) -> go.Figure:
    """Headline metric on the test materials: a dot a seed, and their mean prediction with its interval."""
    metric = HEADLINE[contest.kind]
    name = METRICS[metric][0]
    figure = empty(axis_title(f"test {name}", contest.unit if metric == "mae" else "", note), "")
    for model, style in styled(contest.models):
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
    figure = empty("epoch", title + (f"<br>{escape(note)}" if note else ""))
    for model, style in styled(contest.variants):
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
        ticks = log_ticks(min(drawn), max(drawn))
        figure.update_yaxes(type="log", tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks])
    return figure


def parity(contest: Contest, model: Model, facts: Mapping[str, Material], note: str) -> go.Figure:
    """Mean prediction of the seeds against the target, a dot a test material, on axes that all models share."""
    quantity = readable(contest.target_name)
    figure = empty(axis_title(quantity, contest.unit, note), axis_title("predicted", contest.unit, note))
    style = styles(contest.models)[model.name]
    unit = f" {escape(contest.unit)}" if contest.unit else ""
    mean, low, high = (f(model.prediction, axis=0) for f in (np.mean, np.min, np.max))
    rows = _shown(np.abs(mean - contest.target))
    if len(contest.target) >= _ENOUGH_FOR_DENSITY:
        figure.add_trace(_density(contest.target, mean, style.colour, model.name))
    figure.add_scatter(
        x=plain(contest.target[rows]),
        y=plain(mean[rows]),
        customdata=[
            [
                escape(contest.material_id[row]),
                escape(contest.formula[row]),
                facts[contest.material_id[row]].space_group,
                f"{low[row]:.3f} to {high[row]:.3f}",
                f"{mean[row] - contest.target[row]:+.3f}",
            ]
            for row in rows
        ],
        mode="markers",
        marker={"color": style.colour, "size": 6, "opacity": 0.5, "symbol": style.symbol},
        hovertemplate=f"%{{customdata[1]}} (%{{customdata[0]}})<br>space group %{{customdata[2]}}"
        f"<br>target %{{x:.3f}}{unit}<br>predicted %{{y:.3f}}{unit}, error %{{customdata[4]}}"
        "<br>seeds %{customdata[3]}<extra></extra>",
        meta=model.name,
    )
    everything = np.concatenate([contest.target, *(shown.prediction.mean(axis=0) for shown in contest.models)])
    margin = 0.04 * float(np.ptp(everything)) or 0.5
    ends = [float(everything.min()) - margin, float(everything.max()) + margin]
    figure.add_shape(type="line", x0=ends[0], y0=ends[0], x1=ends[1], y1=ends[1], line={"width": 1, "dash": "dot"})
    figure.update_xaxes(range=ends)
    figure.update_yaxes(range=ends)
    return figure


def _shown(errors: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows of the materials that are drawn: all, or the worst half of MOST_POINTS and others evenly."""
    order = np.argsort(-errors, kind="stable")
    if len(order) <= MOST_POINTS:
        return np.arange(len(order))
    others = order[MOST_POINTS // 2 :]
    step = -(-len(others) // (MOST_POINTS // 2))
    return np.sort(np.concatenate([order[: MOST_POINTS // 2], others[::step]]))


def _density(x: NDArray[np.float64], y: NDArray[np.float64], colour: str, name: str) -> go.Contour:
    """Lines of equal density of points (x, y), from a smoothed histogram."""
    counts, x_edges, y_edges = np.histogram2d(x, y, bins=_DENSITY_BINS)
    smooth = gaussian_filter(counts, 1.2)
    most = float(smooth.max())
    return go.Contour(
        x=plain((x_edges[:-1] + x_edges[1:]) / 2),
        y=plain((y_edges[:-1] + y_edges[1:]) / 2),
        z=[[float(f"{value:.3g}") for value in row] for row in smooth.T],
        contours={"coloring": "none", "start": most / 8, "end": most, "size": most / 5},
        line={"color": colour, "width": 1},
        opacity=0.7,
        showscale=False,
        hoverinfo="skip",
        meta=name,
    )


def residuals(contest: Contest, note: str) -> go.Figure:
    """How the errors of the mean predictions are spread: one outline a model."""
    figure = empty(axis_title("predicted less target", contest.unit, note), "materials")
    off = {model.name: model.prediction.mean(axis=0) - contest.target for model in contest.models}
    reach = float(np.quantile(np.abs(np.concatenate(list(off.values()))), 0.99)) or 1.0
    edges = np.linspace(-reach, reach, 42)
    centres = plain((edges[:-1] + edges[1:]) / 2)
    for model, style in styled(contest.models):
        counts, _ = np.histogram(np.clip(off[model.name], -reach, reach), bins=edges)
        figure.add_scatter(
            x=centres,
            y=counts.tolist(),
            mode="lines",
            line={"color": style.colour, "width": 1.6, "dash": style.dash, "shape": "hvh"},
            hovertemplate=f"{escape(model.name)}<br>%{{y}} materials around %{{x:.3f}}<extra></extra>",
            meta=model.name,
        )
    return figure


def precision_recall(contest: Contest, note: str) -> go.Figure:
    """Precision against recall on the test materials, which hold both classes: one curve a seed."""
    positive = escape(contest.classes[1])
    end = f"<br>{escape(note)}" if note else ""
    figure = empty(f"recall ({positive}){end}", f"precision{end}")
    for model, style in styled(contest.models):
        for seed, prediction in zip(model.seeds, model.prediction, strict=True):
            if np.ptp(prediction) == 0:
                continue  # one probability for all is a point on the dotted line, no curve
            precision, recall, _ = sk.precision_recall_curve(contest.target, prediction, drop_intermediate=True)
            area = sk.average_precision_score(contest.target, prediction)
            figure.add_scatter(
                x=plain(recall),
                y=plain(precision),
                mode="lines",
                line={"color": style.colour, "width": 1.5, "dash": style.dash},
                opacity=0.8,
                hovertemplate=f"{escape(model.name)}, seed {seed}, average precision {area:.3f}"
                "<br>recall %{x:.1%}<br>precision %{y:.1%}<extra></extra>",
                meta=model.name,
            )
    share = float(contest.target.mean())  # of guessing
    figure.add_shape(type="line", x0=0, y0=share, x1=1, y1=share, line={"width": 1, "dash": "dot"})
    figure.update_xaxes(range=[-0.02, 1.02], tickformat=".0%")
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%")
    return figure


def roc(contest: Contest, note: str) -> go.Figure:
    """Receiver operating characteristic on the test materials, which hold both classes: one curve a seed."""
    positive = escape(contest.classes[1])
    end = f"<br>{escape(note)}" if note else ""
    figure = empty(f"false positive rate{end}", f"true positive rate ({positive}){end}")
    for model, style in styled(contest.models):
        for seed, prediction in zip(model.seeds, model.prediction, strict=True):
            false_rate, true_rate, _ = sk.roc_curve(contest.target, prediction)
            area = sk.roc_auc_score(contest.target, prediction)
            figure.add_scatter(
                x=plain(false_rate),
                y=plain(true_rate),
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
    figure = empty(axis_title(readable(contest.target_name), contest.unit, note), "materials")
    edges = np.histogram_bin_edges(contest.targets, bins=40)
    centres = plain((edges[:-1] + edges[1:]) / 2)
    subset = np.asarray(contest.subset)
    for name, colour in SUBSET_COLOURS.items():
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
