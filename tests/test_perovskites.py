"""The perovskite test against textbook structures, real data, and changes of cell that alter nothing."""

from __future__ import annotations

import os
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pymatgen.core.composition import Composition
from pymatgen.core.lattice import Lattice
from pymatgen.core.periodic_table import Element
from pymatgen.core.structure import Structure
from scipy.spatial.transform import Rotation

from cgcnn.errors import InputError
from cgcnn.perovskites import classify, family, is_oxide, sample

Arrays = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]
cubic, tetragonal, orthorhombic, hexagonal = (
    Lattice.cubic,
    Lattice.tetragonal,
    Lattice.orthorhombic,
    Lattice.hexagonal,
)


def crystal(group: str, lattice: Lattice, sites: str) -> Structure:
    """A structure from its asymmetric unit, written as "Ti 0 0 0, O 1/2 0 0"."""
    rows = [row.split() for row in sites.split(",")]
    coords = [[float(Fraction(x)) for x in row[1:]] for row in rows]
    return Structure.from_spacegroup(group, lattice, [row[0] for row in rows], coords)


# name: (structure of the literature, kind, words of the reason)
TEXTBOOK = {
    "SrTiO3": (
        crystal("Pm-3m", cubic(3.905), "Sr 1/2 1/2 1/2, Ti 0 0 0, O 1/2 0 0"),
        "perovskite",
        "octahedra of O about Ti, with Sr as A; mean B-X-B angle 180.0 degrees",
    ),
    "CsPbI3": (crystal("Pm-3m", cubic(6.29), "Cs 1/2 1/2 1/2, Pb 0 0 0, I 1/2 0 0"), "perovskite", "of I about Pb"),
    "BaLiH3": (crystal("Pm-3m", cubic(4.02), "Ba 1/2 1/2 1/2, Li 0 0 0, H 1/2 0 0"), "perovskite", "of H about Li"),
    "In2O3 as InInO3, one element on A and B": (
        crystal("Pm-3m", cubic(4.1), "In 1/2 1/2 1/2, In 0 0 0, O 1/2 0 0"),
        "perovskite",
        "about In, with In as A",
    ),
    "BaTiO3 P4mm": (
        crystal("P4mm", tetragonal(3.994, 4.038), "Ba 0 0 0, Ti .5 .5 .522, O .5 .5 .975, O .5 0 .488"),
        "perovskite",
        "about Ti",
    ),
    "PbVO3 P4mm, almost pyramids": (
        crystal("P4mm", tetragonal(3.804, 4.677), "Pb 0 0 0, V .5 .5 .567, O .5 .5 .210, O .5 0 .691"),
        "perovskite",
        "about V",
    ),
    "SrTiO3 I4/mcm": (
        crystal("I4/mcm", tetragonal(5.507, 7.796), "Sr 0 .5 .25, Ti 0 0 0, O 0 0 .25, O .241 .741 0"),
        "perovskite",
        "about Ti",
    ),
    "GdFeO3 Pnma": (
        crystal(
            "Pnma",
            orthorhombic(5.611, 7.669, 5.349),
            "Gd .0628 .25 .9846, Fe 0 0 .5, O .467 .25 .1005, O .3017 .0506 .6962",
        ),
        "perovskite",
        "about Fe, with Gd as A; mean B-X-B angle 147",
    ),
    "CaTiO3 Pnma": (
        crystal(
            "Pnma",
            orthorhombic(5.442, 7.640, 5.380),
            "Ca .0365 .25 .9935, Ti 0 0 .5, O .4837 .25 .0713, O .2891 .0373 .7113",
        ),
        "perovskite",
        "about Ti, with Ca as A; mean B-X-B angle 156",
    ),
    "LaAlO3 R-3c": (
        crystal("R-3c", hexagonal(5.365, 13.11), "La 0 0 .25, Al 0 0 0, O .525 0 .25"),
        "perovskite",
        "about Al, with La as A; mean B-X-B angle 171",
    ),
    "LiNbO3": (
        crystal("R3c", hexagonal(5.148, 13.863), "Li 0 0 .2787, Nb 0 0 0, O .0475 .3433 .0637"),
        "LiNbO3-type",
        "about Nb, with Li as A; mean B-X-B angle 139",
    ),
    "elpasolite K2NaAlF6": (
        crystal("Fm-3m", cubic(8.122), "K 1/4 1/4 1/4, Na 1/2 1/2 1/2, Al 0 0 0, F .219 0 0"),
        "complex perovskite",
        "about Na, Al, with K as A",
    ),
    "Ba3WO6 = Ba2(BaW)O6": (
        crystal("Fm-3m", cubic(8.6), "Ba 1/4 1/4 1/4, Ba 1/2 1/2 1/2, W 0 0 0, O .225 0 0"),
        "complex perovskite",
        "about Ba, W, with Ba as A",
    ),
    "NaMn7O12 = (NaMn3)Mn4O12, A in squares": (
        crystal("Im-3", cubic(7.304), "Na 0 0 0, Mn 0 1/2 1/2, Mn 1/4 1/4 1/4, O .313 .183 0"),
        "complex perovskite",
        "about Mn, with Na, Mn as A",
    ),
    "BaTaO2N": (
        crystal("P4/mmm", cubic(4.1), "Ba 1/2 1/2 1/2, Ta 0 0 0, O 1/2 0 0, N 0 0 1/2"),
        "complex perovskite",
        "octahedra of N, O about Ta",
    ),
    "calcite": (
        crystal("R-3c", hexagonal(4.991, 17.062), "Ca 0 0 0, C 0 0 .25, O .2572 0 .25"),
        "none",
        "with Ca as B and O as X: mean B-X-B angle 118.2 degrees, below 130",
    ),
    "calcite with a wider angle, hypothetical TiSiO3": (
        crystal("R-3c", hexagonal(5.029, 15.551), "Ti 0 0 0, Si 0 0 .25, O .3235 0 .25"),
        "none",
        "with Ti as B and O as X: A has three near X alone",
    ),
    "aragonite": (
        crystal(
            "Pnma",
            orthorhombic(5.741, 4.961, 7.967),
            "Ca .2405 .25 .4150, C .0852 .25 .7620, O .0956 .25 .9222, O .0873 .4735 .6806",
        ),
        "none",
        "no choice of elements as B fills a fifth of the sites with octahedra of O",
    ),
    "ilmenite FeTiO3": (
        crystal("R-3", hexagonal(5.088, 14.086), "Fe 0 0 .3554, Ti 0 0 .1464, O .3174 .0233 .2451"),
        "none",
        "with Ti as B and O as X: the net of B has the coordination sequence (3, 6, 9)",
    ),
    "corundum Al2O3": (
        crystal("R-3c", hexagonal(4.759, 12.991), "Al 0 0 .3522, O .3063 0 .25"),
        "none",
        "no choice of elements as B",
    ),
    "post-perovskite CaIrO3": (
        crystal("Cmcm", orthorhombic(3.145, 9.862, 7.299), "Ca 0 .2498 .25, Ir 0 0 0, O 0 .9259 .25, O 0 .6331 .0506"),
        "none",
        "with Ir as B and O as X: the net of B has the coordination sequence (4,",
    ),
    "2H BaNiO3": (
        crystal("P6_3/mmc", hexagonal(5.629, 4.811), "Ba 1/3 2/3 3/4, Ni 0 0 0, O .1462 .2924 .25"),
        "none",
        "with Ni as B and O as X: the net of B has the coordination sequence (2, 2, 2)",
    ),
    "6H BaTiO3": (
        crystal(
            "P6_3/mmc",
            hexagonal(5.735, 14.05),
            "Ba 0 0 1/4, Ba 1/3 2/3 .097, Ti 0 0 0, Ti 1/3 2/3 .845, O .522 .044 .25, O .836 .672 .076",
        ),
        "none",
        "with Ti as B and O as X: the net of B has the coordination sequence",
    ),
    "hexagonal YAlO3": (
        crystal("P6_3/mmc", hexagonal(3.68, 10.52), "Y 0 0 0, Al 1/3 2/3 .25, O 0 0 .25, O 1/3 2/3 .087"),
        "none",
        "with Y as B and O as X: X shared by 3 B, not by exactly two",
    ),
    "K2NiF4": (
        crystal("I4/mmm", tetragonal(4.006, 13.076), "K 0 0 .352, Ni 0 0 0, F 0 .5 0, F 0 0 .151"),
        "none",
        "not ABX3: no anions fill three fifths of the sites",
    ),
    "ReO3": (crystal("Pm-3m", cubic(3.75), "Re 0 0 0, O 1/2 0 0"), "none", "not ABX3"),
    "antiperovskite Na3OCl": (
        crystal("Pm-3m", cubic(4.50), "Cl 1/2 1/2 1/2, O 0 0 0, Na 1/2 0 0"),
        "none",
        "not ABX3: Na fills three fifths of the sites but is not the anion (an antiperovskite?)",
    ),
    "antiperovskite MgCNi3": (
        crystal("Pm-3m", cubic(3.81), "Mg 1/2 1/2 1/2, C 0 0 0, Ni 1/2 0 0"),
        "none",
        "not ABX3: Ni fills three fifths",
    ),
    "one atom": (crystal("P1", cubic(3.0), "O 0 0 0"), "none", "not ABX3"),
    "atoms out of reach": (
        crystal("Pm-3m", cubic(30.0), "Sr 1/2 1/2 1/2, Ti 0 0 0, O 1/2 0 0"),
        "none",
        "no choice of elements as B",
    ),
}


