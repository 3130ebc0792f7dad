"""Where structures come from. Every source yields entries; `collect` checks them and makes the two tables.

A structure that cannot be used goes to the rejects table with its id and the reason: nothing vanishes silently.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import spglib

from cgcnn import tables
from cgcnn.arrays import Crystal
from cgcnn.crystals import checked, composition, reduced_formula
from cgcnn.errors import InputError
from cgcnn.perovskites import classify

_SYMMETRY_PRECISION = 0.01  # Å, pymatgen's and the Materials Project's own


@dataclass(frozen=True)
class Entry:
    """One material as a source gives it: a crystal, or the reason why there is none."""

    material_id: str
    origin: str  # file and row
    crystal: Crystal | str
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
        (crystal,) = checked([entry.crystal])
        if entry.material_id in rows:
            crystal = "duplicate material_id: the first one was kept"
        if isinstance(crystal, str):
            rejects.append({"material_id": entry.material_id, "origin": entry.origin, "reason": crystal})
        else:
            rows[entry.material_id] = _row(entry, crystal, units)
    if not rows:
        why = f" The first reason: {rejects[0]['origin']}: {rejects[0]['reason']}." if rejects else ""
        raise InputError(f"The source holds no usable structure ({len(rejects)} rejected).{why}")
    schema = tables.structures_schema(units)
    structures = pa.Table.from_pylist([rows[key] for key in sorted(rows)], schema=schema)
    return structures, pa.Table.from_pylist(rejects, schema=tables.REJECTS)


def _row(entry: Entry, crystal: Crystal, units: Mapping[str, str]) -> dict[str, object]:
    space_group, prototype = symmetry(crystal)
    return {
        "material_id": entry.material_id,
        "formula": reduced_formula(crystal.atomic_numbers),
        "family": entry.family,
        "perovskite_kind": classify(crystal.lattice, crystal.atomic_numbers, crystal.frac_coords).kind,
        "prototype": prototype,
        "space_group": space_group,
        "n_sites": len(crystal.atomic_numbers),
        "lattice": crystal.lattice.ravel(),
        "atomic_numbers": crystal.atomic_numbers,
        "frac_coords": crystal.frac_coords.ravel(),
        **{name: _number(entry.targets.get(name)) for name in units},
    }


def _number(value: float | None) -> float | None:
    """A missing target is null, never NaN."""
    return None if value is None or not math.isfinite(value) else float(value)


def symmetry(crystal: Crystal) -> tuple[int, str]:
    """Space group number and prototype label (anonymous formula, space group, site symmetries), told by spglib.

    The label has the site symmetry of every orbit instead of its Wyckoff letter, because letters depend on the choice
    of origin: cubic ABX3 is 1a 1b 3c or 1a 1b 3d. Its characters are sorted, so that it does not depend on the order
    of the axes either.
    """
    numbers = crystal.atomic_numbers.tolist()
    anonymous = composition(crystal.atomic_numbers).anonymized_formula
    try:
        found = spglib.get_symmetry_dataset(
            (crystal.lattice.tolist(), crystal.frac_coords.tolist(), numbers), symprec=_SYMMETRY_PRECISION
        )
    except spglib.SpglibError:
        found = None
    if found is None:
        return 0, f"{anonymous}_unknown"
    site_symmetry = dict(zip(found.crystallographic_orbits.tolist(), found.site_symmetry_symbols, strict=True))
    orbits = Counter("".join(sorted(symbol.replace(".", ""))) for symbol in site_symmetry.values())
    return int(found.number), "_".join([anonymous, str(found.number), *(f"{orbits[k]}x{k}" for k in sorted(orbits))])
