"""Checks of notebooks 0 and 4: units, and the search for a material."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from pymatgen.core import Structure

from cgcnn.perovskites import classify

from .verdict import Wrong, check, must, same

KJ_PER_MOL = 96.48533212  # in one eV per particle (CODATA 2018)


@check
def formation_energy(
    answer: Callable[..., float], *cases: tuple[float, Mapping[str, int], Mapping[str, float]]
) -> None:
    """`answer(total, counts, references)`: formation energy in eV/atom of a cell with `total` eV."""
    first = (-40.0, {"Sr": 1, "Ti": 1, "O": 3}, {"Sr": -1.7, "Ti": -7.9, "O": -4.9, "Ba": -1.9})
    for total, counts, references in cases or (first,):
        found = answer(total, counts, references)
        n = sum(counts.values())
        elements = sum(counts[e] * references[e] for e in counts)
        mistakes = {
            "This is per cell: divide by the number of atoms.": total - elements,
            "The sign is turned: compound minus elements, a stable compound has less than 0.": (elements - total) / n,
            "Each element is counted once, whatever its number of atoms.": (total - sum(references[e] for e in counts))
            / n,
            "The elements are not subtracted.": total / n,
            "This divides by the number of elements, not of atoms.": (total - elements) / len(counts),
            "The elements are added where they should be subtracted.": (total + elements) / n,
            "All references are subtracted, those of elements that are not there, too.": (
                total - sum(references.values())
            )
            / n,
        }
        same(
            found,
            (total - elements) / n,
            mistakes,
            "The value is not right: (cell - its atoms as pure elements) / atoms.",
        )


@check
def kj_per_mol(answer: Callable[[float, int], float], *cases: tuple[float, int]) -> None:
    """`answer(energy, n_atoms)`: from eV/atom to kJ per mole of formula units with that many atoms."""
    for energy, n_atoms in cases or ((-3.3, 5),):
        found = answer(energy, n_atoms)
        mistakes = {
            "This is for a mole of atoms: a formula unit has several.": energy * KJ_PER_MOL,
            "This is in eV per formula unit: one eV per particle is 96.485 kJ/mol.": energy * n_atoms,
            "Divided where it should be multiplied: the energy of the whole formula unit is larger.": energy
            / n_atoms
            * KJ_PER_MOL,
            "This is in J/mol, or off by a thousand.": energy * n_atoms * KJ_PER_MOL * 1000,
            "That looks like kcal/mol.": energy * n_atoms * 23.0605,
            "The sign is lost.": -energy * n_atoms * KJ_PER_MOL,
        }
        same(
            found,
            energy * n_atoms * KJ_PER_MOL,
            mistakes,
            "The value is not right: eV/atom, atoms a formula unit, kJ/mol.",
            2e-4,
        )


@check
def mean_error(answer: Callable[..., float], *cases: tuple[np.ndarray, np.ndarray]) -> None:
    """`answer(prediction, target)`: mean absolute error of those materials that have a prediction."""
    first = (np.array([-1.0, np.nan, -2.5, -3.0]), np.array([-1.2, -2.0, -2.0, -3.1]))
    for prediction, target in cases or (first,):
        found = answer(prediction, target)
        must(np.isfinite(found), "The answer is NaN: some materials have no prediction, leave them out.")
        known = ~np.isnan(prediction)
        gap = prediction[known] - target[known]
        mistakes = {
            "Materials without a prediction count as if they were right: they must not be counted.": np.abs(gap).sum()
            / len(target),
            "A missing prediction is taken for 0.": np.abs(np.nan_to_num(prediction) - target).mean(),
            "Errors of both signs cancel: take absolute values first.": gap.mean(),
            "Errors of both signs cancel: take absolute values first. ": abs(gap.mean()),
            "This is the root mean squared error.": np.sqrt((gap**2).mean()),
            "This is the mean squared error.": (gap**2).mean(),
            "This is the median.": np.median(np.abs(gap)),
        }
        same(found, np.abs(gap).mean(), mistakes, "The value is not right.")


@check
def tolerance_factor(answer: Callable[..., float], *cases: tuple[float, float, float]) -> None:
    """`answer(r_a, r_b, r_x)`: Goldschmidt's t from radii in Å."""
    for r_a, r_b, r_x in cases or ((1.44, 0.605, 1.40),):
        root = np.sqrt(2)
        mistakes = {
            "The root of 2 is missing.": (r_a + r_x) / (r_b + r_x),
            "A and B are swapped.": (r_b + r_x) / (root * (r_a + r_x)),
            "The fraction is upside down.": root * (r_b + r_x) / (r_a + r_x),
            "The root of 2 belongs below the line.": root * (r_a + r_x) / (r_b + r_x),
            "That is 2, not its root.": (r_a + r_x) / (2 * (r_b + r_x)),
            "The radius of X is missing.": r_a / (root * r_b),
        }
        same(answer(r_a, r_b, r_x), (r_a + r_x) / (root * (r_b + r_x)), mistakes, "The value is not right.")


