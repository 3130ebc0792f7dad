"""Structures from anywhere: every format gives the same crystals, in order, and a bad file costs one row."""

import bz2
import gzip
import io
import json
import lzma
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import ase.io
import pandas as pd
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

from cgcnn.arrays import Crystal
from cgcnn.crystals import checked
from cgcnn.errors import InputError
from cgcnn.sources import Entry, local
from cgcnn.sources.structures import entries_of
from tests.crystals import crystal, cubic_perovskite, low_symmetry, rock_salt, structure_in

THREE = [cubic_perovskite(), rock_salt(), low_symmetry()]


def cif(structure: Structure) -> str:
    return str(structure.to(fmt="cif"))


def table(path: Path, suffix: str) -> Path:
    frame = pd.DataFrame({"id": ["a", "b", "a"], "cif": [cif(structure) for structure in THREE]})
    path = path / f"three{suffix}"
    if suffix == ".csv":
        frame.to_csv(path, index=False)
    elif suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)
    return path


def own_table(path: Path) -> Path:
    path = path / "own.parquet"
    rows = [
        {
            "lattice": s.lattice.matrix.ravel(),
            "atomic_numbers": [site.specie.Z for site in s],
            "frac_coords": s.frac_coords.ravel(),
        }
        for s in THREE
    ]
    pd.DataFrame(rows).to_parquet(path)
    return path


def file_of(path: Path, content: str, name: str) -> Path:
    path = path / name
    path.write_text(content)
    return path


def trajectory(path: Path) -> Path:
    path = path / "run.extxyz"
    ase.io.write(path, [structure.to_ase_atoms() for structure in THREE])
    return path


def folder(path: Path) -> Path:
    """One in a file of its own, two deeper down."""
    for name, structure in zip(("a", "b", "c"), THREE, strict=True):
        (path / "in" / name).mkdir(parents=True)
        structure.to(filename=str(path / "in" / name / "POSCAR"), fmt="poscar")
    return path / "in"


SOURCES: dict[str, tuple[Callable[[Path], Path], list[str]]] = {
    "csv": (lambda path: table(path, ".csv"), ["a", "b", "a"]),
    "jsonl": (lambda path: table(path, ".jsonl"), ["a", "b", "a"]),
    "parquet": (lambda path: table(path, ".parquet"), ["a", "b", "a"]),
    "own parquet": (own_table, ["own-1", "own-2", "own-3"]),
    "json": (
        lambda path: file_of(path, json.dumps([s.as_dict() for s in THREE]), "list.json"),
        ["list-1", "list-2", "list-3"],
    ),
    "json by name": (
        lambda path: file_of(path, json.dumps({"cab"[k]: s.as_dict() for k, s in enumerate(THREE)}), "named.json"),
        ["c", "a", "b"],
    ),
    "json of CIF by name": (
        lambda path: file_of(path, json.dumps({"cab"[k]: cif(s) for k, s in enumerate(THREE)}), "named.json"),
        ["c", "a", "b"],
    ),
    "lines of dictionaries": (
        lambda path: file_of(path, "".join(json.dumps(s.as_dict()) + "\n" for s in THREE), "lines.jsonl"),
        ["lines-1", "lines-2", "lines-3"],
    ),
    "blocks": (lambda path: file_of(path, "\n".join(map(cif, THREE)), "all.cif"), ["all-1", "all-2", "all-3"]),
    "extxyz": (trajectory, ["run-1", "run-2", "run-3"]),
    "folder": (folder, ["a/POSCAR", "b/POSCAR", "c/POSCAR"]),
}


def same(found: list[Entry], expected: list[Structure]) -> None:
    assert len(found) == len(expected)
    for entry, structure in zip(found, expected, strict=True):
        assert StructureMatcher(scale=False).fit(structure_in(entry), structure)


@pytest.mark.parametrize("kind", SOURCES)
def test_every_kind_gives_the_same_structures_in_order(kind: str, tmp_path: Path) -> None:
    make, ids = SOURCES[kind]
    found = list(entries_of(make(tmp_path)))
    same(found, THREE)
    assert [entry.material_id for entry in found] == ids


@pytest.mark.parametrize("kind", [kind for kind in SOURCES if kind != "folder"])
def test_standard_input_needs_no_name(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = SOURCES[kind][0](tmp_path).read_bytes()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    same(list(entries_of("-")), THREE)


def test_a_poscar_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(rock_salt().to(fmt="poscar").encode())))
    found = list(entries_of("-"))
    same(found, [rock_salt()])
    assert found[0].material_id == "stdin"


def test_one_dictionary_and_a_compressed_file(tmp_path: Path) -> None:
    one = file_of(tmp_path, json.dumps(rock_salt().as_dict()), "salt.json")
    (tmp_path / "packed.cif.gz").write_bytes(gzip.compress(cif(rock_salt()).encode()))
    found = list(entries_of([one, tmp_path / "packed.cif.gz"]))
    same(found, [rock_salt()] * 2)
    assert [entry.material_id for entry in found] == ["salt", "packed"]


