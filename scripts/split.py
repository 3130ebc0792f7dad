"""Train, validation and test materials of one task."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pyarrow as pa

from cgcnn import stage
from cgcnn.splits import SUBSETS, assign, require_both_classes, thinned
from cgcnn.tables import SPLIT, STRUCTURES, about_of, read_table, write_table
from cgcnn.tasks import materials_of


def main(arguments: Namespace) -> None:
    section = json.loads(arguments.section)
    task, strategy, split = section["task"], section["strategy"], section["split"]
    everything = read_table(arguments.structures, STRUCTURES)
    materials, target = materials_of(everything, task)
    subset = assign(
        strategy,
        material_id=materials["material_id"].to_pylist(),
        formula=materials["formula"].to_pylist(),
        prototype=materials["prototype"].to_pylist(),
        elements=[set(numbers) for numbers in materials["atomic_numbers"].to_pylist()],
        fractions=tuple(split["fractions"]),
        seed=split["seed"],
    )
    stays = thinned(subset, section["train_share"], split["seed"])
    materials, target, subset = materials.filter(pa.array(stays)), target[stays], subset[stays]
    if task["kind"] == "classification":
        require_both_classes(strategy, subset, target)
    for name in SUBSETS:
        stage.log.info("%6d %s", (subset == name).sum(), name)
    stage.log.info("%6d not of this task, without a target, or left out", len(everything) - len(materials))
    table = pa.table({"material_id": materials["material_id"], "subset": subset, "target": target})
    about = about_of(arguments.structures) | {"strategy": strategy, "target": task["target"], "unit": task["unit"]}
    write_table(arguments.split, table, SPLIT, about)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--section", required=True, help="task, strategy, train_share and section split, as JSON")
    parser.add_argument("--structures", type=Path, required=True)
    parser.add_argument("--split", type=Path, required=True)
    stage.run(main, parser)
