"""Would the screening have found what is known today? See cgcnn/hindsight.py."""

import json
import math
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cgcnn import stage
from cgcnn.hindsight import Trial, run_trial, summarise
from cgcnn.memory import keep_freed_memory
from cgcnn.model import ModelSettings
from cgcnn.tables import STRUCTURES, read_graphs, read_table, write_json
from cgcnn.tasks import materials_of
from cgcnn.training import TrainSettings


def main(arguments: Namespace) -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    section = json.loads(arguments.section)
    structures, target = materials_of(read_table(arguments.structures, STRUCTURES), section["task"])
    ids, graphs = read_graphs(arguments.graphs)
    place = {material_id: row for row, material_id in enumerate(ids)}
    graphs = graphs.take(np.array([place[material_id] for material_id in structures["material_id"].to_pylist()]))
    shape = ModelSettings(section["conv"], "regression", **section["model"])
    settings = TrainSettings(**section["train"])
    low = -math.inf if section["low"] is None else section["low"]
    high = math.inf if section["high"] is None else section["high"]
    found = []
    for hidden in section["hidden_hits"]:
        trial = Trial(low, high, hidden, section["hidden_others"])
        trials = []
        for draw in stage.progress(range(section["draws"]), f"{hidden:.0%} of the hits hidden"):
            formulas = structures["formula"].to_pylist()
            trials.append(
                run_trial(graphs, formulas, target, trial, draw, shape, settings, section["seeds"], stage.log.info)
            )
            stage.log.info("%s", told(trials[-1]))
        found.append({"hidden_hits": hidden, "draws": trials, "summary": summarise(trials)})
    write_json(arguments.hindsight, {"settings": section, "trials": found})


def told(trial: Mapping[str, Any]) -> str:
    better = ", ".join(f"{name} {trial[name]['enrichment_5']:.1f}" for name in ("network", "composition"))
    return f"{trial['hits']} of {trial['hidden']} hidden materials meet it; the top 5 % hold, over chance: {better}"


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--section", required=True, help="task, window, what is hidden, conv, model, train, as JSON")
    parser.add_argument("--structures", type=Path, required=True)
    parser.add_argument("--graphs", type=Path, nargs="+", required=True)
    parser.add_argument("--hindsight", type=Path, required=True)
    stage.run(main, parser)
