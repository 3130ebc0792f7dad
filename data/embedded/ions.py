"""Ions for the cation sites: oxidation states of pymatgen (ICSD and common), radii of Shannon.

Radii: R. D. Shannon, Acta Cryst. A32, 751 (1976), in Å.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from prototypes import CationSite
from pymatgen.core import Element

METALS = [e for e in Element if e.Z <= 83 and e.symbol not in ("Tc", "Pm") and (e.is_metal or e.is_metalloid)]
# Only where three or four oxygen atoms surround the site: carbonate, nitrate, phosphate, ...
POLYANION_CENTRES = [Element(symbol) for symbol in ("C", "N", "P", "S", "Se")]
# Listed in the ICSD, but lone-pair or otherwise not credible in an octahedron of oxygen.
NOT_OCTAHEDRAL = {(symbol, 3) for symbol in ("Ag", "As", "Sb", "Bi", "Nb", "Ta", "Pb", "Pd", "Re", "W")} | {("Ta", 4)}
FALL_BACK = {"III": ("III", "IV"), "VIII": ("VIII", "VI"), "IX": ("IX", "VIII", "VI")}


@dataclass(frozen=True)
class Ion:
    """An element with its oxidation state and its radius in Å at the coordination number of its site."""

    element: str
    charge: int
    radius: float


@cache
def shannon_radius(symbol: str, charge: int, coordination: str) -> float | None:
    """The ionic radius in Å, or None where Shannon lists none (pymatgen raises for ions split by spin)."""
    table = Element(symbol).data.get("Shannon radii") or {}
    by_spin = table.get(str(charge), {}).get(coordination, {}) if isinstance(table, dict) else {}
    for spin in ("", "High Spin", "Low Spin"):
        if spin in by_spin:
            return float(by_spin[spin]["ionic_radius"])
    return None


@cache
def twelvefold_fit(coordination: str) -> tuple[float, float]:
    """Slope and intercept of the twelve-fold radius against that of a smaller coordination number."""
    pairs = [
        (small, large)
        for element in METALS
        for charge in range(1, 7)
        if (small := shannon_radius(element.symbol, charge, coordination)) is not None
        and (large := shannon_radius(element.symbol, charge, "XII")) is not None
    ]
    slope, intercept = np.polyfit(*np.array(pairs).T, 1)
    return float(slope), float(intercept)


@cache
def radius_on_site(symbol: str, charge: int, coordination: str) -> float | None:
    """Shannon's radius in Å, or the nearest that stands for it: a smaller shell, or a fit for twelve neighbours."""
    for near in FALL_BACK.get(coordination, (coordination,)):
        if (radius := shannon_radius(symbol, charge, near)) is not None:
            return radius
    if coordination == "XII":
        for near in ("X", "IX", "VIII", "VII", "VI"):
            if (radius := shannon_radius(symbol, charge, near)) is not None:
                slope, intercept = twelvefold_fit(near)
                return slope * radius + intercept
    return None


@cache
def ions_for(site: CationSite, is_b: bool) -> tuple[Ion, ...]:
    """Every ion that fits the site by its radius; on six-fold B, the smaller cation's site, none of NOT_OCTAHEDRAL."""
    elements = [*METALS, *POLYANION_CENTRES] if site.coordination in ("III", "IV") else METALS
    ions = []
    for element in elements:
        for charge in sorted({*element.common_oxidation_states, *element.icsd_oxidation_states}):
            radius = radius_on_site(element.symbol, charge, site.coordination) if charge > 0 else None
            if radius is None or not site.smallest <= radius <= site.largest:
                continue
            if is_b and site.coordination == "VI" and (element.symbol, charge) in NOT_OCTAHEDRAL:
                continue
            ions.append(Ion(element.symbol, charge, max(radius, 0.1)))
    return tuple(ions)
