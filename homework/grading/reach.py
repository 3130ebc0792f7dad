"""Does an answer reach for what the checks rely on? Told from its syntax tree, before it runs.

Honest answers have a layer `self.hidden`, walk `model.modules()` and set `torch.backends.cudnn.deterministic`: these
names tell nothing. Refused is what can lead to homework.hidden or sys.modules, and what replaces a function. What gets
past this and replaces a check is seen by homework.hidden.seal while the notebook runs.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence

import numpy
import torch

_MACHINERY = {
    "__hidden_tests", "__unbroken_seal", "builtins", "__builtins__", "importlib", "import_module", "get_ipython", "gc",
    "ctypes", "_exit", "kill", "settrace", "setprofile", "__code__", "__globals__", "__dict__", "__import__",
    "set_custom_exc",
}  # fmt: skip
_CALLS = {"setattr", "delattr", "exec", "eval"}
_PARTS = {"hidden": "homework", "modules": "sys"}  # to be left alone, but only as a part of that module
#: Who looks through these may hold a module under any name.
_WINDOWS = {
    "globals", "locals", "vars", "getattr", "attrgetter", "__getattribute__", "f_globals", "f_locals", "__main__",
    "inspect", "pkgutil", "pydoc",
}  # fmt: skip
_GUARDED = {"checks", "Wrong", "np", "numpy", "torch", "homework", "cgcnn"}
_TOOLS = {"np": numpy, "numpy": numpy, "torch": torch}


def reaches_for(sources: Iterable[str]) -> str:
    """What of the checks' machinery these cells of a notebook name or replace; empty if nothing.

    They are looked at together: what one imports another uses. A cell that is no Python says nothing.
    """
    nodes = [node for source in sources for node in _nodes(source)]
    handles = _handles(nodes)
    hides = _hides_modules(nodes, handles)
    names = _forbidden_names(nodes, hides)
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found = next((full for full, _ in _imports([node]) if _is_machinery(full, node)), "")
        elif isinstance(node, ast.Name) and node.id in names:
            found = node.id
        elif isinstance(node, ast.Attribute) and node.attr in _MACHINERY:
            found = node.attr
        elif isinstance(node, ast.Attribute) and node.attr in _PARTS:
            # A layer or a method is called; neither module nor sys.modules can be.
            reached = _last(node.value) in handles or (hides and id(node) not in called)
            found = f"{_last(node.value)}.{node.attr}" if reached else ""
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS:
            found = node.func.id
        elif isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in _GUARDED:
            found = node.name
        else:
            found = ""
        if found or (found := _replaced(node)):
            return found
    return ""


def _nodes(source: str) -> Iterator[ast.AST]:
    lines = ["pass" if line.lstrip().startswith(("%", "!")) else line for line in source.split("\n")]
    try:
        yield from ast.walk(ast.parse("\n".join(lines)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return


def _imports(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    """What is imported, in full, and the name that it has from then on."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((a.name, a.asname or a.name.split(".")[0]) for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{a.name}", a.asname or a.name) for a in node.names)


def _is_machinery(full: str, node: ast.Import | ast.ImportFrom) -> bool:
    # `from importlib.metadata import version` is honest, so that of a `from` only what it brings counts.
    brought = full.split(".")[-1:] if isinstance(node, ast.ImportFrom) else full.split(".")
    return bool(set(brought) & _MACHINERY) or f"{full}.".startswith(("homework.hidden.", "sys.modules."))


def _forbidden_names(nodes: Sequence[ast.AST], hides: bool) -> set[str]:
    """The machinery; and `hidden` or `modules` alone, if it came by `import *` or from nowhere that can be seen."""
    imported = {full for full, _ in _imports(nodes)}
    own = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    own |= {n.arg for n in nodes if isinstance(n, ast.arg)}
    return _MACHINERY | {p for p, owner in _PARTS.items() if f"{owner}.*" in imported or (hides and p not in own)}


def _handles(nodes: Sequence[ast.AST]) -> set[str]:
    """By which names the cells hold the modules homework and sys."""
    owners = set(_PARTS.values())
    return owners | {name for full, name in _imports(nodes) if full.split(".")[-1] in owners}


def _last(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _hides_modules(nodes: Sequence[ast.AST], handles: set[str]) -> bool:
    """Whether any name may stand for homework or sys, for the cells hand them on, or look where modules are kept."""
    if any(set(full.split(".")) & _WINDOWS for full, _ in _imports(nodes)):
        return True
    plain = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}  # sys.version hands nothing on
    plain |= {id(node.func) for node in nodes if isinstance(node, ast.Call) and _gets_by_word(node, handles)}
    watched = handles | _WINDOWS
    return any(isinstance(n, ast.MatchClass) or (_last(n) in watched and id(n) not in plain) for n in nodes)


def _gets_by_word(call: ast.Call, handles: set[str]) -> bool:
    """Whether this is getattr(..., "word"), where the word is no module's."""
    word = call.args[1] if _last(call.func) == "getattr" and len(call.args) > 1 else None
    return isinstance(word, ast.Constant) and word.value not in handles


def _replaced(node: ast.AST) -> str:
    """What checks rely on, if this is where it is stored to or deleted; else empty."""
    if not (isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del)):
        return ""
    path: list[str] = []
    root: ast.expr = node
    while isinstance(root, ast.Attribute):
        path, root = [root.attr, *path], root.value
    if not (isinstance(root, ast.Name) and root.id in _GUARDED) or _is_setting(root.id, path):
        return ""
    return ".".join([root.id, *path])


def _is_setting(tool: str, path: Sequence[str]) -> bool:
    """Whether this is a number, word or switch somewhere below numpy or torch, not in a class or function."""
    if tool not in _TOOLS or len(path) < 2:
        return False
    owner: object = _TOOLS[tool]
    try:
        for name in path[:-1]:
            owner = getattr(owner, name)
        return not callable(owner) and isinstance(getattr(owner, path[-1]), bool | int | float | str)
    except Exception:  # modules that load when they are asked have errors of their own
        return False
