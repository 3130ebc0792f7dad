"""How things are measured: ours and the peers in turn, medians, one thread; and how the result is told."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Row:
    """One comparison. All units are costs: a ratio above 1 means that ours is better."""

    name: str
    unit: str
    ours: float
    peer: float | None  # none where no peer does this
    peer_name: str
    ratio: float | None
    device: str = "cpu"
    threads: int = 1


def rows(name: str, unit: str, ours: float, peers: Mapping[str, float], **where: Any) -> list[Row]:
    """A row for each peer, by name."""
    return [Row(name, unit, ours, peer, peer_name, peer / ours, **where) for peer_name, peer in peers.items()]


def seconds(call: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def in_turn(measures: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, float]:
    """Median of what each measure returns, all of them once a round, so that a busy machine slows them alike."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(repeats):
        for name, measure in measures.items():
            found[name].append(measure())
    return {name: statistics.median(values) for name, values in found.items()}


def in_a_process(module: str, *arguments: str) -> dict[str, float]:
    """What `python -m module arguments` prints as JSON: for peak memory, which a process has only once."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | ONE_THREAD, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def table(found: Iterable[Row]) -> str:
    """The rows as text."""
    lines = [f"{'name':18} {'ours':>10} {'peer':>10} {'ratio':>7}  {'unit':14} peer"]
    for row in found:
        peer, ratio = ("" if value is None else f"{value:.4g}" for value in (row.peer, row.ratio))
        lines.append(f"{row.name:18} {row.ours:10.4g} {peer:>10} {ratio:>7}  {row.unit:14} {row.peer_name}")
    return "\n".join(lines)


def write(found: Iterable[Row], path: Path) -> None:
    """Put rows into the JSON list at `path`, in place of those with the same name, peer and device."""

    def key(row: Mapping[str, Any]) -> tuple[str, str, str]:
        return row["name"], row["peer_name"], row["device"]

    kept = {key(row): row for row in (json.loads(path.read_text()) if path.exists() else [])}
    kept |= {key(row): row for row in map(asdict, found)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(list(kept.values()), indent=1) + "\n")


def machine() -> str:
    """Processor, cores and Python, for the head of a table."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor()
    return f"{model}, {os.cpu_count()} cores; Python {platform.python_version()}"
