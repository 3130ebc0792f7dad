"""Candidates: textbook factors, balanced charges, and cells near the real ones."""

import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Composition, Species

from cgcnn.candidates import ANIONS, Fit, Ion, Perovskite, cations, perovskites, radius
from cgcnn.crystals import structure_of
from cgcnn.errors import InputError
from cgcnn.perovskites import classify
from tests.crystals import cubic_perovskite

ANY = Fit(most_tau=1e9, least_tolerance=0, most_tolerance=9, least_octahedral=0)
OXIDES = {candidate.formula: candidate for candidate in perovskites(["O"])}


def test_strontium_titanate_has_its_textbook_factors() -> None:
    """t = 1.00 and mu = 0.43 with Shannon's radii; tau by the formula of Bartel, worked out below, 3.80."""
    titanate = OXIDES["SrTiO3"]
    assert titanate.a == Ion("Sr", 2, 1.44) and titanate.b == Ion("Ti", 4, 0.605) and titanate.x == Ion("O", -2, 1.40)
    assert titanate.tolerance == pytest.approx(1.0016, abs=1e-3)
    assert titanate.octahedral == pytest.approx(0.4321, abs=1e-3)
    # 1.40 / 0.605 - 2 (2 - 2.3802 / ln 2.3802) = 2.3140 - 2 (2 - 2.7447)
    assert titanate.tau == pytest.approx(3.803, abs=2e-3)


def test_radii_are_those_of_pymatgen() -> None:
    assert radius("Cs", 1, "A") == Species("Cs", 1).get_shannon_radius("XII") == 1.88
    assert radius("Ti", 4, "B") == Species("Ti", 4).get_shannon_radius("VI")
    assert radius("Fe", 3, "B") == Species("Fe", 3).get_shannon_radius("VI", spin="High Spin")
    assert radius("Ti", 1, "B") != radius("Ti", 1, "B")  # NaN: there is none


def test_well_known_perovskites_are_candidates_and_others_are_not() -> None:
    """MgSiO3 and FeTiO3 are no perovskites at normal pressure, and CsPbI3 (tau 4.30) is none at room temperature."""
    assert {"SrTiO3", "BaZrO3", "LaFeO3", "KNbO3", "CaTiO3"} <= OXIDES.keys()
    assert not {"MgSiO3", "FeTiO3", "BaBaO3"} & OXIDES.keys()
    halides = {candidate.formula for candidate in perovskites(["I", "Br"])}
    assert "CsPbBr3" in halides and "CsPbI3" not in halides


@pytest.mark.parametrize("anion", ANIONS)
def test_charges_balance_and_formulas_are_unique(anion: str) -> None:
    found = list(perovskites([anion], ANY))
    assert len({candidate.formula for candidate in found}) == len(found)
    for candidate in found:
        assert candidate.a.charge + candidate.b.charge + 3 * candidate.x.charge == 0
        assert Composition(candidate.formula).get_atomic_fraction(anion) == pytest.approx(0.6)
    assert all(Fit().holds(candidate) for candidate in perovskites([anion]))


def test_the_guessed_cell_is_a_perovskite_near_the_real_one() -> None:
    titanate = OXIDES["SrTiO3"]
    assert titanate.cell == pytest.approx(3.905, abs=0.1)
    cell = titanate.crystal()
    assert StructureMatcher().fit(structure_of(cell), cubic_perovskite())
    assert classify(cell.lattice, cell.atomic_numbers, cell.frac_coords).kind == "perovskite"


def test_small_a_ions_have_no_tau() -> None:
    tiny, large = Ion("Li", 1, 0.5), Ion("Ta", 5, 0.64)
    assert Perovskite(tiny, large, OXIDES["SrTiO3"].x).tau == float("inf")
    assert all(ion.radius > 0 and ion.charge > 0 for site in "AB" for ion in cations(site))


def test_an_unknown_anion_is_refused() -> None:
    with pytest.raises(InputError, match="Ti is no anion known here"):
        perovskites(["Ti"])
