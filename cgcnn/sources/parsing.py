"""One structure in whatever form a file holds it, to a crystal; or to the reason why there is none."""

import json
import math
import warnings
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ase import Atoms
from pymatgen.core import Lattice, Structure

from cgcnn.arrays import Crystal
from cgcnn.cif import plain_crystals, read_cif, read_text
from cgcnn.crystals import crystal_in, crystal_of
from cgcnn.errors import InputError

_COLUMNS_OF_STRUCTURES = {"lattice", "atomic_numbers", "frac_coords"}  # this pipeline's own tables
_LONGEST_PLAIN_CIF = 1 << 17  # bytes
_LONGEST_REASON = 200  # characters of a parser's message


def parse_crystal(given: Any) -> Crystal | str:
    """The crystal of a CIF file, CIF text, dictionary, its JSON text, ASE atoms or a Structure; or why there is none.

    A dictionary is pymatgen's, or a row of the structures table.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pymatgen's remarks on every CIF; what matters is checked here
            if isinstance(given, Atoms):
                a, b, c = given.pbc.tolist()
                lattice = Lattice(given.cell.array, pbc=(a, b, c))
                return crystal_of(
                    Structure(lattice, given.get_chemical_symbols(), given.get_scaled_positions(wrap=False))
                )
            if isinstance(given, Structure):
                return crystal_of(given)
            if isinstance(given, Mapping):
                return _from_dictionary(given)
            if isinstance(given, Path):
                return read_cif(given) if given.exists() else f"no file {given.name}"
            text = text_of(given)
            if not text:
                return "no structure"
            if text.startswith("{"):
                return _from_dictionary(json.loads(text))
            return read_cif(text)
    except InputError as error:
        return str(error)
    except Exception as error:  # the text is anybody's, and the parsers raise whatever they stumble over
        message = " ".join(f"{type(error).__name__}: {error}".split())
        return f"unparsable structure: {message[:_LONGEST_REASON]}"


def may_be_plain(given: Any) -> bool:
    """Whether it is a CIF file or text to be parsed together with others; long texts are not kept for that."""
    return isinstance(given, Path) or (isinstance(given, str) and len(given) < _LONGEST_PLAIN_CIF)


def parse_crystals(given: Sequence[Path | str]) -> list[Crystal | str]:
    """The same for many CIF files or texts; plain ones are read together, which is many times faster."""
    texts = [_short_text(each) for each in given]
    return [
        parse_crystal(each) if plain is None else plain
        for each, plain in zip(given, plain_crystals(texts), strict=True)
    ]


def _short_text(given: Path | str) -> str:
    """What a file of a size that a plain CIF may have holds; nothing for any other."""
    if isinstance(given, str):
        return given
    try:
        text = read_text(given, _LONGEST_PLAIN_CIF)
    except (OSError, EOFError, zlib.error):
        return ""  # the reader of a single one says why
    return text if len(text) < _LONGEST_PLAIN_CIF else ""


def _from_dictionary(fields: Mapping[str, Any]) -> Crystal:
    if is_row_of_structures(fields):
        return crystal_in(fields)
    # Without the properties, for they may name any class to be imported.
    sites = [{**site, "properties": {}} for site in fields["sites"]]
    return crystal_of(Structure.from_dict({**fields, "sites": sites, "properties": {}}))


def is_structure(content: Any) -> bool:
    """Whether it is a pymatgen dictionary."""
    return isinstance(content, dict) and {"lattice", "sites"} <= content.keys()


def is_row_of_structures(fields: Mapping[str, Any]) -> bool:
    """Whether it is a row of the structures table, or has its columns."""
    return fields.keys() >= _COLUMNS_OF_STRUCTURES


def text_of(value: Any) -> str:
    """The value as text, empty where it is missing (pandas writes NaN for that)."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    text = "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value).strip()
    return text.encode("utf-8", "backslashreplace").decode("utf-8")  # JSON can hold what no file can
