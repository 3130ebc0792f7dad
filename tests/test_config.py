"""config.yaml and its presets are valid; every kind of mistake is refused by its path."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

from cgcnn.config import validate
from cgcnn.errors import InputError
from tests import ROOT

DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())


def test_default_is_valid() -> None:
    config = validate(DEFAULT)
    assert list(config.variants) == ["none", "shared", "gated"] and config.run == ""


@pytest.mark.parametrize("preset", sorted((ROOT / "presets").glob("*.yaml")), ids=lambda path: path.stem)
def test_presets_are_valid_and_have_a_run_of_their_own(preset: Any) -> None:
    content = copy.deepcopy(DEFAULT)
    update_config(content, load_configfile(str(preset)))
    assert validate(content).run == preset.stem


def test_variant_lays_its_settings_over_the_common_ones() -> None:
    content = copy.deepcopy(DEFAULT)
    content["variants"]["gated"]["train"] = {"lr": 0.5}
    config = validate(content)
    assert config.variants["gated"].train.lr == 0.5
    assert config.variants["shared"].train.lr == DEFAULT["train"]["lr"]


def test_null_removes_a_task() -> None:
    content = copy.deepcopy(DEFAULT)
    content["tasks"]["family"] = None
    assert list(validate(content).tasks) == ["energy"]


def put(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def edit(content: dict[str, Any]) -> None:
        *sections, key = path.split(".")
        for section in sections:
            content = content[section]
        content[key] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (put("trian", {}), "trian: unknown key. Did you mean train?"),
        (put("train.lrr", 1), "train.lrr: unknown key. Did you mean lr?"),
        (put("variants.gated.train", {"epoch": 3}), "variants.gated.train.epoch: unknown key. Did you mean epochs?"),
        (put("tasks.energy.knd", "x"), "tasks.energy.knd: unknown key. Did you mean kind?"),
        (put("graphs.zzzzzz", 1), "graphs.zzzzzz: unknown key. Known here: angles, cutoff,"),
        (put("train.lr", -1), "train.lr: Input should be greater than 0 (found -1)"),
        (put("train.epochs", "many"), "train.epochs: Input should be a valid integer"),
        (put("train.seeds", []), "train.seeds: List should have at least 1 item"),
        (put("train.seeds", [1, 1]), "train.seeds: 1 stands there twice"),
        (put("splits", ["formula", "formula"]), "splits: formula stands there twice"),
        (put("splits", ["fromula"]), "splits.0: Input should be 'random', 'formula'"),
        (put("split.fractions", [0.6, 0.2, 0.1]), "fractions must add up to 1, these add up to 0.9"),
        (put("graphs.cutoff", 20), "graphs.cutoff: Input should be less than or equal to 8 (found 20)"),
        (
            put("source.name", "embeded"),
            "source.name: Input should be 'embedded', 'local' or 'materials_project' (found 'embeded')",
        ),
        (put("source.name", "local"), "source: source local needs paths"),
        (put("source.paths", ["a.csv"]), "source: paths, columns and about belong to source local"),
        (put("tasks.family.positive", "garnet"), "families must hold the positive family"),
        (put("tasks.energy.positive", "perovskite"), "positive belongs to a task with target family"),
        (put("tasks", {}), "tasks: Dictionary should have at least 1 item"),
        (put("tasks.a/b", {}), "tasks.a/b"),
        (put("run", "../elsewhere"), "run: letters, digits"),
        (put("variants.mean", {"conv": "none"}), "variants: mean is the name of a baseline"),
        (put("variants.gated.model", {"angles": True}), "variants.gated: model.angles needs graphs.angles: true"),
        (put("variants.gated.model", {"smooth_cutoff": 0.2}), "a graphs.tie_tolerance of at least 0.2"),
        (put("graphs.max_neighbours", 24), "variants.gated: model.shared_shell shares the places of 12 neighbours"),
        (put("screen.anions", ["O", "O"]), "screen.anions: O stands there twice"),
        (put("screen.wants", {"energy": [-1, -3]}), "screen: wants.energy: no value lies in -1 to -3"),
        (put("train", 5), "train: Input should be a valid dictionary"),
        (put("train.gradient_clip", float("inf")), "train.gradient_clip: Input should be a finite number"),
        (put("tasks.energy.target", "n_sites"), "tasks.energy: target n_sites is a column that the structures have"),
        (put("tasks.energy.target", ""), "tasks.energy.target: String should have at least 1 character"),
        (
            put("source", DEFAULT["source"] | {"name": "local", "paths": ["a"], "columns": {"materal_id": "id"}}),
            "source.columns: materal_id is nothing that is read",
        ),
        (put("execution.device", "gpu"), "execution.device: Input should be 'auto', 'cpu' or 'cuda' (found 'gpu')"),
    ],
)
def test_mistakes_are_refused_by_their_path(edit: Callable[[dict[str, Any]], None], message: str) -> None:
    content = copy.deepcopy(DEFAULT)
    edit(content)
    with pytest.raises(InputError) as caught:
        validate(content)
    assert message in str(caught.value)


def test_every_fault_is_named_once() -> None:
    content = copy.deepcopy(DEFAULT)
    put("train.lr", -1)(content)
    put("graphs.shards", 0)(content)
    with pytest.raises(InputError) as caught:
        validate(content)
    assert len(str(caught.value).splitlines()) == 3


def test_a_missing_section_is_named() -> None:
    content = {key: value for key, value in DEFAULT.items() if key != "graphs"}
    with pytest.raises(InputError, match="graphs: missing"):
        validate(content)
