"""The page of the limits: an experiment a section, each with its figure and what it says."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from cgcnn.report.figures.base import axis_title, empty, escape, plain
from cgcnn.report.figures.limits import LEGEND, grouped
from cgcnn.report.page import document
from cgcnn.report.sections import figure_view
from cgcnn.report.words import label_note, labels_of

_COLOURS = {"cut": "#D55E00", "shells": "#0072B2"}
_FLOOR = 1e-8  # what a logarithmic axis shows in place of 0


def render(found: Mapping[str, Any], about: Mapping[str, object]) -> str:
    """One HTML page of what `scripts/limits.py` found."""
    unit, note = found["unit"], label_note(about, "regression")
    figures = {
        "ties": _ties(found["ties"], unit, note),
        "rows": _rows(found["rows"], unit, note),
        "reach": _reach(found["reach"]),
        "strain": _strain(found["strain"], unit, note),
        "displacement": _displacement(found["displacement"], unit, note),
        "displaced": _unrelaxed(found["unrelaxed"]["displaced"], 1, "displacements (Å)", unit, note),
        "strained": _unrelaxed(found["unrelaxed"]["strained"], 100, "strains (%)", unit, note),
    }
    class_note = label_note(about, "classification")
    scores = {name: axis_title("test MAE", unit, note) for name in ("rarest", "sites", "stability")}
    scores |= {"order": axis_title("share in the right order", "", note)}
    scores |= {"shortcut": axis_title("test accuracy", "", class_note)}
    for name, groups in found["groups"].items():
        if groups:
            figures[name] = grouped(groups, found["models"], _GROUPS[name].format(unit=unit), scores[name])
    return document(
        "limits.html",
        ("page.js",),
        title=f"Where {found['model']} ends",
        legend=[],
        banner=labels_of(about),
        found=found,
        figures={name: figure_view(name, _CAPTIONS[name], figure) for name, figure in figures.items()},
    )


#: Experiment -> what its groups are.
_GROUPS = {
    "shortcut": "test materials by the classes of their formula",
    "order": "difference of the two targets ({unit})",
    "rarest": "training materials that hold its rarest element",
    "sites": "sites of the cell",
    "stability": "energy above the hull (eV/atom)",
}
_CAPTIONS = {
    "shortcut": "Accuracy where the formula tells the class, and where it cannot",
    "order": "Pairs of one formula: is the order of the two targets right?",
    "rarest": "Error by the rarest element of a material",
    "sites": "Error by the size of the cell",
    "stability": "Error by the energy above the hull",
    "rows": "Change of the prediction when several cells in a row are written down as one",
    "ties": "Change of the prediction when nothing physical changes",
    "reach": "Change of a site's features when the element of one site changes",
    "strain": "Prediction against an equal strain of all lattice vectors",
    "displacement": "Prediction while one site moves",
    "displaced": "Error on test structures whose sites were moved",
    "strained": "Error on test structures whose cells were strained",
}


def _ties(ties: Mapping[str, Mapping[str, list[float]]], unit: str, note: str) -> go.Figure:
    figure = empty("", axis_title("|change of the prediction|", unit, note))
    for rule, changes in ties.items():
        for how, values in changes.items():
            figure.add_box(
                x=[how] * len(values),
                y=plain(np.maximum(values, _FLOOR)),
                name=rule,
                boxpoints="all",
                marker={"color": _COLOURS[rule], "size": 3},
                offsetgroup=rule,
                showlegend=how == "rattle",
            )
    figure.update_yaxes(type="log", exponentformat="power", dtick=2)
    figure.update_layout(boxmode="group", showlegend=True, legend=LEGEND)
    return figure


def _rows(rows: Mapping[str, Any], unit: str, note: str) -> go.Figure:
    figure = empty("cells in a row", axis_title("mean |change|", unit, note))
    for rule, changes in rows["changes"].items():
        figure.add_scatter(
            x=rows["cells"],
            y=plain(np.maximum(changes, _FLOOR)),
            name=rule,
            mode="lines+markers",
            line={"color": _COLOURS[rule]},
        )
    figure.update_xaxes(tickvals=rows["cells"])
    figure.update_yaxes(type="log", exponentformat="power", dtick=2)
    figure.update_layout(showlegend=True, legend=LEGEND)
    return figure


def _reach(reach: Mapping[str, Any]) -> go.Figure:
    figure = empty("distance from the changed site (Å)", "norm of the change")
    figure.add_scatter(
        x=plain(reach["distance"]), y=plain(reach["change"]), mode="markers", marker={"color": "#0072B2"}
    )
    figure.add_vline(
        x=reach["bound"], line={"dash": "dot", "color": "#8b939b"}, annotation_text="layers × longest edge"
    )
    figure.update_yaxes(type="log", exponentformat="power", dtick=1)
    return figure


def _strain(strain: Mapping[str, Any], unit: str, note: str) -> go.Figure:
    figure = empty("strain of each lattice vector (%)", axis_title("change of the prediction", unit, note))
    for name, curve in zip(strain["ids"], strain["curves"], strict=True):
        figure.add_scatter(
            x=plain(100 * np.array(strain["strains"])),
            y=plain(np.array(curve) - curve[len(curve) // 2]),
            mode="lines",
            line={"width": 1},
            opacity=0.6,
            hovertemplate=f"{escape(name)}<br>%{{x:.1f}} %: %{{y:.3f}}<extra></extra>",
        )
    figure.add_vline(x=0, line={"dash": "dot", "color": "#8b939b"})
    return figure


def _displacement(displacement: Mapping[str, Any], unit: str, note: str) -> go.Figure:
    figure = empty("displacement (Å)", axis_title("prediction", unit, note))
    for rule, curve in displacement["curves"].items():
        colour = {"color": _COLOURS[rule]}
        figure.add_scatter(x=plain(displacement["steps"]), y=plain(curve), mode="lines", name=rule, line=colour)
    figure.update_layout(showlegend=True, legend=LEGEND)
    return figure


def _unrelaxed(unrelaxed: Mapping[str, list[float]], scale: float, what: str, unit: str, note: str) -> go.Figure:
    figure = empty(f"deviation of the {what}", axis_title("test MAE", unit, note))
    sigmas = plain(scale * np.array(unrelaxed["sigmas"]))
    figure.add_scatter(x=sigmas, y=plain(unrelaxed["errors"]), mode="lines+markers", line={"color": "#0072B2"})
    figure.update_yaxes(rangemode="tozero")
    return figure
