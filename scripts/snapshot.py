"""What the configuration asks of the Materials Project, fetched once into a raw snapshot."""

import json
import shutil
from argparse import ArgumentParser, Namespace
from pathlib import Path

from cgcnn import stage
from cgcnn.sources.materials_project import SNAPSHOT, fetch_snapshot
from cgcnn.sources.polite_session import Patience
from cgcnn.tables import write_table


def main(arguments: Namespace) -> None:
    patience = Patience(
        first_wait=arguments.first_wait,
        longest_wait=60 * arguments.first_wait,
        read=arguments.timeout,
        pause=arguments.pause,
    )
    table, about = fetch_snapshot(json.loads(arguments.query), arguments.state, patience, stage.progress)
    stage.log.info("%d materials of database version %s", len(table), about["source_version"])
    write_table(arguments.snapshot, table, SNAPSHOT, about)
    shutil.rmtree(arguments.state)  # everything is in the snapshot


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--query", required=True, help="source.materials_project, as JSON")
    parser.add_argument("--snapshot", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True, help="folder for the answers of a fetch that was stopped")
    parser.add_argument("--first-wait", type=float, default=1.0, help="s before a request is repeated, then doubled")
    parser.add_argument("--timeout", type=float, default=120.0, help="s without a byte from the server")
    parser.add_argument("--pause", type=float, default=0.2, help="s between two requests")
    stage.run(main, parser)
