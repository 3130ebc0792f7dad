"""What it learned: where the best variant puts crystals and elements, and what each site adds to a prediction."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from cgcnn.elements import SYMBOLS, properties
from cgcnn.report.figures.base import axis_title, empty, escape, plain
from cgcnn.report.materials import Material, element_colour
from cgcnn.report.results import Contest, Examination
from cgcnn.report.words import readable

MOST_POINTS = 3000  # of a map; the test materials come first
# Wong's palette; more groups than colours share the last.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8a8f95")
_BLOCKS = {"s": "#D55E00", "p": "#009E73", "d": "#0072B2", "f": "#CC79A7"}
_PROJECTIONS = {"pca": "principal component", "umap": "UMAP"}


def has(examination: Examination, projection: str) -> bool:
    """Whether the map was made."""
    return bool(examination.crystals[f"{projection}_x"].notna().all())


def shown(contest: Contest) -> list[str]:
    """Ids of the materials that the maps show: all, or the test materials and others up to MOST_POINTS."""
    test = set(contest.material_id)
    others = [name for name in contest.everything if name not in test]
    room = max(MOST_POINTS - len(test), 0)
    step = max(1, -(-len(others) // room)) if room else len(others) or 1
    return [*contest.material_id, *others[::step]][:MOST_POINTS]


def by_target(contest: Contest, projection: str, facts: Mapping[str, Material], note: str) -> go.Figure:
    """Map of the crystals, coloured by the target: blue low, yellow high; the colour-blind see it, too."""
    names = shown(contest)
    targets = dict(zip(contest.everything, contest.targets, strict=True))
    values = [targets[name] for name in names]
    low, high = np.quantile(values, [0.02, 0.98])
    figure = _map(contest, projection)
    title = axis_title(readable(contest.target_name), contest.unit, note)
    figure.add_trace(
        _crystals(contest, projection, names, facts, values).update(
            marker={
                "color": plain(values),
                "cmin": float(low),
                "cmax": float(high),
                "colorscale": "Viridis",
                "size": 5,
                "opacity": 0.8,
                "colorbar": {"thickness": 10, "outlinewidth": 0, "title": {"text": title, "side": "right"}},
            }
        )
    )
    return figure


def by_label(contest: Contest, projection: str, facts: Mapping[str, Material], labels: Mapping[str, str]) -> go.Figure:
    """Map of the crystals, coloured by family or another label, the most frequent first."""
    names = shown(contest)
    counts = {label: sum(labels[name] == label for name in names) for label in {labels[name] for name in names}}
    figure = _map(contest, projection)
    for place, label in enumerate(sorted(counts, key=lambda label: (-counts[label], label))):
        own = [name for name in names if labels[name] == label]
        trace = _crystals(contest, projection, own, facts, None)
        colour = _COLOURS[min(place, len(_COLOURS) - 1)]
        figure.add_trace(trace.update(name=escape(label), marker={"color": colour, "size": 5, "opacity": 0.7}))
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "itemsizing": "constant"}
    return figure.update_layout(showlegend=True, legend=legend)


def _map(contest: Contest, projection: str) -> go.Figure:
    name = _PROJECTIONS[projection]
    figure = empty(f"{name} 1", f"{name} 2")
    return figure.update_xaxes(showticklabels=False, ticks="").update_yaxes(showticklabels=False, ticks="")


def _crystals(
    contest: Contest,
    projection: str,
    names: Sequence[str],
    facts: Mapping[str, Material],
    values: Sequence[float] | None,
) -> go.Scatter:
    assert contest.examination is not None
    places = contest.examination.crystals.loc[list(names)]
    told = [f"{value:.3f}" for value in values] if values else ["" for _ in names]
    return go.Scatter(
        x=plain(places[f"{projection}_x"]),
        y=plain(places[f"{projection}_y"]),
        customdata=[
            [escape(name), escape(facts[name].formula), facts[name].space_group, value]
            for name, value in zip(names, told, strict=True)
        ],
        mode="markers",
        hovertemplate="%{customdata[1]} (%{customdata[0]})<br>space group %{customdata[2]}"
        + ("<br>target %{customdata[3]}" if values else "")
        + "<extra></extra>",
    )


def elements(examination: Examination) -> go.Figure:
    """What the first layer makes of the elements, coloured by block."""
    shares = [f" ({share:.0%} of the variance)" for share in examination.elements["shares"]] + ["", ""]
    figure = empty(f"principal component 1{shares[0]}", f"principal component 2{shares[1]}")
    block = [_block(number) for number in examination.elements["numbers"]]
    for name, colour in _BLOCKS.items():
        own = [place for place, found in enumerate(block) if found == name]
        symbols = [SYMBOLS[examination.elements["numbers"][place]] for place in own]
        figure.add_scatter(
            x=plain(examination.elements["x"][place] for place in own),
            y=plain(examination.elements["y"][place] for place in own),
            text=symbols,
            mode="markers+text",
            textposition="top center",
            textfont={"color": colour, "size": 12},
            marker={"color": colour, "size": 6},
            name=f"{name} block",
            hovertemplate="%{text}<extra></extra>",
        )
    figure.update_xaxes(showticklabels=False, ticks="").update_yaxes(showticklabels=False, ticks="")
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    return figure.update_layout(showlegend=True, legend=legend)


def _block(number: int) -> str:
    group = np.nan_to_num(properties()["group"])[number]
    if group == 0:
        return "f"
    if number == 2 or group <= 2:
        return "s"
    return "d" if group <= 12 else "p"


#: material_id, formula, contributions of the sites (N,), their atomic numbers (N,).
Chosen = tuple[str, str, NDArray[np.float64], NDArray[np.int64]]


def contributions(contest: Contest, chosen: Sequence[Chosen], note: str) -> go.Figure:
    """What the sites of some crystals add to their predictions, one bar an element: the sum over its sites."""
    unit = contest.unit if contest.kind == "regression" else "log odds"
    figure = empty(axis_title("added to the prediction", unit, note), "")
    held = sorted({int(z) for *_, numbers in chosen for z in numbers})
    for z in held:
        own = [(name, formula, values[numbers == z]) for name, formula, values, numbers in chosen if z in numbers]
        figure.add_bar(
            x=plain(values.sum() for *_, values in own),
            y=[f"{escape(formula)} ({escape(name)})" for name, formula, _ in own],
            customdata=[[escape(name), len(values)] for name, _, values in own],
            orientation="h",
            name=SYMBOLS[z],
            text=SYMBOLS[z],
            textposition="inside",
            insidetextanchor="middle",
            marker={"color": element_colour(z), "line": {"width": 1, "color": "#8a8f95"}},
            hovertemplate=f"{SYMBOLS[z]}, %{{customdata[1]}} sites<br>%{{x:+.3f}} {escape(unit)}<extra></extra>",
        )
    figure.update_layout(barmode="relative", bargap=0.35, uniformtext={"minsize": 9, "mode": "hide"})
    order = [f"{escape(formula)} ({escape(name)})" for name, formula, *_ in chosen]
    return figure.update_yaxes(categoryorder="array", categoryarray=order[::-1], type="category")
