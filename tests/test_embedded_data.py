"""The embedded data set is what its README says: sizes, labels, chemistry and families."""

import hashlib
import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from pymatgen.core import Composition, Element
from pymatgen.optimization.neighbors import find_points_in_spheres

from cgcnn.perovskites import classify
from cgcnn.tables import metadata_of

FOLDER = Path(__file__).parents[1] / "data" / "embedded"
MATERIALS = FOLDER / "materials.parquet"

#: Lattice (3, 3) in Å, atomic numbers (N,), fractional coordinates (N, 3).
Crystal = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return pq.read_table(MATERIALS)


@pytest.fixture(scope="module")
def crystals(table: pa.Table) -> list[Crystal]:
    columns = (table[name].to_pylist() for name in ("lattice", "atomic_numbers", "frac_coords"))
    return [
        (np.reshape(lattice, (3, 3)), np.array(numbers), np.reshape(coordinates, (-1, 3)))
        for lattice, numbers, coordinates in zip(*columns, strict=True)
    ]


def test_the_file_is_small_and_is_the_one_that_the_readme_names() -> None:
    content = MATERIALS.read_bytes()
    assert len(content) < 1_000_000
    assert hashlib.sha256(content).hexdigest() in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_columns_have_the_documented_types(table: pa.Table) -> None:
    types = {name: str(table.schema.field(name).type) for name in table.column_names}
    assert types.pop("lattice").endswith("[9]")
    for name in ("atomic_numbers", "frac_coords"):
        assert pa.types.is_list(table.schema.field(name).type)
        del types[name]
    assert table.schema.field("atomic_numbers").type.value_type == pa.uint8()
    assert types == {
        "material_id": "string",
        "formula": "string",
        "family": "string",
        "prototype": "string",
        "formation_energy_per_atom": "double",
    }
    assert all(column.null_count == 0 for column in table.columns)


def test_metadata_say_that_the_labels_are_not_dft(table: pa.Table) -> None:
    about = metadata_of(table.schema)
    assert "not DFT" in str(about["label_method"])
    assert "CHGNet-0.3.0" in str(about["label_method"])
    assert about["source"] == "embedded"
    assert about["units"] == {"lattice": "Å", "formation_energy_per_atom": "eV/atom"}
    assert "MIT" in str(about["licence"])
    assert "Jain" in str(about["attribution"]) and "Deng" in str(about["attribution"])
    assert "not DFT" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_counts_of_the_families(table: pa.Table) -> None:
    families = table["family"].to_pylist()
    assert set(families) == {"perovskite", "oxide"}
    assert 680 <= families.count("perovskite") <= 760
    assert 930 <= families.count("oxide") <= 1050


def test_half_of_the_other_oxides_have_the_stoichiometry_of_a_perovskite(table: pa.Table) -> None:
    oxides = table.filter(pc.field("family") == "oxide")["formula"].to_pylist()
    abo3 = [formula for formula in oxides if Composition(formula).anonymized_formula == "ABC3"]
    assert len(abo3) > len(oxides) / 2


def test_rows_are_sorted_by_unique_ids_and_no_phase_comes_twice(table: pa.Table) -> None:
    ids = table["material_id"].to_pylist()
    assert ids == sorted(set(ids))
    phases = list(zip(table["formula"].to_pylist(), table["prototype"].to_pylist(), strict=True))
    assert len(phases) == len(set(phases))


def test_formulas_are_those_of_the_atoms(table: pa.Table, crystals: list[Crystal]) -> None:
    for formula, (_, numbers, coordinates) in zip(table["formula"].to_pylist(), crystals, strict=True):
        assert len(coordinates) == len(numbers)
        counts = Counter(Element.from_Z(int(z)) for z in numbers)
        assert Composition(counts).reduced_formula == formula


def test_charges_balance(table: pa.Table) -> None:
    unbalanced = [formula for formula in set(table["formula"].to_pylist()) if not _can_balance(Composition(formula))]
    assert unbalanced == []


def _can_balance(composition: Composition) -> bool:
    """Whether some known oxidation states of the cations sum to that of the oxygen, -2 an atom."""
    cations = [element for element in composition if element.symbol != "O"]
    states = [{*e.common_oxidation_states, *e.icsd_oxidation_states} for e in cations]
    charge = 2 * composition["O"]
    return any(
        sum(q * composition[e] for q, e in zip(choice, cations, strict=True)) == charge
        for choice in itertools.product(*states)
    )


def test_labels_are_plausible(table: pa.Table) -> None:
    labels = table["formation_energy_per_atom"].to_numpy()
    assert np.isfinite(labels).all()
    assert labels.min() >= -4.6
    assert labels.max() <= 0.2
    assert 0.4 < labels.std() < 1.2
    assert np.array_equal(labels, labels.round(4))


def test_atoms_keep_their_distance(table: pa.Table, crystals: list[Crystal]) -> None:
    for material_id, (lattice, numbers, coordinates) in zip(table["material_id"].to_pylist(), crystals, strict=True):
        positions = coordinates @ lattice
        _, _, _, distances = find_points_in_spheres(positions, positions, 1.6, np.ones(3, dtype=np.int64), lattice)
        distances = distances[distances > 1e-8]
        assert (distances > 1.1).all(), material_id
        volume = abs(np.linalg.det(lattice)) / len(numbers)
        assert 6 < volume < 28, material_id
        assert ((coordinates >= 0) & (coordinates < 1)).all(), material_id


def test_families_are_those_of_the_topological_test(table: pa.Table, crystals: list[Crystal]) -> None:
    kinds = [classify(*crystal).kind for crystal in crystals]
    expected = ["perovskite" if family == "perovskite" else "none" for family in table["family"].to_pylist()]
    wrong = [
        (material_id, kind)
        for material_id, kind, right in zip(table["material_id"].to_pylist(), kinds, expected, strict=True)
        if kind != right
    ]
    assert wrong == []


def test_binary_oxides_have_the_enthalpies_that_were_measured(table: pa.Table) -> None:
    """The labels are a surrogate, but of the right quantity: CRC Handbook, 298 K, eV/atom."""
    measured = {("MgO", "rocksalt"): -3.12, ("CaO", "rocksalt"): -3.29, ("Al2O3", "corundum"): -3.47}
    columns = (table[name].to_pylist() for name in ("formula", "prototype", "formation_energy_per_atom"))
    labels = {(formula, prototype): label for formula, prototype, label in zip(*columns, strict=True)}
    for phase, enthalpy in measured.items():
        assert labels[phase] == pytest.approx(enthalpy, abs=0.2)
