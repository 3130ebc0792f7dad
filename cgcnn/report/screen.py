"""The page of the screening: a card for each of the best candidates, and what the hindsight proof says."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from cgcnn.report import crystals
from cgcnn.report.materials import element_colour
from cgcnn.report.words import labels_of

if TYPE_CHECKING:
    from cgcnn.screening import Screened, Want


def render(screened: "Screened", wants: "Sequence[Want]", hindsight: Mapping[str, Any] | None = None) -> str:
    """One HTML text that needs nothing else."""
    table = screened.table
    return crystals.render(
        "screen.html",
        title="Screening: " + ", ".join(want.describe() for want in wants),
        banner=next(filter(None, (labels_of(want.predictor.data) for want in wants)), ""),
        models=[want.predictor.describe() for want in wants],
        n=len(table),
        n_failed=int((table["reason"] != "").sum()),
        n_new=int((~table["known"] & (table["reason"] == "")).sum()),
        expected=float(table["probability"].sum()),
        cards=[_card(screened, row, wants) for row in screened.crystals],
        trials=[{**trial["summary"], "hidden_hits": trial["hidden_hits"]} for trial in hindsight["trials"]]
        if hindsight
        else [],
        hindsight=hindsight["settings"] if hindsight else {},
    )


def _card(screened: "Screened", row: int, wants: "Sequence[Want]") -> dict[str, Any]:
    crystal = screened.crystals[row]
    facts: dict[str, Any] = {str(key): value for key, value in screened.table.loc[row].items()}
    colours = [element_colour(number) for number in crystal.atomic_numbers.tolist()]
    return {
        **facts,
        "rank": row + 1,
        "drawing": crystals.drawing(crystal, colours),
        "has_factors": "tau" in facts and not pd.isna(facts["tau"]),
        "properties": [
            {
                "name": want.name.replace("_", " "),
                "unit": want.predictor.unit,
                **{key: facts[f"{want.name}_{key}"] for key in ("spread", "lower", "upper", "probability", "distance")},
                "prediction": facts[want.name],
            }
            for want in wants
        ],
    }
