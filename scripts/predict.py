"""What each seed of one variant says of every material of the task."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pyarrow as pa
import torch

from cgcnn import stage
from cgcnn.checkpoint import load_models
from cgcnn.examples import load_examples
from cgcnn.predict import device_named, predict
from cgcnn.tables import PREDICTIONS, SPLIT, about_of, read_table, write_table


def main(arguments: Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    models, _ = load_models(arguments.weights)
    graphs, _ = load_examples(arguments.graphs, arguments.split, device_named(arguments.device))
    split = read_table(arguments.split, SPLIT)
    tables = []
    for seed, prediction in predict(models, graphs).items():
        tables.append(
            split.append_column("model", pa.repeat(arguments.model, len(split)))
            .append_column("seed", pa.repeat(pa.scalar(seed, pa.int32()), len(split)))
            .append_column("prediction", pa.array(prediction))
            .select(PREDICTIONS.names)
        )
    about = about_of(arguments.split) | json.loads(arguments.section)
    write_table(arguments.predictions, pa.concat_tables(tables), PREDICTIONS, about)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--section", required=True, help="unit of the prediction, as JSON")
    parser.add_argument("--model", required=True, help="name of the variant")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--graphs", type=Path, nargs="+", required=True)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--predictions", type=Path, required=True)
    stage.run(main, parser)
