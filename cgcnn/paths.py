"""Paths that a configuration gives."""

import os
from pathlib import Path

from cgcnn.errors import InputError


def expanded(path: str) -> str:
    """The path with its environment variables ($NAME or ${NAME}) and the home folder (~) filled in.

    Raises:
        InputError: a variable is not set, or nobody has that home.
    """
    try:
        full = str(Path(os.path.expandvars(path)).expanduser())
    except RuntimeError:
        raise InputError(f"{path}: nobody has this home folder. Write the path.") from None
    if "$" in full:
        raise InputError(f"{path}: an environment variable in it is not set. Set it, or write the path.")
    return full
