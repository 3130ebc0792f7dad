"""Reads what a run left on disk into plain values, for the page and its figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cgcnn.errors import InputError
from cgcnn.metrics import Kind, best_on_validation
from cgcnn.report.costs import Cost, costs_of
from cgcnn.tables import EXAMINATION, PREDICTIONS, REJECTS, SPLIT, STRUCTURES, about_of, read_json, read_table


@dataclass(frozen=True)
class Model:
    """One competitor: a variant of the network, or a baseline."""

    name: str
    is_baseline: bool
    scores: Mapping[str, Any]  # metrics.summarise
    seeds: Sequence[int]
    prediction: NDArray[np.float64]  # (seeds, test materials), in the target's unit or the probability of class 1
    validation: NDArray[np.float64]  # (seeds, validation materials)
    history: Mapping[str, Any]  # seed -> best_epoch, epochs; nothing for a baseline
    chosen: Mapping[str, str]  # seed -> the estimator that a baseline chose; nothing for a variant


@dataclass(frozen=True)
class Examination:
    """What scripts/examine.py found out of the variants of one task and split."""

    model: str  # the best variant on the validation materials, which `crystals` and `elements` are of
    crystals: pd.DataFrame  # tables.EXAMINATION, by material_id
    sites: Mapping[str, NDArray[np.int64]]  # material_id -> atomic numbers of the sites
    invariance: Mapping[str, Mapping[str, Mapping[str, float]]]  # variant -> rewriting of a cell -> mean, largest
    cells: int  # test materials that were rewritten
    elements: Mapping[str, Any]  # numbers, x, y, shares


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
    everything: Sequence[str]  # material_id of every material of the task
    subset: Sequence[str]  # of every material of the task
    targets: NDArray[np.float64]  # of every material of the task
    material_id: Sequence[str]  # of the test materials, as are the next two
    formula: Sequence[str]
    target: NDArray[np.float64]
    models: Sequence[Model]  # baselines first, then variants, in the order of the configuration
    examination: Examination | None

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

    @property
    def best(self) -> Model:
        """The variant that is best on the validation materials: chosen without a look at the test materials."""
        name = best_on_validation(self.kind, {model.name: model.scores for model in self.variants})
        return next(model for model in self.variants if model.name == name)

    @property
    def is_training(self) -> NDArray[np.bool_]:
        """(materials of the task,)"""
        return np.asarray(self.subset) == "train"

    @property
    def validation_target(self) -> NDArray[np.float64]:
        """(validation materials,)"""
        return self.targets[np.asarray(self.subset) == "validation"]

    def baseline(self, name: str) -> Model | None:
        return next((model for model in self.baselines if model.name == name), None)


@dataclass(frozen=True)
class Run:
    """Everything that the page is made of."""

    title: str
    contests: Sequence[Contest]  # task by task, split by split
    about: Mapping[str, Any]  # what the data say of themselves: source, version, licence, attribution
    costs: Sequence[Cost]
    structures: pa.Table
    rejects: pa.Table
    provenance: Mapping[str, Any]


def load(section: Mapping[str, Any], data: Path, results: Path, benchmarks: Path | None = None) -> Run:
    """Read the files of one run.

    Args:
        section: report, tasks, splits, names of the variants and of the baselines, as in the configuration.
        data: folder with structures.parquet, rejects.parquet and splits/.
        results: folder with provenance.json, and metrics.json and a folder a variant in task/split/.
        benchmarks: folder with the benchmark files of Snakemake, where there is one.

    Raises:
        InputError: a file is missing or not what it should be; the message names it.
    """
    structures = read_table(data / "structures.parquet", STRUCTURES)
    contests = []
    for task_name, task in section["tasks"].items():
        for split_name in section["splits"]:
            split = read_table(data / "splits" / split_name / f"{task_name}.parquet", SPLIT)
            contests.append(_contest(task_name, task, split_name, split, structures, section, results))
    return Run(
        title=section["report"]["title"],
        contests=contests,
        about=about_of(data / "structures.parquet"),
        costs=costs_of(benchmarks, results, section) if benchmarks else [],
        structures=structures,
        rejects=read_table(data / "rejects.parquet", REJECTS),
        provenance=read_json(results / "provenance.json"),
    )


def _contest(
    task_name: str,
    task: Mapping[str, Any],
    split_name: str,
    split: pa.Table,
    structures: pa.Table,
    section: Mapping[str, Any],
    results: Path,
) -> Contest:
    formulas = dict(zip(structures["material_id"].to_pylist(), structures["formula"].to_pylist(), strict=True))
    test, validation = (split.filter(pc.equal(split["subset"], name)) for name in ("test", "validation"))
    ids = {"test": test["material_id"].to_pylist(), "validation": validation["material_id"].to_pylist()}
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
        everything=split["material_id"].to_pylist(),
        subset=split["subset"].to_pylist(),
        targets=split["target"].to_numpy(),
        material_id=ids["test"],
        formula=[formulas[material_id] for material_id in ids["test"]],
        target=test["target"].to_numpy(),
        models=models,
        examination=_examination(folder, structures) if section["examination"] else None,
    )


def _examination(folder: Path, structures: pa.Table) -> Examination:
    facts = read_json(folder / "examination.json")
    crystals = read_table(folder / "examination.parquet", EXAMINATION).to_pandas().set_index("material_id")
    rows = zip(structures["material_id"].to_pylist(), structures["atomic_numbers"].to_pylist(), strict=True)
    sites = {name: np.array(numbers) for name, numbers in rows if name in crystals.index}
    return Examination(crystals=crystals, sites=sites, **facts)


def _classes(task: Mapping[str, Any]) -> tuple[str, str]:
    if task["target"] != "family":
        return "class 0", "class 1"
    return ", ".join(name for name in task["families"] if name != task["positive"]), task["positive"]


def _baselines(folder: Path, names: Sequence[str], ids: Mapping[str, Sequence[str]]) -> list[Model]:
    details = read_json(folder / "details.json")
    chosen = {name: {seed: fit["chosen"] for seed, fit in details[name].items()} for name in names}
    return [_model(folder, name, ids, history={}, chosen=chosen[name]) for name in names]


def _variant(folder: Path, name: str, ids: Mapping[str, Sequence[str]]) -> Model:
    return _model(folder, name, ids, history=read_json(folder / "history.json"), chosen={})


def _model(
    folder: Path, name: str, ids: Mapping[str, Sequence[str]], history: Mapping[str, Any], chosen: Mapping[str, str]
) -> Model:
    path = folder / "predictions.parquet"
    table = read_table(path, PREDICTIONS)
    table = table.filter(pc.and_(pc.equal(table["model"], name), pc.not_equal(table["subset"], "train")))
    wide = table.to_pandas().pivot(index="seed", columns="material_id", values="prediction")
    if set(wide.columns) != {*ids["test"], *ids["validation"]}:
        raise InputError(f"{path}: {name} does not predict the test materials of the split. Make the file again.")
    return Model(
        name=name,
        is_baseline=folder.name == "baselines",
        scores=read_json(folder.parent / "metrics.json")["models"][name],
        seeds=[int(seed) for seed in wide.index],
        prediction=wide[list(ids["test"])].to_numpy(),
        validation=wide[list(ids["validation"])].to_numpy(),
        history=history,
        chosen=chosen,
    )
