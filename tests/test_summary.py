"""The figures by which versions are compared, counted by hand."""

import pandas as pd

from cgcnn.metrics import summarise
from cgcnn.summary import headline, learning, predictions_on_test


def test_headline_is_the_mean_over_the_seeds_with_its_spread() -> None:
    found = summarise("regression", [1.0, 2.0, 3.0], ["train", "validation", "test"], {0: [1, 2, 4.0], 1: [1, 2, 6.0]})
    assert headline("regression", {"gated": found}) == {"gated": {"mae": 2.0, "spread": 2**0.5}}


def test_learning_averages_the_seeds_that_still_train() -> None:
    def epochs(*errors: float) -> dict[str, object]:
        return {"epochs": [{"epoch": n, "validation_error": error} for n, error in enumerate(errors, start=1)]}

    table = learning({"none": {"0": epochs(4.0, 2.0), "1": epochs(2.0)}, "gated": {"0": epochs(1.0)}})
    assert table.columns.tolist() == ["epoch", "none", "gated"]
    assert table["none"].tolist() == [3.0, 2.0] and table["epoch"].tolist() == [1, 2]
    assert table["gated"][0] == 1.0 and pd.isna(table["gated"][1])


def test_test_predictions_are_means_and_classes_have_names() -> None:
    table = pd.DataFrame(
        {
            "material_id": ["b", "b", "a", "a", "c", "b"],
            "model": ["gated"] * 5 + ["mean"],
            "seed": [0, 1, 0, 1, 0, 0],
            "subset": ["test"] * 4 + ["train", "test"],
            "target": [1.0, 1.0, 0.0, 0.0, 1.0, 1.0],
            "prediction": [0.9, 0.3, 0.2, 0.4, 1.0, 0.0],
        }
    )
    numbers = predictions_on_test("regression", table, ["gated"], [])
    assert numbers.columns.tolist() == ["material_id", "target", "gated"]
    assert numbers["material_id"].tolist() == ["a", "b"] and numbers["gated"].round(9).tolist() == [0.3, 0.6]
    classes = predictions_on_test("classification", table, ["gated"], ["other", "perovskite"])
    assert classes["target"].tolist() == ["other", "perovskite"] == classes["gated"].tolist()
