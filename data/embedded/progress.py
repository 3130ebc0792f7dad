"""The relaxations done so far, one JSON object a line, so that a stopped run goes on where it was."""

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from candidates import Candidate
from chgnet.model import CHGNet
from pymatgen.core import Structure
from relaxation import relax, scaled_to_minimum
from tqdm import tqdm

BATCH = 16


def read(path: Path) -> dict[str, dict[str, Any]]:
    """The records of `path` by the key of their candidate; a line torn by a stop is skipped."""
    records = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        records[record["key"]] = record
    return records


def relax_all(model: CHGNet, candidates: Iterable[Candidate], path: Path) -> dict[str, dict[str, Any]]:
    """Relax what `path` does not hold yet, append it there, and return all records by key."""
    done = read(path)
    waiting = [candidate for candidate in candidates if candidate.key not in done]
    random.Random(0).shuffle(waiting)  # what a stopped run has done is a fair sample
    with path.open("a") as file, tqdm(total=len(waiting), unit="crystal") as bar:
        for start in range(0, len(waiting), BATCH):
            batch = waiting[start : start + BATCH]
            for record in relax_batch(model, batch):
                file.write(json.dumps(record, separators=(",", ":")) + "\n")
            file.flush()
            bar.update(len(batch))
    return read(path)


def relax_batch(model: CHGNet, candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
    """One record a candidate, without energy (eV/atom) and structure where no volume holds the crystal together."""
    starts = [scaled_to_minimum(model, candidate.structure()) for candidate in candidates]
    relaxed = iter(relax(model, [start for start in starts if start is not None]))
    records: list[dict[str, Any]] = []
    for candidate, start in zip(candidates, starts, strict=True):
        record: dict[str, Any] = {"key": candidate.key, "converged": False}
        if start is not None:
            result = next(relaxed)
            record |= {"converged": result.converged, "steps": result.steps, "energy": result.energy}
            record |= packed(result.structure)
        records.append(record)
    return records


def packed(structure: Structure) -> dict[str, Any]:
    """Lattice rows in Å, atomic numbers and fractional coordinates as plain lists."""
    return {
        "lattice": structure.lattice.matrix.tolist(),
        "atomic_numbers": list(structure.atomic_numbers),
        "frac_coords": structure.frac_coords.tolist(),
    }


def unpacked(record: dict[str, Any]) -> Structure:
    """The structure of a record."""
    return Structure(record["lattice"], record["atomic_numbers"], record["frac_coords"])
