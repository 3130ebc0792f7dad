"""Batches cut from packed tensors, against graphs built for the same crystals alone."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cgcnn.arrays import Crystal, CrystalGraphs, offsets
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.orbits import merge_equal_sites
from cgcnn.tensors import PackedGraphs
from tests.crystals import TEXTBOOK, crystal

CRYSTALS = [crystal(structure) for structure in TEXTBOOK]
GRAPHS = crystal_graphs(CRYSTALS, NeighbourRule())
SINGLE = PackedGraphs(GRAPHS, merge_sites=False)
MERGED = PackedGraphs(GRAPHS)


@given(st.lists(st.sampled_from(range(len(CRYSTALS))), min_size=1, max_size=6))
def test_any_batch_equals_the_graph_of_its_crystals(chosen: list[int]) -> None:
    batch = SINGLE.batch(torch.tensor(chosen))
    graphs = crystal_graphs([CRYSTALS[k] for k in chosen], NeighbourRule())
    sites = graphs.site_offsets
    crystal_of_edge = np.repeat(np.arange(len(chosen)), np.diff(graphs.edge_offsets))
    np.testing.assert_array_equal(batch.n_sites, graphs.n_sites)
    np.testing.assert_array_equal(batch.atomic_number, graphs.atomic_numbers)
    np.testing.assert_array_equal(batch.crystal, np.repeat(np.arange(len(chosen)), graphs.n_sites))
    np.testing.assert_array_equal(batch.centre, np.repeat(np.arange(len(graphs.degree)), graphs.degree))
    np.testing.assert_array_equal(batch.neighbour, graphs.neighbour + sites[crystal_of_edge])
    np.testing.assert_array_equal(batch.multiplicity.squeeze(1), graphs.multiplicity)
    np.testing.assert_array_equal(batch.distance[batch.distance_index], graphs.distance)


def test_each_distance_of_a_crystal_is_there_once() -> None:
    for k in range(len(CRYSTALS)):
        distance = SINGLE.batch(torch.tensor([k])).distance
        assert len(distance.unique()) == len(distance)
    assert len(SINGLE.batch(torch.tensor([1])).distance) == 2  # the two shells of rock salt


@pytest.mark.parametrize("packed", [SINGLE, MERGED], ids=["single", "merged"])
@given(chosen=st.lists(st.sampled_from(range(len(CRYSTALS))), min_size=1, max_size=6))
def test_rows_know_their_edges(packed: PackedGraphs, chosen: list[int]) -> None:
    """The lists by centre, neighbour and distance are those that sorting the edges of the batch gives."""
    batch = packed.batch(torch.tensor(chosen))
    n_rows = 2 * len(batch.atomic_number) + len(batch.distance)
    lists = batch.edges_of_rows.tensor_split(batch.first_of_rows[1:-1])
    assert len(lists) == n_rows == len(batch.first_of_rows) - 1
    for row, edges in enumerate(lists):
        assert edges.tolist() == (batch.rows_of_edges == row).any(dim=1).nonzero().flatten().tolist()


def test_batches_are_the_crystals_in_order() -> None:
    order = torch.tensor([2, 0, 3, 1, 0])
    for batch, part in zip(MERGED.batches(order, 2), order.tensor_split(2), strict=True):
        expected = MERGED.batch(part)
        assert all(torch.equal(value, getattr(batch, name)) for name, value in vars(expected).items())


def test_merged_sites_of_textbook_cells() -> None:
    """Cubic perovskite: A, B and X, whose neighbours are X; X, A; and A, B, X. Rock salt: two sites, two shells."""
    batches = [MERGED.batch(torch.tensor([k])) for k in range(4)]
    assert [batch.site_multiplicity.flatten().tolist() for batch in batches] == [
        [1, 1, 3],
        [4, 4],
        [1, 1, 1, 1],
        [1],
    ]
    assert len(batches[1].centre) == 4
    assert [int(batch.n_sites) for batch in batches] == [5, 8, 4, 1]


@given(st.integers(0, 3), st.permutations(range(8)), st.sampled_from([(1, 1, 1), (2, 1, 1), (1, 2, 1)]))
def test_merged_graph_holds_every_edge_of_the_whole(which: int, order: list[int], cells: tuple[int, int, int]) -> None:
    """Each site's neighbours, told by their class and distance, are those of the site that stands for it."""
    structure = TEXTBOOK[which] * cells
    plain = crystal(structure)
    order = [k for k in order if k < len(structure)] + list(range(8, len(structure)))
    shuffled = Crystal(plain.lattice, plain.frac_coords[order], plain.atomic_numbers[order])
    graphs = crystal_graphs([shuffled, CRYSTALS[which]], NeighbourRule())
    merged = merge_equal_sites(graphs)

    def seen(graphs: CrystalGraphs, site_class: np.ndarray) -> list[Counter[tuple[int, float]]]:
        ends = offsets(graphs.degree)
        crystal_of = np.repeat(np.arange(len(graphs)), graphs.n_sites)
        found = []
        for site in range(len(graphs.degree)):
            count: Counter[tuple[int, float]] = Counter()
            for edge in range(ends[site], ends[site + 1]):
                neighbour = graphs.site_offsets[crystal_of[site]] + graphs.neighbour[edge]
                count[int(site_class[neighbour]), float(graphs.distance[edge])] += int(graphs.multiplicity[edge])
            found.append(count)
        return found

    whole = seen(graphs, merged.distinct_site)
    small = seen(merged.graphs, np.arange(len(merged.graphs.degree)))
    for site, site_class in enumerate(merged.distinct_site):
        assert whole[site] == small[site_class]
        assert graphs.atomic_numbers[site] == merged.graphs.atomic_numbers[site_class]
    np.testing.assert_array_equal(np.bincount(merged.distinct_site), merged.site_multiplicity)
    assert np.isin(merged.distinct_site[: len(structure)], merged.distinct_site[len(structure) :]).sum() == 0
    if cells == (1, 1, 1):
        assert merged.graphs.n_sites[0] == merged.graphs.n_sites[1]
