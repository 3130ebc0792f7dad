"""Padded batches change nothing, and a step that is recorded and played again is the step."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cgcnn import seeds, training
from cgcnn.checkpoint import Checkpoint
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.model import ModelSettings
from cgcnn.padding import Room, padded
from cgcnn.replay import CudaGraphs
from cgcnn.seeds import OnGpu, Training
from cgcnn.tensors import PackedGraphs
from cgcnn.together import train_together
from cgcnn.training import Example, TrainSettings, TrainState, batches_of, train
from tests.crystals import TEXTBOOK, crystal
from tests.tape import Tape, tapes
from tests.test_together import CRYSTALS, QUICK, SHAPE, SHAPES, InDouble, example, new

TEXTBOOK_GRAPHS = crystal_graphs([crystal(cell) for cell in TEXTBOOK], NeighbourRule(angles=True))
ATTENTION = replace(SHAPE, pool="attention")
STEPS = 18  # of QUICK: 24 crystals in batches of 8, six times
NEAR = {"rel": 1e-6, "abs": 1e-6}  # a recorded learning rate is a float32, another one a float64

__all__ = ["tapes"]


@pytest.fixture(scope="module")
def graphs() -> PackedGraphs:
    return InDouble(CRYSTALS)


def close(found: Tensor, expected: Tensor) -> bool:
    return torch.allclose(found, expected, rtol=1e-9, atol=1e-9)


def outputs_and_gradients(shape: ModelSettings, batch, change: Callable = lambda model: None) -> list[Tensor]:
    """Also the running statistics."""
    (model,) = new(shape, InDouble(CRYSTALS), range(1))
    change(model)
    output = model(batch)
    output.square().sum().backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    return [output, *gradients, *(value for value in model.buffers() if value.is_floating_point())]


@pytest.mark.parametrize("shape", [*SHAPES, ATTENTION], ids=str)
@settings(max_examples=8)
@given(crystals=st.lists(st.integers(0, 3), min_size=1, max_size=5), more=st.tuples(*[st.integers(1, 40)] * 3))
def test_padding_changes_nothing(shape: ModelSettings, crystals: list[int], more: Sequence[int]) -> None:
    """In float64; also for crystals without edges."""
    batch = InDouble(TEXTBOOK_GRAPHS).batch(torch.tensor(crystals))
    room = Room(len(batch.atomic_number) + more[0], len(batch.centre) + more[1] - 1, len(batch.distance) + more[2])
    usual, filled = (outputs_and_gradients(shape, same) for same in (batch, padded(batch, room)))
    assert len(usual) == len(filled)
    assert all(close(found, expected) for found, expected in zip(filled, usual, strict=True))


def test_attention_leaves_out_what_fills_up(graphs: PackedGraphs) -> None:
    """Scores of real sites far below those of the sites that fill up."""

    def far_below(model) -> None:
        model.pool.score.weight.data.fill_(-300.0)

    batch = graphs.batch(torch.arange(5))
    usual, filled = (outputs_and_gradients(ATTENTION, same, far_below) for same in (batch, padded(batch, ROOMY)))
    assert all(close(found, expected) for found, expected in zip(filled, usual, strict=True))


ROOMY = Room(60, 500, 70)


def test_a_padded_batch_has_the_sizes_of_the_room_and_rows_without_gaps(graphs: PackedGraphs) -> None:
    batch = graphs.batch(torch.arange(5))
    found = padded(batch, ROOMY)
    assert (len(found.atomic_number), len(found.centre), len(found.distance)) == ROOMY
    for part, rows in enumerate((found.centre, found.neighbour, found.distance_index)):
        sizes = torch.bincount(rows, minlength=ROOMY.distances if part == 2 else ROOMY.sites)
        start = part * ROOMY.sites
        assert torch.equal(found.first_of_rows[start : start + len(sizes) + 1].diff(), sizes)
        assert torch.equal(rows[found.edges_of_rows[part * ROOMY.edges :][: ROOMY.edges]], rows.sort().values)
        n_real = len(batch.distance if part == 2 else batch.atomic_number)
        assert sizes[n_real:].max() - sizes[n_real:].min() <= 1  # evenly shared


def test_what_a_room_holds(graphs: PackedGraphs) -> None:
    batch = graphs.batch(torch.arange(5))
    sites, edges, distances = len(batch.atomic_number), len(batch.centre), len(batch.distance)
    smallest = Room(sites + 1, edges, distances + 1)
    assert smallest.holds(batch)
    for name in Room._fields:
        assert not smallest._replace(**{name: getattr(smallest, name) - 1}).holds(batch)


def test_a_room_is_as_large_as_nearly_every_batch_needs(graphs: PackedGraphs) -> None:
    everything, generator = torch.arange(32), torch.Generator().manual_seed(0)
    room = Room.of(graphs, everything, 12)
    drawn = torch.stack([graphs.sizes[torch.randperm(32, generator=generator)[:12]].sum(0) for _ in range(300)])
    held = [room.holds(graphs.batch(torch.randperm(32, generator=generator)[:12])) for _ in range(100)]
    assert sum(held) >= 97
    mean, deviation = drawn.double().mean(0), drawn.double().std(0)
    for found, needed, spread in zip(room, mean.tolist(), deviation.tolist(), strict=True):
        rows = 0 if found == room.edges else 1 + 6 * deviation[1] / 32
        assert needed + 2.5 * spread <= found <= needed + 3.5 * spread + rows + 3


def test_edges_that_fill_up_share_many_rows() -> None:
    """Batches of crystals with many edges and with none."""
    graphs = PackedGraphs(crystal_graphs([crystal(cell) for cell in 16 * TEXTBOOK[2:]], NeighbourRule()))
    room, generator = Room.of(graphs, torch.arange(32), 12), torch.Generator().manual_seed(0)
    longest = []
    for _ in range(50):
        batch = graphs.batch(torch.randperm(32, generator=generator)[:12])
        found = padded(batch, room)
        for rows in (found.centre, found.distance_index):
            longest.append(
                torch.bincount(rows[len(batch.centre) :]).max().item() if room.edges > len(batch.centre) else 0
            )
    assert 5 < max(longest) <= 12


def test_a_room_for_all_crystals_fits_exactly(graphs: PackedGraphs) -> None:
    for chosen in (torch.arange(32), torch.tensor([20])):
        sites, edges, distances = graphs.sizes[chosen].sum(0).tolist()
        assert Room.of(graphs, chosen, len(chosen)) == (sites + 1, edges, distances + 1)


def both_ways(graphs: PackedGraphs, learn: Callable[[CudaGraphs | None], list[dict[str, float]]]) -> None:
    """Launched and replayed, a training has one history."""
    launched, replayed = learn(None), learn(CudaGraphs())
    assert len(launched) == len(replayed) > 0
    for once, again in zip(launched, replayed, strict=True):
        assert once == pytest.approx(again, **NEAR)


@pytest.mark.parametrize("shape", [*SHAPES, ATTENTION], ids=str)
def test_a_replayed_training_is_the_training(shape: ModelSettings, graphs: PackedGraphs, tapes: list[Tape]) -> None:
    weights = []

    def learn(recorder: CudaGraphs | None) -> list[dict[str, float]]:
        (model,) = new(shape, graphs, range(1))
        history = train(model, graphs, example(shape.kind), QUICK, 0, recorder=recorder).history
        weights.append(model.state_dict())
        return history

    both_ways(graphs, learn)
    for name, value in weights[0].items():
        assert torch.allclose(weights[1][name], value, rtol=1e-5, atol=1e-6), name
    assert [tape.n_played for tape in tapes] == [STEPS - 3]  # the first three only warm up


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_seeds_together_are_replayed(shape: ModelSettings, graphs: PackedGraphs, tapes: list[Tape]) -> None:
    def learn(recorder: CudaGraphs | None) -> list[dict[str, float]]:
        models, states = new(shape, graphs), [TrainState() for _ in range(3)]
        train_together(models, graphs, example(shape.kind), QUICK, range(3), states, [[], [], []], recorder)
        return [entry for state in states for entry in state.history]

    both_ways(graphs, learn)
    assert [tape.n_played for tape in tapes] == [STEPS - 3]


def learning(graphs: PackedGraphs, settings: TrainSettings, data: Example | None = None) -> Callable:
    def learn(recorder: CudaGraphs | None) -> list[dict[str, float]]:
        (model,) = new(SHAPE, graphs, range(1))
        return train(model, graphs, data or example("regression"), settings, 0, recorder=recorder).history

    return learn


def test_batches_of_two_sizes_have_a_recording_each(graphs: PackedGraphs, tapes: list[Tape]) -> None:
    """24 crystals in five batches: four of five crystals and one of four."""
    both_ways(graphs, learning(graphs, replace(QUICK, batch_size=5)))
    assert sorted(tape.n_played for tape in tapes) == [6 - 3, 4 * 6 - 3]


def test_a_batch_that_is_too_large_takes_the_step_itself(
    graphs: PackedGraphs, tapes: list[Tape], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = example("regression")
    batches = [part for epoch in range(6) for part in batches_of(data, QUICK, 0, epoch)]
    edges = sorted(int(graphs.sizes[part, 1].sum()) for part in batches)
    assert edges[9] < edges[-1]
    monkeypatch.setattr(training.Room, "of", lambda *_: Room(500, edges[9], 500))
    both_ways(graphs, learning(graphs, QUICK, data))
    assert 0 < tapes[0].n_played < STEPS - 3


def test_the_room_is_that_of_training_batches(graphs: PackedGraphs, tapes: list[Tape], monkeypatch) -> None:
    asked = []
    usual = Room.of
    monkeypatch.setattr(training.Room, "of", lambda *given: asked.append(given) or usual(*given))
    data = example("regression")
    learning(graphs, QUICK, data)(CudaGraphs())
    assert len(asked) == 1 and torch.equal(asked[0][1], data.train) and asked[0][2] == 8


def test_distances_that_are_disturbed_are_other_ones_in_each_step(graphs: PackedGraphs, tapes: list[Tape]) -> None:
    both_ways(graphs, learning(graphs, replace(QUICK, distance_noise=0.05, distance_strain=0.02)))
    assert tapes[0].n_played == STEPS - 3


def test_the_learning_rate_is_no_integer_where_the_targets_are(graphs: PackedGraphs, tapes: list[Tape]) -> None:
    data = example("classification")

    def learn(recorder: CudaGraphs | None) -> list[dict[str, float]]:
        (model,) = new(replace(SHAPE, kind="classification"), graphs, range(1))
        whole = replace(data, target=data.target.long())
        return train(model, graphs, whole, QUICK, 0, recorder=recorder).history

    both_ways(graphs, learn)


def test_a_replayed_training_goes_on_from_a_checkpoint(graphs: PackedGraphs, tapes: list[Tape]) -> None:
    kept: list[TrainState] = []

    def keep(state: TrainState, snapshot: Callable[[], TrainState]) -> None:
        kept.append(snapshot())

    ends = []
    for start in (None, 2):
        (model,) = new(SHAPE, graphs, range(1))
        state = None if start is None else kept[start]
        ends.append(train(model, graphs, example("regression"), QUICK, 0, state, [keep], CudaGraphs()).history[-1])
    assert ends[0] == pytest.approx(ends[1], rel=1e-9)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("steps", ["launched", "replayed"])
@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_a_job_on_a_gpu_does_what_it_is_told(
    together: bool, steps: str, precision: str, tapes: list[Tape], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CPU is taken for one."""
    monkeypatch.setattr(Training, "_on_gpu", property(lambda self: True))
    calls = []
    for name in ("train", "train_together"):
        usual = getattr(seeds, name)
        monkeypatch.setattr(seeds, name, lambda *given, usual=usual, name=name: calls.append(name) or usual(*given))
    data = example("regression")
    gpu = OnGpu(seeds="together" if together else "apart", precision=precision, steps=steps)
    work = Training(SHAPE, PackedGraphs(CRYSTALS), replace(data, target=data.target.float()), QUICK, "test", gpu)
    kept = [Checkpoint(tmp_path / f"{seed}", "training", 60) for seed in range(2)]
    assert [seed for seed, *_ in work.trained(range(2), kept, threads=1)] == [0, 1]
    assert calls == (["train_together"] if together else ["train", "train"])
    assert len(tapes) == (len(calls) if steps == "replayed" else 0)
    in_tf32, torch.backends.cuda.matmul.allow_tf32 = torch.backends.cuda.matmul.allow_tf32, False
    assert in_tf32 == (precision == "tf32")
    assert work.trained_with["steps"] == steps and work.trained_with["tf32"] == (precision == "tf32")
