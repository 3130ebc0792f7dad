"""Which decorations to make: charge-balanced ions on the sites of each prototype, drawn with a fixed seed.

A perovskite must pass the tolerance factor of Goldschmidt, the octahedral factor and the factor tau of
Bartel et al. (Science Advances 5, eaav0693, 2019).
"""

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ions import Ion, ions_for
from prototypes import PROTOTYPES, Prototype
from pymatgen.core import Composition, Element, Structure

SEED = 2
SHARED_PART = 2 / 3  # of the other ABO3 oxides, how many repeat the formula of a perovskite
OXYGEN_RADIUS = 1.40  # Å, six-fold
TOLERANCE_FACTOR = (0.80, 1.08)
LARGEST_TAU = 4.18
PEROVSKITE_JOBS = 720

LANTHANIDES = {Element.from_Z(z).symbol for z in range(57, 72)}
PEROVSKITE_A = {
    "Li",
    "Na",
    "K",
    "Rb",
    "Cs",
    "Mg",
    "Ca",
    "Sr",
    "Ba",
    "Sc",
    "Y",
    "Cd",
    "Ag",
    "Tl",
    "Sn",
    "Pb",
    "Bi",
    "In",
}
PEROVSKITE_A |= LANTHANIDES


@dataclass(frozen=True)
class Candidate:
    """One prototype with an ion on each of its cation sites."""

    prototype: Prototype
    ions: tuple[tuple[str, Ion], ...]  # ("A", Ion), ("B", Ion)

    @property
    def elements(self) -> dict[str, str]:
        return {label: ion.element for label, ion in self.ions}

    @property
    def formula(self) -> str:
        counts = self.prototype.counts
        amounts = {ion.element: counts[label] for label, ion in self.ions} | {"O": counts["X"]}
        return str(Composition(amounts).reduced_formula)

    @property
    def key(self) -> str:
        return f"{self.prototype.name} {self.formula}"

    def structure(self) -> Structure:
        """The decorated cell, scaled so that the shortest cation-oxygen distances are on average sums of radii."""
        structure = self.prototype.decorate(self.elements)
        radius = {ion.element: ion.radius for _, ion in self.ions}
        scales = []
        for site in structure:
            if site.specie.symbol in radius:
                near = structure.get_neighbors(site, 3.8)
                distances = np.array([n.nn_distance for n in near if n.specie.symbol == "O"])
                shell = distances[distances < 1.15 * distances.min()]
                scales.append((radius[site.specie.symbol] + OXYGEN_RADIUS) / shell.mean())
        structure.scale_lattice(structure.volume * float(np.mean(scales)) ** 3)
        return structure


def decorations(prototype: Prototype) -> Iterator[Candidate]:
    """Every charge-balanced choice of different elements for the cation sites."""
    labels = sorted(prototype.cations)
    choices = [ions_for(prototype.cations[label], is_b=label == "B") for label in labels]
    for ions in itertools.product(*choices):
        charge = sum(prototype.counts[label] * ion.charge for label, ion in zip(labels, ions, strict=True))
        if charge == 2 * prototype.counts["X"] and len({ion.element for ion in ions}) == len(ions):
            yield Candidate(prototype, tuple(zip(labels, ions, strict=True)))


def tolerance_factor(a: Ion, b: Ion) -> float:
    """Goldschmidt's (r_A + r_O) / (sqrt(2) (r_B + r_O))."""
    return (a.radius + OXYGEN_RADIUS) / (math.sqrt(2) * (b.radius + OXYGEN_RADIUS))


def tau(a: Ion, b: Ion) -> float:
    """The factor of Bartel et al., r_O / r_B - n_A (n_A - (r_A / r_B) / ln(r_A / r_B)); perovskites are below 4.18."""
    ratio = a.radius / b.radius
    return math.inf if ratio <= 1 else OXYGEN_RADIUS / b.radius - a.charge * (a.charge - ratio / math.log(ratio))


def is_plausible_perovskite(a: Ion, b: Ion) -> bool:
    low, high = TOLERANCE_FACTOR
    return (
        a.element in PEROVSKITE_A
        and a.charge <= 3
        and (a.element != "Ag" or a.charge == 1)
        and not (b.element in LANTHANIDES and b.charge == 3)
        and low <= tolerance_factor(a, b) <= high
        and tau(a, b) < LARGEST_TAU
    )


def likely_tilts(factor: float) -> tuple[str, ...]:
    """Names of the perovskite prototypes that are common at a tolerance factor."""
    if factor > 1.0:
        return ("perovskite P4mm", "perovskite Pm-3m", "perovskite Amm2")
    if factor > 0.93:
        return ("perovskite Pm-3m", "perovskite R-3c", "perovskite I4/mcm")
    return ("perovskite Pnma", "perovskite R-3c", "perovskite I4/mcm", "perovskite Pm-3m")


def perovskite_candidates() -> list[Candidate]:
    """One tilt of every plausible ABO3, then a second tilt of some, up to PEROVSKITE_JOBS."""
    best: dict[str, Candidate] = {}
    for candidate in decorations(PROTOTYPES["perovskite Pm-3m"]):
        (_, a), (_, b) = candidate.ions
        if is_plausible_perovskite(a, b):
            # Of several charge distributions of one formula, the one nearest to an ideal fit.
            known = best.get(candidate.formula)
            if known is None or misfit(candidate) < misfit(known):
                best[candidate.formula] = candidate
    rng = random.Random(SEED)
    formulas = sorted(best)
    rng.shuffle(formulas)
    first, second = [], []
    for formula in formulas:
        ions = best[formula].ions
        tilts = likely_tilts(tolerance_factor(ions[0][1], ions[1][1]))
        names = rng.sample(tilts, 2)
        first.append(Candidate(PROTOTYPES[names[0]], ions))
        second.append(Candidate(PROTOTYPES[names[1]], ions))
    return [*first, *second][:PEROVSKITE_JOBS]


def misfit(candidate: Candidate) -> float:
    (_, a), (_, b) = candidate.ions
    return abs(tolerance_factor(a, b) - 0.98)


def draw(prototype: Prototype, shared: set[str]) -> list[Candidate]:
    """A random choice of decorations, one a formula, SHARED_PART of them from `shared` if there are so many."""
    by_formula: dict[str, Candidate] = {}
    for candidate in decorations(prototype):
        by_formula.setdefault(candidate.formula, candidate)
    formulas = sorted(by_formula)
    random.Random(f"{SEED} {prototype.name}").shuffle(formulas)
    first = [formula for formula in formulas if formula in shared][: round(prototype.draw * SHARED_PART)]
    rest = [formula for formula in formulas if formula not in first]
    return [by_formula[formula] for formula in [*first, *rest][: prototype.draw]]


def all_candidates() -> list[Candidate]:
    """The decorations to relax, always the same and in the same order.

    Most of the other ABO3 oxides repeat formulas of the perovskites: composition alone cannot tell those apart.
    """
    perovskites = perovskite_candidates()
    shared = {candidate.formula for candidate in perovskites}
    others = [prototype for prototype in PROTOTYPES.values() if prototype.family == "oxide"]
    return [*perovskites, *(candidate for prototype in others for candidate in draw(prototype, shared))]
