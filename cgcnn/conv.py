"""The three convolutions, one signature: (v, u, batch) -> v'.

v (N, F) holds the features of the sites, u (D, G) the expanded distinct distances; `batch` says which edge (i, j)k has
which of them, and how many equal edges it stands for. `plain_*` are the equations word for word, over every edge
singly; the modules do the same arithmetic on less: the matrix product of a concatenation is split into products for
the sites and one for the distances, equal edges and equal sites (orbits.py) are computed once and weighted by their
multiplicity, and the sum of the gated one has its gradient written by hand (gated.py).
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, softplus

from cgcnn.gated import GatedSum, NormalisedGatedSum, turned
from cgcnn.tensors import Batch

NEIGHBOURS = 12  # about as many enter each sum


class NoConvolution(nn.Module):
    """v_i' = g(v_i W_s + b): no neighbour is seen."""

    def __init__(self, width: int, n_gaussians: int) -> None:
        super().__init__()
        self.self_weight = nn.Linear(width, width)

    def forward(self, v: Tensor, u: Tensor, batch: Batch) -> Tensor:
        return softplus(self.self_weight(v))


class SharedConvolution(nn.Module):
    """v_i' = g[(Σ_jk v_j ⊕ u_(i,j)k) W_c + v_i W_s + b], one W_c for all neighbours (Xie & Grossman 2018, Eq 4).

    The sum comes before the product, which is the same and needs one row a site in place of one an edge. W_c is stored
    NEIGHBOURS times as large: a sum over a dozen neighbours would start, and step, a dozen times too far.
    """

    def __init__(self, width: int, n_gaussians: int) -> None:
        super().__init__()
        self.self_weight = nn.Linear(width, width)
        self.neighbour_weight = nn.Linear(width + n_gaussians, width, bias=False)

    def forward(self, v: Tensor, u: Tensor, batch: Batch) -> Tensor:
        sites, distances = v.index_select(0, batch.neighbour), u.index_select(0, batch.distance_index)
        edges = torch.cat([sites, distances], dim=1) * batch.multiplicity  # (E, F + G)
        summed = _sum_at_centres(edges, batch)  # (N, F + G)
        return softplus(self.neighbour_weight(summed / NEIGHBOURS) + self.self_weight(v))


class GatedConvolution(nn.Module):
    """v_i' = g[v_i + BN(Σ_jk σ(z W_f + b_f) ⊙ g(z W_s + b_s))], z = v_i ⊕ v_j ⊕ u_(i,j)k (Xie & Grossman 2018, Eq 5).

    The batch norms (one on z W, one on the sum) and the outer softplus are those of the published code.
    """

    def __init__(self, width: int, n_gaussians: int) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * width + n_gaussians, 2 * width)  # filter and core side by side
        self.edge_norm = WeightedBatchNorm(2 * width)
        self.site_norm = WeightedBatchNorm(width)

    def forward(self, v: Tensor, u: Tensor, batch: Batch) -> Tensor:
        norm = self.edge_norm
        if self.training:
            mean = self._mean(v, u, batch)  # (2F,)
            rows = table(v, u, self.linear.weight, self.linear.bias - mean)
            summed, variance = NormalisedGatedSum.apply(rows, norm.weight, norm.bias, batch, norm.eps)
            norm.track(mean, variance, batch.n_edges)
        else:  # a norm with fixed statistics is a part of the matrix
            scale = turned(norm.weight) * torch.rsqrt(norm.running_var + norm.eps)  # (2F,)
            shift = (self.linear.bias - norm.running_mean) * scale + turned(norm.bias)
            summed = GatedSum.apply(table(v, u, self.linear.weight * scale.unsqueeze(1), shift), batch)
        return softplus(v + self.site_norm(summed, batch.site_multiplicity))

    @torch.no_grad()
    def _mean(self, v: Tensor, u: Tensor, batch: Batch) -> Tensor:
        """Mean of z W + b over all edges (2F,): z is linear, so it is that of the mean z."""
        as_centre, as_neighbour, of_distance = batch.row_share.split([len(v), len(v), len(u)])
        z = torch.cat([as_centre.T @ v, as_neighbour.T @ v, of_distance.T @ u], dim=1)  # (1, 2F + G)
        return self.linear(z).squeeze(0)


