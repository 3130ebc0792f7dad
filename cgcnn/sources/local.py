"""The user's own files: a CGCNN folder, CSV, JSON Lines, Parquet, a CIF, or whatever ASE reads.

A reader turns its kind of file into rows, and one function turns rows into entries, so all kinds behave alike: a
structure that cannot be parsed is an entry with the reason, a fault of the whole file is an InputError.
"""

import csv
import difflib
import json
import logging
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import ase.db
import ase.io
import pyarrow as pa
from ase import Atoms
from ase.io.formats import filetype, ioformats
from monty.io import zopen

from cgcnn.cif import PACKED, UNREADABLE, read_text
from cgcnn.errors import InputError
from cgcnn.sources import Entry
from cgcnn.sources.parsing import is_structure, parse_crystal, text_of
from cgcnn.tables import opened

#: Column names that are tried where the configuration maps none.
DEFAULT_COLUMNS = {"material_id": ("material_id", "id"), "structure": ("structure", "cif"), "family": ("family",)}
MISSING_VALUES = ("", "na", "n/a", "null", "none")  # in lower case; and NaN
PROPERTIES_FILE = "id_prop.csv"
LARGEST_NUMBER = 1e30  # networks compute in float32
SHOWN_NAMES = 5  # of files in a warning

log = logging.getLogger("cgcnn")


@dataclass(frozen=True)
class Row:
    """One row of any kind of file. Those that are no tables give the structure, and an id in case no field does."""

    origin: str
    fields: Mapping[str, Any]
    material_id: str = ""
    structure: Path | Atoms | Mapping[str, Any] | str | None = None
    fault: str = ""  # why this row cannot be read, where the next ones can


def read(paths: Sequence[Path], columns: Mapping[str, str], targets: Sequence[str]) -> Iterator[Entry]:
    """Entries of all files, in their order. Every file is looked through here, its structures are parsed one by one.

    Args:
        paths: CGCNN folders (id_prop.csv without a header: id, property, ...; ID.cif), tables (.csv, .jsonl, .parquet,
            also packed: .csv.gz) with a column of CIF text or pymatgen dictionaries, CIF files, files that ASE
            reads, or folders of such files.
        columns: our name (material_id, structure, family, or a target) -> the file's, where they differ. In a CGCNN
            folder a target may be the position of its property, "1" for the first; without that they come in order.
        targets: columns of numbers to read. A value may be missing, and so may a column in some, but not all, files.

    Raises:
        InputError: a file is not there, empty, of an unknown kind or unreadable, or a column that is needed is missing;
            later, from the iterator: a target is no number.
    """
    if not paths:
        raise InputError("Nothing to read: give source.paths, a list of files or folders.")
    held = {path: _held_columns(path) for path in paths}
    chosen = {path: _choose_columns(path, held[path], columns, targets) for path in paths}
    needed = [*targets, "family"] if "family" in columns else targets
    for name in needed:
        if not any(name in choice for choice in chosen.values()):
            every = sorted({column for names in held.values() for column in names})
            where = ", ".join(path.name for path in paths)
            if all(map(is_cgcnn_folder, paths)) and name not in columns:
                raise InputError(
                    f"{where}: no value for {name} in {PROPERTIES_FILE}, whose rows hold {len(every)} beside the id. "
                    f"They are given to the targets in this order: {', '.join(targets)}. Add the value to each row, "
                    f"say in source.columns which one it is, as in {{{name}: '1'}}, or take its task out (null)."
                )
            raise _missing_column(where, name, (columns.get(name, name),), every)
    for path in filter(is_cgcnn_folder, paths):
        warn_of_unlisted(path)
    names = _names(paths)
    return (_entry(row, chosen[path], targets) for path in paths for row in rows_of(path, names))


