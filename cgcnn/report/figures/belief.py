"""Belief: whether the spread of the seeds tells the error, and whether probabilities are frequencies."""

import plotly.graph_objects as go

from cgcnn.report.belief import LEVELS, calibration, reliability
from cgcnn.report.figures.base import axis_title, empty, escape, plain, styled
from cgcnn.report.results import Contest

_DIAGONAL = {"width": 1, "dash": "dot"}


def spread_and_error(contest: Contest, note: str) -> go.Figure:
    """Error of the mean prediction against the spread of the seeds; believed where it lies on the diagonal."""
    x, y = (axis_title(what, contest.unit, note) for what in ("spread of the seeds", "RMSE"))
    figure, most = empty(x, y), 0.0
    for model, style in styled(contest.variants):
        found = calibration(contest, model)
        if found is None:
            continue
        most = max(most, float(found.spread.max()), float(found.rmse.max()))
        figure.add_scatter(
            x=plain(found.spread),
            y=plain(found.rmse),
            mode="lines+markers",
            line={"color": style.colour, "width": 1.5},
            marker={"color": style.colour, "symbol": style.symbol, "size": 8},
            hovertemplate=f"{escape(model.name)}<br>spread %{{x:.4f}}<br>RMSE %{{y:.4f}}<extra></extra>",
            meta=model.name,
        )
    figure.add_shape(type="line", x0=0, y0=0, x1=most, y1=most, line=_DIAGONAL)
    return figure.update_xaxes(rangemode="tozero").update_yaxes(rangemode="tozero")


def coverage(contest: Contest, note: str) -> go.Figure:
    """How often targets lie in the intervals that the spread promises; dashed where it is rescaled on validation."""
    figure = empty("share that the interval promises", axis_title("share of the targets inside", "", note))
    for model, style in styled(contest.variants):
        found = calibration(contest, model)
        if found is None:
            continue
        for observed, dash, label in (
            (found.observed, "solid", "as it is"),
            (found.rescaled, "dash", f"spread times {found.factor:.2f}, by validation"),
        ):
            figure.add_scatter(
                x=plain(LEVELS),
                y=plain(observed),
                mode="lines",
                line={"color": style.colour, "width": 1.8, "dash": dash},
                hovertemplate=f"{escape(model.name)}, {label}<br>promised %{{x:.0%}}, found %{{y:.0%}}<extra></extra>",
                meta=model.name,
            )
    return _unit_square(figure)


def reliability_diagram(contest: Contest, note: str) -> go.Figure:
    """How often class 1 is right, against its probability; the larger a mark, the more materials."""
    positive = escape(contest.classes[1])
    figure = empty(f"probability of {positive}", axis_title(f"share that is {contest.classes[1]}", "", note))
    for model, style in styled(contest.models):
        bins = reliability(contest, model)
        figure.add_scatter(
            x=plain(probability for probability, _, _ in bins),
            y=plain(frequency for _, frequency, _ in bins),
            customdata=[members for *_, members in bins],
            mode="lines+markers",
            line={"color": style.colour, "width": 1.2, "dash": style.dash},
            marker={
                "color": style.colour,
                "symbol": style.symbol,
                "size": [round(5 + 14 * (members / len(contest.target)) ** 0.5, 1) for *_, members in bins],
                "line": {"width": 0},
            },
            hovertemplate=f"{escape(model.name)}, %{{customdata}} materials<br>probability %{{x:.2f}}"
            "<br>frequency %{y:.2f}<extra></extra>",
            meta=model.name,
        )
    return _unit_square(figure)


def _unit_square(figure: go.Figure) -> go.Figure:
    figure.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line=_DIAGONAL)
    figure.update_xaxes(range=[-0.02, 1.02], tickformat=".0%")
    return figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%")
