"""CIF to structures: pymatgen's reading, fast for the CIFs that need none of its care.

Databases write nearly all their CIFs one way: one block, every site listed and fully occupied, no symmetry but the
identity. gemmi parses those a hundred times faster, and `plain_crystal` then does what pymatgen does with them, bit for
bit. Anything else, down to an unknown tag, goes to pymatgen.
"""

import gzip
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import gemmi
import numpy as np
from pymatgen.core import Element, Structure
from pymatgen.io.cif import CifParser

from cgcnn.arrays import Crystal, offsets
from cgcnn.crystals import crystal_of
from cgcnn.errors import InputError

_CELL = [f"_cell_{name}" for name in ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")]
_OPERATIONS = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")
_FORMULAS = ("_chemical_formula_sum", "_chemical_formula_structural")
_COORDINATES = [f"_atom_site_fract_{axis}" for axis in "xyz"]
_SYMBOL, _LABEL, _OCCUPANCY = "_atom_site_type_symbol", "_atom_site_label", "_atom_site_occupancy"
_WITHOUT_EFFECT = (
    *("_symmetry_space_group_name_H-M", "_symmetry_Int_Tables_number", "_symmetry_equiv_pos_site_id"),
    *("_space_group_name_H-M_alt", "_space_group_IT_number", "_space_group_symop_id"),
    *("_cell_volume", "_cell_formula_units_Z", "_atom_site_symmetry_multiplicity"),
)
_KNOWN = {*_CELL, *_OPERATIONS, *_FORMULAS, *_COORDINATES, _SYMBOL, _LABEL, _OCCUPANCY, *_WITHOUT_EFFECT}

_MOST_SITES = 500  # more would need much memory in the test for sites in one place
_IDEAL, _IDEAL_TOLERANCE = (1 / 3, 2 / 3), 1e-4  # pymatgen rounds coordinates to these (frac_tolerance)
_SAME_PLACE = 2e-4  # fractional; pymatgen merges sites nearer than 1e-4 (site_tolerance)
_THINNEST = 0.1  # Å; pymatgen refuses cells thinner than 0.01


def read_cif(given: Path | str) -> Crystal:
    """The crystal of a CIF file or of CIF text: lattice, elements, sites in their order and coordinates of pymatgen.

    Raises:
        ValueError: pymatgen finds no structure.
        InputError: it finds several, one that is not as stated, or one that makes no crystal graph.
    """
    text = read_text(given) if isinstance(given, Path) else given
    crystal = plain_crystal(text)
    return crystal_of(_pymatgen_structure(CifParser.from_str(text, check_cif=False))) if crystal is None else crystal


def read_text(path: Path) -> str:
    """What a file holds, lines as Unix ends them; one called .gz is unpacked."""
    with gzip.open(path) if path.suffix == ".gz" else open(path, "rb", buffering=0) as file:  # noqa: PTH123, faster
        text = file.read().decode("utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _pymatgen_structure(parser: CifParser) -> Structure:
    try:
        structures = parser.parse_structures(primitive=False, on_error="ignore")
    except ValueError as error:
        # pymatgen documents this attribute; mypy does not find where it is set.
        remarks = parser.warnings  # type: ignore[attr-defined]
        raise ValueError(remarks[-1] if remarks else error) from None
    if len(structures) > 1:
        raise InputError(f"{len(structures)} structures in one CIF")
    # pymatgen drops sites whose symbol it cannot read, and only warns of it.
    if structures[0].is_ordered and (parser.check(structures[0]) or "").startswith(("Missing", "Incorrect")):
        made = structures[0].composition.reduced_formula
        raise InputError(f"the sites of the CIF make {made}, which is not its stated formula")
    return structures[0]


def plain_crystal(text: str) -> Crystal | None:
    """Lattice, coordinates and elements of plain CIF text, exactly those that pymatgen reads; None for any other."""
    return plain_crystals([text])[0]


def plain_crystals(texts: Sequence[str]) -> list[Crystal | None]:
    """The same for many texts at once, which is faster: the arithmetic is done for all of them together."""
    contents = [_contents(text) for text in texts]
    plain = [content for content in contents if content is not None]
    if not plain:
        return [None] * len(texts)
    n_sites = np.array([len(content.elements) for content in plain])
    starts = offsets(n_sites)
    crystal = np.repeat(np.arange(len(plain)), n_sites)  # (N,)
    lattices, wide = _lattices(np.array([content.cell for content in plain]))
    coords = np.array([xyz for content in plain for xyz in content.coords]).reshape(-1, 3)  # (N, 3)
    for ideal in _IDEAL:
        coords[np.abs(coords / ideal - 1) <= _IDEAL_TOLERANCE] = ideal
    usable = wide & np.logical_and.reduceat(np.isfinite(coords).all(axis=1), starts[:-1])
    usable &= ~_any_shared(coords, n_sites)

    sort_key = np.array([element for content in plain for element in content.elements])  # (N,)
    order = np.lexsort((sort_key, crystal))
    coords, numbers = (coords - np.floor(coords))[order], _sorting()[1][sort_key[order]]
    found = (
        Crystal(lattice, coords[start:end], numbers[start:end]) if fine else None
        for lattice, start, end, fine in zip(lattices, starts[:-1], starts[1:], usable.tolist(), strict=True)
    )
    return [None if content is None else next(found) for content in contents]


class _Contents(NamedTuple):
    """What a plain CIF says, before any arithmetic."""

    cell: list[float]  # a, b, c in Å, alpha, beta, gamma in degrees
    elements: list[int]  # of each site, its place in the order in which pymatgen sorts
    coords: list[tuple[float, float, float]]


def _contents(text: str) -> _Contents | None:
    if not text.isascii() or text.rfind("#") > 0 or text.count("data_") != 1 or "\n;" in text:
        return None  # comments, several blocks and texts over several lines: parsers differ there
    try:
        return _contents_of(gemmi.cif.read_string(text).sole_block())
    except (ValueError, TypeError, KeyError, RuntimeError):  # no CIF, no number, a tag or an element is missing
        return None


def _contents_of(block: gemmi.cif.Block) -> _Contents | None:
    values: dict[str, Any] = {}
    for item in block:
        loop = item.loop
        if loop is None:
            tag, value = item.pair  # a TypeError where it is neither
            values[tag] = value
        else:
            tags, entries = loop.tags, loop.values
            for k, tag in enumerate(tags):
                values[tag] = entries[k :: len(tags)]
    if not values.keys() <= _KNOWN or "powder_pattern" in block.name:
        return None
    symbols = values[_SYMBOL]
    operations = [xyz for tag in _OPERATIONS for xyz in values.get(tag, [])]
    if [xyz.strip("'\"").replace(" ", "") for xyz in operations] != ["x,y,z"]:
        return None
    if isinstance(symbols, str) or len(symbols) != len(values[_LABEL]) or len(symbols) > _MOST_SITES:
        return None
    if any(float(share) != 1 for share in set(values.get(_OCCUPANCY, []))):
        return None
    stated = next((values[tag] for tag in _FORMULAS if tag in values), None)
    if stated is not None and not _same_formula(stated.strip("'\""), symbols):
        return None
    places = _sorting()[0]
    coords = zip(*(map(float, values[tag]) for tag in _COORDINATES), strict=True)
    return _Contents([float(values[tag]) for tag in _CELL], [places[symbol] for symbol in symbols], list(coords))


def _lattices(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`pymatgen.core.Lattice.from_parameters` in the same floating-point operations, for many cells.

    Args:
        cells: (C, 6) lengths in Å and angles in degrees.

    Returns:
        (C, 3, 3) Å; and (C,) which of them are clearly thicker than what pymatgen refuses.
    """
    a, b, c = cells[:, :3].T
    angles = np.radians(cells[:, 3:])
    cosines, sines = np.cos(angles), np.sin(angles)
    (cos_alpha, cos_beta, cos_gamma), (sin_alpha, sin_beta, _) = cosines.T, sines.T
    with np.errstate(divide="ignore", invalid="ignore"):  # such cells are not wide
        ratio = (cos_alpha * cos_beta - cos_gamma) / (sin_alpha * sin_beta)
    gamma_star = np.arccos(np.clip(ratio, -1, 1))
    lattices = np.zeros((len(cells), 3, 3))
    lattices[:, 0, 0], lattices[:, 0, 2] = a * sin_beta, a * cos_beta
    lattices[:, 1, 0], lattices[:, 1, 1] = -b * sin_alpha * np.cos(gamma_star), b * sin_alpha * np.sin(gamma_star)
    lattices[:, 1, 2], lattices[:, 2, 2] = b * cos_alpha, c
    volume = lattices[:, 0, 0] * lattices[:, 1, 1] * lattices[:, 2, 2]  # the other terms are zero
    largest_face = np.maximum.reduce([a * b, b * c, c * a])
    return lattices, (cells[:, :3] > 0).all(axis=1) & (volume >= _THINNEST * largest_face)


def _any_shared(coords: np.ndarray, n_sites: np.ndarray) -> np.ndarray:
    """(C,) whether two sites of a crystal are in one place, which pymatgen merges, or nearly so."""
    pairs = n_sites**2
    k = np.arange(pairs.sum()) - np.repeat(offsets(pairs)[:-1], pairs)
    size, start = np.repeat(n_sites, pairs), np.repeat(offsets(n_sites)[:-1], pairs)
    apart = coords[start + k // size] - coords[start + k % size]  # (pairs, 3)
    shared = (np.abs(apart - np.rint(apart)) < _SAME_PLACE).all(axis=1)
    return np.add.reduceat(shared, offsets(pairs)[:-1], dtype=np.int64) > n_sites


@cache
def _sorting() -> tuple[dict[str, int], np.ndarray]:
    """The elements as pymatgen sorts sites, by electronegativity and symbol: places by symbol, atomic numbers.

    Those without electronegativity, which it cannot sort, are left out, and so are the isotopes D and T.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that some have no electronegativity
        ranked = sorted((e.X, e.symbol, e.Z) for e in map(Element.from_Z, range(1, 119)) if e.X > 0)
    places = {symbol: place for place, (_, symbol, _) in enumerate(ranked)}
    return places, np.array([number for *_, number in ranked], dtype=np.uint8)


def _same_formula(formula: str, symbols: Sequence[str]) -> bool:
    """Whether a formula has the elements of the sites in their proportions."""
    stated = _counts(formula)
    total = sum(stated.values())
    return stated.keys() == set(symbols) and all(
        count * len(symbols) == symbols.count(symbol) * total for symbol, count in stated.items()
    )


@lru_cache(4096)
def _counts(formula: str) -> Mapping[str, int]:
    """Atoms of each element in a formula of integers, such as Sr1 Ti1 O3; nothing for any other."""
    counts: Counter[str] = Counter()
    if re.fullmatch(r"([A-Z][a-z]?[0-9]*\s*)+", formula):
        for symbol, count in re.findall(r"([A-Z][a-z]?)([0-9]*)", formula):
            counts[symbol] += int(count or 1)
    return counts