def _names(paths: Sequence[Path]) -> dict[Path, str]:
    """What structures without an id are called after where not the stem alone, for other files have the same one."""
    files = [
        file for path in paths if not is_cgcnn_folder(path) for file in (_files_in(path) if path.is_dir() else [path])
    ]
    stems = Counter(map(stem_of, files))
    alike = [file for file in files if stems[stem_of(file)] > 1]
    if not alike:
        return {}
    folder = os.path.commonpath([file.absolute().parent for file in alike])
    return {file: file.absolute().relative_to(folder).as_posix() for file in alike}


def _held_columns(path: Path) -> list[str]:
    """Names of all columns, before anything is parsed, so that a misspelt one is told at once."""
    names: dict[str, None] = {}
    empty = True
    for row in rows_of(path):
        if row.fault:
            raise InputError(f"{path}: {row.fault}. Repair it, or delete it.")
        empty = False
        names.update(dict.fromkeys(row.fields))
    if empty:
        raise InputError(f"{path}: no rows. Fill it, or take it out of source.paths.")
    return list(names)


def _choose_columns(
    path: Path, held: Sequence[str], columns: Mapping[str, str], targets: Sequence[str]
) -> dict[str, str]:
    """Our name -> column of this file, for those that it holds."""
    tried = {name: (columns[name],) if name in columns else DEFAULT_COLUMNS[name] for name in DEFAULT_COLUMNS}
    tried |= {name: (columns.get(name, name),) for name in targets}
    if is_cgcnn_folder(path) and not any(columns.get(name, "").isdigit() for name in targets):
        tried |= {name: (str(position),) for position, name in enumerate(targets, start=1)}
    found = {name: [column for column in candidates if column in held] for name, candidates in tried.items()}
    chosen = {name: candidates[0] for name, candidates in found.items() if candidates}
    if table_suffix(path):
        for name in ("material_id", "structure"):
            if name not in chosen:
                raise _missing_column(str(path), name, tried[name], held)
    return chosen


def _missing_column(where: str, name: str, tried: Sequence[str], held: Sequence[str]) -> InputError:
    if not held:
        return InputError(
            f"{where}: no values for {name}, for structures alone have none. "
            f"Put them into {PROPERTIES_FILE} beside the CIFs (id, value), or into a table."
        )
    near = difflib.get_close_matches(tried[0], held, 1)
    return InputError(
        f"{where}: no column {' or '.join(repr(column) for column in tried)} for {name}."
        + (f" Did you mean '{near[0]}'?" if near else "")
        + f" There are: {', '.join(held)}. Name it in source.columns, as in {{{name}: its column}}."
    )


def _entry(row: Row, chosen: Mapping[str, str], targets: Sequence[str]) -> Entry:
    def value(name: str) -> Any:
        return row.fields.get(chosen[name]) if name in chosen else None

    material_id = text_of(value("material_id")) or row.material_id
    given = value("structure") if row.structure is None else row.structure
    return Entry(
        material_id=material_id,
        origin=row.origin,
        crystal=parse_crystal(given) if material_id else "no material_id",
        family=text_of(value("family")) or None,
        targets={name: _number(value(name), chosen[name], material_id, row) for name in targets if name in chosen},
    )


def _number(value: Any, column: str, material_id: str, row: Row) -> float | None:
    if text_of(value).lower() in MISSING_VALUES:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.inf
    if abs(number) > LARGEST_NUMBER or "_" in str(value):  # Python would read 1_000
        hint = (
            f" {PROPERTIES_FILE} must not have a header: delete this row if it is one."
            if row.origin == f"{PROPERTIES_FILE} row 1"
            else ""
        )
        raise InputError(
            f"{row.origin} ({material_id}): '{value}' in column {column} is no finite number. "
            f"Correct it, or leave it empty where the value is not known.{hint}"
        )
    return None if math.isnan(number) else number


