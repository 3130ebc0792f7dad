"""What trained networks learned: contributions add up, and are those of explain.py; cells do not change predictions."""

import numpy as np
import pytest
import torch
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from cgcnn.arrays import Crystal
from cgcnn.elements import feature_table
from cgcnn.examine import REWRITINGS, element_map, evenly, invariance, pooled_and_sites, site_contributions
from cgcnn.explain import read, site_shares
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.model import CGCNN, ModelSettings
from tests.crystals import TEXTBOOK, crystal, rock_salt

CPU = torch.device("cpu")
CRYSTALS = [crystal(structure) for structure in TEXTBOOK[:3]]


def network(kind: str = "regression", conv: str = "gated") -> CGCNN:
    torch.manual_seed(0)
    return CGCNN(ModelSettings(conv, kind, 16, 2, 16, 2), torch.tensor(feature_table())).eval()


@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_contributions_add_up_and_are_those_of_explain(kind: str) -> None:
    model, graphs = network(kind), crystal_graphs(CRYSTALS, NeighbourRule())
    pooled, sites = pooled_and_sites(model, graphs, CPU)
    reference = pooled.mean(0)
    n_sites = torch.from_numpy(graphs.n_sites)
    found = site_contributions(model, pooled, sites, n_sites, reference)
    with torch.no_grad():
        expected = (read(model, pooled) - read(model, reference[None])).numpy()
    sums = [part.sum() for part in np.split(found, graphs.site_offsets[1:-1])]
    assert sums == pytest.approx(expected, abs=1e-5)
    own = site_shares(model.double(), sites[: n_sites[0]].double(), reference.double())
    assert found[: n_sites[0]] == pytest.approx(own.numpy(), abs=1e-5)


def structure_of(cell: Crystal) -> Structure:
    return Structure(Lattice(cell.lattice), cell.atomic_numbers.tolist(), cell.frac_coords)


@pytest.mark.parametrize("name", REWRITINGS)
def test_a_rewritten_crystal_is_the_same_crystal(name: str) -> None:
    rng = np.random.default_rng(0)
    matcher = StructureMatcher(primitive_cell=True, scale=False, ltol=1e-3, stol=1e-3, angle_tol=0.01)
    for each in CRYSTALS:
        other = REWRITINGS[name](each, rng)
        assert matcher.fit(structure_of(each), structure_of(other))
    cells = [len(REWRITINGS[name](crystal(rock_salt()), rng).atomic_numbers) for _ in range(2)]
    assert cells[0] == {"supercell": 32, "primitive": 2}.get(name, 8)


@pytest.mark.parametrize("conv", ["none", "shared", "gated"])
def test_whole_shells_make_predictions_invariant(conv: str) -> None:
    found = invariance({0: network(conv=conv)}, CRYSTALS, NeighbourRule(), 0, CPU)
    assert set(found) == {*REWRITINGS, "batch"}
    assert max(change["largest"] for change in found.values()) < 1e-5


def test_a_bare_cut_is_caught() -> None:
    rule = NeighbourRule(max_neighbours=10, ties="cut")
    found = invariance({0: network()}, CRYSTALS, rule, 0, CPU)
    assert max(change["largest"] for change in found.values()) > 1e-4


def test_elements_with_equal_features_share_a_place() -> None:
    found = element_map({0: network(), 1: network()}, [8, 22, 56])
    assert found["numbers"] == [8, 22, 56] and len(set(found["x"])) == 3
    assert sum(found["shares"]) == pytest.approx(1)  # three points lie in a plane


def test_evenly_takes_both_ends_and_no_more_than_there_are() -> None:
    assert evenly(np.arange(10), 3).tolist() == [0, 4, 9]
    assert evenly(np.arange(2), 5).tolist() == [0, 1] and len(evenly(np.arange(0), 5)) == 0
