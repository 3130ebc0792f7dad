"""Model cards (Mitchell et al., FAT* 2019): what a trained ensemble learned from, how good it is, and its limits."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from cgcnn.metrics import HEADLINE
from cgcnn.tasks import what_is_predicted

_NETWORKS = {
    "none": "A network without neighbours",
    "shared": "The simple convolution",
    "gated": "The gated convolution",
}
_CARRIED = {
    "source": "source",
    "source_version": "version",
    "label_method": "labels",
    "licence": "licence",
    "attribution": "attribution",
}
_OF_TARGET = {
    "band_gap": "Band gaps of semilocal density functionals are too small, by a third and more, and so are these.",
    "family": "It learned two kinds of material and answers with one of them whatever it is shown.",
}


def card(model: Mapping[str, Any], metrics: Mapping[str, Any], digest: str, elements: list[str]) -> dict[str, Any]:
    """What the card of one ensemble says, as JSON can hold it.

    Args:
        model: model.json, beside the weights.
        metrics: metrics.json, of all models of its task and split.
        digest: SHA-256 of the weights, hexadecimal.
        elements: symbols of those that its training materials hold.
    """
    task, split, variant = model["name"].split("/")
    scores, kind = metrics["models"][variant], metrics["kind"]
    subsets = next(iter(scores["seeds"].values()))
    counts = {subset: subsets[subset]["n"] for subset in ("train", "validation", "test")}
    return {
        "name": model["name"],
        "short_name": f"{task}/{variant}",
        "kind": kind,
        "kind_of_network": _NETWORKS[model["conv"]],
        "target": what_is_predicted(model["task"]),
        "unit": metrics["unit"],
        "digest": digest,
        "seeds": model["seeds"],
        "data": _data(model, split, counts, elements),
        "metrics": [_row(name, scores) for name in scores["summary"]["test"]],
        "headline": HEADLINE[kind],
        "baselines": {
            name: _spread(metrics["models"][name]["summary"]["test"][HEADLINE[kind]])
            for name in ("mean", "elements", "composition")
            if name in metrics["models"]
        },
        "intended_use": "Learning how such networks work; ranking materials of the kinds it learned from before "
        "something better, such as a calculation, looks at the best of them.",
        "limits": _limits(model, counts, elements),
        "settings": _settings(model),
    }


def markdown(content: Mapping[str, Any]) -> str:
    """The card for people."""
    template = Path(__file__).with_name("cards.md").read_text(encoding="utf-8")
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # no HTML
    return environment.from_string(template).render(content)


def _data(model: Mapping[str, Any], split: str, counts: Mapping[str, int], elements: list[str]) -> dict[str, str]:
    about = model["data"]
    texts = {label: about[key] for key, label in _CARRIED.items() if key in about}
    texts = {label: "; ".join(text) if isinstance(text, list) else str(text) for label, text in texts.items()}
    return {
        **texts,
        "families": ", ".join(model["task"]["families"]) or "all",
        "materials": ", ".join(f"{number} {subset}" for subset, number in counts.items()),
        "split": split,
        "elements": f"{len(elements)}: {' '.join(elements)}",
    }


def _row(metric: str, scores: Mapping[str, Any]) -> dict[str, str]:
    whole = scores["ensemble"]["test"][metric]
    interval = f" ({whole['low']:.3f} to {whole['high']:.3f})" if whole["low"] is not None else ""
    ensemble = "not defined" if whole["value"] is None else f"{whole['value']:.3f}{interval}"
    return {"metric": metric, "networks": _spread(scores["summary"]["test"][metric]), "ensemble": ensemble}


def _spread(score: Mapping[str, Any]) -> str:
    if score["mean"] is None:
        return "not defined"
    return f"{score['mean']:.3f}" + (f" ± {score['std']:.3f}" if score["std"] is not None else "")


def _settings(model: Mapping[str, Any]) -> dict[str, Any]:
    own = {name: value for name, value in {**model["model"], **model["train"]}.items() if name != "kind"}
    # Graphs may hold angles that the network does not take.
    return own | {name: value for name, value in model["neighbours"].items() if name not in own}


def _limits(model: Mapping[str, Any], counts: Mapping[str, int], elements: list[str]) -> list[str]:
    target = model["task"]["target"]
    return [
        f"It knows what {counts['train']} materials with {len(elements)} elements could teach. Farther out it still "
        "answers: `cgcnn predict` says how far out a material lies, and which of its elements are new.",
        "It learned the errors of its labels too, and assumes relaxed, ordered structures without defects.",
        "The figures above hold for materials drawn like its test materials, and no others.",
        "The spread over the seeds is not an error bar; the conformal interval of `cgcnn predict` is one, on average.",
        *([_OF_TARGET[target]] if target in _OF_TARGET else []),
    ]
