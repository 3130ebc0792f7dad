"""The command line: `cgcnn <command>`. Each command reads its arguments, calls one function of the package, and writes.

Commands import what they need when they are called, so that `cgcnn --help` answers at once.
"""

import os
import signal
import sys
import warnings
from types import FrameType
from typing import Annotated

import typer

from cgcnn import __version__
from cgcnn.commands import compare, diff_structures, doctor, explain, predict, screen
from cgcnn.errors import InputError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def main() -> None:
    """Entry point. A mistake of the user's is one line on stderr and exit code 1; any other exception is a bug."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        app()
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)


def _stop(number: int, frame: FrameType | None) -> None:
    """End as an exception does, so that unfinished files are removed, where a signal would leave them."""
    sys.exit(128 + number)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def cgcnn(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, help="Print the version.")] = False,
) -> None:
    """Crystal graph convolutional neural networks: predict, screen, explain, compare."""
    # Batches are small: a second thread mostly waits, and slows other work. Set before torch is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    warnings.filterwarnings("ignore", "No Pauling electronegativity")  # of pymatgen, on every formula with a noble gas


app.command()(predict.predict)
app.command()(predict.embed)
app.command()(predict.models)
app.command()(explain.explain)
app.command()(screen.screen)
app.command()(doctor.doctor)
app.command()(compare.compare)
app.command()(diff_structures.diff_structures)


if __name__ == "__main__":
    main()
