"""Answers to notebook 1."""

import itertools

import numpy as np
from pymatgen.core import Lattice, Structure

from tests.homework.zoo import right, wrong


def search(lattice, frac, cutoff, reach=8, keep=lambda i, j: True, itself=False, squared=False):
    """A plain search, with an opening for each mistake."""
    images = np.array(list(itertools.product(range(-reach, reach + 1), repeat=3)))
    rows = []
    for i, j in itertools.product(range(len(frac)), repeat=2):
        d = np.linalg.norm((frac[j] + images - frac[i]) @ lattice, axis=1)
        d = d[(d <= cutoff) & (itself | (d > 1e-8))] if keep(i, j) else d[:0]
        rows += [(i, j, x**2 if squared else x) for x in d]
    found = np.array(rows).reshape(-1, 3)
    return found[:, 0].astype(int), found[:, 1].astype(int), found[:, 2]


@right("neighbours")
def with_loops_over_pairs(lattice, frac, cutoff):
    return search(lattice, frac, cutoff)


@right("neighbours")
def asking_pymatgen(lattice, frac, cutoff):
    structure = Structure(Lattice(lattice), ["H"] * len(frac), frac)
    centre, neighbour, _, distance = structure.get_neighbor_list(cutoff)
    return centre, neighbour, distance


@wrong("neighbours", "images")
def home_cell_alone(lattice, frac, cutoff):
    return search(lattice, frac, cutoff, reach=0)


@wrong("neighbours", "one a pair")
def nearest_image_alone(lattice, frac, cutoff):
    centre, neighbour, distance = search(lattice, frac, cutoff)
    best = {}
    for i, j, d in zip(centre, neighbour, distance, strict=True):
        best[i, j] = min(d, best.get((i, j), np.inf))
    return np.array([i for i, _ in best]), np.array([j for _, j in best]), np.array(list(best.values()))


@wrong("neighbours", "not its own neighbour")
def counts_itself(lattice, frac, cutoff):
    return search(lattice, frac, cutoff, itself=True)


@wrong("neighbours", "own images")
def leaves_out_own_images(lattice, frac, cutoff):
    return search(lattice, frac, cutoff, keep=lambda i, j: i != j)


@wrong("neighbours", "both directions")
def each_pair_once(lattice, frac, cutoff):
    return search(lattice, frac, cutoff, keep=lambda i, j: i < j)


@wrong("neighbours", "squared")
def distances_squared(lattice, frac, cutoff):
    return search(lattice, frac, cutoff, squared=True)


@wrong("neighbours", "rows of the matrix")
def lattice_turned(lattice, frac, cutoff):
    return search(lattice.T, frac, cutoff)


@wrong("neighbours", "look further")
def one_cell_around(lattice, frac, cutoff):
    return search(lattice, frac, cutoff, reach=1)


@wrong("neighbours", "cutoff")
def forgets_the_cutoff(lattice, frac, cutoff):
    return search(lattice, frac, cutoff + 1)


def kth(centre, distance, n_sites, k):
    own = [np.sort(distance[centre == site]) for site in range(n_sites)]
    return np.array([d[k - 1] if 0 < k <= len(d) else np.inf for d in own])


@right("nearest")
def with_sorting(centre, distance, n_sites, k, tolerance):
    keep = np.zeros(len(centre), dtype=bool)
    for site in range(n_sites):
        mine = sorted(np.flatnonzero(centre == site), key=lambda e: distance[e])
        for place, edge in enumerate(mine):
            keep[edge] = place < k or distance[edge] <= distance[mine[k - 1]] + tolerance
    return keep


@wrong("nearest", "shell")
def cuts_at_k(centre, distance, n_sites, k, tolerance):
    keep = np.zeros(len(centre), dtype=bool)
    for site in range(n_sites):
        mine = np.flatnonzero(centre == site)
        keep[mine[np.argsort(distance[mine], kind="stable")[:k]]] = True
    return keep


@wrong("nearest", "whole crystal")
def nearest_of_the_whole_crystal(centre, distance, n_sites, k, tolerance):
    return distance <= np.sort(distance)[min(k, len(distance)) - 1] + tolerance


@wrong("nearest", "keeps those that it has")
def drops_sites_with_few(centre, distance, n_sites, k, tolerance):
    limit = kth(centre, distance, n_sites, k)
    return np.isfinite(limit)[centre] & (distance <= limit[centre] + tolerance)


