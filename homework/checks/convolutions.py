"""Checks of notebook 2. Each takes the student's function, and a graph to try it on; there is always a first one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from .verdict import Wrong, check, close, has_shape, must, same

_ROW = "one row a site, one column a feature"


@dataclass(frozen=True)
class Graph:
    """Sites and edges with float64 features: N sites, E edges, F and G features."""

    v: Tensor  # (N, F)
    u: Tensor  # (E, G)
    centre: Tensor  # (E,)
    neighbour: Tensor  # (E,)

    @property
    def width(self) -> int:
        return self.v.shape[1]

    def total(self, rows: Tensor, at: Tensor | None = None) -> Tensor:
        """Sum of rows (E, F) over the edges of each site, (N, F)."""
        return rows.new_zeros(len(self.v), rows.shape[1]).index_add(0, self.centre if at is None else at, rows)

    def average(self, rows: Tensor) -> Tensor:
        """Mean of rows (E, F) over the edges of each site, (N, F); 0 for a site without edges."""
        degree = torch.bincount(self.centre, minlength=len(self.v)).clamp(min=1)
        return self.total(rows) / degree.unsqueeze(1)

    def reordered(self, order: Tensor) -> "Graph":
        """The same crystal with its sites in another order."""
        place = torch.argsort(order)
        return Graph(self.v[order], self.u, place[self.centre], place[self.neighbour])

    def random(self, *shape: int) -> Tensor:
        """Weights for this graph, always the same ones."""
        generator = torch.Generator().manual_seed(7919 * shape[0] + shape[-1])
        return torch.randn(*shape, generator=generator, dtype=torch.float64) / 2


def random_graph(n_sites: int, n_edges: int, width: int, n_gaussians: int, seed: int) -> Graph:
    """Any sites, any edges: several between one pair, and sites without one, may be among them."""
    g = torch.Generator().manual_seed(seed)
    return Graph(
        v=torch.randn(n_sites, width, generator=g, dtype=torch.float64),
        u=torch.rand(n_edges, n_gaussians, generator=g, dtype=torch.float64),
        centre=torch.randint(n_sites, (n_edges,), generator=g),
        neighbour=torch.randint(n_sites, (n_edges,), generator=g),
    )


def _first_graph() -> Graph:
    """Four sites; site 3 sees nobody, site 0 sees site 1 twice, and nobody looks back in the same way."""
    graph = random_graph(4, 6, 3, 2, seed=0)
    return Graph(graph.v, graph.u, torch.tensor([0, 0, 0, 1, 2, 2]), torch.tensor([1, 1, 2, 0, 3, 1]))


def _graphs(graphs: tuple[Graph, ...]) -> tuple[Graph, ...]:
    return graphs or (_first_graph(),)


@check
def sum_over_edges(answer: Callable[..., Tensor], *graphs: Graph) -> None:
    """`answer(messages, centre, n_sites)` gives (N, F): the sum of the messages (E, F) of each site's edges."""
    for g in _graphs(graphs):
        messages = g.random(len(g.centre), g.width)
        found = answer(messages, g.centre, len(g.v))
        has_shape(found, tuple(g.v.shape), _ROW)
        last = torch.zeros_like(g.v)
        for edge, site in enumerate(g.centre.tolist()):
            last[site] = messages[edge]
        mistakes = {
            "This is the mean over a site's edges, not the sum.": g.average(messages),
            "Each message replaces the one before: `out[centre] = ...` keeps one of them, and none is added.": last,
            "Each site's first value counts, too: begin with zeros.": g.total(messages) + 1,
            "This is the largest message, not the sum.": _largest(messages, g.centre, len(g.v)),
        }
        same(found, g.total(messages), mistakes, "The sums are not right. Add up the messages of one site by hand.")


@check
def conv_none(answer: Callable[..., Tensor], *graphs: Graph) -> None:
    """`answer(v, W_s, b)` gives v' = g(v W_s + b), (N, F)."""
    for g in _graphs(graphs):
        weight, bias = g.random(g.width, g.width), g.random(g.width)
        found = answer(g.v, weight, bias)
        has_shape(found, tuple(g.v.shape), _ROW)
        line = g.v @ weight
        mistakes = {
            "The activation g = softplus is missing.": line + bias,
            "That activation is relu; here g is softplus.": torch.relu(line + bias),
            "The bias b is missing.": softplus(line),
            "The bias b comes after the activation; it belongs inside.": softplus(line) + bias,
            "W_s stands transposed: v W_s is v @ W_s.": softplus(g.v @ weight.T + bias),
            "A residual v is added: that is the gated convolution.": g.v + softplus(line + bias),
            "That activation is a sigmoid; here g is softplus.": torch.sigmoid(line + bias),
        }
        same(
            found,
            softplus(line + bias),
            mistakes,
            "The shape is right, the values are not: go through the equation once more.",
        )