def rows_of(path: Path, names: Mapping[Path, str] | None = None) -> Iterator[Row]:
    """Rows of a file or folder.

    Args:
        names: file -> what its structures without an id are called after; the others are called after their stem.

    Raises:
        InputError: not there, empty, of an unknown kind, or unreadable.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder. Correct source.paths.")
    names = names or {}
    name = names.get(path) or stem_of(path)
    try:
        if path.is_dir():
            yield from _cgcnn_rows(path) if is_cgcnn_folder(path) else _rows_of_each_file(path, names)
        elif path.stat().st_size == 0:
            raise _empty(path)
        elif suffix_of(path) == ".cif":
            text = read_text(path)
            if not text.strip():
                raise _empty(path)
            yield Row(path.name, {}, name, text)
        elif table_suffix(path):
            for number, fields in enumerate(_table_rows(path), start=1):
                origin = f"{path.name} row {number}"
                yield Row(origin, {}, fault=fields) if isinstance(fields, str) else Row(origin, fields)
        elif suffix_of(path) == ".json":
            yield from _json_file_rows(path, name)
        else:
            yield from _ase_rows(path, name)
    except (*UNREADABLE, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read ({error}). Repair it, or take it out of source.paths.") from None


def _empty(path: Path) -> InputError:
    return InputError(f"{path}: the file is empty. Fill it, or take it out of source.paths.")


def is_cgcnn_folder(path: Path) -> bool:
    return (path / PROPERTIES_FILE).is_file()


def warn_of_unlisted(folder: Path) -> None:
    """Say which CIFs of a CGCNN folder are not read, because no row names them."""
    listed = {row.material_id for row in _cgcnn_rows(folder)}
    names = sorted(path.name for path in folder.glob("*.cif") if path.stem not in listed)
    if names:
        shown = ", ".join(names[:SHOWN_NAMES]) + (", ..." if len(names) > SHOWN_NAMES else "")
        log.warning("%s: not read, for %s does not name them: %d CIFs (%s)", folder, PROPERTIES_FILE, len(names), shown)


def _cgcnn_rows(folder: Path) -> Iterator[Row]:
    with _open_text(folder / PROPERTIES_FILE) as lines:
        for number, (name, *properties) in enumerate(filter(any, csv.reader(lines)), start=1):
            fields = {str(position): value for position, value in enumerate(properties, start=1)}
            name = name.strip()
            if Path(name).name != name:
                raise InputError(
                    f"{folder / PROPERTIES_FILE}: row {number}: the id '{name}' holds a path. "
                    f"Put its CIF beside {PROPERTIES_FILE} and give the file's name alone."
                )
            yield Row(f"{PROPERTIES_FILE} row {number}", fields, name, folder / f"{name}.cif")


def _rows_of_each_file(folder: Path, names: Mapping[Path, str]) -> Iterator[Row]:
    for file in _files_in(folder):
        try:
            yield from rows_of(file, names)
        except InputError as error:
            raise InputError(f"{folder} has no {PROPERTIES_FILE}, so each of its files is read. {error}") from None


def _files_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))


def stem_of(path: Path) -> str:
    """The name without its suffix, and without that of packing."""
    return _unpacked(path).stem


def suffix_of(path: Path) -> str:
    """The suffix in lower case, of a packed file the one before that of packing."""
    return _unpacked(path).suffix.lower()


def _unpacked(path: Path) -> Path:
    return Path(path.stem if path.name.endswith(PACKED) else path.name)


def table_suffix(path: Path) -> str:
    """.csv, .jsonl or .parquet for a table, else nothing."""
    suffix = suffix_of(path)
    return suffix if suffix in (".csv", ".jsonl", ".parquet") else ""


def _table_rows(path: Path) -> Iterator[dict[str, Any] | str]:
    """Each row by column; or why it cannot be read."""
    if table_suffix(path) == ".parquet":
        with opened(path) as file:
            for batch in file.iter_batches(1000):
                yield from batch.to_pylist()
        return
    with _open_text(path) as lines:
        yield from _csv_rows(path, lines) if table_suffix(path) == ".csv" else _json_rows(lines)


def _open_text(path: Path) -> IO[str]:
    if path.name.endswith(PACKED):
        return zopen(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _csv_rows(path: Path, lines: Iterable[str]) -> Iterator[dict[str, Any] | str]:
    csv.field_size_limit(2**31 - 1)  # a CIF may be longer than the 131,072 characters that csv allows
    reader = csv.DictReader(lines, strict=True)
    names = reader.fieldnames or []
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"{path}: two columns are called '{twice[0]}'. Rename one of them.")
    for number, fields in enumerate(reader, start=1):
        uneven = None in fields or None in fields.values()
        yield f"row {number} and the header differ in length: quote text with commas or lines" if uneven else fields


def _json_rows(lines: Iterable[str]) -> Iterator[dict[str, Any] | str]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            yield f"line {number} is no JSON ({error})"
            continue
        whole = isinstance(fields, dict)
        yield fields if whole else f"line {number} is no JSON object: write one object with named columns a line"


def _json_file_rows(path: Path, name: str) -> Iterator[Row]:
    """A pymatgen dictionary or an object with named columns; a list of such; structures by name; ASE's database."""
    with _open_text(path) as file:
        try:
            content = json.load(file)
        except json.JSONDecodeError:
            content = None  # also ASE's database of more than one line
    if is_structure(content):
        yield Row(path.name, {}, name, content)
    elif isinstance(content, dict) and any(_holds(content.get(column)) for column in DEFAULT_COLUMNS["structure"]):
        yield Row(path.name, content, name)
    elif isinstance(content, dict) and any(_holds(item) for item in content.values()):
        for key, item in content.items():
            yield Row(f"{path.name} {key}", {}, key, "" if item is None else item)
    elif isinstance(content, list):
        for number, item in enumerate(content, start=1):
            origin, numbered = f"{path.name} row {number}", f"{name}-{number}"
            if is_structure(item):
                yield Row(origin, {}, numbered, item)
            elif isinstance(item, dict):
                yield Row(origin, item, numbered)
            else:
                yield Row(origin, {}, fault=f"entry {number} is neither a structure nor an object with named columns")
    elif content is None or (isinstance(content, dict) and content.keys() & {"ids", "1"}):
        yield from _ase_rows(path, name)
    else:
        raise InputError(
            f"{path}: neither a structure (pymatgen dictionary), nor a list of structures, nor structures by name, nor "
            "ASE's database. Write one of these, or take it out of source.paths."
        )


