"""Metrics of every model of one task and split, with intervals; and the few figures that versions are compared by."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pandas as pd

from cgcnn import stage
from cgcnn.metrics import HEADLINE
from cgcnn.summary import headline, learning, predictions_on_test, scores
from cgcnn.tables import PREDICTIONS, read_json, read_table, write_csv, write_json


def main(arguments: Namespace) -> None:
    section = json.loads(arguments.section)
    kind, unit, evaluation = section["task"]["kind"], section["task"]["unit"], section["evaluation"]
    everything = pd.concat([read_table(path, PREDICTIONS).to_pandas() for path in arguments.predictions])
    models = scores(kind, everything, evaluation["bootstrap"], evaluation["seed"])
    for name, found in models.items():
        test = found["summary"]["test"][HEADLINE[kind]]
        stage.log.info("%s: test %s %.4f %s over %d seeds", name, HEADLINE[kind], test["mean"], unit, test["n_seeds"])
    write_json(arguments.metrics, {"kind": kind, "unit": unit, "models": models})
    write_json(arguments.summary, headline(kind, models))
    variants = section["variants"]
    histories = {variant: read_json(path) for variant, path in zip(variants, arguments.histories, strict=True)}
    write_csv(arguments.learning, learning(histories))
    classes = ["other", section["task"]["positive"] or "1"]
    write_csv(arguments.test, predictions_on_test(kind, everything, variants, classes))


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--section", required=True, help="task, evaluation and names of the variants, as JSON")
    for name in ("predictions", "histories"):
        parser.add_argument(f"--{name}", type=Path, nargs="+", required=True)
    for name in ("metrics", "summary", "learning", "test"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    stage.run(main, parser)
