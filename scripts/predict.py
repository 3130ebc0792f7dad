"""What each seed of each variant says of every material of the task, and each variant's domain."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from cgcnn import stage
from cgcnn.checkpoint import load_models
from cgcnn.domain import measure, save_domain
from cgcnn.examples import load_graphs
from cgcnn.predict import device_named, predict_and_embed
from cgcnn.tables import PREDICTIONS, about_of, predictions_of, write_table
from cgcnn.tensors import PackedGraphs


def main(arguments: Namespace) -> None:
    section = json.loads(arguments.section)
    torch.set_num_threads(arguments.threads)
    graphs, split = load_graphs(arguments.graphs, arguments.split)
    packed = PackedGraphs(graphs, device_named(arguments.device))
    about = about_of(arguments.split) | {"unit": section["unit"]}
    files = (arguments.weights, arguments.predictions, arguments.domains)
    jobs = list(zip(section["variants"], *files, strict=True))
    for variant, weights, predictions, domain in stage.progress(jobs, "predictions"):
        models, _ = load_models(weights)
        said = [predict_and_embed(model, packed) for model in models.values()]
        tables = [
            predictions_of(split, variant, seed, prediction) for seed, (prediction, _) in zip(models, said, strict=True)
        ]
        write_table(predictions, pa.concat_tables(tables), PREDICTIONS, about)
        target, subset = (split[name].to_numpy(zero_copy_only=False) for name in ("target", "subset"))
        prediction, pooled = (np.stack(every) for every in zip(*said, strict=True))
        material_ids = split["material_id"].to_pylist()
        save_domain(domain, measure(prediction, pooled, target, subset, graphs, material_ids))


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--section", required=True, help="unit of the prediction, names of the variants, as JSON")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--graphs", type=Path, nargs="+", required=True)
    for name in ("weights", "predictions", "domains"):
        parser.add_argument(f"--{name}", type=Path, nargs="+", required=True, help="a file a variant, in their order")
    stage.run(main, parser)
