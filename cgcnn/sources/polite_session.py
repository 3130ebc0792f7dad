"""An HTTP session for a server that one does not own: it waits, retries, checks, and says in one line what went wrong.

The Materials Project's client retries little and takes a short page for a whole one. It is given this session instead.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
import tenacity

from cgcnn.errors import InputError

_NOTICED = 5.0  # s; a longer wait is announced
log = logging.getLogger("cgcnn")


@dataclass(frozen=True)
class Patience:
    """How long to wait for what. All in seconds but `attempts`, of each request."""

    attempts: int = 7
    unreached: int = 3  # attempts while the server has not answered once
    first_wait: float = 1.0  # before the second attempt; doubled before each further one
    longest_wait: float = 60.0  # of our own; ten times as long where the server asks for it
    connect: float = 10.0
    first_read: float = 20.0  # without a byte, while the server has not answered once
    read: float = 120.0  # without a byte
    pause: float = 0.2  # between two requests, whatever the server would bear


class _Transient(Exception):
    """May go away by itself. `wait` is what the server asked for, in s."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass(eq=False)
class PoliteSession(requests.Session):
    """Retries with backoff whatever may pass: 429, 5xx, no answer, a cut body, truncated JSON, a short page.

    Raises InputError, without the key, where patience ends or where waiting would not help.
    """

    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        super().__init__()
        self._free_at = 0.0
        self._answered = False

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        retrying = tenacity.Retrying(
            stop=lambda state: state.attempt_number >= self._attempts(),
            wait=self._wait,
            retry=tenacity.retry_if_exception_type(_Transient),
            before_sleep=self._announce,
            reraise=True,
        )
        try:
            return retrying(self._once, method, url, *args, **kwargs)
        except _Transient as error:
            raise InputError(
                f"Materials Project: {error}, {self._attempts()} times in a row. What was fetched is kept: "
                "run the same command again later, and it goes on from there."
            ) from None

    def _attempts(self) -> int:
        return self.patience.attempts if self._answered else min(self.patience.unreached, self.patience.attempts)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        backoff = min(self.patience.first_wait * 2 ** (state.attempt_number - 1), self.patience.longest_wait)
        return max(backoff, min(getattr(error, "wait", 0.0), 10 * self.patience.longest_wait))

    def _announce(self, state: tenacity.RetryCallState) -> None:
        if state.upcoming_sleep >= _NOTICED and state.outcome:
            again = f"attempt {state.attempt_number + 1} of {self._attempts()} in {state.upcoming_sleep:.0f} s"
            log.warning("Materials Project: %s; %s", state.outcome.exception(), again)

    def _once(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:
        time.sleep(max(0.0, self._free_at - time.monotonic()))
        read = self.patience.read if self._answered else min(self.patience.first_read, self.patience.read)
        kwargs |= {"timeout": (self.patience.connect, read), "allow_redirects": False}
        server = "/".join(str(url).split("/")[:3])
        try:
            response = super().request(method, url, *args, **kwargs)
        except requests.ConnectTimeout:
            raise _Transient(f"{server} cannot be reached (is there a network?)") from None
        except requests.Timeout:
            raise _Transient(f"{server} did not answer within {read:g} s") from None
        except requests.exceptions.ChunkedEncodingError:
            raise _Transient(f"incomplete answer of {server} (the connection broke)") from None
        except requests.ConnectionError as error:
            broken = "aborted" in str(error) or "Read timed out" in str(error)
            why = "broke the connection" if broken else "cannot be reached (no network, or the server is down)"
            raise _Transient(f"{server} {why}") from None
        except requests.RequestException as error:
            raise InputError(f"Materials Project: {server}: {type(error).__name__}. Correct MP_API_ENDPOINT.") from None
        finally:
            self._free_at = time.monotonic() + self.patience.pause
        self._answered = True
        _check(response, server, kwargs.get("params") or {})
        return response


def _check(response: requests.Response, server: str, asked: Mapping[str, Any]) -> None:
    status = response.status_code
    if status in (401, 403):
        raise InputError(
            f"Materials Project: {server} refused the key (status {status}). "
            "Put the 32 characters from https://materialsproject.org/api into MP_API_KEY."
        )
    if status == 429:
        raise _Transient("quota used up or too many requests (status 429)", _retry_after(response))
    if status >= 500:
        raise _Transient(f"server down or overloaded (status {status})", _retry_after(response))
    if status != 200:
        raise InputError(
            f"Materials Project: {server} does not take the request (status {status}). "
            "Is MP_API_ENDPOINT right, and mp-api recent (pip install --upgrade mp-api)?"
        )
    try:
        answer = response.json()
    except ValueError:
        raise _Transient("incomplete answer (truncated JSON)") from None
    if urlsplit(response.url).path.endswith("/heartbeat"):
        return
    try:
        found, total = len(answer["data"]), int(answer["meta"]["total_doc"])
    except (KeyError, TypeError):
        raise _Transient("incomplete answer (without data)") from None
    limit = int(asked.get("_limit") or 100)
    skipped = int(asked.get("_skip") or 0) or (int(asked.get("_page") or 1) - 1) * limit
    expected = max(0, min(limit, total - skipped))
    if found < expected:
        raise _Transient(f"incomplete answer ({found} of {expected} materials on a page)")


def _retry_after(response: requests.Response) -> float:
    """Seconds that the header Retry-After asks for, as a number or as a date."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    try:
        return (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):  # no date, or one without a time zone
        return 0.0
