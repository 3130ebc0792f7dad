"""The whole network: embed the atoms, convolve, pool over each crystal, and read the property off.

Xie & Grossman, PRL 120, 145301 (2018). Shapes: C crystals, N sites, E edges, D distinct distances.
"""

from dataclasses import asdict, dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, softplus

from cgcnn.angles import N_MOMENTS
from cgcnn.conv import CONVOLUTIONS
from cgcnn.cutoff import sharing, softened
from cgcnn.errors import InputError
from cgcnn.pool import POOLS
from cgcnn.tensors import Batch

GAUSSIAN_STEP = 0.2  # Å, also the width sigma
N_GAUSSIANS = 41  # centres 0, 0.2, ..., 8 Å


@dataclass(frozen=True)
class ModelSettings:
    """Everything that fixes the shape of a network."""

    conv: str  # none, shared or gated
    kind: str  # regression or classification
    atom_dim: int = 64
    n_conv: int = 3
    hidden_dim: int = 128
    n_hidden: int = 2
    pool: str = "mean"  # mean, sum or attention
    smooth_cutoff: float = 0.0  # Å within which a neighbour behind the twelfth loses its weight; 0: at once (cutoff.py)
    shared_shell: float = 0.0  # Å around the twelfth neighbour in which those of gated share places (cutoff.py)
    angles: bool = False  # edges know the angles around them (angles.py)
    element_numbers: bool = False  # elements are described by numbers beside the bits (element_numbers.py)
    element_reference: bool = False  # a regression learns what a linear model of the composition leaves (reference.py)

    def as_dict(self) -> dict[str, str | int]:
        """For a model card."""
        return asdict(self)


class CGCNN(nn.Module):
    """Crystal graph convolutional neural network.

    Args:
        settings: kind of convolution and head, widths and depths.
        atom_features: (101, 92) features of each atomic number; row 0 is unused.
    """

    atom_features: Tensor  # (101, 92)
    gaussian_centres: Tensor  # (41,) Å
    target_mean: Tensor  # in the target's unit, fitted on the training split, as is target_std
    target_std: Tensor
    element_reference: Tensor  # (101,) scaled as the target is; only where the settings ask for it

    def __init__(self, settings: ModelSettings, atom_features: Tensor) -> None:
        super().__init__()
        self.settings = settings
        width, hidden = settings.atom_dim, settings.hidden_dim
        self.register_buffer("atom_features", atom_features.float())
        self.register_buffer("gaussian_centres", GAUSSIAN_STEP * torch.arange(N_GAUSSIANS), persistent=False)
        self.register_buffer("target_mean", torch.zeros(()))
        self.register_buffer("target_std", torch.ones(()))
        self.embedding = nn.Linear(atom_features.shape[1], width)
        edge_width = N_GAUSSIANS + N_MOMENTS * settings.angles
        self.convs = nn.ModuleList(CONVOLUTIONS[settings.conv](width, edge_width) for _ in range(settings.n_conv))
        sizes = [width] + settings.n_hidden * [hidden]
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.head = nn.Linear(sizes[-1], 1 if settings.kind == "regression" else 2)
        self.pool = POOLS[settings.pool](width)
        if settings.element_reference:
            self.register_buffer("element_reference", torch.zeros(len(atom_features)))

    def forward(self, batch: Batch) -> Tensor:
        """Scaled target (C,) of a regression, or log probabilities (C, 2) of a classification."""
        return self.read_out(self.pooled(batch))

    def pooled(self, batch: Batch) -> Tensor:
        """Mean of `site_features` over the sites of each crystal, (C, F)."""
        v = self.site_features(batch)  # (N, F)
        total = v.new_zeros(len(batch.n_sites), v.shape[1])  # (C, F)
        total = total.index_add(0, batch.crystal, v * batch.site_multiplicity)
        return total / batch.n_sites.unsqueeze(1)

    def read_out(self, pooled: Tensor) -> Tensor:
        """From pooled features (C, F) to the output of `forward`."""
        reference: Tensor | float = 0.0
        if self.settings.element_reference:
            pooled, reference = pooled[:, :-1], pooled[:, -1:]
        x = softplus(pooled)  # (C, F), v_c
        for layer in self.hidden:
            x = softplus(layer(x))  # (C, hidden)
        x = self.head(x) + reference  # (C, 1) or (C, 2)
        return x.squeeze(1) if self.settings.kind == "regression" else log_softmax(x, dim=1)

    def site_features(self, batch: Batch) -> Tensor:
        """v_i (N, F) after the last convolution, as the pool weighs them.

        With an element reference there is one more column, that of each site's element.
        """
        u = self.expand(batch.distance)  # (D, 41)
        if self.settings.angles:
            if not batch.angles.shape[1]:
                raise InputError(
                    "The network asks for angles (model.angles), and not all of these graphs hold them. "
                    "Build all of them again with graphs.angles: true."
                )
            u = torch.cat([u, batch.angles], dim=1)  # (D, 45)
        if self.settings.smooth_cutoff:
            batch = softened(batch, self.settings.smooth_cutoff)
        elif self.settings.shared_shell and self.settings.conv == "gated":
            batch = sharing(batch, self.settings.shared_shell)
        v = self.embedding(self.atom_features).index_select(0, batch.atomic_number)  # (N, F), one product an element
        for conv in self.convs:
            v = conv(v, u, batch)
        v = self.pool(v, batch)
        if self.settings.element_reference:
            v = torch.cat([v, self.element_reference[batch.atomic_number].unsqueeze(1)], dim=1)  # (N, F + 1)
        return v

    def expand(self, distance: Tensor) -> Tensor:
        """Gaussian expansion exp(-(d - mu)^2 / sigma^2) of distances (D,) in Å: (D, 41)."""
        exponent = ((distance.unsqueeze(1) - self.gaussian_centres) / GAUSSIAN_STEP) ** 2
        return torch.exp(-exponent.clamp(max=50.0))  # e^-50 is nothing; e^-90 would be, too, but take ten times as long

    def prediction(self, output: Tensor) -> Tensor:
        """From `forward`'s output to the target's unit (C,), or to the probability of class 1 (C,)."""
        if self.settings.kind == "regression":
            return output * self.target_std + self.target_mean
        return output[:, 1].exp()
