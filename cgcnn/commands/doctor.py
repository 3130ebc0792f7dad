"""`cgcnn doctor`."""

from pathlib import Path
from typing import Annotated

import typer


def doctor(
    device: Annotated[
        str, typer.Option(help="auto, cpu or cuda, as execution.device: with cuda a missing GPU is wrong.")
    ] = "auto",
    output: Annotated[Path | None, typer.Option(help="Also write what is printed into this file.")] = None,
) -> None:
    """Is everything here that the pipeline needs? Exit code 1, and what to do, where something is wrong."""
    from cgcnn.doctor import examine, report
    from cgcnn.tables import atomic_path

    text, healthy = report(examine(device, Path(__file__).parents[2]))
    print(text)
    if output is not None:
        with atomic_path(output) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    if not healthy:
        raise typer.Exit(1)
