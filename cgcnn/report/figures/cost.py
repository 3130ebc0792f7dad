"""Cost: how long each stage took."""

from collections import defaultdict
from collections.abc import Sequence

import plotly.graph_objects as go

from cgcnn.report.costs import Cost
from cgcnn.report.figures.base import empty, escape, plain


def seconds(costs: Sequence[Cost]) -> go.Figure:
    """Seconds of each stage, a piece of the bar for each of its jobs."""
    figure = empty("seconds", "")
    totals: dict[str, float] = defaultdict(float)
    for cost in costs:
        totals[cost.stage] += cost.seconds
    figure.add_bar(
        x=plain(cost.seconds for cost in costs),
        y=[escape(cost.stage) for cost in costs],
        customdata=[
            [escape(cost.what or cost.stage), escape(f" on {cost.device}" if cost.device else "")] for cost in costs
        ],
        orientation="h",
        marker={"color": "#56708f", "line": {"width": 1, "color": "rgba(255,255,255,0.6)"}},
        hovertemplate="%{customdata[0]}<br>%{x:.1f} s%{customdata[1]}<extra></extra>",
    )
    order = [escape(stage) for stage in sorted(totals, key=lambda stage: -totals[stage])]
    return figure.update_yaxes(categoryorder="array", categoryarray=order[::-1], type="category").update_layout(
        barmode="stack", bargap=0.35
    )
