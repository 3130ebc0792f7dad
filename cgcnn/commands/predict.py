"""`cgcnn predict`, `cgcnn embed`, `cgcnn models`: what trained networks say of structures."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd


SOME_FAILED = 3  # exit code: everything was written, but some structures could not be predicted
UNUSABLE = "could not be used (column reason says why)"

Files = Annotated[list[str], typer.Argument(help="Files or folders; - is standard input.")]
ModelName = Annotated[str, typer.Option("--model", "-m", help="A name that `cgcnn models` lists, or a folder.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="CSV, JSON, JSONL or Parquet, by suffix.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Confidence = Annotated[float, typer.Option(min=0.01, max=0.999, help="Of the intervals.")]


def predict(
    files: Files,
    model: ModelName,
    output: Output = None,
    confidence: Confidence = 0.9,
    device: Device = "auto",
) -> None:
    """Predict a property of structures: CIF, POSCAR, extXYZ, JSON, CSV, Parquet, folders, standard input.

    One row a structure, in the order given, duplicates included. spread is over the seeds, lower and upper are a
    conformal interval, distance is a percentile: 100 is farther from the training materials than any of them is from
    the others.

    Exit code 0: all were predicted. 3: the output is complete, but some rows have a reason in place of a prediction.
    1: nothing was written, the message says why. 2: the command itself is mistyped.
    """
    from cgcnn import output as out
    from cgcnn.predictor import Predictor
    from cgcnn.sources.structures import entries_of

    out.check(output)
    entries = entries_of(files)
    predictor = Predictor.load(model, device)
    print(predictor.describe(confidence), file=sys.stderr)
    counts = Counts()
    about = predictor.about | {"confidence": confidence}
    units = predictor.units("prediction", "spread", "lower", "upper") | {"distance": "percentile"}
    out.write(output, counts.over(predictor.predict_chunks(entries, confidence)), about, units)
    print(counts.summary(), file=sys.stderr)
    if counts.failed:
        raise typer.Exit(SOME_FAILED)


def embed(
    files: Files,
    model: ModelName,
    output: Annotated[Path, typer.Option("--output", "-o", help="Parquet, JSON or JSONL, by suffix.")],
    seed: Annotated[int | None, typer.Option(help="Which network of the ensemble; by default its first.")] = None,
    device: Device = "auto",
) -> None:
    """Pooled crystal features of structures: a vector each, from one network, for maps, neighbours, other models.

    Columns id, formula, embedding, reason. Exit codes as those of predict.
    """
    from cgcnn import output as out
    from cgcnn.errors import InputError
    from cgcnn.predictor import Predictor
    from cgcnn.sources.structures import entries_of

    if output.suffix.lower() == ".csv":
        raise InputError(f"{output}: a vector does not fit a cell of CSV. End it with .parquet, .json or .jsonl.")
    out.check(output)
    entries = entries_of(files)
    predictor = Predictor.load(model, device)
    counts = Counts()
    tables = predictor.embed_chunks(entries, seed)
    out.write(output, counts.over(tables), predictor.about | {"seed": seed})
    print(counts.summary(), file=sys.stderr)
    if counts.failed:
        raise typer.Exit(SOME_FAILED)


def models() -> None:
    """List the models that can be named."""
    from cgcnn.errors import InputError
    from cgcnn.pretrained import PUBLISHED, available
    from cgcnn.published import published_names

    names = list(available())
    try:
        names += [PUBLISHED + name for name in published_names()]
    except InputError as error:
        print(error, file=sys.stderr)
    print("\n".join(names))


class Counts:
    """How many rows there were while they went by, and a bar that shows it."""

    def __init__(self) -> None:
        self.total = self.failed = self.outside = 0

    def over(self, tables: "Iterable[pd.DataFrame]") -> "Iterator[pd.DataFrame]":
        """The same tables, counted."""
        from cgcnn.predictor import outside_domain
        from cgcnn.stage import progress

        with progress(None, "structures") as bar:
            for table in tables:
                self.add(len(table), int((table["reason"] != "").sum()))
                if "distance" in table:
                    self.outside += int(outside_domain(table).sum())
                bar.update(len(table))
                yield table
        self.require_any()

    def add(self, total: int, failed: int) -> None:
        """Count some more."""
        self.total += total
        self.failed += failed

    def require_any(self) -> None:
        """Refuse files without any structure."""
        from cgcnn.errors import InputError

        if not self.total:
            raise InputError("The files hold no structure. Give CIF, POSCAR, extXYZ, JSON, CSV or Parquet files.")

    def summary(self) -> str:
        """One line for the user."""
        parts = ["1 structure" if self.total == 1 else f"{self.total} structures"]
        if self.failed:
            parts.append(f"{self.failed} {UNUSABLE}")
        if self.outside:
            parts.append(f"{self.outside} outside what the model was trained on (column distance or unseen_elements)")
        return "; ".join(parts) + "."
