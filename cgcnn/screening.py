"""Candidates ranked by the probability that they meet a target, with what one should know before believing it.

A target is a window of one property or of several: a band gap of 1.1 to 1.6 eV and a formation energy below
-2 eV/atom. Probabilities come from each model's validation residuals (domain.py) and are multiplied, as if the errors
of the models were independent. They hold for candidates like the validation materials; others are flagged.
"""

import logging
import math
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cgcnn.arrays import Crystal
from cgcnn.candidates import Perovskite, perovskites
from cgcnn.crystals import checked, reduced_formula
from cgcnn.errors import InputError
from cgcnn.predictor import CONFIDENCE, Predictor, outside_domain
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
    kept: list[tuple[float, float, int, Crystal]] = []
    row = 0
    for chunk in wants[0].predictor.chunks(entries):
        table = pd.DataFrame({"id": chunk.ids, "reason": chunk.reasons})
        table["probability"], table["unseen_elements"], table["miss"] = 1.0, "", 0.0
        outside = np.zeros(len(table), dtype=bool)
        for want in wants:
            predictor = want.predictor
            first = want is wants[0]
            mine = chunk if first else predictor.with_graphs(chunk.ids, chunk.reasons, chunk.crystals)
            answers = predictor.ask(mine)
            said = predictor.table(mine, answers, CONFIDENCE)
            table["formula"] = said["formula"]
            table[want.name] = said["prediction"]
            for column in ("spread", "lower", "upper", "distance"):
                table[f"{want.name}_{column}"] = said[column]
            value = said["prediction"].to_numpy()
            table[f"{want.name}_probability"] = predictor.probability_between(value, want.low, want.high)
            table.loc[np.isnan(value), f"{want.name}_probability"] = np.nan
            table["probability"] *= table[f"{want.name}_probability"]
            table["miss"] += np.clip(np.maximum(want.low - value, value - want.high), 0, None)
            outside |= outside_domain(said).to_numpy()
            table["unseen_elements"] = [
                " ".join(sorted({*a.split(), *b.split()}))
                for a, b in zip(table["unseen_elements"], said["unseen_elements"], strict=True)
            ]
            if first:
                nearest = np.array([], dtype=object)
                if answers is not None and predictor.domain is not None:
                    _, which = predictor.domain.distances(answers.embeddings)
                    nearest = np.array(predictor.domain.facts["material_ids"], dtype=object)[which]
                table["nearest"] = chunk.spread_out(nearest, "") if len(nearest) else ""
        table["outside"] = outside
        order = zip(table.loc[chunk.usable, "probability"], table.loc[chunk.usable, "miss"], strict=True)
        places = (row + np.flatnonzero(chunk.usable)).tolist()
        for (probability, miss), place, crystal in zip(order, places, chunk.crystals, strict=True):
            kept.append((-probability, miss, place, crystal))
        kept = sorted(kept, key=lambda each: each[:3])[:top]
        row += len(table)
        tables.append(table)
    if not tables:
        raise InputError("There is no candidate. Give files, other anions, or wider bounds of the factors.")
    crystals = {place: crystal for *_, place, crystal in kept}
    return _ranked(pd.concat(tables, ignore_index=True), crystals, _known(wants, known), names)


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