def test_one_object_with_named_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also JSON Lines of a single line on standard input, which cannot be told from it."""
    content = json.dumps({"id": "salt", "structure": rock_salt().as_dict(), "energy": 1.0})
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content.encode())))
    found = list(entries_of([file_of(tmp_path, content, "one.json"), "-"]))
    same(found, [rock_salt()] * 2)
    assert [entry.material_id for entry in found] == ["salt", "salt"]


def test_objects_are_called_by_their_position() -> None:
    found = list(entries_of([THREE[0], THREE[1].to_ase_atoms(), THREE[0]]))
    same(found, [THREE[0], THREE[1], THREE[0]])
    assert [entry.material_id for entry in found] == ["0", "1", "2"]


def test_a_generator_of_structures_is_read_as_it_comes() -> None:
    taken: list[int] = []

    def endless() -> Iterator[Structure]:
        while True:
            taken.append(1)
            yield THREE[1]

    found = entries_of(endless())
    same([next(found), next(found)], [THREE[1]] * 2)
    assert len(taken) == 2


def test_cifs_that_are_read_together_keep_their_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain ones among those that pymatgen must read, long ones, other kinds and bad ones."""
    monkeypatch.setattr("cgcnn.sources.structures._AT_ONCE", 2)
    long = "# " + (1 << 17) * "x" + "\n" + cif(THREE[1])
    texts = [
        cif(THREE[0]),
        cif(THREE[1]),
        THREE[0].to(fmt="cif", symprec=0.01),
        "no CIF",
        cif(THREE[2]),
        long,
        cif(THREE[0]),
    ]
    every: list[object] = [*texts, THREE[2].as_dict(), *texts]
    path = file_of(tmp_path, "".join(json.dumps({"cif": each}) + "\n" for each in every), "mixed.jsonl")
    expected = [THREE[0], THREE[1], THREE[0], None, THREE[2], THREE[1], THREE[0]]
    for entry, structure in zip(entries_of(path), [*expected, THREE[2], *expected], strict=True):
        if structure is None:
            assert str(entry.crystal).startswith("unparsable structure")
        else:
            same([entry], [structure])
    (tmp_path / "folder").mkdir()
    for number, text in enumerate(texts):
        file_of(tmp_path / "folder", text, f"{number}.cif")
    found = list(entries_of(tmp_path / "folder"))
    assert [entry.material_id for entry in found] == [str(number) for number in range(len(texts))]
    same([entry for entry in found if entry.material_id != "3"], [each for each in expected if each])


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_single_cif_on_standard_input(pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(pack(cif(THREE[0]).encode()))))
    same(list(entries_of("-")), THREE[:1])


def test_a_file_may_change_once_it_was_handed_over(tmp_path: Path) -> None:
    path = tmp_path / "scratch.cif"

    def rewritten() -> Iterator[Path]:
        for structure in THREE:
            path.write_text(cif(structure))
            yield path
        path.unlink()

    same(list(entries_of(rewritten())), THREE)


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz"])
def test_packed_files_are_read_as_others(suffix: str, tmp_path: Path) -> None:
    pack = {"gz": gzip, "bz2": bz2, "xz": lzma}[suffix].compress
    rows = "".join(json.dumps({"cif": cif(structure)}) + "\n" for structure in THREE)
    for name, text in {"a.cif": cif(THREE[0]), "b.cif": "\n".join(map(cif, THREE)), "c.jsonl": rows}.items():
        (tmp_path / f"{name}.{suffix}").write_bytes(pack(text.encode()))
    found = list(entries_of(tmp_path))
    assert [entry.material_id for entry in found] == ["a", "b-1", "b-2", "b-3", "c-1", "c-2", "c-3"]
    same(found, [THREE[0], *THREE, *THREE])


def test_an_id_may_be_zero(tmp_path: Path) -> None:
    rows = [json.dumps({"id": k, "structure": THREE[0].as_dict()}) for k in range(2)]
    assert [entry.material_id for entry in entries_of(file_of(tmp_path, "\n".join(rows), "z.jsonl"))] == ["0", "1"]


def test_an_id_that_is_no_file_name_costs_one_row(tmp_path: Path) -> None:
    (tmp_path / "id_prop.csv").write_text("a,1\nb\0b,2\na,3\n")
    file_of(tmp_path, cif(THREE[0]), "a.cif")
    first, odd, last = entries_of(tmp_path)
    same([first, last], [THREE[0]] * 2)
    assert str(odd.crystal).startswith("no file")


