"""All experiments on one ensemble, in the order of the page."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cgcnn.errors import InputError
from cgcnn.graph import NeighbourRule
from cgcnn.limits import data, geometry, groups, periodicity
from cgcnn.limits.answers import Answers
from cgcnn.limits.asking import rattled, strained
from cgcnn.model import CGCNN
from cgcnn.tables import crystals_of

_LONG = 10  # crystals that are repeated to long cells
_NEAR = 0.01  # strain within which a minimum counts as right


def compare_groups(
    predictions: Sequence[pa.Table], structures: pa.Table, split: pa.Table
) -> dict[str, list[dict[str, Any]]]:
    """MAE of all models of the regression over groups of its test materials, and how they order polymorphs, as JSON."""
    answers = Answers.of(predictions)
    train = split.filter(pc.equal(split["subset"], "train"))["material_id"].to_pylist()
    return {
        "rarest": groups.by_rarest_element(answers, structures, train),
        "sites": groups.by_sites(answers, structures),
        "stability": groups.by_stability(answers, structures),
        "order": groups.polymorph_order(answers, structures),
    }


def compare_classes(predictions: Sequence[pa.Table], structures: pa.Table, split: pa.Table) -> list[dict[str, Any]]:
    """Accuracy of all models of a classification where the formula may tell the class, and where it cannot, as JSON."""
    ids, target = split["material_id"].to_pylist(), split["target"].to_numpy()
    return groups.composition_shortcut(Answers.of(predictions), structures, ids, target)


def run_all(
    models: Mapping[int, CGCNN], card: Mapping[str, Any], structures: pa.Table, split: pa.Table, most: int, seed: int
) -> dict[str, Any]:
    """What the page shows of the ensemble itself, as JSON.

    Args:
        models: of every seed; card: theirs.
        structures: all materials; split: those of the task.
        most: test structures that are looked at, the first by id.
        seed: of rotations, shifts and rattling.

    Raises:
        InputError: the networks are of a classification.
    """
    if card["task"]["kind"] != "regression":
        raise InputError(f"limits.task: {card['name']} is a classification. Name a regression task.")
    rule = NeighbourRule(**card["neighbours"])
    ids, target = split["material_id"].to_pylist(), split["target"].to_numpy()
    chosen = [row for row, subset in enumerate(split["subset"].to_pylist()) if subset == "test"][:most]
    test = [ids[row] for row in chosen]
    crystals = crystals_of(structures, test)
    formula = dict(zip(structures["material_id"].to_pylist(), structures["formula"].to_pylist(), strict=True))

    distance, change, bound = periodicity.receptive_field(next(iter(models.values())), crystals[0], rule)
    curves = geometry.strain_curves(models, crystals, rule)
    least = geometry.STRAINS[curves.argmin(axis=1)]
    moved = geometry.displacement_curves(models, crystals[0])
    n_shared, floor = data.composition_floor([formula[name] for name in ids], target)
    ties = periodicity.tie_changes(models, crystals, seed)
    return {
        "model": card["name"],
        "unit": card["task"]["unit"],
        "trained_with": rule.ties,
        "n_test": len(test),
        "ties": {name: {how: values.tolist() for how, values in part.items()} for name, part in ties.items()},
        "reach": {
            "id": test[0],
            "distance": distance.tolist(),
            "change": change.tolist(),
            "farthest": float(distance[change > 0].max()),
            "bound": bound,
        },
        "rows": {"cells": list(periodicity.REPEATS), "changes": periodicity.row_changes(models, crystals[:_LONG])},
        "twins": geometry.twin_differences(models),
        "strain": {
            "ids": test,
            "strains": geometry.STRAINS.tolist(),
            "curves": curves.tolist(),
            "n_right": int((np.abs(least) < _NEAR).sum()),
            "n_inside": int((np.abs(least) < geometry.STRAINS[-1]).sum()),
        },
        "displacement": {
            "id": test[0],
            "steps": geometry.STEPS.tolist(),
            "curves": {name: curve.tolist() for name, curve in moved.items()},
            "jumps": {name: geometry.largest_jump(curve) for name, curve in moved.items()},
        },
        "polymorphs": {"n": n_shared, "of": len(ids), "floor": floor},
        "unrelaxed": {
            name: {
                "sigmas": list(sigmas),
                "errors": data.unrelaxed_errors(models, crystals, target[chosen], rule, disturb, sigmas, seed),
            }
            for name, disturb, sigmas in (
                ("displaced", rattled, data.DISPLACEMENTS),
                ("strained", strained, data.STRAINS),
            )
        },
    }