@check
def cubic_perovskite(answer: Callable[..., Structure], *cases: tuple[str, str, float]) -> None:
    """`answer(a, b, edge)`: the cubic cell of ABO3, a pymatgen Structure."""
    for a, b, edge in cases or (("Sr", "Ti", 3.905),):
        found = answer(a, b, edge)
        must(isinstance(found, Structure), f"The answer is a {type(found).__name__}, not a Structure.")
        counts = {str(k): int(v) for k, v in found.composition.get_el_amt_dict().items()}
        must(len(found) == 5, f"The cell has {len(found)} sites: ABO3 has five.")
        must(counts == {a: 1, b: 1, "O": 3}, f"The cell holds {found.composition.formula}: it should be {a}1 {b}1 O3.")
        must(np.allclose(found.lattice.angles, 90) and np.ptp(found.lattice.abc) < 1e-6, "The cell is not a cube.")
        must(abs(found.lattice.a - edge) < 1e-6, f"The edge is {found.lattice.a:.3f} Å, asked was {edge:.3f} Å.")
        to_oxygen = {symbol: _shortest(found, symbol) for symbol in (a, b)}
        if abs(to_oxygen[a] - edge / 2) < 1e-3 and abs(to_oxygen[b] - edge / np.sqrt(2)) < 1e-3:
            raise Wrong("A and B are swapped: B is in the small octahedron, half an edge from its oxygen.")
        must(
            abs(to_oxygen[b] - edge / 2) < 1e-3,
            "B has no oxygen at half an edge: where are the corners of its octahedron?",
        )
        must(abs(to_oxygen[a] - edge / np.sqrt(2)) < 1e-3, "A is not in the middle of its cage of twelve oxygen sites.")
        must(
            classify(found.lattice.matrix, found.atomic_numbers, found.frac_coords).kind != "none",
            "The octahedra do not share corners in three directions: all three oxygen sites are different.",
        )


def _shortest(structure: Structure, symbol: str) -> float:
    """Shortest distance (Å) from the site of this element to an oxygen site."""
    matrix = structure.distance_matrix
    oxygen = [k for k, site in enumerate(structure) if site.species_string == "O"]
    site = next(k for k, site in enumerate(structure) if site.species_string == symbol)
    return float(min(matrix[site, k] for k in oxygen))


@check
def charge_neutral(
    answer: Callable[..., list[tuple[str, str]]], *cases: tuple[Mapping[str, int], Mapping[str, int]]
) -> None:
    """`answer(a_ions, b_ions)`: all pairs (A, B) whose charges add up with three O2-; from ion -> charge."""
    first = ({"K": 1, "Sr": 2, "La": 3, "Ba": 2}, {"Ti": 4, "Nb": 5, "Al": 3, "W": 6})
    for a_ions, b_ions in cases or (first,):
        found = answer(dict(a_ions), dict(b_ions))
        must(isinstance(found, list), "Return a list of pairs (A, B).")
        pairs = {tuple(pair) for pair in found}
        expected = {(a, b) for a, qa in a_ions.items() for b, qb in b_ions.items() if qa + qb == 6 and a != b}
        if pairs == expected and len(found) == len(expected):
            continue
        must(pairs != expected, "Some pairs are there twice.")
        must(pairs != {(b, a) for a, b in expected} or not expected, "The pairs are (B, A): A comes first.")
        must(not any(a == b for a, b in pairs), "A and B are the same element: that is A2O3.")
        must(pairs or not expected, "There is no pair at all: three oxygen ions of charge -2 want +6.")
        extra, missing = pairs - expected, expected - pairs
        one_oxygen = {(a, b) for a, qa in a_ions.items() for b, qb in b_ions.items() if qa + qb == 2}
        two_minus = {(a, b) for a, qa in a_ions.items() for b, qb in b_ions.items() if qa + qb == 3}
        must(not extra or pairs not in (one_oxygen, two_minus), "Three oxygen ions of charge -2 want +6.")
        must(not extra, f"{sorted(extra)[:2]} are not neutral with three O2-." if extra else "")
        raise Wrong(f"{len(missing)} neutral pairs are missing.")


