"""The training loop: AdamW under a one-cycle learning rate, best epoch by validation.

Nothing here touches a file. The loop offers its state to injected functions and takes it back to go on; the batches
and the learning rate of an epoch follow from the seed and its number, so that the state is only tensors and counters.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import huber_loss, mse_loss, nll_loss

from cgcnn.augmentation import disturbed
from cgcnn.errors import InputError
from cgcnn.model import CGCNN, ModelSettings
from cgcnn.optimizer import AdamW
from cgcnn.padding import Room
from cgcnn.reference import fit_reference, mean_of_elements
from cgcnn.replay import CudaGraphs, Replayed, Step
from cgcnn.tensors import Batch, PackedGraphs

_ONE_CYCLE_WARM_UP = 0.3  # share of the steps in which the rate rises
_ONE_CYCLE_START = 1 / 25  # of the peak rate
_ONE_CYCLE_END = 1e-4  # of the start rate
_HUBER_DELTA = 0.1  # standard deviations of the target; at 1 hardly an error is large, and Huber's loss the squared one
_EVALUATION_BATCH = 256  # crystals, few enough for a processor's cache; results do not depend on it


@dataclass(frozen=True)
class TrainSettings:
    """How one network is trained."""

    epochs: int = 100
    batch_size: int = 128  # crystals
    lr: float = 0.02  # peak of the one-cycle schedule
    weight_decay: float = 0.01
    loss: str = "huber"  # on scaled targets: huber, linear beyond 0.1, or mse; a classification always has nll
    gradient_clip: float = 10.0  # largest norm of the gradient
    patience: int = 50  # epochs without a better validation score before it stops
    distance_noise: float = 0.0  # Å, see augmentation.py
    distance_strain: float = 0.0


@dataclass(frozen=True)
class Example:
    """What to learn: which crystals belong to which subset, and their targets."""

    target: Tensor  # (C,) float, in its unit; 1.0 or 0.0 for a class
    train: Tensor  # positions of crystals, int64
    validation: Tensor
    material_ids: Sequence[str]


@dataclass
class TrainState:
    """All that is needed to go on from the end of an epoch."""

    epoch: int = 0  # epochs done
    best_epoch: int = 0
    best_score: float = math.inf  # validation loss
    finished: bool = False
    history: list[dict[str, float]] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)  # model.*, best.*, optimizer.*


#: Called after every epoch with the state without tensors, and a function that copies it with them.
AfterEpoch = Callable[[TrainState, Callable[[], TrainState]], None]


def new_model(
    settings: ModelSettings, atom_features: Tensor, data: Example, seed: int, graphs: PackedGraphs | None = None
) -> CGCNN:
    """A fresh network with weights drawn from `seed`, its target scale fitted on the training split alone.

    `graphs` are those that `data` speaks of; only an element reference needs them.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CGCNN(settings, atom_features)
    if settings.kind == "regression":
        known = data.target[data.train]
        model.target_mean.copy_(known.mean())
        if settings.element_reference:
            assert graphs is not None
            reference = fit_reference(graphs, data.train, known - known.mean())
            known = known - mean_of_elements(reference, graphs, data.train)
        deviation = known.std() if len(known) > 1 else torch.zeros(())
        # Against the targets themselves, for their unit may be tiny; less is the rounding of equal ones.
        varies = deviation > 1e-6 * data.target[data.train].abs().max()
        model.target_std.copy_(torch.where(varies, deviation, 1.0))
        if settings.element_reference:
            model.element_reference.copy_(reference / model.target_std)
    return model.to(data.target.device)


