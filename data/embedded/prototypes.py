"""The prototype crystals that the embedded set decorates, read from prototypes.toml."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ase.spacegroup import crystal
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

FILE = Path(__file__).with_name("prototypes.toml")
DEFAULT_DRAW = 18


@dataclass(frozen=True)
class CationSite:
    """Which ions a site takes: coordination number, and smallest and largest Shannon radius in Å."""

    coordination: str
    smallest: float
    largest: float


@dataclass(frozen=True)
class Prototype:
    """A structure type: space group and its setting, cell (Å, degrees), sites of A, B and X (oxygen)."""

    name: str
    family: str  # perovskite or oxide
    space_group: int
    setting: int
    cell: tuple[float, ...]
    sites: tuple[tuple[str, tuple[float, float, float]], ...]
    cations: Mapping[str, CationSite]
    draw: int  # how many decorations to relax

    def decorate(self, cations: Mapping[str, str]) -> Structure:
        """The primitive cell with `cations`, such as {"A": "Ca", "B": "Ti"}, on its sites and oxygen on X."""
        elements = {**cations, "X": "O"}
        atoms = crystal(
            [elements[label] for label, _ in self.sites],
            [xyz for _, xyz in self.sites],
            spacegroup=self.space_group,
            setting=self.setting,
            cellpar=list(self.cell),
            primitive_cell=True,
        )
        del atoms.arrays["spacegroup_kinds"]
        structure: Structure = AseAtomsAdaptor.get_structure(atoms)
        return structure.get_sorted_structure()

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many A, B and X the primitive cell holds."""
        stand_in = {"A": "Ca", "B": "Ti"}
        composition = self.decorate(stand_in).composition
        return {label: int(composition[stand_in.get(label, "O")]) for label, _ in self.sites}

    @property
    def is_abo3(self) -> bool:
        """Whether its stoichiometry is that of a perovskite."""
        return self.counts.get("A") == self.counts.get("B") == self.counts["X"] / 3


def _read() -> dict[str, Prototype]:
    return {
        name: Prototype(
            name=name,
            family=entry["family"],
            space_group=entry["space_group"],
            setting=entry.get("setting", 1),
            cell=tuple(entry["cell"]),
            sites=tuple((label, (x, y, z)) for label, x, y, z in entry["sites"]),
            cations={label: CationSite(*entry[label]) for label in ("A", "B") if label in entry},
            draw=entry.get("draw", DEFAULT_DRAW),
        )
        for name, entry in tomllib.loads(FILE.read_text(encoding="utf-8")).items()
    }


PROTOTYPES = _read()
