"""`cgcnn screen`: candidates ranked by the probability that they meet a target."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cgcnn.commands.predict import SOME_FAILED, UNUSABLE, Device, Output


def screen(
    want: Annotated[
        list[str],
        typer.Option("--want", "-w", help="MODEL=LOW:HIGH, such as band_gap/gated=1.1:1.6; an end may be left out."),
    ],
    files: Annotated[list[str] | None, typer.Argument(help="Your candidates; without any, new perovskites.")] = None,
    output: Output = None,
    page: Annotated[Path | None, typer.Option("--page", "-p", help="HTML page with cards of the best.")] = None,
    anions: Annotated[str, typer.Option(help="Of new perovskites, separated by commas.")] = "O",
    known: Annotated[list[str] | None, typer.Option(help="Files of materials that are no news; repeatable.")] = None,
    top: Annotated[int, typer.Option(min=1, max=500, help="Cards on the page.")] = 24,
    device: Device = "auto",
) -> None:
    """Rank candidates by the probability that every wanted property lies in its window.

    Your own structures, or perovskites ABX3 by substitution: charges balance, tolerance, octahedral and Bartel's factor
    fit, and the cubic cell is guessed from the radii. Exit codes as those of predict.
    """
    from cgcnn import output as out
    from cgcnn.screening import facts, parse_want, run
    from cgcnn.tables import atomic_path

    out.check(output, page)
    wants = [parse_want(text, device) for text in want]
    screened = run(wants, files or [], [name.strip() for name in anions.split(",")], known or [], top)
    table = screened.table
    out.write(output, [table if output else table.head(top)], *facts(wants))
    if page is not None:
        from cgcnn.report.screen import render

        with atomic_path(page) as temporary:
            temporary.write_text(render(screened, wants), encoding="utf-8")
    new = int((~table["known"] & (table["reason"] == "")).sum())
    failed = int((table["reason"] != "").sum())
    unusable = f"; {failed} {UNUSABLE}" if failed else ""
    print(f"{len(table)} candidates, {new} not in the models' data{unusable}.", file=sys.stderr)
    if failed:
        raise typer.Exit(SOME_FAILED)
