"""From files to entries to the structures table: every kind of file, every fault, and nothing lost on the way."""

import gzip
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import ase.db
import ase.io
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROOT, TEXTBOOK, argon_gas, cubic_perovskite, low_symmetry, rock_salt
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import DummySpecies, Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from cgcnn import tables
from cgcnn.errors import InputError
from cgcnn.sources import Entry, collect, embedded, local, structure_of, symmetry

UNITS = {"energy": "eV/atom"}
IDS = ["sto", "salt", "low"]
STRUCTURES = [cubic_perovskite(), rock_salt(), low_symmetry()]
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


def structure_in(entry: Entry) -> Structure:
    assert isinstance(entry.structure, Structure), entry.structure
    return entry.structure


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
    (tmp_path / "salt.cif").write_text(cif(rock_salt()))
    (tmp_path / "sto.vasp").write_text(cubic_perovskite().to(fmt="poscar"))
    (tmp_path / ".hidden").write_text("no structure")
    salt, sto = read(tmp_path, targets=[])
    assert [salt.material_id, salt.origin] == ["salt", "salt.cif"]
    assert [sto.material_id, sto.origin] == ["sto", "sto.vasp row 1"]
    assert_same_crystal(structure_in(salt), rock_salt())
    assert_same_crystal(structure_in(sto), cubic_perovskite())


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
    assert structure_in(read(tmp_path / "alloy.cif.gz", targets=[])[0]).is_ordered is False


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


