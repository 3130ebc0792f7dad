"""What models without any structure say: the mean, the elements present, the composition."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import pyarrow as pa

from cgcnn import stage
from cgcnn.baselines import fit_predict
from cgcnn.tables import PREDICTIONS, SPLIT, STRUCTURES, about_of, predictions_of, read_table, write_json, write_table


def main(arguments: Namespace) -> None:
    section = json.loads(arguments.section)
    split = read_table(arguments.split, SPLIT)
    structures = read_table(arguments.structures, STRUCTURES, ["material_id", "atomic_numbers"])
    numbers = dict(zip(structures["material_id"].to_pylist(), structures["atomic_numbers"].to_pylist(), strict=True))
    compositions = [np.array(numbers[material_id]) for material_id in split["material_id"].to_pylist()]
    target, subset = split["target"].to_numpy(), split["subset"].to_numpy()
    tables = []
    details: dict[str, dict[int, object]] = {}
    jobs = [(name, seed) for name in section["baselines"] for seed in section["seeds"]]
    for name, seed in stage.progress(jobs, "baselines"):
        prediction, chosen = fit_predict(name, section["task"]["kind"], compositions, target, subset, seed)
        details.setdefault(name, {})[seed] = chosen
        tables.append(predictions_of(split, name, seed, prediction))
    write_json(arguments.details, details)
    about = about_of(arguments.split)
    write_table(arguments.predictions, pa.concat_tables(tables), PREDICTIONS, about)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--section", required=True, help="task, baselines and seeds, as JSON")
    parser.add_argument("--structures", type=Path, required=True)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--details", type=Path, required=True)
    stage.run(main, parser)
