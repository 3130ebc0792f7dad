"""Models and checkpoints on disk: what is saved comes back, and damage is told or survived."""

import json
from pathlib import Path

import pytest
import torch

from cgcnn.checkpoint import Checkpoint, card_path, fingerprint, load_models, save_models
from cgcnn.elements import feature_table
from cgcnn.errors import InputError
from cgcnn.model import CGCNN, ModelSettings
from cgcnn.training import TrainState


def network(seed: int) -> CGCNN:
    torch.manual_seed(seed)
    return CGCNN(
        ModelSettings("gated", "regression", atom_dim=4, n_conv=1, hidden_dim=4), torch.tensor(feature_table())
    )


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_models(path, {0: network(0), 10: network(10), 1: network(1)}, {"name": "energy/formula/gated"})
    return path


def test_what_is_saved_comes_back(saved: Path) -> None:
    models, card = load_models(saved)
    assert list(models) == [0, 1, 10] and card["name"] == "energy/formula/gated"
    for seed, model in models.items():
        assert not model.training and model.settings == network(seed).settings
        for name, value in network(seed).state_dict().items():
            assert torch.equal(value, model.state_dict()[name])


def test_equal_models_give_equal_bytes(saved: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.safetensors"
    save_models(again, {1: network(1), 0: network(0), 10: network(10)}, {"name": "energy/formula/gated"})
    assert again.read_bytes() == saved.read_bytes()
    assert card_path(again).read_bytes() == card_path(saved).read_bytes()


def test_missing_and_damaged_files_are_named(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.json: no readable model card"):
        load_models(tmp_path / "nowhere.safetensors")
    content = saved.read_bytes()
    saved.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"model\.safetensors: not a readable safetensors file"):
        load_models(saved)
    saved.unlink()
    with pytest.raises(InputError, match=r"model\.safetensors: no such file"):
        load_models(saved)


def test_a_card_from_before_a_setting_means_what_it_meant(saved: Path) -> None:
    card = json.loads(card_path(saved).read_text())
    for name in ("shared_shell", "smooth_cutoff", "angles", "element_numbers", "element_reference"):
        del card["model"][name]
    card_path(saved).write_text(json.dumps(card))
    settings = load_models(saved)[0][0].settings
    assert settings.shared_shell == settings.smooth_cutoff == 0
    assert not (settings.angles or settings.element_numbers or settings.element_reference)


def test_a_card_of_another_network_is_refused(saved: Path) -> None:
    card = json.loads(card_path(saved).read_text())
    card["model"]["n_conv"] = 2
    card_path(saved).write_text(json.dumps(card))
    with pytest.raises(InputError, match="does not fit its card"):
        load_models(saved)


STATE = TrainState(epoch=3, best_epoch=2, best_score=0.1 + 0.2, history=[{"epoch": 3.0}], finished=False)


def test_checkpoint_comes_back_for_its_own_training_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "0.safetensors"
    kept = Checkpoint(path, "this", every=0)
    assert kept.load() is None
    tensors = {"model.w": torch.arange(3.0), "best.w": torch.arange(2)}
    kept.after_epoch(STATE, lambda: TrainState(**(vars(STATE) | {"tensors": tensors})))
    found = kept.load()
    assert found is not None and found.history == STATE.history and found.best_score == 0.1 + 0.2
    assert torch.equal(found.tensors["model.w"], torch.arange(3.0))
    assert Checkpoint(path, "another", every=0).load() is None
    path.write_bytes(path.read_bytes()[:40])
    assert kept.load() is None
    Checkpoint.remove_all(path.parent)
    assert not path.parent.exists()


def test_checkpoint_waits_for_its_time_unless_training_is_done(tmp_path: Path) -> None:
    kept = Checkpoint(tmp_path / "0.safetensors", "this", every=1e9)
    kept.after_epoch(STATE, lambda: STATE)
    assert not kept.path.exists()
    done = TrainState(**(vars(STATE) | {"finished": True}))
    kept.after_epoch(done, lambda: done)
    assert kept.path.exists()


def test_checkpoint_is_written_when_asked_and_only_then_again(tmp_path: Path) -> None:
    kept = Checkpoint(tmp_path / "0.safetensors", "this", every=1e9)
    kept.write()
    assert not kept.path.exists(), "no epoch is done"
    kept.after_epoch(STATE, lambda: STATE)
    kept.write()
    found = kept.load()
    assert found is not None and found.epoch == STATE.epoch
    kept.path.unlink()
    kept.write()
    assert not kept.path.exists(), "it was on disk"


def test_fingerprint_follows_settings_code_and_inputs(tmp_path: Path) -> None:
    file = tmp_path / "graphs.parquet"
    file.write_bytes(b"1")
    first = fingerprint("settings", "code", [file])
    assert first == fingerprint("settings", "code", [file])
    assert first != fingerprint("other", "code", [file]) and first != fingerprint("settings", "edited", [file])
    file.write_bytes(b"2")
    assert first != fingerprint("settings", "code", [file])
