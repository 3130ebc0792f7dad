"""Trainings that are stopped, killed, or started twice: real processes, and the same bytes in the end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from safetensors import safe_open

from cgcnn import tables
from cgcnn.graph import NeighbourRule, crystal_graphs
from tests import ROOT
from tests.crystals import crystal, cubic_perovskite, rock_salt

EPOCHS = 300  # seconds, so that a signal comes in time even from a busy machine
SECTION = {
    "task": {"kind": "regression", "unit": "eV/atom"},
    "conv": "gated",
    "model": {"atom_dim": 8, "n_conv": 2, "hidden_dim": 8, "n_hidden": 2},
    "train": {"seeds": [0, 1], "epochs": EPOCHS, "patience": EPOCHS, "batch_size": 8},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    cells = [cubic_perovskite(3.6 + 0.03 * k) for k in range(16)] + [rock_salt(5.0 + 0.05 * k) for k in range(16)]
    ids = pa.array([f"m{k:02d}" for k in range(32)])
    graphs = crystal_graphs([crystal(cell) for cell in cells], NeighbourRule())
    tables.write_batches(
        folder / "graphs.parquet", [tables.graphs_batch(ids, graphs)], tables.GRAPHS, {"neighbours": {}}
    )
    subsets = ["train" if k % 4 else "validation" for k in range(32)]
    split = pa.table({"material_id": ids, "subset": subsets, "target": [k / 16 for k in range(32)]})
    tables.write_table(folder / "split.parquet", split, tables.SPLIT, {})
    return folder


class Training:
    """scripts/train.py on `data`, in a session of its own, as a batch system would start it."""

    def __init__(self, data: Path, results: Path, threads: int, every: float = 1e9) -> None:
        self.results = results
        command = [sys.executable, ROOT / "scripts/train.py", "--section", json.dumps(SECTION), "--name", "a/b/c"]
        command += ["--device", "cpu", "--threads", threads, "--every", every, "--split", data / "split.parquet"]
        command += ["--graphs", data / "graphs.parquet", "--checkpoints", results / "checkpoints/c"]
        command += ["--weights", results / "model.safetensors", "--history", results / "history.json"]
        command += ["--seeds-on-gpu", "together", "--precision-on-gpu", "float32", "--steps-on-gpu", "launched"]
        self.process = subprocess.Popen(
            [str(word) for word in command],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN),  # as Snakemake hands it down
        )

    def signal(self, number: int) -> None:
        os.killpg(self.process.pid, number)

    def ends(self) -> int:
        self.said = self.process.communicate(timeout=600)[1]
        return self.process.returncode

    def epoch(self) -> int:
        """Of the first seed's checkpoint; 0 where there is none."""
        path = self.results / "checkpoints/c/0.safetensors"
        if not path.exists():
            return 0
        with safe_open(path, "pt") as file:
            return int(json.loads(file.metadata()["state"])["epoch"])

    def made(self) -> dict[str, bytes]:
        return {
            name: (self.results / name).read_bytes() for name in ("model.safetensors", "model.json", "history.json")
        }


def until(what: Callable[[], object], each: Callable[[], object] = lambda: None) -> None:
    last = time.monotonic() + 300
    while not what():
        assert time.monotonic() < last, "nothing happened for five minutes"
        each()
        time.sleep(0.05)


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    training = Training(data, tmp_path_factory.mktemp("undisturbed"), threads=1)
    assert training.ends() == 0, training.said
    return training.made()


@pytest.mark.parametrize(
    ("number", "code", "left"), [("SIGUSR1", 0, ["saved", "went on"]), ("SIGTERM", -15, ["saved"])]
)
def test_a_signal_saves_first(number: str, code: int, left: list[str]) -> None:
    program = f"""
import os, signal
from cgcnn.interruption import saving_on_signals
with saving_on_signals(lambda: print("saved", flush=True)):
    os.kill(os.getpid(), signal.{number})
    print("went on")
assert signal.getsignal(signal.{number}) == signal.SIG_DFL
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout.split("\n")[:-1]) == (code, left), done.stderr


@pytest.mark.parametrize("threads", [1, 2])
def test_signals_write_and_the_next_run_goes_on(
    data: Path, undisturbed: dict[str, bytes], tmp_path: Path, threads: int
) -> None:
    """SIGUSR1 writes and training goes on; SIGTERM writes and ends it; the next run makes the same bytes."""
    first = Training(data, tmp_path, threads)
    until(first.epoch, lambda: first.signal(signal.SIGUSR1))
    warned = first.epoch()
    first.process.terminate() if threads == 2 else first.signal(signal.SIGTERM)
    assert first.ends() == -signal.SIGTERM, first.said
    stopped = first.epoch()
    assert 0 < warned <= stopped < EPOCHS
    assert not (tmp_path / "model.safetensors").exists()
    second = Training(data, tmp_path, threads)
    assert second.ends() == 0, second.said
    assert second.made() == undisturbed
    assert not any(path.is_file() for path in (tmp_path / "checkpoints").rglob("*"))


def test_a_copy_waits_and_takes_what_the_first_has_done(
    data: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    first = Training(data, tmp_path, 1, every=0.5)
    until(first.epoch)
    first.signal(signal.SIGSTOP)  # until the second is there
    second = Training(data, tmp_path, 1, every=0.5)
    until(lambda: any((tmp_path / "checkpoints").glob("c.waiting-*")))
    first.signal(signal.SIGCONT)
    assert first.ends() == 0, first.said
    assert second.ends() == 0, second.said
    assert "Another copy of this job is at work" in second.said and "Another copy" not in first.said
    assert second.made() == undisturbed
    assert not any(path.is_file() for path in (tmp_path / "checkpoints").rglob("*"))


def test_a_copy_that_is_cancelled_while_it_waits_is_awaited_no_more(data: Path, tmp_path: Path) -> None:
    first = Training(data, tmp_path, 1, every=0.5)
    until(first.epoch)
    first.signal(signal.SIGSTOP)  # until the second is gone
    second = Training(data, tmp_path, 1, every=0.5)
    until(lambda: any((tmp_path / "checkpoints").glob("c.waiting-*")))
    second.process.terminate()
    assert second.ends() == -signal.SIGTERM, second.said
    first.signal(signal.SIGCONT)
    assert first.ends() == 0, first.said
    assert not any(path.is_file() for path in (tmp_path / "checkpoints").rglob("*"))


def test_a_copy_goes_on_when_the_first_is_killed(data: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    first = Training(data, tmp_path, 1, every=0.5)
    until(first.epoch)
    first.signal(signal.SIGSTOP)  # until the second is there
    second = Training(data, tmp_path, 1, every=0.5)
    until(lambda: any((tmp_path / "checkpoints").glob("c.waiting-*")))
    first.signal(signal.SIGKILL)
    assert first.ends() == -signal.SIGKILL
    assert second.ends() == 0, second.said
    assert second.made() == undisturbed
