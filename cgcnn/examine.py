"""What trained networks have learned: where they put crystals and elements, what each site adds to a prediction, and
whether the choice of a cell changes it.

Shapes: S seeds, C crystals, N sites, F features.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import spglib
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch.nn.functional import softplus

from cgcnn.arrays import Crystal, CrystalGraphs
from cgcnn.domain import Domain
from cgcnn.explain import read
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.model import CGCNN
from cgcnn.predict import predict
from cgcnn.tensors import PackedGraphs

Floats = NDArray[np.float64]

_NODES = 16  # of the quadrature along the path of integrated gradients
_AT_ONCE = 256  # crystals in a batch
_SUPERCELL = (2, 2, 1)
_SYMPREC = 1e-3  # Å, within which sites count as equal when a primitive cell is looked for
_UMAP_NEIGHBOURS = 15


def pooled_and_sites(model: CGCNN, graphs: CrystalGraphs, device: torch.device) -> tuple[Tensor, Tensor]:
    """Means over the sites of each crystal (C, F) before the softplus, and the features of the sites (N, F)."""
    packed = PackedGraphs(graphs, device, merge_sites=False)
    with torch.inference_mode():
        batches = [packed.batch(chosen) for chosen in torch.arange(len(packed), device=device).split(_AT_ONCE)]
        sites = torch.cat([model.to(device).site_features(batch) for batch in batches])  # (N, F)
        total = sites.new_zeros(len(packed), sites.shape[1]).index_add(0, _owners(packed.n_sites), sites)
        pooled = total / packed.n_sites.unsqueeze(1)
    return pooled.clone(), sites.clone()


def _owners(n_sites: Tensor) -> Tensor:
    """(N,) which crystal each site belongs to."""
    return torch.arange(len(n_sites), device=n_sites.device).repeat_interleave(n_sites)


def site_contributions(model: CGCNN, pooled: Tensor, sites: Tensor, n_sites: Tensor, reference: Tensor) -> Floats:
    """What each site adds to the prediction of its crystal (N,), as explain.py tells it, of many crystals at once.

    Args:
        pooled: (C, F) means over sites, before the softplus.
        sites: (N, F), crystal after crystal.
        n_sites: (C,).
        reference: (F,), such as the mean of `pooled` over the training crystals.
    """
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    slope = torch.zeros_like(pooled)  # (C, F), mean gradient along the way
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        there = (reference + float(node) * (pooled - reference)).requires_grad_()
        (gradient,) = torch.autograd.grad(read(model, there).sum(), there)
        slope += float(weight) * gradient
    crystal = _owners(n_sites)
    share = ((sites - reference) * slope[crystal]).sum(1) / n_sites[crystal]
    return share.double().cpu().numpy()


def look_at(
    models: Mapping[int, CGCNN], domain: Domain, graphs: CrystalGraphs, device: torch.device
) -> tuple[list[Floats], Floats]:
    """What an ensemble makes of crystals and of their sites.

    Returns:
        S of (C, F), pooled crystal features;
        (N,) mean over the seeds of `site_contributions`, counted from the mean of the training crystals.
    """
    features, contributions = [], []
    n_sites = torch.from_numpy(graphs.n_sites).to(device)
    for model, baseline in zip(models.values(), domain.baseline, strict=True):
        pooled, sites = pooled_and_sites(model, graphs, device)
        reference = torch.from_numpy(baseline).to(pooled)
        contributions.append(site_contributions(model, pooled, sites, n_sites, reference))
        features.append(softplus(pooled).double().cpu().numpy())
    return features, np.mean(contributions, axis=0)


def crystal_map(features: Sequence[Floats], domain: Domain, with_umap: bool, seed: int) -> dict[str, NDArray[Any]]:
    """Where an ensemble puts crystals, by S pooled crystal features (C, F).

    Returns:
        pca_x, pca_y, umap_x, umap_y (C,), NaN where UMAP is not wanted; distance (C,) to the nearest training crystal,
        over the median of that distance among those; nearest (C,), its id.
    """
    scaled = domain.scaled(features).astype(np.float64)
    pca = principal_components(scaled)[0]
    umap = _umap(scaled, seed) if with_umap else np.full_like(pca, np.nan)
    distance, which = domain.distances(features)
    names = np.array(domain.facts["material_ids"])[which]
    unit = float(np.median(domain.nearest)) or 1.0
    points = {"pca_x": pca[:, 0], "pca_y": pca[:, 1], "umap_x": umap[:, 0], "umap_y": umap[:, 1]}
    return {**points, "distance": distance / unit, "nearest": names}


def principal_components(features: Floats) -> tuple[Floats, list[float]]:
    """(rows, 2) coordinates along the directions of largest variance, and the share of the variance each has."""
    found = PCA(min(2, *features.shape), svd_solver="full").fit(features)
    coordinates = np.zeros((len(features), 2))
    coordinates[:, : found.n_components_] = found.transform(features)
    return coordinates, [float(share) for share in np.nan_to_num(found.explained_variance_ratio_)]


def _umap(features: Floats, seed: int) -> Floats:
    """(C, 2) UMAP coordinates (McInnes, Healy & Melville, 2018)."""
    from umap import UMAP  # compiles itself: seconds, only where it is wanted

    n = min(_UMAP_NEIGHBOURS, len(features) - 1)
    distance, which = NearestNeighbors(n_neighbors=n).fit(features).kneighbors(features)  # UMAP's own compiles longer
    known = (which, distance.astype(np.float32))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "precomputed_knn")  # that further points could not be placed: there are none
        reducer = UMAP(n_neighbors=n, precomputed_knn=known, init="pca", random_state=seed, n_jobs=1)
        return np.asarray(reducer.fit_transform(features), dtype=np.float64)


def element_map(models: Mapping[int, CGCNN], numbers: Sequence[int] | NDArray[np.int64]) -> dict[str, list[float]]:
    """What the first layer makes of elements: their atomic numbers, principal components x and y, and `shares`."""
    rows = list(map(int, numbers))
    with torch.inference_mode():
        first = [model.embedding(model.atom_features)[rows].double().cpu().numpy() for model in models.values()]
    points, shares = principal_components(np.concatenate(first, axis=1))
    return {"numbers": rows, "x": points[:, 0].tolist(), "y": points[:, 1].tolist(), "shares": shares}


def evenly(values: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """At most n of the values, evenly spread over their order."""
    return values[np.unique(np.linspace(0, len(values) - 1, min(n, len(values))).astype(int))]


def invariance(
    models: Mapping[int, CGCNN], crystals: Sequence[Crystal], rule: NeighbourRule, seed: int, device: torch.device
) -> dict[str, dict[str, float]]:
    """How much predictions change when the same crystals are written down otherwise.

    Returns:
        One of REWRITINGS, or batch: asked one at a time -> mean and largest absolute change over crystals and seeds,
        in the target's unit or as a probability.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    asked = _asker(models, rule, device)
    before = asked(crystals)
    changes = {name: asked([other(each, rng) for each in crystals]) - before for name, other in REWRITINGS.items()}
    changes["batch"] = np.concatenate([asked([each]) for each in crystals], axis=1) - before
    return {
        name: {"mean": float(np.abs(change).mean()), "largest": float(np.abs(change).max())}
        for name, change in changes.items()
    }


