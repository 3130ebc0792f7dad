"""How a script of scripts/ runs: its log, its progress bar, and one line for the user when the input is at fault."""

import logging
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cgcnn.errors import InputError

log = logging.getLogger("cgcnn")


def run(main: Callable[[Namespace], None], parser: ArgumentParser) -> None:
    """Parse the arguments, open the log, call `main`. An InputError is printed without traceback; exit code 1."""
    parser.add_argument("--log", type=Path, help="file that keeps what is printed")
    arguments = parser.parse_args()
    with _logging_to(arguments.log):
        try:
            main(arguments)
        except InputError as error:
            log.error("Error: %s", error)
            sys.exit(1)
        except Exception:
            log.exception("This is a bug in the pipeline, not in your input:")
            sys.exit(2)


@contextmanager
def _logging_to(path: Path | None) -> Iterator[None]:
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(path, mode="w", encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(message)s"))
        root.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            handler.close()


def progress(items: Iterable[Any] | None, label: str, total: int | None = None, row: int = 0) -> "tqdm[Any]":
    """A bar with time left on a terminal, nothing elsewhere; bars of processes side by side have a row each."""
    look: dict[str, Any] = {"disable": None, "leave": False, "dynamic_ncols": True, "position": row}
    return tqdm(items, desc=label, total=total, file=sys.stderr, **look)


def shown_on(bar: "tqdm[Any]") -> Callable[[Any, object], None]:
    """For `training.train`: the epoch's losses on a bar that counts epochs."""

    def after_epoch(state: Any, snapshot: object) -> None:
        last = state.history[-1]
        bar.set_postfix(train=f"{last['train_loss']:.4f}", validation=f"{last['validation_loss']:.4f}", refresh=False)
        bar.update()

    return after_epoch
