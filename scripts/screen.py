"""Candidates ranked by the probability that they meet the target, as a table and a page."""

import json
import math
from argparse import ArgumentParser, Namespace
from pathlib import Path

from cgcnn import output, stage
from cgcnn.errors import InputError
from cgcnn.predictor import Predictor
from cgcnn.report.screen import render
from cgcnn.screening import Want, facts, run
from cgcnn.tables import atomic_path


def main(arguments: Namespace) -> None:
    section = json.loads(arguments.section)
    wants = [
        Want(
            Predictor.load(weights, arguments.device),
            -math.inf if low is None else low,
            math.inf if high is None else high,
        )
        for weights, (low, high) in zip(arguments.weights, section["wants"].values(), strict=True)
    ]
    screened = run(wants, arguments.candidates, section["anions"], [], section["top"])
    reasons = screened.table["reason"]
    if (reasons != "").all():
        raise InputError(f"None of the {len(reasons)} candidates can be used. {screened.table['id'][0]}: {reasons[0]}")
    output.write(arguments.ranking, [screened.table], *facts(wants))
    text = render(screened, wants, json.loads(arguments.hindsight.read_text(encoding="utf-8")))
    with atomic_path(arguments.page) as temporary:
        temporary.write_text(text, encoding="utf-8")
    best = screened.table.iloc[0]
    stage.log.info("%d candidates; the best: %s (%.2f)", len(screened.table), best["id"], best["probability"])
    if (reasons != "").any():
        stage.log.warning("%d of them could not be used (column reason says why).", (reasons != "").sum())


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--section", required=True, help="wants, in the order of the weights, anions, top, as JSON")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--weights", type=Path, nargs="+", required=True, help="a model a want")
    parser.add_argument("--candidates", nargs="*", default=[], help="files; without any, perovskites by substitution")
    for name in ("hindsight", "ranking", "page"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    stage.run(main, parser)
