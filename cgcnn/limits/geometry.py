"""Crystals that distances cannot tell apart, and curves of the energy along strains and displacements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Lattice, Structure

from cgcnn.arrays import Crystal
from cgcnn.crystals import crystal_of
from cgcnn.graph import NeighbourRule
from cgcnn.limits.asking import RULES, Floats, ask
from cgcnn.model import CGCNN

STRAINS = np.linspace(-0.06, 0.06, 25)  # of each lattice vector
STEPS = np.linspace(0.0, 0.5, 101)  # Å
_MG, _CDTE = 3.2, 3.3  # Å, nearest distances; of the second, longer than real, see `twins`
_NARROW = NeighbourRule(tie_tolerance=1e-3)


@dataclass(frozen=True)
class Twins:
    """Two different crystals."""

    name: str
    first: Structure
    second: Structure


def twins(bond: float = _CDTE) -> list[Twins]:
    """Pairs with equal distances from each site to its twelve nearest neighbours.

    Wurtzite has a 13th neighbour 0.034 bond lengths behind the twelfth, which zincblende lacks: a shell of 0.1 Å
    swallows it in bonds shorter than 2.97 Å.
    """
    cubic, a = Lattice.cubic(_MG * np.sqrt(2)), bond * 4 / np.sqrt(3)
    hexagonal = Lattice.hexagonal(_MG, _MG * np.sqrt(8 / 3))
    fcc = Structure(cubic, ["Mg"] * 4, [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    hcp = Structure(hexagonal, ["Mg"] * 2, [[1 / 3, 2 / 3, 1 / 4], [2 / 3, 1 / 3, 3 / 4]])
    zincblende = Structure.from_spacegroup("F-43m", Lattice.cubic(a), ["Cd", "Te"], [[0, 0, 0], [0.25, 0.25, 0.25]])
    layers = Lattice.hexagonal(a / np.sqrt(2), a / np.sqrt(2) * np.sqrt(8 / 3))
    sites = [[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0.5], [1 / 3, 2 / 3, 3 / 8], [2 / 3, 1 / 3, 7 / 8]]
    wurtzite = Structure(layers, ["Cd", "Cd", "Te", "Te"], sites)
    return [
        Twins("cubic and hexagonal close packing (Mg)", fcc, hcp),
        Twins("zincblende and wurtzite (CdTe)", zincblende, wurtzite),
    ]


def twin_differences(models: Mapping[int, CGCNN]) -> list[dict[str, float | str]]:
    """|difference of the predictions| of each pair, under whole shells of 0.1 Å and of 0.001 Å."""
    found: list[dict[str, float | str]] = []
    for pair in [*twins(), Twins("the same with real bonds of 2.80 Å", *_pair(twins(2.80)[1]))]:
        cells = [crystal_of(pair.first), crystal_of(pair.second)]
        both = [float(abs(np.subtract(*ask(models, cells, rule)))) for rule in (RULES["shells"], _NARROW)]
        found.append({"name": pair.name, "shells of 0.1 Å": both[0], "shells of 0.001 Å": both[1]})
    return found


def _pair(pair: Twins) -> tuple[Structure, Structure]:
    return pair.first, pair.second


def strain_curves(models: Mapping[int, CGCNN], crystals: Sequence[Crystal], rule: NeighbourRule) -> Floats:
    """(C, 25) predictions under equal STRAINS of all lattice vectors. The crystals are relaxed: the least is at 0."""
    cells = [
        Crystal(each.lattice * (1 + s), each.frac_coords, each.atomic_numbers) for each in crystals for s in STRAINS
    ]
    return ask(models, cells, rule).reshape(len(crystals), len(STRAINS))


def displacement_curves(models: Mapping[int, CGCNN], crystal: Crystal) -> dict[str, Floats]:
    """Rule -> (101,) predictions while the first site moves by STEPS along the first lattice vector."""
    direction = np.linalg.inv(crystal.lattice).T @ (crystal.lattice[0] / np.linalg.norm(crystal.lattice[0]))
    cells = []
    for step in STEPS:
        coords = crystal.frac_coords.copy()
        coords[0] += step * direction
        cells.append(Crystal(crystal.lattice, coords, crystal.atomic_numbers))
    return {name: ask(models, cells, rule) for name, rule in RULES.items()}


def largest_jump(curve: Floats) -> float:
    """Largest change between two neighbouring points, over the median one: 1 to 3 where a curve is smooth."""
    steps = np.abs(np.diff(curve))
    return float(steps.max() / max(float(np.median(steps)), 1e-12))
