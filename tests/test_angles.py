"""Angles in the edges, held against pymatgen's own angles, and against crystals that distances cannot tell apart."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from cgcnn.angles import ANGLE_GRID, N_MOMENTS
from cgcnn.arrays import CrystalGraphs, concatenate, offsets
from cgcnn.elements import feature_table
from cgcnn.errors import InputError
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.limits.geometry import twins
from cgcnn.model import CGCNN, ModelSettings
from cgcnn.tables import GRAPHS, graphs_batch, read_graphs, write_batches
from cgcnn.tensors import PackedGraphs
from tests.crystals import TEXTBOOK, argon_gas, crystal, cubic_perovskite

RULE = NeighbourRule(angles=True)
SETTINGS = ModelSettings("gated", "regression", atom_dim=8, n_conv=2, hidden_dim=8, angles=True)


def graphs_of(cells: list) -> CrystalGraphs:
    return crystal_graphs([crystal(cell) for cell in cells], RULE)


def ask(cells: list, merge_sites: bool = True, settings: ModelSettings = SETTINGS) -> torch.Tensor:
    torch.manual_seed(0)
    model = CGCNN(settings, torch.tensor(feature_table())).eval()
    with torch.no_grad():
        return model(PackedGraphs(graphs_of(cells), merge_sites=merge_sites).batch(torch.arange(len(cells))))


@pytest.mark.parametrize("cell", TEXTBOOK[:3], ids=lambda cell: cell.formula)
def test_moments_are_those_of_the_angles_between_neighbours(cell) -> None:
    found = graphs_of([cell])
    starts = offsets(found.degree)
    for site in range(len(cell)):
        edges = slice(starts[site], starts[site + 1])
        n_neighbours = int(found.multiplicity[edges].sum())
        near = sorted(cell.get_neighbors(cell[site], 8.0), key=lambda other: other.nn_distance)[:n_neighbours]
        vectors = np.array([other.coords - cell[site].coords for other in near])
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        cosines = unit @ unit.T
        wanted = np.stack([(cosines**p).mean(axis=1) for p in range(1, N_MOMENTS + 1)], axis=1)
        singly = np.repeat(found.angles[edges] * ANGLE_GRID, found.multiplicity[edges], axis=0)
        np.testing.assert_allclose(np.sort(singly, axis=0), np.sort(wanted, axis=0), atol=ANGLE_GRID)


def test_graphs_are_those_without_angles_but_for_the_angles() -> None:
    plain = crystal_graphs([crystal(cell) for cell in TEXTBOOK], NeighbourRule())
    found = graphs_of(TEXTBOOK)
    for settings_ in (replace(SETTINGS, angles=False), replace(SETTINGS, angles=False, conv="shared")):
        torch.manual_seed(0)
        model = CGCNN(settings_, torch.tensor(feature_table())).eval()
        every = torch.arange(len(TEXTBOOK))
        with torch.no_grad():
            both = [model(PackedGraphs(graphs).batch(every)) for graphs in (plain, found)]
        torch.testing.assert_close(*both, atol=1e-5, rtol=1e-5)


@given(seed=st.integers(0, 2**31), which=st.integers(0, len(TEXTBOOK) - 1), times=st.integers(1, 2))
@settings(max_examples=20, deadline=None)
def test_nothing_depends_on_how_a_crystal_is_written_down(seed: int, which: int, times: int) -> None:
    from pymatgen.core import Lattice, Structure

    cell, random = TEXTBOOK[which], np.random.default_rng(seed)
    other = cell * (times, 1, 1)
    lattice = Lattice(other.lattice.matrix @ Rotation.random(random_state=seed % 2**32).as_matrix())
    order = random.permutation(len(other))
    shifted = (other.frac_coords + random.random(3))[order]
    written = Structure(lattice, [other.species[k] for k in order], shifted)
    torch.testing.assert_close(*ask([cell, written]), atol=1e-4, rtol=1e-4)


def test_equal_sites_are_merged_exactly() -> None:
    torch.testing.assert_close(ask(TEXTBOOK), ask(TEXTBOOK, merge_sites=False), atol=1e-5, rtol=1e-5)


def test_twins_are_told_apart() -> None:
    for pair in twins():
        blind = ask([pair.first, pair.second], settings=replace(SETTINGS, angles=False))
        seeing = ask([pair.first, pair.second])
        assert abs(float(blind[0] - blind[1])) < 1e-6
        assert abs(float(seeing[0] - seeing[1])) > 2e-5


def test_angles_are_kept_in_parquet(tmp_path) -> None:
    import pyarrow as pa

    found = crystal_graphs([crystal(cubic_perovskite(3.9)), crystal(TEXTBOOK[0])], RULE, keep_images=True)
    write_batches(tmp_path / "graphs.parquet", iter([graphs_batch(pa.array(["a", "b"]), found)]), GRAPHS, {})
    _, again = read_graphs([tmp_path / "graphs.parquet"])
    np.testing.assert_array_equal(again.angles, found.angles)
    np.testing.assert_array_equal(again.image, found.image)
    assert len(found.image) == found.multiplicity.sum()


def test_a_lonely_atom_has_no_angles() -> None:
    assert graphs_of([argon_gas()]).angles.shape == (0, N_MOMENTS)
    assert torch.isfinite(ask([argon_gas(), TEXTBOOK[0]])).all()


def test_graphs_without_angles_are_refused_and_it_says_what_to_do() -> None:
    """Also where only some shards are older: read together, none of them have angles."""
    model = CGCNN(SETTINGS, torch.tensor(feature_table())).eval()
    mixed = concatenate([graphs_of(TEXTBOOK[:1]), crystal_graphs([crystal(TEXTBOOK[1])], NeighbourRule())])
    with pytest.raises(InputError, match=r"graphs\.angles: true"):
        model(PackedGraphs(mixed).batch(torch.arange(2)))
