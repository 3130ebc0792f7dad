"""How scores change with the kind of split and with the number of training materials, on one page."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from cgcnn import stage
from cgcnn.report.results import load
from cgcnn.report.study import render
from cgcnn.tables import atomic_path


def main(arguments: Namespace) -> None:
    section = json.loads(arguments.section)
    run = load(section, arguments.data, arguments.results)
    page = render(run, section["ladder"], section["learning"])
    with atomic_path(arguments.page) as temporary:
        temporary.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--section", required=True, help="report, tasks, splits, variants, ladder, ... as JSON")
    parser.add_argument("--data", type=Path, required=True, help="folder")
    parser.add_argument("--results", type=Path, required=True, help="folder")
    parser.add_argument("--page", type=Path, required=True)
    stage.run(main, parser)
