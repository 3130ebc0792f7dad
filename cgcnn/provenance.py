"""What made a result: a digest of the code behind a script, the versions of what it stands on, the machine."""

import ast
import hashlib
import os
import platform
from importlib import metadata
from pathlib import Path

#: Libraries whose version can change a number.
LIBRARIES = (
    "torch",
    "numpy",
    "pymatgen",
    "spglib",
    "scikit-learn",
    "scipy",
    "pandas",
    "pyarrow",
    "snakemake",
    "plotly",
)


def code_digest(script: Path, root: Path) -> str:
    """Digest of a script and of every module of `cgcnn` under `root` that it imports, directly or not.

    Comments, docstrings, layout and the version do not count, so that editing them makes nothing run again. What a
    module of the package reads beside itself (tables, templates) counts byte for byte.
    """
    digest = hashlib.sha256()
    for path in sorted(_imported(script, root), key=lambda path: path.relative_to(root).as_posix()):
        content = _code_of(path) if path.suffix == ".py" else path.read_bytes()
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + content + b"\0")
    return digest.hexdigest()[:16]


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that can change a number."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in LIBRARIES}


def machine() -> dict[str, str | int]:
    """What the run ran on, without names of people or hosts."""
    return {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count() or 1}


def _imported(script: Path, root: Path) -> set[Path]:
    """The script, and all modules of `cgcnn` and data files beside them that it can reach."""
    reached: set[Path] = set()
    waiting = [script]
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        if path.suffix == ".py":
            waiting += [found for name in _module_names(path) for found in _files_of(name, root)]
            if root / "cgcnn" in path.parents:
                waiting += _data_files(path)
    return reached


def _module_names(path: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in names if name.split(".")[0] == "cgcnn"]


def _files_of(name: str, root: Path) -> list[Path]:
    """Source files that importing `name` runs: the module and the packages above it."""
    parts = name.split(".")
    candidates = [root.joinpath(*parts).with_suffix(".py")]
    candidates += [root.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    return [path for path in candidates if path.is_file()]


def _data_files(module: Path) -> list[Path]:
    """elements.csv beside elements.py; templates/ beside page.py."""
    beside = [path for path in module.parent.glob(f"{module.stem}.*") if path.suffix != ".py"]
    return beside + [path for path in module.parent.glob("templates/*") if path.is_file()]


def _code_of(path: Path) -> bytes:
    """The code without docstrings, comments and layout; the same on every supported Python."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    # A release changes no number.
    tree.body = [node for node in tree.body if not ast.unparse(node).startswith("__version__ =")]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree).encode()
