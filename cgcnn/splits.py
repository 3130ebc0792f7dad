"""Which materials a model trains on, is chosen by, and is tested on.

Polymorphs of one formula, or many compounds of one prototype, resemble each other: put on both sides of a random split
they let a model look better than it is on materials that are really new (Meredig et al., Mol. Syst. Des. Eng. 3, 819,
2018). Every strategy but `random` therefore keeps materials that belong together in one subset.
"""

from collections.abc import Collection, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cgcnn.errors import InputError

Strategy = Literal["random", "formula", "prototype", "element"]
STRATEGIES: tuple[str, ...] = get_args(Strategy)
SUBSETS = ("train", "validation", "test")

_ENOUGH = 0.9  # share of the materials wanted for a subset that ends the search for further elements
_TOO_MANY = 1.1  # share of the materials wanted that no element may carry a subset beyond


def assign(
    strategy: str,
    material_id: Sequence[str],
    formula: Sequence[str],
    prototype: Sequence[str],
    elements: Sequence[Collection[int]],
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2),
    seed: int = 0,
) -> NDArray[np.str_]:
    """Assign each of n materials to train, validation or test.

    Groups and elements are sorted before the draw, so that any order of the rows gives each material the same subset,
    on every platform.

    Args:
        strategy: `random`, each material for itself; `formula` or `prototype`, those that share it stay together;
            `element`, a few elements are held out: the test materials are all those that hold one of the test
            elements, the validation materials all of the others that hold one of the validation elements, and the
            training materials hold neither. An element in more than half of the materials is never held out.
        material_id: (n,) unique.
        formula: (n,) reduced formulas.
        prototype: (n,) labels.
        elements: (n,) the atomic numbers found in each.
        fractions: of the materials in train, validation and test. Groups are whole, so the sizes come close to these,
            off by at most two of the largest groups.
        seed: of the draw.

    Returns:
        (n,) of "train", "validation", "test".

    Raises:
        InputError: a subset would be empty.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    if strategy == "element":
        choice = _hold_elements_out(elements, fractions, rng)
        n_groups = len(set().union(*elements))
    else:
        labels = {"random": material_id, "formula": formula, "prototype": prototype}[strategy]
        _, group = np.unique(np.asarray(labels, dtype=np.str_), return_inverse=True)
        choice = _draw_groups(group, fractions, rng)
        n_groups = len(set(labels))
    _require_members(strategy, choice, n_groups)
    return np.array(SUBSETS)[choice]


def thinned(subset: ArrayLike, share: float, seed: int = 0) -> NDArray[np.bool_]:
    """Which of n materials (n,) stay when only a share of the training materials is kept, but all others.

    What a smaller share keeps a larger one keeps, too, so that a learning curve over sizes only ever adds materials.
    """
    train = np.flatnonzero(np.asarray(subset) == "train")
    rng = np.random.Generator(np.random.PCG64(seed))
    order = train[np.argsort(rng.random(len(train)), kind="stable")]
    stays = np.ones(len(np.asarray(subset)), dtype=bool)
    stays[order[max(1, round(share * len(train))) :]] = False
    return stays


def require_both_classes(strategy: str, subset: ArrayLike, target: ArrayLike) -> None:
    """Refuse a split of a classification whose subsets do not all hold both classes.

    Nothing can be learned from one class alone, and neither balanced accuracy nor the ROC curve exists on it.

    Args:
        strategy: named in the message.
        subset: (n,) from `assign`.
        target: (n,) of 1 and 0.

    Raises:
        InputError: names the strategy, the subset and the class that is missing.
    """
    subset, target = np.asarray(subset), np.asarray(target)
    for name in SUBSETS:
        for label in (0, 1):
            if not np.any(target[subset == name] == label):
                raise InputError(
                    f"split '{strategy}': {name} ({np.sum(subset == name)} of {len(subset)} materials) has no "
                    f"material of class {label}. Add materials of that class, raise the fraction of {name}, "
                    "or use another split strategy or seed."
                )


def _draw_groups(group: NDArray[np.int64], fractions: Sequence[float], rng: np.random.Generator) -> NDArray[np.int64]:
    """Subset (n,) 0 to 2 of materials whose groups (n,), 0 to G - 1, stay whole.

    The largest groups go first, equal ones in random order, each to a subset drawn among those with room for it, with
    chances proportional to their room: so no subset prefers large groups, and small groups even the sizes out.
    """
    sizes = np.bincount(group)
    room = _whole_parts(len(group), fractions)
    empty = np.ones(len(SUBSETS), dtype=bool)
    choice = np.zeros(len(sizes), dtype=np.int64)
    largest_first = np.lexsort((rng.random(len(sizes)), -sizes))
    for drawn, index in enumerate(largest_first):
        open_to_it = room >= sizes[index]
        if len(sizes) - drawn <= empty.sum():  # the last groups must fill the subsets that have none
            open_to_it = empty
        elif not open_to_it.any():
            open_to_it = room == room.max()
        chances = np.cumsum(np.where(open_to_it, np.maximum(room, 1), 0))
        subset = np.searchsorted(chances, rng.random() * chances[-1], side="right")
        choice[index] = subset
        room[subset] -= sizes[index]
        empty[subset] = False
    return choice[group]


def _whole_parts(total: int, fractions: Sequence[float]) -> NDArray[np.int64]:
    """Whole numbers in the ratio of `fractions` that add up to `total` (largest remainders)."""
    exact = total * np.asarray(fractions)
    parts = np.floor(exact).astype(np.int64)
    parts[np.argsort(parts - exact, kind="stable")[: total - parts.sum()]] += 1
    return parts


def _hold_elements_out(
    elements: Sequence[Collection[int]], fractions: Sequence[float], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Subset (n,) 0 to 2 of materials, so that some elements occur in test alone, and some not in train."""
    occurring = np.array(sorted(set().union(*elements)), dtype=np.int64)
    holds = np.zeros((len(elements), len(occurring)), dtype=bool)
    for row, held in enumerate(elements):
        holds[row, np.searchsorted(occurring, list(held))] = True
    choice = np.zeros(len(elements), dtype=np.int64)
    for subset in (2, 1):
        wanted = fractions[subset] * len(elements)
        rest = choice == 0
        count = holds[rest].sum(axis=0)
        candidates = np.flatnonzero((count > 0) & (2 * count <= rest.sum()))
        candidates = candidates[np.argsort(rng.random(len(candidates)))]
        taken = np.zeros(len(elements), dtype=bool)
        for element in candidates:
            with_it = taken | (rest & holds[:, element])
            if with_it.sum() <= _TOO_MANY * wanted:
                taken = with_it
            if taken.sum() >= _ENOUGH * wanted:
                break
        if not taken.any() and len(candidates):  # every element is in too many materials: the rarest is the closest
            taken = rest & holds[:, candidates[np.argmin(count[candidates])]]
        choice[taken] = subset
    return choice


def _require_members(strategy: str, choice: NDArray[np.int64], n_groups: int) -> None:
    groups = {"random": "ids", "formula": "formulas", "prototype": "prototypes", "element": "elements"}[strategy]
    for index, name in enumerate(SUBSETS):
        if not np.any(choice == index):
            raise InputError(
                f"split '{strategy}': {name} has no members; {len(choice)} materials with {n_groups} different "
                f"{groups} do not fill three subsets. Add materials, or use another split strategy."
            )
