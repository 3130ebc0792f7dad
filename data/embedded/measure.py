"""How hard the embedded set is, and how near its labels are to experiment: `python data/embedded/measure.py`.

Five-fold cross-validation with all phases of a formula in one fold. Needs only scikit-learn and pymatgen, not CHGNet.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pymatgen.core import Composition
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, cross_val_predict

FOLDER = Path(__file__).parent
KJ_PER_MOL = 1 / 96.485  # eV


def element_fractions(formulas: pd.Series) -> NDArray[np.float64]:
    """[n, elements]"""
    compositions = [Composition(formula) for formula in formulas]
    elements = sorted({element for composition in compositions for element in composition})
    return np.array([[composition.get_atomic_fraction(e) for e in elements] for composition in compositions])


def energy_of_perovskites(materials: pd.DataFrame) -> dict[str, float]:
    """Mean absolute errors in eV/atom on perovskites left out of the fit."""
    perovskites = materials[materials.family == "perovskite"]
    x, y = element_fractions(perovskites.formula), perovskites.formation_energy_per_atom.to_numpy()
    models = {
        "ridge": RidgeCV(np.logspace(-6, 1, 15)),
        "random forest": RandomForestRegressor(300, random_state=0),
    }
    errors = {"mean": float(np.abs(y - y.mean()).mean())}
    for name, model in models.items():
        predicted = cross_val_predict(model, x, y, cv=GroupKFold(5), groups=perovskites.formula)
        errors[name] = float(np.abs(predicted - y).mean())
    return errors


def family_from_composition(materials: pd.DataFrame) -> dict[str, float]:
    """Accuracies of a random forest on element fractions, and of the larger family, among all and among ABO3."""
    x, y = element_fractions(materials.formula), (materials.family == "perovskite").to_numpy()
    forest = RandomForestClassifier(300, random_state=0)
    right = cross_val_predict(forest, x, y, cv=GroupKFold(5), groups=materials.formula) == y
    abo3 = np.array([Composition(f).anonymized_formula == "ABC3" for f in materials.formula])
    return {
        "all": right.mean(),
        "all, majority": max(y.mean(), 1 - y.mean()),
        "ABO3": right[abo3].mean(),
        "ABO3, majority": max(y[abo3].mean(), 1 - y[abo3].mean()),
        "stoichiometry alone": (abo3 == y).mean(),
    }


def against_experiment(materials: pd.DataFrame) -> pd.DataFrame:
    """Labels beside measured enthalpies of formation (298 K), eV/atom, for phases in both experiment.csv and the set.

    Of several tilts of a perovskite, the one with the lowest label.
    """
    measured = pd.read_csv(FOLDER / "experiment.csv", comment="#")
    atoms = [Composition(formula).num_atoms for formula in measured.formula]
    measured["experiment"] = measured.enthalpy_kJ_per_mol * KJ_PER_MOL / atoms
    is_perovskite = materials.family == "perovskite"
    phases = materials.assign(prototype=materials.prototype.mask(is_perovskite, "perovskite"))
    phases = phases.sort_values("formation_energy_per_atom").drop_duplicates(["formula", "prototype"])
    both = measured.merge(phases, on=["formula", "prototype"])
    both["label"] = both.formation_energy_per_atom
    return both[["formula", "prototype", "experiment", "label"]]


def main() -> None:
    materials = pd.read_parquet(FOLDER / "materials.parquet")
    abo3 = materials.formula.map(lambda formula: Composition(formula).anonymized_formula == "ABC3")
    print(materials.family.value_counts().to_string())
    print("other oxides that are ABO3:", (abo3 & (materials.family == "oxide")).sum())
    perovskite_formulas = set(materials.formula[materials.family == "perovskite"])
    print("formulas of perovskites:", len(perovskite_formulas))
    print("of them in both families:", len(perovskite_formulas & set(materials.formula[materials.family == "oxide"])))
    print(materials.groupby(["family", "prototype"]).size().to_string())
    for title, figures in (
        ("formation energy of perovskites, MAE in eV/atom", energy_of_perovskites(materials)),
        ("family from composition, accuracy", family_from_composition(materials)),
    ):
        print(f"\n{title}")
        for name, value in figures.items():
            print(f"  {name}: {value:.3f}")
    both = against_experiment(materials)
    difference = both.label - both.experiment
    polyanionic = both.prototype.isin(["calcite", "aragonite"])
    print("\nagainst measured enthalpies of formation, eV/atom")
    for name, chosen in (("oxides", ~polyanionic), ("carbonates and nitrates", polyanionic)):
        errors = difference[chosen]
        print(f"  {len(errors)} {name}: MAE {errors.abs().mean():.3f}, mean difference {errors.mean():+.3f}")
    print(both.assign(difference=difference).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
