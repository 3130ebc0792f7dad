"""What the page says of the data and the settings: counts, elements, rejects."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from cgcnn.elements import SYMBOLS, properties
from cgcnn.report.results import Contest
from cgcnn.splits import SUBSETS

MOST_REASONS = 20  # that the page lists
MOST_EXAMPLES = 5  # ids beside a reason
_F_BLOCK_GAP = 2  # rows between a period and its f block, drawn below the table


@dataclass(frozen=True)
class Family:
    name: str
    materials: int
    formulas: int
    prototypes: int
    kinds: Mapping[str, int]  # verdicts of perovskites.py
    sites: tuple[int, int, int]  # fewest, median, most in a cell


@dataclass(frozen=True)
class ElementCell:
    """Where an element stands in the periodic table, and what is said of it there."""

    symbol: str
    row: int
    column: int
    text: str  # empty where nothing is known
    title: str
    weight: float  # -1 to 1, of the colour


@dataclass(frozen=True)
class Reason:
    text: str
    materials: int
    examples: list[tuple[str, str]]  # material_id, origin


def families_of(structures: pa.Table) -> list[Family]:
    """The families, the largest first."""
    table = structures.to_pandas()
    groups = table.groupby(table["family"].fillna("of no family"))
    found = [
        Family(
            name=str(name),
            materials=len(rows),
            formulas=rows["formula"].nunique(),
            prototypes=rows["prototype"].nunique(),
            kinds=dict(Counter(rows["perovskite_kind"]).most_common()),
            sites=(int(rows["n_sites"].min()), int(rows["n_sites"].median()), int(rows["n_sites"].max())),
        )
        for name, rows in groups
    ]
    return sorted(found, key=lambda family: (-family.materials, family.name))


def split_sizes(contest: Contest) -> dict[str, Any]:
    """Task, split, and the materials of each subset; for a classification also how many are of class 1."""
    subset = np.asarray(contest.subset)
    counts = {name: int((subset == name).sum()) for name in SUBSETS}
    positives = {name: int(contest.targets[subset == name].sum()) for name in SUBSETS}
    is_classification = contest.kind == "classification"
    return {
        "task": contest.task,
        "split": contest.split,
        "counts": counts,
        "positives": positives if is_classification else None,
        "positive": contest.classes[1],
    }


def elements_of(structures: pa.Table) -> list[ElementCell]:
    """How many materials hold each element; the colour goes with the logarithm."""
    held = Counter(number for numbers in structures["atomic_numbers"].to_pylist() for number in set(numbers))
    most = math.log1p(max(held.values(), default=1))
    return periodic_table(
        {z: (str(n), f"{SYMBOLS[z]}: in {n} materials", math.log1p(n) / most) for z, n in held.items()}
    )


def periodic_table(values: Mapping[int, tuple[str, str, float]]) -> list[ElementCell]:
    """Every element up to fermium at its place in the periodic table; the f block has its rows below.

    Args:
        values: atomic number -> text, title and weight of the colour; others are left pale.
    """
    group, period = (np.nan_to_num(properties()[name]).astype(int) for name in ("group", "period"))
    column = group.copy()
    row = period.copy()
    for number in np.flatnonzero(group == 0)[1:]:
        row[number] += _F_BLOCK_GAP + 1
        column[number] = 3 + np.sum((group[:number] == 0) & (period[:number] == period[number]))
    return [
        ElementCell(
            SYMBOLS[number], int(row[number]), int(column[number]), *values.get(number, ("", SYMBOLS[number], 0.0))
        )
        for number in range(1, len(SYMBOLS))
    ]


def rejects_of(rejects: pa.Table) -> list[Reason]:
    """Reasons of rejection, the commonest first, with a few of the materials."""
    by_reason: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in rejects.to_pylist():
        by_reason[row["reason"]].append((row["material_id"], row["origin"]))
    ordered = sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0]))
    return [Reason(reason, len(materials), materials[:MOST_EXAMPLES]) for reason, materials in ordered]


def settings_of(settings: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Sections of the configuration, each with its keys as dotted paths; the variants are shown apart."""
    return [
        (section, list(flattened(content).items())) for section, content in settings.items() if section != "variants"
    ]


def flattened(content: Any, path: str = "") -> dict[str, str]:
    """A nested mapping as dotted path -> value as text. A list is one value."""
    if isinstance(content, Mapping) and content:
        lines: dict[str, str] = {}
        for key, value in content.items():
            lines |= flattened(value, f"{path}.{key}" if path else str(key))
        return lines
    return {path: as_text(content)}


def as_text(value: Any) -> str:
    """A setting in words."""
    if value is None or value in ("", {}, []):
        return "none" if value is None else "empty"
    if isinstance(value, list | tuple):
        return ", ".join(as_text(item) for item in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def own_settings(variant: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """What a variant sets otherwise than the common settings of the run, such as "pool: attention, n_hidden: 1"."""
    pairs = []
    for part in ("model", "train"):
        common = settings.get(part, {})
        pairs += [f"{key}: {value}" for key, value in variant.get(part, {}).items() if common.get(key, value) != value]
    return ", ".join(pairs)
