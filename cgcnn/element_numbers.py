"""Properties of the elements as numbers, beside the 92 bits: what a small data set cannot teach a network.

A bit says that an electronegativity lies between 1.9 and 2.25, and says nothing of the next bin. A number lets a
network carry what it learned of one element over to its neighbours. Beside the nine properties of the bits there are
nine more; docs/elements.md has their sources.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from cgcnn.elements import BLOCKS, column, feature_table

#: Column of elements.csv -> whether its logarithm is taken.
FURTHER: dict[str, bool] = {
    "Mendeleev number": False,
    "melting point (K)": False,
    "heat of evaporation (kJ/mol)": False,
    "dipole polarizability (a.u.)": True,
    "second ionization energy (eV)": True,
    "third ionization energy (eV)": True,
    "lowest oxidation state": False,
    "highest oxidation state": False,
    "cation radius (pm)": False,
}
_WEIGHT = 2.0  # standard deviations of a number are this large, against bits of 0 and 1; measured


@cache
def number_table() -> NDArray[np.float32]:
    """(101, 18): the properties of BLOCKS, then FURTHER, row Z for atomic number Z; row 0 is empty.

    Each has mean 0 and deviation 2 over the elements; one that is not known counts as the median. Read-only.
    """
    wanted = {block.column: block.log for block in BLOCKS} | FURTHER
    columns = [np.log(column(name)[1:]) if log else column(name)[1:] for name, log in wanted.items()]
    values = np.stack(columns, axis=1)  # (100, 18)
    values = np.where(np.isnan(values), np.nanmedian(values, axis=0), values)
    values = _WEIGHT * (values - values.mean(axis=0)) / values.std(axis=0)
    table = np.concatenate([np.zeros((1, values.shape[1])), values]).astype(np.float32)
    table.flags.writeable = False
    return table


def atom_features(with_numbers: bool) -> NDArray[np.float32]:
    """v(0) of every element: the 92 bits (101, 92), or the bits and the numbers (101, 110)."""
    return np.concatenate([feature_table(), number_table()], axis=1) if with_numbers else feature_table()
