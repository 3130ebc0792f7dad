"""The smooth cutoff: predictions without jumps, and nothing changed in ideal crystals. The shared shell: twelve."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure

from cgcnn.arrays import Crystal
from cgcnn.cutoff import sharing, softened, twelfth_distance
from cgcnn.elements import feature_table
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.model import CGCNN, ModelSettings
from cgcnn.tensors import Batch, PackedGraphs
from tests.crystals import TEXTBOOK, crystal, cubic_perovskite, rock_salt

SHARP = ModelSettings("gated", "regression", atom_dim=8, n_conv=2, hidden_dim=8)
SMOOTH = replace(SHARP, smooth_cutoff=0.1)


def batch_of(crystals: list[Crystal], merge_sites: bool = True) -> Batch:
    graphs = crystal_graphs(crystals, NeighbourRule())
    return PackedGraphs(graphs, merge_sites=merge_sites).batch(torch.arange(len(crystals)))


def ask(settings: ModelSettings, crystals: list[Crystal], merge_sites: bool = True) -> np.ndarray:
    torch.manual_seed(0)
    model = CGCNN(settings, torch.tensor(feature_table())).eval()
    with torch.no_grad():
        return model(batch_of(crystals, merge_sites)).double().numpy()


def displaced(distance: float) -> Crystal:
    """A 2 x 2 x 2 perovskite with one oxygen moved by `distance` Å along a general direction."""
    cell = cubic_perovskite(3.9) * (2, 2, 2)
    cell.translate_sites([len(cell) - 1], distance * np.array([0.48, 0.6, 0.64]), frac_coords=False)
    return crystal(cell)


def test_twelfth_distance_is_that_of_pymatgen() -> None:
    for cell in TEXTBOOK[:3]:
        batch = batch_of([crystal(cell)], merge_sites=False)
        found = twelfth_distance(batch, batch.distance[batch.distance_index])
        wanted = [sorted(other.nn_distance for other in cell.get_neighbors(site, 8.0))[11] for site in cell]
        np.testing.assert_allclose(found.numpy(), wanted, atol=2e-5)


def test_a_site_with_few_neighbours_keeps_them_all() -> None:
    sparse = Structure(Lattice.cubic(7), ["He"], [[0, 0, 0]])  # six neighbours within 8 Å
    batch = batch_of([crystal(sparse)])
    assert torch.equal(softened(batch, 0.1).multiplicity, batch.multiplicity)
    assert torch.equal(sharing(batch, 0.1).multiplicity, batch.multiplicity)


@pytest.mark.parametrize(
    "cell", [cell for cell in TEXTBOOK if cell.reduced_formula != "Ar"], ids=lambda cell: cell.reduced_formula
)
def test_sharing_is_the_mean_over_the_choices_of_the_cut(cell: Structure) -> None:
    """With pymatgen's neighbours: those of the last shell are exchangeable, and fill what is left of twelve."""
    batch = batch_of([crystal(cell)], merge_sites=False)
    found = sharing(batch, 0.1)
    for k, site in enumerate(cell):
        near = sorted(other.nn_distance for other in cell.get_neighbors(site, 8.0))
        own, last = batch.centre == k, near[11] - 0.1
        distance, times = found.distance[found.distance_index[own]], found.multiplicity[own, 0]
        inside = sum(d < last for d in near)
        assert float(times.sum()) == pytest.approx(12, abs=1e-4)
        assert float(times[distance < last].sum()) == inside
        weight = times[distance >= last] / batch.multiplicity[own, 0][distance >= last]
        np.testing.assert_allclose(weight, (12 - inside) / sum(last <= d <= near[11] + 0.1 for d in near), rtol=1e-5)


def test_sharing_hangs_on_nothing_but_the_crystal() -> None:
    """Supercells, turned cells, sites in another order, and equal sites computed once."""
    shell, rng = replace(SHARP, shared_shell=0.1), np.random.default_rng(0)
    said = ask(shell, [crystal(cell) for cell in TEXTBOOK])
    np.testing.assert_allclose(ask(shell, [crystal(cell * (2, 1, 1)) for cell in TEXTBOOK]), said, atol=1e-5)
    np.testing.assert_allclose(ask(shell, [crystal(cell) for cell in TEXTBOOK], merge_sites=False), said, atol=1e-5)
    others = [Structure.from_sites([cell[int(k)] for k in rng.permutation(len(cell))]) for cell in TEXTBOOK]
    np.testing.assert_allclose(ask(shell, [crystal(cell) for cell in others]), said, atol=1e-5)
    assert np.abs(said - ask(SHARP, [crystal(cell) for cell in TEXTBOOK])).max() > 1e-4


def test_ideal_crystals_are_left_alone() -> None:
    ideal = [crystal(cell) for cell in (cubic_perovskite(3.9), rock_salt(5.6))]
    np.testing.assert_allclose(ask(SMOOTH, ideal), ask(SHARP, ideal), atol=1e-5)


def test_equal_sites_are_merged_exactly() -> None:
    moved = [displaced(0.0), displaced(0.2), *(crystal(cell) for cell in TEXTBOOK)]
    np.testing.assert_allclose(ask(SMOOTH, moved), ask(SMOOTH, moved, merge_sites=False), atol=1e-5)


def test_predictions_do_not_jump() -> None:
    """Ten times smaller steps change a prediction ten times less; with whole shells alone the jump stays."""
    coarse, fine = np.linspace(0, 0.3, 61), np.linspace(0, 0.3, 601)
    largest = {
        settings: [np.abs(np.diff(ask(settings, [displaced(x) for x in steps]))).max() for steps in (coarse, fine)]
        for settings in (SHARP, SMOOTH)
    }
    assert largest[SMOOTH][1] < 0.2 * largest[SMOOTH][0]
    assert largest[SHARP][1] > 0.5 * largest[SHARP][0]
