"""Random cases for the hidden tests: each function makes one from a number."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from pymatgen.core import Lattice, Structure

from homework.checks.convolutions import Graph, random_graph
from homework.checks.crystal_graphs import Cell, Edges

_SAFE = 5e-3  # Å, no distance lies nearer than this to a cutoff or to the edge of a shell


def cell(number: int) -> Cell:
    """One to three sites in a slanted cell, no two nearer than 0.8 Å."""
    rng = np.random.default_rng(number)
    while True:
        lattice = np.diag(rng.uniform(1.8, 4.0, 3)) + np.tril(rng.uniform(-2.0, 2.0, (3, 3)), -1)
        found = Cell(lattice, rng.random((rng.integers(1, 4), 3)), rng.uniform(3.0, 5.0))
        distance = Cell(lattice, found.frac_coords, found.cutoff + _SAFE).edges()[2]
        if len(distance) and distance.min() > 0.8 and distance.max() < found.cutoff - _SAFE:
            return found


def edges_to_cut(number: int) -> tuple[Edges, int, int, float]:
    """Edges in any order, the number of sites, k and a tolerance.

    A near-tie follows the k-th neighbour of site 0. One site has a single neighbour, and there may be one without any.
    """
    rng = np.random.default_rng(number)
    while True:
        centre, neighbour, distance = cell(int(rng.integers(2**32))).edges()
        steps = np.round(distance / 0.05) * 0.05  # ties and near-ties; 0.08 and 0.12 lie between the steps
        tolerance = float(rng.choice([0.08, 0.12]))
        gaps = np.diff(np.sort(steps[centre == 0]))
        k = 1 + np.flatnonzero((gaps > 0.04) & (gaps < tolerance))
        k = k[(k > 1) & (k < 16)]
        if len(k):
            break
    lonely = int(centre.max()) + 1
    edges = np.append(centre, lonely), np.append(neighbour, 0), np.append(steps, steps.max() + 1)
    order = rng.permutation(len(edges[0]))
    n_sites = lonely + 1 + int(rng.integers(0, 2))
    return (edges[0][order], edges[1][order], edges[2][order]), n_sites, int(rng.choice(k)), tolerance


def distances(number: int) -> np.ndarray:
    """Some distances in Å."""
    rng = np.random.default_rng(number)
    return rng.uniform(0.5, 8.0, rng.integers(1, 9))


def properties(number: int) -> tuple[np.ndarray, float, float, int]:
    """Values of which some are unknown and some out of range, and the bins."""
    rng = np.random.default_rng(number)
    low, width = float(rng.integers(-3, 3)), int(rng.integers(2, 13))
    high = low + float(rng.integers(1, 6))
    inside = low + (high - low) * (rng.integers(0, width, 8) + rng.uniform(0.05, 0.95, 8)) / width
    values = np.concatenate([inside, [np.nan, low - rng.uniform(0.1, 9), high + rng.uniform(0.1, 9)]])
    return rng.permutation(values), low, high, width


def relabelling(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges between at least four sites, and an order that is not its own inverse."""
    rng = np.random.default_rng(number)
    n = int(rng.integers(4, 9))
    order = rng.permutation(n)
    while np.array_equal(order[order], np.arange(n)):
        order = rng.permutation(n)
    centre, neighbour = rng.integers(0, n, (2, int(rng.integers(n, 4 * n))))
    return centre, neighbour, order


def graph(number: int) -> Graph:
    """Three to seven sites and any edges between them."""
    rng = np.random.default_rng(number)
    sizes = [int(rng.integers(low, high)) for low, high in ((3, 8), (4, 25), (2, 6), (1, 6))]
    return random_graph(*sizes, seed=number)


