"""From entries to the structures table: nothing is lost on the way, and prototypes are told from the crystal alone."""

import math
import re
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from cgcnn import tables
from cgcnn.arrays import Crystal
from cgcnn.crystals import crystal_in, structure_of
from cgcnn.errors import InputError
from cgcnn.sources import Entry, collect, embedded, local, symmetry
from tests import ROOT
from tests.crystals import TEXTBOOK, crystal, structure_in

UNITS = {"energy": "eV/atom"}
PEROVSKITE, ROCK_SALT, LOW_SYMMETRY, ARGON = TEXTBOOK


def entry(material_id: str, structure: Structure | str, **rest: Any) -> Entry:
    given = structure if isinstance(structure, str) else crystal(structure)
    return Entry(material_id, f"test {material_id}", given, **rest)


def test_collect_keeps_what_it_is_given() -> None:
    entries = [entry(str(i), s, family="f", targets={"energy": float(i)}) for i, s in enumerate(TEXTBOOK)]
    structures, rejects = collect(reversed(entries), UNITS)
    assert rejects.num_rows == 0
    assert rejects.schema == tables.REJECTS
    assert structures.schema == tables.structures_schema(UNITS)
    rows = structures.to_pylist()
    assert [row["material_id"] for row in rows] == ["0", "1", "2", "3"]
    assert [row["formula"] for row in rows] == ["SrTiO3", "NaCl", "LaFeO2", "Ar"]
    assert [row["perovskite_kind"] for row in rows] == ["perovskite", "none", "none", "none"]
    assert [row["space_group"] for row in rows] == [221, 225, 1, 221]
    assert [row["n_sites"] for row in rows] == [5, 8, 4, 1]
    assert [row["energy"] for row in rows] == [0.0, 1.0, 2.0, 3.0]
    for row, structure in zip(rows, TEXTBOOK, strict=True):
        assert structure_of(crystal_in(row)) == structure


def test_first_usable_of_equal_ids_stays() -> None:
    entries = [entry("a", "no CIF"), entry("a", ROCK_SALT), entry("a", ARGON)]
    structures, rejects = collect(entries, {})
    assert structures["formula"].to_pylist() == ["NaCl"]
    assert [row["reason"] for row in rejects.to_pylist()] == ["no CIF", "duplicate material_id: the first one was kept"]


def moved(coordinate: float) -> Structure:
    structure = ROCK_SALT.copy()
    structure.sites[0]._frac_coords = np.array([coordinate, 0.0, 0.0])
    return structure


@pytest.mark.parametrize(
    ("structure", "reason"),
    [
        (Structure(Lattice.cubic(4), [], []), "no sites"),
        (moved(math.nan), "lattice or coordinates are not finite"),
        (moved(math.inf), "lattice or coordinates are not finite"),
        (Structure(np.full((3, 3), math.nan), ["Na"], [[0, 0, 0]]), "lattice or coordinates are not finite"),
        (Structure(np.zeros((3, 3)), ["Na"], [[0, 0, 0]]), "cell volume 0 Å^3 for 1 sites"),
        (Structure(Lattice.cubic(4), ["Na", "Na"], [[0, 0, 0], [0, 0, 1]]), "two sites less than 0.5 Å apart"),
    ],
    ids=["no sites", "NaN", "infinite", "NaN lattice", "flat cell", "coincident sites"],
)
def test_impossible_structure_is_rejected(structure: Structure, reason: str) -> None:
    rejects = collect([entry("bad", structure), entry("good", ROCK_SALT)], {})[1].to_pylist()
    assert rejects == [{"material_id": "bad", "origin": "test bad", "reason": reason}]


def test_nan_target_becomes_null() -> None:
    entries = [entry("a", ROCK_SALT, targets={"energy": math.nan}), entry("b", ROCK_SALT)]
    assert collect(entries, UNITS)[0]["energy"].to_pylist() == [None, None]


def test_nothing_usable_is_an_input_error_with_the_first_reason() -> None:
    with pytest.raises(
        InputError, match=re.escape("no usable structure (1 rejected). The first reason: test a: no CIF.")
    ):
        collect([entry("a", "no CIF")], {})
    with pytest.raises(InputError, match=re.escape("no usable structure (0 rejected).")):
        collect([], {})


def label(structure: Structure) -> tuple[int, str]:
    return symmetry(crystal(structure))


FCC = Lattice([[0.0, 2.7, 2.7], [2.7, 0.0, 2.7], [2.7, 2.7, 0.0]])
ZINC_BLENDE = Structure(FCC, ["Zn", "S"], [[0, 0, 0], [0.25, 0.25, 0.25]])
FLUORITE = Structure(FCC, ["Ca", "F", "F"], [[0, 0, 0], [0.25, 0.25, 0.25], [0.75, 0.75, 0.75]])


