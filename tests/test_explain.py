"""Contributions of sites: they add up, are equal for equal sites, and exact where an exact method exists."""

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from cgcnn.cli import app
from cgcnn.elements import feature_table
from cgcnn.errors import InputError
from cgcnn.explain import explain, site_shares
from cgcnn.model import CGCNN, ModelSettings
from cgcnn.predictor import Predictor
from cgcnn.sources.structures import entries_of
from tests.crystals import cubic_perovskite, low_symmetry
from tests.small_model import save_small_model

STRUCTURES = [cubic_perovskite(), low_symmetry()]


@pytest.fixture(scope="module", params=["regression", "classification"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(save_small_model(tmp_path_factory.mktemp("model"), request.param))


def test_contributions_add_up_to_prediction_minus_base(model: Predictor) -> None:
    for structure, found in zip(STRUCTURES, explain(model, entries_of(STRUCTURES)), strict=True):
        assert found.contributions is not None and len(found.contributions) == len(structure)
        every = np.concatenate([a.predictions for c in model.chunks(entries_of(structure)) if (a := model.ask(c))])
        if model.kind == "classification":
            every = np.log(every / (1 - every))  # the explained log-odds
        assert found.prediction == pytest.approx(every.mean(), abs=1e-5)
        assert found.base + found.contributions.sum() == pytest.approx(found.prediction, abs=1e-12)


def test_equal_sites_contribute_equally(model: Predictor) -> None:
    found = next(explain(model, entries_of(STRUCTURES[0])))
    assert found.contributions is not None
    assert np.ptp(found.contributions[2:]) < 1e-6 < np.ptp(found.contributions)


def test_an_almost_linear_reader_gives_the_linear_shares() -> None:
    """Without hidden layers only the softplus is left, which is linear to 1e-9 far above 0: w · (v_i - m0) / N."""
    reader = CGCNN(ModelSettings("none", "regression", 5, 1, 8, n_hidden=0), torch.tensor(feature_table())).double()
    v, baseline = 30 + torch.rand(4, 5, dtype=torch.float64), torch.full((5,), 29.0, dtype=torch.float64)
    expected = (v - baseline) @ reader.head.weight[0] / 4
    np.testing.assert_allclose(site_shares(reader, v, baseline).detach(), expected.detach(), atol=1e-8)


def test_the_published_weights_have_no_baseline(model: Predictor) -> None:
    bare = Predictor(model.models, model.rule, {**model.task, "name": "bare"})
    with pytest.raises(InputError, match=r"domain\.safetensors is missing"):
        explain(bare, entries_of(STRUCTURES))


def test_the_command_writes_a_table_and_a_page(tmp_path: Path) -> None:
    folder = save_small_model(tmp_path / "model")
    (tmp_path / "sto.cif").write_text(str(STRUCTURES[0].to(fmt="cif")))
    (tmp_path / "bad.cif").write_text("<script>alert(1)</script>")
    files = [str(tmp_path / "sto.cif"), str(tmp_path / "bad.cif")]
    outputs = ["-o", str(tmp_path / "out.csv"), "-p", str(tmp_path / "page.html")]
    assert CliRunner().invoke(app, ["explain", *files, "-m", str(folder), *outputs]).exit_code == 3
    rows = (tmp_path / "out.csv").read_text().splitlines()
    assert len(rows) == 1 + 5 + 1 and rows[1].startswith("sto,1,") and "unparsable" in rows[-1]
    page = (tmp_path / "page.html").read_text()
    assert page.count("<canvas") == 1 and "http" not in page.replace("http-equiv", "")