def train(
    model: CGCNN,
    graphs: PackedGraphs,
    data: Example,
    settings: TrainSettings,
    seed: int,
    state: TrainState | None = None,
    after_epoch: Sequence[AfterEpoch] = (),
    recorder: CudaGraphs | None = None,
) -> TrainState:
    """Train `model` in place and leave the best epoch's weights in it.

    Args:
        model: from `new_model`, on the device of `graphs`.
        graphs: all crystals that `data` speaks of.
        seed: decides the order of the crystals in each epoch.
        state: where an earlier run stopped; the result is the same, bit for bit on a CPU, as if it had not.
        after_epoch: what is called then.
        recorder: where given, steps are recorded and replayed, see replay.py.

    Returns:
        The final state; its history has one entry an epoch: epoch, lr, train_loss, validation_loss, validation_error
        (mean absolute error in the target's unit, or share of wrong classes).

    Raises:
        InputError: the loss became NaN or infinite; the message names the batch's materials.
    """
    optimizer = AdamW(model.parameters(), settings.weight_decay)
    state = state or TrainState()
    best = tensors_of(state, "best")
    if state.tensors:
        model.load_state_dict(tensors_of(state, "model"))
        optimizer.restore(tensors_of(state, "optimizer"))
    loss_of = loss_function(model.settings.kind, model.target_mean, model.target_std, settings)

    def launched(batch: Batch, target: Tensor, lr: float | Tensor) -> Tensor:
        loss = loss_of(model(batch), target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_clip)
        optimizer.step(lr)
        return loss.detach()

    step = replayed(launched, recorder, graphs, data, settings)
    while not state.finished:
        losses = []
        model.train()
        for batch, target, lr in steps(graphs, data, settings, seed, state.epoch):
            losses.append(step(batch, target, lr))
        batches = batches_of(data, settings, seed, state.epoch)
        train_loss = mean_loss(torch.stack(losses), batches, data, state.epoch, seed)
        if record(state, lr, train_loss, *evaluate(model, graphs, data, data.validation, settings), settings, seed):
            best = {name: value.clone() for name, value in model.state_dict().items()}
        for call in after_epoch:
            call(state, partial(_snapshot, state, model, optimizer, best))
    model.load_state_dict(best)
    return state


def steps(
    graphs: PackedGraphs, data: Example, settings: TrainSettings, seed: int, epoch: int
) -> Iterator[tuple[Batch, Tensor, float]]:
    """Batch, its targets and the learning rate of each step of an epoch."""
    parts = batches_of(data, settings, seed, epoch)
    targets = data.target[torch.cat(parts)].tensor_split(len(parts))
    for number, batch in enumerate(graphs.batches(torch.cat(parts), len(parts))):
        step = epoch * len(parts) + number
        if settings.distance_noise or settings.distance_strain:
            batch = disturbed(batch, settings.distance_noise, settings.distance_strain, seed, step)
        yield batch, targets[number], one_cycle(step, settings.epochs * len(parts), settings.lr)


def replayed(
    step: Step, recorder: CudaGraphs | None, graphs: PackedGraphs, data: Example, settings: TrainSettings
) -> Step:
    """The step as it is, or recorded and replayed."""
    if recorder is None or not len(data.train):
        return step
    largest = len(batches_of(data, settings, 0, 0)[0])
    return Replayed(step, Room.of(graphs, data.train, largest), recorder)


def record(
    state: TrainState, lr: float, train_loss: float, score: float, error: float, settings: TrainSettings, seed: int
) -> bool:
    """Count an epoch in `state`. Whether it is the best one so far.

    Raises:
        InputError: the validation loss is not finite.
    """
    if not math.isfinite(score):
        raise InputError(
            f"The validation loss is {score} after epoch {state.epoch + 1} (seed {seed}). "
            "Look at the targets of the validation materials, or lower train.lr."
        )
    state.epoch += 1
    of_epoch = {"train_loss": train_loss, "validation_loss": score, "validation_error": error}
    state.history.append({"epoch": state.epoch, "lr": lr, **of_epoch})
    is_best = score < state.best_score
    if is_best:
        state.best_score, state.best_epoch = score, state.epoch
    state.finished = state.epoch >= settings.epochs or state.epoch - state.best_epoch >= settings.patience
    return is_best


def evaluate(
    model: CGCNN, graphs: PackedGraphs, data: Example, chosen: Tensor, settings: TrainSettings
) -> tuple[float, float]:
    """Loss, and mean absolute error in the target's unit or share of wrong classes, over all of `chosen`."""
    return scores(model, outputs(model, graphs, chosen), data.target[chosen], settings)


