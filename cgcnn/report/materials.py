"""What a material is called and made of, and its structure as the page's viewer takes it."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from ase.data import covalent_radii
from ase.data.colors import jmol_colors

from cgcnn.elements import SYMBOLS, properties

CRYSTAL_SYSTEMS = ("triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic")
_LAST_GROUPS = (2, 15, 74, 142, 167, 194, 230)  # the last space group of each (International Tables A)
MOST_SITES = 150_000  # whose structures a page carries; beyond, those of the test materials go first
_COORDINATE_STEPS = 10_000  # of a lattice vector: far finer than anything that can be seen


@dataclass(frozen=True)
class Material:
    formula: str
    family: str
    space_group: int
    prototype: str
    n_sites: int
    elements: frozenset[int]

    @property
    def crystal_system(self) -> str:
        """`unknown` where the space group is."""
        return CRYSTAL_SYSTEMS[bisect_left(_LAST_GROUPS, self.space_group)] if self.space_group else "unknown"

    @property
    def anion(self) -> str:
        """Symbol of the most electronegative element."""
        pauling = np.nan_to_num(properties()["electronegativity"])
        return SYMBOLS[max(sorted(self.elements), key=lambda number: pauling[number])]


def facts_of(structures: pa.Table) -> dict[str, Material]:
    """Every material by its id."""
    names = ("formula", "family", "space_group", "prototype", "n_sites")
    columns = [structures[name].to_pylist() for name in names]
    columns.append([frozenset(numbers) for numbers in structures["atomic_numbers"].to_pylist()])
    rows = zip(*columns, strict=True)
    return {
        name: Material(formula, family or "of no family", *rest)
        for name, (formula, family, *rest) in zip(structures["material_id"].to_pylist(), rows, strict=True)
    }


def for_viewer(structures: pa.Table, first: Sequence[str], contributions: Mapping[str, Any]) -> dict[str, Any]:
    """Structures as compact JSON: coordinates in ten-thousandths of a lattice vector.

    Args:
        first: ids whose structures are carried even where MOST_SITES do not suffice for all.
        contributions: contest -> its name, the unit, and material_id -> what each site adds to the prediction.
    """
    rows = structures.to_pandas().set_index("material_id")
    order = list(dict.fromkeys([*first, *rows.index]))
    sites = np.cumsum([int(rows.at[material_id, "n_sites"]) for material_id in order])
    carried = order[: int(np.searchsorted(sites, MOST_SITES, side="right"))]
    chosen = rows.loc[carried]
    pauling = np.nan_to_num(properties()["electronegativity"]).tolist()
    numbers = sorted({int(z) for atoms in chosen["atomic_numbers"] for z in atoms})
    return {
        "elements": {
            z: [SYMBOLS[z], element_colour(z), round(float(covalent_radii[z]), 2), pauling[z]] for z in numbers
        },
        "materials": {
            material_id: [
                row.formula,
                int(row.space_group),
                row.prototype,
                [round(float(x), 4) for x in row.lattice],
                [int(z) for z in row.atomic_numbers],
                [int(x) for x in np.rint(np.asarray(row.frac_coords) % 1 * _COORDINATE_STEPS)],
            ]
            for material_id, row in zip(carried, chosen.itertuples(), strict=True)
        },
        "contributions": {
            contest: [
                label,
                unit,
                {name: [round(float(x), 4) for x in values[name]] for name in carried if name in values},
            ]
            for contest, (label, unit, values) in contributions.items()
        },
    }


def element_colour(atomic_number: int) -> str:
    """The colour in which Jmol draws an element, as #rrggbb."""
    return "#" + "".join(f"{round(255 * share):02x}" for share in jmol_colors[atomic_number])
