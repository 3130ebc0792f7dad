"""From relaxations to materials.parquet: labels, what is left out and why, columns and metadata."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from candidates import Candidate
from progress import unpacked
from pymatgen.core import Structure

from cgcnn.perovskites import classify
from cgcnn.tables import write_table

SCHEMA = pa.schema(
    [
        pa.field("material_id", pa.string(), nullable=False),
        pa.field("formula", pa.string(), nullable=False),  # reduced
        pa.field("family", pa.string(), nullable=False),  # perovskite or oxide
        pa.field("prototype", pa.string(), nullable=False),  # that was decorated
        pa.field("lattice", pa.list_(pa.float64(), 9), nullable=False, metadata={"unit": "Å"}),  # rows are the vectors
        pa.field("atomic_numbers", pa.list_(pa.uint8()), nullable=False),
        pa.field("frac_coords", pa.list_(pa.float64()), nullable=False),  # x1, y1, z1, x2, ...
        pa.field("formation_energy_per_atom", pa.float64(), nullable=False, metadata={"unit": "eV/atom"}),
    ]
)

ABOUT = {
    "source": "embedded",
    "source_version": "1",
    "label_method": (
        "CHGNet-0.3.0 surrogate of the MP2020-corrected PBE(+U) formation energy, eV/atom. "
        "The labels are not DFT, and the structures are not Materials Project data: hypothetical, charge-balanced "
        "decorations of prototypes, relaxed with CHGNet 0.3.0 within the symmetry of the prototype."
    ),
    "licence": "MIT, as part of this repository",
    "attribution": [
        "CHGNet (BSD-3-Clause): B. Deng et al., Nature Machine Intelligence 5, 1031 (2023)",
        "Materials Project (CC BY 4.0), on which CHGNet was trained: A. Jain et al., APL Materials 1, 011002 (2013)",
    ],
}

SHORTEST_DISTANCE = 1.1  # Å
VOLUME_PER_ATOM = (6.0, 28.0)  # Å^3
FORMATION_ENERGY = (-4.6, 0.2)  # eV/atom
# Two phases of one formula that agree within these relaxed into the same crystal.
SAME_ENERGY = 1e-3  # eV/atom
SAME_VOLUME = 2e-3  # relative


def formation_energy(structure: Structure, energy: float, references: Mapping[str, float]) -> float:
    """eV/atom: the energy per atom less that of the elements."""
    fractions = structure.composition.fractional_composition
    return energy - sum(fraction * references[element.symbol] for element, fraction in fractions.items())


def fault(candidate: Candidate, structure: Structure, label: float) -> str | None:
    """Why a relaxed crystal does not belong into the set, or None."""
    kind = classify(structure.lattice.matrix, structure.atomic_numbers, structure.frac_coords).kind
    if kind != ("perovskite" if candidate.prototype.family == "perovskite" else "none"):
        return f"{candidate.prototype.family} became: {kind}"
    if not VOLUME_PER_ATOM[0] <= structure.volume / len(structure) <= VOLUME_PER_ATOM[1]:
        return "volume"
    if not FORMATION_ENERGY[0] <= label <= FORMATION_ENERGY[1]:
        return "formation energy"
    if min(n.nn_distance for near in structure.get_all_neighbors(4.0) for n in near) < SHORTEST_DISTANCE:
        return "distance"
    return None


def rows(
    candidates: Sequence[Candidate], records: Mapping[str, dict[str, Any]], references: Mapping[str, float]
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """The rows of the table, and how many candidates each reason left out.

    A material's id is its place among the candidates, so that one that fails elsewhere does not rename the others.
    """
    kept: list[dict[str, Any]] = []
    left_out: Counter[str] = Counter()
    seen: dict[str, list[tuple[float, float]]] = {}
    for number, candidate in enumerate(candidates, start=1):
        record = records[candidate.key]
        if not record["converged"]:
            left_out["not converged"] += 1
            continue
        structure = unpacked(record)
        label = formation_energy(structure, record["energy"], references)
        volume = structure.volume / len(structure)
        others = seen.setdefault(candidate.formula, [])
        if any(abs(label - e) < SAME_ENERGY and abs(volume / v - 1) < SAME_VOLUME for e, v in others):
            left_out["same crystal as another phase"] += 1
            continue
        if (reason := fault(candidate, structure, label)) is not None:
            left_out[reason] += 1
            continue
        others.append((label, volume))
        kept.append(
            {
                "material_id": f"emb-{number:05d}",
                "formula": candidate.formula,
                "family": candidate.prototype.family,
                "prototype": candidate.prototype.name,
                "lattice": rounded(structure.lattice.matrix, 5),
                "atomic_numbers": list(structure.atomic_numbers),
                "frac_coords": rounded(np.round(structure.frac_coords, 6) % 1.0, 6),
                "formation_energy_per_atom": round(label, 4),
            }
        )
    return kept, left_out


def rounded(values: np.ndarray, decimals: int) -> list[float]:
    """Flattened and rounded, without negative zeros."""
    return [float(value) for value in np.round(values, decimals).ravel() + 0.0]


def write(path: Path, materials: Sequence[Mapping[str, Any]]) -> None:
    """Write materials.parquet, sorted by id."""
    write_table(path, pa.Table.from_pylist(list(materials), schema=SCHEMA), SCHEMA, ABOUT)
