"""Where the networks of one task, split and variant end: figures as JSON, and a page. See cgcnn/limits/."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch

from cgcnn import stage
from cgcnn.checkpoint import load_models
from cgcnn.limits.experiments import run_all
from cgcnn.report.limits import render
from cgcnn.tables import SPLIT, STRUCTURES, about_of, atomic_path, read_table, write_json


def main(arguments: Namespace) -> None:
    torch.set_num_threads(1)
    section = json.loads(arguments.section)
    models, card = load_models(arguments.weights)
    structures, split = read_table(arguments.structures, STRUCTURES), read_table(arguments.split, SPLIT)
    found = run_all(models, card, structures, split, section["structures"], section["seed"])
    write_json(arguments.limits, found)
    with atomic_path(arguments.page) as temporary:
        temporary.write_text(render(found, about_of(arguments.split)), encoding="utf-8")


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--section", required=True, help="structures (how many) and seed, as JSON")
    for name in ("weights", "structures", "split", "limits", "page"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    stage.run(main, parser)
