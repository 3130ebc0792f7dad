"""Which module may import what, read from the syntax tree."""

import ast
from pathlib import Path

import pytest

from tests import ROOT

PACKAGE = sorted((ROOT / "cgcnn").rglob("*.py"))
HEAVY = {"numpy", "torch", "pandas", "pyarrow", "pymatgen", "sklearn", "scipy", "plotly", "ase", "snakemake", "mp_api"}
FORBIDDEN = {
    **{name: {"pymatgen", "pyarrow", "mp_api"} for name in ("conv", "model", "tensors", "training", "metrics")},
    **{name: {"torch"} for name in ("graph", "perovskites", "elements", "splits")},
    "__init__": HEAVY,
}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


def calls(path: Path) -> list[str]:
    return [ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]


def module(path: Path) -> str:
    return path.relative_to(ROOT / "cgcnn").with_suffix("").as_posix()


@pytest.mark.parametrize("path", PACKAGE, ids=module)
def test_module_keeps_to_its_imports(path: Path) -> None:
    name = module(path)
    assert not imported(path) & FORBIDDEN.get(name, set())
    assert not imported(path) & {"snakemake", "scripts", "homework"}
    if name != "sources/materials_project":
        assert "mp_api" not in imported(path)


@pytest.mark.parametrize("name", ["conv", "model", "tensors", "training", "metrics"])
def test_the_network_opens_no_file(name: str) -> None:
    opened = {call.split(".")[-1] for call in calls(ROOT / "cgcnn" / f"{name}.py")}
    assert not opened & {"open", "read_text", "write_text", "read_bytes", "write_bytes", "load", "save"}


@pytest.mark.parametrize("path", PACKAGE, ids=module)
def test_nothing_happens_at_import(path: Path) -> None:
    """No folder is made, no environment or argument read, outside of functions."""
    tree = ast.parse(path.read_text())
    top = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    text = "\n".join(ast.unparse(node) for node in top)
    for word in ("environ", "getenv", "sys.argv", "mkdir", "makedirs", "open("):
        assert word not in text


def test_files_stay_small() -> None:
    parts = ("cgcnn", "scripts", "homework", "benchmarks", "tests", "docs")
    every = [path for part in parts for path in (ROOT / part).rglob("*.py")]
    assert [path for path in every if len(path.read_text().splitlines()) > 400] == []


@pytest.mark.parametrize("path", sorted((ROOT / "scripts").glob("*.py")), ids=lambda path: path.stem)
def test_scripts_stay_thin(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 60
