"""Pairs within a radius, of large and small crystals, against pymatgen's `get_neighbor_list`."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from cgcnn import neighbours
from cgcnn.arrays import offsets
from cgcnn.neighbours import Pairs, pairs_within
from tests.crystals import TEXTBOOK, crystal, low_symmetry

Found = dict[tuple[int, ...], float]  # centre, neighbour, image: distance in Å


@pytest.fixture(params=["compared", "compared one by one", "in spheres"], autouse=True)
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test with each way of the search, whatever the size of the crystals."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "_MOST_PAIRS", 0 if request.param == "in spheres" else neighbours._MOST_PAIRS)
        patch.setattr(neighbours, "_BLOCK", 1 if request.param == "compared one by one" else neighbours._BLOCK)
        yield


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
            assert own.pop((site, site, 0, 0, 0)) < 1e-6
    return found


def assert_pymatgens(structures: list[Structure], radius: float) -> None:
    for found, structure in zip(pairs_of(structures, radius), structures, strict=True):
        centre, neighbour, image, distance = structure.get_neighbor_list(radius)
        entries = np.column_stack([centre, neighbour, image]).astype(int).tolist()
        expected = dict(zip(map(tuple, entries), distance, strict=True))
        assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("radius", [2.1, 5.0, 8.0])
def test_pairs_are_pymatgens(radius: float) -> None:
    assert_pymatgens(TEXTBOOK, radius)


def test_real_pairs_are_pymatgens(real_structures: list[Structure]) -> None:
    assert_pymatgens(real_structures, 4.0)


@given(shift=st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_images_count_from_where_the_sites_are(shift: list[float]) -> None:
    structure = low_symmetry()
    structure.translate_sites([0, 2], shift, to_unit_cell=False)
    assert_pymatgens([structure, low_symmetry()], 4.0)


def test_a_pair_at_the_radius_itself_is_within() -> None:
    for edge in np.linspace(3, 8, 101):
        structure = Structure(Lattice.cubic(edge), ["Ar", "Ar"], [[0.1, 0.7, 0.3], [0.1, 0.2, 0.3]])
        assert [len(pairs) for pairs in pairs_of([structure], edge / 2)] == [4], edge


def test_small_and_large_crystals_may_be_mixed() -> None:
    large = low_symmetry() * (3, 3, 3)
    assert_pymatgens([large, low_symmetry(), large, *TEXTBOOK, *TEXTBOOK], 3.5)


def test_a_thin_skewed_cell_sees_hundreds_of_images() -> None:
    thin = Structure(
        Lattice([[3.0, 0.0, 0.0], [2.9, 0.2, 0.0], [0.1, 1.0, 5.0]]), ["Na", "Cl"], [[0.0, 0.0, 0.0], [0.5, 0.3, 0.6]]
    )
    assert_pymatgens([thin, low_symmetry()], 4.0)


def test_images_are_left_out_where_they_are_not_wanted() -> None:
    crystals = [crystal(structure) for structure in (low_symmetry() * (3, 3, 3), low_symmetry(), *TEXTBOOK)]
    first_site = offsets(np.array([len(one.atomic_numbers) for one in crystals]))[:-1]
    radius = np.full(len(crystals), 4.0)
    plain: Pairs = pairs_within(crystals, first_site, radius, images=False)
    assert plain.image is None
    with_images = pairs_within(crystals, first_site, radius, images=True)
    for name in ("centre", "neighbour", "distance"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(with_images, name))
