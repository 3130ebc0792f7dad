"""What each stage cost: seconds, peak memory and device, from the benchmark files of Snakemake."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cgcnn.tables import read_json


@dataclass(frozen=True)
class Cost:
    """One job."""

    stage: str
    what: str  # such as energy/formula/gated
    seconds: float
    megabytes: float | None  # most memory at once; None where the job was too short to be looked at
    device: str


def costs_of(benchmarks: Path, results: Path) -> list[Cost]:
    """One entry a benchmark file, in the order of their names; training on the device that the model's card names."""
    costs = []
    for path in sorted(benchmarks.rglob("*.tsv")):
        stage, *rest = path.relative_to(benchmarks).with_suffix("").parts
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        if not rows:
            continue
        card = results.joinpath(*rest) / "model.json"
        device = str(read_json(card).get("device", "cpu")) if stage == "train" and card.exists() else "cpu"
        what = "/".join(rest)
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
