"""The inner sum of the gated convolution, Σ_jk σ(z_f) ⊙ g(z_s), with and without a batch norm on z; gradients by hand.

Left to autograd, the sum reads and writes arrays of (E, 2F) some thirty times a step; here it is ten. What saves them:

- z of an edge is the sum of three rows of one small table (what its centre, its neighbour and its distance bring).
  Gathering is z = P rows, its gradient the product with Pᵀ, and each of the two is one `embedding_bag`.
- The mean of z follows from means over sites and distances, so the table is centred before it is gathered.
- g(x) = softplus(x) = -log σ(-x): with the sign of the core turned beforehand, one σ serves both halves.
- The constant terms of the batch norm's gradient enter after the sum over edges, on the small table.

Shapes: R = 2N + D rows of the table, E edges, N sites, F features; 2F is the filter's half, then the core's.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag

from cgcnn.tensors import Batch

_PIECE = 16_384  # edges


class GatedSum(torch.autograd.Function):
    """(rows (R, 2F), batch) -> Σ_jk σ(z_f) ⊙ g(-z_s), (N, F), for a table in which the sign of the core is turned."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, batch: Batch) -> Tensor:
        gates = _gates(_to_edges(rows, batch))
        ctx.save_for_backward(gates)
        ctx.batch = batch
        return _sum_at_centres(_message(gates), batch)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (gates,) = ctx.saved_tensors
        grad_z = _gradient_of_gates(grad, gates, ctx.batch)
        return _sum_to_rows(grad_z, ctx.batch.multiplicity, ctx.batch), None


class NormalisedGatedSum(torch.autograd.Function):
    """(rows (R, 2F), weight (2F,), bias (2F,), batch, eps) -> the sum over BN(z) (N, F), and the variance of z (2F,).

    The rows must bring z of mean 0 (to rounding). Batch norm does not see a shift of z, so one may be taken off the
    rows without a gradient; the gradient here is that for all rows. The mean and variance count every edge of the
    crystals singly (Ioffe & Szegedy 2015). The sign of the core is as usual.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor, batch: Batch, eps: float) -> tuple[Tensor, ...]:
        z = _to_edges(rows, batch)  # (E, 2F)
        variance = _mean_of_products(z, z, batch).squeeze(0)  # (2F,)
        rstd = torch.rsqrt(variance + eps)
        gates = _gates(torch.addcmul(turned(bias), z, turned(weight) * rstd))  # (E, 2F)
        ctx.save_for_backward(z, gates, weight, rstd)
        ctx.batch = batch
        ctx.mark_non_differentiable(variance)
        return _sum_at_centres(_message(gates), batch), variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        z, gates, weight, rstd = ctx.saved_tensors
        batch = ctx.batch
        # The gradient of y = BN(z) at edge e is share_e * grad_y_e: shares are what the sums below weight with.
        # A site that only fills up a batch (padding.py) has multiplicity 0 and gradient 0.
        grad = grad * (batch.n_edges / batch.site_multiplicity.clamp(min=1))
        grad_y = _gradient_of_gates(grad, gates, batch)  # (E, 2F)
        grad_bias = batch.edge_share.T @ grad_y  # (1, 2F)
        grad_weight = _mean_of_products(grad_y, z, batch) * rstd  # (1, 2F)
        grad_y.addcmul_(z, grad_weight * rstd, value=-1)
        grad_rows = _sum_to_rows(grad_y, batch.edge_share, batch)
        grad_rows.addcmul_(batch.row_share, grad_bias, value=-1).mul_(turned(weight) * rstd)
        return grad_rows, turned(grad_weight).squeeze(0), turned(grad_bias).squeeze(0), None, None


def turned(halves: Tensor) -> Tensor:
    """(..., 2F) with the sign of the core, the second half, turned."""
    filters, core = halves.chunk(2, dim=-1)
    return torch.cat([filters, -core], dim=-1)


def _to_edges(rows: Tensor, batch: Batch) -> Tensor:
    """(R, 2F) -> (E, 2F): for each edge the sum of its three rows."""
    return embedding_bag(batch.rows_of_edges, rows, mode="sum")


def _sum_to_rows(edges: Tensor, weight: Tensor, batch: Batch) -> Tensor:
    """(E, 2F) -> (R, 2F): for each row the sum of its edges, each times its weight (E, 1)."""
    weights = weight.squeeze(1).index_select(0, batch.edges_of_rows)
    return _sum_of_runs(edges, batch.edges_of_rows, batch.first_of_rows, weights)


def _sum_at_centres(message: Tensor, batch: Batch) -> Tensor:
    """(E, F) -> (N, F)."""
    n_edges, n_sites = len(message), len(batch.atomic_number)
    first = batch.first_of_rows[: n_sites + 1]
    return _sum_of_runs(message, batch.edges_of_rows[:n_edges], first, batch.multiplicity.squeeze(1)).neg_()


def _sum_of_runs(values: Tensor, index: Tensor, first: Tensor, weights: Tensor) -> Tensor:
    return embedding_bag(index, values, first, mode="sum", per_sample_weights=weights, include_last_offset=True)


def _mean_of_products(a: Tensor, b: Tensor, batch: Batch) -> Tensor:
    """Mean of a ⊙ b (E, 2F) over all edges of the crystals, (1, 2F); in pieces, which take less memory."""
    pieces = zip(*(each.split(_PIECE) for each in (batch.edge_share, a, b)), strict=True)
    return torch.stack([share.T @ (x * y) for share, x, y in pieces]).sum(0)


def _gates(turned_z: Tensor) -> Tensor:
    """σ(z_f), σ(-z_s) in place of z_f, -z_s (E, 2F). g = -log σ(-z_s) stays finite: it ends at 87 in float32."""
    gates = turned_z.sigmoid_()
    gates.chunk(2, dim=1)[1].clamp_(min=torch.finfo(gates.dtype).tiny)
    return gates


def _message(gates: Tensor) -> Tensor:
    """-σ(z_f) ⊙ g(z_s), (E, F)."""
    filters, core = gates.chunk(2, dim=1)
    return core.log().mul_(filters)


def _gradient_of_gates(grad: Tensor, gates: Tensor, batch: Batch) -> Tensor:
    """Gradient (E, 2F) of z, as if every edge had multiplicity 1, from that of the sum (N, F)."""
    filters, core = gates.chunk(2, dim=1)
    grad_z = torch.empty_like(gates)
    grad_filters, grad_core = grad_z.chunk(2, dim=1)
    grad_edge = grad.neg().index_select(0, batch.centre).mul_(filters)  # (E, F)
    # The logarithm once more: to keep that of every layer takes a seventh of a training's memory.
    torch.mul(grad_edge, core.log(), out=grad_filters)
    grad_filters.addcmul_(grad_filters, filters, value=-1)  # σ' = σ (1 - σ)
    torch.addcmul(grad_edge, grad_edge, core, value=-1, out=grad_core)  # (log σ)' = 1 - σ
    return grad_z
