"""The comparison on one page that works offline."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from cgcnn import stage
from cgcnn.report.compare import verdicts
from cgcnn.report.page import render
from cgcnn.report.results import load
from cgcnn.tables import atomic_path


def main(arguments: Namespace) -> None:
    run = load(json.loads(arguments.section), arguments.data, arguments.results, arguments.benchmarks)
    page = render(run)
    with atomic_path(arguments.page) as temporary:
        temporary.write_text(page, encoding="utf-8")
    for contest, sentences in zip(run.contests, verdicts(run), strict=True):
        stage.log.info("%s, split by %s: %s", contest.task, contest.split, " ".join(sentences))


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--section", required=True, help="report, tasks, splits, variants, ... as JSON")
    parser.add_argument("--data", type=Path, required=True, help="folder")
    parser.add_argument("--results", type=Path, required=True, help="folder")
    parser.add_argument("--benchmarks", type=Path, help="folder with Snakemake's benchmark files, if there")
    parser.add_argument("--page", type=Path, required=True)
    stage.run(main, parser)
