"""Models on disk: weights as safetensors, what they are as a JSON card beside them; and where training stopped.

Nothing here unpickles.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from cgcnn.errors import InputError
from cgcnn.model import CGCNN, ModelSettings
from cgcnn.tables import atomic_path, write_json
from cgcnn.training import TrainState


def save_models(path: Path, models: Mapping[int, CGCNN], card: Mapping[str, Any]) -> None:
    """Write the models of all seeds into one safetensors file, and `card` beside it as JSON.

    The card gains the keys `model`, the settings that rebuild the networks, `seeds`, and `device`, where they are.
    """
    tensors = {
        f"{seed}.{name}": value.cpu() for seed, net in models.items() for name, value in net.state_dict().items()
    }
    first = next(iter(models.values()))
    device = first.atom_features.device
    trained_on = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(tensors))
    write_json(
        card_path(path), {**card, "model": first.settings.as_dict(), "seeds": sorted(models), "device": trained_on}
    )


def load_models(path: Path) -> tuple[dict[int, CGCNN], dict[str, Any]]:
    """The models of all seeds, in evaluation mode on the CPU, and their card.

    Raises:
        InputError: a file is missing, damaged, or does not fit its card; the message names it.
    """
    card = read_card(path)
    tensors, _ = _read_safetensors(path)
    models = {}
    for seed in card["seeds"]:
        own = {name.removeprefix(f"{seed}."): value for name, value in tensors.items() if name.startswith(f"{seed}.")}
        try:
            model = CGCNN(ModelSettings(**card["model"]), own["atom_features"])
            model.load_state_dict(own)
        except (KeyError, TypeError, RuntimeError) as error:
            raise InputError(f"{path}: does not fit its card {card_path(path)} ({error}). Train it again.") from None
        models[int(seed)] = model.eval()
    return models, card


def read_card(path: Path) -> dict[str, Any]:
    """The JSON card of the weights at `path`."""
    try:
        return dict(json.loads(card_path(path).read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError) as error:
        raise InputError(f"{card_path(path)}: no readable model card ({error}). Train the model again.") from None


def card_path(path: Path) -> Path:
    """Where the card of the weights at `path` lies."""
    return path.with_suffix(".json")


class Checkpoint:
    """Where one training keeps its state, so that it can be stopped at any time and goes on from its last whole epoch.

    Args:
        path: file of this training alone.
        training: fingerprint; a state of another training is not taken up.
        every: seconds between two writes.
    """

    def __init__(self, path: Path, training: str, every: float) -> None:
        self.path, self.training, self.every = path, training, every
        self._written = time.monotonic()
        self._latest: TrainState | None = None  # not yet on disk

    def after_epoch(self, state: TrainState, snapshot: Callable[[], TrainState]) -> None:
        """For `training.train`: remember the state; write it if it is time, or if the training is done."""
        self._latest = snapshot()
        if state.finished or time.monotonic() - self._written >= self.every:
            self.write()

    def write(self) -> None:
        """Write the state of the last whole epoch, unless it is on disk; may interrupt itself (signals)."""
        latest = self._latest
        if latest is None:
            return
        facts = {name: value for name, value in vars(latest).items() if name != "tensors"} | {"training": self.training}
        with atomic_path(self.path) as temporary:
            tensors = {name: value.cpu() for name, value in latest.tensors.items()}
            temporary.write_bytes(save(tensors, {"state": json.dumps(facts)}))
        self._written, self._latest = time.monotonic(), None

    def load(self) -> TrainState | None:
        """The state that was kept, or None where there is none of this very training; a damaged one costs only time."""
        try:
            tensors, metadata = _read_safetensors(self.path)
            facts = json.loads(metadata["state"])
        except (InputError, KeyError, json.JSONDecodeError):
            return None
        return TrainState(**facts, tensors=tensors) if facts.pop("training", None) == self.training else None

    @staticmethod
    def remove_all(folder: Path) -> None:
        """Once the models are written."""
        shutil.rmtree(folder, ignore_errors=True)


def fingerprint(settings: str, code: str, inputs: Sequence[Path]) -> str:
    """Digest of all that decides a training: its settings, code, and the content of its inputs."""
    parts = [settings.encode(), code.encode(), *(path.read_bytes() for path in inputs)]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _read_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Train the model, or correct the path.") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a readable safetensors file ({error}). Fetch it or train it again.") from None