@pytest.mark.parametrize(
    ("structure", "space_group"),
    [(ROCK_SALT, 225), (PEROVSKITE, 221), (ZINC_BLENDE, 216), (FLUORITE, 225), (LOW_SYMMETRY, 1)],
    ids=["NaCl", "SrTiO3", "ZnS", "CaF2", "triclinic"],
)
@given(data=st.data())
def test_prototype_does_not_depend_on_cell_order_or_origin(
    structure: Structure, space_group: int, data: st.DataObject
) -> None:
    scaling = data.draw(st.sampled_from([(1, 1, 1), (2, 1, 1), (1, 3, 1), [[1, 1, 0], [0, 1, 0], [0, 1, 1]]]))
    shift = data.draw(st.tuples(*[st.floats(0, 1)] * 3))
    cell = structure.make_supercell(scaling, in_place=False)
    order = data.draw(st.permutations(range(len(cell))))
    other = Structure(cell.lattice, [cell[i].specie for i in order], cell.frac_coords[order] + shift)
    assert label(other) == label(structure)
    assert label(structure)[0] == space_group


def test_prototypes_are_shared_by_compounds_of_one_kind_and_by_no_others() -> None:
    barium_titanate = PEROVSKITE.copy().replace_species({"Sr": "Ba"}).scale_lattice(64.0)
    magnesia = ROCK_SALT.copy().replace_species({"Na": "Mg", "Cl": "O"}).scale_lattice(74.6)
    assert label(barium_titanate) == label(PEROVSKITE) != label(LOW_SYMMETRY)
    assert label(magnesia) == label(ROCK_SALT) != label(ZINC_BLENDE)


def test_lattice_without_symmetry_told_is_labelled_unknown() -> None:
    coincident = np.zeros((2, 3))
    assert symmetry(Crystal(np.eye(3) * 4, coincident, np.array([11, 11]))) == (0, "A_unknown")


def embedded_like(path: Path) -> Path:
    materials = {"sto": PEROVSKITE, "salt": ROCK_SALT, "low": LOW_SYMMETRY}
    rows = collect([entry(name, s, family="oxide") for name, s in materials.items()], {})[0]
    schema = pa.schema(
        [
            *(tables.STRUCTURES.field(name) for name in ("material_id", "formula", "family", "prototype")),
            *(tables.STRUCTURES.field(name) for name in ("lattice", "atomic_numbers", "frac_coords")),
            pa.field("formation_energy_per_atom", pa.float64(), nullable=False, metadata={"unit": "eV/atom"}),
        ]
    )
    energies = pa.array([-3.0, -1.0, -2.0])  # low, salt, sto
    table = rows.append_column("formation_energy_per_atom", energies).select(schema.names)
    about = {"source": "embedded", "source_version": "1", "label_method": "CHGNet", "licence": "MIT"}
    tables.write_table(path, table, schema, about)
    return path


def test_embedded_set_gives_its_materials(tmp_path: Path) -> None:
    path = embedded_like(tmp_path / "materials.parquet")
    entries = list(embedded.read(path, ["formation_energy_per_atom"]))
    assert [entry.material_id for entry in entries] == ["low", "salt", "sto"]
    assert [entry.origin for entry in entries] == [f"materials.parquet row {row}" for row in (1, 2, 3)]
    assert [entry.targets["formation_energy_per_atom"] for entry in entries] == [-3.0, -1.0, -2.0]
    assert {entry.family for entry in entries} == {"oxide"}
    assert [structure_in(entry) for entry in entries] == [LOW_SYMMETRY, ROCK_SALT, PEROVSKITE]
    assert embedded.about(path) == {
        "source": "embedded", "source_version": "1", "label_method": "CHGNet", "licence": "MIT"
    }  # fmt: skip


def test_embedded_set_says_which_target_it_lacks(tmp_path: Path) -> None:
    path = embedded_like(tmp_path / "materials.parquet")
    with pytest.raises(
        InputError, match=r"no column 'band_gap', .* it has formation_energy_per_atom\. .*tasks\.\*\.target"
    ):
        embedded.read(path, ["band_gap"])
    with pytest.raises(InputError, match="no such file"):
        embedded.read(tmp_path / "gone.parquet", [])


def test_embedded_set_of_the_repository_is_usable() -> None:
    path = ROOT / "data" / "embedded" / "materials.parquet"
    entries = list(islice(embedded.read(path, ["formation_energy_per_atom"]), 0, None, 40))
    structures, rejects = collect(entries, {"formation_energy_per_atom": "eV/atom"})
    assert (structures.num_rows, rejects.num_rows) == (len(entries), 0)
    assert structures["formation_energy_per_atom"].null_count == 0
    assert embedded.about(path)["source"] == "embedded"


@pytest.mark.parametrize("name", ["materials_project/oxides", "castelli/perovskites"])
def test_real_tables_have_no_rejects_and_pymatgens_formulas_and_space_groups(name: str, real_data: Path) -> None:
    path = real_data / f"{name}.parquet"
    raw = {row["material_id"]: row for row in pq.read_table(path).to_pylist()}
    every = local.read([path], {}, [])
    structures, rejects = collect(islice(every, 0, 400, 8), {})
    assert rejects.to_pylist() == []
    for row in structures.to_pylist():
        expected = raw[row["material_id"]]
        assert row["formula"] == Structure.from_str(expected["cif"], fmt="cif").composition.reduced_formula
        if "spacegroup_number" in expected:
            assert row["n_sites"] == expected["nsites"]
    if "oxides" in name:
        agree = [row["space_group"] == raw[row["material_id"]]["spacegroup_number"] for row in structures.to_pylist()]
        assert np.mean(agree) > 0.9  # theirs are of other cells, some relaxed since
