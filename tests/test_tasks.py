"""Which materials a task speaks of, and their targets."""

import numpy as np
import pyarrow as pa
import pytest

from cgcnn.errors import InputError
from cgcnn.tasks import materials_of

TABLE = pa.table(
    {
        "material_id": ["a", "b", "c", "d"],
        "family": ["perovskite", "oxide", None, "perovskite"],
        "gap": [1.5, None, 0.0, 2.5],
        "metal": pa.array([0.0, 1.0, None, 2.0]),
        "nothing": pa.nulls(4, pa.float64()),
    }
)


def task(**settings: object) -> dict[str, object]:
    return {"kind": "regression", "target": "gap", "unit": "eV", "families": [], "positive": None} | settings


def test_materials_without_a_target_are_left_out() -> None:
    rows, target = materials_of(TABLE, task())
    assert rows["material_id"].to_pylist() == ["a", "c", "d"]
    np.testing.assert_array_equal(target, [1.5, 0.0, 2.5])


def test_families_restrict_a_task() -> None:
    assert materials_of(TABLE, task(families=["perovskite"]))[0]["material_id"].to_pylist() == ["a", "d"]


def test_family_as_target_needs_no_column() -> None:
    rows, target = materials_of(
        TABLE,
        task(kind="classification", target="family", positive="perovskite", families=["perovskite", "oxide"]),
    )
    assert rows["material_id"].to_pylist() == ["a", "b", "d"]
    np.testing.assert_array_equal(target, [1.0, 0.0, 1.0])


def test_no_target_at_all_is_told() -> None:
    with pytest.raises(InputError, match="No material of the source has a nothing"):
        materials_of(TABLE, task(target="nothing"))


def test_a_class_is_0_or_1() -> None:
    with pytest.raises(InputError, match="d: metal is 2; a class is 0 or 1"):
        materials_of(TABLE, task(kind="classification", target="metal"))
