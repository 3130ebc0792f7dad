"""Batches cut from packed tensors, against graphs built for the same crystals alone."""

import numpy as np
import torch
from conftest import TEXTBOOK, crystal
from hypothesis import given
from hypothesis import strategies as st

from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.tensors import PackedGraphs

CRYSTALS = [crystal(structure) for structure in TEXTBOOK]
PACKED = PackedGraphs(crystal_graphs(CRYSTALS, NeighbourRule()))


@given(st.lists(st.sampled_from(range(len(CRYSTALS))), min_size=1, max_size=6))
def test_any_batch_equals_the_graph_of_its_crystals(chosen: list[int]) -> None:
    batch = PACKED.batch(torch.tensor(chosen))
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
        distance = PACKED.batch(torch.tensor([k])).distance
        assert len(distance.unique()) == len(distance)
    assert len(PACKED.batch(torch.tensor([1])).distance) == 2  # the two shells of rock salt
