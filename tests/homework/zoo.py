"""The zoo: wrong answers that students give, each with a word that the check's message must hold; and right ones.

Wrong answers are told by `wrong(question, says)`, right alternatives by `right(question)`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple


class Specimen(NamedTuple):
    """One answer to one question."""

    question: str
    answer: Callable[..., Any]
    says: str = ""

    @property
    def name(self) -> str:
        """For the table and for test ids."""
        return f"{self.question}: {self.answer.__name__.replace('_', ' ')}"


WRONG: list[Specimen] = []
RIGHT: list[Specimen] = []


def wrong(question: str, says: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Put a wrong answer into the zoo; the message of its check must hold `says`."""

    def add(answer: Callable[..., Any]) -> Callable[..., Any]:
        WRONG.append(Specimen(question, answer, says))
        return answer

    return add


def right(question: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Put a correct answer into the zoo."""

    def add(answer: Callable[..., Any]) -> Callable[..., Any]:
        RIGHT.append(Specimen(question, answer))
        return answer

    return add
