"""The documentation: links lead somewhere, every key of the configuration is explained, the tutorial is true."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cgcnn.config import Config
from tests import ROOT

sys.path.insert(0, str(ROOT / "docs" / "_build"))
import configuration

GENERATED = {ROOT / "docs" / "reference" / "configuration.md"}
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_files_lead_somewhere(page: Path) -> None:
    targets = [(page.parent / link).resolve() for link in LINK.findall(page.read_text(encoding="utf-8"))]
    assert [target for target in targets if not target.exists() and target not in GENERATED] == []


def test_what_a_text_says_to_pull_is_versioned() -> None:
    texts = [*PAGES, *(path for part in ("cgcnn", "homework") for path in (ROOT / part).rglob("*.[pm][yd]"))]
    found = [m for path in texts for m in re.findall(r"dvc pull (pretrained[\w/-]*)", path.read_text(encoding="utf-8"))]
    assert found and [target for target in found if not (ROOT / f"{target}.dvc").is_file()] == []


def rows() -> dict[str, list[str]]:
    lines = configuration.page(ROOT / "config.yaml").splitlines()
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if line.startswith("| `")]
    return {key.strip("`"): rest for key, *rest in cells}


def keys_of_file() -> Iterator[str]:
    for section, value in yaml.safe_load((ROOT / "config.yaml").read_text()).items():
        if section in ("tasks", "variants"):
            yield from {f"{section}.<name>.{key}" for entry in value.values() for key in entry}
        elif isinstance(value, dict):
            for key, below in value.items():
                names = below if key in ("hindsight", "materials_project") else [""]
                yield from (f"{section}.{key}.{name}".rstrip(".") for name in names)
        else:
            yield section


@pytest.mark.parametrize("key", sorted(keys_of_file()))
def test_every_key_is_on_the_reference_page_with_its_meaning(key: str) -> None:
    default, limits, meaning = rows()[key]
    assert limits and meaning
    assert default or "<name>" in key


def test_the_reference_page_has_every_section_of_the_schema() -> None:
    assert {key.split(".")[0] for key in rows()} == set(Config.model_fields)


def test_limits_are_those_of_the_schema() -> None:
    assert rows()["graphs.cutoff"][1] == "number > 0, ≤ 8"
    assert rows()["train.seeds"][1] == "list of: whole number ≥ 0, < 2,147,483,648"


def test_the_tutorial_shows_what_the_published_network_says(published: Path, tmp_path: Path) -> None:
    """Numbers to a unit of their last digit, columns and names as they are."""
    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    (tmp_path / "my").mkdir()
    (tmp_path / "my" / "SrTiO3.cif").write_text(re.findall(r"```text\n(data_SrTiO3.*?)```", page, re.DOTALL)[0])
    (tmp_path / "results").symlink_to(published / "results")
    shown = re.findall(r"```console\n\$ (cgcnn (?:predict|explain).*?)\n(.*?)```", page, re.DOTALL)
    assert len(shown) == 2
    for command, wanted in shown:
        program = Path(sys.executable).with_name("cgcnn")
        done = subprocess.run([program, *command.split()[1:]], cwd=tmp_path, text=True, capture_output=True, check=True)
        lines = [line for line in wanted.splitlines() if not line.startswith("results/")]
        for line, found in zip(lines, done.stdout.splitlines(), strict=True):
            for cell, value in zip(line.split(), found.split(), strict=True):
                if "." in cell:
                    assert abs(float(cell) - float(value)) <= 1.5 * 10.0 ** -len(cell.split(".")[1]), (cell, value)
                else:
                    assert cell == value
