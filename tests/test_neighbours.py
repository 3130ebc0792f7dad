"""Pairs within a radius, of large and small crystals, against pymatgen's `get_neighbor_list`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from cgcnn import neighbours
from cgcnn.arrays import offsets
from cgcnn.neighbours import Pairs, pairs_within
from tests.crystals import TEXTBOOK, crystal, low_symmetry

ALIKE = neighbours._FEWEST_ALIKE


Found = dict[tuple[int, ...], float]  # centre, neighbour, image: distance in Å


def pairs_of(structures: list[Structure], radius: float) -> list[Found]:
    """Of each structure, without the pairs of a site with itself."""
    first_site = offsets(np.array([len(structure) for structure in structures]))
    crystals = [crystal(structure) for structure in structures]
    pairs = pairs_within(crystals, first_site[:-1], np.full(len(crystals), radius), images=True)
    assert pairs.image is not None
    owner = np.searchsorted(first_site, pairs.centre, side="right") - 1
    entries = np.column_stack([pairs.centre - first_site[owner], pairs.neighbour, pairs.image]).astype(int).tolist()
    found: list[Found] = [{} for _ in structures]
    for k, entry, distance in zip(owner.tolist(), entries, pairs.distance.tolist(), strict=True):
        assert tuple(entry) not in found[k]
        found[k][tuple(entry)] = distance
    for own, structure in zip(found, structures, strict=True):
        for site in range(len(structure)):
            assert own.pop((site, site, 0, 0, 0)) < 1e-9
    return found


def assert_pymatgens(structures: list[Structure], radius: float) -> None:
    for found, structure in zip(pairs_of(structures, radius), structures, strict=True):
        centre, neighbour, image, distance = structure.get_neighbor_list(radius)
        entries = np.column_stack([centre, neighbour, image]).astype(int).tolist()
        expected = dict(zip(map(tuple, entries), distance, strict=True))
        assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("copies", [1, ALIKE])
@pytest.mark.parametrize("radius", [2.1, 5.0])
@pytest.mark.parametrize("structure", TEXTBOOK, ids=lambda structure: structure.reduced_formula)
def test_pairs_are_pymatgens(structure: Structure, radius: float, copies: int) -> None:
    assert_pymatgens(copies * [structure], radius)


def test_real_pairs_are_pymatgens(real_structures: list[Structure]) -> None:
    """Each among its own strained copies, which makes it one of many alike."""
    for structure in real_structures[::3]:
        assert_pymatgens([structure.apply_strain(0.001 * k, inplace=False) for k in range(ALIKE)], 4.0)


@given(shift=st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_images_count_from_where_the_sites_are(shift: list[float]) -> None:
    structure = low_symmetry()
    structure.translate_sites([0, 2], shift, to_unit_cell=False)
    assert_pymatgens(ALIKE * [structure], 4.0)
    assert_pymatgens([structure], 4.0)


@pytest.mark.parametrize("copies", [1, ALIKE])
def test_a_pair_at_the_radius_itself_is_within(copies: int) -> None:
    for edge in np.linspace(3, 8, 101):
        structure = Structure(Lattice.cubic(edge), ["Ar", "Ar"], [[0.1, 0.7, 0.3], [0.1, 0.2, 0.3]])
        assert [len(pairs) for pairs in pairs_of(copies * [structure], edge / 2)] == copies * [4], edge


def test_small_and_large_crystals_may_be_mixed() -> None:
    large = low_symmetry() * (3, 3, 3)
    structures = [large, *ALIKE * [low_symmetry()], large, *ALIKE * TEXTBOOK]
    assert_pymatgens(structures, 3.5)


def test_images_are_left_out_where_they_are_not_wanted() -> None:
    crystals = [crystal(structure) for structure in (low_symmetry() * (3, 3, 3), *ALIKE * [low_symmetry()])]
    first_site = offsets(np.array([len(one.atomic_numbers) for one in crystals]))[:-1]
    radius = np.full(len(crystals), 4.0)
    plain: Pairs = pairs_within(crystals, first_site, radius, images=False)
    assert plain.image is None
    with_images = pairs_within(crystals, first_site, radius, images=True)
    for name in ("centre", "neighbour", "distance"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(with_images, name))
