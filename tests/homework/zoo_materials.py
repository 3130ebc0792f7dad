"""Answers to notebooks 0, 4 and 5."""

import itertools

import numpy as np
import pandas as pd
from pymatgen.core import Composition, Lattice, Structure

from cgcnn.graph import NeighbourRule
from cgcnn.model import ModelSettings
from cgcnn.training import TrainSettings
from tests.homework.zoo import right, wrong


@right("formation_energy")
def with_a_composition(total, counts, references):
    composition = Composition(counts)
    return (total - sum(n * references[str(e)] for e, n in composition.items())) / composition.num_atoms


@wrong("formation_energy", "per cell")
def per_cell(total, counts, references):
    return total - sum(n * references[e] for e, n in counts.items())


@wrong("formation_energy", "sign")
def sign_turned(total, counts, references):
    return -with_a_composition(total, counts, references)


@wrong("formation_energy", "counted once")
def each_element_once(total, counts, references):
    return (total - sum(references[e] for e in counts)) / sum(counts.values())


@wrong("formation_energy", "not subtracted")
def elements_forgotten(total, counts, references):
    return total / sum(counts.values())


@right("kj_per_mol")
def from_constants(energy, n_atoms):
    return energy * n_atoms * 1.602176634e-19 * 6.02214076e23 / 1000


@wrong("kj_per_mol", "mole of atoms")
def mole_of_atoms(energy, n_atoms):
    return energy * 96.48533


@wrong("kj_per_mol", "kcal")
def in_kcal(energy, n_atoms):
    return energy * n_atoms * 23.0605


@wrong("kj_per_mol", "thousand")
def in_joule(energy, n_atoms):
    return energy * n_atoms * 96485.33


@right("mean_error")
def with_nanmean(prediction, target):
    return np.nanmean(np.abs(prediction - target))


@wrong("mean_error", "NaN")
def nan_spreads(prediction, target):
    return np.abs(prediction - target).mean()


@wrong("mean_error", "taken for 0")
def missing_is_zero(prediction, target):
    return np.abs(np.nan_to_num(prediction) - target).mean()


@wrong("mean_error", "as if they were right")
def missing_counts_as_right(prediction, target):
    return np.nansum(np.abs(prediction - target)) / len(target)


@right("tolerance_factor")
def other_way_round(r_a, r_b, r_x):
    return 1 / (2**0.5 * (r_b + r_x) / (r_a + r_x))


@wrong("tolerance_factor", "root of 2 is missing")
def no_root(r_a, r_b, r_x):
    return (r_a + r_x) / (r_b + r_x)


@wrong("tolerance_factor", "A and B are swapped")
def a_for_b(r_a, r_b, r_x):
    return (r_b + r_x) / (np.sqrt(2) * (r_a + r_x))


@right("cubic_perovskite")
def with_b_at_the_origin(a, b, edge):
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]
    return Structure(Lattice.cubic(edge), [b, a, "O", "O", "O"], sites)


@wrong("cubic_perovskite", "A and B are swapped")
def b_in_the_cage(a, b, edge):
    return with_b_at_the_origin(b, a, edge)


@wrong("cubic_perovskite", "five")
def one_oxygen(a, b, edge):
    return Structure(Lattice.cubic(edge), [a, b, "O"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]])


@wrong("cubic_perovskite", "edge")
def half_the_edge(a, b, edge):
    return with_b_at_the_origin(a, b, edge / 2)


@wrong("cubic_perovskite", "corners of its octahedron")
def oxygen_in_the_wrong_place(a, b, edge):
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.25, 0.5, 0], [0.5, 0, 0.25], [0, 0.25, 0.5]]
    return Structure(Lattice.cubic(edge), [a, b, "O", "O", "O"], sites)


@right("charge_neutral")
def with_product(a_ions, b_ions):
    return [(a, b) for a, b in itertools.product(a_ions, b_ions) if a != b and a_ions[a] == 6 - b_ions[b]]


