"""Answers to notebook 2."""

import torch
from torch.nn.functional import softplus

from tests.homework.zoo import right, wrong


def add(messages, centre, n):
    return messages.new_zeros(n, messages.shape[1]).index_add(0, centre, messages)


def mean(messages, centre, n):
    return add(messages, centre, n) / torch.bincount(centre, minlength=n).clamp(min=1).unsqueeze(1)


@right("sum_over_edges")
def with_a_matrix(messages, centre, n_sites):
    return torch.nn.functional.one_hot(centre, n_sites).T.to(messages.dtype) @ messages


@right("sum_over_edges")
def with_a_loop(messages, centre, n_sites):
    rows = [messages[centre == site].sum(dim=0) for site in range(n_sites)]
    return torch.stack(rows)


@right("sum_over_edges")
def with_scatter_add(messages, centre, n_sites):
    index = centre.unsqueeze(1).expand_as(messages)
    return torch.zeros(n_sites, messages.shape[1], dtype=messages.dtype).scatter_add(0, index, messages)


@wrong("sum_over_edges", "mean")
def mean_for_sum(messages, centre, n_sites):
    return mean(messages, centre, n_sites)


@wrong("sum_over_edges", "replaces")
def assigns_instead_of_adding(messages, centre, n_sites):
    out = messages.new_zeros(n_sites, messages.shape[1])
    out[centre] = messages
    return out


@wrong("sum_over_edges", "shape")
def forgets_sites_without_edges(messages, centre, n_sites):
    return add(messages, centre, int(centre.max()) + 1)[: n_sites - 1]


@wrong("sum_over_edges", "largest")
def largest_message(messages, centre, n_sites):
    index = centre.unsqueeze(1).expand_as(messages)
    return messages.new_zeros(n_sites, messages.shape[1]).scatter_reduce(0, index, messages, "amax", include_self=False)


@wrong("sum_over_edges", "zeros")
def begins_with_ones(messages, centre, n_sites):
    return 1 + add(messages, centre, n_sites)


@right("conv_none")
def with_einsum(v, W_s, b):
    return torch.log1p(torch.exp(torch.einsum("nf,fg->ng", v, W_s) + b))


@wrong("conv_none", "activation")
def no_activation(v, W_s, b):
    return v @ W_s + b


@wrong("conv_none", "relu")
def relu(v, W_s, b):
    return torch.relu(v @ W_s + b)


@wrong("conv_none", "bias")
def no_bias(v, W_s, b):
    return softplus(v @ W_s)


@wrong("conv_none", "transposed")
def weights_transposed(v, W_s, b):
    return softplus(v @ W_s.T + b)


@wrong("conv_none", "inside")
def bias_after_activation(v, W_s, b):
    return softplus(v @ W_s) + b


@right("conv_shared")
def product_before_sum(v, u, centre, neighbour, W_c, W_s, b):
    messages = torch.cat([v[neighbour], u], dim=1) @ W_c
    return softplus(add(messages, centre, len(v)) + v @ W_s + b)


@right("conv_shared")
def edge_by_edge(v, u, centre, neighbour, W_c, W_s, b):
    out = v @ W_s + b
    for edge in range(len(centre)):
        row = torch.cat([v[neighbour[edge]], u[edge]]) @ W_c
        out = out.index_add(0, centre[edge : edge + 1], row.unsqueeze(0))
    return softplus(out)


def shared(v, u, centre, neighbour, W_c, W_s, b, at=None, of=None, total=add, own=True, cat=(0, 1), last=softplus):
    parts = [v[neighbour if of is None else of], u]
    seen = total(torch.cat([parts[k] for k in cat], dim=1), centre if at is None else at, len(v)) @ W_c
    return last(seen + (v @ W_s if own else 0) + b)


@wrong("conv_shared", "direction")
def direction_swapped(v, u, centre, neighbour, *weights):
    return shared(v, u, neighbour, centre, *weights)


@wrong("conv_shared", "wrong end")
def sums_at_the_neighbour(v, u, centre, neighbour, *weights):
    return shared(v, u, centre, neighbour, *weights, at=neighbour)


@wrong("conv_shared", "v_i stands")
def own_features_for_the_neighbours(v, u, centre, neighbour, *weights):
    return shared(v, u, centre, neighbour, *weights, of=centre)


@wrong("conv_shared", "mean")
def neighbour_mean(v, u, centre, neighbour, *weights):
    return shared(v, u, centre, neighbour, *weights, total=mean)


