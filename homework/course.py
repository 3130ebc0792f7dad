"""What the notebooks share: the embedded set, its graphs, the pre-trained models, and the leaderboard."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from pymatgen.core import Structure

from cgcnn.arrays import Crystal, CrystalGraphs
from cgcnn.crystals import crystal_of, reduced_formula, structure_of
from cgcnn.errors import InputError
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.sources import embedded
from cgcnn.splits import assign
from cgcnn.training import Example

if TYPE_CHECKING:
    from cgcnn.predictor import Predictor

TARGET = "formation_energy_per_atom"  # eV/atom, of a CHGNet surrogate, not of DFT
SPLIT_SEED = 0  # the pipeline's own, so that nobody tests a pre-trained model on what it was trained on

_HERE = Path(__file__).parent
_DATA = (_HERE / "assets" / "materials.parquet", _HERE.parent / "data" / "embedded" / "materials.parquet")
_MODELS = _HERE / "assets" / "pretrained"


@dataclass(frozen=True)
class Materials:
    """C materials of the embedded set: a table with a row each, and their structures."""

    table: pd.DataFrame  # id, formula, family, prototype, energy (eV/atom), subset of the pipeline's split by formula
    structures: Sequence[Structure]

    def graphs(self, rule: NeighbourRule | None = None) -> CrystalGraphs:
        """Their crystal graphs, whole shells unless a rule says otherwise."""
        return crystal_graphs([crystal_of(structure) for structure in self.structures], rule or NeighbourRule())

    def example(self, subset: Sequence[str] | None = None) -> Example:
        """What `cgcnn.training` learns from: energies, and who is for training and validation."""
        named = np.asarray(self.table["subset"] if subset is None else subset)
        train, validation = (torch.from_numpy(np.flatnonzero(named == name)) for name in ("train", "validation"))
        target = torch.tensor(self.table["energy"].to_numpy(), dtype=torch.float32)
        return Example(target, train, validation, list(self.table["id"]))

    def of(self, rows: np.ndarray) -> "Materials":
        """The materials in these rows, a mask or positions."""
        table = self.table[rows] if rows.dtype == bool else self.table.iloc[rows]
        return Materials(table.reset_index(drop=True), [self.structures[k] for k in table.index])


@cache
def materials() -> Materials:
    """All of the embedded set, in the order of its ids.

    Raises:
        InputError: the file is not there.
    """
    path = next((path for path in _DATA if path.exists()), _DATA[-1])
    entries = sorted(embedded.read(path, [TARGET]), key=lambda entry: entry.material_id)
    crystals = [entry.crystal for entry in entries if isinstance(entry.crystal, Crystal)]
    table = pd.DataFrame(
        {
            "id": [entry.material_id for entry in entries],
            "formula": [reduced_formula(crystal.atomic_numbers) for crystal in crystals],
            "family": [entry.family for entry in entries],
            "energy": [entry.targets[TARGET] for entry in entries],
        }
    )
    return Materials(table, [structure_of(crystal) for crystal in crystals])


@cache
def perovskites() -> Materials:
    """The perovskites alone, with the subset that the pipeline's split by formula puts each into."""
    everything = materials()
    chosen = everything.of((everything.table["family"] == "perovskite").to_numpy())
    table = chosen.table
    elements = [set(structure.atomic_numbers) for structure in chosen.structures]
    subset = assign("formula", list(table["id"]), list(table["formula"]), [""] * len(table), elements, seed=SPLIT_SEED)
    return Materials(table.assign(subset=subset), chosen.structures)


def pretrained(name: str = "energy/gated") -> "Predictor":
    """A model trained on the embedded set, by its name, task/variant.

    Raises:
        InputError: there is none; the message says how to get it.
    """
    from cgcnn.predictor import Predictor

    if (_MODELS / name).exists():
        return Predictor.load(_MODELS / name)
    for known in (f"embedded/{name}", f"results/{name.replace('/', '/formula/')}"):
        try:
            return Predictor.load(known)
        except InputError:
            continue
    advice = (
        "Install the course again as its README says, for the model comes with it (on Colab: Runtime, Disconnect and "
        "delete runtime, and run the first cell again)"
    )
    if (_HERE / "masters").exists():  # staff, who have DVC
        advice = (
            "Run `dvc pull pretrained/embedded`, which fetches it in seconds, or `make run`, which trains it in minutes"
        )
    raise InputError(f"There is no trained model {name}. {advice}; then restart this notebook.")


def enter_leaderboard(path: Path, name: str, errors: Sequence[float]) -> pd.DataFrame:
    """Add test errors (eV/atom, one a seed) to a small CSV file, or replace those of that name; best first."""
    rows = [row for row in _rows(path) if row["name"] != name]
    spread = float(np.std(errors, ddof=1)) if len(errors) > 1 else float("nan")
    rows.append({"name": name, "mae": f"{np.mean(errors):.4f}", "spread": f"{spread:.4f}", "seeds": str(len(errors))})
    rows.sort(key=lambda row: float(row["mae"]))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["name", "mae", "spread", "seeds"])
        writer.writeheader()
        writer.writerows(rows)
    return pd.DataFrame(rows)


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
