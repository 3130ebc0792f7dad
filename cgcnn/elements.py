"""The 92 bits v(0) that describe an element before any convolution (Xie & Grossman, PRL 120, 145301, 2018, Table S2).

Nine properties of an element are each cut into bins, and each property contributes one block of bits in which at most
one bit is set. The properties ship as `elements.csv`, written by `data/elements/generate.py` from public element
libraries. docs/elements.md compares the result with the table that the authors of CGCNN published.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

MAX_ATOMIC_NUMBER = 100

_SYMBOLS = """
    X H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr
    Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu
    Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm
"""
SYMBOLS: tuple[str, ...] = tuple(_SYMBOLS.split())  # indexed by atomic number; "X", at 0, is no element

SUBSHELLS = "spdf"  # the periodic table's blocks; the position is the angular momentum l


@dataclass(frozen=True)
class Block:
    """`width` bits for one property: equal bins from `low` to `high`, on a logarithmic scale if `log`.

    `low` and `high` are in `unit`, or natural logarithms of it. A bin holds its lower edge and not its upper one.
    """

    name: str
    unit: str
    width: int
    low: float
    high: float
    log: bool = False

    @property
    def column(self) -> str:
        """The heading of this property in elements.csv, such as "covalent radius (pm)"."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def bit_names(self) -> tuple[str, ...]:
        """One name per bit, such as "group 4" or "covalent radius 115.0 to 137.5 pm"."""
        if self.name == "block":
            return tuple(f"block {subshell}" for subshell in SUBSHELLS)
        if self.high - self.low == self.width:
            return tuple(f"{self.name} {self.low + bit:.0f}" for bit in range(self.width))
        edges = np.linspace(self.low, self.high, self.width + 1)
        edges = np.exp(edges) if self.log else edges
        decimals = 1 if self.unit == "pm" else 2
        return tuple(
            f"{self.name} {lower:.{decimals}f} to {upper:.{decimals}f} {self.unit}".rstrip()
            for lower, upper in pairwise(edges)
        )

    def bits(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """One-hot rows (n, width) of `values` (n,), in `unit`. Unknown (NaN) or out of range: a row without any bit."""
        values = np.log(values) if self.log else values
        # In this order of operations rounding puts 1.20 and 1.90, which lie on an edge, where the published table
        # has them: in the lower bin.
        bins: NDArray[np.float64] = np.floor((values - self.low) / (self.high - self.low) * self.width)
        return np.equal(bins[:, None], np.arange(self.width))


BLOCKS: tuple[Block, ...] = (
    Block("group", "", width=19, low=0, high=19),  # 0 is the f block
    Block("period", "", width=7, low=1, high=8),
    Block("electronegativity", "", width=10, low=0.5, high=4.0),
    Block("covalent radius", "pm", width=10, low=25, high=250),
    Block("valence electrons", "", width=12, low=1, high=13),
    Block("first ionization energy", "eV", width=10, low=1.3, high=3.3, log=True),
    Block("electron affinity", "eV", width=10, low=-3.0, high=3.7),
    Block("block", "", width=4, low=0, high=4),  # s, p, d, f
    Block("atomic volume", "cm3/mol", width=10, low=1.5, high=4.3, log=True),
)

FEATURE_NAMES: tuple[str, ...] = tuple(name for block in BLOCKS for name in block.bit_names)


@cache
def properties() -> dict[str, NDArray[np.float64]]:
    """The properties behind the bits: name of the block -> values (101,) in its unit, indexed by atomic number.

    NaN where the value is not known, and at index 0. The group of the f block is 0; the blocks s, p, d, f are 0, 1, 2,
    3. Sources: docs/elements.md. The arrays are shared by all callers and read-only.
    """
    return {block.name: column(block.column) for block in BLOCKS}


@cache
def column(heading: str) -> NDArray[np.float64]:
    """A column of elements.csv, (101,) by atomic number; NaN where it is not known, and at index 0. Read-only.

    Raises:
        KeyError: there is no such column.
    """
    values = np.full(MAX_ATOMIC_NUMBER + 1, np.nan)
    for row in _rows():
        text = row[heading]
        if text:
            values[int(row["atomic number"])] = SUBSHELLS.index(text) if heading == "block" else float(text)
    values.flags.writeable = False
    return values


@cache
def _rows() -> list[dict[str, str]]:
    lines = (files("cgcnn") / "elements.csv").read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


@cache
def feature_table() -> NDArray[np.float32]:
    """The atom features v(0), (101, 92), of 0 and 1: row Z describes the element of atomic number Z, row 0 is empty.

    Columns are FEATURE_NAMES. A property that is unknown, or out of the range of its block, sets no bit. The array is
    shared by all callers and read-only: `torch.tensor(feature_table())` copies it.
    """
    known = properties()
    table = np.concatenate([block.bits(known[block.name]) for block in BLOCKS], axis=1).astype(np.float32)
    table.flags.writeable = False
    return table