def answers_table() -> pd.DataFrame:
    """A small table as `Predictor.predict` returns it."""
    return pd.DataFrame(
        {
            "id": ["a", "b", "c", "d", "e", "f", "g", "h"],
            "prediction": [-3.02, -2.99, -3.40, -3.00, -2.70, np.nan, -3.30, -1.00],
            "spread": [0.02, 0.30, 0.03, 0.01, 0.05, np.nan, 0.04, 0.02],
            "distance": [40.0, 50.0, 99.9, 20.0, 90.0, np.nan, 10.0, 10.0],
            "unseen_elements": ["", "", "", "Am", "", "", "", ""],
            "reason": ["", "", "", "", "", "no sites", "", ""],
        }
    )


@check
def screen(answer: Callable[..., list[str]], *cases: tuple[pd.DataFrame, float, int, float]) -> None:
    """`answer(table, target, n, max_spread)`: ids of the n believable ones nearest to the target, nearest first."""
    for table, target, n, max_spread in cases or ((answers_table(), -3.0, 3, 0.1),):
        given = table.copy()
        found = list(answer(table, target, n, max_spread))
        must(table.equals(given), "The table that was given has changed: work on a copy.")
        rows = {row["id"]: row for _, row in table.iterrows()}
        must(all(name in rows for name in found), "Return ids, as they stand in the column id.")

        def nearest(chosen: pd.DataFrame, target: float = target, n: int = n) -> list[str]:
            order = (chosen["prediction"] - target).abs().sort_values(kind="stable").index
            return [str(name) for name in chosen.loc[order, "id"][:n]]

        known, seen, sure, near = (
            table["reason"] == "",
            table["unseen_elements"] == "",
            table["spread"] <= max_spread,
            table["distance"] <= 95,
        )
        expected = nearest(table[known & seen & sure & near])
        if found == expected:
            continue
        for name in found:
            must(not rows[name]["reason"], f"{name} has no prediction: {rows[name]['reason']}.")
            must(not rows[name]["unseen_elements"], f"{name} holds an element that the model has never seen.")
            must(
                rows[name]["spread"] <= max_spread,
                f"The seeds do not agree about {name}: its spread is beyond max_spread.",
            )
            must(
                rows[name]["distance"] <= 95,
                f"{name} lies farther from all training crystals than 95 % of them: leave it out.",
            )
        believed = table[known & seen & sure & near]
        must(found != expected[::-1], "The farthest one comes first.")
        must(
            found != nearest(believed, -np.inf) and found != list(believed.sort_values("prediction")["id"][:n]),
            "These are the lowest energies, not the ones nearest to the target.",
        )
        must(
            found != list(believed.assign(gap=believed["prediction"] - target).sort_values("gap")["id"][:n]),
            "Nearest means either side: take the absolute gap.",
        )
        must(set(found) != set(expected), "These are the right ones in the wrong order: nearest first.")
        must(len(found) >= len(expected), f"There are {len(found)} materials instead of {len(expected)}.")
        raise Wrong(f"Among those to be believed there are nearer ones to {target} than {found}.")


@check
def enrichment(answer: Callable[..., float], *cases: tuple[Any, ...]) -> None:
    """`answer(picked, truth, target, window)`: how much likelier a hit is among the picked than among all."""
    first = (
        np.array([0, 1, 2, 3]),
        np.array([-3.0, -2.95, -3.5, -3.08, -1.0, -2.0, -3.05, -4.0, -2.2, -1.5]),
        -3.0,
        0.1,
    )
    for picked, truth, target, window in cases or (first,):
        hit = np.abs(truth - target) <= window
        rate, base = hit[picked].mean(), hit.mean()
        mistakes = {
            "This is the share of hits among the picked: compare it with the share among all.": rate,
            "The fraction is upside down.": base / rate if rate else np.inf,
            "This is the difference of the shares; asked is their ratio.": rate - base,
            "This is the number of hits among the picked.": hit[picked].sum(),
            "This is the share of all hits that were picked; compare the two shares instead.": hit[picked].sum()
            / hit.sum(),
            "This compares with those that were not picked; compare with all.": rate
            / max(np.delete(hit, picked).mean(), 1e-12),
        }
        same(
            answer(picked, truth, target, window),
            rate / base,
            mistakes,
            "The value is not right: share of hits among the picked over share among all.",
        )