def test_a_dictionary_may_hold_the_columns_of_a_structures_table_too(tmp_path: Path) -> None:
    row = {**THREE[0].as_dict(), "atomic_numbers": [38, 22, 8, 8, 8], "frac_coords": THREE[0].frac_coords.tolist()}
    same(list(entries_of(file_of(tmp_path, json.dumps(row) + "\n", "both.jsonl"))), THREE[:1])


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    {
        "no whole number": ("atomic_numbers", [38, 22, 8, 8, 8.5], "no whole numbers"),
        "no element": ("atomic_numbers", [38, 22, 8, 8, 0], "unknown element 0"),
        "beyond the table": ("atomic_numbers", [38, 22, 8, 8, 500], "unknown element 500"),
        "one too few": ("atomic_numbers", [38, 22, 8, 8], "atomic_numbers of shape (4,) for 5 sites"),
        "half a site": ("frac_coords", [0.5] * 14, "unparsable structure"),
        "a flat lattice": ("lattice", [4.0] * 6, "unparsable structure"),
        "text": ("lattice", ["a"] * 9, "unparsable structure"),
        "null": ("frac_coords", None, "unparsable structure"),
    }.values(),
)
def test_columns_of_a_structures_table_that_make_no_crystal(
    column: str, value: object, reason: str, tmp_path: Path
) -> None:
    good = crystal(cubic_perovskite())
    row = {"lattice": good.lattice.ravel().tolist(), "atomic_numbers": good.atomic_numbers.tolist()}
    row["frac_coords"] = good.frac_coords.ravel().tolist()
    path = file_of(tmp_path, json.dumps({**row, column: value}) + "\n" + json.dumps(row), "rows.jsonl")
    bad, fine = (entry.crystal for entry in entries_of(path))
    assert reason in str(checked([bad])[0]) and checked([fine]) == [fine]


def test_a_bad_file_costs_one_row(tmp_path: Path) -> None:
    file_of(tmp_path, cif(THREE[0]), "a.cif")
    file_of(tmp_path, "nothing", "b.cif")
    file_of(tmp_path, "", "c.cif")
    file_of(tmp_path, "what,ever\n1,2\n", "d.csv")
    file_of(tmp_path, '{"id": "e"}\n{', "e.jsonl")
    file_of(tmp_path, "notes", "f.txt")
    file_of(tmp_path, cif(THREE[1]), "g.cif")
    file_of(tmp_path, "# nothing for ASE, which takes it for molecular dynamics", "h.md")
    file_of(tmp_path, '{"a": 1}', "i.json")
    file_of(tmp_path, json.dumps({"id": ["a"], "cif": [cif(THREE[0])]}), "j.json")
    found = list(entries_of(tmp_path))
    good = [entry for entry in found if isinstance(entry.crystal, Crystal)]
    assert [entry.material_id for entry in good] == ["a", "g"]
    reasons = {entry.material_id: str(entry.crystal) for entry in found if isinstance(entry.crystal, str)}
    assert list(reasons) == ["b", "c", "d-1", "e", "e-2", "f", "h", "i", "j"]
    assert (
        "unparsable" in reasons["b"] and "what, ever" in reasons["d-1"] and reasons["c"] == "c.cif: the file is empty"
    )
    assert "h.md: no structure in it" in reasons["h"] and "i.json: neither a structure" in reasons["i"]
    assert "j.json: neither a structure" in reasons["j"]


def test_a_path_that_does_not_exist_is_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.cif: no such file"):
        entries_of([file_of(tmp_path, cif(THREE[0]), "a.cif"), tmp_path / "nowhere.cif"])


BAD_IN_THE_MIDDLE = {
    "torn line": ("a.jsonl", lambda good: f"{good}\n{{oops\n{good}\n"),
    "line of text": ("a.jsonl", lambda good: f'{good}\n"abc"\n{good}\n'),
    "uneven row": ("a.csv", lambda good: f"id,structure\nx,{quoted(good)}\ny,1,2\nz,{quoted(good)}\n"),
    "list with a number": ("a.json", lambda good: f"[{good}, 3, {good}]"),
}


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


@pytest.mark.parametrize("name", BAD_IN_THE_MIDDLE)
def test_a_bad_row_costs_one_row(name: str, tmp_path: Path) -> None:
    file, content = BAD_IN_THE_MIDDLE[name]
    row = {"structure": json.dumps(rock_salt().as_dict())}
    good = row["structure"] if file == "a.csv" else json.dumps(row)
    found = list(entries_of(file_of(tmp_path, content(good), file)))
    assert [isinstance(entry.crystal, Crystal) for entry in found] == [True, False, True]
    assert re.search("line 2|row 2|entry 2", str(found[1].crystal))
    with pytest.raises(InputError, match=file):  # data to train on must be whole
        list(local.read([tmp_path / file], {}, []))


def test_a_name_without_a_structure_costs_one_row(tmp_path: Path) -> None:
    salt = rock_salt().as_dict()
    named = {"good": salt, "empty": None, "number": 3, "torn": {"lattice": salt["lattice"]}}
    found = list(entries_of(file_of(tmp_path, json.dumps(named), "named.json")))
    assert [entry.material_id for entry in found] == list(named)
    assert [isinstance(entry.crystal, Crystal) for entry in found] == [True, False, False, False]
    assert found[1].crystal == "no structure"


def test_every_block_of_a_compressed_cif_and_of_compressed_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = gzip.compress("\n".join(cif(structure) for structure in THREE[:2]).encode())
    (tmp_path / "two.cif.gz").write_bytes(both)
    same(list(entries_of(tmp_path / "two.cif.gz")), THREE[:2])
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(both)))
    same(list(entries_of("-")), THREE[:2])
