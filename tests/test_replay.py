"""Padded batches change nothing, and a step that is recorded and played again is the step."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cgcnn import training
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.model import ModelSettings
from cgcnn.padding import Room, padded
from cgcnn.tensors import PackedGraphs
from cgcnn.together import can_be_stacked, train_together
from cgcnn.training import TrainState, batches_of, train
from tests.crystals import TEXTBOOK, crystal
from tests.tape import Tapes
from tests.test_together import CRYSTALS, QUICK, SHAPE, SHAPES, InDouble, example, new

TEXTBOOK_GRAPHS = crystal_graphs([crystal(cell) for cell in TEXTBOOK], NeighbourRule(angles=True))


@pytest.fixture(scope="module")
def graphs() -> PackedGraphs:
    return InDouble(CRYSTALS)


def close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return torch.allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shape", [*SHAPES, replace(SHAPE, pool="attention")], ids=str)
@settings(max_examples=8)
@given(crystals=st.lists(st.integers(0, 3), min_size=1, max_size=5), more=st.tuples(*[st.integers(1, 40)] * 3))
def test_padding_changes_nothing(shape: ModelSettings, crystals: list[int], more: Sequence[int]) -> None:
    """Outputs, gradients and running statistics in float64; also of crystals without edges."""
    batch = InDouble(TEXTBOOK_GRAPHS).batch(torch.tensor(crystals))
    room = Room(len(batch.atomic_number) + more[0], len(batch.centre) + more[1] - 1, len(batch.distance) + more[2])
    results = []
    for same in (batch, padded(batch, room)):
        (model,) = new(shape, InDouble(CRYSTALS), range(1))
        output = model(same)
        output.square().sum().backward()
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        results.append([output, *gradients, *(value for value in model.buffers() if value.is_floating_point())])
    assert len(results[0]) == len(results[1])
    assert all(close(found, expected) for found, expected in zip(*results, strict=True))


def test_a_padded_batch_has_the_sizes_of_the_room_and_rows_without_gaps(graphs: PackedGraphs) -> None:
    batch, room = graphs.batch(torch.arange(5)), Room(60, 500, 70)
    found = padded(batch, room)
    assert (len(found.atomic_number), len(found.centre), len(found.distance)) == room
    for part, rows in enumerate((found.centre, found.neighbour, found.distance_index)):
        sizes = torch.bincount(rows, minlength=room.distances if part == 2 else room.sites)
        start = part * room.sites
        first = found.first_of_rows[start : start + len(sizes) + 1]
        assert torch.equal(first.diff(), sizes)
        assert torch.equal(rows[found.edges_of_rows[part * room.edges :][: room.edges]], rows.sort().values)


def test_a_room_holds_nearly_every_batch(graphs: PackedGraphs) -> None:
    everything, generator = torch.arange(len(graphs)), torch.Generator().manual_seed(0)
    room = Room.of(graphs, everything, 12)
    held = [room.holds(graphs.batch(torch.randperm(32, generator=generator)[:12])) for _ in range(200)]
    assert sum(held) >= 195
    assert room.edges < 2 * 12 * graphs.sizes[:, 1].double().mean()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_replayed_training_is_the_training(shape: ModelSettings, graphs: PackedGraphs) -> None:
    """24 crystals in batches of 8 are 18 steps, of which the first three only warm up."""
    states, weights = [], []
    recorder = Tapes()
    for own in (None, recorder):
        (model,) = new(shape, graphs, range(1))
        states.append(train(model, graphs, example(shape.kind), QUICK, 0, recorder=own))
        weights.append(model.state_dict())
    for once, again in zip(states[0].history, states[1].history, strict=True):
        assert once == pytest.approx(again, rel=1e-9, abs=1e-9)
    assert weights[0].keys() == weights[1].keys()
    assert all(close(weights[1][name], value) for name, value in weights[0].items() if value.is_floating_point())
    assert recorder.n_played == 15


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if can_be_stacked(shape)], ids=str)
def test_seeds_together_are_replayed(shape: ModelSettings, graphs: PackedGraphs) -> None:
    histories = []
    recorder = Tapes()
    for own in (None, recorder):
        models, states = new(shape, graphs), [TrainState() for _ in range(3)]
        train_together(models, graphs, example(shape.kind), QUICK, range(3), states, [[], [], []], own)
        histories.append([entry for state in states for entry in state.history])
    for once, again in zip(*histories, strict=True):
        assert once == pytest.approx(again, rel=1e-9, abs=1e-9)
    assert recorder.n_played == 15


def test_batches_of_two_sizes_have_a_recording_each(graphs: PackedGraphs) -> None:
    """24 crystals in five batches: four of five crystals and one of four."""
    fives, recorder, histories = replace(QUICK, batch_size=5), Tapes(), []
    for own in (None, recorder):
        (model,) = new(SHAPE, graphs, range(1))
        histories.append(train(model, graphs, example("regression"), fives, 0, recorder=own).history)
    for once, again in zip(*histories, strict=True):
        assert once == pytest.approx(again, rel=1e-9, abs=1e-9)
    assert recorder.n_played == 5 * 6 - 3 - 3


def test_a_batch_that_is_too_large_takes_the_step_itself(graphs: PackedGraphs, monkeypatch: pytest.MonkeyPatch) -> None:
    data, recorder, histories = example("regression"), Tapes(), []
    batches = [part for epoch in range(6) for part in batches_of(data, QUICK, 0, epoch)]
    edges = sorted(int(graphs.sizes[part, 1].sum()) for part in batches)
    assert edges[9] < edges[-1]
    monkeypatch.setattr(training.Room, "of", lambda *_: Room(500, edges[9], 500))
    for own in (None, recorder):
        (model,) = new(SHAPE, graphs, range(1))
        histories.append(train(model, graphs, data, QUICK, 0, recorder=own).history)
    for once, again in zip(*histories, strict=True):
        assert once == pytest.approx(again, rel=1e-9, abs=1e-9)
    assert 0 < recorder.n_played < 15


def test_distances_that_are_disturbed_are_other_ones_in_each_step(graphs: PackedGraphs) -> None:
    disturbed, recorder, histories = replace(QUICK, distance_noise=0.05, distance_strain=0.02), Tapes(), []
    for own in (None, recorder):
        (model,) = new(SHAPE, graphs, range(1))
        histories.append(train(model, graphs, example("regression"), disturbed, 0, recorder=own).history)
    for once, again in zip(*histories, strict=True):
        assert once == pytest.approx(again, rel=1e-9, abs=1e-9)
    assert recorder.n_played == 15


def test_a_replayed_training_goes_on_from_a_checkpoint(graphs: PackedGraphs) -> None:
    kept: list[TrainState] = []

    def keep(state: TrainState, snapshot) -> None:
        kept.append(snapshot())

    ends = []
    for start in (None, 2):
        (model,) = new(SHAPE, graphs, range(1))
        state = None if start is None else kept[start]
        ends.append(train(model, graphs, example("regression"), QUICK, 0, state, [keep], Tapes()).history[-1])
    assert ends[0] == pytest.approx(ends[1], rel=1e-9)
