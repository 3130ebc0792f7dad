"""What is published: the models of a pulled version give its predictions, and its cards say what they are.

CGCNN_PUBLISHED names a folder with results and pretrained models (`make publish` does that); without it they are pulled
from the store in the repository into a clone.
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from cgcnn.checkpoint import load_models
from cgcnn.examples import load_graphs
from cgcnn.metrics import METRICS, evaluate
from cgcnn.predict import predict
from cgcnn.predictor import Predictor
from cgcnn.tensors import PackedGraphs
from tests import ROOT

TOLERANCE = 1e-5  # eV/atom, between machines


def test_the_models_give_the_published_predictions(published: Path) -> None:
    contests = sorted((published / "data/splits").glob("*/*.parquet"))
    assert contests
    for split in contests:
        graphs, table = load_graphs(sorted((published / "data/graphs").glob("*.parquet")), split)
        folder = published / "results" / split.stem / split.parent.name
        for weights in sorted(folder.glob("*/model.safetensors")):
            models, _ = load_models(weights)
            rows = pq.read_table(weights.with_name("predictions.parquet")).to_pandas()
            for seed, prediction in predict(models, PackedGraphs(graphs, "cpu")).items():
                stored = rows[rows["seed"] == seed].set_index("material_id")["prediction"]
                assert np.abs(stored[table["material_id"].to_pylist()] - prediction).max() <= TOLERANCE, weights


def test_every_result_of_a_run_is_an_output_of_dvc() -> None:
    command = [sys.executable, "-m", "snakemake", "--summary", "--quiet", "all"]
    listed = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True).stdout.splitlines()
    made = {line.split("\t")[0] for line in listed[1:]}
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    outs = {str(*out) for stage in stages.values() for out in stage["outs"]}
    unknown = {name for name in made if not outs & {name, *map(str, Path(name).parents)}}
    assert len(made) > 15 and not unknown, f"add to the outs of a stage of dvc.yaml: {sorted(unknown)}"


def test_the_metrics_are_those_of_the_predictions(published: Path) -> None:
    files = sorted((published / "results").glob("*/*/metrics.json"))
    assert files
    for file in files:
        content = json.loads(file.read_text())
        summary = json.loads(file.with_name("summary.json").read_text())
        for path in file.parent.glob("*/predictions.parquet"):
            test = pq.read_table(path, filters=[("subset", "==", "test")]).to_pandas()
            for (model, seed), rows in test.groupby(["model", "seed"]):
                found = evaluate(content["kind"], rows["target"], rows["prediction"])
                assert found == pytest.approx(content["models"][model]["seeds"][str(seed)]["test"], nan_ok=True)
            for model in test["model"].unique():
                metric = METRICS[content["kind"]][0]
                seeds = content["models"][model]["seeds"].values()
                assert summary[model][metric] == pytest.approx(np.mean([seed["test"][metric] for seed in seeds]))


def test_every_pretrained_model_has_a_card_that_is_its_own(published: Path) -> None:
    found = sorted((published / "pretrained").glob("*/*/*/model.safetensors"))
    assert found
    for weights in found:
        card = json.loads(weights.with_name("card.json").read_text())
        text = weights.with_name("card.md").read_text()
        assert card["digest"] == hashlib.sha256(weights.read_bytes()).hexdigest() and card["digest"] in text
        assert card["data"]["licence"] and card["data"]["version"] and card["limits"]
        if "materials-project" in weights.parts:
            assert "Jain" in card["data"]["attribution"] and "CC BY 4.0" in card["data"]["licence"]
            assert not weights.with_name("predictions.parquet").exists()  # the data stay out
        predictor = Predictor.load(weights)
        assert predictor.domain is not None and len(predictor.models) == len(card["seeds"])
