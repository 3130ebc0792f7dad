"""Who wins, by how much, and whether that could be chance: numbers first, then the sentence that says them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cgcnn.metrics import HEADLINE, LOWER_IS_BETTER, paired, predicted_class
from cgcnn.report.results import Contest, Model, Run
from cgcnn.report.words import METRICS, SPACE, decimals_for, interval, label_note, number, readable, with_spread

FEW_TEST_MATERIALS = 50


@dataclass(frozen=True)
class Gain:
    """How much better one model is than another in the headline metric, on the same test materials.

    `value` is positive where the first is better; `low` and `high` bound it with 95 % confidence. A classification
    counts in shares of 1.
    """

    value: float
    low: float | None
    high: float | None

    @property
    def beyond_chance(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def mean_score(contest: Contest, model: Model) -> float | None:
    """The headline metric on the test materials, mean over the seeds."""
    mean: float | None = model.scores["summary"]["test"][HEADLINE[contest.kind]]["mean"]
    return mean


def ranked(contest: Contest, models: Sequence[Model]) -> list[Model]:
    """Models from the best to the worst by the headline metric; those without one are left out."""
    sign = 1 if HEADLINE[contest.kind] in LOWER_IS_BETTER else -1
    scored = [(score, model) for model in models if (score := mean_score(contest, model)) is not None]
    return [model for _, model in sorted(scored, key=lambda pair: sign * pair[0])]


def best_score(contest: Contest) -> float | None:
    """That of the best of all models, baselines included; None where no model has one."""
    ranking = ranked(contest, contest.models)
    return mean_score(contest, ranking[0]) if ranking else None


def gain(contest: Contest, better: Model, worse: Model, resamples: int, seed: int) -> Gain:
    """Gain of one model over another, with a paired bootstrap interval over the test materials."""
    # The error of a material is its mean over the seeds, so the gain is the difference of the means in the table.
    # An error is how far it is from 0, the error of a perfect prediction: so `paired` can compare errors directly.
    perfect = np.zeros(len(contest.target))
    found = paired("regression", perfect, errors_of(contest, better), errors_of(contest, worse), resamples, seed)
    low, high, difference = found["low"], found["high"], found["difference"]
    assert isinstance(difference, float) and not isinstance(low, str) and not isinstance(high, str)
    return Gain(-difference, None if high is None else -high, None if low is None else -low)


def errors_of(contest: Contest, model: Model) -> NDArray[np.float64]:
    """(test materials,) absolute error, or share of the seeds that are wrong."""
    if contest.kind == "regression":
        return np.asarray(np.abs(model.prediction - contest.target).mean(axis=0))
    return np.asarray((predicted_class(model.prediction) != contest.target).mean(axis=0))


def verdicts(run: Run) -> list[list[str]]:
    """The sentences of `verdict` for each contest of a run."""
    evaluation = run.provenance["settings"]["evaluation"]
    return [
        verdict(contest, label_note(run.about, contest.kind), evaluation["bootstrap"], evaluation["seed"])
        for contest in run.contests
    ]


def verdict(contest: Contest, note: str, resamples: int, seed: int) -> list[str]:
    """Sentences: which variant wins, how it stands against composition alone, and against the next variant.

    Args:
        note: what must be said of the labels wherever a number from them stands.
    """
    ranking = ranked(contest, contest.variants)
    if not ranking:
        return ["No variant has a score on the test materials."]
    best = ranking[0]
    write = _Writer(contest)
    remark = f" ({note})" if note else ""
    said = [f"{best.name} {write.superlative(len(ranking))}: {write.score(best)}{remark}."]
    if contest.baselines and (winner := ranked(contest, [*contest.baselines, best])[0]) is not best:
        said.insert(0, f"No variant does better than {winner.name}, which sees no structure.")
    composition = contest.baseline("composition")
    if composition is None:
        said.append("No composition-only baseline was run to hold it against.")
    else:
        said.append(write.against("composition alone", composition, gain(contest, best, composition, resamples, seed)))
        strongest = ranked(contest, contest.baselines)[0]
        if strongest is not composition and mean_score(contest, strongest) != mean_score(contest, composition):
            found = gain(contest, best, strongest, resamples, seed)
            said.append(write.against(f"{strongest.name}, a stronger baseline", strongest, found))
    if len(ranking) > 1:
        said.append(write.against_next(ranking[1], gain(contest, best, ranking[1], resamples, seed)))
    if len(contest.target) < FEW_TEST_MATERIALS:
        said.append(f"With {len(contest.target)} test materials all of this is uncertain.")
    return said


class _Writer:
    """Puts the numbers of one contest into words, all with the same decimals."""

    def __init__(self, contest: Contest) -> None:
        self.contest = contest
        self.metric = HEADLINE[contest.kind]
        self.short = METRICS[self.metric][0]
        self.is_share = contest.kind == "classification"
        scores = [mean_score(contest, model) for model in contest.models]
        self.decimals = 3 if self.is_share else decimals_for(scores)

    def superlative(self, n_variants: int) -> str:
        if n_variants == 1:
            return "is the only variant"
        what = "separates the classes" if self.is_share else f"predicts {readable(self.contest.target_name)}"
        return f"{what} best of {n_variants} variants"

    def score(self, model: Model) -> str:
        found = model.scores["summary"]["test"][self.metric]
        seeds = f"{found['n_seeds']} seeds" if found["n_seeds"] > 1 else "one seed"
        value = with_spread(found["mean"], found["std"], self.decimals)
        return f"test {self.short} {value}{self._unit} over {seeds}"

    def against(self, what: str, baseline: Model, found: Gain) -> str:
        score = mean_score(self.contest, baseline)
        assert score is not None
        value = f"{what} ({number(score, self.decimals)}{self._unit})"
        if not found.beyond_chance:
            side = "gain" if found.value >= 0 else "loss"
            return f"It cannot be told from {value}: the {side} is {self._gain(found)}, which may be chance."
        if found.value < 0:
            return f"It is worse than {value}: the loss is {self._gain(found)}."
        share = "" if self.is_share else f" by {100 * found.value / score:.0f}{SPACE}%"
        return f"It beats {value}{share}: the gain is {self._gain(found)}."

    def against_next(self, other: Model, found: Gain) -> str:
        end = "." if found.beyond_chance else ", which may be chance."
        return f"Its lead over {other.name}, the next best, is {self._gain(found)}{end}"

    def _gain(self, found: Gain) -> str:
        """The gain, or the loss as a positive number."""
        if found.value < 0:
            low, high = (None if end is None else -end for end in (found.high, found.low))
            found = Gain(-found.value, low, high)
        if self.is_share:
            low, high = (None if end is None else 100 * end for end in (found.low, found.high))
            return f"{number(100 * found.value, 1)} percentage points (95{SPACE}% interval {interval(low, high, 1)})"
        bounds = interval(found.low, found.high, self.decimals)
        return f"{number(found.value, self.decimals)}{self._unit} (95{SPACE}% interval {bounds})"

    @property
    def _unit(self) -> str:
        return f"{SPACE}{self.contest.unit}" if self.contest.unit and not self.is_share else ""
