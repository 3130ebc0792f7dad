"""What can be told of a submission before it runs, and after: is it a notebook, does it leave the checks alone?"""

import ast
from pathlib import Path

import nbformat
from nbformat import NotebookNode

MOST_BYTES = 20 * 2**20  # of a notebook
_MACHINERY = {
    "hidden", "builtins", "__builtins__", "importlib", "get_ipython", "ctypes", "gc", "_exit", "kill",
    "modules", "settrace", "setprofile", "__code__", "__globals__", "__dict__", "__import__", "set_custom_exc",
}  # fmt: skip
_GUARDED = {"checks", "Wrong", "np", "numpy", "torch", "homework", "cgcnn"}


def readable(path: Path) -> tuple[NotebookNode | None, str]:
    """The notebook in this file, or why there is none."""
    if path.is_symlink() or not path.is_file():
        return None, "not a file"
    if path.stat().st_size > MOST_BYTES:
        return None, f"larger than {MOST_BYTES // 2**20} MB"
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # a file may be strange in more ways than nbformat has errors for
        return None, f"not a readable notebook ({type(error).__name__})"
    return notebook, ""


def brings_its_own_checks(folder: Path) -> str:
    """Why a student's folder is refused, for files that would stand in for the course's own; else empty."""
    for path in sorted(folder.rglob("*")):
        if path.name in ("checks", "homework", "cgcnn", "hidden") or path.name in ("checks.py", "sitecustomize.py"):
            return f"changed checks: the submission brings its own {path.relative_to(folder)}"
    return ""


def tampers(submitted: NotebookNode, released: NotebookNode) -> str:
    """Why a notebook is refused: a check is missing or changed, or an answer reaches for the checks; else empty."""
    answers = {_grade_id(cell): cell for cell in submitted.cells if _grade_id(cell)}
    if len(answers) != sum(bool(_grade_id(cell)) for cell in submitted.cells):
        return "changed checks: a cell of the notebook is there twice"
    for cell in released.cells:
        name = _grade_id(cell)
        if name and name not in answers:
            return f"changed checks: cell {name} is missing"
        if name and cell.metadata["nbgrader"]["locked"] and answers[name].source.strip() != cell.source.strip():
            return f"changed checks: cell {name} was edited"
    locked = {_grade_id(cell) for cell in released.cells if _grade_id(cell) and cell.metadata["nbgrader"]["locked"]}
    for cell in submitted.cells:
        if cell.cell_type == "code" and _grade_id(cell) not in locked and (found := _reaches_for(cell.source)):
            return f"changed checks: an answer reaches for {found}"
    return ""


def _grade_id(cell: NotebookNode) -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def _reaches_for(source: str) -> str:
    """What of the checks' machinery this code names or replaces; empty if nothing, or if it is no Python."""
    try:
        tree = ast.parse(
            "\n".join("pass" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines())
        )
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in _MACHINERY:
            return node.id
        if isinstance(node, ast.Attribute) and node.attr in _MACHINERY:
            return node.attr
        if isinstance(node, ast.alias) and set(node.name.split(".")) & _MACHINERY:
            return node.name
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            root = node
            while isinstance(root, ast.Attribute):
                root = root.value  # type: ignore[assignment]
            if isinstance(root, ast.Name) and root.id in _GUARDED:
                return ast.unparse(node)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("setattr", "delattr", "exec", "eval"):
            return ast.unparse(node.func)
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in _GUARDED:
            return node.name
    return ""
