"""Neighbours against pymatgen's own search, and the graph's invariances."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from cgcnn import graph
from cgcnn.arrays import CrystalGraphs, concatenate, offsets
from cgcnn.graph import DISTANCE_GRID, NeighbourRule, crystal_graphs
from tests.crystals import TEXTBOOK, argon_gas, crystal, cubic_perovskite, low_symmetry, rock_salt

SHELLS, CUT = NeighbourRule(), NeighbourRule(ties="cut")


@pytest.mark.parametrize("rule", [SHELLS, CUT, NeighbourRule(angles=True)])
def test_many_at_once_are_those_in_parts(rule: NeighbourRule, monkeypatch: pytest.MonkeyPatch) -> None:
    crystals = [crystal(structure) for structure in (*TEXTBOOK, TEXTBOOK[1] * (2, 1, 1), *TEXTBOOK)]
    whole = crystal_graphs(crystals, rule, keep_images=True)
    monkeypatch.setattr(graph, "_SITES_AT_ONCE", 7)
    parts = crystal_graphs(crystals, rule, keep_images=True)
    for name, value in vars(whole).items():
        np.testing.assert_array_equal(getattr(parts, name), value, name)


def edges_of(graphs: CrystalGraphs, site: int) -> list[tuple[int, float]]:
    """(neighbour, distance) of every edge of a site, equal ones singly, in ascending order."""
    start = offsets(graphs.degree)
    own = slice(start[site], start[site + 1])
    times = graphs.multiplicity[own]
    return sorted(zip(np.repeat(graphs.neighbour[own], times), np.repeat(graphs.distance[own], times), strict=True))


def expected_edges(structure: Structure, rule: NeighbourRule) -> list[list[tuple[int, float]]]:
    """The rule, word for word, on pymatgen's neighbours."""
    edges = []
    for found in structure.get_all_neighbors(rule.cutoff):
        near = sorted(found, key=lambda neighbour: neighbour.nn_distance)
        limit = np.inf
        if len(near) >= rule.max_neighbours:
            limit = near[rule.max_neighbours - 1].nn_distance + rule.tie_tolerance
        kept = [n for n in near if n.nn_distance <= limit]
        if rule.ties == "cut":
            kept = near[: rule.max_neighbours]
        edges.append(sorted((n.index, n.nn_distance) for n in kept))
    return edges


def assert_equal_to_pymatgen(structures: list[Structure], rule: NeighbourRule) -> None:
    graphs = crystal_graphs([crystal(structure) for structure in structures], rule)
    for structure, first in zip(structures, graphs.site_offsets, strict=False):
        for site, expected in enumerate(expected_edges(structure, rule)):
            found = edges_of(graphs, first + site)
            assert len(found) == len(expected)
            # Sites at one distance may stand in another order; the pairs may not differ.
            np.testing.assert_allclose(
                sorted(d for _, d in found), sorted(d for _, d in expected), atol=0.51 * DISTANCE_GRID + 1e-6
            )
            if rule.ties == "shells":
                assert sorted(j for j, _ in found) == sorted(j for j, _ in expected)


@pytest.mark.parametrize("rule", [SHELLS, CUT, NeighbourRule(cutoff=4.0), NeighbourRule(max_neighbours=30)])
def test_textbook_cells_have_pymatgens_neighbours(rule: NeighbourRule) -> None:
    assert_equal_to_pymatgen(TEXTBOOK, rule)


@pytest.mark.parametrize("rule", [SHELLS, CUT])
def test_real_cells_have_pymatgens_neighbours(real_structures: list[Structure], rule: NeighbourRule) -> None:
    assert_equal_to_pymatgen(real_structures, rule)


def test_shells_of_rock_salt() -> None:
    graphs = crystal_graphs([crystal(rock_salt())], SHELLS)
    for site in range(8):
        distances = [distance for _, distance in edges_of(graphs, site)]
        assert (len(distances), sum(d < 3 for d in distances)) == (18, 6)  # 6 at a/2, and the whole shell of 12
    assert all(len(edges_of(crystal_graphs([crystal(rock_salt())], CUT), site)) == 12 for site in range(8))


def test_shells_of_a_cubic_perovskite() -> None:
    graphs = crystal_graphs([crystal(cubic_perovskite())], SHELLS)
    # Sr: 12 O. Ti: 6 O, then the shell of 8 Sr. O: 2 Ti, then the shell of 4 Sr and 8 O.
    assert [len(edges_of(graphs, site)) for site in range(5)] == [12, 14, 14, 14, 14]


