"""Training on a device other than the CPU, without one: torch's "meta" tensors have shapes and no numbers.

So an operation is found that mixes devices, and so is a question that would have a GPU wait for its answer.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cgcnn import together, training
from cgcnn.element_numbers import atom_features
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.model import CGCNN, ModelSettings
from cgcnn.replay import CudaGraphs
from cgcnn.tensors import PackedGraphs
from cgcnn.together import can_be_stacked, train_together
from cgcnn.training import Example, TrainSettings, TrainState, new_model, train
from tests.crystals import crystal, cubic_perovskite, rock_salt

CELLS = [cubic_perovskite(3.6 + 0.03 * k) for k in range(16)] + [rock_salt(5.0 + 0.05 * k) for k in range(16)]
CRYSTALS = crystal_graphs([crystal(cell) for cell in CELLS], NeighbourRule(angles=True))
SETTINGS = TrainSettings(epochs=1, batch_size=10)
FIRST, VALIDATION = torch.arange(20), torch.arange(20, 32)
GATED = ModelSettings("gated", "regression", n_conv=2)
SHAPES = [
    replace(GATED, conv=conv, kind=kind)
    for conv, kind in product(("none", "shared", "gated"), ("regression", "classification"))
]
SHAPES += [
    replace(GATED, **own)
    for own in (
        {"pool": "sum"},
        {"pool": "attention"},
        {"smooth_cutoff": 0.1},
        {"shared_shell": 0.1},
        {"angles": True},
        {"element_numbers": True},
        {"element_reference": True},
    )
]


class NothingMixed(TorchDispatchMode):
    """Fails at an operation on tensors of two devices, and counts those that compute there."""

    n_operations = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        devices = {each.device.type for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)}
        assert len(devices) < 2, f"{operation} on tensors of {devices}"
        self.n_operations += "meta" in devices and not operation.is_view
        if operation is torch.ops.aten._fused_adamw_.tensor_lr and "meta" in devices:
            return None  # torch has it for a CPU and for a GPU, but not for meta tensors
        return operation(*args, **(kwargs or {}))


class Calls(CudaGraphs):
    """Only calls."""

    def __init__(self) -> None:
        pass

    def warm_up(self, call: Callable[[], Tensor]) -> Tensor:
        return call()

    def record(self, call: Callable[[], Tensor]) -> Callable[[], Tensor]:
        return call


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> PackedGraphs:
    """There, with answers to what may be asked once an epoch: sizes of batches and of a room, losses and scores."""

    def sizes(self: Tensor) -> Any:
        if self.is_meta:
            return [80, 500, 90, 100] if self.ndim == 1 else [[40, 200, 30]] * len(self)
        return on_cpu(self)

    on_cpu = Tensor.tolist
    monkeypatch.setattr(Tensor, "tolist", sizes)
    for module in (training, together):
        monkeypatch.setattr(module, "mean_loss", lambda *_: 0.5)
        monkeypatch.setattr(module, "scores", lambda *_: (0.5, 0.5))
    packed = PackedGraphs(CRYSTALS)
    for name, value in vars(packed).items():
        setattr(packed, name, value.to("meta"))
    return packed


def networks(shape: ModelSettings, n: int) -> tuple[list[CGCNN], Example]:
    """Of so many seeds, there; and the targets, there."""
    here = Example(torch.arange(32) % 2.0, FIRST, VALIDATION, [str(k) for k in range(32)])
    features = torch.tensor(atom_features(shape.element_numbers))
    found = [new_model(shape, features, here, seed, PackedGraphs(CRYSTALS)).to("meta") for seed in range(n)]
    target, first, validation = (each.to("meta") for each in (here.target, here.train, here.validation))
    return found, Example(target, first, validation, here.material_ids)


@pytest.mark.parametrize("recorder", [None, Calls()], ids=["launched", "replayed"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_seed_alone(shape: ModelSettings, recorder: Calls | None, graphs: PackedGraphs) -> None:
    (model,), data = networks(shape, 1)
    with NothingMixed():
        state = train(model, graphs, data, SETTINGS, seed=0, recorder=recorder)
    assert state.epoch == 1


def test_disturbed_distances(graphs: PackedGraphs) -> None:
    (model,), data = networks(GATED, 1)
    with NothingMixed():
        state = train(model, graphs, data, replace(SETTINGS, distance_noise=0.1, distance_strain=0.1), seed=0)
    assert state.epoch == 1


@pytest.mark.parametrize("recorder", [None, Calls()], ids=["launched", "replayed"])
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if can_be_stacked(shape)], ids=str)
def test_seeds_together(shape: ModelSettings, recorder: Calls | None, graphs: PackedGraphs) -> None:
    models, data = networks(shape, 3)
    states = [TrainState() for _ in models]
    with NothingMixed():
        train_together(models, graphs, data, SETTINGS, range(3), states, [[], [], []], recorder)
    assert [state.epoch for state in states] == [1, 1, 1]


def test_an_epoch_of_five_seeds_together_has_no_more_operations_than_one_of_one_seed(graphs: PackedGraphs) -> None:
    def of_an_epoch(n: int) -> int:
        counts = []
        for epochs in (1, 2):
            models, data = networks(GATED, n)
            settings, states = replace(SETTINGS, epochs=epochs), [TrainState() for _ in models]
            with NothingMixed() as mode:
                if n == 1:
                    train(models[0], graphs, data, settings, seed=0)
                else:
                    train_together(models, graphs, data, settings, range(n), states, [[] for _ in models])
            counts.append(mode.n_operations)
        return counts[1] - counts[0]

    assert 100 < of_an_epoch(5) <= of_an_epoch(1)


@pytest.mark.parametrize(
    "question",
    [
        lambda loss: float(loss.detach()),
        lambda loss: bool(loss > 1),
        lambda loss: loss.cpu(),
        lambda loss: (loss > 1).nonzero(),
        lambda loss: loss + torch.zeros(1),
    ],
)
def test_a_question_or_a_mixture_would_be_found(
    question: Callable[[Tensor], object], graphs: PackedGraphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    (model,), data = networks(GATED, 1)
    usual = training.loss_function

    def asking(*settings: Any) -> Callable[[Tensor, Tensor], Tensor]:
        loss_of = usual(*settings)

        def loss(output: Tensor, target: Tensor) -> Tensor:
            found = loss_of(output, target)
            question(found)
            return found

        return loss

    monkeypatch.setattr(training, "loss_function", asking)
    with pytest.raises((RuntimeError, NotImplementedError, AssertionError)), NothingMixed():
        train(model, graphs, data, SETTINGS, seed=0)
