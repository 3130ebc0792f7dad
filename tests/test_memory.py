"""Memory that is freed is not asked for again, page by page."""

import subprocess
import sys

import pytest

from cgcnn.memory import keep_freed_memory

ROUNDS = """
import resource, sys
import torch
from cgcnn.memory import keep_freed_memory

def pages_asked_for():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

torch.set_num_threads(1)
if sys.argv[1] == "kept":
    assert keep_freed_memory()
for number in range(30):
    if number == 10:
        start = pages_asked_for()
    arrays = [torch.ones(2**20) for _ in range(8 + number % 2)]  # 4 MiB each, 1024 pages
    del arrays
print(pages_asked_for() - start)
"""


def test_what_is_freed_is_kept() -> None:
    if not keep_freed_memory():
        pytest.skip("another C library than glibc")
    asked = {}
    for way in ("usual", "kept"):
        command = [sys.executable, "-c", ROUNDS, way]
        asked[way] = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert asked["kept"] < 2_000 < asked["usual"]
