"""Candidates ranked by the probability that they meet a target, with what one should know before believing it.

A target is a window of one property or of several: a band gap of 1.1 to 1.6 eV and a formation energy below
-2 eV/atom. Probabilities come from each model's validation residuals (domain.py) and are multiplied, as if the errors
of the models were independent. They hold for candidates like the validation materials; others are flagged.
"""

import logging
import math
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from cgcnn.arrays import Crystal
from cgcnn.candidates import Perovskite, perovskites
from cgcnn.crystals import checked, reduced_formula
from cgcnn.domain import Domain
from cgcnn.errors import InputError
from cgcnn.predictor import CONFIDENCE, Answers, Chunk, Predictor, outside_domain
from cgcnn.sources import Entry
from cgcnn.sources.structures import entries_of

log = logging.getLogger("cgcnn")


@dataclass(frozen=True)
class Want:
    """A window of a property, in its unit; either end may be infinite."""

    predictor: Predictor
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise InputError(f"{self.name}: the window {self.low:g} to {self.high:g} is empty. Give LOW before HIGH.")

    @property
    def name(self) -> str:
        """The property, as the columns are called."""
        return str(self.predictor.task["target"])

    def describe(self) -> str:
        """Such as band gap 1.1 to 1.6 eV."""
        unit = f" {self.predictor.unit}" if self.predictor.unit else ""
        name = self.name.replace("_", " ")
        if math.isinf(self.low):
            return f"{name} at most {self.high:g}{unit}"
        if math.isinf(self.high):
            return f"{name} at least {self.low:g}{unit}"
        return f"{name} {self.low:g} to {self.high:g}{unit}"


@dataclass
class Screened:
    """The ranking, and the crystals of its top."""

    table: pd.DataFrame  # best first; see `screen`
    crystals: dict[int, Crystal] = field(default_factory=dict)  # row of the table -> crystal, of the top


def screen(entries: Iterable[Entry], wants: Sequence[Want], known: Set[str] = frozenset(), top: int = 24) -> Screened:
    """Rank candidates.

    Args:
        entries: candidates in any order.
        wants: at least one; their properties differ.
        known: reduced formulas that are no news, besides those of the models' own data.
        top: how many crystals to keep.

    Returns:
        A row a candidate: id, formula, probability; for each property its prediction, spread, lower, upper, probability
        and distance (`band_gap`, `band_gap_spread`, ...); nearest, the most similar training material of the first
        model; known, whether the formula is; outside, whether any model is asked beyond its training; unseen_elements;
        reason why there is no prediction, such rows last.

    Raises:
        InputError: no candidate, or two windows of one property.
    """
    names = [want.name for want in wants]
    if len(set(names)) < len(names):
        raise InputError(f"Two windows of one property: {', '.join(names)}. Give one for each.")
    tables: list[pd.DataFrame] = []
    best: list[_Placed] = []
    n_rows = 0
    for chunk in wants[0].predictor.chunks(entries):
        tables.append(_judged(chunk, wants))
        best = sorted([*best, *_placed(tables[-1], chunk, n_rows)], key=lambda each: each.order)[:top]
        n_rows += len(chunk.ids)
    if not tables:
        raise InputError("There is no candidate. Give files, other anions, or wider bounds of the factors.")
    crystals = {place: crystal for (*_, place), crystal in best}
    return _ranked(pd.concat(tables, ignore_index=True), crystals, _known(wants, known), names)


class _Placed(NamedTuple):
    """A crystal, and what it is sorted by: best first."""

    order: tuple[float, float, int]  # -probability, miss, row in the order given
    crystal: Crystal


def _placed(table: pd.DataFrame, chunk: Chunk, n_before: int) -> Iterator[_Placed]:
    usable = np.flatnonzero(chunk.usable)
    for row, crystal in zip(usable.tolist(), chunk.crystals, strict=True):
        yield _Placed((-table["probability"][row], table["miss"][row], n_before + row), crystal)


def _judged(chunk: Chunk, wants: Sequence[Want]) -> pd.DataFrame:
    """What the models say of each entry; miss is how far the predictions lie from the windows, in their units."""
    table = pd.DataFrame({"id": chunk.ids, "reason": chunk.reasons})
    table["probability"], table["miss"], table["outside"], table["unseen_elements"] = 1.0, 0.0, False, ""
    for want in wants:
        predictor, is_first = want.predictor, want is wants[0]
        mine = chunk if is_first else predictor.with_graphs(chunk.ids, chunk.reasons, chunk.crystals)
        answers = predictor.ask(mine)
        said = predictor.table(mine, answers, CONFIDENCE)
        if is_first:
            table["formula"], table["nearest"] = said["formula"], _nearest(chunk, answers, predictor.domain)
        table[want.name] = said["prediction"]
        for column in ("spread", "lower", "upper", "distance"):
            table[f"{want.name}_{column}"] = said[column]
        value = said["prediction"].to_numpy()
        probability = np.where(np.isnan(value), np.nan, predictor.probability_between(value, want.low, want.high))
        table[f"{want.name}_probability"] = probability
        table["probability"] *= probability
        table["miss"] += np.clip(np.maximum(want.low - value, value - want.high), 0, None)
        table["outside"] |= outside_domain(said)
        table["unseen_elements"] = [
            " ".join(sorted({*a.split(), *b.split()}))
            for a, b in zip(table["unseen_elements"], said["unseen_elements"], strict=True)
        ]
    return table


