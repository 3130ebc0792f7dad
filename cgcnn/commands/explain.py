"""`cgcnn explain`: which sites a prediction comes from."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cgcnn.commands.predict import SOME_FAILED, Counts, Device, Files, ModelName, Output

if TYPE_CHECKING:
    import pandas as pd

    from cgcnn.explain import Explanation

ON_PAGE = 50  # structures


def explain(
    files: Files,
    model: ModelName,
    output: Output = None,
    page: Annotated[Path | None, typer.Option("--page", "-p", help="HTML page with the structures in 3-D.")] = None,
    device: Device = "auto",
) -> None:
    """Contribution of every site to the prediction, by integrated gradients from the average training crystal.

    One row a site. The contributions of a structure add up to its prediction minus base; of a classification both are
    log-odds. Exit codes as those of predict.
    """
    from cgcnn import explain as explaining
    from cgcnn import output as out
    from cgcnn.predictor import Predictor
    from cgcnn.report.explain import render
    from cgcnn.sources.structures import entries_of
    from cgcnn.tables import atomic_path

    out.check(output, page)
    entries = entries_of(files)
    predictor = Predictor.load(model, device)
    shown: list[Explanation] = []
    counts = Counts()

    def tables() -> "Iterator[pd.DataFrame]":
        for found in explaining.explain(predictor, entries):
            counts.add(1, int(bool(found.reason)))
            if len(shown) < ON_PAGE and not found.reason:
                shown.append(found)
            yield found.table()
        counts.require_any()  # while there is no output yet

    unit = predictor.unit if predictor.kind == "regression" else explaining.LOG_ODDS
    units = dict.fromkeys(("contribution", "spread", "prediction", "base"), unit)
    out.write(output, tables(), predictor.about | {"unit": unit}, units)
    if page is not None:
        with atomic_path(page) as temporary:
            text = render(predictor, unit, shown, counts.total - counts.failed - len(shown))
            temporary.write_text(text, encoding="utf-8")
    print(counts.summary(), file=sys.stderr)
    if counts.failed:
        raise typer.Exit(SOME_FAILED)
