"""Checks of notebook 5: where the method breaks."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pymatgen.core import Lattice, Structure

from cgcnn.arrays import Crystal, CrystalGraphs
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.model import ModelSettings
from cgcnn.training import TrainSettings

from .verdict import Wrong, check, close, must, same

MOST_EPOCHS, MOST_WIDTH = 100, 128  # of an improvement: what a laptop trains in a minute or two


def _graph(structure: Structure) -> CrystalGraphs:
    numbers = np.array(structure.atomic_numbers, dtype=np.uint8)
    return crystal_graphs([Crystal(structure.lattice.matrix, structure.frac_coords, numbers)], NeighbourRule())


@check
def close_packed(answer: Callable[..., tuple[Structure, Structure]], *cases: tuple[str, float]) -> None:
    """`answer(symbol, distance)`: cubic and hexagonal close packing with this nearest distance (Å)."""
    for symbol, distance in cases or (("Mg", 3.2),):
        found = answer(symbol, distance)
        must(isinstance(found, tuple) and len(found) == 2, "Return two structures: cubic, hexagonal.")
        for name, structure, space_group in zip(("cubic", "hexagonal"), found, (225, 194), strict=True):
            must(isinstance(structure, Structure), f"The {name} one is no Structure.")
            must(
                {site.species_string for site in structure} == {symbol},
                f"The {name} one is not made of {symbol} alone.",
            )
            graph = _graph(structure)
            times = graph.multiplicity.sum() / len(structure)
            must(
                abs(graph.distance.min() - distance) < 1e-3,
                f"The nearest distance of the {name} one is {graph.distance.min():.3f} Å, asked was {distance:.3f} Å.",
            )
            number = structure.get_space_group_info()[1]
            if number != space_group and number == 229:
                raise Wrong(f"The {name} one is body-centred cubic, with eight nearest neighbours: not close-packed.")
            if times != 12 or np.ptp(graph.distance) > 1e-3:
                raise Wrong(
                    f"In the {name} one the twelve nearest are not all at one distance: is c / a the root of 8/3?"
                )
            must(number == space_group, f"The {name} one has space group {number}, it should be {space_group}.")


@check
def composition_limit(answer: Callable[..., float], *cases: tuple[Sequence[str], np.ndarray]) -> None:
    """`answer(formulas, energies)`: the least mean absolute error of any model that sees the formula alone."""
    first = (["A", "A", "A", "B", "C", "C"], np.array([-1.0, -1.1, -2.0, -3.0, -0.5, -0.1]))
    for formulas, energies in cases or (first,):
        found = answer(list(formulas), energies.copy())
        names = np.asarray(formulas)
        groups = [energies[names == name] for name in np.unique(names)]

        def over(middle: Callable[[Any], Any], groups: list[np.ndarray] = groups) -> float:
            return float(np.concatenate([np.abs(g - middle(g)) for g in groups]).mean())

        several = [g for g in groups if len(g) > 1] or groups
        mistakes = {
            "The mean of a formula does not give the least absolute error; which number does?": over(np.mean),
            "One middle for all formulas: each formula may have its own.": float(
                np.abs(energies - np.median(energies)).mean()
            ),
            "Formulas are averaged, not materials: one with many polymorphs counts as often as it has them.": float(
                np.mean([np.abs(g - np.median(g)).mean() for g in groups])
            ),
            "The lowest energy of a formula does not give the least error.": over(np.min),
            "The first energy of a formula does not give the least error.": over(lambda g: g[0]),
            "Formulas with one material count, too: a model of the formula can have them right.": over(
                np.median, several
            ),
            "This is the mean squared error.": float(np.concatenate([(g - g.mean()) ** 2 for g in groups]).mean()),
        }
        same(
            found,
            over(np.median),
            mistakes,
            "The value is not right: the best answer for each formula, then the mean over materials.",
        )


@check
def abo3(answer: Callable[[Sequence[int]], bool], *cases: Sequence[int]) -> None:
    """`answer(atomic_numbers)`: whether the composition is ABO3, whatever the size of the cell."""
    first = (
        [38, 22, 8, 8, 8],
        [38] * 2 + [22] * 2 + [8] * 6,
        [12, 13, 13, 8, 8, 8, 8],
        [13, 13, 8, 8, 8],
        [55, 82, 35, 35, 35],
        [8, 8, 8, 22, 38],
    )
    for numbers in cases or first:
        found = bool(answer(list(numbers)))
        counts = sorted(np.unique([z for z in numbers if z != 8], return_counts=True)[1].tolist())
        oxygen = list(numbers).count(8)
        expected = len(counts) == 2 and counts[0] == counts[1] and oxygen == 3 * counts[0]
        if found == expected:
            continue
        must(not (expected and len(numbers) > 5), "A cell may hold several formula units: A2B2O6 is ABO3, too.")
        must(expected or 8 in numbers, "The X of ABX3 must be oxygen here.")
        must(expected or len(counts) != 1, "A and B are two elements: Al2O3 is not of this kind.")
        raise Wrong(f"Sites {list(numbers)}: you say {found}. The order of the sites does not matter, the numbers do.")


@check
def group_split(answer: Callable[..., np.ndarray], *cases: tuple[Sequence[str], float, int]) -> None:
    """`answer(groups, fraction, seed)`: (n,) bool, the test materials; no group is on both sides."""
    first = ([f"g{k % 40}" for k in range(200)] + ["g0"] * 10, 0.2, 0)
    for groups, fraction, seed in cases or (first,):
        names = np.asarray(groups)
        found = np.asarray(answer(list(groups), fraction, seed))
        must(found.shape == names.shape and found.dtype == bool, "Return one bool a material: True for test.")
        torn = [name for name in np.unique(names) if 0 < found[names == name].mean() < 1]
        must(not torn, f"{len(torn)} groups are on both sides, such as {torn[0] if torn else ''}.")
        must(found.any() and not found.all(), "One side is empty.")
        size = np.bincount(np.unique(names, return_inverse=True)[1]).max()
        must(
            abs(found.sum() - fraction * len(names)) <= 2 * size + 0.02 * len(names),
            f"{found.mean():.0%} are for test, asked was {fraction:.0%} of the materials.",
        )
        must(
            np.array_equal(found, np.asarray(answer(list(groups), fraction, seed))),
            "The same seed gives another split.",
        )
        others = [np.asarray(answer(list(groups), fraction, seed + k)) for k in range(1, 6)]
        must(
            not all(np.array_equal(found, other) for other in others),
            "Every seed gives the same split: draw the groups.",
        )


@check
def rattled(answer: Callable[..., Structure], *cases: tuple[Structure, float, int]) -> None:
    """`answer(structure, sigma, seed)`: a copy whose sites are moved by about sigma Å along each axis."""
    cell = Structure(Lattice.orthorhombic(5, 20, 9), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]) * (3, 2, 4)
    for structure, sigma, seed in cases or ((cell, 0.05, 0),):
        given = structure.copy()
        found = answer(structure, sigma, seed)
        must(structure == given, "The structure that was given has changed: move the sites of a copy.")
        must(isinstance(found, Structure) and len(found) == len(given), "Return a structure with the same sites.")
        must(found.lattice == given.lattice, "The lattice has changed: only the sites move.")
        gap = found.frac_coords - given.frac_coords
        moved = (gap - np.round(gap)) @ given.lattice.matrix  # (N, 3) Å
        must(np.abs(moved).max() > 0, "Nothing has moved.")
        must(
            np.ptp(moved, axis=0).max() > 1e-9,
            "All sites move together: that is a shift of the origin, and changes nothing.",
        )
        scale = np.sqrt((moved**2).mean(axis=0)) / sigma  # along x, y, z
        lengths = np.array(given.lattice.abc)
        must(not np.all(np.abs(scale / lengths - 1) < 0.45), "The sites move by fractions of the cell: sigma is in Å.")
        must(not np.allclose(np.abs(moved), sigma), "All steps are equally long: draw them from a normal distribution.")
        must(moved.min() < 0 < moved.max(), "All steps go one way: draw them from a normal distribution around 0.")
        must(
            np.all(np.abs(scale - 1) < 0.45),
            f"The steps are about {scale.mean() * sigma:.3f} Å an axis, asked was {sigma:.3f} Å.",
        )
        again = answer(structure, sigma, seed)
        must(close(again.frac_coords, found.frac_coords, 1e-9), "The same seed gives other steps.")
        must(
            not close(answer(structure, sigma, seed + 1).frac_coords, found.frac_coords, 1e-9),
            "Every seed gives the same steps.",
        )


@check
def improvement(answer: Callable[[], Any], *_: Any) -> None:
    """`answer()` gives name, ModelSettings, TrainSettings, NeighbourRule of something else than the default."""
    found = answer()
    must(
        isinstance(found, tuple) and len(found) == 4,
        "Return four things: a name, ModelSettings, TrainSettings, NeighbourRule.",
    )
    name, model, train, rule = found
    must(isinstance(name, str) and 0 < len(name) <= 40, "The name is a text of at most 40 letters.")
    kinds = (ModelSettings, TrainSettings, NeighbourRule)
    for thing, kind in zip((model, train, rule), kinds, strict=True):
        must(isinstance(thing, kind), f"A {kind.__name__} is missing, there is a {type(thing).__name__}.")
    must(model.kind == "regression", "The task is a regression.")
    must(
        train.epochs <= MOST_EPOCHS,
        f"Train for {MOST_EPOCHS} epochs at most: the leaderboard compares ideas, not patience.",
    )
    must(max(model.atom_dim, model.hidden_dim) <= MOST_WIDTH, f"Layers are at most {MOST_WIDTH} wide here.")
    default = (ModelSettings("gated", "regression"), TrainSettings(epochs=60), NeighbourRule())
    must(
        (model, train, rule) != default, "These are the settings that are on the leaderboard already: change something."
    )
