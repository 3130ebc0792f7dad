"""Writes cgcnn/elements.csv: properties of the elements 1 to 100: the nine behind the bits of CGCNN, and further ones.

Needs mendeleev and periodictable (both in the `test` extra). Run from anywhere: python data/elements/generate.py
"""

import io
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import periodictable
from mendeleev.econf import ElectronicConfiguration
from mendeleev.fetch import fetch_ionization_energies, fetch_table

from cgcnn.element_numbers import FURTHER
from cgcnn.elements import BLOCKS, MAX_ATOMIC_NUMBER

OUTPUT = Path(__file__).parents[2] / "cgcnn" / "elements.csv"

# Group 3 is Sc, Y, Lu, Lr (Scerri, Pure Appl. Chem. 93, 127, 2021; pymatgen; the published table). mendeleev has La and
# Ac there, and Lu in the f block.
BLOCK_OF = {"La": "f", "Ac": "f", "Lu": "d"}
GROUP_OF_LU = 3
GROUP_OF_F_BLOCK = 0

LIGHTEST_CONDENSED_DENSITY = 0.1  # g/cm3; the densest gas has 0.01, the lightest solid, Li, 0.53


def valence_electrons(configuration: str, block: str, period: int) -> int:
    """s and p block: the outermost shell; d block: with the (n-1)d electrons; f block: the two ns electrons alone."""
    shells = ElectronicConfiguration(configuration)
    return int(shells.nvalence(block, period, method="simple") if block == "f" else shells.nvalence(block, period))


def condensed_density(atomic_number: int, density: float) -> float:
    """The density in g/cm3 at room temperature; if that is of a gas, of the liquid at its boiling point instead."""
    if density >= LIGHTEST_CONDENSED_DENSITY:
        return density
    liquid = periodictable.elements[atomic_number].density
    return float("nan") if liquid is None else liquid


def table() -> pd.DataFrame:
    """One row per element, indexed by atomic number; the columns that BLOCKS names, after the symbol."""
    library = fetch_table("elements").set_index("atomic_number").loc[1:MAX_ATOMIC_NUMBER]
    symbol = library["symbol"]
    block = symbol.map(BLOCK_OF).fillna(library["block"])
    group = library["group_id"].mask(symbol == "Lu", GROUP_OF_LU).mask(block == "f", GROUP_OF_F_BLOCK)
    density = [
        condensed_density(number, value) for number, value in zip(library.index, library["density"], strict=True)
    ]
    columns = {
        "group": group.astype(int),
        "period": library["period"],
        "electronegativity": library["en_pauling"],
        "covalent radius": library["covalent_radius_pyykko"],
        "valence electrons": [
            valence_electrons(*row)
            for row in zip(library["electronic_configuration"], block, library["period"], strict=True)
        ],
        "first ionization energy": fetch_ionization_energies(degree=1)["IE1"],
        "electron affinity": library["electron_affinity"],
        "block": block,
        "atomic volume": library["atomic_weight"] / density,
    }
    return pd.DataFrame(
        {"symbol": symbol} | {block.column: columns[block.name] for block in BLOCKS} | further(library),
        index=library.index,
    )


def further(library: pd.DataFrame) -> dict[str, pd.Series]:
    """The columns of FURTHER, by their headings."""
    ionization = fetch_ionization_energies(degree=[2, 3])
    melting = fetch_table("phasetransitions").drop_duplicates("atomic_number").set_index("atomic_number")
    states = fetch_table("oxidationstates").query("category == 'main'").groupby("atomic_number")["oxidation_state"]
    radii = fetch_table("ionicradii").query("charge > 0").groupby("atomic_number")["ionic_radius"]
    columns = (
        library["mendeleev_number"],
        melting["melting_point"],
        library["evaporation_heat"],
        library["dipole_polarizability"],
        ionization["IE2"],
        ionization["IE3"],
        states.min(),
        states.max(),
        radii.mean(),
    )
    return dict(zip(FURTHER, columns, strict=True))


def render() -> str:
    """The whole text of elements.csv."""
    text = io.StringIO()
    sources = " and ".join(f"{package} {version(package)}" for package in ("mendeleev", "periodictable"))
    text.write(f"# Written by data/elements/generate.py from {sources}; see docs/elements.md\n")
    table().to_csv(text, index_label="atomic number", float_format="%.6g", lineterminator="\n")
    return text.getvalue()


if __name__ == "__main__":
    OUTPUT.write_text(render(), encoding="utf-8", newline="\n")
    print(OUTPUT)
