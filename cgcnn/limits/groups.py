"""On which test materials models are worse: rare elements, large cells, unstable ones, shared formulas, polymorphs."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa

from cgcnn.limits.answers import Answers, binned, by_group, column_of
from cgcnn.limits.asking import Floats

_SAME = 1e-5  # of the target's unit; predictions that differ less are one, but for rounding
HULL = "energy_above_hull"  # eV/atom; a column of the structures where a task has this target

Groups = list[dict[str, Any]]


def by_rarest_element(answers: Answers, structures: pa.Table, train: Sequence[str]) -> Groups:
    """MAE by how many of the training materials hold the element of a test material that the fewest of them hold."""
    held = Counter(z for numbers in column_of(structures, "atomic_numbers", train) for z in set(numbers))
    rarest = [min(held[z] for z in numbers) for numbers in column_of(structures, "atomic_numbers", answers.ids)]
    names = ("in none", "in 1 to 5", "in 6 to 20", "in more")
    return by_group(binned(np.array(rarest, dtype=float), (0, 5, 20), names), answers.errors())


def by_sites(answers: Answers, structures: pa.Table) -> Groups:
    """MAE by the number of sites of a cell."""
    sites = np.array(column_of(structures, "n_sites", answers.ids), dtype=float)
    return by_group(binned(sites, (5, 10, 20), ("up to 5", "6 to 10", "11 to 20", "more")), answers.errors())


def by_stability(answers: Answers, structures: pa.Table) -> Groups:
    """MAE by the energy above the convex hull; nothing where the structures do not tell it."""
    if HULL not in structures.column_names:
        return []
    above = np.array([np.nan if v is None else v for v in column_of(structures, HULL, answers.ids)])
    names = ("on the hull", "to 0.05", "to 0.2", "higher")
    return by_group(binned(above, (1e-6, 0.05, 0.2), names), answers.errors())


def polymorph_order(answers: Answers, structures: pa.Table) -> Groups:
    """Share of the pairs of one formula whose order each model has right, by how far their targets are apart.

    A model of the formula alone says the same of both, which counts as half: it guesses.
    """
    gap: list[float] = []
    right: dict[str, list[float]] = {model: [] for model in answers.said}
    for first, second in _pairs(column_of(structures, "formula", answers.ids)):
        difference = answers.target[first] - answers.target[second]
        if difference != 0:
            gap.append(float(abs(difference)))
            for model, said in answers.said.items():
                apart = said[first] - said[second]
                right[model].append(0.5 if abs(apart) < _SAME else float(apart * difference > 0))
    names = ("up to 0.01", "to 0.03", "to 0.1", "farther")
    groups = binned(np.array(gap, dtype=float), (0.01, 0.03, 0.1), names)
    return by_group(groups, {model: np.array(values) for model, values in right.items()})


def _pairs(formulas: Sequence[str]) -> list[tuple[int, int]]:
    places: dict[str, list[int]] = {}
    for place, formula in enumerate(formulas):
        places.setdefault(formula, []).append(place)
    return [pair for same in places.values() for pair in combinations(same, 2)]


def composition_shortcut(answers: Answers, structures: pa.Table, ids: Sequence[str], target: Floats) -> Groups:
    """Accuracy on test materials whose formula is of one class alone, and of both, where it cannot tell the class.

    Args:
        ids, target: of all materials of the task, (M,), 1 and 0.
    """
    classes: dict[str, set[float]] = {}
    for formula, label in zip(column_of(structures, "formula", ids), target, strict=True):
        classes.setdefault(formula, set()).add(label)
    both = np.array([len(classes[formula]) > 1 for formula in column_of(structures, "formula", answers.ids)])
    groups = {"all": np.ones(len(both), dtype=bool), "one class": ~both, "both classes": both}
    return by_group(groups, answers.hits())
