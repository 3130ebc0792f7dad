"""The user's own files: every kind gives the same entries."""

import gzip
from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from cgcnn.errors import InputError
from cgcnn.sources import collect, local
from cgcnn.sources.structures import entries_of
from tests.crystals import structure_in
from tests.local_files import (
    ENERGIES,
    FAMILIES,
    IDS,
    PEROVSKITE,
    ROCK_SALT,
    STRUCTURES,
    UNITS,
    WRITERS,
    atoms_with_info,
    cgcnn_folder,
    cif,
    frame,
    read,
)


def assert_same_crystal(found: Structure, expected: Structure) -> None:
    assert len(found) == len(expected)
    assert np.allclose(found.lattice.parameters, expected.lattice.parameters, atol=1e-6)
    assert StructureMatcher(ltol=1e-4, stol=1e-4, angle_tol=1e-2, primitive_cell=False).fit(found, expected)


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_of_file_gives_the_same_entries(kind: str, tmp_path: Path) -> None:
    write, columns = WRITERS[kind]
    write(tmp_path / kind)
    entries = read(tmp_path / kind, columns)
    assert [entry.material_id for entry in entries] == IDS
    for entry, expected in zip(entries, STRUCTURES, strict=True):
        assert_same_crystal(structure_in(entry), expected)
    assert [entry.targets.get("energy") for entry in entries] == ENERGIES
    assert [entry.family for entry in entries] == ([None] * 3 if kind == "folder" else FAMILIES)
    file = "id_prop.csv" if kind == "folder" else kind
    assert [entry.origin for entry in entries] == [f"{file} row {row}" for row in (1, 2, 3)]


def test_single_structure_files_and_folders_of_them(tmp_path: Path) -> None:
    (tmp_path / "salt.cif").write_text(cif(ROCK_SALT))
    (tmp_path / "sto.vasp").write_text(PEROVSKITE.to(fmt="poscar"))
    (tmp_path / ".hidden").write_text("no structure")
    salt, sto = read(tmp_path, targets=[])
    assert [salt.material_id, salt.origin] == ["salt", "salt.cif"]
    assert [sto.material_id, sto.origin] == ["sto", "sto.vasp row 1"]
    assert_same_crystal(structure_in(salt), ROCK_SALT)
    assert_same_crystal(structure_in(sto), PEROVSKITE)


def test_files_of_one_name_have_ids_of_their_own(tmp_path: Path) -> None:
    """Calculations lie in folders of their own, in files of one name."""
    for folder in ("c1", "c2/deep"):
        (tmp_path / folder).mkdir(parents=True)
        ase.io.write(tmp_path / folder / "final.extxyz", AseAtomsAdaptor.get_atoms(PEROVSKITE))
    (tmp_path / "c1/salt.cif").write_text(cif(ROCK_SALT))
    found = local.read([tmp_path / "c1", tmp_path / "c2/deep/final.extxyz"], {}, [])
    assert [entry.material_id for entry in found] == ["c1/final.extxyz-1", "salt", "c2/deep/final.extxyz-1"]
    twice = local.read([tmp_path / "c1/salt.cif"] * 2, {}, [])
    assert len({entry.material_id for entry in twice}) == 1  # one file


def test_frames_without_an_id_are_numbered_and_a_calculator_may_give_the_target(tmp_path: Path) -> None:
    for atoms in (every := atoms_with_info()):
        atoms.calc = ase.calculators.singlepoint.SinglePointCalculator(atoms, energy=-7.25)
        atoms.info = {}
    ase.io.write(tmp_path / "run.traj", every)
    entries = read(tmp_path / "run.traj")
    assert [entry.material_id for entry in entries] == ["run-1", "run-2", "run-3"]
    assert [entry.targets for entry in entries] == [{"energy": -7.25}] * 3


def test_ase_never_reads_a_cif_because_it_forgets_partial_occupancies(tmp_path: Path) -> None:
    alloy = Structure(Lattice.cubic(4), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])
    with gzip.open(tmp_path / "alloy.cif.gz", "wt") as file:
        file.write(cif(alloy))
    assert str(read(tmp_path / "alloy.cif.gz", targets=[])[0].crystal).startswith("disordered")


def test_columns_are_mapped(tmp_path: Path) -> None:
    renamed = {"material_id": "name", "structure": "geometry", "family": "class", "energy": "e_form"}
    frame(cif).rename(columns=renamed).to_parquet(tmp_path / "a.parquet")
    entries = read(tmp_path / "a.parquet", renamed)
    assert [(entry.material_id, entry.family, entry.targets["energy"]) for entry in entries] == [
        *zip(IDS, FAMILIES, ENERGIES, strict=True)
    ]


