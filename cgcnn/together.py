"""Seeds trained together, for a GPU: networks of one shape, computed as one that is as wide as all of them.

The features of all networks stand side by side in a row, and matrices have zeros where two networks would meet; what a
convolution does with rows is the same for rows of any width. A GPU that waits for the next small piece of work most of
the time takes little longer for the wide network than for one of its parts.

Each seed gets what it would get alone, to rounding, from the same batches: all take those of the first seed. But zero
times infinity is not a number: where one network diverges, all do.
Shapes: S networks, P parameters of each, W of the wide one, C crystals.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from cgcnn.model import CGCNN, ModelSettings
from cgcnn.optimizer import AdamW
from cgcnn.replay import CudaGraphs
from cgcnn.tensors import Batch, PackedGraphs
from cgcnn.training import (
    AfterEpoch,
    Example,
    TrainSettings,
    TrainState,
    batches_of,
    copy_with,
    loss_function,
    mean_loss,
    outputs,
    record,
    replayed,
    scores,
    steps,
    tensors_of,
)


def can_be_stacked(settings: ModelSettings) -> bool:
    """Whether networks of this shape can be computed as one: attention weighs all features of a site alike."""
    return settings.pool != "attention"


def train_together(
    models: Sequence[CGCNN],
    graphs: PackedGraphs,
    data: Example,
    settings: TrainSettings,
    seeds: Sequence[int],
    states: Sequence[TrainState],
    after_epoch: Sequence[Sequence[AfterEpoch]],
    recorder: CudaGraphs | None = None,
) -> None:
    """`training.train` for several seeds at once; models and states change in place.

    Args:
        models, seeds, states, after_epoch: of each seed. The states are at the same epoch.
        recorder: as for `training.train`.

    Raises:
        InputError: as `training.train`.
    """
    for model, state in zip(models, states, strict=True):
        if state.tensors:
            model.load_state_dict(tensors_of(state, "model"))
    stack, best = Stack(models), [tensors_of(state, "best") for state in states]
    optimizer = AdamW([stack.weights], settings.weight_decay)
    if states[0].tensors:
        optimizer.restore(stack.joined([tensors_of(state, "optimizer") for state in states]))
    scale = models[0].target_mean, models[0].target_std
    losses_of = vmap(loss_function(models[0].settings.kind, *scale, settings), in_dims=(1, None))

    def launched(batch: Batch, target: Tensor, lr: float | Tensor) -> Tensor:
        loss = losses_of(stack(batch), target)  # (S,)
        loss.sum().backward()
        stack.clip_gradients(settings.gradient_clip)
        optimizer.step(lr)
        return loss.detach()

    step = replayed(launched, recorder, graphs, data, settings)
    while not all(state.finished for state in states):
        epoch, losses = max(state.epoch for state in states), []
        stack.train()
        for batch, target, lr in steps(graphs, data, settings, seeds[0], epoch):
            losses.append(step(batch, target, lr))
        batches = batches_of(data, settings, seeds[0], epoch)
        output, target = outputs(stack, graphs, data.validation), data.target[data.validation]
        for k, (seed, state) in enumerate(zip(seeds, states, strict=True)):
            if not state.finished:
                train_loss = mean_loss(torch.stack(losses)[:, k], batches, data, epoch, seed)
                if record(state, lr, train_loss, *scores(models[k], output[:, k], target, settings), settings, seed):
                    best[k] = stack.state_dict_of(k)
                for call in after_epoch[k]:
                    call(state, partial(_snapshot, state, stack, k, best[k], optimizer))
    for model, state_dict in zip(models, best, strict=True):
        model.load_state_dict(state_dict)


class Stack(nn.Module):
    """Networks of one shape and one target scale as one.

    Args:
        models: on one device. What is neither a parameter nor a running statistic is taken from the first.
    """

    def __init__(self, models: Sequence[CGCNN]) -> None:
        super().__init__()
        first = models[0]
        self._n, self._kind = len(models), first.settings.kind
        self._network = CGCNN(replace(first.settings, kind="regression"), first.atom_features)
        self._network.to(first.atom_features.device)
        self._shapes = {name: value.shape for name, value in first.named_parameters()}
        cells = {name: _cells(name, shape, self._n) for name, shape in self._shapes.items()}
        self._wide_shapes = {name: torch.Size(wide) for name, (_, wide) in cells.items()}
        ends = torch.tensor([0] + [wide.numel() for wide in self._wide_shapes.values()]).cumsum(0).tolist()
        cells_of_all = [start + index for (start, _), (index, _) in zip(pairwise(ends), cells.values(), strict=True)]
        self._cells = torch.cat(cells_of_all, dim=1).flatten().to(first.atom_features.device)  # (S P,) of W
        self.weights = nn.Parameter(torch.stack([_flat(model.parameters()) for model in models]))  # (S, P)
        # Running statistics are kept wide, for the network moves them in place.
        self._statistics = dict[str, Tensor]()
        self._values = {name: value.clone() for name, value in first.named_buffers()}
        for name, value in self._values.items():
            if "running" in name:
                own = torch.stack([model.get_buffer(name) for model in models])  # (S, F)
                self._statistics[name] = _cells(name, value.shape, self._n)[0].to(own.device)
                self._values[name] = torch.empty_like(own.flatten()).scatter(
                    0, self._statistics[name].flatten(), own.flatten()
                )

    def forward(self, batch: Batch) -> Tensor:
        """What each network says: (C, S), or (C, S, 2) of a classification."""
        sizes = [wide.numel() for wide in self._wide_shapes.values()]
        flat = self.weights.new_zeros(sum(sizes)).index_copy(0, self._cells, self.weights.flatten())  # (W,)
        wide = {
            name: part.view(shape)
            for (name, shape), part in zip(self._wide_shapes.items(), flat.split(sizes), strict=True)
        }
        output = functional_call(self._network, {**wide, **self._values}, (batch,))  # (C, S) or (C, 2 S)
        output = output.view(len(output), self._n, -1)  # (C, S, 1) or (C, S, 2)
        return output.squeeze(2) if self._kind == "regression" else output.log_softmax(2)

    def clip_gradients(self, most: float) -> None:
        """Shorten the gradient of each network whose norm is above `most`."""
        assert self.weights.grad is not None
        norm = self.weights.grad.norm(dim=1, keepdim=True)  # (S, 1)
        self.weights.grad.mul_((most / (norm + 1e-6)).clamp(max=1.0))  # as torch's clip_grad_norm_

    def state_dict_of(self, k: int) -> dict[str, Tensor]:
        """A copy of that of network `k`."""
        found = self._named(self.weights.detach()[k])
        for name, value in self._values.items():
            cells = self._statistics.get(name)
            found[name] = value.clone() if cells is None else value[cells[k]]
        return {name: found[name] for name in self._network.state_dict()}

    def joined(self, states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """From the optimizer's states of each network that of the stack."""
        found = dict[str, Tensor]()
        for name in dict.fromkeys(name.split(".")[0] for name in states[0]):
            own = [[state[f"{name}.{number}"] for number in range(len(self._shapes))] for state in states]
            found[f"{name}.0"] = torch.stack([_flat(parts) for parts in own]) if own[0][0].ndim else own[0][0]
        return found

    def optimizer_state(self, k: int, optimizer: AdamW) -> dict[str, Tensor]:
        """From the optimizer's state of the stack that of network `k`."""
        found = dict[str, Tensor]()
        for name, (value,) in optimizer.moments.items():
            parts = self._named(value[k]).values() if value.ndim else [value.clone() for _ in self._shapes]
            found |= {f"{name}.{number}": part for number, part in enumerate(parts)}
        return found

    def _named(self, vector: Tensor) -> dict[str, Tensor]:
        """A copy of (P,), cut into the parameters of a network."""
        parts = vector.clone().split([shape.numel() for shape in self._shapes.values()])
        return {name: part.view(shape).clone() for (name, shape), part in zip(self._shapes.items(), parts, strict=True)}


