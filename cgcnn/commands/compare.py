"""`cgcnn compare`: two runs on one page."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    first: Annotated[Path, typer.Argument(help="Folder of a finished run, such as . or runs/mine.")],
    second: Annotated[Path, typer.Argument(help="Folder of another one.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML page to write.")] = Path("compare.html"),
) -> None:
    """Compare two finished runs on one page: settings, data, scores, and the materials that changed most."""
    from cgcnn import output as out
    from cgcnn.report.runs import load_run, render
    from cgcnn.tables import atomic_path

    out.check(None, output)
    runs = load_run(first), load_run(second)
    names = (first.resolve().name, second.resolve().name)
    page = render(names if names[0] != names[1] else (str(first), str(second)), runs)
    with atomic_path(output) as temporary:
        temporary.write_text(page, encoding="utf-8")
    print(output)
