"""The words and numbers of the page: what each name means, and how a number is written."""

import math
from collections.abc import Iterable, Mapping

DASH = "–"  # a value that does not exist
MINUS = "−"
SPACE = "\u00a0"  # where a line must not break

#: Metric -> how it is written, and what it is.
METRICS = {
    "mae": ("MAE", "mean absolute error: the mean of |predicted − target|. Lower is better."),
    "rmse": ("RMSE", "root mean squared error: weighs large errors more than MAE does. Lower is better."),
    "r2": ("R²", "coefficient of determination: 1 is perfect, 0 is no better than the mean of the targets."),
    "accuracy": ("accuracy", "share of materials whose more probable class is the right one. Higher is better."),
    "balanced_accuracy": ("balanced accuracy", "mean of the shares found of each class. Higher is better."),
    "roc_auc": ("ROC-AUC", "chance that a material of class 1 is ranked above one of class 0. 0.5 is guessing."),
    "f1": ("F1", "harmonic mean of precision and recall of class 1. Higher is better."),
    "nll": ("NLL", "negative log-likelihood of the true class, mean, in nats. Lower is better."),
    "ece": ("ECE", "expected calibration error: gap between probability and frequency over 10 bins. Lower is better."),
}

#: Convolution -> its equation (Xie & Grossman, PRL 120, 145301, 2018), and what it sees.
CONVOLUTIONS = {
    "none": ("v′ᵢ = g(vᵢ W_s + b)", "each site is updated from itself alone: no neighbour is seen"),
    "shared": (
        "v′ᵢ = g[(Σ vⱼ ⊕ uᵢⱼ) W_c + vᵢ W_s + b]",
        "all neighbours are summed first, so one weight matrix serves them all",
    ),
    "gated": (
        "v′ᵢ = g[vᵢ + BN(Σ σ(z W_f + b_f) ⊙ g(z W_s + b_s))],  z = vᵢ ⊕ vⱼ ⊕ uᵢⱼ, batch norm also on z W",
        "each neighbour passes a gate of its own, made from both sites and their distance; "
        "batch norms and outer g as in the published code",
    ),
}

BASELINES = {
    "mean": "the mean of the training targets, or the share of class 1",
    "elements": "which elements are present, not how much of each",
    "composition": "how much of each element, and statistics of their properties; no structure",
}

#: Split -> how it is called, and what it means.
SPLITS = {
    "random": ("random split", "each material is drawn for itself, so polymorphs of a test material may be trained on"),
    "formula": ("split by formula", "materials of one reduced formula stay together: no polymorph is on both sides"),
    "prototype": ("split by prototype", "materials of one prototype stay together: the test structures are new types"),
    "element": ("split by element", "the test materials hold elements that no training material has"),
}


def is_surrogate(about: Mapping[str, object]) -> bool:
    """Whether the labels come from a potential: the embedded set."""
    return about.get("source") == "embedded"


def label_note(about: Mapping[str, object], kind: str) -> str:
    """What stands beside every number that such labels made, or nothing."""
    if not is_surrogate(about):
        return ""
    return "CHGNet surrogate, not DFT" if kind == "regression" else "CHGNet-relaxed structures, not DFT"


def labels_of(about: Mapping[str, object]) -> str:
    """What stands above a page that such labels made: how they were made. Nothing for other labels."""
    return str(about.get("label_method", "")) if is_surrogate(about) else ""


_MOST_DECIMALS, _TINY = 5, 1e-3


def readable(name: str) -> str:
    """formation_energy_per_atom -> formation energy per atom."""
    return name.replace("_", " ")


def decimals_for(values: Iterable[float | None]) -> int:
    """How many decimals show three digits of the smallest of these values; between 2 and 5, more where all are tiny."""
    sizes = [abs(value) for value in values if value]
    if not sizes:
        return 3
    wanted = 2 - math.floor(math.log10(min(sizes)))
    return wanted if max(sizes) < _TINY else min(_MOST_DECIMALS, max(2, wanted))


def number(value: float | None, decimals: int = 3) -> str:
    """A number with a true minus sign; a dash for what does not exist. What needs many decimals is in powers of ten."""
    if value is None:
        return DASH
    if decimals > _MOST_DECIMALS:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", MINUS)
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", MINUS)  # + 0.0: no negative zero


def with_spread(mean: float | None, std: float | None, decimals: int = 3) -> str:
    """Mean and, where there is one, standard deviation."""
    return number(mean, decimals) + ("" if mean is None or std is None else f"{SPACE}±{SPACE}{number(std, decimals)}")


def interval(low: float | None, high: float | None, decimals: int = 3) -> str:
    """The two ends of an interval."""
    return DASH if low is None or high is None else f"{number(low, decimals)}{SPACE}to{SPACE}{number(high, decimals)}"
