"""Answers to notebook 3."""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, nll_loss

from tests.homework.zoo import right, wrong


@right("nll")
def by_torch(logits, classes):
    return cross_entropy(logits, classes)


@wrong("nll", "twice")
def softmax_twice(logits, classes):
    return cross_entropy(logits.softmax(dim=1), classes)


@wrong("nll", "softmax is missing")
def logits_for_log_probabilities(logits, classes):
    return nll_loss(logits, classes)


@wrong("nll", "not the mean")
def sum_for_mean(logits, classes):
    return cross_entropy(logits, classes, reduction="sum")


@wrong("nll", "sign")
def sign_lost(logits, classes):
    return -cross_entropy(logits, classes)


@wrong("nll", "logarithm is missing")
def probability_for_its_logarithm(logits, classes):
    return nll_loss(logits.softmax(dim=1), classes)


@wrong("nll", "other class")
def other_class(logits, classes):
    return cross_entropy(logits, 1 - classes)


@wrong("nll", "down the crystals")
def softmax_over_crystals(logits, classes):
    return nll_loss(logits.log_softmax(dim=0), classes)


@wrong("nll", "not finite")
def overflows(logits, classes):
    p = torch.exp(logits) / torch.exp(logits).sum(dim=1, keepdim=True)
    return -torch.log(p[torch.arange(len(p)), classes]).mean()


@right("scale")
def by_n(target, train):
    mean, deviation = target[train].mean(), target[train].std(correction=0)
    return (target - mean) / deviation, mean, deviation


@wrong("scale", "must not be looked at")
def fitted_to_all(target, train):
    return (target - target.mean()) / target.std(), target.mean(), target.std()


@wrong("scale", "variance")
def divides_by_the_variance(target, train):
    mean, variance = target[train].mean(), target[train].var()
    return (target - mean) / variance, mean, variance


@wrong("scale", "not subtracted")
def keeps_the_mean(target, train):
    return target / target[train].std(), target[train].mean(), target[train].std()


@wrong("scale", "one scaled target a crystal")
def training_targets_alone(target, train):
    known = target[train]
    return (known - known.mean()) / known.std(), known.mean(), known.std()


def step(model, optimizer, batch, target, clear=True, mode=True, move=True, loss=nn.functional.mse_loss, give=float):
    if mode:
        model.train()
    value = loss(model(batch), target)
    if clear:
        optimizer.zero_grad()
    value.backward()
    if move:
        optimizer.step()
    return give(value.detach())


@right("train_step")
def clearing_at_the_end(model, optimizer, batch, target):
    model.train()
    loss = torch.mean((target - model(batch)) ** 2)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return float(loss)


@wrong("train_step", "gradients of the step before")
def gradients_never_cleared(*arguments):
    return step(*arguments, clear=False)


@wrong("train_step", "did not move")
def no_optimizer_step(*arguments):
    return step(*arguments, move=False)


@wrong("train_step", "evaluation mode")
def never_in_training_mode(*arguments):
    return step(*arguments, mode=False)


@wrong("train_step", "mean over the batch")
def summed_loss(*arguments):
    return step(*arguments, loss=nn.MSELoss(reduction="sum"))


@wrong("train_step", "not that of the mean squared")
def absolute_loss(*arguments):
    return step(*arguments, loss=nn.functional.l1_loss)


@wrong("train_step", "Nothing is returned")
def returns_nothing(*arguments):
    step(*arguments)


@wrong("train_step", "goes up")
def climbs(*arguments):
    return step(*arguments, loss=lambda a, b: -nn.functional.mse_loss(a, b))


@right("mean_absolute_error")
def scaling_the_target(output, target, mean, deviation):
    return float(deviation * torch.nn.functional.l1_loss(output, (target - mean) / deviation))


@wrong("mean_absolute_error", "different scales")
def two_scales(output, target, mean, deviation):
    return (output - target).abs().mean()


@wrong("mean_absolute_error", "scale of training")
def error_without_unit(output, target, mean, deviation):
    return (output - (target - mean) / deviation).abs().mean()


@wrong("mean_absolute_error", "cancel")
def signs_cancel(output, target, mean, deviation):
    return (output * deviation + mean - target).mean()


@wrong("mean_absolute_error", "squared")
def root_mean_square(output, target, mean, deviation):
    return ((output * deviation + mean - target) ** 2).mean().sqrt()


@right("best_epoch")
def with_argmin(history):
    return 1 + int(np.argmin([entry["validation_loss"] for entry in history]))


@wrong("best_epoch", "training loss")
def best_on_training(history):
    return min(history, key=lambda entry: entry["train_loss"])["epoch"]


@wrong("best_epoch", "counted from 1")
def counts_from_zero(history):
    return with_argmin(history) - 1


@wrong("best_epoch", "last epoch")
def last_epoch(history):
    return next((e["epoch"] for e in reversed(history)), 0)


@right("mean_and_spread")
def with_statistics(errors):
    import statistics

    return statistics.fmean(errors), statistics.stdev(errors)


@wrong("mean_and_spread", "divided by n")
def population_deviation(errors):
    return np.mean(errors), np.std(errors)


@wrong("mean_and_spread", "error of the mean")
def error_of_the_mean(errors):
    return np.mean(errors), np.std(errors, ddof=1) / np.sqrt(len(errors))


@wrong("mean_and_spread", "mean is not right")
def median_for_mean(errors):
    return np.median(errors) + 0.001, np.std(errors, ddof=1)