def _snapshot(state: TrainState, stack: Stack, k: int, best: Mapping[str, Tensor], optimizer: AdamW) -> TrainState:
    return copy_with(state, stack.state_dict_of(k), best, stack.optimizer_state(k, optimizer))


def _flat(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([value.detach().flatten() for value in tensors])


def _cells(name: str, shape: torch.Size, n: int) -> tuple[Tensor, list[int]]:
    """Where the cells of a parameter or statistic of each of n networks lie in the flat wide one, (n, ...); its shape.

    A dimension consists of runs: features, of which each network has its own, or inputs that all networks share.
    """
    gated = ".linear." in name or ".edge_norm." in name
    places, wide = _places([shape[0] // 2] * 2 if gated else [shape[0]], n)  # filter and core, or all outputs
    if len(shape) == 1:
        return places, [wide]
    own, shared = [shape[1]], 0
    if gated:  # centre and neighbour see features; what is left is the expanded distance
        own, shared = [shape[0] // 2] * 2, shape[1] - shape[0]
    elif ".neighbour_weight." in name:
        own, shared = [shape[0]], shape[1] - shape[0]
    elif name.startswith("embedding."):
        own, shared = [], shape[1]
    columns, width = _places(own, n, shared)
    return (places.unsqueeze(2) * width + columns.unsqueeze(1)).flatten(1), [wide, width]


def _places(own: Sequence[int], n: int, shared: int = 0) -> tuple[Tensor, int]:
    """(n, size) positions along a wide dimension of what each network has along its own; how long the wide one is."""
    start, places = 0, []
    for size in own:
        places.append(start + torch.arange(n * size).view(n, size))
        start += n * size
    places.append((start + torch.arange(shared)).expand(n, shared))
    return torch.cat(places, dim=1), start + shared
