"""`cgcnn diff-structures`: what a newer database, or another setting, changed in the data."""

from pathlib import Path
from typing import Annotated

import typer


def diff_structures(
    old: Annotated[Path, typer.Argument(help="structures.parquet or a raw snapshot.")],
    new: Annotated[Path, typer.Argument(help="Another one.")],
    most: Annotated[int, typer.Option(min=0, help="Materials shown of each kind.")] = 20,
) -> None:
    """Tell which materials were added, removed or changed from one table to the other."""
    from cgcnn.differences import compare_structures

    print("\n".join(compare_structures(old, new).lines(most)))
