"""Structures and targets from the configured source, and what had to be rejected."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from cgcnn import stage
from cgcnn.sources.fetch import fetch
from cgcnn.tables import REJECTS, structures_schema, write_table


def main(arguments: Namespace) -> None:
    section = json.loads(arguments.section)
    structures, rejects, about = fetch(section, arguments.root, lambda entries: stage.progress(entries, "structures"))
    for family in structures["family"].value_counts().to_pylist():
        stage.log.info("%6d %s", family["counts"], family["values"] or "of no family")
    stage.log.info("%6d rejected, see %s", len(rejects), arguments.rejects)
    write_table(arguments.structures, structures, structures_schema(dict(section["targets"])), about)
    write_table(arguments.rejects, rejects, REJECTS, about)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--section", required=True, help="source, structures, targets and families, as JSON")
    parser.add_argument("--root", type=Path, required=True, help="folder from which source.paths count")
    parser.add_argument("--structures", type=Path, required=True)
    parser.add_argument("--rejects", type=Path, required=True)
    stage.run(main, parser)
