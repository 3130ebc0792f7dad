"""Paths that a configuration gives."""

import os

from cgcnn.errors import InputError


def expanded(path: str) -> str:
    """The path with its environment variables ($NAME or ${NAME}) filled in.

    Raises:
        InputError: a variable is not set.
    """
    full = os.path.expandvars(path)
    if "$" in full:
        raise InputError(f"source.paths: {path}: an environment variable in it is not set. Set it, or write the path.")
    return full
