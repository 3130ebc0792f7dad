"""A linear model of the composition, whose residuals a network learns: Σ_i e(Z_i) / N over the sites of a crystal.

Most of a formation energy is the sum of what its elements bring. Fitted first, and in closed form, it leaves the
network the rest, as reference energies of atoms do for interatomic potentials.
"""

import torch
from torch import Tensor

from cgcnn.tensors import PackedGraphs

_PENALTY = 0.03  # of ridge regression: an element that a handful of the crystals hold keeps most of its own
_N_ELEMENTS = 101


def fit_reference(graphs: PackedGraphs, train: Tensor, target: Tensor) -> Tensor:
    """e (101,) in the unit of the target, by ridge regression; 0 for elements that are not in the training crystals.

    Args:
        graphs: all crystals.
        train: positions of the training crystals (n,).
        target: of those (n,), its mean taken off.
    """
    fractions = element_fractions(graphs, train)
    gram = fractions.T @ fractions + _PENALTY * torch.eye(_N_ELEMENTS, dtype=torch.float64, device=target.device)
    return torch.linalg.solve(gram, fractions.T @ target.double()).to(target.dtype)


def mean_of_elements(values: Tensor, graphs: PackedGraphs, crystals: Tensor) -> Tensor:
    """Mean over the sites of `crystals` (n,) of a value (101,) of each element: (n,)."""
    return (element_fractions(graphs, crystals) @ values.double()).to(values.dtype)


def element_fractions(graphs: PackedGraphs, crystals: Tensor) -> Tensor:
    """Share of each atomic number among the sites of `crystals` (n,): (n, 101) float64."""
    batch = graphs.batch(crystals)
    place = batch.crystal * _N_ELEMENTS + batch.atomic_number  # (N,)
    counts = torch.zeros(len(crystals) * _N_ELEMENTS, dtype=torch.float64, device=place.device)
    counts = counts.index_add(0, place, batch.site_multiplicity.squeeze(1).double())
    return counts.view(len(crystals), _N_ELEMENTS) / batch.n_sites.unsqueeze(1)
