"""Checks of the homework: one function a question, to be called right after the answer.

    from homework import checks
    checks.conv_gated(conv_gated)

A wrong answer gets a message that names the mistake that it looks like.
"""

from .convolutions import conv_gated, conv_none, conv_published, conv_shared, equivariant, pool, sum_over_edges, twins
from .crystal_graphs import bits, expand, nearest, neighbours, relabel
from .limits import abo3, close_packed, composition_limit, group_split, improvement, rattled
from .materials import (
    charge_neutral,
    cubic_perovskite,
    enrichment,
    formation_energy,
    kj_per_mol,
    mean_error,
    screen,
    tolerance_factor,
)
from .training import best_epoch, mean_absolute_error, mean_and_spread, nll, scale, train_step
from .verdict import Wrong

__all__ = [
    "Wrong",
    "abo3",
    "best_epoch",
    "bits",
    "charge_neutral",
    "close_packed",
    "composition_limit",
    "conv_gated",
    "conv_none",
    "conv_published",
    "conv_shared",
    "cubic_perovskite",
    "enrichment",
    "equivariant",
    "expand",
    "formation_energy",
    "group_split",
    "improvement",
    "kj_per_mol",
    "mean_absolute_error",
    "mean_and_spread",
    "mean_error",
    "nearest",
    "neighbours",
    "nll",
    "pool",
    "rattled",
    "relabel",
    "scale",
    "screen",
    "sum_over_edges",
    "tolerance_factor",
    "train_step",
    "twins",
]
