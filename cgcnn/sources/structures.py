"""Structures alone, from whatever a user has: files of any kind, folders, standard input, or objects in memory.

Made for prediction: every structure gives one entry, in the order given, duplicates included, one at a time; and what
cannot be read is an entry that says why, so that one bad file among a million costs one row.
"""

import gzip
import json
import re
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from ase import Atoms
from pymatgen.core import Structure

from cgcnn.errors import InputError
from cgcnn.sources import Entry, local, structure_of

STANDARD_INPUT = "-"
#: One structure, a path (- is standard input), or several of them.
Materials = Structure | Atoms | str | Path | Iterable[Structure | Atoms | str | Path]

_COLUMNS_OF_STRUCTURES = {"lattice", "atomic_numbers", "frac_coords"}  # this pipeline's own tables
_VASP_NAMES = ("POSCAR", "CONTCAR")  # say nothing of the material: its folder does
_GZIP = b"\x1f\x8b"  # begins every gzip file
_CIF_BLOCK = re.compile(r"^data_", re.MULTILINE | re.IGNORECASE)


def entries_of(materials: Materials) -> Iterator[Entry]:
    """One entry a structure, in order. Objects in memory are called by their position, from 0.

    Raises:
        InputError: a path does not exist; before anything is read.
    """
    if isinstance(materials, Structure | Atoms | str | Path):
        materials = [materials]
    given = materials if isinstance(materials, list | tuple) else iter(materials)
    if isinstance(given, list | tuple):
        for one in given:
            if isinstance(one, str | Path) and str(one) != STANDARD_INPUT and not Path(one).exists():
                raise InputError(f"{one}: no such file or folder. Correct the path.")
    return (entry for number, one in enumerate(given) for entry in _entries_of_one(one, number))


def _entries_of_one(one: Any, number: int) -> Iterator[Entry]:
    if isinstance(one, str | Path):
        yield from _entries_of_standard_input() if str(one) == STANDARD_INPUT else _entries_of_path(Path(one))
    else:
        structure = one if isinstance(one, Structure) else local.parse_structure(one)
        yield Entry(str(number), f"structure {number}", structure)


def _entries_of_path(path: Path) -> Iterator[Entry]:
    if path.is_dir() and not local.is_cgcnn_folder(path):
        for file in sorted(path.rglob("*")):
            if file.is_file() and not file.name.startswith("."):
                yield from _entries_of_file(file)
    else:
        if path.is_dir():
            local.warn_of_unlisted(path)
        yield from _entries_of_file(path)


def _entries_of_file(path: Path, name: str | None = None) -> Iterator[Entry]:
    stem = Path(path.name.removesuffix(".gz")).stem
    name = name or (f"{path.absolute().parent.name}/{stem}" if stem in _VASP_NAMES else stem)
    empty = True
    try:
        blocks = _cif_blocks(path)
        if len(blocks) > 1:
            for number, block in enumerate(blocks, start=1):
                yield Entry(f"{name}-{number}", f"{path.name} block {number}", local.parse_structure(block))
            return
        for number, row in enumerate(local.rows_of(path), start=1):
            empty = False
            if row.fault:
                yield Entry(f"{name}-{number}", row.origin, row.fault)
            elif not row.material_id:  # a row of a table
                yield _entry(row, f"{name}-{number}")
            elif row.material_id.startswith(stem):
                yield _entry(row, name + row.material_id.removeprefix(stem))
            else:
                yield _entry(row, row.material_id)
        if empty:
            yield Entry(name, path.name, f"{path.name}: no structure in it")
    except InputError as error:
        why = str(error).removeprefix(f"{path}: ").rsplit(". ", 1)[0].rstrip(".")
        yield Entry(name, path.name, f"{path.name}: {why}")  # an id has no suffix and may be that of other files, too


def _entry(row: local.Row, name: str) -> Entry:
    fields = row.fields
    material_id = next((str(fields[key]) for key in local.DEFAULT_COLUMNS["material_id"] if fields.get(key)), name)
    if row.structure is not None:
        return Entry(material_id, row.origin, local.parse_structure(row.structure))
    if local.is_structure(fields):
        return Entry(material_id, row.origin, local.parse_structure(fields))
    if fields.keys() >= _COLUMNS_OF_STRUCTURES:
        return Entry(material_id, row.origin, _from_columns(fields))
    column = next((key for key in local.DEFAULT_COLUMNS["structure"] if key in fields), None)
    if column is None:
        return Entry(material_id, row.origin, f"no column structure or cif; there are: {', '.join(fields)}")
    return Entry(material_id, row.origin, local.parse_structure(fields[column]))


def _from_columns(fields: Mapping[str, Any]) -> Structure | str:
    try:
        return structure_of(fields)
    except (TypeError, ValueError, IndexError) as error:
        return f"unparsable structure: {error}"


def _cif_blocks(path: Path) -> list[str]:
    """The blocks with atoms of a CIF file that has several; nothing for any other file."""
    if Path(path.name.removesuffix(".gz")).suffix.lower() != ".cif":
        return []
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            text = file.read().decode("utf-8", "replace")
    except (OSError, EOFError, zlib.error):
        return []  # the reader of a single block says why
    starts = [match.start() for match in _CIF_BLOCK.finditer(text)]
    blocks = [text[start:end] for start, end in pairwise([*starts, len(text)])]
    return [block for block in blocks if "_atom_site_fract" in block]


def _entries_of_standard_input() -> Iterator[Entry]:
    """Standard input, copied to a file, for most formats are read more than once."""
    with tempfile.TemporaryDirectory() as folder:
        spooled = Path(folder) / "stdin"
        with spooled.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        with spooled.open("rb") as file:
            zipped = file.read(2) == _GZIP
        with gzip.open(spooled) if zipped else spooled.open("rb") as file:
            named = spooled.with_name(_name_for(file.read(1 << 16)) + ".gz" * zipped)
        spooled.rename(named)
        yield from _entries_of_file(named, "stdin")


def _name_for(beginning: bytes) -> str:
    """A file name whose suffix says the format that standard input begins with."""
    if beginning.startswith(b"PAR1"):
        return "stdin.parquet"
    text = beginning.decode(errors="replace").lstrip()
    first, _, rest = text.partition("\n")
    if text.startswith(("{", "[")):
        try:
            json.loads(first)
        except json.JSONDecodeError:
            return "stdin.json"
        return "stdin.jsonl" if rest.strip() else "stdin.json"
    if _CIF_BLOCK.search(text):
        return "stdin.csv" if "," in first and not first.startswith(("#", "data_")) else "stdin.cif"
    if first.strip().isdigit() and ("Lattice=" in rest or "Properties=" in rest):
        return "stdin.extxyz"
    return "stdin.csv" if "," in first else "POSCAR"
