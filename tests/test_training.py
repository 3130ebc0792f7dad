"""The loop: it learns, repeats itself bit for bit, resumes, stops early, and says which batch went wrong."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cgcnn.checkpoint import Checkpoint
from cgcnn.elements import feature_table
from cgcnn.errors import InputError
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.model import ModelSettings
from cgcnn.tensors import PackedGraphs
from cgcnn.training import Example, TrainSettings, TrainState, evaluate, new_model, one_cycle, train
from tests.crystals import crystal, cubic_perovskite, rock_salt

QUICK = TrainSettings(epochs=6, batch_size=8, lr=0.01, weight_decay=0.01, loss="mse", gradient_clip=10.0, patience=6)
SHAPE = ModelSettings("gated", "regression", atom_dim=8, n_conv=2, hidden_dim=8, n_hidden=2)


@pytest.fixture(scope="module")
def graphs() -> PackedGraphs:
    cells = [cubic_perovskite(3.6 + 0.03 * k) for k in range(16)] + [rock_salt(5.0 + 0.05 * k) for k in range(16)]
    return PackedGraphs(crystal_graphs([crystal(cell) for cell in cells], NeighbourRule()))


@pytest.fixture
def data() -> Example:
    """Targets that follow from the lattice constant and the structure."""
    target = torch.cat([torch.linspace(-3, -2, 16), torch.linspace(-1, 0, 16)])
    order = torch.from_numpy(np.random.default_rng(0).permutation(32))
    return Example(target, train=order[:24], validation=order[24:], material_ids=[f"m{k}" for k in range(32)])


def trained(graphs: PackedGraphs, data: Example, settings: TrainSettings, shape: ModelSettings = SHAPE, **more):
    model = new_model(shape, torch.tensor(feature_table()), data, seed=0)
    return model, train(model, graphs, data, settings, seed=0, **more)


@pytest.mark.parametrize("loss", ["mse", "huber"])
@pytest.mark.parametrize("kind", ["shared", "gated"])
def test_it_learns(graphs: PackedGraphs, data: Example, loss: str, kind: str) -> None:
    settings = replace(QUICK, epochs=60, patience=60, loss=loss)
    model, _ = trained(graphs, data, settings, replace(SHAPE, conv=kind))
    _, error = evaluate(model, graphs, data, data.validation, settings)
    spread = float((data.target[data.validation] - data.target[data.train].mean()).abs().mean())
    assert error < 0.25 * spread


def test_it_learns_classes(graphs: PackedGraphs, data: Example) -> None:
    classes = replace(data, target=(torch.arange(32) < 16).float())
    model, state = trained(graphs, classes, replace(QUICK, epochs=15), replace(SHAPE, kind="classification"))
    assert evaluate(model, graphs, classes, classes.validation, QUICK)[1] == 0
    assert state.history[0]["validation_loss"] < 3


def test_initial_loss_is_that_of_ignorance(graphs: PackedGraphs, data: Example) -> None:
    """About ln 2 for two classes, about the variance, 1, of the scaled target."""
    for kind, expected in (("classification", np.log(2)), ("regression", 1.0)):
        target = (torch.arange(32) < 16).float() if kind == "classification" else data.target
        fresh = replace(data, target=target)
        model = new_model(replace(SHAPE, kind=kind), torch.tensor(feature_table()), fresh, seed=1)
        loss, _ = evaluate(model, graphs, fresh, fresh.train, QUICK)
        assert abs(loss - expected) < 0.5


def test_scale_is_fitted_on_the_training_split_alone(data: Example) -> None:
    changed = data.target.clone()
    changed[data.validation] = 100.0
    for target in (data.target, changed):
        model = new_model(SHAPE, torch.tensor(feature_table()), replace(data, target=target), seed=0)
        torch.testing.assert_close(model.target_mean, data.target[data.train].mean())
        torch.testing.assert_close(model.target_std, data.target[data.train].std())


def test_the_unit_of_the_target_does_not_matter(graphs: PackedGraphs, data: Example) -> None:
    """A power of two changes no other bit, be it as small as those of conductivities in SI units."""
    tiny = replace(data, target=data.target * 2**-40)
    errors = [
        trained(graphs, each, TrainSettings(epochs=5))[1].history[-1]["validation_error"] for each in (data, tiny)
    ]
    assert errors[1] == pytest.approx(errors[0] * 2**-40, rel=1e-5)


def test_equal_targets_have_the_scale_one(data: Example) -> None:
    for value in (0.0, 1e-12, -3.3e7):
        model = new_model(
            SHAPE, torch.tensor(feature_table()), replace(data, target=torch.full_like(data.target, value)), 0
        )
        assert float(model.target_std) == 1


def test_same_seed_same_bits(graphs: PackedGraphs, data: Example) -> None:
    (first, state), (second, again) = trained(graphs, data, QUICK), trained(graphs, data, QUICK)
    assert state.history == again.history
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_resumed_training_equals_an_undisturbed_one(graphs: PackedGraphs, data: Example, tmp_path) -> None:
    """Stopped after each epoch in turn, through a file, with early stopping and best epoch carried over."""
    expected, whole = trained(graphs, data, QUICK)
    for stop in range(1, QUICK.epochs):
        kept = Checkpoint(tmp_path / f"{stop}.safetensors", "this training", every=0)

        def interrupt(state: TrainState, snapshot: object, stop: int = stop) -> None:
            if state.epoch == stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            trained(graphs, data, QUICK, after_epoch=[kept.after_epoch, interrupt])
        model, state = trained(graphs, data, QUICK, state=kept.load())
        assert state.history == whole.history and state.best_epoch == whole.best_epoch
        for name, value in expected.state_dict().items():
            assert torch.equal(value, model.state_dict()[name]), (stop, name)


def test_finished_training_is_not_repeated(graphs: PackedGraphs, data: Example, tmp_path) -> None:
    kept = Checkpoint(tmp_path / "seed.safetensors", "this training", every=1e9)
    expected, _ = trained(graphs, data, QUICK, after_epoch=[kept.after_epoch])
    state = kept.load()
    assert state is not None and state.finished
    model, _ = trained(graphs, data, QUICK, state=state)
    for name, value in expected.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_best_epoch_is_kept(graphs: PackedGraphs, data: Example) -> None:
    model, state = trained(graphs, data, replace(QUICK, epochs=20, patience=20, lr=0.05))
    losses = [entry["validation_loss"] for entry in state.history]
    assert state.best_epoch == int(np.argmin(losses)) + 1
    assert evaluate(model, graphs, data, data.validation, QUICK)[0] == pytest.approx(min(losses), abs=1e-6)


def test_early_stopping(graphs: PackedGraphs, data: Example) -> None:
    _, state = trained(graphs, data, replace(QUICK, epochs=500, patience=3, lr=0.1))
    assert state.epoch == state.best_epoch + 3 < 500


def test_a_loss_that_is_nan_names_the_batch(graphs: PackedGraphs, data: Example) -> None:
    target = data.target.clone()
    culprit = int(data.train[5])
    target[culprit] = float("nan")
    model = new_model(SHAPE, torch.tensor(feature_table()), data, seed=0)
    with pytest.raises(InputError, match=rf"loss is nan in batch \d of epoch 1 .*\bm{culprit}\b.*train\.lr"):
        train(model, graphs, replace(data, target=target), QUICK, seed=0)


def test_a_validation_loss_that_is_not_finite_is_told(graphs: PackedGraphs, data: Example) -> None:
    target = data.target.clone()
    target[data.validation[0]] = float("inf")
    model = new_model(SHAPE, torch.tensor(feature_table()), data, seed=0)
    with pytest.raises(InputError, match=r"validation loss is inf after epoch 1 .*seed 0.*train\.lr"):
        train(model, graphs, replace(data, target=target), QUICK, seed=0)


def test_gradients_are_clipped(graphs: PackedGraphs, data: Example) -> None:
    free, _ = trained(graphs, data, replace(QUICK, epochs=1, gradient_clip=1e9))
    tight, _ = trained(graphs, data, replace(QUICK, epochs=1, gradient_clip=1e-9, lr=0.01, weight_decay=0.0))
    start = new_model(SHAPE, torch.tensor(feature_table()), data, seed=0)
    # AdamW divides by the gradient's size, so a clipped one still moves; its small constant then makes itself felt.
    moved = [(net.head.weight - start.head.weight).abs().max() for net in (free, tight)]
    assert moved[1] < 0.5 * moved[0]


def test_one_cycle_is_torchs() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.03, total_steps=57, cycle_momentum=False)
    for step in range(57):
        assert one_cycle(step, 57, 0.03) == pytest.approx(theirs.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        if step < 56:
            theirs.step()
