"""Structures alone, from whatever a user has: files of any kind, folders, standard input, or objects in memory.

Made for prediction: every structure gives one entry, in the order given, duplicates included, some at a time; and what
cannot be read is an entry that says why, so that one bad file among a million costs one row.
"""

import gzip
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from ase import Atoms
from pymatgen.core import Structure

from cgcnn.cif import UNREADABLE, read_text
from cgcnn.errors import InputError
from cgcnn.sources import Entry, local
from cgcnn.sources.parsing import is_row_of_structures, is_structure, parse_crystal, parse_crystals, short_text, text_of

STANDARD_INPUT = "-"
#: One structure, a path (- is standard input), or several of them.
Materials = Structure | Atoms | str | Path | Iterable[Structure | Atoms | str | Path]

_AT_ONCE = 512  # texts that are parsed together
_VASP_NAMES = ("POSCAR", "CONTCAR")  # say nothing of the material: its folder does
_GZIP = b"\x1f\x8b"  # begins every gzip file
_CIF_BLOCK = re.compile(r"^data_", re.MULTILINE | re.IGNORECASE)


def entries_of(materials: Materials) -> Iterator[Entry]:
    """One entry a structure, in order. Objects in memory are called by their position, from 0.

    Raises:
        InputError: a path, alone or in a list, does not exist; before anything is read. One that comes from an iterator
            is an entry with the reason.
    """
    if isinstance(materials, Structure | Atoms | str | Path):
        materials = [materials]
    if isinstance(materials, list | tuple):
        for one in materials:
            if isinstance(one, str | Path) and str(one) != STANDARD_INPUT and not Path(one).exists():
                raise InputError(f"{one}: no such file or folder. Correct the path.")
    return _parsed(found for number, one in enumerate(materials) for found in _found_in(one, number))


class _Found(NamedTuple):
    """A structure that is still to be parsed, or why there is none."""

    material_id: str
    origin: str
    given: Any = None  # as `parse_crystal` takes it
    fault: str = ""


def _parsed(every: Iterable[_Found]) -> Iterator[Entry]:
    """Entries, in order; texts that follow each other are parsed together, which is many times faster for CIFs."""
    texts: list[_Found] = []
    for found in every:
        text = short_text(found.given)  # at once, for a file may change or vanish
        if text:
            texts.append(found._replace(given=text))
        if not text or len(texts) == _AT_ONCE:
            yield from _parsed_together(texts)
            texts = []
        if not text:
            yield Entry(found.material_id, found.origin, found.fault or parse_crystal(found.given))
    yield from _parsed_together(texts)


def _parsed_together(texts: Sequence[_Found]) -> Iterator[Entry]:
    crystals = parse_crystals([found.given for found in texts])
    return (Entry(found.material_id, found.origin, crystal) for found, crystal in zip(texts, crystals, strict=True))


def _found_in(one: Any, number: int) -> Iterator[_Found]:
    if isinstance(one, str | Path):
        yield from _found_on_standard_input() if str(one) == STANDARD_INPUT else _found_at(Path(one))
    else:
        yield _Found(str(number), f"structure {number}", one)


def _found_at(path: Path) -> Iterator[_Found]:
    if path.is_dir() and not local.is_cgcnn_folder(path):
        for file in sorted(path.rglob("*")):
            if file.is_file() and not file.name.startswith("."):
                yield from _found_in_file(file)
    else:
        if path.is_dir():
            local.warn_of_unlisted(path)
        yield from _found_in_file(path)


def _found_in_file(path: Path, name: str | None = None) -> Iterator[_Found]:
    stem = local.stem_of(path)
    name = name or (f"{path.absolute().parent.name}/{stem}" if stem in _VASP_NAMES else stem)
    empty = True
    try:
        blocks = _cif_blocks(path)
        if len(blocks) == 1:
            yield _Found(name, path.name, blocks[0])
            return
        if blocks:
            for number, block in enumerate(blocks, start=1):
                yield _Found(f"{name}-{number}", f"{path.name} block {number}", block)
            return
        for number, row in enumerate(local.rows_of(path), start=1):
            empty = False
            if row.fault:
                yield _Found(f"{name}-{number}", row.origin, fault=row.fault)
            elif not row.material_id:  # a row of a table
                yield _found_in_row(row, f"{name}-{number}")
            elif row.material_id.startswith(stem):
                yield _found_in_row(row, name + row.material_id.removeprefix(stem))
            else:
                yield _found_in_row(row, row.material_id)
        if empty:
            yield _Found(name, path.name, fault=f"{path.name}: no structure in it")
    except InputError as error:
        why = str(error).removeprefix(f"{path}: ").rsplit(". ", 1)[0].rstrip(".")
        # An id has no suffix and may be that of other files, too.
        yield _Found(name, path.name, fault=f"{path.name}: {why}")


def _found_in_row(row: local.Row, name: str) -> _Found:
    fields = row.fields
    given = (text_of(fields.get(key)) for key in local.DEFAULT_COLUMNS["material_id"])
    material_id = next(filter(None, given), name)
    if row.structure is not None:
        return _Found(material_id, row.origin, row.structure)
    if is_structure(fields) or is_row_of_structures(fields):
        return _Found(material_id, row.origin, fields)
    column = next((key for key in local.DEFAULT_COLUMNS["structure"] if key in fields), None)
    if column is None:
        return _Found(material_id, row.origin, fault=f"no column structure or cif; there are: {', '.join(fields)}")
    return _Found(material_id, row.origin, fields[column])


def _cif_blocks(path: Path) -> list[str]:
    """The blocks with atoms of a CIF file, the whole text if it is one; nothing for any other file."""
    if local.suffix_of(path) != ".cif":
        return []
    try:
        text = read_text(path)
    except UNREADABLE:
        return []  # the reader of a single block says why
    starts = [match.start() for match in _CIF_BLOCK.finditer(text)]
    blocks = [text[start:end] for start, end in pairwise([*starts, len(text)])]
    blocks = [block for block in blocks if "_atom_site_fract" in block]
    return [text] if len(blocks) == 1 else blocks


def _found_on_standard_input() -> Iterator[_Found]:
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
        yield from _found_in_file(named, "stdin")


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
