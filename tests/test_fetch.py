"""From a configured source to the structures table: families, the LiNbO3 type, samples, missing families."""

from pathlib import Path
from typing import Any

import pytest
from pymatgen.core import Lattice, Structure

from cgcnn.errors import InputError
from cgcnn.sources.fetch import fetch
from tests import ROOT
from tests.crystals import cubic_perovskite, rock_salt


def lithium_niobate() -> Structure:
    sites = [[0, 0, 0.2789], [0, 0, 0], [0.0476, 0.3433, 0.0633]]
    return Structure.from_spacegroup("R3c", Lattice.hexagonal(5.148, 13.863), ["Li", "Nb", "O"], sites)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A CGCNN folder with five perovskites, LiNbO3, three oxides and a salt."""
    structures = {f"perovskite-{k}": cubic_perovskite(3.9 + 0.01 * k) for k in range(5)} | {
        "niobate": lithium_niobate()
    }
    magnesia = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.21), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    structures |= {f"oxide-{k}": magnesia.copy().scale_lattice(70 + k) for k in range(3)} | {"salt": rock_salt()}
    for name, structure in structures.items():
        structure.to(str(tmp_path / f"{name}.cif"))
    rows = [f"{name},{-1 - 0.1 * k}" for k, name in enumerate(structures)]
    (tmp_path / "id_prop.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def section(folder: Path, **structures: Any) -> dict[str, Any]:
    return {
        "source": {"name": "local", "paths": [folder.name], "columns": {}, "about": {}, "families": "auto"},
        "structures": {"lithium_niobate_type": "keep", "sample": {}, "sample_seed": 0} | structures,
        "targets": {"formation_energy_per_atom": "eV/atom"},
        "families": ["perovskite", "oxide"],
    }


def families(table: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for material_id, family in zip(table["material_id"].to_pylist(), table["family"].to_pylist(), strict=True):
        found.setdefault(family, []).append(material_id)
    return found


def test_families_are_told_by_topology(folder: Path) -> None:
    structures, rejects, about = fetch(section(folder), folder.parent)
    perovskites = ["niobate", *(f"perovskite-{k}" for k in range(5))]
    assert families(structures) == {
        "perovskite": perovskites,
        "oxide": [f"oxide-{k}" for k in range(3)],
        None: ["salt"],
    }
    kinds = dict(zip(structures["material_id"].to_pylist(), structures["perovskite_kind"].to_pylist(), strict=True))
    assert kinds["niobate"] == "LiNbO3-type" and kinds["perovskite-0"] == "perovskite" and kinds["salt"] == "none"
    assert len(rejects) == 0 and about["source"] == "local"


def test_lithium_niobate_type_can_be_dropped(folder: Path) -> None:
    structures, rejects, _ = fetch(section(folder, lithium_niobate_type="drop"), folder.parent)
    assert "niobate" not in structures["material_id"].to_pylist()
    assert rejects["material_id"].to_pylist() == ["niobate"]
    assert "lithium_niobate_type" in rejects["reason"][0].as_py()


def test_sample_takes_the_same_ones_each_time(folder: Path) -> None:
    chosen = [
        families(fetch(section(folder, sample={"perovskite": 3}, sample_seed=seed), folder.parent)[0])
        for seed in (0, 0, 1)
    ]
    assert len(chosen[0]["perovskite"]) == 3 and len(chosen[0]["oxide"]) == 3
    assert chosen[0] == chosen[1] != chosen[2]


def test_a_family_without_members_is_named(folder: Path) -> None:
    wanted = section(folder) | {"families": ["perovskite", "garnet"]}
    with pytest.raises(InputError, match=r"Family 'garnet' of a task has no members.*oxide, perovskite"):
        fetch(wanted, folder.parent)


def test_a_source_without_families_given_says_so(folder: Path) -> None:
    wanted = section(folder)
    wanted["source"] = wanted["source"] | {"families": "given"}
    with pytest.raises(InputError, match=r"the source has no families.*source\.families to topology"):
        fetch(wanted, folder.parent)


def test_embedded_set_has_its_families() -> None:
    wanted = section(ROOT)
    wanted["source"] = {"name": "embedded", "paths": [], "columns": {}, "about": {}, "families": "auto"}
    structures, rejects, about = fetch(wanted, ROOT)
    found = families(structures)
    assert set(found) == {"perovskite", "oxide"} and len(rejects) == 0
    assert "not DFT" in str(about["label_method"])


def test_what_the_user_says_of_the_data_is_written_down(folder: Path) -> None:
    wanted = section(folder)
    wanted["source"]["about"] = {"licence": "CC BY 4.0", "attribution": "A. Body (2001)"}
    about = fetch(wanted, folder.parent)[2]
    assert (about["licence"], about["attribution"], about["source"]) == ("CC BY 4.0", "A. Body (2001)", "local")


def test_a_path_may_hold_environment_variables(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = section(folder)
    wanted["source"]["paths"] = [f"$MY_CRYSTALS/{folder.name}"]
    monkeypatch.setenv("MY_CRYSTALS", str(folder.parent))
    assert len(fetch(wanted, Path("elsewhere"))[0])
    monkeypatch.setenv("HOME", str(folder.parent))
    wanted["source"]["paths"] = [f"~/{folder.name}"]
    assert len(fetch(wanted, Path("elsewhere"))[0])
    wanted["source"]["paths"] = ["~nobody-of-that-name/x"]
    with pytest.raises(InputError, match="nobody has this home folder"):
        fetch(wanted, folder.parent)
    wanted["source"]["paths"] = [f"$MY_CRYSTALS/{folder.name}"]
    monkeypatch.delenv("MY_CRYSTALS")
    with pytest.raises(InputError, match=r"\$MY_CRYSTALS/.*: an environment variable in it is not set"):
        fetch(wanted, folder.parent)


def test_only_what_is_read_decides_the_version(folder: Path) -> None:
    first = fetch(section(folder), folder.parent)[2]["source_version"]
    (folder / "atom_init.json").write_text("{}")
    properties = folder / "id_prop.csv"
    lines = properties.read_text().splitlines()
    properties.write_text("\n".join(f"{line},17" for line in lines) + "\n")  # a second property, of no task
    assert fetch(section(folder), folder.parent)[2]["source_version"] == first
    properties.write_text("\n".join([lines[0].replace("-1", "-7"), *lines[1:]]) + "\n")
    assert fetch(section(folder), folder.parent)[2]["source_version"] != first


def test_a_sample_of_an_unknown_family_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="no family 'perovskit', but oxide, perovskite"):
        fetch(section(folder, sample={"perovskit": 3}), folder.parent)
