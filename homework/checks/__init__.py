"""Checks of the homework: one function a question, to be called right after the answer.

    from homework import checks
    checks.conv_gated(conv_gated)

A wrong answer gets a message that names the mistake that it looks like.
"""

from .convolutions import conv_gated, conv_none, conv_published, conv_shared, equivariant, pool, sum_over_edges, twins
from .crystal_graphs import bits, expand, nearest, neighbours, relabel
from .verdict import Wrong

__all__ = [
    "Wrong",
    "bits",
    "conv_gated",
    "conv_none",
    "conv_published",
    "conv_shared",
    "equivariant",
    "expand",
    "nearest",
    "neighbours",
    "pool",
    "relabel",
    "sum_over_edges",
    "twins",
]