@wrong("charge_neutral", "want +6")
def one_oxygen_ion(a_ions, b_ions):
    return [(a, b) for a, q in a_ions.items() for b, p in b_ions.items() if q + p == 3 and a != b]


@wrong("charge_neutral", "(B, A)")
def pairs_turned(a_ions, b_ions):
    return [(b, a) for a, b in with_product(a_ions, b_ions)]


@wrong("charge_neutral", "missing")
def first_of_each(a_ions, b_ions):
    return list({a: (a, b) for a, b in with_product(a_ions, b_ions)}.values())[:1]


def chosen(table, target, n, max_spread, seen=True, sure=True, near=True, gap=np.abs):
    believed = table[table["reason"] == ""]
    believed = believed[believed["unseen_elements"] == ""] if seen else believed
    believed = believed[believed["spread"] <= max_spread] if sure else believed
    believed = believed[believed["distance"] <= 95] if near else believed
    return (
        believed.assign(gap=gap(believed["prediction"] - target)).sort_values("gap", kind="stable")["id"].tolist()[:n]
    )


@right("screen")
def with_nsmallest(table, target, n, max_spread):
    rows = table.query("reason == '' and unseen_elements == '' and spread <= @max_spread and distance <= 95")
    return rows.assign(gap=(rows.prediction - target).abs()).nsmallest(n, "gap").id.tolist()


@wrong("screen", "never seen")
def believes_unseen_elements(*arguments):
    return chosen(*arguments, seen=False)


@wrong("screen", "do not agree")
def believes_any_spread(*arguments):
    return chosen(*arguments, sure=False)


@wrong("screen", "farther")
def believes_strangers(table, target, n, max_spread):
    return chosen(table, target, len(table), max_spread, near=False)


@wrong("screen", "lowest")
def most_stable(table, target, n, max_spread):
    return chosen(table, target, n, max_spread, gap=lambda x: x)


@wrong("screen", "wrong order")
def as_they_come(table, target, n, max_spread):
    ids = chosen(table, target, n, max_spread)
    return table[table["id"].isin(ids)]["id"].tolist()[1:] + table[table["id"].isin(ids)]["id"].tolist()[:1]


@right("enrichment")
def with_counts(picked, truth, target, window):
    hits = {k for k, t in enumerate(truth) if abs(t - target) <= window}
    return len(hits & set(picked.tolist())) * len(truth) / (len(picked) * len(hits))


@wrong("enrichment", "among all")
def hit_rate(picked, truth, target, window):
    return (np.abs(truth[picked] - target) <= window).mean()


@wrong("enrichment", "upside down")
def turned(picked, truth, target, window):
    return 1 / with_counts(picked, truth, target, window)