def written(name: str, content: str | bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


ROW = json.dumps({"material_id": "sto", "structure": cif(cubic_perovskite()), "energy": "abc"})
FAULTS: dict[str, tuple[Callable[[Path], Path], list[str]]] = {
    "not there": (lambda folder: folder / "gone.csv", ["gone.csv: no such file", "source.paths"]),
    "empty CSV": (written("a.csv", ""), ["a.csv: the file is empty"]),
    "empty Parquet": (written("a.parquet", b""), ["a.parquet: the file is empty"]),
    "header only": (written("a.csv", "material_id,structure,energy\n"), ["a.csv: no rows"]),
    "blank JSON Lines": (written("a.jsonl", "\n\n"), ["a.jsonl: no rows"]),
    "empty id_prop.csv": (lambda folder: written("f/id_prop.csv", "")(folder).parent, ["f: no rows"]),
    "empty folder": (lambda folder: folder, [": no rows"]),
    "folder of other things": (written("README.txt", "Hello"), ["README.txt", "ASE cannot read it", "CGCNN folder"]),
    "no id_prop.csv": (
        lambda folder: written("f/atom_init.json", "{}")(folder).parent,
        ["f has no id_prop.csv", "atom_init.json", "ASE cannot read it"],
    ),
    "unknown suffix": (written("a.xlsx", "?"), ["a.xlsx: ASE cannot read it", ".csv, .jsonl, .parquet"]),
    "no Parquet": (written("a.parquet", "text"), ["a.parquet: cannot be read"]),
    "no gzip": (written("a.csv.gz", "text"), ["a.csv.gz: cannot be read"]),
    "torn gzip": (written("a.csv.gz", gzip.compress(b"material_id,structure\n" * 99)[:-9]), ["a.csv.gz: cannot be read"]),
    "no UTF-8": (written("a.csv", b"material_id,structure\n\xff\xfe,x\n"), ["a.csv: cannot be read"]),
    "field too many": (written("a.csv", "id,cif\nx,y\nx,y,z\n"), ["a.csv: row 2", "Quote text"]),
    "field missing": (written("a.csv", "id,cif\nx\n"), ["a.csv: row 1", "Quote text"]),
    "open quote": (written("a.csv", 'id,cif\nx,"y\n'), ["a.csv: cannot be read"]),
    "torn JSON": (written("a.jsonl", ROW + "\n" + ROW[:50]), ["a.jsonl: line 2 is no JSON"]),
    "JSON list": (written("a.jsonl", "[1, 2]\n"), ["a.jsonl: line 1 is no JSON object"]),
    "no id column": (written("a.csv", "mid,cif,energy\nx,y,1\n"), ["no column 'material_id'", "There are: mid, cif"]),
    "no structure column": (
        written("a.csv", "id,structures,energy\nx,y,1\n"),
        ["a.csv: no column 'structure'", "Did you mean 'structures'?", "There are: id, structures, energy"],
    ),
    "no target column": (
        written("a.csv", "id,cif,enrgy\nx,y,1\n"),
        ["a.csv: no column 'energy' for energy", "Did you mean 'enrgy'?", "source.columns"],
    ),
    "no target in ASE": (
        lambda folder: [ase.io.write(path := folder / "a.extxyz", atoms_with_info()), path][1],
        ["a.extxyz: no column 'energy'", "family, formation, material_id"],
    ),
    "no target in CIF": (written("a.cif", cif(rock_salt())), ["a.cif: no column 'energy'", "There are: none"]),
    "target is a word": (written("a.jsonl", ROW), ["a.jsonl row 1 (sto)", "'abc' in column energy is no finite number"]),
    "target is infinite": (written("a.csv", "id,cif,energy\nx,y,inf\n"), ["a.csv row 1 (x)", "'inf'"]),
    "target is a list": (written("a.jsonl", '{"id": 7, "cif": "y", "energy": [1]}'), ["row 1 (7)", "no finite number"]),
    "id_prop.csv with header": (
        lambda folder: written("f/id_prop.csv", "id,energy\nx,1\n")(folder).parent,
        ["id_prop.csv row 1 (id)", "'energy'", "has no header"],
    ),
    "broken frame": (written("a.extxyz", "2\n\nNa 0 0 0\n"), ["a.extxyz: ASE cannot read it"]),
    "no database": (written("a.db", "text"), ["a.db: ASE cannot read it"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_of_a_file_is_an_input_error_that_names_it(fault: str, tmp_path: Path) -> None:
    write, parts = FAULTS[fault]
    with pytest.raises(InputError) as caught:
        read(write(tmp_path))
    for part in parts:
        assert part in str(caught.value)


def test_misspelt_family_column_is_told(tmp_path: Path) -> None:
    frame(cif).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"no column 'famly' for family\. Did you mean 'family'\?"):
        read(tmp_path / "a.parquet", {"family": "famly"})


def test_nothing_to_read() -> None:
    with pytest.raises(InputError, match=r"source\.paths"):
        local.read([], {}, [])


def test_faults_are_told_before_anything_is_parsed(tmp_path: Path) -> None:
    """The caller gets the error from `read` itself, not from a structure far down the iterator."""
    frame(cif).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match="no such file"):
        local.read([tmp_path / "a.parquet", tmp_path / "b.parquet"], {}, [])


SALT = cif(rock_salt())
ALLOY = cif(Structure(Lattice.cubic(4), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]]))
X_SITE = Structure(Lattice.cubic(4), [DummySpecies("X"), "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
BAD_STRUCTURES: dict[str, tuple[object, str]] = {
    "empty": ("", "no structure"),
    "null": (None, "no structure"),
    "prose": ("see the supplement", "unparsable structure"),
    "torn CIF": (SALT[: len(SALT) // 2], "unparsable structure"),
    "no coordinates": (SALT.replace("0.50000000", "?"), "unparsable structure: ValueError: No structure parsed"),
    "two structures": (SALT + SALT.replace("data_NaCl", "data_again"), "2 structures in one CIF"),
    "disordered": (ALLOY, "disordered"),
    "vacancies": (SALT.replace("0.0  1\n", "0.0  0.9\n").replace("00000  1\n", "00000  0.9\n"), "disordered"),
    "occupancy above 1": (SALT.replace("00000  1\n", "00000  1.2\n"), "unparsable structure: ValueError: No structure"),
    "lost hydrogen": (SALT.replace("'Na4 Cl4'", "'Na4 H4 Cl4'"), "the sites of the CIF make NaCl, which is not its"),
    "other amounts": (SALT.replace("'Na4 Cl4'", "'Na4 Cl8'"), "the sites of the CIF make NaCl, which is not its"),
    "dummy atom": (X_SITE.as_dict(), "unknown element X"),
    "mendelevium": (Structure(Lattice.cubic(4), ["Md"], [[0, 0, 0]]).as_dict(), "unknown element Md: only H to Fm"),
    "torn JSON": (json.dumps(rock_salt().as_dict())[:-5], "unparsable structure: JSONDecodeError"),
    "molecule": ({"@class": "Molecule", "sites": []}, "unparsable structure: KeyError: 'lattice'"),
    "no sites": ({**rock_salt().as_dict(), "sites": []}, ""),
}


@pytest.mark.parametrize("fault", BAD_STRUCTURES)
def test_bad_structure_becomes_a_reject_and_the_others_stay(fault: str, tmp_path: Path) -> None:
    given_structure, reason = BAD_STRUCTURES[fault]
    rows = [{"id": "bad", "cif": given_structure}, {"id": "good", "cif": SALT}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    structures, rejects = collect(read(tmp_path / "a.jsonl", targets=[]), {})
    assert structures["material_id"].to_pylist() == ["good"]
    (reject,) = rejects.to_pylist()
    assert (reject["material_id"], reject["origin"]) == ("bad", "a.jsonl row 1")
    assert reject["reason"].startswith(reason)
    assert "\n" not in reject["reason"]


def test_missing_cif_of_a_cgcnn_folder_is_a_reject(tmp_path: Path) -> None:
    folder = cgcnn_folder(tmp_path / "folder")
    (folder / "salt.cif").unlink()
    structures, rejects = collect(read(folder), UNITS)
    assert structures["material_id"].to_pylist() == ["low", "sto"]
    assert rejects.to_pylist() == [{"material_id": "salt", "origin": "id_prop.csv row 2", "reason": "no file salt.cif"}]


def test_row_without_an_id_is_a_reject(tmp_path: Path) -> None:
    frame(cif).assign(material_id=["sto", None, "low"]).to_parquet(tmp_path / "a.parquet")
    rejects = collect(read(tmp_path / "a.parquet"), UNITS)[1].to_pylist()
    assert rejects == [{"material_id": "", "origin": "a.parquet row 2", "reason": "no material_id"}]


def test_molecules_and_slabs_are_rejected(tmp_path: Path) -> None:
    slab = atoms_with_info()[1]
    slab.pbc = (True, True, False)
    molecule = ase.Atoms("N2", positions=[[0, 0, 0], [0, 0, 1.1]])
    ase.io.write(tmp_path / "a.extxyz", [*atoms_with_info()[:1], slab, molecule])
    reasons = collect(read(tmp_path / "a.extxyz", targets=[]), {})[1]["reason"].to_pylist()
    assert reasons == ["not periodic along all three lattice vectors"] * 2


def test_properties_of_a_pymatgen_dictionary_are_never_instantiated(tmp_path: Path) -> None:
    """A dictionary may name any class of any module in its site properties, and monty would import it."""
    structure = rock_salt().as_dict()
    structure["sites"][0]["properties"] = {"a": {"@module": "no.such.module", "@class": "Trap", "@version": "1"}}
    structure["properties"] = {"b": {"@module": "no.such.module", "@callable": "trap"}}
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "salt", "structure": structure}))
    assert structure_in(read(tmp_path / "a.jsonl", targets=[])[0]).site_properties == {}


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


def entry(material_id: str, structure: Structure | str, **rest: Any) -> Entry:
    return Entry(material_id, f"test {material_id}", structure, **rest)


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
        assert structure_of(row) == structure


def test_first_usable_of_equal_ids_stays() -> None:
    entries = [entry("a", "no CIF"), entry("a", rock_salt()), entry("a", argon_gas())]
    structures, rejects = collect(entries, {})
    assert structures["formula"].to_pylist() == ["NaCl"]
    assert [row["reason"] for row in rejects.to_pylist()] == ["no CIF", "duplicate material_id: the first one was kept"]


def moved(coordinate: float) -> Structure:
    structure = rock_salt()
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
    rejects = collect([entry("bad", structure), entry("good", rock_salt())], {})[1].to_pylist()
    assert rejects == [{"material_id": "bad", "origin": "test bad", "reason": reason}]


def test_nan_target_becomes_null() -> None:
    entries = [entry("a", rock_salt(), targets={"energy": math.nan}), entry("b", rock_salt())]
    assert collect(entries, UNITS)[0]["energy"].to_pylist() == [None, None]


def test_nothing_usable_is_an_input_error_with_the_first_reason() -> None:
    with pytest.raises(InputError, match=re.escape("no usable structure (1 rejected). The first reason: test a: no CIF.")):
        collect([entry("a", "no CIF")], {})
    with pytest.raises(InputError, match=re.escape("no usable structure (0 rejected).")):
        collect([], {})


def label(structure: Structure) -> tuple[int, str]:
    return symmetry(structure.lattice.matrix, structure.frac_coords, [site.specie.Z for site in structure])


def spinel_like(group: str, a: float, *atoms: tuple[str, tuple[float, float, float]]) -> Structure:
    return Structure.from_spacegroup(group, Lattice.cubic(a), [a[0] for a in atoms], [a[1] for a in atoms])


ZINC_BLENDE = spinel_like("F-43m", 5.41, ("Zn", (0, 0, 0)), ("S", (0.25, 0.25, 0.25)))
FLUORITE = spinel_like("Fm-3m", 5.46, ("Ca", (0, 0, 0)), ("F", (0.25, 0.25, 0.25)))
SPINEL = spinel_like("Fd-3m", 8.08, ("Mg", (0.125,) * 3), ("Al", (0.5,) * 3), ("O", (0.2624,) * 3))


@pytest.mark.parametrize(
    ("structure", "space_group"),
    [(rock_salt(), 225), (cubic_perovskite(), 221), (ZINC_BLENDE, 216), (FLUORITE, 225), (SPINEL, 227)],
    ids=["NaCl", "SrTiO3", "ZnS", "CaF2", "MgAl2O4"],
)
@given(data=st.data())
def test_prototype_does_not_depend_on_cell_order_or_origin(structure: Structure, space_group: int, data: st.DataObject) -> None:
    scaling = data.draw(st.sampled_from([(1, 1, 1), (2, 1, 1), (1, 3, 1), [[1, 1, 0], [0, 1, 0], [0, 1, 1]]]))
    shift = data.draw(st.tuples(*[st.floats(0, 1)] * 3))
    cell = structure.make_supercell(scaling, in_place=False).translate_sites(range(0), [0, 0, 0])
    order = data.draw(st.permutations(range(len(cell))))
    other = Structure(cell.lattice, [cell[i].specie for i in order], cell.frac_coords[order] + shift)
    assert label(other) == label(structure)
    assert label(structure)[0] == space_group


def test_prototypes_are_shared_by_compounds_of_one_kind_and_by_no_others() -> None:
    barium_titanate = cubic_perovskite(4.0)
    barium_titanate.replace_species({"Sr": "Ba"})
    magnesia = rock_salt(4.21)
    magnesia.replace_species({"Na": "Mg", "Cl": "O"})
    assert label(barium_titanate) == label(cubic_perovskite()) != label(low_symmetry())
    assert label(magnesia) == label(rock_salt()) != label(ZINC_BLENDE)


def test_lattice_without_symmetry_told_is_labelled_unknown() -> None:
    coincident = np.zeros((2, 3))
    assert symmetry(np.eye(3) * 4, coincident, [11, 11]) == (0, "A_unknown")


def embedded_like(path: Path) -> Path:
    rows = collect([entry(name, s, family="oxide") for name, s in zip(IDS, STRUCTURES, strict=True)], {})[0]
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
    assert [structure_in(entry) for entry in entries] == [low_symmetry(), rock_salt(), cubic_perovskite()]
    assert embedded.about(path) == {
        "source": "embedded", "source_version": "1", "label_method": "CHGNet", "licence": "MIT"
    }  # fmt: skip


def test_embedded_set_says_which_target_it_lacks(tmp_path: Path) -> None:
    path = embedded_like(tmp_path / "materials.parquet")
    with pytest.raises(InputError, match=r"no column 'band_gap', .* it has formation_energy_per_atom\. .*tasks\.\*\.target"):
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
