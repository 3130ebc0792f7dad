"""What scripts/train.py makes of its arguments."""

import json
import runpy
from argparse import Namespace
from pathlib import Path

import pytest

from cgcnn import examples, seeds
from cgcnn.seeds import OnGpu
from tests import ROOT


class Reached(Exception):
    """The training would begin here."""


def test_how_a_gpu_trains_is_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[object] = []

    def training(*given: object) -> None:
        found.append(given[-1])
        raise Reached

    monkeypatch.setattr(seeds, "Training", training)
    monkeypatch.setattr(examples, "load_examples", lambda *_: (None, None))
    monkeypatch.setattr("cgcnn.checkpoint.fingerprint", lambda *_: "")
    script = runpy.run_path(str(ROOT / "scripts" / "train.py"))
    section = {"conv": "gated", "task": {"kind": "regression"}, "model": {}, "train": {"seeds": [0]}}
    given = {"section": json.dumps(section), "device": "cpu", "code": "", "name": "", "graphs": [], "split": tmp_path}
    with pytest.raises(Reached):
        script["main"](Namespace(seeds_on_gpu="apart", precision_on_gpu="tf32", steps_on_gpu="replayed", **given))
    assert found == [OnGpu(seeds="apart", precision="tf32", steps="replayed")]
