"""CHGNet's energies of the elements, from which formation energies are counted.

    python data/embedded/references.py     writes references.json

Crystals are those of the Delta test (ase.collections.dcdft), with these exceptions: the lanthanides, which it lacks,
are close-packed or body-centred metals at their measured lattice constants (alpha-samarium as double hexagonal), and
sulphur is the alpha form of S8 molecules, for the Delta test has it in a dense form far from its ground state.
"""

import json
from pathlib import Path

from ase.build import bulk
from ase.collections import dcdft
from ions import METALS, POLYANION_CENTRES
from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor
from relaxation import load_model, plain_structure, relax

FILE = Path(__file__).with_name("references.json")

# Å
HEXAGONAL_CLOSE_PACKED = {
    "Gd": (3.63, 5.78),
    "Tb": (3.60, 5.70),
    "Dy": (3.59, 5.65),
    "Ho": (3.58, 5.62),
    "Er": (3.56, 5.59),
    "Tm": (3.54, 5.56),
}
DOUBLE_HEXAGONAL = {
    "La": (3.77, 12.1),
    "Ce": (3.68, 11.8),
    "Pr": (3.67, 11.8),
    "Nd": (3.66, 11.8),
    "Sm": (3.63, 11.6),
}


def crystal_of(symbol: str) -> Structure:
    """The element's crystal before relaxation."""
    if symbol in DOUBLE_HEXAGONAL:
        layers: list[list[float]] = [[0, 0, 0], [0, 0, 1 / 2], [1 / 3, 2 / 3, 1 / 4], [2 / 3, 1 / 3, 3 / 4]]
        return Structure(Lattice.hexagonal(*DOUBLE_HEXAGONAL[symbol]), [symbol] * 4, layers)
    if symbol in HEXAGONAL_CLOSE_PACKED:
        a, c = HEXAGONAL_CLOSE_PACKED[symbol]
        return plain_structure(bulk(symbol, "hcp", a=a, c=c))
    if symbol == "Eu":
        return plain_structure(bulk("Eu", "bcc", a=4.58))
    if symbol == "Yb":
        return plain_structure(bulk("Yb", "fcc", a=5.48))
    if symbol == "S":
        return alpha_sulphur()
    return plain_structure(dcdft[symbol])


def alpha_sulphur() -> Structure:
    """Orthorhombic S8, from the AFLOW library of prototypes."""
    entry = next(entry for entry in AFLOW_PROTOTYPE_LIBRARY if entry["tags"]["aflow"] == "A_oF128_70_4h")
    structure: Structure = entry["snl"].structure.copy()
    structure.remove_oxidation_states()
    return plain_structure(AseAtomsAdaptor.get_atoms(structure))


def elemental_energies() -> dict[str, float]:
    """Energy in eV/atom of each element that a candidate may hold, relaxed with its symmetry kept."""
    symbols = sorted({element.symbol for element in (*METALS, *POLYANION_CENTRES)} | {"O"})
    relaxed = relax(load_model(), [crystal_of(symbol) for symbol in symbols])
    return {symbol: round(one.energy, 5) for symbol, one in zip(symbols, relaxed, strict=True)}


def read_references() -> dict[str, float]:
    """The energies of references.json, in eV/atom."""
    return {symbol: float(energy) for symbol, energy in json.loads(FILE.read_text()).items()}


if __name__ == "__main__":
    FILE.write_text(json.dumps(elemental_energies(), indent=1) + "\n")