def arrays(structure: Structure) -> Arrays:
    return structure.lattice.matrix, np.array(structure.atomic_numbers), structure.frac_coords


def redescribe(crystal: Arrays, seed: int, rattle: float) -> Arrays:
    """The same crystal in another cell (up to 3 times as large), frame, origin and order of sites, each atom moved by
    `rattle` Å in a random direction."""
    rng = np.random.default_rng(seed)
    larger = np.diag(rng.permutation(np.array([rng.integers(1, 4), 1, 1])))
    sheared = np.eye(3, dtype=int) + np.triu(rng.integers(-1, 2, (3, 3)), 1)
    lattice, numbers, frac = crystal
    supercell = Structure(lattice, numbers.tolist(), frac).make_supercell(sheared @ larger, in_place=False)
    lattice, numbers, frac = arrays(supercell)
    lattice = lattice @ Rotation.random(rng=rng).as_matrix()
    direction = rng.normal(size=frac.shape)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    frac = frac + rng.integers(-9, 9, frac.shape) + rng.random(3) + rattle * direction @ np.linalg.inv(lattice)
    order = rng.permutation(len(frac))
    return lattice, numbers[order], frac[order]


@pytest.mark.parametrize("name", TEXTBOOK)
def test_textbook(name: str) -> None:
    structure, kind, words = TEXTBOOK[name]
    for cell in (structure, structure.get_primitive_structure()):
        verdict = classify(*arrays(cell))
        assert verdict.kind == kind, verdict
        assert words in verdict.reason


