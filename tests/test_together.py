"""Networks trained together are those that are trained one after the other, from the same batches."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from cgcnn.checkpoint import Checkpoint
from cgcnn.element_numbers import atom_features
from cgcnn.errors import InputError
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.model import CGCNN, ModelSettings
from cgcnn.seeds import OnGpu, Training
from cgcnn.tensors import Batch, PackedGraphs
from cgcnn.together import Stack, can_be_stacked, train_together
from cgcnn.training import AfterEpoch, Example, TrainSettings, TrainState, batches_of, new_model, outputs, train
from tests.crystals import crystal, cubic_perovskite, rock_salt

QUICK = TrainSettings(epochs=6, batch_size=8, lr=0.01, patience=6)
SHAPE = ModelSettings("gated", "regression", atom_dim=8, n_conv=2, hidden_dim=6, n_hidden=2)
#: Everything that a network may be, but attention.
SHAPES = [
    replace(SHAPE, conv=conv, kind=kind)
    for conv, kind in product(("none", "shared", "gated"), ("regression", "classification"))
]
SHAPES += [
    replace(SHAPE, **own)
    for own in (
        {"pool": "sum"},
        {"smooth_cutoff": 0.1},
        {"shared_shell": 0.1},
        {"angles": True},
        {"element_numbers": True, "n_hidden": 1},
        {"element_reference": True},
        {"n_hidden": 0},
    )
]


CELLS = [cubic_perovskite(3.6 + 0.03 * k) for k in range(16)] + [rock_salt(5.0 + 0.05 * k) for k in range(16)]
CRYSTALS = crystal_graphs([crystal(cell) for cell in CELLS], NeighbourRule(angles=True))


class InDouble(PackedGraphs):
    """All that a network computes with is float64, where equal means equal."""

    def batches(self, crystals: torch.Tensor, n_batches: int) -> Iterator[Batch]:
        for batch in super().batches(crystals, n_batches):
            names = "distance", "angles", "multiplicity", "site_multiplicity"
            yield replace(batch, **{name: getattr(batch, name).double() for name in names})


@pytest.fixture(scope="module")
def graphs() -> PackedGraphs:
    return InDouble(CRYSTALS)


def example(kind: str) -> Example:
    target = torch.cat([torch.linspace(-3, -2, 16), torch.linspace(-1, 0, 16)])
    if kind == "classification":
        target = target > -1.7
    order = torch.from_numpy(np.random.default_rng(0).permutation(32))
    return Example(target.double(), train=order[:24], validation=order[24:], material_ids=[f"m{k}" for k in range(32)])


def new(shape: ModelSettings, graphs: PackedGraphs, seeds: range = range(3)) -> list[CGCNN]:
    features = torch.tensor(atom_features(shape.element_numbers))
    return [new_model(shape, features, example(shape.kind), seed, graphs).double() for seed in seeds]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_stack_says_and_learns_what_each_network_does(shape: ModelSettings, graphs: PackedGraphs) -> None:
    """Outputs, gradients and running statistics, in training and after it."""
    models, batch = new(shape, graphs), graphs.batch(torch.arange(0, 32, 3))
    stack = Stack(models)
    together = stack.train()(batch)
    weight = torch.linspace(-1, 1, together.numel()).view_as(together)
    (together * weight).sum().backward()
    for k, model in enumerate(models):
        alone = model.train()(batch)
        torch.testing.assert_close(together[:, k], alone, atol=1e-9, rtol=1e-9)
        (alone * weight[:, k]).sum().backward()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters()])
        torch.testing.assert_close(stack.weights.grad[k], gradient, atol=1e-9, rtol=1e-9)
        for name, value in stack.state_dict_of(k).items():
            torch.testing.assert_close(value, model.state_dict()[name], atol=1e-9, rtol=1e-9)
    later = outputs(stack, graphs, torch.arange(32))
    for k, model in enumerate(models):
        torch.testing.assert_close(later[:, k], outputs(model, graphs, torch.arange(32)), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_training_together_is_training_alone(kind: str, graphs: PackedGraphs) -> None:
    """From the same batches, which are those of the first seed; with clipped gradients and augmentation."""
    shape, data = replace(SHAPE, kind=kind), example(kind)
    settings = replace(QUICK, gradient_clip=0.05, distance_noise=0.02, distance_strain=0.01)
    together, states = new(shape, graphs), [TrainState() for _ in range(3)]
    train_together(together, graphs, data, settings, range(3), states, [[]] * 3)
    for one, state, alone in zip(together, states, new(shape, graphs), strict=True):
        expected = train(alone, graphs, data, settings, seed=0)
        assert state.best_epoch == expected.best_epoch and state.finished
        for own, other in zip(state.history, expected.history, strict=True):
            assert own == pytest.approx(other, rel=1e-6)
        for name, value in one.state_dict().items():
            torch.testing.assert_close(value, alone.state_dict()[name], atol=1e-6, rtol=1e-6)


def test_each_stops_where_its_patience_ends(graphs: PackedGraphs) -> None:
    data, settings = example("regression"), replace(QUICK, epochs=60, patience=3, lr=0.05)
    models, states = new(SHAPE, graphs), [TrainState() for _ in range(3)]
    ends = {}
    called = [[lambda state, copy, k=k: ends.update({k: state.epoch})] for k in range(3)]
    train_together(models, graphs, data, settings, range(3), states, called)
    assert len({state.epoch for state in states}) > 1  # else this test shows nothing
    assert all(state.finished and state.epoch == state.best_epoch + 3 == ends[k] for k, state in enumerate(states))
    for model, state in zip(models, states, strict=True):
        error = (model.prediction(outputs(model, graphs, data.validation)) - data.target[data.validation]).abs().mean()
        assert float(error) == pytest.approx(state.history[state.best_epoch - 1]["validation_error"], rel=1e-6)


def test_what_was_kept_goes_on_together_and_alone(graphs: PackedGraphs, tmp_path: Path) -> None:
    """The state of a seed is the same thing whoever made it."""
    data, kept = example("regression"), [Checkpoint(tmp_path / f"{k}.safetensors", "t", every=1e9) for k in range(2)]

    def keep_the_third(number: int, state: TrainState, copy: Callable[[], TrainState]) -> None:
        if state.epoch == 3:
            kept[number].after_epoch(state, copy)
            kept[number].write()

    def trained(states: list[TrainState], calls: list[list[AfterEpoch]]) -> list[CGCNN]:
        models = new(SHAPE, graphs, range(2))
        train_together(models, graphs, data, QUICK, range(2), states, calls)
        return models

    whole = trained([TrainState(), TrainState()], [[partial(keep_the_third, k)] for k in range(2)])
    again = trained([each.load() for each in kept], [[], []])
    for one, other in zip(whole, again, strict=True):
        assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())
    alone = new(SHAPE, graphs, range(1))[0]
    train(alone, graphs, data, QUICK, 0, kept[0].load())
    for name, value in whole[0].state_dict().items():
        torch.testing.assert_close(value, alone.state_dict()[name], atol=1e-6, rtol=1e-6)


def test_seeds_that_stopped_at_different_epochs_go_on(tmp_path: Path) -> None:
    """One is done, one is ahead, two are new; each ends with its best weights."""
    data = example("regression")
    gpu = OnGpu(seeds="together", precision="float32", steps="launched")
    work = Training(SHAPE, PackedGraphs(CRYSTALS), replace(data, target=data.target.float()), QUICK, "test", gpu)
    kept = [Checkpoint(tmp_path / f"{k}.safetensors", "t", every=1e9) for k in range(4)]

    def until(epoch: int, seed: int) -> None:
        def keep(state: TrainState, copy: Callable[[], TrainState]) -> None:
            if state.epoch == epoch:
                kept[seed].after_epoch(state, copy)
                kept[seed].write()

        model = new_model(SHAPE, torch.tensor(atom_features(False)), work.data, seed)
        train(model, work.graphs, work.data, QUICK, seed, after_epoch=[keep])

    until(6, 0)
    until(2, 1)
    for seed, (number, model, state) in enumerate(work.together(range(4), kept)):
        error = (model.prediction(outputs(model, work.graphs, data.validation)) - data.target[data.validation]).abs()
        assert seed == number and state.epoch == len(state.history) == 6 and state.finished
        best = state.history[state.best_epoch - 1]["validation_error"]
        assert float(error.mean()) == pytest.approx(best, rel=1e-4)


def test_what_goes_wrong_names_its_own_seed(graphs: PackedGraphs) -> None:
    data, models = example("regression"), new(SHAPE, graphs)
    with torch.no_grad():
        models[2].head.bias.fill_(torch.inf)
    batch = [data.material_ids[int(k)] for k in batches_of(data, QUICK, 0, 0)[0]]
    with pytest.raises(InputError, match=rf"batch 1 of epoch 1 \(seed 2\)\. Its materials: {', '.join(batch)}\. "):
        train_together(models, graphs, data, QUICK, range(3), [TrainState() for _ in models], [[]] * 3)


def test_attention_cannot_be_stacked() -> None:
    assert can_be_stacked(SHAPE) and not can_be_stacked(replace(SHAPE, pool="attention"))
