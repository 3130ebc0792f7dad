"""One structure in whatever form a file holds it, to a crystal; or to the reason why there is none."""

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ase import Atoms
from pymatgen.core import Lattice, Structure

from cgcnn.arrays import Crystal
from cgcnn.cif import LONGEST_PLAIN, UNREADABLE, plain_crystals, read_cif, read_text
from cgcnn.crystals import crystal_in, crystal_of
from cgcnn.errors import InputError

_COLUMNS_OF_STRUCTURES = {"lattice", "atomic_numbers", "frac_coords"}  # this pipeline's own tables
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


def parse_crystals(texts: Sequence[str]) -> list[Crystal | str]:
    """The same for many texts; plain CIFs are read together, which is many times faster."""
    return [
        parse_crystal(text) if plain is None else plain
        for text, plain in zip(texts, plain_crystals(texts), strict=True)
    ]


def short_text(given: Any) -> str:
    """Text, or that of a file, short enough to be a plain CIF; nothing for anything else."""
    if isinstance(given, str):
        return given if len(given) < LONGEST_PLAIN else ""
    try:
        return read_text(given, LONGEST_PLAIN) if isinstance(given, Path) else ""
    except (*UNREADABLE, ValueError):
        return ""  # `parse_crystal` says why


def _from_dictionary(fields: Mapping[str, Any]) -> Crystal:
    if is_row_of_structures(fields) and not is_structure(fields):
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