def packing(symbol, d, ratio=(8 / 3) ** 0.5, cube=2**0.5):
    fcc = Structure(Lattice.cubic(d * cube), [symbol] * 4, [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    sites = [[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]]
    return fcc, Structure(Lattice.hexagonal(d, d * ratio), [symbol] * 2, sites)


@right("close_packed")
def primitive_fcc(symbol, d):
    a = d * np.sqrt(2) / 2
    return Structure(Lattice([[0, a, a], [a, 0, a], [a, a, 0]]), [symbol], [[0, 0, 0]]), packing(symbol, d)[1]


@wrong("close_packed", "root of 8/3")
def axis_ratio_of_zinc(symbol, d):
    return packing(symbol, d, ratio=1.86)


@wrong("close_packed", "nearest distance")
def distance_as_the_edge(symbol, d):
    return packing(symbol, d, cube=1)


@wrong("close_packed", "body-centred")
def body_centred(symbol, d):
    bcc = Structure(Lattice.cubic(2 * d / np.sqrt(3)), [symbol] * 2, [[0, 0, 0], [0.5, 0.5, 0.5]])
    return bcc, packing(symbol, d)[1]


@right("composition_limit")
def with_groupby(formulas, energies):
    table = pd.DataFrame({"formula": formulas, "energy": energies})
    return (table.energy - table.groupby("formula").energy.transform("median")).abs().mean()


@wrong("composition_limit", "mean of a formula")
def mean_of_each_formula(formulas, energies):
    table = pd.DataFrame({"formula": formulas, "energy": energies})
    return (table.energy - table.groupby("formula").energy.transform("mean")).abs().mean()


@wrong("composition_limit", "averaged, not materials")
def mean_over_formulas(formulas, energies):
    table = pd.DataFrame({"formula": formulas, "energy": energies})
    return table.groupby("formula").energy.apply(lambda e: (e - e.median()).abs().mean()).mean()


@wrong("composition_limit", "One middle")
def one_median(formulas, energies):
    return np.abs(energies - np.median(energies)).mean()


@right("abo3")
def with_pymatgen(numbers):
    composition = Structure(Lattice.cubic(9), numbers, np.random.default_rng(0).random((len(numbers), 3))).composition
    return composition.anonymized_formula == "ABC3" and composition["O"] == 0.6 * len(numbers)


@wrong("abo3", "several formula units")
def five_sites_alone(numbers):
    return len(numbers) == 5 and numbers.count(8) == 3 and len(set(numbers)) == 3


@wrong("abo3", "must be oxygen")
def any_x(numbers):
    counts = sorted(numbers.count(z) for z in set(numbers))
    return len(counts) == 3 and counts[0] == counts[1] and counts[2] == 3 * counts[0]


@wrong("abo3", "two elements")
def three_fifths_of_oxygen(numbers):
    return numbers.count(8) * 5 == 3 * len(numbers)


@right("group_split")
def with_cumulated_sizes(groups, fraction, seed):
    names, which, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    drawn = order[np.cumsum(sizes[order]) - sizes[order] < fraction * len(groups)]
    return np.isin(which, drawn)


@wrong("group_split", "both sides")
def random_materials(groups, fraction, seed):
    return np.random.default_rng(seed).random(len(groups)) < fraction


@wrong("group_split", "asked was")
def fraction_inverted(groups, fraction, seed):
    return ~with_cumulated_sizes(groups, fraction, seed)


@wrong("group_split", "Every seed")
def ignores_the_seed(groups, fraction, seed):
    return with_cumulated_sizes(groups, fraction, 0)


@wrong("group_split", "same seed gives another")
def seed_not_used(groups, fraction, seed):
    return with_cumulated_sizes(groups, fraction, None)


@right("rattled")
def translating_sites(structure, sigma, seed):
    copy, rng = structure.copy(), np.random.default_rng(seed)
    for site in range(len(copy)):
        copy.translate_sites([site], rng.normal(0, sigma, 3), frac_coords=False)
    return copy


@wrong("rattled", "fractions of the cell")
def moves_fractions(structure, sigma, seed):
    steps = np.random.default_rng(seed).normal(0, sigma, (len(structure), 3)) / 10
    return Structure(structure.lattice, structure.species, structure.frac_coords + 10 * steps)


@wrong("rattled", "copy")
def moves_the_original(structure, sigma, seed):
    structure.perturb(sigma)
    return structure


@wrong("rattled", "shift of the origin")
def shifts_all(structure, sigma, seed):
    step = np.random.default_rng(seed).normal(0, sigma, 3)
    return Structure(structure.lattice, structure.species, structure.cart_coords + step, coords_are_cartesian=True)


@wrong("rattled", "equally long")
def equal_steps(structure, sigma, seed):
    steps = sigma * np.random.default_rng(seed).choice([-1, 1], (len(structure), 3))
    return Structure(structure.lattice, structure.species, structure.cart_coords + steps, coords_are_cartesian=True)


@right("improvement")
def more_neighbours():
    return (
        "20 neighbours",
        ModelSettings("gated", "regression"),
        TrainSettings(epochs=60),
        NeighbourRule(max_neighbours=20),
    )


@wrong("improvement", "change something")
def nothing_changed():
    return "mine", ModelSettings("gated", "regression"), TrainSettings(epochs=60), NeighbourRule()


@wrong("improvement", "not patience")
def a_thousand_epochs():
    return "mine", ModelSettings("gated", "regression"), TrainSettings(epochs=1000), NeighbourRule()
