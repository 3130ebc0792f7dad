"""Would the screening have found what is known today? See cgcnn/hindsight.py."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch

from cgcnn import stage
from cgcnn.examples import graphs_of
from cgcnn.hindsight import prove
from cgcnn.memory import keep_freed_memory
from cgcnn.tables import STRUCTURES, read_table, write_json
from cgcnn.tasks import materials_of


def main(arguments: Namespace) -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    section = json.loads(arguments.section)
    structures, target = materials_of(read_table(arguments.structures, STRUCTURES), section["task"])
    graphs = graphs_of(arguments.graphs, structures["material_id"].to_pylist())
    formulas = structures["formula"].to_pylist()
    trials = prove(graphs, formulas, target, section, stage.progress, stage.log.info)
    write_json(arguments.hindsight, {"settings": section, "trials": trials})


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--section", required=True, help="task, window, what is hidden, conv, model, train, as JSON")
    parser.add_argument("--structures", type=Path, required=True)
    parser.add_argument("--graphs", type=Path, nargs="+", required=True)
    parser.add_argument("--hindsight", type=Path, required=True)
    stage.run(main, parser)
