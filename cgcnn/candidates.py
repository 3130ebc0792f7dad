"""New perovskites ABX3 by substitution: charge-balanced ions whose radii fit, in a cubic cell guessed from the radii.

Charges are pymatgen's common oxidation states, radii Shannon's ionic ones (Acta Cryst. A 32, 751, 1976): A with the
highest coordination up to 12 that he lists, B and X with 6; of two spin states the high one.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from pymatgen.core import Element

from cgcnn.arrays import Crystal
from cgcnn.elements import MAX_ATOMIC_NUMBER, SYMBOLS
from cgcnn.errors import InputError

ANIONS = {"O": -2, "S": -2, "Se": -2, "N": -3, "F": -1, "Cl": -1, "Br": -1, "I": -1}
#: No candidates: noble gases, no cations here, and elements without stable isotopes that nobody would make.
_EXCLUDED = "H He Ne Ar Kr Xe Rn B C N O F S Se P Cl Br I At Po Fr Ra Ac Pa Np Pu Am Cm Bk Cf Es Fm Tc Pm"
_COORDINATIONS = {"A": ("XII", "XI", "X", "IX", "VIII"), "B": ("VI",), "X": ("VI", "IV")}
# Least squares over cube roots of the volumes per formula of the 464 ABX3 perovskites of the Materials Project with
# charges that balance; half of them lie within 0.05 Å of it.
_CELL = {"constant": 0.150, "A": 0.361, "B": 1.351, "X": 1.768}


@dataclass(frozen=True)
class Ion:
    """An element with a charge on a site of the perovskite."""

    symbol: str
    charge: int
    radius: float  # Å


@dataclass(frozen=True)
class Perovskite:
    """A candidate ABX3 and how well its ions fit."""

    a: Ion
    b: Ion
    x: Ion

    @property
    def formula(self) -> str:
        """A, B, X in this order."""
        return f"{self.a.symbol}{self.b.symbol}{self.x.symbol}3"

    @property
    def tolerance(self) -> float:
        """Goldschmidt's tolerance factor (r_A + r_X) / √2 (r_B + r_X) (Naturwissenschaften 14, 477, 1926)."""
        return (self.a.radius + self.x.radius) / (math.sqrt(2) * (self.b.radius + self.x.radius))

    @property
    def octahedral(self) -> float:
        """r_B / r_X: 0.414 and more hold an octahedron of X apart."""
        return self.b.radius / self.x.radius

    @property
    def tau(self) -> float:
        """r_X / r_B - n_A (n_A - (r_A / r_B) / ln(r_A / r_B)): below 4.18 a perovskite is more likely than not.

        Bartel et al., Sci. Adv. 5, eaav0693 (2019); n_A is the charge of A. Infinite unless r_A > r_B.
        """
        ratio = self.a.radius / self.b.radius
        if ratio <= 1:
            return math.inf
        return self.x.radius / self.b.radius - self.a.charge * (self.a.charge - ratio / math.log(ratio))

    def crystal(self) -> Crystal:
        """The cubic cell: A at the corner, B in the middle, X in the middle of the faces."""
        coords = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
        numbers = [SYMBOLS.index(ion.symbol) for ion in (self.a, self.b, self.x, self.x, self.x)]
        return Crystal(self.cell * np.eye(3), coords, np.array(numbers, dtype=np.uint8))

    @property
    def cell(self) -> float:
        """Guess of the lattice parameter in Å, linear in the three radii."""
        return _CELL["constant"] + sum(_CELL[site] * ion.radius for site, ion in zip("ABX", self._ions, strict=True))

    @property
    def _ions(self) -> tuple[Ion, Ion, Ion]:
        return self.a, self.b, self.x


@dataclass(frozen=True)
class Fit:
    """Which candidates are worth a prediction."""

    most_tau: float = 4.18
    least_tolerance: float = 0.8
    most_tolerance: float = 1.1
    least_octahedral: float = 0.414

    def holds(self, candidate: Perovskite) -> bool:
        """Whether all three factors are within bounds."""
        return (
            candidate.tau < self.most_tau
            and self.least_tolerance <= candidate.tolerance <= self.most_tolerance
            and candidate.octahedral >= self.least_octahedral
        )


def perovskites(anions: Sequence[str] = ("O",), fit: Fit | None = None) -> Iterator[Perovskite]:
    """Every ABX3 whose charges balance and whose radii fit, by formula once: the assignment of the least tau.

    Raises:
        InputError: an anion that is not one of ANIONS.
    """
    fit = fit or Fit()
    unknown = [name for name in anions if name not in ANIONS]
    if unknown:
        raise InputError(f"{unknown[0]} is no anion known here. Choose from {', '.join(ANIONS)}.")
    return (candidate for anion in dict.fromkeys(anions) for candidate in _of_anion(anion, fit))


def _of_anion(anion: str, fit: Fit) -> Iterator[Perovskite]:
    x = Ion(anion, ANIONS[anion], radius(anion, ANIONS[anion], "X"))
    best: dict[str, Perovskite] = {}
    for a in cations("A"):
        for b in cations("B"):
            if a.charge + b.charge + 3 * x.charge == 0 and a.symbol != b.symbol:
                candidate = Perovskite(a, b, x)
                if fit.holds(candidate):
                    known = best.get(candidate.formula)
                    best[candidate.formula] = min(known or candidate, candidate, key=lambda each: each.tau)
    yield from (best[formula] for formula in sorted(best))


@cache
def cations(site: str) -> tuple[Ion, ...]:
    """Every cation with a radius for site A or B."""
    found, excluded = [], _EXCLUDED.split()
    for symbol in SYMBOLS[1 : MAX_ATOMIC_NUMBER + 1]:
        if symbol not in excluded:
            for charge in Element(symbol).common_oxidation_states:
                length = radius(symbol, charge, site) if charge > 0 else math.nan
                if math.isfinite(length):
                    found.append(Ion(symbol, charge, length))
    return tuple(found)


def radius(symbol: str, charge: int, site: str) -> float:
    """Shannon's ionic radius in Å for site A, B or X, NaN where he lists none."""
    table = Element(symbol).data.get("Shannon radii") or {}
    listed = table.get(str(charge), {})
    for coordination in _COORDINATIONS[site]:
        if coordination in listed:
            spins = listed[coordination]
            return float((spins.get("High Spin") or next(iter(spins.values())))["ionic_radius"])
    return math.nan
