"""The trained models of a run as a set of pre-trained ones: weights, domain, and a card each, as JSON and as text."""

import hashlib
import shutil
from argparse import ArgumentParser, Namespace
from pathlib import Path

from cgcnn import stage
from cgcnn.cards import card, markdown
from cgcnn.checkpoint import card_path, read_card
from cgcnn.domain import DOMAIN_FILE, load_domain
from cgcnn.elements import SYMBOLS
from cgcnn.errors import InputError
from cgcnn.pretrained import WEIGHTS
from cgcnn.tables import atomic_path, read_json, write_json


def main(arguments: Namespace) -> None:
    found = sorted(arguments.results.glob(f"*/{arguments.split}/*/{WEIGHTS}"))
    if not found:
        raise InputError(f"{arguments.results}: no models of split {arguments.split}. Run the pipeline first.")
    made = arguments.to.with_name(f".{arguments.to.name}.part")
    shutil.rmtree(made, ignore_errors=True)
    for weights in found:
        task, _, variant = weights.parent.relative_to(arguments.results).parts
        metrics = read_json(weights.parents[1] / "metrics.json")
        domain = load_domain(weights.with_name(DOMAIN_FILE))
        if domain is None:
            raise InputError(f"{weights.with_name(DOMAIN_FILE)}: no such file. Run the pipeline first.")
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        elements = [SYMBOLS[number] for number in domain.elements.nonzero()[0]]
        content = card(read_card(weights), metrics, digest, elements)
        folder = made / task / variant
        folder.mkdir(parents=True)
        for file in (weights, card_path(weights), weights.with_name(DOMAIN_FILE)):
            shutil.copyfile(file, folder / file.name)
        write_json(folder / "card.json", content)
        with atomic_path(folder / "card.md") as temporary:
            temporary.write_text(markdown(content), encoding="utf-8")
        stage.log.info("%s: %s %s", content["name"], content["headline"], content["metrics"][0]["networks"])
    shutil.rmtree(arguments.to, ignore_errors=True)
    made.rename(arguments.to)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="folder of a finished run")
    parser.add_argument("--split", default="formula", help="which of its splits")
    parser.add_argument("--to", type=Path, required=True, help="pretrained/<set>, which is replaced as a whole")
    stage.run(main, parser)