def test_isolated_atom_has_no_edges() -> None:
    graphs = crystal_graphs([crystal(argon_gas()), crystal(rock_salt())], SHELLS)
    assert graphs.degree[0] == 0 and graphs.n_sites.tolist() == [1, 8]


def test_fewer_neighbours_than_asked_are_kept() -> None:
    graphs = crystal_graphs([crystal(rock_salt())], NeighbourRule(cutoff=3.0))
    assert graphs.multiplicity.sum() == 8 * 6


def test_images_point_at_the_neighbours() -> None:
    structure = low_symmetry()
    graphs = crystal_graphs([crystal(structure)], SHELLS, keep_images=True)
    assert graphs.image is not None
    times = graphs.multiplicity
    centre = np.repeat(np.repeat(np.arange(4), graphs.degree), times)
    neighbour, distance = np.repeat(graphs.neighbour, times), np.repeat(graphs.distance, times)
    vector = structure.frac_coords[neighbour] + graphs.image - structure.frac_coords[centre]
    np.testing.assert_allclose(np.linalg.norm(vector @ structure.lattice.matrix, axis=1), distance, atol=1e-5)


def fingerprint(structure: Structure) -> list[tuple[int, tuple[tuple[int, float], ...]]]:
    """Graph up to the order of sites: of each site its element and the sorted elements and distances around it."""
    graphs = crystal_graphs([crystal(structure)], SHELLS)
    numbers = graphs.atomic_numbers
    return sorted(
        (int(numbers[site]), tuple(sorted((int(numbers[j]), round(float(d), 3)) for j, d in edges_of(graphs, site))))
        for site in range(len(structure))
    )


@given(
    which=st.sampled_from(range(3)),
    shift=st.lists(st.floats(-2, 2), min_size=3, max_size=3),
    order=st.randoms(use_true_random=False),
)
def test_graph_does_not_depend_on_origin_and_order(which: int, shift: list[float], order: Random) -> None:
    structure = TEXTBOOK[which].copy()
    expected = fingerprint(structure)
    structure.translate_sites(range(len(structure)), shift, to_unit_cell=False)
    sites = list(structure)
    order.shuffle(sites)
    assert [entry[0] for entry in fingerprint(Structure.from_sites(sites))] == [entry[0] for entry in expected]
    for found, wanted in zip(fingerprint(Structure.from_sites(sites)), expected, strict=True):
        np.testing.assert_allclose([d for _, d in found[1]], [d for _, d in wanted[1]], atol=2e-3)


def test_supercell_repeats_the_graph() -> None:
    for structure in (cubic_perovskite(), low_symmetry()):
        assert fingerprint(structure * (2, 1, 1)) == sorted(2 * fingerprint(structure))


def test_many_at_once_equal_one_by_one() -> None:
    crystals = [crystal(structure) for structure in TEXTBOOK]
    together = crystal_graphs(crystals, SHELLS, keep_images=True)
    singly = concatenate([crystal_graphs([one], SHELLS, keep_images=True) for one in crystals])
    for name in ("n_sites", "atomic_numbers", "degree", "neighbour", "distance", "multiplicity", "image"):
        np.testing.assert_array_equal(getattr(together, name), getattr(singly, name), err_msg=name)


def test_take_gives_the_chosen_crystals() -> None:
    crystals = [crystal(structure) for structure in TEXTBOOK]
    taken = crystal_graphs(crystals, SHELLS).take(np.array([2, 0]))
    expected = crystal_graphs([crystals[2], crystals[0]], SHELLS)
    np.testing.assert_array_equal(taken.neighbour, expected.neighbour)
    np.testing.assert_array_equal(taken.distance, expected.distance)
    np.testing.assert_array_equal(taken.n_sites, expected.n_sites)


def test_images_do_not_change_the_edges() -> None:
    crystals = [crystal(structure) for structure in TEXTBOOK]
    for rule in (SHELLS, CUT):
        plain, with_images = crystal_graphs(crystals, rule), crystal_graphs(crystals, rule, keep_images=True)
        for name in ("degree", "neighbour", "distance", "multiplicity"):
            np.testing.assert_array_equal(getattr(plain, name), getattr(with_images, name), err_msg=name)


def test_a_site_far_from_a_dense_slab_finds_its_neighbours() -> None:
    # The first sphere, sized for the mean density, is enough in the slab and too small for the atom above it.
    slab = [[x, y, z] for x in (0, 0.5) for y in (0, 0.5) for z in (0, 0.14)]
    structure = Structure(Lattice.tetragonal(4.0, 14.0), 8 * ["Cu"] + ["O"], [*slab, [0.1, 0.2, 0.55]])
    assert_equal_to_pymatgen([cubic_perovskite(), structure, cubic_perovskite()], SHELLS)