def _asker(
    models: Mapping[int, CGCNN], rule: NeighbourRule, device: torch.device
) -> Callable[[Sequence[Crystal]], Floats]:
    def asked(crystals: Sequence[Crystal]) -> Floats:
        """(S, C)"""
        return np.stack([*predict(models, PackedGraphs(crystal_graphs(crystals, rule), device)).values()])

    return asked


def _supercell(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    shifts = np.stack(np.meshgrid(*map(np.arange, _SUPERCELL), indexing="ij"), axis=-1).reshape(-1, 3)
    coords = (crystal.frac_coords[:, None] + shifts) / _SUPERCELL
    lattice = crystal.lattice * np.array(_SUPERCELL)[:, None]
    return Crystal(lattice, coords.reshape(-1, 3), np.repeat(crystal.atomic_numbers, len(shifts)))


def _primitive(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    """Another, smallest cell; the one given where none can be found."""
    cell: Any = (crystal.lattice, crystal.frac_coords, crystal.atomic_numbers.astype(int))
    found: Any = spglib.standardize_cell(cell, to_primitive=True, no_idealize=True, symprec=_SYMPREC)
    if found is None:
        return crystal
    lattice, coords, numbers = (np.ascontiguousarray(part) for part in found)
    return Crystal(lattice, coords, numbers.astype(np.uint8))


def _rotation(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    turned = crystal.lattice @ Rotation.random(random_state=rng).as_matrix().T
    return Crystal(turned, crystal.frac_coords, crystal.atomic_numbers)


def _translation(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    return Crystal(crystal.lattice, (crystal.frac_coords + rng.random(3)) % 1, crystal.atomic_numbers)


def _permutation(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    order = rng.permutation(len(crystal.atomic_numbers))
    return Crystal(crystal.lattice, crystal.frac_coords[order], crystal.atomic_numbers[order])


#: Name -> the same crystal, written down otherwise.
REWRITINGS: dict[str, Callable[[Crystal, np.random.Generator], Crystal]] = {
    "supercell": _supercell,
    "primitive": _primitive,
    "rotation": _rotation,
    "translation": _translation,
    "permutation": _permutation,
}
