"""Where the networks of one task, split and variant end: figures as JSON, and a page. See cgcnn/limits/."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pyarrow as pa
import torch

from cgcnn import stage
from cgcnn.checkpoint import load_models
from cgcnn.limits.experiments import compare_classes, compare_groups, run_all
from cgcnn.report.limits import render
from cgcnn.tables import PREDICTIONS, SPLIT, STRUCTURES, about_of, atomic_path, read_table, write_json


def main(arguments: Namespace) -> None:
    torch.set_num_threads(1)
    section = json.loads(arguments.section)
    models, card = load_models(arguments.weights)
    structures, split = read_table(arguments.structures, STRUCTURES), read_table(arguments.split, SPLIT)
    found = run_all(models, card, structures, split, section["structures"], section["seed"])
    predictions = _tables(arguments.predictions)
    found["models"] = list(dict.fromkeys(name for table in predictions for name in table["model"].to_pylist()))
    found["groups"] = compare_groups(predictions, structures, split)
    for path in arguments.class_split:
        classes = _tables(arguments.class_predictions)
        found["groups"]["shortcut"] = compare_classes(classes, structures, read_table(path, SPLIT))
    write_json(arguments.limits, found)
    with atomic_path(arguments.page) as temporary:
        temporary.write_text(render(found, about_of(arguments.split)), encoding="utf-8")


def _tables(paths: list[Path]) -> list[pa.Table]:
    return [read_table(path, PREDICTIONS) for path in paths]


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--section", required=True, help="structures (how many) and seed, as JSON")
    for name in ("weights", "structures", "split", "limits", "page"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--predictions", nargs="+", type=Path, required=True, help="of all models of the task")
    parser.add_argument("--class-predictions", nargs="*", type=Path, help="the same of a classification", default=[])
    parser.add_argument("--class-split", nargs="*", type=Path, help="its split; none where none is trained", default=[])
    stage.run(main, parser)
