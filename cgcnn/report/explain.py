"""The page of `cgcnn explain`: each structure in 3-D, its sites coloured by what they contribute."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cgcnn.crystals import reduced_formula
from cgcnn.report import crystals
from cgcnn.report.words import labels_of

if TYPE_CHECKING:
    from cgcnn.explain import Explanation
    from cgcnn.predictor import Predictor


def render(predictor: "Predictor", unit: str, explanations: "Sequence[Explanation]", left_out: int = 0) -> str:
    """One HTML text that needs nothing else. `left_out`: structures that are not among the explanations."""
    base = explanations[0].base if explanations else float("nan")
    return crystals.render(
        "explain.html",
        title=f"What {predictor.task['name']} sees in each site",
        banner=labels_of(predictor.data),
        unit=unit,
        base=base,
        materials=[_material(explanation) for explanation in explanations],
        left_out=left_out,
    )


def _material(explanation: "Explanation") -> dict[str, Any]:
    crystal, contributions = explanation.crystal, explanation.contributions
    assert crystal is not None and contributions is not None
    colours = crystals.diverging(contributions)
    rows = explanation.table().to_dict("records")
    return {
        "id": explanation.material_id,
        "formula": reduced_formula(crystal.atomic_numbers),
        "prediction": explanation.prediction,
        "drawing": crystals.drawing(crystal, colours),
        "sites": [{**row, "colour": colour} for row, colour in zip(rows, colours, strict=True)],
    }
