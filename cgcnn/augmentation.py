"""Augmentation: training batches as if their crystals had not been relaxed, with the targets of the relaxed ones."""

from dataclasses import replace

import torch
from torch import Tensor

from cgcnn.tensors import Batch


def disturbed(batch: Batch, noise: float, strain: float, seed: int, step: int) -> Batch:
    """`batch` with other distances, the same ones whenever a training comes to this step.

    A graph holds no directions, so that a strain is the same along all of them, and bends no angle.

    Args:
        noise: Å, deviation of what is added to each distance, as if sites had moved.
        strain: deviation of the share by which all distances of a crystal grow or shrink.
        seed, step: decide the normally distributed numbers.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)

    def normal(size: int) -> Tensor:
        return torch.randn(size, generator=generator).to(batch.distance)

    distance = batch.distance
    if noise:
        distance = distance + noise * normal(len(distance))
    if strain:
        factor = 1 + strain * normal(len(batch.n_sites))  # (C,)
        distance = distance * factor[_crystal_of_distance(batch)]  # (D,)
    return replace(batch, distance=distance)


def _crystal_of_distance(batch: Batch) -> Tensor:
    """(D,) int64: that of any of its edges, which are all of one crystal."""
    crystal_of_edge = batch.crystal[batch.centre]  # (E,)
    return crystal_of_edge.new_empty(len(batch.distance)).scatter_(0, batch.distance_index, crystal_of_edge)