@settings(max_examples=80, deadline=None)
@given(name=st.sampled_from(sorted(TEXTBOOK)), seed=st.integers(0, 2**32 - 1), rattle=st.sampled_from([0.0, 0.03]))
def test_textbook_in_any_cell(name: str, seed: int, rattle: float) -> None:
    structure, kind, _ = TEXTBOOK[name]
    verdict = classify(*redescribe(arrays(structure.get_primitive_structure()), seed, rattle))
    assert verdict.kind == kind, verdict


def test_labels_a_and_b_do_not_matter() -> None:
    inverse = crystal("Pm-3m", cubic(3.905), "Ti 1/2 1/2 1/2, Sr 0 0 0, O 1/2 0 0")
    assert "about Sr, with Ti as A" in classify(*arrays(inverse)).reason


def test_no_sites() -> None:
    assert classify(np.eye(3), [], np.zeros((0, 3))).kind == "none"


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("MgO", True),
        ("GeO2", True),
        ("Sb2O5", True),
        ("LiFePO4", False),
        ("O2", False),
        ("Fe", False),
        ("BaTiO2N", False),
    ],
)
def test_is_oxide(formula: str, expected: bool) -> None:
    assert is_oxide([element.Z for element in Composition(formula)]) is expected


@pytest.mark.parametrize(
    ("name", "count_linbo3_type", "expected"),
    [
        ("SrTiO3", True, "perovskite"),
        ("CsPbI3", True, "perovskite"),
        ("LiNbO3", True, "perovskite"),
        ("LiNbO3", False, None),
        ("Ba3WO6 = Ba2(BaW)O6", True, None),
        ("elpasolite K2NaAlF6", True, None),
        ("ilmenite FeTiO3", True, "oxide"),
        ("ReO3", True, "oxide"),
        ("calcite", True, None),
        ("K2NiF4", True, None),
    ],
)
def test_family(name: str, count_linbo3_type: bool, expected: str | None) -> None:
    structure = TEXTBOOK[name][0]
    told, reason = family(classify(*arrays(structure)), structure.atomic_numbers, count_linbo3_type=count_linbo3_type)
    assert told == expected
    assert reason


