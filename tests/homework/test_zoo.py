"""The check of every wrong answer names its mistake, and its hidden test catches it; right ones pass both."""

import warnings

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