def _holds(content: Any) -> bool:
    """Whether a structure can be read from it: a pymatgen dictionary, its JSON text, or CIF text."""
    return is_structure(content) or (isinstance(content, str) and ("_atom_site" in content or '"sites"' in content))


def _ase_rows(path: Path, name: str) -> Iterator[Row]:
    """Structures with their info (in a database: key-value pairs) and their calculator's results as columns."""
    file = str(path.absolute())
    try:
        kind = filetype(file)
        if kind == "cif":  # ASE forgets partial occupancies
            yield Row(path.name, {}, name, path)
            return
        for number, (atoms, info) in enumerate(_ase_frames(file, kind), start=1):
            fields = {**(atoms.calc.results if atoms.calc else {}), **info}
            material_id = name if ioformats[kind].single else f"{name}-{number}"
            yield Row(f"{path.name} row {number}", fields, material_id, atoms)
    except Exception as error:  # whatever one of ASE's hundred readers stumbles over
        raise InputError(
            f"{path}: ASE cannot read it ({type(error).__name__}: {error}). "
            "Give a CGCNN folder, .csv, .jsonl, .parquet, .cif, or a file that ASE reads."
        ) from None


def _ase_frames(name: str, kind: str) -> Iterator[tuple[Atoms, Mapping[str, Any]]]:
    if kind in ("db", "json"):
        for row in ase.db.connect(name, type=kind).select():
            yield row.toatoms(), row.key_value_pairs
    else:
        for atoms in ase.io.iread(name, format=kind, do_not_split_by_at_sign=True):
            yield atoms, atoms.info