@check
def conv_shared(answer: Callable[..., Tensor], *graphs: Graph) -> None:
    """`answer(v, u, centre, neighbour, W_c, W_s, b)` gives g[(Σ v_j ⊕ u) W_c + v_i W_s + b], (N, F)."""
    for g in _graphs(graphs):
        w_c, w_s, b = g.random(g.width + g.u.shape[1], g.width), g.random(g.width, g.width), g.random(g.width)
        found = answer(g.v, g.u, g.centre, g.neighbour, w_c, w_s, b)
        has_shape(found, tuple(g.v.shape), _ROW)
        edges = torch.cat([g.v[g.neighbour], g.u], dim=1)
        own, seen = g.v @ w_s + b, g.total(edges) @ w_c
        sites, distances = w_c.split([g.width, g.u.shape[1]])
        mistakes = {
            "This is the mean over the neighbours, not the sum.": softplus(g.average(edges) @ w_c + own),
            "The direction is swapped: sum where an edge starts (centre) what is at its end (neighbour).": softplus(
                g.total(torch.cat([g.v[g.centre], g.u], dim=1), g.neighbour) @ w_c + own
            ),
            "v_i stands where v_j should: the sum is over the neighbours.": softplus(
                g.total(torch.cat([g.v[g.centre], g.u], dim=1)) @ w_c + own
            ),
            "The messages are added up at the wrong end of the edges.": softplus(
                g.total(edges, g.neighbour) @ w_c + own
            ),
            "The self term v_i W_s is missing.": softplus(seen + b),
            "The bias b is missing.": softplus(seen + g.v @ w_s),
            "The bias b is added once an edge: it belongs outside the sum.": softplus(
                g.total(edges @ w_c + b) + g.v @ w_s
            ),
            "The activation g = softplus is missing.": seen + own,
            "The activation is inside the sum: here it comes once, at the end.": g.total(softplus(edges @ w_c)) + own,
            "The activation is inside the sum, and at the end once more.": softplus(
                g.total(softplus(edges @ w_c)) + own
            ),
            "The distances u are missing.": softplus(g.total(g.v[g.neighbour] @ sites) + own),
            "v_j ⊕ u begins with v_j: the other order meets the wrong rows of W_c.": softplus(
                g.total(torch.cat([g.u, g.v[g.neighbour]], dim=1)) @ w_c + own
            ),
            "The neighbours' features v_j are missing.": softplus(g.total(g.u @ distances) + own),
        }
        same(
            found,
            softplus(seen + own),
            mistakes,
            "The shape is right, the values are not: go through the equation once more.",
        )


def _gated_parts(g: Graph) -> tuple[Tensor, ...]:
    wide = 2 * g.width + g.u.shape[1]
    return (g.random(wide, g.width), g.random(g.width), g.random(wide + 1, g.width)[1:], g.random(g.width + 1)[1:])


@check
def conv_gated(answer: Callable[..., Tensor], *graphs: Graph) -> None:
    """`answer(v, u, centre, neighbour, W_f, b_f, W_s, b_s)` gives v_i + Σ σ(z W_f + b_f) ⊙ g(z W_s + b_s), (N, F)."""
    for g in _graphs(graphs):
        w_f, b_f, w_s, b_s = _gated_parts(g)
        found = answer(g.v, g.u, g.centre, g.neighbour, w_f, b_f, w_s, b_s)
        has_shape(found, tuple(g.v.shape), _ROW)
        v_i, v_j = g.v[g.centre], g.v[g.neighbour]
        z, turned = torch.cat([v_i, v_j, g.u], dim=1), torch.cat([v_j, v_i, g.u], dim=1)
        filters, core = z @ w_f + b_f, z @ w_s + b_s
        message = torch.sigmoid(filters) * softplus(core)
        mistakes = {
            "The residual is missing: v_i itself is added to the sum.": g.total(message),
            "This is the mean over the neighbours, not the sum.": g.v + g.average(message),
            "The messages are added up at the wrong end of the edges: they belong to the centre.": g.v
            + g.total(message, g.neighbour),
            "z begins with v_i, then comes v_j: these two are swapped.": g.v
            + g.total(torch.sigmoid(turned @ w_f + b_f) * softplus(turned @ w_s + b_s)),
            "σ and g are swapped: the sigmoid makes the gate from W_f, the softplus the message from W_s.": g.v
            + g.total(softplus(filters) * torch.sigmoid(core)),
            "The gate is a softmax over features: each has its own, a sigmoid.": g.v
            + g.total(filters.softmax(dim=1) * softplus(core)),
            "The gate is a softmax over all edges: each has its own, a sigmoid.": g.v
            + g.total(filters.softmax(dim=0) * softplus(core)),
            "The gate σ(z W_f + b_f) is missing.": g.v + g.total(softplus(core)),
            "The activation g of the message is missing.": g.v + g.total(torch.sigmoid(filters) * core),
            "The gate's sigmoid is missing.": g.v + g.total(filters * softplus(core)),
            "Gate and message are added: ⊙ multiplies element by element.": g.v
            + g.total(torch.sigmoid(filters) + softplus(core)),
            "There is a softplus at the end: that comes with the published form, in the next exercise.": softplus(
                g.v + g.total(message)
            ),
            "A bias is missing.": g.v + g.total(torch.sigmoid(z @ w_f) * softplus(z @ w_s)),
            "Gate and message are summed before they are multiplied: that is no longer one gate a neighbour.": g.v
            + g.total(torch.sigmoid(filters)) * g.total(softplus(core)),
        }
        same(
            found,
            g.v + g.total(message),
            mistakes,
            "The shape is right, the values are not: go through the equation once more.",
        )


