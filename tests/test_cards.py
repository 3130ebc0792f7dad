"""What a card says of a model."""

from cgcnn.cards import card

SCORE = {"mean": 0.1, "std": 0.01}
MODEL = {
    "name": "energy/formula/gated",
    "conv": "gated",
    "seeds": [0],
    "task": {"target": "energy", "kind": "regression", "families": []},
    "data": {},
    "model": {"kind": "regression", "angles": False},
    "train": {"epochs": 3},
    "neighbours": {"cutoff": 8.0, "angles": True},
}
METRICS = {
    "kind": "regression",
    "unit": "eV",
    "models": {
        "gated": {
            "seeds": {"0": {subset: {"n": 5} for subset in ("train", "validation", "test")}},
            "summary": {"test": {"mae": SCORE}},
            "ensemble": {"test": {"mae": {"value": 0.1, "low": None, "high": None}}},
        }
    },
}


def test_the_settings_are_those_of_the_network() -> None:
    """Of a key that graphs and network both have, too: graphs may hold angles that the network does not take."""
    assert card(MODEL, METRICS, "d1g3st", ["O"])["settings"] == {"angles": False, "epochs": 3, "cutoff": 8.0}
