"""Where structures come from. Every source yields entries; `collect` checks them and makes the two tables.

A structure that cannot be used goes to the rejects table with its id and the reason: nothing vanishes silently.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import spglib
from pymatgen.core import Composition, Structure

from cgcnn import tables
from cgcnn.elements import MAX_ATOMIC_NUMBER, SYMBOLS
from cgcnn.errors import InputError
from cgcnn.perovskites import classify

_SYMMETRY_PRECISION = 0.01  # Å, pymatgen's and the Materials Project's own
_LONGEST_VECTOR = 1000.0  # Å, of a cell
_FARTHEST_COORDINATE = 100.0  # cells away from the origin; more is a slip, and costs the search for neighbours dearly
MOST_SITES = 65_535  # of one crystal: a neighbour's index has 16 bits
_SHORTEST_DISTANCE = 0.5  # Å, pymatgen's own; no two atoms come closer, hydrogen molecules have 0.74


@dataclass(frozen=True)
class Entry:
    """One material as a source gives it: a structure, or the reason why there is none."""

    material_id: str
    origin: str  # file and row
    structure: Structure | str
    family: str | None = None
    targets: Mapping[str, float | None] = field(default_factory=dict)


def collect(entries: Iterable[Entry], units: Mapping[str, str]) -> tuple[pa.Table, pa.Table]:
    """Check every entry and return the structures table and the rejects table.

    Args:
        entries: materials in any order; a repeated id is rejected, the first one stays.
        units: unit of each target column, in the order in which the columns are to stand.

    Raises:
        InputError: not one entry could be used.
    """
    rows: dict[str, dict[str, object]] = {}
    rejects: list[dict[str, str]] = []
    for entry in entries:
        reason = "duplicate material_id: the first one was kept" if entry.material_id in rows else unusable(entry)
        if reason is None:
            rows[entry.material_id] = _row(entry, units)
        else:
            rejects.append({"material_id": entry.material_id, "origin": entry.origin, "reason": reason})
    if not rows:
        why = f" The first reason: {rejects[0]['origin']}: {rejects[0]['reason']}." if rejects else ""
        raise InputError(f"The source holds no usable structure ({len(rejects)} rejected).{why}")
    schema = tables.structures_schema(units)
    structures = pa.Table.from_pylist([rows[key] for key in sorted(rows)], schema=schema)
    return structures, pa.Table.from_pylist(rejects, schema=tables.REJECTS)


def unusable(entry: Entry) -> str | None:
    """Why this entry cannot become a crystal graph, or None."""
    structure = entry.structure
    if isinstance(structure, str):
        return structure
    if len(structure) == 0:
        return "no sites"
    if len(structure) > MOST_SITES:
        return f"{len(structure)} sites, more than {MOST_SITES}"
    if not structure.is_ordered:
        return "disordered: some sites are shared or partly occupied"
    for site in structure:
        number = getattr(site.specie, "Z", None)
        if number is None or not 1 <= number <= MAX_ATOMIC_NUMBER:
            return f"unknown element {site.specie}: only H to {SYMBOLS[MAX_ATOMIC_NUMBER]} have features"
    if not (np.isfinite(structure.lattice.matrix).all() and np.isfinite(structure.frac_coords).all()):
        return "lattice or coordinates are not finite"
    if not all(structure.pbc):
        return "not periodic along all three lattice vectors"
    if max(structure.lattice.abc) > _LONGEST_VECTOR:
        return f"a lattice vector of {max(structure.lattice.abc):.4g} Å, more than {_LONGEST_VECTOR:g}"
    if np.abs(structure.frac_coords).max() > _FARTHEST_COORDINATE:
        return f"a fractional coordinate beyond {_FARTHEST_COORDINATE:g}: are they in Å?"
    if structure.volume < 1e-3 * len(structure):
        return f"cell volume {structure.volume:.3g} Å^3 for {len(structure)} sites"
    if len(structure.get_neighbor_list(_SHORTEST_DISTANCE)[0]) > 0:
        return f"two sites less than {_SHORTEST_DISTANCE} Å apart"
    return None


def _row(entry: Entry, units: Mapping[str, str]) -> dict[str, object]:
    structure = entry.structure
    assert isinstance(structure, Structure)
    numbers = [site.specie.Z for site in structure]
    space_group, prototype = symmetry(structure.lattice.matrix, structure.frac_coords, numbers)
    return {
        "material_id": entry.material_id,
        "formula": reduced_formula(numbers),
        "family": entry.family,
        "perovskite_kind": classify(structure).kind,
        "prototype": prototype,
        "space_group": space_group,
        "n_sites": len(numbers),
        "lattice": structure.lattice.matrix.ravel(),
        "atomic_numbers": numbers,
        "frac_coords": structure.frac_coords.ravel(),
        **{name: _number(entry.targets.get(name)) for name in units},
    }


def _number(value: float | None) -> float | None:
    """A missing target is null, never NaN."""
    return None if value is None or not math.isfinite(value) else float(value)


def reduced_formula(numbers: Iterable[int]) -> str:
    """Reduced chemical formula of a list of atomic numbers."""
    counts: dict[str, float] = {}
    for number in numbers:
        counts[SYMBOLS[number]] = counts.get(SYMBOLS[number], 0) + 1
    return Composition(counts).reduced_formula


def symmetry(lattice: np.ndarray, frac_coords: np.ndarray, numbers: list[int]) -> tuple[int, str]:
    """Space group number and prototype label (anonymous formula, space group, site symmetries), told by spglib.

    The label has the site symmetry of every orbit instead of its Wyckoff letter, because letters depend on the choice
    of origin: cubic ABX3 is 1a 1b 3c or 1a 1b 3d. Its characters are sorted, so that it does not depend on the order
    of the axes either.

    Args:
        lattice: (3, 3) Å, rows are the vectors.
        frac_coords: (N, 3).
        numbers: N atomic numbers.
    """
    counts = {SYMBOLS[number]: float(numbers.count(number)) for number in set(numbers)}
    anonymous = Composition(counts).anonymized_formula
    try:
        found = spglib.get_symmetry_dataset(
            (lattice.tolist(), frac_coords.tolist(), numbers), symprec=_SYMMETRY_PRECISION
        )
    except spglib.SpglibError:
        found = None
    if found is None:
        return 0, f"{anonymous}_unknown"
    site_symmetry = dict(zip(found.crystallographic_orbits.tolist(), found.site_symmetry_symbols, strict=True))
    orbits = Counter("".join(sorted(symbol.replace(".", ""))) for symbol in site_symmetry.values())
    return int(found.number), "_".join([anonymous, str(found.number), *(f"{orbits[k]}x{k}" for k in sorted(orbits))])


def structure_of(row: Mapping[str, Any]) -> Structure:
    """The pymatgen structure of one row of the structures table."""
    lattice = np.asarray(row["lattice"], dtype=float).reshape(3, 3)
    numbers = [SYMBOLS[number] for number in row["atomic_numbers"]]
    return Structure(lattice, numbers, np.asarray(row["frac_coords"], dtype=float).reshape(-1, 3))
