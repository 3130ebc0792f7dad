"""CIF to crystals: pymatgen's reading, fast for the CIFs that need none of its care.

Databases write nearly all their CIFs one way: one block, every site listed and fully occupied, no symmetry but the
identity. Those are matched as a whole (cif_layout.py), and `plain_crystals` then does what pymatgen does with them, bit
for bit. Anything else, down to an unknown tag, goes to pymatgen.
"""

import lzma
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from monty.io import zopen
from pymatgen.core import Element, Structure
from pymatgen.io.cif import CifParser

from cgcnn.arrays import Crystal, offsets
from cgcnn.cif_layout import CELL, COORDINATES, OCCUPANCY, RESERVED, SITES, SYMBOL, Layout, layout_of
from cgcnn.crystals import crystal_of
from cgcnn.errors import InputError

LONGEST_PLAIN = 1 << 17  # characters
_MOST_PLAIN_SITES = 500  # more would need much memory in the test for sites in one place
_PAIRS_AT_ONCE = 500_000  # of sites of one crystal, tested together; one crystal may exceed it
PACKED = (".gz", ".bz2", ".xz", ".lzma")  # ends of names
#: What reading a file, packed or not, raises where it cannot be read.
UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError)
_IDEAL, _IDEAL_TOLERANCE = (1 / 3, 2 / 3), 1e-4  # pymatgen rounds coordinates to these (frac_tolerance)
_SAME_PLACE = 2e-4  # fractional; pymatgen merges sites nearer than 1e-4 (site_tolerance)
_THINNEST = 0.1  # Å; pymatgen refuses cells thinner than 0.01


def read_cif(given: Path | str) -> Crystal:
    """The crystal of a CIF file or of CIF text, exactly as pymatgen reads it.

    Raises:
        ValueError: pymatgen finds no structure.
        UNREADABLE: the file cannot be read.
        InputError: it finds several, one that is not as stated, or one that makes no crystal graph.
    """
    text = read_text(given) if isinstance(given, Path) else given
    crystal = plain_crystal(text)
    return crystal_of(_pymatgen_structure(CifParser.from_str(text, check_cif=False))) if crystal is None else crystal


def read_text(path: Path, limit: int = -1) -> str:
    """What a file holds, unpacked, lines as Unix ends them; nothing where it has `limit` bytes or more.

    Raises:
        UNREADABLE: it cannot be read.
        ValueError: it has a name that no file can have.
    """
    with zopen(path, "rb") if path.name.endswith(PACKED) else path.open("rb", buffering=0) as file:
        content = file.read(limit)
    text = content.decode("utf-8", "replace") if len(content) != limit else ""
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


class _Contents(NamedTuple):
    """What a plain CIF says, before any arithmetic."""

    cell: list[float]  # a, b, c in Å, alpha, beta, gamma in degrees
    ranks: list[int]  # of each site's element in the order in which pymatgen sorts
    coords: list[list[float]]  # x, y, z of every site


def plain_crystal(text: str) -> Crystal | None:
    """Lattice, coordinates and elements of plain CIF text, exactly those that pymatgen reads; None for any other."""
    return plain_crystals([text])[0]


def plain_crystals(texts: Sequence[str]) -> list[Crystal | None]:
    """The same for many texts at once, which is faster: the arithmetic is done for many of them together."""
    contents = list(_contents_of(texts))
    plain = [content for content in contents if content is not None]
    pairs = np.cumsum([len(content.ranks) ** 2 for content in plain])
    cuts = np.flatnonzero(np.diff(pairs // _PAIRS_AT_ONCE)) + 1
    blocks = pairwise([0, *cuts.tolist(), len(plain)]) if plain else ()
    found = iter([crystal for start, end in blocks for crystal in _crystals(plain[start:end])])
    return [None if content is None else next(found) for content in contents]


def _crystals(plain: Sequence[_Contents]) -> list[Crystal | None]:
    n_sites = np.array([len(content.ranks) for content in plain])  # (C,)
    starts = offsets(n_sites)
    owner = np.repeat(np.arange(len(plain)), n_sites)  # (N,)
    lattices, wide = _lattices(np.array([content.cell for content in plain]))  # (C, 3, 3) Å, (C,)
    coords = np.array([[x for content in plain for x in content.coords[axis]] for axis in range(3)]).T  # (N, 3)
    for ideal in _IDEAL:
        coords[np.abs(coords / ideal - 1) <= _IDEAL_TOLERANCE] = ideal
    usable = wide & np.logical_and.reduceat(np.isfinite(coords).all(axis=1), starts[:-1])
    usable &= ~_sites_coincide(coords, n_sites)

    rank = np.array([rank for content in plain for rank in content.ranks])  # (N,)
    order = np.lexsort((rank, owner))
    coords, numbers = (coords - np.floor(coords))[order], _sorting()[1][rank[order]]
    return [
        Crystal(lattice, coords[start:end], numbers[start:end]) if fine else None
        for lattice, start, end, fine in zip(lattices, starts[:-1], starts[1:], usable.tolist(), strict=True)
    ]


def _contents_of(texts: Iterable[str]) -> Iterator[_Contents | None]:
    """None where a text is not plain."""
    layout: Layout | None = None
    for text in texts:
        if not text.isascii() or len(text) >= LONGEST_PLAIN:
            yield None
            continue
        match = layout.pattern.fullmatch(text) if layout else None
        if match is None:  # not laid out as the one before
            layout = layout_of(text)
            match = layout.pattern.fullmatch(text) if layout else None
        try:
            yield _contents(match, layout) if match and layout else None
        except (ValueError, KeyError):  # no number, or no element
            yield None


def _contents(match: re.Match[str], layout: Layout) -> _Contents | None:
    if "_" in match[SITES] and RESERVED.search(match[SITES]):
        return None
    entries = match[SITES].split()
    columns = {tag: entries[k :: len(layout.columns)] for k, tag in enumerate(layout.columns)}
    symbols, coords = columns[SYMBOL], [list(map(float, columns[tag])) for tag in COORDINATES]
    if not 0 < len(symbols) <= _MOST_PLAIN_SITES or len(entries) != len(symbols) * len(layout.columns):
        return None
    if any(float(share) != 1 for share in set(columns.get(OCCUPANCY, ()))):
        return None
    if layout.formula and not _same_formula(match[layout.formula].strip("'\""), symbols):
        return None
    ranks = _sorting()[0]
    return _Contents(list(map(float, match.group(*CELL))), [ranks[symbol] for symbol in symbols], coords)


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


def _sites_coincide(coords: np.ndarray, n_sites: np.ndarray) -> np.ndarray:
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
    counts = {symbol: symbols.count(symbol) for symbol in set(symbols)}
    if sorted(f"{symbol}{count}" for symbol, count in counts.items()) == sorted(formula.split()):
        return True  # as it is mostly written
    stated = _counts(formula)
    total = sum(stated.values())
    return stated.keys() == counts.keys() and all(
        count * len(symbols) == counts[symbol] * total for symbol, count in stated.items()
    )


def _counts(formula: str) -> Mapping[str, int]:
    """Atoms of each element in a formula of integers, such as Sr1 Ti1 O3; nothing for any other."""
    counts: Counter[str] = Counter()
    if re.fullmatch(r"([A-Z][a-z]?[0-9]*\s*)+", formula):
        for symbol, count in re.findall(r"([A-Z][a-z]?)([0-9]*)", formula):
            counts[symbol] += int(count or 1)
    return counts
