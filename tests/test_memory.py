"""Memory that is freed is not asked for again, page by page."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cgcnn import seeds
from cgcnn.checkpoint import Checkpoint
from cgcnn.seeds import OnGpu, Training
from cgcnn.tensors import PackedGraphs
from tests.test_together import CRYSTALS, QUICK, SHAPE, example

PAGES_ASKED_FOR = """
import resource, sys
import torch
from cgcnn.memory import keep_freed_memory

def pages_asked_for():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

torch.set_num_threads(1)
if sys.argv[1] == "kept" and not keep_freed_memory():
    sys.exit("another C library than glibc")
for number in range(30):
    if number == 10:
        start = pages_asked_for()
    arrays = [torch.ones(2**20) for _ in range(8 + number % 2)]  # 4 MiB each, 1024 pages
    del arrays
print(pages_asked_for() - start)
"""


def test_what_is_freed_is_kept() -> None:
    asked = {}
    for way in ("kept", "usual"):
        # glibc's own threshold moves with what was freed before; here it stays.
        environment = os.environ | {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=131072"}
        command = [sys.executable, "-c", PAGES_ASKED_FOR, way]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if "another C library" in done.stderr:
            pytest.skip("another C library than glibc")
        assert done.returncode == 0, done.stderr
        asked[way] = int(done.stdout)
    assert asked["kept"] < 2_000 < 100_000 < asked["usual"]


def test_a_training_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(seeds, "keep_freed_memory", lambda: calls.append("kept"))
    gpu = OnGpu(seeds="apart", precision="float32", steps="launched")
    data = example("regression")
    work = Training(SHAPE, PackedGraphs(CRYSTALS), data, QUICK, "test", gpu)
    checkpoint = Checkpoint(tmp_path / "0", "training", 60)
    monkeypatch.setattr(seeds, "train", lambda net, *_: None)
    list(work.trained([0], [checkpoint], threads=1))
    assert calls == ["kept"]
