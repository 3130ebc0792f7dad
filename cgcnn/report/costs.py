"""What each stage cost: seconds, peak memory and device, from the benchmark files of Snakemake."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cgcnn.tables import read_json

_OF_ALL = ("fetch", "graphs")  # stages that all tasks and splits share
#: Stages that the report counts, with where they compute; nothing where it depends on the machine.
_DEVICES = {"fetch": "cpu", "graphs": "cpu", "train": "", "predict": "", "baselines": "cpu", "examine": ""}


@dataclass(frozen=True)
class Cost:
    """One job."""

    stage: str
    what: str  # such as energy/formula/gated
    seconds: float
    megabytes: float | None  # most memory at once; None where the job was too short to be looked at
    device: str  # nothing where it is not known


def costs_of(benchmarks: Path, results: Path, section: Mapping[str, Any]) -> list[Cost]:
    """One entry a benchmark file, in the order of their names; training on the device that the model's card names.

    Args:
        section: tasks, splits and names of the variants; files of others, left by other runs, do not count.
    """
    contests = {f"{task}/{split}" for task in section["tasks"] for split in section["splits"]}
    models = {f"{contest}/{variant}" for contest in contests for variant in section["variants"]}
    costs = []
    for path in sorted(benchmarks.rglob("*.tsv")):
        stage, *rest = path.relative_to(benchmarks).with_suffix("").parts
        what = "/".join(rest)
        if stage not in _DEVICES or (stage not in _OF_ALL and what not in (models if stage == "train" else contests)):
            continue
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        if not rows:
            continue
        device = _DEVICES[stage]
        if stage == "train" and (card := results / what / "model.json").exists():
            device = str(read_json(card).get("device", ""))
        costs.append(Cost(stage, what, float(rows[-1]["s"]), _number(rows[-1]["max_rss"]), device))
    return costs


def total(costs: Iterable[Cost]) -> float:
    """Seconds of all jobs together; some ran side by side."""
    return sum(cost.seconds for cost in costs)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:  # NA, or a dash
        return None
