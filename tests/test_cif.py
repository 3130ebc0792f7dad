"""The fast reading of CIFs against pymatgen's, bit for bit; and what must be left to pymatgen."""

import bz2
import gzip
import io
import lzma
from pathlib import Path

import ase.io
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.cif import CifParser

from cgcnn import cif
from cgcnn.cif import plain_crystal, plain_crystals, read_cif
from cgcnn.crystals import structure_of
from cgcnn.errors import InputError
from cgcnn.sources.parsing import short_text
from tests.crystals import TEXTBOOK, crystal, cubic_perovskite, low_symmetry, rock_salt

PLAIN = cubic_perovskite().to(fmt="cif")


def pymatgens(text: str) -> Structure:
    return CifParser.from_str(text, check_cif=False).parse_structures(primitive=False, on_error="ignore")[0]


def assert_same(text: str) -> None:
    """Equal lattice, species, order of sites and coordinates, to the last bit."""
    expected, found = pymatgens(text), plain_crystal(text)
    assert found is not None
    assert found.lattice.tobytes() == expected.lattice.matrix.tobytes()
    assert found.frac_coords.tobytes() == np.ascontiguousarray(expected.frac_coords).tobytes()
    assert found.atomic_numbers.tolist() == [site.specie.Z for site in expected]
    assert structure_of(read_cif(text)) == expected


@pytest.mark.parametrize("structure", TEXTBOOK[:3])
def test_textbook_cells_are_read_as_pymatgen_reads_them(structure: Structure) -> None:
    assert_same(structure.to(fmt="cif"))


def test_cifs_written_by_ase_are_plain() -> None:
    written = io.BytesIO()
    ase.io.write(written, AseAtomsAdaptor.get_atoms(low_symmetry()), format="cif")
    assert_same(written.getvalue().decode())


@pytest.mark.parametrize("name", ["materials_project/perovskites", "materials_project/oxides", "castelli/perovskites"])
def test_real_cifs_are_read_as_pymatgen_reads_them(real_data: Path, name: str) -> None:
    for text in pq.read_table(real_data / f"{name}.parquet")["cif"].to_pylist()[::60]:
        assert_same(text)


@given(
    cell=st.tuples(*3 * [st.floats(2, 20)], *3 * [st.floats(50, 110)]),
    sites=st.lists(
        st.tuples(
            st.sampled_from(["O", "Fe", "La", "S", "C", "I"]),
            *3 * [st.sampled_from([0, 0.33333, 0.3333, 0.6667, 0.66666, 0.5, -1e-9, 1.25, -0.2]) | st.floats(-2, 2)],
        ),
        min_size=1,
        max_size=8,
    ),
)
def test_any_plain_cif_is_read_as_pymatgen_reads_it(
    cell: tuple[float, ...], sites: list[tuple[str, float, float, float]]
) -> None:
    lines = ["data_any", "loop_", "_symmetry_equiv_pos_as_xyz", "'x, y, z'"]
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    lines += [f"_cell_{name} {value:.6f}" for name, value in zip(names, cell, strict=True)]
    lines += ["loop_", *(f"_atom_site_{name}" for name in ("type_symbol", "label", "fract_x", "fract_y", "fract_z"))]
    lines += [f"{site[0]} {site[0]}{k} " + " ".join(f"{x:.8f}" for x in site[1:]) for k, site in enumerate(sites)]
    text = "\n".join(lines)
    if plain_crystal(text) is not None:  # else two sites are in one place, or the cell is flat
        assert_same(text)


PIECES = ["'", '"', "#", " #", ";", "\n;", "_", "loop_", "data_", "stop_", " ", "\t", "\r\n", "\x0b", "\x85", "?", "-"]
PIECES += ["A_1", "1", "nan", "e5", "(3)", "1_0", "_cell_volume", "_cell_length_a 4", "'-x, y, z'", "x,y,z", "'N a'"]


