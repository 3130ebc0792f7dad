"""Sites that no convolution can tell apart, merged into one that counts as many.

Sites that a symmetry of the crystal maps onto each other see equal neighbours at equal distances; they start equal and
stay equal through any number of layers. Computing one of them is enough: its edges are its own, and sums over sites or
over all edges weight it by its multiplicity. Of the five sites of a cubic perovskite three are left, of its 28 distinct
edges six. No space group is looked for: colour refinement (Weisfeiler & Leman 1968; for networks on graphs, Bollen,
Steegmans, Van den Bussche & Vansummeren 2023) finds the coarsest such classes of any graph, and is exact on all.
"""

from dataclasses import dataclass

import numpy as np

from cgcnn.angles import codes
from cgcnn.arrays import CrystalGraphs, offsets


@dataclass(frozen=True)
class MergedGraphs:
    """Crystal graphs in which one site stands for all sites equal to it."""

    graphs: CrystalGraphs  # over the distinct sites; without images
    site_multiplicity: np.ndarray  # (N',) int64, how many sites each distinct one stands for
    distinct_site: np.ndarray  # (N,) int64, which of the N' each site of the crystals is


def merge_equal_sites(graphs: CrystalGraphs) -> MergedGraphs:
    """The smallest graphs on which every convolution gives what it gives on `graphs` (N sites become N')."""
    crystal = np.repeat(np.arange(len(graphs)), graphs.n_sites)  # (N,)
    centre = np.repeat(np.arange(len(crystal)), graphs.degree)  # (E,)
    neighbour = graphs.neighbour + graphs.site_offsets[:-1][crystal[centre]]  # (E,)
    colour, first = _stable_colours(graphs, crystal, centre, neighbour)

    kept = np.zeros(len(crystal), dtype=bool)  # the first site of each colour keeps its edges
    kept[first] = True
    edge = np.flatnonzero(kept[centre])
    n_distinct = np.bincount(crystal[first], minlength=len(graphs))
    key = [colour[centre[edge]], graphs.distance[edge].view(np.int32), colour[neighbour[edge]]]
    if graphs.angles is not None:
        key.append(codes(graphs.angles[edge]))
    # positive floats sort as their bits do
    distinct, first_edge, which = np.unique(np.stack(key), axis=1, return_index=True, return_inverse=True)
    new_centre, distance_bits, new_neighbour = distinct[:3]
    multiplicity = np.bincount(which.ravel(), graphs.multiplicity[edge], minlength=len(new_centre))
    merged = CrystalGraphs(
        n_sites=n_distinct,
        atomic_numbers=graphs.atomic_numbers[first],
        degree=np.bincount(new_centre, minlength=len(first)).astype(np.uint16),
        neighbour=(new_neighbour - offsets(n_distinct)[:-1][crystal[first][new_centre]]).astype(np.uint16),
        distance=distance_bits.astype(np.int32).view(np.float32),
        multiplicity=multiplicity.astype(np.uint16),
        angles=None if graphs.angles is None else graphs.angles[edge][first_edge],
    )
    return MergedGraphs(merged, np.bincount(colour, minlength=len(first)), colour)


def _stable_colours(
    graphs: CrystalGraphs, crystal: np.ndarray, centre: np.ndarray, neighbour: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Colour (N,) of each site, numbered by first appearance, and the first site (N',) of each colour.

    Sites share a colour if they share crystal and element and, for every colour and distance (and set of angles, in
    graphs that have them), have equally many such neighbours. The neighbours of a site enter as a sum of 64-bit hashes:
    two different sites of a crystal would be taken for equal once in 10^19 comparisons.
    """
    edge_hash = _mixed(graphs.distance.view(np.uint32).astype(np.uint64))
    if graphs.angles is not None:
        edge_hash = _mixed(edge_hash + codes(graphs.angles).view(np.uint64))
    times = graphs.multiplicity.astype(np.uint64)
    colour = _numbered(_mixed(crystal.astype(np.uint64) * np.uint64(256) + graphs.atomic_numbers))
    while True:
        seen = np.zeros(len(crystal), dtype=np.uint64)
        np.add.at(seen, centre, times * _mixed(edge_hash + colour[0][neighbour].astype(np.uint64)))
        finer = _numbered(_mixed(seen + _mixed(colour[0].astype(np.uint64))))
        if len(finer[1]) == len(colour[1]):
            return colour
        colour = finer


def _numbered(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each value (N,) as the number of its first appearance among the distinct ones, and where that is (N',)."""
    _, first, which = np.unique(values, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return rank[which], np.sort(first)


def _mixed(values: np.ndarray) -> np.ndarray:
    """Hash of (n,) uint64, the finalizer of SplitMix64 (Steele, Lea & Flood 2014); wraps around as it should."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
