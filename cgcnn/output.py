"""Tables of results, written as they come: CSV, JSON, JSON Lines or Parquet by suffix, text on the terminal."""

import json
import math
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cgcnn.errors import InputError
from cgcnn.tables import atomic_path, with_metadata

SUFFIXES = (".csv", ".json", ".jsonl", ".parquet")
_DIGITS = 6  # significant, in text; float32 networks have no more
_WIDTHS = {"id": 20, "formula": 16, "reason": 0}  # characters on the terminal; 0 is the rest of the line


def check(path: Path | None, page: Path | None = None) -> None:
    """Refuse what could not be written, before anything is computed.

    Args:
        path: of a table; its suffix tells the format.
        page: of an HTML page.

    Raises:
        InputError: an unknown suffix, a folder of that name, or no permission.
    """
    if path is not None and path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: unknown format. End it with one of {', '.join(SUFFIXES)}.")
    for one in (path, page):
        if one is not None:
            _check_place(one)


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path}: a folder has this name. Choose another one.")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise InputError(f"{path}: {folder} is a file, not a folder. Choose another place.")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}). Choose another place.") from None


def write(
    path: Path | None,
    tables: Iterable[pd.DataFrame],
    about: Mapping[str, object] | None = None,
    units: Mapping[str, str] | None = None,
) -> None:
    """Write tables of equal columns one after the other; all of the file appears at the end, or nothing.

    Numbers that are not known are empty in CSV and null in JSON, which has no infinite ones either.

    Args:
        path: its suffix tells the format; None prints aligned text.
        tables: at least one.
        about: facts for the metadata of a Parquet file.
        units: of columns, for the same.
    """
    check(path)
    if path is None:
        _print(tables)
        return
    suffix = path.suffix.lower()
    with atomic_path(path) as temporary:
        if suffix == ".parquet":
            _parquet(temporary, tables, about or {}, units or {})
        else:
            {".csv": _csv, ".json": _json, ".jsonl": _json_lines}[suffix](temporary, tables)


def _csv(path: Path, tables: Iterable[pd.DataFrame]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, table in enumerate(tables):
            table.to_csv(file, index=False, header=number == 0, float_format=f"%.{_DIGITS}g", lineterminator="\n")


def _json_lines(path: Path, tables: Iterable[pd.DataFrame]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in _objects(tables))


def _json(path: Path, tables: Iterable[pd.DataFrame]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number, line in enumerate(_objects(tables)):
            file.write(("[\n" if number == 0 else ",\n") + line)
        file.write("\n]\n")


def _objects(tables: Iterable[pd.DataFrame]) -> Iterable[str]:
    for table in tables:
        for row in table.to_dict("records"):
            yield json.dumps({str(key): _plain(value) for key, value in row.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    return value if isinstance(value, str | int | bool) else [_plain(float(item)) for item in value]


def _parquet(path: Path, tables: Iterable[pd.DataFrame], about: Mapping[str, object], units: Mapping[str, str]) -> None:
    writer = None
    try:
        for table in tables:
            batch = pa.Table.from_pandas(table, preserve_index=False)
            if writer is None:
                fields = [
                    column.with_metadata({"unit": units[column.name]}) if units.get(column.name) else column
                    for column in batch.schema
                ]
                writer = pq.ParquetWriter(path, with_metadata(pa.schema(fields), about), compression="zstd")
            writer.write_table(batch.cast(writer.schema))
    finally:
        if writer is not None:
            writer.close()


def _print(tables: Iterable[pd.DataFrame], show: Callable[[str], None] = print) -> None:
    for number, table in enumerate(tables):
        if number == 0:
            show("  ".join(_cell(name, name) for name in table.columns).rstrip())
        for row in table.itertuples(index=False):
            cells = zip(table.columns, row, strict=True)
            show("  ".join(_cell(name, value) for name, value in cells).rstrip())


def _cell(name: str, value: Any) -> str:
    width = _WIDTHS.get(name, max(len(name), 9))
    if isinstance(value, float):
        return ("" if math.isnan(value) else f"{value:.4g}").rjust(width)
    return str(value).ljust(width) if name in _WIDTHS or not isinstance(value, str) else str(value).rjust(width)