def _largest(rows: Tensor, at: Tensor, n: int) -> Tensor:
    """Largest of the rows (E, F) that belong to each of n, (n, F); 0 where there are none."""
    index = at.unsqueeze(1).expand_as(rows)
    return rows.new_zeros(n, rows.shape[1]).scatter_reduce(0, index, rows, "amax", include_self=False)


class Norms:
    """A linear layer and two batch norms, as in the published code, in training mode."""

    def __init__(self, g: Graph) -> None:
        self.linear = nn.Linear(2 * g.width + g.u.shape[1], 2 * g.width).double()
        self.edge_norm, self.site_norm = nn.BatchNorm1d(2 * g.width).double(), nn.BatchNorm1d(g.width).double()
        with torch.no_grad():
            for number, (_, parameter) in enumerate(self.parameters()):
                parameter.copy_(g.random(number + 2, *parameter.shape)[-1])

    def parameters(self) -> list[tuple[str, nn.Parameter]]:
        """All of them, by name."""
        layers = (self.linear, self.edge_norm, self.site_norm)
        return [pair for layer in layers for pair in layer.named_parameters()]

    def __call__(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        return self.linear, self.edge_norm, self.site_norm


@check
def conv_published(answer: Callable[..., Tensor], *graphs: Graph) -> None:
    """`answer(v, u, centre, neighbour, linear, edge_norm, site_norm)`: the gated convolution with its batch norms."""
    for g in _graphs(graphs):
        linear, edge_norm, site_norm = Norms(g)()
        found = answer(g.v, g.u, g.centre, g.neighbour, *Norms(g)())
        has_shape(found, tuple(g.v.shape), _ROW)
        z = torch.cat([g.v[g.centre], g.v[g.neighbour], g.u], dim=1)

        def plain(rows: Tensor) -> Tensor:
            return rows

        def layer(
            before: Callable[[Tensor], Tensor] = edge_norm,
            after: Callable[[Tensor], Tensor] = site_norm,
            last: Callable[[Tensor], Tensor] = softplus,
            swap: bool = False,
            z: Tensor = z,
            add: Callable[[Tensor], Tensor] = g.total,
            g: Graph = g,
            linear: nn.Module = linear,
        ) -> Tensor:
            filters, core = before(linear(z)).chunk(2, dim=1)
            filters, core = (core, filters) if swap else (filters, core)
            return last(g.v + after(add(torch.sigmoid(filters) * softplus(core))))

        expected = layer()
        mistakes = {
            "The batch norms are forgotten.": layer(plain, plain),
            "The batch norm of the edges, on z W + b, is forgotten.": layer(before=plain),
            "The batch norm of the sum is forgotten.": layer(after=plain),
            "The outer softplus is missing.": layer(last=plain),
            "Filter and core are swapped: the filter is the first half.": layer(swap=True),
            "This is the mean over the neighbours, not the sum.": layer(add=g.average),
            "Filter and core are every other column: take halves, `chunk(2, dim=1)`.": _striped(
                g, linear, edge_norm, site_norm, z
            ),
            "The second batch norm takes v_i along: it norms the sum alone.": softplus(
                site_norm(g.v + g.total(_message(edge_norm(linear(z)))))
            ),
            "The batch norms are in evaluation mode: leave them in the mode in which they came.": _evaluated(g, z),
            "The residual v_i is missing.": softplus(site_norm(g.total(_message(edge_norm(linear(z)))))),
            "z begins with v_i, then comes v_j: these two are swapped.": layer(
                z=torch.cat([g.v[g.neighbour], g.v[g.centre], g.u], dim=1)
            ),
        }
        same(
            found,
            expected,
            mistakes,
            "The shape is right, the values are not: go through the five steps once more.",
            1e-5,
        )


def _message(rows: Tensor) -> Tensor:
    filters, core = rows.chunk(2, dim=1)
    return torch.sigmoid(filters) * softplus(core)


def _striped(g: Graph, linear: Any, edge_norm: Any, site_norm: Any, z: Tensor) -> Tensor:
    rows = edge_norm(linear(z))
    return softplus(g.v + site_norm(g.total(torch.sigmoid(rows[:, ::2]) * softplus(rows[:, 1::2]))))


def _evaluated(g: Graph, z: Tensor) -> Tensor:
    linear, edge_norm, site_norm = (layer.eval() for layer in Norms(g)())
    return softplus(g.v + site_norm(g.total(_message(edge_norm(linear(z))))))


@check
def pool(answer: Callable[..., Tensor], *cases: tuple[Tensor, Tensor, int]) -> None:
    """`answer(v, crystal, n_crystals)` gives (C, F): the mean over the sites (N, F) of each crystal."""
    first = (_first_graph().v, torch.tensor([1, 0, 1, 1]), 2)
    for v, crystal, n_crystals in cases or (first,):
        found = answer(v, crystal, n_crystals)
        has_shape(found, (n_crystals, v.shape[1]), "one row a crystal, one column a feature")
        total = v.new_zeros(n_crystals, v.shape[1]).index_add(0, crystal, v)
        size = torch.bincount(crystal, minlength=n_crystals).unsqueeze(1)
        mistakes = {
            "This is the sum over the sites, not the mean: a supercell would not give what its cell gives.": total,
            "This is the largest value, not the mean.": _largest(v, crystal, n_crystals),
            "All sites of the batch are averaged: each crystal has its own mean.": v.mean(dim=0).expand_as(total),
            "The sums are divided by the number of all sites: each crystal has its own size.": total / len(v),
            "The sums are divided by the number of crystals, not by that of the sites of each.": total / n_crystals,
            "The sums are divided by one size for all: crystals have different ones.": total / size.max(),
        }
        same(found, total / size, mistakes, "The means are not right. Work one crystal out by hand.")


@check
def twins(answer: Callable[[], tuple[Any, Any]]) -> None:
    """`answer()` gives two surroundings, lists of (element 0 or 1, distance in Å), that only `gated` tells apart."""
    surroundings = answer()
    must(
        isinstance(surroundings, tuple) and len(surroundings) == 2,
        "Return two surroundings, each a list of (element, distance).",
    )
    first, second = (sorted((int(e), float(d)) for e, d in one) for one in surroundings)
    must(first and second, "A surrounding without neighbours: give both at least one.")
    must({e for e, _ in first + second} <= {0, 1}, "The elements are 0 and 1.")
    must(all(0.5 < d <= 8 for _, d in first + second), "Distances lie between 0.5 and 8 Å.")
    must(len(first) == len(second), "They have unequally many neighbours: even a sum notices that.")
    must(first != second, "These two are the same: neighbours have no order.")
    must(
        [e for e, _ in first] == [e for e, _ in second],
        "Their neighbours are of different elements: the sum of v_j notices that.",
    )
    lengths = [sorted(d for _, d in one) for one in (first, second)]
    must(lengths[0] == lengths[1], "Their distances differ as a list: the sum of u notices that.")


@check
def equivariant(answer: Callable[..., Tensor], *graphs: Graph) -> None:
    """The student's gated convolution commutes with any order of the sites, and has the gradients of its values."""
    for g in _graphs(graphs):
        parts = _gated_parts(g)
        order = torch.randperm(len(g.v), generator=torch.Generator().manual_seed(1))
        turned = g.reordered(order)
        plain = answer(g.v, g.u, g.centre, g.neighbour, *parts)
        moved = answer(turned.v, turned.u, turned.centre, turned.neighbour, *parts)
        must(close(moved, plain[order]), "With its sites in another order the crystal gets another answer.")
        v = g.v.clone().requires_grad_()
        out = answer(v, g.u, g.centre, g.neighbour, *parts)
        must(
            out.requires_grad, "No gradient arrives at v: something leaves the tensors of torch (detach, numpy, .data)."
        )
        try:
            torch.autograd.gradcheck(lambda v, g=g, parts=parts: answer(v, g.u, g.centre, g.neighbour, *parts), v)
        except RuntimeError:
            raise Wrong("The gradient is not that of the values: something is computed outside of autograd.") from None
