"""How programs lay out plain CIFs. All that a program writes differ in names and numbers alone, so that one pattern,
made from the first, finds the cell, the formula and the sites of all others.

Plain is one block without symmetry, in which every tag is known and the table of the sites comes last.
"""

import re
from functools import lru_cache
from itertools import takewhile
from typing import NamedTuple

CELL = [f"_cell_{name}" for name in ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")]
FORMULAS = ("_chemical_formula_sum", "_chemical_formula_structural")  # pymatgen takes the first that is there
SYMBOL, OCCUPANCY = "_atom_site_type_symbol", "_atom_site_occupancy"
COORDINATES = [f"_atom_site_fract_{axis}" for axis in "xyz"]
_LABEL = "_atom_site_label"
_OPERATIONS = {"_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz"}
_WITHOUT_EFFECT = {
    *("_symmetry_space_group_name_H-M", "_symmetry_Int_Tables_number", "_symmetry_equiv_pos_site_id"),
    *("_space_group_name_H-M_alt", "_space_group_IT_number", "_space_group_symop_id"),
    *("_cell_volume", "_cell_formula_units_Z", "_atom_site_symmetry_multiplicity"),
}
_OF_CRYSTAL = {*CELL, *FORMULAS, *_WITHOUT_EFFECT}
_OF_SITES = {SYMBOL, _LABEL, *COORDINATES}

_TOKEN = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|\S+")
_SPACE = r"[ \t\r\n]++"  # nothing is given back, so that no text takes long
_START = r"(?:\#[^\n]*\n)?[ \t\r\n]*+data_(?!\S*powder_pattern)[^\s\#]*"
# No other comments, texts over several lines, or words with a meaning of their own: parsers differ there.
_VALUE = r"'[^'\#\n]*'|\"[^\"\#\n]*\"|[^\s'\"\#_;][^\s\#_]*"
SITES = "sites"
RESERVED = re.compile(r"(?<!\S)(?:_|loop_|data_|save_|stop_|global_)", re.IGNORECASE)  # no values of sites
_SITES = rf"(?P<{SITES}>[^\#'\";\x00-\x08\x0b\x0c\x0e-\x1f]*+)"


class Layout(NamedTuple):
    """What plain CIFs of one program have in common."""

    pattern: re.Pattern[str]  # of a whole text; its groups are the tags of the cell and the formula, and SITES
    formula: str | None  # which of FORMULAS there is
    columns: tuple[str, ...]  # tags of the table of the sites


def layout_of(text: str) -> Layout | None:
    """The layout of a plain CIF, None for most other text: only a full match of `pattern` says that a text is plain."""
    tokens = _TOKEN.findall(text[text.find("data_") :])
    parts, tags, columns = [_START], list[str](), list[str]()
    n_operations, k = 0, 1
    while k < len(tokens) and not columns:
        if tokens[k] != "loop_":
            tags.append(tokens[k])
            parts += [re.escape(tokens[k]), _captured(tokens[k])]
            k += 2
            continue
        table = list(takewhile(lambda token: token[0] == "_", tokens[k + 1 :]))
        parts += ["loop_", *map(re.escape, table)]
        k += 1 + len(table)
        if SYMBOL in table:
            columns = table
        elif _OPERATIONS.isdisjoint(table) or not set(table) <= _OPERATIONS | _WITHOUT_EFFECT:
            return None
        else:  # one row, for there is only the identity
            row = dict(zip(table, tokens[k:], strict=False))
            n_operations += sum(_is_identity(row[tag]) for tag in _OPERATIONS & row.keys())
            parts += [re.escape(value) if tag in _OPERATIONS else f"(?:{_VALUE})" for tag, value in row.items()]
            tags += set(table) - _OPERATIONS
            k += len(table)
    is_plain = n_operations == 1 and _OF_CRYSTAL >= set(tags) >= set(CELL)
    is_plain &= _OF_SITES | {OCCUPANCY} | _WITHOUT_EFFECT >= set(columns) >= _OF_SITES
    if not is_plain or len({*tags, *columns}) < len(tags) + len(columns):
        return None
    return _layout((*parts, _SITES), next((tag for tag in FORMULAS if tag in tags), None), tuple(columns))


def _captured(tag: str) -> str:
    return f"(?P<{tag}>{_VALUE})" if tag in (*CELL, *FORMULAS) else f"(?:{_VALUE})"


def _is_identity(value: str) -> bool:
    return value.strip("'\"").replace(" ", "") == "x,y,z"


@lru_cache(64)
def _layout(parts: tuple[str, ...], formula: str | None, columns: tuple[str, ...]) -> Layout:
    return Layout(re.compile(_SPACE.join(parts)), formula, columns)
