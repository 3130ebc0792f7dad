"""Checks of notebook 3."""

import copy
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from .verdict import Wrong, check, close, has_shape, must, same


@check
def nll(answer: Callable[[Tensor, Tensor], Tensor], *cases: tuple[Tensor, Tensor]) -> None:
    """`answer(logits, classes)`: mean negative log-likelihood of the classes (C,), from logits (C, 2), in nats."""
    first = (torch.tensor([[0.0, 0.0], [2.0, -1.0], [0.5, 1.5]], dtype=torch.float64), torch.tensor([1, 0, 0]))
    huge = (torch.tensor([[900.0, -900.0], [-800.0, 300.0]], dtype=torch.float64), torch.tensor([1, 1]))
    for logits, classes in cases or (first, huge):
        found = torch.as_tensor(answer(logits, classes))
        must(found.shape == (), f"The loss has shape {tuple(found.shape)}: it should be one number.")
        must(
            torch.isfinite(found),
            "The loss is not finite for large logits: exp overflows, or log meets 0. Subtract the largest logit first.",
        )
        log_p = logits.log_softmax(dim=1)
        rows = torch.arange(len(logits))
        each = -log_p[rows, classes]
        mistakes = {
            "The sign is wrong: a likely class costs little.": -each.mean(),
            "This is the sum over the crystals, not the mean.": each.sum(),
            "The softmax is taken twice.": -logits.softmax(dim=1).log_softmax(dim=1)[rows, classes].mean(),
            "This is the loss of the other class.": -log_p[rows, 1 - classes].mean(),
            "The logarithm is missing.": -logits.softmax(dim=1)[rows, classes].mean(),
            "The logarithm is to base 2; nats come from the natural one.": each.mean() / math.log(2),
            "The softmax runs down the crystals; it belongs along the classes, dim=1.": -logits.log_softmax(dim=0)[
                rows, classes
            ].mean(),
            "The softmax is missing: logits are not log-probabilities.": -logits[rows, classes].mean(),
            "Both classes are counted: only the true one is.": -log_p.mean(),
        }
        same(found, each.mean(), mistakes, "The value is not right. Two equal logits must cost ln 2.")


@check
def scale(answer: Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]], *cases: tuple[Tensor, Tensor]) -> None:
    """`answer(target, train)` gives the scaled targets (C,), and the mean and deviation that it used."""
    first = (torch.tensor([1.0, 3.0, 8.0, -20.0, 30.0], dtype=torch.float64), torch.tensor([0, 1, 2]))
    for target, train in cases or (first,):
        found = answer(target, train)
        must(
            isinstance(found, tuple) and len(found) == 3,
            "Return three things: the scaled targets, the mean, the deviation.",
        )
        has_shape(found[0], tuple(target.shape), "one scaled target a crystal, whatever its subset")
        known = target[train]
        mean, deviations = known.mean(), (known.std(), known.std(correction=0))
        mistakes = {
            "The scale is fitted to all targets: those of validation and test must not be looked at.": (
                target - target.mean()
            )
            / target.std(),
            "The scale is fitted to all targets: those of validation and test must not be looked at. ": (
                target - target.mean()
            )
            / target.std(correction=0),
            "The mean is not subtracted.": target / known.std(),
            "The mean is not subtracted. ": target / known.std(correction=0),
            "The targets are divided by the variance; its root is the deviation.": (target - mean) / known.var(),
            "The targets are not divided by their deviation.": target - mean,
            "This scales from 0 to 1; here the mean becomes 0 and the deviation 1.": (target - known.min())
            / (known.max() - known.min()),
        }
        if not any(close(found[0], (target - mean) / deviation) for deviation in deviations):
            same(found[0], (target - mean) / deviations[0], mistakes, "The scaled targets are not right.")
        must(close(found[1], mean), "The scaled targets are right, the mean that is returned is not the one used.")
        must(
            any(close(found[2], d) for d in deviations),
            "The scaled targets are right, the deviation that is returned is not the one used.",
        )