def table(v: Tensor, u: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """What sites as centres, sites as neighbours, and distances bring to z W + b: (N + N + D, 2F)."""
    at_centre, at_neighbour, at_distance = weight.split([v.shape[1], v.shape[1], u.shape[1]], dim=1)
    return torch.cat([v @ at_centre.T, v @ at_neighbour.T, linear(u, at_distance, bias)])


class WeightedBatchNorm(nn.BatchNorm1d):
    """Batch normalisation in which row n counts as weight[n] equal rows (Ioffe & Szegedy 2015)."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def forward(self, rows: Tensor, weight: Tensor | None = None) -> Tensor:
        if weight is None or not self.training:
            return super().forward(rows)
        share = (weight / weight.sum()).T  # (1, N)
        centred = rows - share @ rows  # (N, F)
        variance = share @ centred**2  # (1, F)
        self.track((share @ rows).squeeze(0), variance.squeeze(0), weight.sum())
        return torch.addcmul(self.bias, centred, self.weight * torch.rsqrt(variance + self.eps))

    @torch.no_grad()
    def track(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Move the running statistics towards mean and (biased) variance (F,) of `count` rows, if there are any."""
        momentum = (count > 0).to(mean.dtype) * (self.momentum or 0.0)
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * (count / (count - 1).clamp(min=1)), momentum)


def _sum_at_centres(edges: Tensor, batch: Batch) -> Tensor:
    """Sum rows of (E, F) over the edges of each site: (N, F)."""
    total = edges.new_zeros(len(batch.atomic_number), edges.shape[1])
    return total.index_add(0, batch.centre, edges)


CONVOLUTIONS: dict[str, type[nn.Module]] = {
    "none": NoConvolution,
    "shared": SharedConvolution,
    "gated": GatedConvolution,
}


def plain_edges(batch: Batch, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Every edge singly: centre (E0,), neighbour (E0,) and expanded distance (E0, G), for the plain forms below.

    They take batches of graphs packed with merge_sites=False, in which every site stands for itself.
    """
    times = batch.multiplicity.squeeze(1).long()
    once = batch.centre, batch.neighbour, u[batch.distance_index]
    centre, neighbour, expanded = (torch.repeat_interleave(rows, times, dim=0) for rows in once)
    return centre, neighbour, expanded


def plain_none(module: NoConvolution, v: Tensor, u: Tensor, batch: Batch) -> Tensor:
    """v_i' = g(v_i W_s + b)."""
    return softplus(v @ module.self_weight.weight.T + module.self_weight.bias)


def plain_shared(module: SharedConvolution, v: Tensor, u: Tensor, batch: Batch) -> Tensor:
    """v_i' = g[(Σ_jk v_j ⊕ u_(i,j)k) W_c + v_i W_s + b]."""
    centre, neighbour, u_edge = plain_edges(batch, u)
    matrix = module.neighbour_weight.weight.T / NEIGHBOURS  # W_c
    messages = torch.cat([v[neighbour], u_edge], dim=1) @ matrix  # (E0, F)
    summed = torch.zeros_like(v).index_add(0, centre, messages)  # (N, F)
    return softplus(summed + module.self_weight(v))


def plain_gated(module: GatedConvolution, v: Tensor, u: Tensor, batch: Batch) -> Tensor:
    """v_i' = g[v_i + BN(Σ_jk σ(z W_f + b_f) ⊙ g(z W_s + b_s))]."""
    centre, neighbour, u_edge = plain_edges(batch, u)
    z = torch.cat([v[centre], v[neighbour], u_edge], dim=1)  # (E0, 2F + G)
    filters, core = module.edge_norm(module.linear(z)).chunk(2, dim=1)  # (E0, F) each
    messages = torch.sigmoid(filters) * softplus(core)
    summed = torch.zeros_like(v).index_add(0, centre, messages)  # (N, F)
    return softplus(v + module.site_norm(summed))
