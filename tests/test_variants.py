"""The further variants: pools and the element reference of the network, and noise on the distances in training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from cgcnn.augmentation import disturbed
from cgcnn.baselines import element_fractions
from cgcnn.checkpoint import load_models, save_models
from cgcnn.elements import feature_table
from cgcnn.explain import site_shares
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.model import CGCNN, ModelSettings
from cgcnn.reference import fit_reference, mean_of_elements
from cgcnn.tensors import PackedGraphs
from cgcnn.training import Example, TrainSettings, TrainState, new_model, train
from tests.crystals import TEXTBOOK, crystal, cubic_perovskite, rock_salt

SMALL = ModelSettings("gated", "regression", atom_dim=8, n_conv=2, hidden_dim=8)
VARIANTS = [replace(SMALL, pool=pool) for pool in ("mean", "sum", "attention")]
VARIANTS += [replace(SMALL, element_reference=True), replace(SMALL, pool="attention", element_reference=True)]


def network(settings: ModelSettings) -> CGCNN:
    torch.manual_seed(0)
    model = CGCNN(settings, torch.tensor(feature_table())).double().eval()
    if settings.element_reference:
        model.element_reference.normal_()
    return model


def packed(cells: list, merge_sites: bool = True) -> PackedGraphs:
    return PackedGraphs(crystal_graphs([crystal(cell) for cell in cells], NeighbourRule()), merge_sites=merge_sites)


def ask(model: CGCNN, cells: list, merge_sites: bool = True) -> torch.Tensor:
    batch = packed(cells, merge_sites).batch(torch.arange(len(cells)))
    batch = replace(batch, multiplicity=batch.multiplicity.double(), site_multiplicity=batch.site_multiplicity.double())
    with torch.no_grad():
        return model(replace(batch, distance=batch.distance.double()))


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_equal_sites_are_merged_exactly(settings: ModelSettings) -> None:
    model = network(settings)
    torch.testing.assert_close(ask(model, TEXTBOOK), ask(model, TEXTBOOK, merge_sites=False), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_only_a_sum_changes_with_the_cell(settings: ModelSettings) -> None:
    model = network(settings)
    once, twice = ask(model, TEXTBOOK[:3]), ask(model, [cell * (2, 1, 1) for cell in TEXTBOOK[:3]])
    assert bool(torch.allclose(once, twice, atol=1e-5)) == (settings.pool != "sum")


def test_attention_weighs_the_sites_by_softmax() -> None:
    model = network(replace(SMALL, pool="attention"))
    batch = packed([TEXTBOOK[2]], merge_sites=False).batch(torch.tensor([0]))
    v = torch.randn(len(batch.atomic_number), 8, dtype=torch.float64)
    weights = torch.softmax(model.pool.score(v).squeeze(1), dim=0)
    batch = replace(batch, site_multiplicity=batch.site_multiplicity.double())
    torch.testing.assert_close(model.pool(v, batch).mean(dim=0), weights @ v)


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_contributions_of_the_sites_add_up(settings: ModelSettings) -> None:
    """Explanations take the mean over the sites for the pooled features; it is, whatever the pool."""
    model = network(settings).float()
    batch = packed([TEXTBOOK[2]], merge_sites=False).batch(torch.tensor([0]))
    with torch.no_grad():
        v, whole = model.site_features(batch).double(), model.prediction(model(batch)).double()
        baseline = torch.zeros(v.shape[1], dtype=torch.float64)
        base = model.double().prediction(model.read_out(baseline[None]))
    assert float(site_shares(model, v, baseline).sum() + base) == pytest.approx(float(whole), abs=1e-5)


def test_a_card_without_the_newer_settings_loads(tmp_path) -> None:
    path = tmp_path / "model.safetensors"
    save_models(path, {0: network(SMALL).float()}, {"name": "energy"})
    card = path.with_suffix(".json")
    text = card.read_text()
    for line in [line for line in text.splitlines() if '"pool"' in line or '"element_reference"' in line]:
        text = text.replace(line + "\n", "")
    assert "element_reference" not in text
    card.write_text(text.replace(",\n }", "\n }"))
    assert load_models(path)[0][0].settings == SMALL


def example() -> tuple[PackedGraphs, Example]:
    cells = [cubic_perovskite(3.6 + 0.03 * k) for k in range(16)] + [rock_salt(5.0 + 0.05 * k) for k in range(16)]
    target = torch.cat([torch.linspace(-3, -2, 16), torch.linspace(-1, 0, 16)])
    return packed(cells), Example(target, torch.arange(0, 32, 2), torch.arange(1, 32, 2), [f"m{k}" for k in range(32)])


def test_reference_is_ridge_regression() -> None:
    graphs, data = example()
    target = data.target[data.train] - data.target[data.train].mean()
    found = fit_reference(graphs, data.train, target)
    sites = [[38, 22, 8, 8, 8]] * 8 + [[11] * 4 + [17] * 4] * 8
    oracle = Ridge(alpha=0.03, fit_intercept=False).fit(element_fractions(sites), target.numpy())
    np.testing.assert_allclose(found.numpy(), oracle.coef_, atol=1e-5)
    assert found[26] == 0  # iron is in none of them


def test_untrained_network_starts_from_the_reference() -> None:
    """With a head of zeros the prediction is the linear model's; the scale is that of its residuals."""
    graphs, data = example()
    model = new_model(replace(SMALL, element_reference=True), torch.tensor(feature_table()), data, 0, graphs).eval()
    torch.nn.init.zeros_(model.head.weight)
    torch.nn.init.zeros_(model.head.bias)
    known = data.target[data.train]
    linear = known.mean() + mean_of_elements(
        fit_reference(graphs, data.train, known - known.mean()), graphs, data.train
    )
    with torch.no_grad():
        said = model.prediction(model(graphs.batch(data.train)))
    torch.testing.assert_close(said, linear, atol=1e-5, rtol=0)
    assert float(model.target_std) == pytest.approx(float((known - linear).std()), rel=1e-4)


def test_a_strain_is_one_of_all_distances_of_a_crystal_and_its_own() -> None:
    graphs, data = example()
    batch = graphs.batch(data.train)
    factor = disturbed(batch, noise=0.0, strain=0.05, seed=0, step=3).distance / batch.distance
    of_edge = factor[batch.distance_index]
    of_crystal = [of_edge[batch.crystal[batch.centre] == k] for k in range(len(data.train))]
    assert all(float(values.max() - values.min()) < 1e-6 for values in of_crystal)
    assert len({round(float(values[0]), 5) for values in of_crystal}) == len(data.train)
    assert 0.02 < float(factor.std()) < 0.1 and abs(float(factor.mean()) - 1) < 0.05


@pytest.mark.parametrize("augmentation", [{"distance_noise": 0.05}, {"distance_strain": 0.05}])
def test_augmentation_is_the_same_when_training_is_taken_up_again(augmentation: dict[str, float]) -> None:
    graphs, data = example()
    plain = TrainSettings(epochs=4, batch_size=8, lr=0.01)
    settings = replace(plain, **augmentation)
    kept: list[TrainState] = []

    def run(state: TrainState | None, more: TrainSettings) -> dict[str, torch.Tensor]:
        model = new_model(SMALL, torch.tensor(feature_table()), data, 0)
        train(model, graphs, data, more, 0, state, [lambda state, copy: kept.append(copy())])
        return model.state_dict()

    whole = run(None, settings)
    again = run(replace(kept[1], history=list(kept[1].history)), settings)
    other = run(None, plain)
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert not torch.equal(whole["head.weight"], other["head.weight"])
