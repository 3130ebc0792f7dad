"""The three textbook crystals in every kind of file that users have."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ase.db
import ase.io
import pandas as pd
from pymatgen.core import Structure

from cgcnn.sources import Entry, local
from tests.crystals import TEXTBOOK

UNITS = {"energy": "eV/atom"}
IDS = ["sto", "salt", "low"]
PEROVSKITE, ROCK_SALT, LOW_SYMMETRY, ARGON = TEXTBOOK
STRUCTURES = [PEROVSKITE, ROCK_SALT, LOW_SYMMETRY]
ENERGIES = [-3.5, -2.1, None]
FAMILIES = ["perovskite", "salt", None]


def cif(structure: Structure) -> str:
    return str(structure.to(fmt="cif"))


def frame(of: Callable[[Structure], object]) -> pd.DataFrame:
    """The three test materials, with the structures as `of` writes them."""
    columns = {"material_id": IDS, "structure": [of(s) for s in STRUCTURES], "energy": ENERGIES, "family": FAMILIES}
    return pd.DataFrame(columns)


def atoms_with_info() -> list[ase.Atoms]:
    every = []
    for name, structure, energy, family in zip(IDS, STRUCTURES, ENERGIES, FAMILIES, strict=True):
        atoms = ase.Atoms(structure.labels, cell=structure.lattice.matrix, pbc=True)
        atoms.set_scaled_positions(structure.frac_coords)
        known = {"material_id": name, "formation": energy, "family": family}
        atoms.info = {key: value for key, value in known.items() if value is not None}
        every.append(atoms)
    return every


def cgcnn_folder(path: Path) -> Path:
    path.mkdir()
    rows = zip(IDS, ENERGIES, strict=True)
    (path / "id_prop.csv").write_text("".join(f"{name},{'' if e is None else e}\n" for name, e in rows))
    (path / "atom_init.json").write_text("{}")
    for name, structure in zip(IDS, STRUCTURES, strict=True):
        (path / f"{name}.cif").write_text(cif(structure))
    return path


def write_database(path: Path) -> None:
    with ase.db.connect(path) as database:
        for atoms in atoms_with_info():
            database.write(atoms, key_value_pairs=dict(atoms.info))


def without_properties(structure: Structure) -> dict[str, Any]:
    """Parquet stores no empty mappings."""
    fields = structure.as_dict()
    sites = [{key: site[key] for key in ("species", "abc", "label")} for site in fields["sites"]]
    return {"@class": "Structure", "lattice": fields["lattice"], "sites": sites, "charge": 0.0}


ENERGY_IN_ASE = {"energy": "formation"}  # ASE keeps "energy" for the calculator's
WRITERS: dict[str, tuple[Callable[[Path], object], Mapping[str, str]]] = {
    "folder": (cgcnn_folder, {}),
    "table.csv": (lambda path: frame(cif).to_csv(path, index=False), {}),
    "table.csv.gz": (lambda path: frame(cif).to_csv(path, index=False), {}),
    "json_text.csv": (lambda path: frame(Structure.to_json).to_csv(path, index=False), {}),
    "table.jsonl": (lambda path: frame(cif).to_json(path, orient="records", lines=True), {}),
    "table.jsonl.gz": (lambda path: frame(Structure.as_dict).to_json(path, orient="records", lines=True), {}),
    "table.parquet": (lambda path: frame(cif).to_parquet(path), {}),
    "json_text.parquet": (lambda path: frame(Structure.to_json).to_parquet(path), {}),
    "nested.parquet": (lambda path: frame(without_properties).to_parquet(path), {}),
    "frames.extxyz": (lambda path: ase.io.write(path, atoms_with_info()), ENERGY_IN_ASE),
    "ase.db": (write_database, ENERGY_IN_ASE),
}


def read(path: Path, columns: Mapping[str, str] | None = None, targets: Sequence[str] = ("energy",)) -> list[Entry]:
    return list(local.read([path], columns or {}, targets))
