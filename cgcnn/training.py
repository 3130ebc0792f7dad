"""The training loop: AdamW under a one-cycle learning rate, best epoch by validation.

Nothing here touches a file. The loop offers its state to injected functions and takes it back to go on; the batches
and the learning rate of an epoch follow from the seed and its number, so that the state is only tensors and counters.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import huber_loss, mse_loss, nll_loss

from cgcnn.augmentation import disturbed
from cgcnn.errors import InputError
from cgcnn.model import CGCNN, ModelSettings
from cgcnn.optimizer import AdamW
from cgcnn.reference import fit_reference, mean_of_elements
from cgcnn.tensors import PackedGraphs

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
        model.target_std.copy_(known.std().clamp(min=1e-6) if len(known) > 1 else torch.ones(()))
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
    after_epoch: Sequence[Callable[[TrainState, Callable[[], TrainState]], None]] = (),
) -> TrainState:
    """Train `model` in place and leave the best epoch's weights in it.

    Args:
        model: from `new_model`, on the device of `graphs`.
        graphs: all crystals that `data` speaks of.
        seed: decides the order of the crystals in each epoch.
        state: where an earlier run stopped; the result is the same, bit for bit on a CPU, as if it had not.
        after_epoch: each is called with the state without tensors, and a function that copies it with them.

    Returns:
        The final state; its history has one entry an epoch: epoch, lr, train_loss, validation_loss, validation_error
        (mean absolute error in the target's unit, or share of wrong classes).

    Raises:
        InputError: the loss became NaN or infinite; the message names the batch's materials.
    """
    optimizer = AdamW(model.parameters(), settings.weight_decay)
    state = state or TrainState()
    if state.tensors:
        _restore(state, model, optimizer)
    loss_function = _loss(model, settings)
    best = {name: value for name, value in state.tensors.items() if name.startswith("best.")}
    n_batches = max(1, round(len(data.train) / settings.batch_size))
    while not state.finished:
        order = _order(data.train, seed, state.epoch)
        losses = []
        model.train()
        targets = data.target[order].tensor_split(n_batches)
        for number, batch in enumerate(graphs.batches(order, n_batches)):
            step = state.epoch * n_batches + number
            lr = one_cycle(step, settings.epochs * n_batches, settings.lr)
            if settings.distance_noise or settings.distance_strain:
                batch = disturbed(batch, settings.distance_noise, settings.distance_strain, seed, step)
            loss = loss_function(model(batch), targets[number])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_clip)
            optimizer.step(lr)
            losses.append(loss.detach())
        train_loss = _finite(torch.stack(losses), order, n_batches, data, state.epoch, seed)
        score, error = evaluate(model, graphs, data, data.validation, settings)
        if not math.isfinite(score):
            raise InputError(
                f"The validation loss is {score} after epoch {state.epoch + 1} (seed {seed}). "
                "Look at the targets of the validation materials, or lower train.lr."
            )
        state.epoch += 1
        state.history.append(
            {
                "epoch": state.epoch,
                "lr": lr,
                "train_loss": train_loss,
                "validation_loss": score,
                "validation_error": error,
            }
        )
        if score < state.best_score:
            state.best_score, state.best_epoch = score, state.epoch
            best = {f"best.{name}": value.clone() for name, value in model.state_dict().items()}
        state.finished = state.epoch >= settings.epochs or state.epoch - state.best_epoch >= settings.patience
        for call in after_epoch:
            call(state, partial(_snapshot, state, model, optimizer, best))
    model.load_state_dict({name.removeprefix("best."): value for name, value in best.items()})
    return state


def evaluate(
    model: CGCNN, graphs: PackedGraphs, data: Example, chosen: Tensor, settings: TrainSettings
) -> tuple[float, float]:
    """Loss, and mean absolute error in the target's unit or share of wrong classes, over all of `chosen`."""
    output = outputs(model, graphs, chosen)
    target = data.target[chosen]
    loss = _loss(model, settings)(output, target)
    predicted = model.prediction(output)
    wrong = (predicted - target).abs() if model.settings.kind == "regression" else (predicted > 0.5) != (target > 0.5)
    return float(loss), float(wrong.float().mean())


def outputs(model: CGCNN, graphs: PackedGraphs, chosen: Tensor) -> Tensor:
    """What the network says of the crystals at positions `chosen`: (len(chosen),) or (len(chosen), 2)."""
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


def _order(train: Tensor, seed: int, epoch: int) -> Tensor:
    """The training crystals in the order of one epoch."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return train[torch.randperm(len(train), generator=generator).to(train.device)]


def _loss(model: CGCNN, settings: TrainSettings) -> Callable[[Tensor, Tensor], Tensor]:
    if model.settings.kind == "classification":
        return lambda output, target: nll_loss(output, target.long())
    regression = mse_loss if settings.loss == "mse" else partial(huber_loss, delta=_HUBER_DELTA)
    return lambda output, target: regression(output, (target - model.target_mean) / model.target_std)


def _finite(losses: Tensor, order: Tensor, n_batches: int, data: Example, epoch: int, seed: int) -> float:
    """Mean loss of an epoch; looked at once an epoch, so that a GPU never waits for the question."""
    if not torch.isfinite(losses).all():
        number = int((~torch.isfinite(losses)).nonzero()[0])
        materials = [data.material_ids[int(k)] for k in order.tensor_split(n_batches)[number]]
        raise InputError(
            f"The loss is {losses[number].item()} in batch {number + 1} of epoch {epoch + 1} (seed {seed}). "
            f"Its materials: {', '.join(materials)}. Look at their targets and structures, or lower train.lr."
        )
    return float(losses.mean())


def _snapshot(state: TrainState, model: CGCNN, optimizer: AdamW, best: Mapping[str, Tensor]) -> TrainState:
    tensors = {f"model.{name}": value.clone() for name, value in model.state_dict().items()} | dict(best)
    tensors |= {f"optimizer.{name}": value for name, value in optimizer.state().items()}
    return replace(state, history=list(state.history), tensors=tensors)


def _restore(state: TrainState, model: CGCNN, optimizer: AdamW) -> None:
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "best": {}}
    for name, value in state.tensors.items():
        part, rest = name.split(".", 1)
        parts[part][rest] = value
    model.load_state_dict(parts["model"])
    optimizer.restore(parts["optimizer"])
