"""The user's own files: every fault has its error, or its reject."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pandas as pd
import pytest
from pymatgen.core import DummySpecies, Lattice, Structure

from cgcnn.errors import InputError
from cgcnn.sources import Entry, collect, local
from tests.crystals import crystal, structure_in
from tests.local_files import PEROVSKITE, ROCK_SALT, UNITS, atoms_with_info, cgcnn_folder, cif, frame, read


def written(name: str, content: str | bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


ROW = json.dumps({"material_id": "sto", "structure": cif(PEROVSKITE), "energy": "abc"})
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
        ["f has no id_prop.csv", "atom_init.json", "neither a structure"],
    ),
    "unknown suffix": (written("a.xlsx", "?"), ["a.xlsx: ASE cannot read it", ".csv, .jsonl, .parquet"]),
    "no Parquet": (written("a.parquet", "text"), ["a.parquet: cannot be read"]),
    "no gzip": (written("a.csv.gz", "text"), ["a.csv.gz: cannot be read"]),
    "torn gzip": (
        written("a.csv.gz", gzip.compress(b"material_id,structure\n" * 99)[:-9]),
        ["a.csv.gz: cannot be read"],
    ),
    "torn CIF": (written("a.cif.gz", gzip.compress(cif(ROCK_SALT).encode())[:-9]), ["a.cif.gz: cannot be read"]),
    "no gzip in a CIF": (written("a.cif.gz", "text"), ["a.cif.gz: cannot be read"]),
    "empty CIF": (written("a.cif.gz", gzip.compress(b"")), ["a.cif.gz: the file is empty"]),
    "no UTF-8": (written("a.csv", b"material_id,structure\n\xff\xfe,x\n"), ["a.csv: cannot be read"]),
    "field too many": (written("a.csv", "id,cif\nx,y\nx,y,z\n"), ["a.csv: row 2", "quote text"]),
    "field missing": (written("a.csv", "id,cif\nx\n"), ["a.csv: row 1", "quote text"]),
    "open quote": (written("a.csv", 'id,cif\nx,"y\n'), ["a.csv: cannot be read"]),
    "torn JSON": (written("a.jsonl", ROW + "\n" + ROW[:50]), ["a.jsonl: line 2 is no JSON"]),
    "JSON list": (written("a.jsonl", "[1, 2]\n"), ["a.jsonl: line 1 is no JSON object"]),
    "no id column": (written("a.csv", "mid,cif,energy\nx,y,1\n"), ["no column 'material_id'", "There are: mid, cif"]),
    "no structure column": (
        written("a.csv", "id,structures,energy\nx,y,1\n"),
        ["a.csv: no column 'structure' or 'cif'", "Did you mean 'structures'?", "There are: id, structures, energy"],
    ),
    "no target column": (
        written("a.csv", "id,cif,enrgy\nx,y,1\n"),
        ["a.csv: no column 'energy' for energy", "Did you mean 'enrgy'?", "source.columns"],
    ),
    "no target in ASE": (
        lambda folder: [ase.io.write(path := folder / "a.extxyz", atoms_with_info()), path][1],
        ["a.extxyz: no column 'energy'", "family, formation, material_id"],
    ),
    "no target in CIF": (written("a.cif", cif(ROCK_SALT)), ["a.cif: no values for energy", "id_prop.csv"]),
    "target is a word": (
        written("a.jsonl", ROW),
        ["a.jsonl row 1 (sto)", "'abc' in column energy is no finite number"],
    ),
    "target is infinite": (written("a.csv", "id,cif,energy\nx,y,inf\n"), ["a.csv row 1 (x)", "'inf'"]),
    "target is a list": (written("a.jsonl", '{"id": 7, "cif": "y", "energy": [1]}'), ["row 1 (7)", "no finite number"]),
    "id_prop.csv with header": (
        lambda folder: written("f/id_prop.csv", "id,energy\nx,1\n")(folder).parent,
        ["id_prop.csv row 1 (id)", "'energy'", "must not have a header"],
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


def test_target_that_is_an_array_is_told(tmp_path: Path) -> None:
    atoms = atoms_with_info()[0]
    atoms.info["dipole_moment"] = np.array([1.0, 2.0])
    ase.io.write(tmp_path / "a.extxyz", atoms)
    with pytest.raises(InputError, match=r"a\.extxyz row 1 \(sto\): .* in column dipole_moment is no finite number"):
        read(tmp_path / "a.extxyz", {"energy": "dipole_moment"})


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


SALT = cif(ROCK_SALT)
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
    "torn JSON": (json.dumps(ROCK_SALT.as_dict())[:-5], "unparsable structure: JSONDecodeError"),
    "molecule": ({"@class": "Molecule", "sites": []}, "unparsable structure: KeyError: 'lattice'"),
    "no sites": ({**ROCK_SALT.as_dict(), "sites": []}, "unparsable structure: ValueError: You need at least 1 site"),
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
    structure = ROCK_SALT.as_dict()
    structure["sites"][0]["properties"] = {"a": {"@module": "no.such.module", "@class": "Trap", "@version": "1"}}
    structure["properties"] = {"b": {"@module": "no.such.module", "@callable": "trap"}}
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "salt", "structure": structure}))
    assert structure_in(read(tmp_path / "a.jsonl", targets=[])[0]).site_properties == {}


def test_an_id_that_is_a_path_is_refused(tmp_path: Path) -> None:
    folder = cgcnn_folder(tmp_path / "set")
    (folder / "sub").mkdir()
    (folder / "sto.cif").rename(folder / "sub/sto.cif")
    (folder / "id_prop.csv").write_text("sub/sto,-3.5\n")
    with pytest.raises(InputError, match=r"id_prop\.csv: row 1: the id 'sub/sto' holds a path"):
        list(local.read([folder], {}, ["energy"]))


@pytest.mark.parametrize("value", ["1_000", "1e39", "9" * 400])
def test_a_target_that_no_network_can_hold_is_refused(tmp_path: Path, value: str) -> None:
    path = tmp_path / "d.jsonl"
    number = value if value.isdigit() or "e" in value else f'"{value}"'
    path.write_text(f'{{"material_id": "a", "cif": {json.dumps(cif(ROCK_SALT))}, "energy": {number}}}\n')
    with pytest.raises(InputError, match=r"row 1 \(a\): .* is no finite number"):
        list(local.read([path], {}, ["energy"]))


def test_an_id_that_no_file_can_hold_is_kept_as_text(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(f'{{"material_id": "\\ud800x", "cif": {json.dumps(cif(ROCK_SALT))}, "energy": 1}}\n')
    structures, _ = collect(local.read([path], {}, ["energy"]), UNITS)
    assert structures["material_id"].to_pylist() == ["\\ud800x"]


def test_a_line_nested_too_deep_is_named(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text("[" * 100_000 + "\n")
    with pytest.raises(InputError, match=r"d\.jsonl: line 1 is no JSON"):
        list(local.read([path], {}, ["energy"]))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("material_id,cif,energy,energy\na,x,1,2\n")
    with pytest.raises(InputError, match=r"d\.csv: two columns are called 'energy'"):
        list(local.read([path], {}, ["energy"]))


def test_text_may_be_binary(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    pd.DataFrame({"material_id": [b"a"], "cif": [cif(ROCK_SALT).encode()], "energy": [1.0]}).to_parquet(path)
    structures, _ = collect(local.read([path], {}, ["energy"]), UNITS)
    assert structures["material_id"].to_pylist() == ["a"]


@pytest.mark.parametrize(
    ("lattice", "coordinates", "reason"),
    [
        (Lattice.cubic(5), [1e9, 0, 0], "a fractional coordinate beyond 100: are they in Å?"),
        (Lattice.cubic(4e5), [0.5, 0, 0], "a lattice vector of 4e+05 Å, more than 1000"),
    ],
)
def test_absurd_cells_are_rejected(lattice: Lattice, coordinates: list[float], reason: str) -> None:
    entries = [
        Entry("fine", "here", crystal(ROCK_SALT)),
        Entry("odd", "here", crystal(Structure(lattice, ["Na"], [coordinates]))),
    ]
    assert collect(entries, {})[1]["reason"].to_pylist() == [reason]
