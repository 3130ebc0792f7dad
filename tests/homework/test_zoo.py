"""The check of every wrong answer names its mistake, and its hidden test catches it; right ones pass both."""

import inspect
import warnings

import numpy as np
import pytest

from homework import checks, hidden
from tests.homework import zoo_convolutions, zoo_graphs, zoo_materials, zoo_training
from tests.homework.zoo import RIGHT, WRONG, Specimen

assert zoo_graphs and zoo_convolutions and zoo_training and zoo_materials  # they fill the zoo
QUESTIONS = sorted(set(checks.__all__) - {"Wrong"})


@pytest.fixture(autouse=True)
def _quiet() -> None:
    warnings.filterwarnings("ignore", category=RuntimeWarning)


@pytest.mark.parametrize("specimen", WRONG, ids=lambda s: s.name)
def test_a_wrong_answer_is_caught_and_named(specimen: Specimen) -> None:
    with pytest.raises(checks.Wrong) as caught:
        getattr(checks, specimen.question)(specimen.answer)
    assert specimen.says in str(caught.value)
    with pytest.raises(checks.Wrong):
        getattr(hidden, specimen.question)(specimen.answer)


def _drawn(specimen: Specimen) -> bool:
    return getattr(hidden, specimen.question) is not getattr(checks, specimen.question)


@pytest.mark.parametrize("specimen", filter(_drawn, WRONG), ids=lambda s: s.name)
def test_no_draw_of_cases_lets_a_wrong_answer_through(specimen: Specimen) -> None:
    """One grading in a hundred once took a wrong answer, for none of its twenty cases told the two apart."""
    told = inspect.getclosurevars(getattr(hidden, specimen.question)).nonlocals
    numbers = np.random.default_rng(0).integers(2**32, size=100)

    def is_caught(number: int) -> bool:
        try:
            told["check"](specimen.answer, told["draw"](number))
        except checks.Wrong:
            return True
        return False

    assert (1 - np.mean([is_caught(int(number)) for number in numbers])) ** told["n_cases"] < 1e-5


@pytest.mark.parametrize("specimen", RIGHT, ids=lambda s: s.name)
def test_a_right_answer_passes(specimen: Specimen) -> None:
    getattr(checks, specimen.question)(specimen.answer)
    getattr(hidden, specimen.question)(specimen.answer)


def test_the_zoo_is_complete() -> None:
    assert len(WRONG) >= 40
    assert sorted({specimen.question for specimen in WRONG}) == QUESTIONS
    assert sorted({specimen.question for specimen in RIGHT}) == QUESTIONS
    assert all(callable(getattr(hidden, question)) for question in QUESTIONS)


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_answer_not_given_is_said_so(question: str) -> None:
    def nothing(*_: object) -> None:
        raise NotImplementedError

    with pytest.raises(checks.Wrong, match="nothing here yet"):
        getattr(checks, question)(nothing)