def pooling(number: int) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Sites of crystals of several sizes, mixed."""
    rng = np.random.default_rng(number)
    sizes = rng.integers(1, 7, rng.integers(2, 6))
    crystal = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return torch.tensor(rng.normal(size=(len(crystal), 3))), torch.tensor(crystal), len(sizes)


def logits(number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of any size, and classes."""
    rng = np.random.default_rng(number)
    n = int(rng.integers(2, 9))
    scale = rng.choice([1.0, 4000.0, 4000.0])
    return torch.tensor(rng.normal(scale=scale, size=(n, 2))), torch.tensor(rng.integers(0, 2, n))


def targets(number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Targets, and which of them are for training."""
    rng = np.random.default_rng(number)
    n = int(rng.integers(8, 30))
    return torch.tensor(rng.normal(-2, 3, n)), torch.tensor(rng.permutation(n)[: n // 2])


def training(number: int) -> tuple[torch.Tensor, torch.Tensor, int]:
    """A batch of linear regression, and the seed of the network."""
    rng = np.random.default_rng(number)
    n = int(rng.integers(3, 12))
    return torch.tensor(rng.normal(size=(n, 3))), torch.tensor(rng.normal(2, 2, n)), number % 1000


def scaled_outputs(number: int) -> tuple[torch.Tensor, torch.Tensor, float, float]:
    """Outputs and targets on their scales."""
    rng = np.random.default_rng(number)
    n, mean, std = int(rng.integers(2, 20)), float(rng.normal(-2, 1)), float(rng.uniform(0.2, 0.9))
    output = rng.normal(size=n)
    return torch.tensor(output), torch.tensor(output * std + mean + rng.normal(scale=0.2, size=n)), mean, std


def history(number: int) -> list[dict[str, float]]:
    """Losses of some epochs."""
    rng = np.random.default_rng(number)
    losses = np.round(rng.random((int(rng.integers(2, 30)), 2)), 2)
    return [{"epoch": k + 1, "train_loss": a, "validation_loss": b} for k, (a, b) in enumerate(losses.tolist())]


def errors(number: int) -> Sequence[float]:
    """Errors of some seeds."""
    rng = np.random.default_rng(number)
    return [float(error) for error in rng.uniform(0.05, 0.5, rng.integers(2, 10))]


def total_energy(number: int) -> tuple[float, dict[str, int], dict[str, float]]:
    """A cell's energy (eV), its atoms, and references of those and other elements (eV/atom)."""
    rng = np.random.default_rng(number)
    elements = [str(name) for name in rng.choice(["Sr", "Ti", "O", "Ba", "Al", "La", "N"], 5, replace=False)]
    counts = {element: int(rng.integers(2, 9)) for element in elements[:3]}
    return float(rng.uniform(-200, -10)), counts, {element: float(rng.uniform(-10, -1)) for element in elements}


def energy_and_size(number: int) -> tuple[float, int]:
    """A formation energy (eV/atom), atoms in a formula unit."""
    rng = np.random.default_rng(number)
    return float(rng.uniform(-5, -0.1)), int(rng.integers(2, 20))


def predictions(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Predictions, some of them missing, and targets."""
    rng = np.random.default_rng(number)
    target = rng.normal(-2, 1, rng.integers(4, 20))
    prediction = target + rng.normal(0, 0.3, len(target))
    prediction[rng.random(len(target)) < 0.3] = np.nan
    prediction[0] = target[0] + 0.1
    return prediction, target


def radii(number: int) -> tuple[float, float, float]:
    """Of A, B and X in Å."""
    a, b, x = np.random.default_rng(number).uniform([1.0, 0.5, 1.2], [1.9, 0.9, 2.0])
    return float(a), float(b), float(x)


def perovskite(number: int) -> tuple[str, str, float]:
    """A, B, and the edge in Å."""
    rng = np.random.default_rng(number)
    a, b = (str(rng.choice(names)) for names in (["K", "Ca", "Sr", "Ba", "La"], ["Ti", "Zr", "Nb", "Al", "Fe"]))
    return a, b, float(rng.uniform(3.7, 4.4))


def ions(number: int) -> tuple[dict[str, int], dict[str, int]]:
    """Element -> charge, on A and on B; some element may be on both."""
    rng = np.random.default_rng(number)

    def some(names: list[str]) -> dict[str, int]:
        return {str(name): int(rng.integers(1, 6)) for name in rng.choice(names, 5, replace=False)}

    return some(["K", "Sr", "La", "Ba", "Y", "Mn", "In"]), some(["Ti", "Nb", "Al", "W", "Mn", "In", "Zr"])


def answers(number: int) -> tuple[pd.DataFrame, float, int, float]:
    """A table as the package's predictor gives it; target, how many, most spread."""
    rng = np.random.default_rng(number)
    n = int(rng.integers(15, 40))
    table = pd.DataFrame(
        {
            "id": [f"m{k}" for k in rng.permutation(n)],
            "prediction": rng.uniform(-4, -1, n),
            "spread": rng.uniform(0, 0.2, n),
            "distance": rng.uniform(50, 100, n),
            "unseen_elements": rng.choice(["", "", "", "Am"], n),
            "reason": "",
        }
    )
    table.loc[rng.random(n) < 0.1, ["prediction", "spread", "distance", "reason"]] = [
        np.nan,
        np.nan,
        np.nan,
        "no sites",
    ]
    return table, float(rng.uniform(-3, -2)), int(rng.integers(2, 6)), 0.12


def picks(number: int) -> tuple[Any, ...]:
    """Picked positions, true energies, target and window, with a hit among the picked."""
    rng = np.random.default_rng(number)
    truth = rng.uniform(-4, -1, 30)
    truth[3] = -2.5
    return np.unique(np.append(rng.permutation(30)[:6], 3)), truth, -2.5, 0.3


def packing(number: int) -> tuple[str, float]:
    """An element, and the nearest distance in Å."""
    rng = np.random.default_rng(number)
    return str(rng.choice(["Mg", "Ti", "Co", "Al"])), float(rng.uniform(2.4, 3.6))


def formulas(number: int) -> tuple[list[str], np.ndarray]:
    """Formulas, some of them several times, and energies."""
    rng = np.random.default_rng(number)
    names = [f"F{k}" for k in rng.integers(0, 6, 20)]
    return names, rng.normal(-2, 1, 20)


def composition(number: int) -> list[int]:
    """Atomic numbers of some sites: ABO3 about half of the time."""
    rng = np.random.default_rng(number)
    a, b, c = (int(z) for z in rng.choice([12, 13, 22, 38, 57, 82], 3, replace=False))
    units = [
        [a, b, 8, 8, 8],
        [a, b, 8, 8, 8],
        [a, b, b, 8, 8, 8, 8],
        [a, a, 8, 8, 8],
        [a, b, c, 8, 8, 8],
        [a, b, 35, 35, 35],
    ]
    unit = units[rng.integers(len(units))] * int(rng.integers(1, 4))
    return [int(z) for z in rng.permutation(unit)]


def groups(number: int) -> tuple[list[str], float, int]:
    """Groups of several sizes, the wanted fraction, a seed."""
    rng = np.random.default_rng(number)
    names = [f"g{k}" for k in range(50) for _ in range(int(rng.integers(1, 6)))]
    return [str(name) for name in rng.permutation(names)], float(rng.uniform(0.15, 0.4)), int(rng.integers(1000))


def rattling(number: int) -> tuple[Structure, float, int]:
    """A structure of many sites, the deviation of the steps in Å, a seed."""
    rng = np.random.default_rng(number)
    lattice = Lattice.orthorhombic(*rng.uniform([4, 15, 8], [6, 20, 10]))
    structure = Structure(lattice, ["Mg", "O"], [[0.1, 0.1, 0.1], [0.6, 0.5, 0.4]]) * (3, 2, 4)
    return structure, float(rng.uniform(0.02, 0.08)), int(rng.integers(1000))