@wrong("conv_shared", "self term")
def no_self_term(v, u, centre, neighbour, *weights):
    return shared(v, u, centre, neighbour, *weights, own=False)


@wrong("conv_shared", "begins with v_j")
def distance_before_neighbour(v, u, centre, neighbour, *weights):
    return shared(v, u, centre, neighbour, *weights, cat=(1, 0))


@wrong("conv_shared", "activation g")
def no_activation_shared(v, u, centre, neighbour, *weights):
    return shared(v, u, centre, neighbour, *weights, last=lambda x: x)


@wrong("conv_shared", "inside the sum")
def activation_inside_the_sum(v, u, centre, neighbour, W_c, W_s, b):
    return add(softplus(torch.cat([v[neighbour], u], dim=1) @ W_c), centre, len(v)) + v @ W_s + b


@wrong("conv_shared", "once an edge")
def bias_in_every_edge(v, u, centre, neighbour, W_c, W_s, b):
    return softplus(add(torch.cat([v[neighbour], u], dim=1) @ W_c + b, centre, len(v)) + v @ W_s)


@wrong("conv_shared", "distances u")
def ignores_distances(v, u, centre, neighbour, W_c, W_s, b):
    return softplus(add(v[neighbour], centre, len(v)) @ W_c[: v.shape[1]] + v @ W_s + b)


def gated(
    v,
    u,
    centre,
    neighbour,
    W_f,
    b_f,
    W_s,
    b_s,
    *,
    gate=torch.sigmoid,
    g=softplus,
    total=add,
    keep=True,
    z=(0, 1, 2),
    at=None,
):
    parts = [v[centre], v[neighbour], u]
    row = torch.cat([parts[k] for k in z], dim=1)
    summed = total(gate(row @ W_f + b_f) * g(row @ W_s + b_s), centre if at is None else at, len(v))
    return v + summed if keep else summed


right("equivariant")(gated)


@right("conv_gated")
def product_split(v, u, centre, neighbour, W_f, b_f, W_s, b_s):
    n = v.shape[1]

    def line(W, b):
        return (v @ W[:n])[centre] + (v @ W[n : 2 * n])[neighbour] + u @ W[2 * n :] + b

    return v + add(torch.sigmoid(line(W_f, b_f)) * softplus(line(W_s, b_s)), centre, len(v))


@right("conv_gated")
def site_by_site(v, u, centre, neighbour, W_f, b_f, W_s, b_s):
    rows = []
    for site in range(len(v)):
        mine = (centre == site).nonzero().flatten()
        z = torch.cat([v[site].expand(len(mine), -1), v[neighbour[mine]], u[mine]], dim=1)
        rows.append(v[site] + (torch.sigmoid(z @ W_f + b_f) * softplus(z @ W_s + b_s)).sum(dim=0))
    return torch.stack(rows)


@wrong("conv_gated", "residual")
def no_residual(*arguments):
    return gated(*arguments, keep=False)


@wrong("conv_gated", "mean")
def gated_mean(*arguments):
    return gated(*arguments, total=mean)


@wrong("conv_gated", "wrong end")
def messages_at_the_neighbour(v, u, centre, neighbour, *weights):
    return gated(v, u, centre, neighbour, *weights, at=neighbour)


@wrong("conv_gated", "two are swapped")
def z_swapped(*arguments):
    return gated(*arguments, z=(1, 0, 2))


@wrong("conv_gated", "σ and g")
def gate_and_message_swapped(*arguments):
    return gated(*arguments, gate=softplus, g=torch.sigmoid)


@wrong("conv_gated", "softmax over all edges")
def gate_over_all_edges(*arguments):
    return gated(*arguments, gate=lambda x: x.softmax(dim=0))


@wrong("conv_gated", "softmax over features")
def gate_over_features(*arguments):
    return gated(*arguments, gate=lambda x: x.softmax(dim=1))


@wrong("conv_gated", "missing")
def no_gate(*arguments):
    return gated(*arguments, gate=torch.ones_like)


@wrong("conv_gated", "activation g")
def message_without_activation(*arguments):
    return gated(*arguments, g=lambda x: x)


@wrong("conv_gated", "added")
def gate_added(v, u, centre, neighbour, W_f, b_f, W_s, b_s):
    z = torch.cat([v[centre], v[neighbour], u], dim=1)
    return v + add(torch.sigmoid(z @ W_f + b_f) + softplus(z @ W_s + b_s), centre, len(v))


