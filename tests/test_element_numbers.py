"""The numbers beside the bits."""

import numpy as np
import pytest
from pymatgen.core import Element

from cgcnn.element_numbers import FURTHER, atom_features, number_table
from cgcnn.elements import BLOCKS, MAX_ATOMIC_NUMBER, column, feature_table


def test_every_number_is_scaled_alike_and_none_is_missing() -> None:
    table = number_table()
    assert table.shape == (MAX_ATOMIC_NUMBER + 1, len(BLOCKS) + len(FURTHER))
    assert np.isfinite(table).all() and not table[0].any()
    np.testing.assert_allclose(table[1:].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(table[1:].std(axis=0), 2, atol=1e-5)


def test_the_bits_come_first() -> None:
    np.testing.assert_array_equal(atom_features(True)[:, :92], feature_table())
    assert atom_features(False) is feature_table()


def against_pymatgen(heading: str, of) -> tuple[np.ndarray, np.ndarray]:
    ours = column(heading)
    pairs = []
    for number in range(1, 93):
        theirs = of(Element.from_Z(number))
        if theirs is not None and np.isfinite(theirs) and np.isfinite(ours[number]):
            pairs.append((ours[number], float(theirs)))
    assert len(pairs) > 70
    own, others = np.array(pairs).T
    return own, others


@pytest.mark.parametrize(
    ("heading", "of"),
    [
        ("melting point (K)", lambda element: element.melting_point),
        ("second ionization energy (eV)", lambda element: (*element.ionization_energies, None, None)[1]),
        ("third ionization energy (eV)", lambda element: (*element.ionization_energies, None, None, None)[2]),
        ("highest oxidation state", lambda element: max(element.oxidation_states, default=None)),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_values_are_those_of_another_library(heading: str, of) -> None:
    """pymatgen's tables come from elsewhere; single elements differ, the column does not."""
    ours, theirs = against_pymatgen(heading, of)
    assert np.median(np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))) < 0.01
    assert np.corrcoef(ours, theirs)[0, 1] > 0.75