class Watched(nn.Module):
    """A small network that remembers in which mode it was asked. It takes (C, 3) and gives (C,)."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(3, 1).double()
        self.modes: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.modes.append(self.training)
        return self.line(x).squeeze(1)


@check
def train_step(answer: Callable[..., float], *cases: tuple[Tensor, Tensor, int]) -> None:
    """`answer(model, optimizer, batch, target)` does a step on the mean squared error; gives the loss before it."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(8, 3, generator=generator, dtype=torch.float64)
    for batch, target, seed in cases or ((x, x.sum(dim=1) + 1, 0),):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = Watched()
        model.eval()
        twin = copy.deepcopy(model)
        optimizer, other = (torch.optim.SGD(net.parameters(), lr=0.05) for net in (model, twin))
        start = copy.deepcopy(model.state_dict())
        for number in range(3):
            loss = ((twin.line(batch).squeeze(1) - target) ** 2).mean()
            before = {name: value.clone() for name, value in model.state_dict().items()}
            found = answer(model, optimizer, batch, target)
            must(found is not None, "Nothing is returned: return the loss.")
            moved = any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())
            must(moved, "The weights did not move: is there a backward pass, and then a step of the optimizer?")
            must(
                model.modes and model.modes[-1],
                "The network is in evaluation mode: switch it to training first, batch norms and dropout depend on it.",
            )
            other.zero_grad()
            loss.backward()
            other.step()
            right = all(close(value, twin.state_dict()[name]) for name, value in model.state_dict().items())
            if not right:
                must(
                    number == 0,
                    "The first step is right, a later one is not: the gradients of the step before are still there.",
                )
                up = {n: 2 * start[n] - v for n, v in twin.state_dict().items()}
                must(
                    not all(close(v, up[n]) for n, v in model.state_dict().items()),
                    "The loss goes up: the sign is wrong.",
                )
                n = len(target)
                summed = {k: start[k] + n * (v - start[k]) for k, v in twin.state_dict().items()}
                must(
                    not all(close(v, summed[k]) for k, v in model.state_dict().items()),
                    "The step is too large: the loss is the mean over the batch, not the sum.",
                )
                raise Wrong("The step is not that of the mean squared error.")
            must(
                not isinstance(found, Tensor) or not found.requires_grad,
                "The loss that is returned carries its graph along: return a number, `loss.item()`.",
            )
            must(
                close(found, float(loss.detach())),
                "The weights are right, the loss that is returned is not the mean squared error before the step.",
            )


@check
def mean_absolute_error(answer: Callable[..., float], *cases: tuple[Tensor, Tensor, float, float]) -> None:
    """`answer(output, target, mean, std)`: in the target's unit, for outputs (C,) on the scale of training."""
    first = (
        torch.tensor([0.5, -1.0, 0.2], dtype=torch.float64),
        torch.tensor([-2.0, -3.5, -2.4], dtype=torch.float64),
        -2.5,
        0.5,
    )
    for output, target, mean, std in cases or (first,):
        found = answer(output, target, mean, std)
        gap = output * std + mean - target
        mistakes = {
            "Output and target are on different scales: the output is scaled, the target is in eV/atom.": (
                output - target
            )
            .abs()
            .mean(),
            "The error is on the scale of training: a reader wants eV/atom.": gap.abs().mean() / std,
            "The mean is not added back.": (output * std - target).abs().mean(),
            "The deviation is not multiplied back.": (output + mean - target).abs().mean(),
            "Errors of both signs cancel: take absolute values before the mean.": gap.mean(),
            "Errors of both signs cancel: take absolute values before the mean. ": gap.mean().abs(),
            "This is the mean squared error.": (gap**2).mean(),
            "This is the root mean squared error.": (gap**2).mean().sqrt(),
            "This is the sum, not the mean.": gap.abs().sum(),
            "This is the median, not the mean.": gap.abs().median(),
        }
        same(
            torch.as_tensor(found),
            gap.abs().mean(),
            mistakes,
            "The value is not right: scale back, subtract, absolute value, mean.",
        )


@check
def best_epoch(
    answer: Callable[[Sequence[Mapping[str, float]]], int], *histories: Sequence[Mapping[str, float]]
) -> None:
    """`answer(history)`: the epoch, counted from 1, whose weights to keep."""
    losses = [(1.0, 1.1), (0.5, 0.4), (0.3, 0.2), (0.1, 0.25), (0.15, 0.6)]
    first = [{"epoch": k + 1, "train_loss": a, "validation_loss": b} for k, (a, b) in enumerate(losses)]
    for history in histories or (first,):
        found = answer(history)
        validation = [entry["validation_loss"] for entry in history]
        expected = int(np.argmin(validation)) + 1
        if found == expected:
            continue
        must(
            found != int(np.argmin([e["train_loss"] for e in history])) + 1,
            "That epoch has the best training loss: a network that learns by heart is best there, too.",
        )
        must(found != expected - 1, "One too few: epochs are counted from 1.")
        must(found != len(history), "That is the last epoch. Did the validation loss fall until then?")
        must(found != int(np.argmax(validation)) + 1, "That epoch has the highest validation loss.")
        raise Wrong(
            f"Epoch {found} it is not: look for the lowest validation loss, the first one if there are several."
        )


@check
def mean_and_spread(answer: Callable[[Sequence[float]], tuple[float, float]], *cases: Sequence[float]) -> None:
    """`answer(errors)`: mean and standard deviation, n - 1 below, of the errors of several seeds."""
    for errors in cases or ([0.10, 0.13, 0.07],):
        found = answer(errors)
        must(isinstance(found, tuple | list) and len(found) == 2, "Return two numbers: mean and spread.")
        must(close(found[0], np.mean(errors)), "The mean is not right.")
        sample, n = np.std(errors, ddof=1), len(errors)
        mistakes = {
            "The spread is divided by n: of so few seeds n - 1 is wanted.": np.std(errors),
            "This is the error of the mean; asked is how far the seeds lie apart.": sample / np.sqrt(n),
            "This is the variance; its root is wanted.": sample**2,
            "This is the range.": np.ptp(errors),
        }
        same(found[1], sample, mistakes, "The mean is right, the spread is not.")
