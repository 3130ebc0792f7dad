"""Reads what a run left on disk into plain values, for the page and its figures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cgcnn.errors import InputError
from cgcnn.metrics import Kind
from cgcnn.tables import PREDICTIONS, REJECTS, SPLIT, STRUCTURES, about_of, read_table

_STRUCTURE_COLUMNS = ["material_id", "formula", "family", "perovskite_kind", "prototype", "n_sites", "atomic_numbers"]


@dataclass(frozen=True)
class Model:
    """One competitor: a variant of the network, or a baseline."""

    name: str
    is_baseline: bool
    scores: Mapping[str, Any]  # metrics.summarise
    seeds: Sequence[int]
    prediction: NDArray[np.float64]  # (seeds, test materials), in the target's unit or the probability of class 1
    history: Mapping[str, Any]  # seed -> best_epoch, epochs; nothing for a baseline
    chosen: Mapping[str, str]  # seed -> the estimator that a baseline chose; nothing for a variant


@dataclass(frozen=True)
class Contest:
    """All models on one split of one task, with the test materials sorted by material_id."""

    task: str
    split: str
    kind: Kind
    target_name: str
    unit: str
    classes: tuple[str, str]  # what 0 and 1 mean in a classification
    families: Sequence[str]
    subset: Sequence[str]  # of every material of the task
    targets: NDArray[np.float64]  # of every material of the task
    material_id: Sequence[str]  # of the test materials, as are the next two
    formula: Sequence[str]
    target: NDArray[np.float64]
    models: Sequence[Model]  # baselines first, then variants, in the order of the configuration

    @property
    def key(self) -> str:
        """Unique among the contests of a run."""
        return f"{self.task}-{self.split}"

    @property
    def variants(self) -> list[Model]:
        return [model for model in self.models if not model.is_baseline]

    @property
    def baselines(self) -> list[Model]:
        return [model for model in self.models if model.is_baseline]

    def baseline(self, name: str) -> Model | None:
        return next((model for model in self.baselines if model.name == name), None)


@dataclass(frozen=True)
class Run:
    """Everything that the page is made of."""

    title: str
    contests: Sequence[Contest]  # task by task, split by split
    about: Mapping[str, Any]  # what the data say of themselves: source, version, licence, attribution
    structures: pa.Table
    rejects: pa.Table
    provenance: Mapping[str, Any]


def load(section: Mapping[str, Any], data: Path, results: Path) -> Run:
    """Read the files of one run.

    Args:
        section: report, tasks, splits, names of the variants and of the baselines, as in the configuration.
        data: folder with structures.parquet, rejects.parquet and splits/.
        results: folder with provenance.json, and metrics.json and a folder a variant in task/split/.

    Raises:
        InputError: a file is missing or not what it should be; the message names it.
    """
    structures = read_table(data / "structures.parquet", STRUCTURES, _STRUCTURE_COLUMNS)
    formulas = dict(zip(structures["material_id"].to_pylist(), structures["formula"].to_pylist(), strict=True))
    contests = []
    for task_name, task in section["tasks"].items():
        for split_name in section["splits"]:
            split = read_table(data / "splits" / split_name / f"{task_name}.parquet", SPLIT)
            contests.append(_contest(task_name, task, split_name, split, formulas, section, results))
    return Run(
        title=section["report"]["title"],
        contests=contests,
        about=about_of(data / "structures.parquet"),
        structures=structures,
        rejects=read_table(data / "rejects.parquet", REJECTS),
        provenance=_read_json(results / "provenance.json"),
    )


def _contest(
    task_name: str,
    task: Mapping[str, Any],
    split_name: str,
    split: pa.Table,
    formulas: Mapping[str, str],
    section: Mapping[str, Any],
    results: Path,
) -> Contest:
    test = split.filter(pc.equal(split["subset"], "test"))
    ids = test["material_id"].to_pylist()
    folder = results / task_name / split_name
    models = _baselines(folder / "baselines", section["baselines"], ids) if section["baselines"] else []
    models += [_variant(folder / name, name, ids) for name in section["variants"]]
    return Contest(
        task=task_name,
        split=split_name,
        kind=task["kind"],
        target_name=task["target"],
        unit=task["unit"],
        classes=_classes(task),
        families=task["families"],
        subset=split["subset"].to_pylist(),
        targets=split["target"].to_numpy(),
        material_id=ids,
        formula=[formulas[material_id] for material_id in ids],
        target=test["target"].to_numpy(),
        models=models,
    )


def _classes(task: Mapping[str, Any]) -> tuple[str, str]:
    if task["target"] != "family":
        return "class 0", "class 1"
    return ", ".join(name for name in task["families"] if name != task["positive"]), task["positive"]


def _baselines(folder: Path, names: Sequence[str], ids: Sequence[str]) -> list[Model]:
    details = _read_json(folder / "details.json")
    chosen = {name: {seed: fit["chosen"] for seed, fit in details[name].items()} for name in names}
    return [_model(folder, name, ids, history={}, chosen=chosen[name]) for name in names]


def _variant(folder: Path, name: str, ids: Sequence[str]) -> Model:
    return _model(folder, name, ids, history=_read_json(folder / "history.json"), chosen={})


def _model(folder: Path, name: str, ids: Sequence[str], history: Mapping[str, Any], chosen: Mapping[str, str]) -> Model:
    path = folder / "predictions.parquet"
    table = read_table(path, PREDICTIONS)
    is_meant = pc.and_(pc.equal(table["model"], name), pc.equal(table["subset"], "test"))
    wide = table.filter(is_meant).to_pandas().pivot(index="seed", columns="material_id", values="prediction")
    if sorted(wide.columns) != sorted(ids):
        raise InputError(f"{path}: {name} does not predict the test materials of the split. Make the file again.")
    return Model(
        name=name,
        is_baseline=folder.name == "baselines",
        scores=_read_json(folder.parent / "metrics.json")["models"][name],
        seeds=[int(seed) for seed in wide.index],
        prediction=wide[list(ids)].to_numpy(),
        history=history,
        chosen=chosen,
    )


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Run the stage that makes it.") from None
    except ValueError as error:
        raise InputError(f"{path}: not readable JSON ({error}). Delete it and make it again.") from None
