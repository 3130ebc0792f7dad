"""Three-body information in the edges: how the neighbours of a site lie around each of its edges.

An edge (i, j) carries the means over the neighbours k of i of cos θ_jik, cos² θ_jik, ..., which tell crystals apart
that have the same distances. They say what the first Legendre moments of the angles say, and the matrix product that
follows can turn one into the other. Nothing changes under rotation, translation, or another cell.
"""

import numpy as np

N_MOMENTS = 4
ANGLE_GRID = 2.0**-14  # moments are stored in steps of it, so that equal edges compare equal


def angular_moments(centre: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Means over k of cos^p θ_jik, p = 1 to N_MOMENTS, in steps of ANGLE_GRID: (E, N_MOMENTS) int16.

    Args:
        centre: (E,) site i of each edge, ascending; every neighbour is an edge of its own.
        vectors: (E, 3) from i to j, in any unit of length.
    """
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    first = np.flatnonzero(np.diff(centre, prepend=-1))  # of each site that has edges
    site = np.repeat(np.arange(len(first)), np.diff(first, append=len(centre)))  # (E,)
    count = np.bincount(site)[site]  # (E,)
    power, moments = np.ones((len(unit), 1)), []
    for _ in range(N_MOMENTS):
        power = (power[:, :, None] * unit[:, None, :]).reshape(
            len(unit), 3 * power.shape[1]
        )  # (E, 3^p), the p-fold product r ⊗ ... ⊗ r
        total = (
            np.add.reduceat(power, first, axis=0) if len(first) else power
        )  # cos^p of two edges is their product's trace
        moments.append((power * total[site]).sum(axis=1) / count)
    return np.rint(np.stack(moments, axis=1) / ANGLE_GRID).astype(np.int16)


def codes(moments: np.ndarray) -> np.ndarray:
    """(E, 4) int16 as one number an edge, (E,) int64: equal where all moments are."""
    return np.ascontiguousarray(moments).view(np.int64).ravel()