def _nearest(chunk: Chunk, answers: Answers | None, domain: Domain | None) -> np.ndarray | str:
    """The most similar training material of each entry (n,), nothing where it is not known."""
    if answers is None or domain is None:
        return ""
    _, which = domain.distances(answers.embeddings)
    return chunk.spread_out(np.array(domain.facts["material_ids"], dtype=object)[which], "")


def _ranked(table: pd.DataFrame, top: dict[int, Crystal], known: Set[str], names: Sequence[str]) -> Screened:
    """Best first: by probability, then by how near the windows the predictions are, then by id."""
    table["known"] = table["formula"].isin(known)
    order = table.sort_values(["probability", "miss", "id"], ascending=[False, True, True], na_position="last").index
    measures = ("", "_spread", "_lower", "_upper", "_probability", "_distance")
    columns = ["id", "formula", "probability", *(name + measure for name in names for measure in measures)]
    place = {int(old): new for new, old in enumerate(order)}
    ranked = table.loc[order, [*columns, "nearest", "known", "outside", "unseen_elements", "reason"]]
    return Screened(ranked.reset_index(drop=True), dict(sorted((place[old], crystal) for old, crystal in top.items())))


def _known(wants: Sequence[Want], known: Set[str]) -> Set[str]:
    domains = [want.predictor.domain for want in wants]
    return set(known).union(*(domain.facts["formulas"] for domain in domains if domain is not None))


def facts(wants: Sequence[Want]) -> tuple[dict[str, Any], dict[str, str]]:
    """For the metadata of a ranking: what was wanted of which models, and the units of the columns."""
    units = {"cell": "Å"}
    for want in wants:
        own = (want.name + measure for measure in ("", "_spread", "_lower", "_upper"))
        units |= want.predictor.units(*own) | {f"{want.name}_distance": "percentile"}
    models = {want.name: want.predictor.about for want in wants}
    return {"wanted": [want.describe() for want in wants], "models": models}, units


def entries_of_candidates(candidates: Iterable[Perovskite]) -> Iterable[Entry]:
    """Candidates as cubic cells guessed from their radii."""
    return (Entry(each.formula, "substitution", each.crystal()) for each in candidates)


def with_factors(table: pd.DataFrame, candidates: Sequence[Perovskite]) -> pd.DataFrame:
    """The ranking with charges, tolerance, octahedral, tau and cell (Å) of candidates by substitution."""
    factors = pd.DataFrame(
        {
            "id": [each.formula for each in candidates],
            "charges": [f"{each.a.symbol}{each.a.charge}+ {each.b.symbol}{each.b.charge}+" for each in candidates],
            "tolerance": [each.tolerance for each in candidates],
            "octahedral": [each.octahedral for each in candidates],
            "tau": [each.tau for each in candidates],
            "cell": [each.cell for each in candidates],
        }
    )
    return table.merge(factors, on="id", how="left", validate="one_to_one")


def parse_want(text: str, device: str = "auto") -> Want:
    """From MODEL=LOW:HIGH, where an end that is left out is infinite.

    Raises:
        InputError: it is written otherwise, or there is no such model.
    """
    model, _, window = text.rpartition("=")
    low, colon, high = window.partition(":")
    try:
        ends = float(low or -math.inf), float(high or math.inf)
    except ValueError:
        colon = ""
    if not (model and colon):
        raise InputError(f"{text}: write MODEL=LOW:HIGH, such as band_gap/gated=1.1:1.6 or energy/gated=:-2.")
    return Want(Predictor.load(model, device), *ends)


def run(
    wants: Sequence[Want], files: Sequence[str], anions: Sequence[str], known: Sequence[str], top: int = 24
) -> Screened:
    """Screen the user's files, or new perovskites of these anions where there are none.

    Args:
        known: files of materials whose formulas are no news.
    """
    formulas = known_formulas(known)
    if files:
        return screen(entries_of(files), wants, formulas, top)
    candidates = list(perovskites(anions))
    screened = screen(entries_of_candidates(candidates), wants, formulas, top)
    return Screened(with_factors(screened.table, candidates), screened.crystals)


def known_formulas(files: Sequence[str]) -> set[str]:
    """Reduced formulas of the files' materials; logs how many could not be used, and the first reason."""
    formulas, faults = set(), []
    for entry in entries_of(files) if files else ():
        (crystal,) = checked([entry.crystal])
        if isinstance(crystal, str):
            faults.append(f"{entry.origin}: {crystal}")
        else:
            formulas.add(reduced_formula(crystal.atomic_numbers))
    if faults:
        log.warning("%d known materials could not be used and may be told as new. %s", len(faults), faults[0])
    return formulas