@settings(max_examples=500)  # few are still plain
@given(
    text=st.sampled_from([structure.to(fmt="cif") for structure in TEXTBOOK[:3]]),
    edits=st.lists(
        st.tuples(st.integers(0, 10_000), st.integers(0, 12), st.sampled_from(PIECES)), min_size=1, max_size=3
    ),
)
def test_what_edits_leave_of_a_cif_is_read_as_pymatgen_reads_it(text: str, edits: list[tuple[int, int, str]]) -> None:
    for place, removed, piece in edits:
        place %= len(text)
        text = text[:place] + piece + text[place + removed :]
    if plain_crystal(text) is not None:
        assert_same(text)


def test_large_cells_are_not_all_compared_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory for the pairs of their sites would grow with the texts."""
    texts = [cell.to(fmt="cif") for cell in (cubic_perovskite(), cubic_perovskite() * 2, rock_salt()) for _ in range(3)]
    expected, pairs = plain_crystals(texts), []
    compared = cif._sites_coincide

    def recorded(coords: np.ndarray, n_sites: np.ndarray) -> np.ndarray:
        pairs.append(int((n_sites**2).sum()))
        return compared(coords, n_sites)

    monkeypatch.setattr(cif, "_PAIRS_AT_ONCE", 1000)
    monkeypatch.setattr(cif, "_sites_coincide", recorded)
    for found, wanted in zip(plain_crystals(texts), expected, strict=True):
        assert found is not None and wanted is not None
        assert found.frac_coords.tobytes() == wanted.frac_coords.tobytes()
    assert len(pairs) > 3 and max(pairs) <= 1000 + 40**2


def test_layouts_may_alternate() -> None:
    written = io.BytesIO()
    ase.io.write(written, AseAtomsAdaptor.get_atoms(low_symmetry()), format="cif")
    texts = [PLAIN, written.getvalue().decode(), PLAIN.replace("\n", "\r\n")] * 2
    for text, found in zip(texts, plain_crystals(texts), strict=True):
        assert found is not None
        expected = crystal(pymatgens(text))
        assert found.frac_coords.tobytes() == expected.frac_coords.tobytes()
        assert found.lattice.tobytes() == expected.lattice.tobytes()


def test_many_at_once_equal_one_by_one() -> None:
    texts = [PLAIN, "no CIF", rock_salt().to(fmt="cif"), PLAIN.replace("data_", "data_other\ndata_", 1), PLAIN]
    together = plain_crystals(texts)
    assert [found is None for found in together] == [False, True, False, True, False]
    for text, found in zip(texts, together, strict=True):
        if found is not None:
            alone = plain_crystal(text)
            assert alone is not None and found.frac_coords.tobytes() == alone.frac_coords.tobytes()
            assert found.lattice.tobytes() == alone.lattice.tobytes()


def test_a_long_file_is_not_cut(tmp_path: Path) -> None:
    """Its bytes are more than a plain CIF may have, its characters, with lines as Unix ends them, are not."""
    head = PLAIN.replace("'Sr1 Ti1 O3'", "Sr1").partition("  Sr  Sr0")[0]
    lines = [f"  Sr  Sr{k}  1  {k / 64:.6f}  0.5  0.5  1{1980 * ' '}" for k in range(64)]
    text = (head + "\n".join(lines)).ljust((1 << 17) - 60) + "\n"
    path = tmp_path / "long.cif"
    path.write_bytes(text.replace("\n", "\r\n").encode())
    assert path.stat().st_size >= 1 << 17 > len(text)
    assert short_text(path) == "" and len(read_cif(path).atomic_numbers) == 64


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz"])
def test_a_packed_file_is_read(suffix: str, tmp_path: Path) -> None:
    pack = {"gz": gzip, "bz2": bz2, "xz": lzma}[suffix].compress
    path = tmp_path / f"a.cif.{suffix}"
    path.write_bytes(pack(PLAIN.encode()))
    assert structure_of(read_cif(path)) == pymatgens(PLAIN)


@pytest.mark.parametrize(
    "odd",
    {
        "symmetry": rock_salt().to(fmt="cif", symprec=0.01),
        "partly occupied": PLAIN.replace(
            "  Ti  Ti1  1  0.50000000  0.50000000  0.50000000  1", "  Ti  Ti1  1 .5 .5 .5 .5"
        ),
        "two sites in one place": PLAIN.replace(
            "0.50000000  0.50000000  0.50000000", "0.00005000  0.00000000  0.99999000"
        ),
        "two blocks": PLAIN + "\n" + PLAIN,
        "an unknown tag": PLAIN.replace("_cell_volume", "_atom_type_oxidation_number"),
        "an unknown symbol": PLAIN.replace("  Ti  Ti1", "  Xx  Ti1"),
        "an isotope": PLAIN.replace("  Ti  Ti1", "  D  Ti1"),
        "another formula": PLAIN.replace("'Sr1 Ti1 O3'", "'Sr1 Ti1 O4'"),
        "uncertainties": PLAIN.replace("0.50000000", "0.500(2)"),
        "a flat cell": PLAIN.replace("_cell_angle_gamma   90.00000000", "_cell_angle_gamma   0.10000000"),
        "no number": PLAIN.replace("0.50000000", "nan"),
        "a comment": PLAIN.replace("loop_", "loop_ # sites"),
        "a text of several lines": PLAIN + "_cell_volume\n;\n1\n;\n",
        "more than ASCII": PLAIN.replace("data_", "data_é"),
        "nothing": "",
        "a column twice": PLAIN.replace("_atom_site_occupancy", "_atom_site_fract_x"),
        "an operation that is in no table": PLAIN.replace("_cell_volume", "_space_group_symop_operation_xyz"),
        "a table of no sites": PLAIN.replace("loop_", "loop_\n _space_group_symop_id\n 1\nloop_", 1),
        "an empty table": PLAIN.replace("loop_", "loop_\nloop_", 1),
        "a word with a meaning of its own": PLAIN.replace("Int_Tables_number   1", "Int_Tables_number   loop_"),
        "a formula that repeats itself": PLAIN.replace("'Sr1 Ti1 O3'", "'O3 Sr1 Ti1 O3'"),
        "much space": PLAIN.replace("  Sr  Sr0", 50_000 * " " + "Sr  Sr0") + 50_000 * " " + "#",  # in no time
        "a long text": PLAIN + (1 << 17) * " ",
        "a tag after the sites": PLAIN + "_cell_volume 1\n",
        "a reserved word among the sites": PLAIN.replace("Ti1  1", "stop_  1"),
        "a row too short": PLAIN.removesuffix("\n").removesuffix("1"),
        "no sites": PLAIN[: PLAIN.index("  Sr  Sr0")],
        "a cell in a table": PLAIN.replace("_cell_length_a", "_space_group_IT_number").replace(
            "_symmetry_equiv_pos_site_id", "_cell_length_a"
        ),
    }.items(),
    ids=lambda item: item[0],
)
def test_what_is_odd_is_left_to_pymatgen(odd: tuple[str, str]) -> None:
    assert odd[1] != PLAIN and plain_crystal(odd[1]) is None


def test_a_formula_that_the_sites_contradict_is_told() -> None:
    with pytest.raises(InputError, match="not its stated formula"):
        read_cif(PLAIN.replace("'Sr1 Ti1 O3'", "'Sr1 Ti1 O4'"))


def test_sites_of_one_element_keep_their_order() -> None:
    structure = Structure(
        Lattice.cubic(4), ["O", "Sr", "O", "Ti", "O"], [[0.7, 0, 0], [0, 0, 0], [0.2, 0.5, 0], [0.5] * 3, [0, 0.5, 0.2]]
    )
    found = plain_crystal(structure.to(fmt="cif"))
    assert found is not None and found.atomic_numbers.tolist() == [38, 22, 8, 8, 8]
    assert found.frac_coords[2:, 0].tolist() == [0.7, 0.2, 0.0]
