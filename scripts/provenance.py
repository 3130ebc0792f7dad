"""What made the results: settings, code, versions, machine."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from cgcnn import __version__, stage
from cgcnn.provenance import machine, versions
from cgcnn.tables import write_json


def main(arguments: Namespace) -> None:
    facts = {
        "cgcnn": __version__,
        "settings": json.loads(arguments.section),
        "code": json.loads(arguments.code),
        "versions": versions(),
        "machine": machine(),
    }
    write_json(arguments.provenance, facts)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--section", required=True, help="the whole configuration, as JSON")
    parser.add_argument("--code", required=True, help="digest of the code of each script, as JSON")
    parser.add_argument("--provenance", type=Path, required=True)
    stage.run(main, parser)
