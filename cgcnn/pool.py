"""How the sites of a crystal make up its features. Each pool weighs v (N, F) so that the mean over the sites is wanted.

What explains a prediction by its sites, or measures distances between crystals, takes that mean and need not know
which pool a network has.
"""

import torch
from torch import Tensor, nn

from cgcnn.tensors import Batch


class MeanPool(nn.Module):
    """Every site counts alike (Xie & Grossman 2018): the pool of the paper."""

    def __init__(self, width: int) -> None:
        super().__init__()

    def forward(self, v: Tensor, batch: Batch) -> Tensor:
        return v


class SumPool(nn.Module):
    """The sum over the sites. It doubles where a crystal is written down as a supercell of two cells."""

    def __init__(self, width: int) -> None:
        super().__init__()

    def forward(self, v: Tensor, batch: Batch) -> Tensor:
        return v * batch.n_sites.to(v.dtype)[batch.crystal].unsqueeze(1)


class AttentionPool(nn.Module):
    """Weights that add up to 1 over a crystal, exp(a · v_i) / Σ_j exp(a · v_j), a learned (Li et al. 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, v: Tensor, batch: Batch) -> Tensor:
        score = self.score(v).masked_fill(batch.site_multiplicity == 0, -torch.inf)  # (N, 1), without what fills up
        largest = score.new_full((len(batch.n_sites), 1), -torch.inf)  # (C, 1), taken off so that exp stays finite
        largest = largest.scatter_reduce(0, batch.crystal.unsqueeze(1), score.detach(), "amax")
        weight = torch.exp(score - largest[batch.crystal])  # (N, 1)
        total = torch.zeros_like(largest).index_add(0, batch.crystal, weight * batch.site_multiplicity)  # (C, 1)
        share = batch.n_sites.to(v.dtype).unsqueeze(1) / total  # (C, 1)
        return v * weight * share[batch.crystal]


POOLS: dict[str, type[nn.Module]] = {"mean": MeanPool, "sum": SumPool, "attention": AttentionPool}