def test_sample_depends_on_ids_and_seed_alone() -> None:
    ids = [f"mp-{k}" for k in range(100)]
    assert sample(reversed(ids), 3, seed=7) == sample(ids, 3, seed=7) == ["mp-14", "mp-38", "mp-42"]
    assert set(sample(ids, 3, seed=7)) < set(sample(ids, 50, seed=7))
    assert sample(ids, 50, seed=7) != sample(ids, 50, seed=8)
    assert sample(ids, 1000, seed=7) == sorted(ids)
    assert sample([], 5, seed=7) == []


def test_sample_refuses() -> None:
    with pytest.raises(InputError, match="mp-1 occurs more than once"):
        sample(["mp-1", "mp-2", "mp-1"], 1, seed=0)
    with pytest.raises(InputError, match="sample size -1"):
        sample(["mp-1"], -1, seed=0)


def read_p1_cif(cif: str) -> Arrays:
    """A CIF as pymatgen writes it without symmetry; real readers take 5 ms each, too long for 10,000 of them."""
    words = [line.split() for line in cif.splitlines()]
    cell = {word[0]: float(word[1]) for word in words if word and word[0].startswith(("_cell_length", "_cell_angle"))}
    first_site = words.index(["_atom_site_occupancy"]) + 1
    sites = [word for word in words[first_site:] if word]
    numbers = np.array([Element(site[0]).Z for site in sites])
    return Lattice.from_parameters(*cell.values()).matrix, numbers, np.array([site[3:6] for site in sites], dtype=float)


def real(name: str) -> list[tuple[dict[str, object], Arrays]]:
    """Rows and crystals of one Parquet file of the real data."""
    if not (folder := os.environ.get("CGCNN_TEST_DATA")):
        pytest.skip("CGCNN_TEST_DATA does not name the folder of real data")
    return [(row, read_p1_cif(row["cif"])) for row in pq.read_table(Path(folder) / name).to_pylist()]


@pytest.fixture(scope="module")
def perovskites() -> list[tuple[dict[str, object], Arrays]]:
    return real("materials_project/perovskites.parquet")


def test_real_perovskites(perovskites: list[tuple[dict[str, object], Arrays]]) -> None:
    verdicts = [classify(*crystal) for _, crystal in perovskites]
    kinds = Counter(verdict.kind for verdict in verdicts)
    assert sum(kinds[kind] for kind in ("perovskite", "LiNbO3-type")) >= 0.99 * len(perovskites), kinds
    flagged = Counter(
        row["perovskite_class"]
        for (row, _), verdict in zip(perovskites, verdicts, strict=True)
        if verdict.kind == "LiNbO3-type"
    )
    # The class is the space group R3c alone: that of perovskites such as CsPbF3, too, whose A has more than six X.
    assert flagged["LiNbO3 R3c"] >= 30
    assert flagged.total() - flagged["LiNbO3 R3c"] <= 6, flagged


def test_real_oxides() -> None:
    rows = real("materials_project/oxides.parquet")
    kinds = Counter(classify(*crystal).kind for _, crystal in rows)
    assert kinds["perovskite"] + kinds["LiNbO3-type"] <= 10, kinds
    assert all(is_oxide(numbers) for _, (_, numbers, _) in rows)


def test_real_five_atom_perovskites() -> None:
    kinds: Counter[tuple[bool, str]] = Counter()
    for row, crystal in real("castelli/perovskites.parquet"):
        mixed_anions = not str(row["formula"]).endswith("3")
        kinds[mixed_anions, classify(*crystal).kind] += 1
    # The anions of the rest surround neither cation in an octahedron, and some have moved far from where they started.
    assert kinds[False, "complex perovskite"] == kinds[True, "perovskite"] == 0
    assert kinds[False, "perovskite"] > 0.9 * sum(count for (mixed, _), count in kinds.items() if not mixed)
    assert kinds[True, "complex perovskite"] > 0.8 * sum(count for (mixed, _), count in kinds.items() if mixed)


@pytest.mark.parametrize("rattle", [0.0, 0.02])
def test_real_perovskites_in_any_cell(perovskites: list[tuple[dict[str, object], Arrays]], rattle: float) -> None:
    for seed, (row, crystal) in enumerate(perovskites[::12]):
        verdict = classify(*redescribe(crystal, seed, rattle))
        assert verdict.kind == classify(*crystal).kind, row["material_id"]