def scores(model: CGCNN, output: Tensor, target: Tensor, settings: TrainSettings) -> tuple[float, float]:
    """The two of `evaluate`, of a network's output and the targets (C,) of the same crystals."""
    loss = loss_function(model.settings.kind, model.target_mean, model.target_std, settings)(output, target)
    predicted = model.prediction(output)
    wrong = (predicted - target).abs() if model.settings.kind == "regression" else (predicted > 0.5) != (target > 0.5)
    return float(loss), float(wrong.float().mean())


def outputs(model: torch.nn.Module, graphs: PackedGraphs, chosen: Tensor) -> Tensor:
    """What a network says of the crystals at positions `chosen`: (len(chosen),) or (len(chosen), 2)."""
    model.eval()
    n_batches = max(1, math.ceil(len(chosen) / _EVALUATION_BATCH))
    with torch.inference_mode():
        return torch.cat([model(batch) for batch in graphs.batches(chosen, n_batches)])


def one_cycle(step: int, n_steps: int, peak: float) -> float:
    """Learning rate at `step` of `n_steps`: up to `peak` and down again along cosines (Smith & Topin 2018)."""
    start, turn = peak * _ONE_CYCLE_START, _ONE_CYCLE_WARM_UP * n_steps - 1
    if step <= turn:
        low, high, progress = start, peak, step / turn
    else:
        low, high, progress = start * _ONE_CYCLE_END, peak, 1 - (step - turn) / max(1.0, n_steps - 1 - turn)
    return low + (high - low) * (1 - math.cos(math.pi * progress)) / 2


def batches_of(data: Example, settings: TrainSettings, seed: int, epoch: int) -> tuple[Tensor, ...]:
    """The training crystals of each batch of one epoch."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    order = data.train[torch.randperm(len(data.train), generator=generator).to(data.train.device)]
    return order.tensor_split(max(1, round(len(order) / settings.batch_size)))


def loss_function(
    kind: str, mean: Tensor, deviation: Tensor, settings: TrainSettings
) -> Callable[[Tensor, Tensor], Tensor]:
    """(output, target (C,)) -> mean loss, of targets with this mean and standard deviation."""
    if kind == "classification":
        return lambda output, target: nll_loss(output, target.long())
    regression = mse_loss if settings.loss == "mse" else partial(huber_loss, delta=_HUBER_DELTA)
    return lambda output, target: regression(output, (target - mean) / deviation)


def mean_loss(losses: Tensor, batches: Sequence[Tensor], data: Example, epoch: int, seed: int) -> float:
    """Mean of the losses of an epoch's steps; looked at once an epoch, so that a GPU never waits for the question.

    Raises:
        InputError: one is not finite; the message names the batch's materials.
    """
    if not torch.isfinite(losses).all():
        number = int((~torch.isfinite(losses)).nonzero()[0])
        materials = [data.material_ids[int(k)] for k in batches[number]]
        raise InputError(
            f"The loss is {losses[number].item()} in batch {number + 1} of epoch {epoch + 1} (seed {seed}). "
            f"Its materials: {', '.join(materials)}. Look at their targets and structures, or lower train.lr."
        )
    return float(losses.mean())


def tensors_of(state: TrainState, part: str) -> dict[str, Tensor]:
    """Those of its `model`, `best` or `optimizer`, by their names there."""
    return {
        name.removeprefix(f"{part}."): value for name, value in state.tensors.items() if name.startswith(f"{part}.")
    }


def _snapshot(state: TrainState, model: CGCNN, optimizer: AdamW, best: Mapping[str, Tensor]) -> TrainState:
    current = {name: value.clone() for name, value in model.state_dict().items()}
    return copy_with(state, current, best, optimizer.state())


def copy_with(
    state: TrainState, model: Mapping[str, Tensor], best: Mapping[str, Tensor], optimizer: Mapping[str, Tensor]
) -> TrainState:
    """A copy of `state` that holds these tensors, too."""
    parts = {"model": model, "best": best, "optimizer": optimizer}
    tensors = {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}
    return replace(state, history=list(state.history), tensors=tensors)