@wrong("nearest", "starts at 0")
def off_by_one(centre, distance, n_sites, k, tolerance):
    return distance <= kth(centre, distance, n_sites, k + 1)[centre] + tolerance


@wrong("nearest", "tolerance is missing")
def no_tolerance(centre, distance, n_sites, k, tolerance):
    return distance <= kth(centre, distance, n_sites, k)[centre]


@wrong("nearest", "<=")
def strictly_nearer(centre, distance, n_sites, k, tolerance):
    return distance < kth(centre, distance, n_sites, k)[centre]


@wrong("nearest", "bool")
def positions_instead_of_a_mask(centre, distance, n_sites, k, tolerance):
    return np.arange(len(centre))


CENTRES = 0.2 * np.arange(41)


@right("expand")
def with_loops(distance):
    return np.array([[np.exp(-((d - mu) ** 2) / 0.2**2) for mu in CENTRES] for d in distance])


@wrong("expand", "halved")
def normal_distribution(distance):
    return np.exp(-((distance[:, None] - CENTRES) ** 2) / (2 * 0.2**2))


@wrong("expand", "not squared")
def gap_not_squared(distance):
    return np.exp(-np.abs(distance[:, None] - CENTRES) / 0.2)


@wrong("expand", "sigma is not squared")
def sigma_not_squared(distance):
    return np.exp(-((distance[:, None] - CENTRES) ** 2) / 0.2)


@wrong("expand", "seems to be missing")
def no_sigma(distance):
    return np.exp(-((distance[:, None] - CENTRES) ** 2))


@wrong("expand", "sign")
def wrong_sign(distance):
    return np.exp(((distance[:, None] - CENTRES) / 0.2) ** 2)


@wrong("expand", "41")
def forty_centres(distance):
    return np.exp(-(((distance[:, None] - np.arange(0, 7.9, 0.2)) / 0.2) ** 2))


@wrong("expand", "side")
def on_its_side(distance):
    return with_loops(distance).T


@wrong("expand", "normalised")
def rows_normalised(distance):
    return with_loops(distance) / with_loops(distance).sum(axis=1, keepdims=True)


def one_hot(position, width):
    return (position[:, None] == np.arange(width)).astype(float)


@right("bits")
def with_digitize(values, low, high, width):
    inner = np.digitize(values, np.linspace(low, high, width + 1)) - 1
    return np.where(np.isnan(values)[:, None], 0.0, one_hot(inner, width))


@wrong("bits", "rounding down")
def rounds(values, low, high, width):
    return one_hot(
        np.minimum(
            np.where((values < low) | (values > high), np.nan, np.round((values - low) / (high - low) * width)),
            width - 1,
        ),
        width,
    )


@wrong("bits", "NaN")
def unknown_is_the_first_bin(values, low, high, width):
    return one_hot(np.floor((np.nan_to_num(values, nan=low) - low) / (high - low) * width), width)


@wrong("bits", "below `low` or above")
def clips_to_the_ends(values, low, high, width):
    return one_hot(np.clip(np.floor((values - low) / (high - low) * width), 0, width - 1), width)


@wrong("bits", "one-hot")
def thermometer(values, low, high, width):
    found = np.nan_to_num(np.floor((values - low) / (high - low) * width), nan=-1)[:, None] >= np.arange(width)
    return found * with_digitize(values, low, high, width).any(axis=1, keepdims=True)


@wrong("bits", "equally wide")
def high_is_ignored(values, low, high, width):
    found = one_hot(np.clip(np.floor((values - low) / 5.0 * width), 0, width - 1), width)
    return found * with_digitize(values, low, high, width).any(axis=1, keepdims=True)


@right("relabel")
def with_a_dictionary(centre, neighbour, order):
    place = {int(old): new for new, old in enumerate(order)}
    return np.array([place[i] for i in centre.tolist()]), np.array([place[j] for j in neighbour.tolist()])


@wrong("relabel", "way back")
def order_for_its_inverse(centre, neighbour, order):
    return order[centre], order[neighbour]


@wrong("relabel", "one end")
def renames_one_end(centre, neighbour, order):
    return np.argsort(order)[centre], neighbour


@wrong("relabel", "have changed")
def changes_what_was_given(centre, neighbour, order):
    centre[:], neighbour[:] = np.argsort(order)[centre], np.argsort(order)[neighbour]
    return centre, neighbour