@wrong("equivariant", "another order")
def depends_on_the_order(v, *arguments):
    return gated(v, *arguments) + torch.arange(len(v)).unsqueeze(1) / 10


@wrong("equivariant", "No gradient")
def leaves_autograd(v, *arguments):
    return gated(v.detach(), *arguments)


@wrong("equivariant", "gradient is not")
def half_of_the_gradient(v, *arguments):
    out = gated(v, *arguments)
    return out.detach() / 2 + out / 2


def published(v, u, centre, neighbour, linear, edge_norm, site_norm, last=softplus, swap=False, total=add):
    filters, core = edge_norm(linear(torch.cat([v[centre], v[neighbour], u], dim=1))).chunk(2, dim=1)
    filters, core = (core, filters) if swap else (filters, core)
    return last(v + site_norm(total(torch.sigmoid(filters) * softplus(core), centre, len(v))))


def no_norm(rows):
    return rows


@right("conv_published")
def with_slices(v, u, centre, neighbour, linear, edge_norm, site_norm):
    rows = edge_norm(linear(torch.hstack([v[centre], v[neighbour], u])))
    message = rows[:, : v.shape[1]].sigmoid() * softplus(rows[:, v.shape[1] :])
    return softplus(site_norm(add(message, centre, len(v))) + v)


@wrong("conv_published", "batch norms are forgotten")
def batch_norm_forgotten(v, u, centre, neighbour, linear, edge_norm, site_norm):
    return published(v, u, centre, neighbour, linear, no_norm, no_norm)


@wrong("conv_published", "of the edges")
def edge_norm_forgotten(v, u, centre, neighbour, linear, edge_norm, site_norm):
    return published(v, u, centre, neighbour, linear, no_norm, site_norm)


@wrong("conv_published", "of the sum")
def site_norm_forgotten(v, u, centre, neighbour, linear, edge_norm, site_norm):
    return published(v, u, centre, neighbour, linear, edge_norm, no_norm)


@wrong("conv_published", "outer softplus")
def outer_softplus_missing(*arguments):
    return published(*arguments, last=no_norm)


@wrong("conv_published", "Filter and core are swapped")
def halves_swapped(*arguments):
    return published(*arguments, swap=True)


@wrong("conv_published", "evaluation mode")
def norms_in_evaluation_mode(v, u, centre, neighbour, linear, edge_norm, site_norm):
    return published(v, u, centre, neighbour, linear, edge_norm.eval(), site_norm.eval())


@right("pool")
def crystal_by_crystal(v, crystal, n_crystals):
    return torch.stack([v[crystal == c].mean(dim=0) for c in range(n_crystals)])


@wrong("pool", "sum over the sites")
def pools_by_sum(v, crystal, n_crystals):
    return add(v, crystal, n_crystals)


@wrong("pool", "All sites")
def mean_of_the_batch(v, crystal, n_crystals):
    return v.mean(dim=0).expand(n_crystals, -1)


@wrong("pool", "all sites")
def divides_by_all_sites(v, crystal, n_crystals):
    return add(v, crystal, n_crystals) / len(v)


@wrong("pool", "one size")
def mask_forgotten(v, crystal, n_crystals):
    """A padded tensor whose empty rows are averaged, too."""
    most = int(torch.bincount(crystal).max())
    padded = v.new_zeros(n_crystals, most, v.shape[1])
    for c in range(n_crystals):
        own = v[crystal == c]
        padded[c, : len(own)] = own
    return padded.mean(dim=1)


@right("twins")
def crossed_pairs():
    return [(0, 2.0), (1, 2.5), (1, 4.0)], [(0, 2.5), (1, 2.0), (1, 4.0)]


@wrong("twins", "same")
def the_same_in_another_order():
    return [(0, 2.0), (1, 3.0)], [(1, 3.0), (0, 2.0)]


@wrong("twins", "distances differ")
def other_distances():
    return [(0, 2.0), (1, 3.0)], [(0, 2.0), (1, 3.5)]


@wrong("twins", "different elements")
def other_elements():
    return [(0, 2.0), (1, 3.0)], [(0, 2.0), (0, 3.0)]


@wrong("twins", "unequally many")
def one_neighbour_twice():
    return [(0, 2.0)], [(0, 2.0), (0, 2.0)]
