"""What the networks of one task and split have learned, and whether the choice of a cell changes what they say."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from cgcnn import examine, stage
from cgcnn.checkpoint import load_models
from cgcnn.domain import DOMAIN_FILE, load_domain
from cgcnn.examples import load_graphs
from cgcnn.graph import NeighbourRule
from cgcnn.metrics import best_on_validation
from cgcnn.predict import device_named
from cgcnn.tables import EXAMINATION, STRUCTURES, about_of, crystals_of, lists, read_table, write_json, write_table


def main(arguments: Namespace) -> None:
    torch.set_num_threads(1)
    section, device = json.loads(arguments.section), device_named(arguments.device)
    graphs, split = load_graphs(arguments.graphs, arguments.split)
    weights = dict(zip(section["variants"], arguments.weights, strict=True))
    loaded = {name: load_models(path) for name, path in weights.items()}
    models = {name: networks for name, (networks, _) in loaded.items()}
    scores = json.loads(arguments.metrics.read_text(encoding="utf-8"))
    best = best_on_validation(scores["kind"], {name: scores["models"][name] for name in models})
    domain = load_domain(weights[best].with_name(DOMAIN_FILE))
    assert domain is not None  # an input of the rule

    ids, subset = split["material_id"].to_pylist(), np.array(split["subset"].to_pylist())
    sample = [ids[row] for row in examine.evenly(np.flatnonzero(subset == "test"), section["cells"])]
    crystals = crystals_of(read_table(arguments.structures, STRUCTURES), sample)
    rule, seed = NeighbourRule(**loaded[best][1]["neighbours"]), section["seed"]
    found = {name: examine.invariance(model, crystals, rule, seed, device) for name, model in models.items()}

    features, contributions = examine.look_at(models[best], domain, graphs, device)
    columns = examine.crystal_map(features, domain, section["umap"], seed)
    sites = lists(graphs.site_offsets, contributions)
    table = pa.table({"material_id": ids, **columns, "contributions": sites})
    write_table(arguments.table, table, EXAMINATION, about_of(arguments.split) | {"model": best})
    elements = examine.element_map(models[best], np.flatnonzero(domain.elements))
    write_json(arguments.facts, {"model": best, "cells": len(sample), "invariance": found, "elements": elements})


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--section", required=True, help="variants, cells, umap and seed, as JSON")
    parser.add_argument("--device", default="auto")
    for name in ("graphs", "weights"):
        parser.add_argument(f"--{name}", type=Path, nargs="+", required=True)
    for name in ("structures", "split", "metrics", "table", "facts"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    stage.run(main, parser)
