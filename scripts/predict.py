"""What each seed of each variant says of every material of the task."""

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
    section = json.loads(arguments.section)
    torch.set_num_threads(arguments.threads)
    graphs, _ = load_examples(arguments.graphs, arguments.split, device_named(arguments.device))
    split = read_table(arguments.split, SPLIT)
    about = about_of(arguments.split) | {"unit": section["unit"]}
    jobs = list(zip(section["variants"], arguments.weights, arguments.predictions, strict=True))
    for variant, weights, predictions in stage.progress(jobs, "predictions"):
        tables = []
        for seed, prediction in predict(load_models(weights)[0], graphs).items():
            tables.append(
                split.append_column("model", pa.repeat(variant, len(split)))
                .append_column("seed", pa.repeat(pa.scalar(seed, pa.int32()), len(split)))
                .append_column("prediction", pa.array(prediction))
                .select(PREDICTIONS.names)
            )
        write_table(predictions, pa.concat_tables(tables), PREDICTIONS, about)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--section", required=True, help="unit of the prediction, names of the variants, as JSON")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--graphs", type=Path, nargs="+", required=True)
    for name in ("weights", "predictions"):
        parser.add_argument(f"--{name}", type=Path, nargs="+", required=True, help="a file a variant, in their order")
    stage.run(main, parser)