def test_id_and_cif_are_found_without_a_mapping(tmp_path: Path) -> None:
    frame(cif).rename(columns={"material_id": "id", "structure": "cif"}).to_csv(tmp_path / "a.csv", index=False)
    assert [entry.material_id for entry in read(tmp_path / "a.csv")] == IDS


def test_targets_of_a_cgcnn_folder_come_in_order_or_by_position(tmp_path: Path) -> None:
    folder = cgcnn_folder(tmp_path / "folder")
    (folder / "id_prop.csv").write_text("sto,-1,2\nsalt,-3,4\n")
    in_order = read(folder, targets=["energy", "gap"])
    assert [entry.targets for entry in in_order] == [{"energy": -1.0, "gap": 2.0}, {"energy": -3.0, "gap": 4.0}]
    assert [entry.targets for entry in read(folder, {"gap": "2"}, ["gap"])] == [{"gap": 2.0}, {"gap": 4.0}]
    with pytest.raises(InputError, match="no column '3' for gap"):
        read(folder, {"gap": "3"}, ["gap"])
    with pytest.raises(InputError, match=r"third in id_prop\.csv, whose rows hold 2 .* energy, gap, third"):
        read(folder, targets=["energy", "gap", "third"])


def test_a_cif_that_no_row_names_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = cgcnn_folder(tmp_path / "folder")
    read(folder)
    assert caplog.text == ""
    (folder / "extra.cif").write_text(cif(ROCK_SALT))
    assert [entry.material_id for entry in read(folder)] == IDS
    assert "id_prop.csv does not name them: 1 CIFs (extra.cif)" in caplog.text
    caplog.clear()
    assert [entry.material_id for entry in entries_of(folder)] == IDS
    assert "1 CIFs (extra.cif)" in caplog.text


@pytest.mark.parametrize("missing", ["", " ", "NaN", "nan", "null", "None", "NA", "n/a"])
def test_missing_targets_are_allowed(missing: str, tmp_path: Path) -> None:
    folder = cgcnn_folder(tmp_path / "folder")
    (folder / "id_prop.csv").write_text(f"sto,-1.5\nsalt,{missing}\nlow\n")
    (sto, salt, low) = read(folder)
    assert (sto.targets["energy"], salt.targets["energy"], low.targets["energy"]) == (-1.5, None, None)
    column = collect([sto, salt, low], UNITS)[0]["energy"]
    assert column.to_pylist() == [None, None, -1.5]  # low, salt, sto


def test_one_of_several_files_may_lack_a_target(tmp_path: Path) -> None:
    frame(cif).to_parquet(tmp_path / "a.parquet")
    frame(cif).drop(columns="energy").to_csv(tmp_path / "b.csv", index=False)
    entries = list(local.read([tmp_path / "a.parquet", tmp_path / "b.csv"], {}, ["energy"]))
    assert [entry.targets.get("energy") for entry in entries] == [*ENERGIES, None, None, None]


def test_classes_may_be_written_as_booleans(tmp_path: Path) -> None:
    table = frame(cif).assign(energy=[True, False, True])
    table.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    assert [entry.targets["energy"] for entry in read(tmp_path / "a.jsonl")] == [1.0, 0.0, 1.0]


def test_tables_do_not_depend_on_where_the_files_lie(tmp_path: Path) -> None:
    both = []
    for place in ("here", "elsewhere/deeper"):
        folder = tmp_path / place
        folder.parent.mkdir(exist_ok=True)
        cgcnn_folder(folder)
        (folder / "low.cif").write_text("no CIF")
        both.append(collect(read(folder), UNITS))
    assert both[0] == both[1]
    assert "here" not in str(both[0][1].to_pylist())


def test_real_cgcnn_folder_agrees_with_the_real_parquet(real_data: Path) -> None:
    folder = read(real_data / "cgcnn_format")
    assert len(folder) == 60
    table = local.read(
        [real_data / "materials_project" / "perovskites.parquet"],
        {"energy": "formation_energy_per_atom"},
        ["energy"],
    )
    wanted = {entry.material_id: entry for entry in folder}
    found = 0
    for row in table:
        if (other := wanted.get(row.material_id)) is not None:
            found += 1
            assert row.family == "perovskite"
            assert row.targets["energy"] == pytest.approx(other.targets["energy"], abs=1e-9)
            assert_same_crystal(structure_in(row), structure_in(other))
    assert found == 60


def test_real_cifs_are_read_as_pymatgen_and_ase_read_them(real_data: Path) -> None:
    for path in sorted((real_data / "cgcnn_format").glob("*.cif"))[:12]:
        ours = structure_in(read(path, targets=[])[0])
        assert ours == Structure.from_file(path)
        assert_same_crystal(ours, AseAtomsAdaptor.get_structure(ase.io.read(path)))
