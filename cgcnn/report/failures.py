"""Where predictions fail: errors by what a material is, and the worst of them with a reason where one can be told."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cgcnn.elements import SYMBOLS
from cgcnn.metrics import predicted_class
from cgcnn.report.compare import errors_of
from cgcnn.report.materials import Material
from cgcnn.report.results import Contest, Model
from cgcnn.report.words import number

Floats = NDArray[np.float64]

N_WORST = 20
_RARE = 5  # training materials with an element, or of a prototype: so few that little can be learned of it
_OUTER = 0.05  # share of the test materials that is called far away, or unsure
_TAIL = 0.01  # share of the training targets beyond which a target is called extreme, on either side


@dataclass(frozen=True)
class Group:
    """Test materials that have something in common."""

    label: str
    n: int
    mean: float  # of their errors
    standard_error: float | None  # of that mean; None for a single material


def grouped(errors: Floats, labels: Sequence[str], order: Sequence[str] = ()) -> list[Group]:
    """Mean error of each label; in the given order, or the most frequent first."""
    counts = Counter(labels)
    names = [name for name in order if name in counts] or sorted(counts, key=lambda name: (-counts[name], name))
    groups = []
    for name in names:
        own = errors[np.array([label == name for label in labels])]
        spread = float(own.std(ddof=1) / np.sqrt(len(own))) if len(own) > 1 else None
        groups.append(Group(name, len(own), float(own.mean()), spread))
    return groups


def site_bins(n_sites: Sequence[int]) -> tuple[list[str], list[str]]:
    """Labels of cells by their number of sites, in about five bins of equal counts; and the labels in order."""
    sizes = np.asarray(n_sites)
    edges = np.unique(np.quantile(sizes, np.linspace(0, 1, 6), method="nearest"))
    upper = [*(edges[1:-1] - 1), edges[-1]] if len(edges) > 1 else [edges[0]]
    names = [
        f"{low} sites" if low == high else f"{low} to {high} sites" for low, high in zip(edges, upper, strict=False)
    ]
    which = np.searchsorted(upper, sizes)
    return [names[k] for k in which], names


def by_element(errors: Floats, elements: Sequence[frozenset[int]]) -> dict[int, Group]:
    """Mean error of the test materials that hold an element, by atomic number."""
    found = {}
    for z in sorted(set().union(*elements)):
        own = errors[np.array([z in held for held in elements])]
        found[z] = Group(SYMBOLS[z], len(own), float(own.mean()), None)
    return found


@dataclass(frozen=True)
class Worst:
    """One of the test materials with the largest errors."""

    material_id: str
    formula: str
    space_group: int
    target: float
    prediction: float  # mean over the seeds
    spread: float | None  # over the seeds
    distance: float | None  # to the nearest training material
    reasons: Sequence[str]


def worst(contest: Contest, model: Model, facts: Mapping[str, Material]) -> list[Worst]:
    """The test materials that a model is most wrong on, the worst first; of a classification only wrong ones."""
    mean = model.prediction.mean(axis=0)
    wrong = np.abs(mean - contest.target)
    rows = np.argsort(-wrong, kind="stable")[:N_WORST]
    if contest.kind == "classification":
        rows = rows[errors_of(contest, model)[rows] > 0]
    detective = _Detective(contest, model, facts)
    return [
        Worst(
            material_id=contest.material_id[row],
            formula=contest.formula[row],
            space_group=facts[contest.material_id[row]].space_group,
            target=float(contest.target[row]),
            prediction=float(mean[row]),
            spread=None if detective.spread is None else float(detective.spread[row]),
            distance=None if detective.distance is None else float(detective.distance[row]),
            reasons=detective.reasons(int(row)),
        )
        for row in rows
    ]


class _Detective:
    """Knows the training materials, and what is unusual about a test material."""

    def __init__(self, contest: Contest, model: Model, facts: Mapping[str, Material]) -> None:
        self.contest, self.facts = contest, facts
        training = [name for name, is_in in zip(contest.everything, contest.is_training, strict=True) if is_in]
        self.trained = dict(zip(training, contest.targets[contest.is_training], strict=True))
        self.elements = Counter(z for name in training for z in facts[name].elements)
        self.prototypes = Counter(facts[name].prototype for name in training)
        self.tails = np.quantile(list(self.trained.values()), [_TAIL, 1 - _TAIL])
        self.prediction = model.prediction
        self.spread = model.prediction.std(axis=0, ddof=1) if len(model.prediction) > 1 else None
        self.off = [each.prediction.mean(axis=0) - contest.target for each in contest.models if each.name != "mean"]
        self.distance: Floats | None = None
        self.nearest: list[str] = []
        if contest.examination is not None and contest.examination.model == model.name:
            own = contest.examination.crystals.loc[list(contest.material_id)]
            self.distance, self.nearest = own["distance"].to_numpy(), own["nearest"].to_list()

    def reasons(self, row: int) -> list[str]:
        contest, name = self.contest, self.contest.material_id[row]
        found = [self._seen(SYMBOLS[z], self.elements[z]) for z in sorted(self.facts[name].elements)]
        if self.prototypes[self.facts[name].prototype] == 0:
            found.append("no training material has its prototype")
        if self.distance is not None and self.distance[row] > max(1.0, np.quantile(self.distance, 1 - _OUTER)):
            found.append(f"far from the training materials ({number(self.distance[row], 1)} times the usual distance)")
        if self.nearest and contest.kind == "classification":
            near = self.nearest[row]
            if self.trained[near] != contest.target[row]:
                found.append(f"its nearest training material, {self.facts[near].formula}, is of the other class")
        if contest.kind == "regression" and not self.tails[0] <= contest.target[row] <= self.tails[1]:
            found.append("its target is beyond 98 % of the training targets")
        if self._seeds_disagree(row):
            found.append("the seeds disagree")
        if len(self.off) > 2 and self._all_alike(row):
            found.append("every model errs the same way: look at the label")
        return [reason for reason in found if reason]

    def _seeds_disagree(self, row: int) -> bool:
        """On the class; in a regression more than on most test materials."""
        if self.contest.kind == "classification":
            return len(set(predicted_class(self.prediction[:, row]).tolist())) > 1
        return self.spread is not None and bool(self.spread[row] > np.quantile(self.spread, 1 - _OUTER))

    def _seen(self, symbol: str, n: int) -> str:
        if n > _RARE:
            return ""
        holders = "training material holds" if n < 2 else "training materials hold"
        return f"{('no', 'only one')[n] if n < 2 else f'only {n}'} {holders} {symbol}"

    def _all_alike(self, row: int) -> bool:
        """Whether all models but the mean are wrong in one direction, each by half of the worst or more."""
        off = np.array([each[row] for each in self.off])
        return bool(np.all(np.sign(off) == np.sign(off[0])) and np.abs(off).min() > np.abs(off).max() / 2)
