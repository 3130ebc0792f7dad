"""Does an answer reach for what the checks rely on? Told from its syntax tree, before it runs.

Honest answers have a layer `self.hidden`, walk `model.modules()` and set `torch.backends.cudnn.deterministic`: these
names tell nothing. Refused is what can lead to homework.hidden or sys.modules, and what replaces a function. What gets
past this and replaces a check is seen by homework.hidden.seal while the notebook runs.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy
import torch
from IPython.core.inputtransformer2 import TransformerManager

_MACHINERY = {
    "__hidden_tests", "__unbroken_seal", "builtins", "__builtins__", "importlib", "import_module", "get_ipython",
    "get_objects", "get_referrers", "get_referents", "ctypes", "_exit", "kill", "settrace", "setprofile", "__code__",
    "__globals__", "__dict__", "__import__", "set_custom_exc", "_getframe", "currentframe", "f_back", "f_locals",
    "f_globals", "tb_frame", "InteractiveShell", "input_transformers_post", "input_transformers_cleanup",
    "input_transformer_manager", "ast_transformers", "run_cell", "run_code", "IPython", "ipykernel", "hypothesis",
}  # fmt: skip
_MACHINES = ("homework.hidden.", "sys.modules.", "IPython.core.", "ipykernel.", "hypothesis.")
_MAGIC = {"run_line_magic", "run_cell_magic", "system", "getoutput"}  # what % and ! become
_CALLS = {"setattr", "delattr", "exec", "eval"}
_PARTS = {"hidden": "homework", "modules": "sys"}  # to be left alone, but only as a part of that module
#: Who looks through these may hold a module under any name.
_WINDOWS = {
    "globals", "locals", "vars", "getattr", "attrgetter", "__getattribute__", "__main__", "inspect", "pkgutil", "pydoc",
}  # fmt: skip
_NAMED_LAYERS = {"torch", "nn", "functional", "F", "optim"}  # of which one takes an activation or optimiser by its name
_GUARDED = {"checks": "homework.checks", "Wrong": "homework.checks.Wrong", "np": "numpy"}
_GUARDED |= {name: name for name in ("numpy", "torch", "homework", "cgcnn")}
_TOOLS = {"numpy": numpy, "torch": torch}


def reaches_for(sources: Iterable[str]) -> str:
    """What of the checks' machinery these cells of a notebook name or replace; empty if nothing.

    They are looked at together: what one imports another uses. A cell that is no Python says nothing.
    """
    nodes = [node for source in sources for node in _nodes(source)]
    magic = [node for node in nodes if isinstance(node, ast.Call) and _is_magic(node)]
    nodes += [inner for call in magic for text in _texts(call) for inner in _nodes(text)]
    handles = _handles(nodes)
    hides = _hides_modules(nodes, handles)
    names = _forbidden_names(nodes, hides)
    harmless = _harmless(nodes, magic)
    guarded = {name: full for full, name in _imports(nodes) if full.split(".")[0] in _GUARDED} | _GUARDED
    for text in (text for call in magic for text in _texts(call)):
        if found := next((word for word in re.findall(r"\w+", text) if word in _MACHINERY), ""):
            return found
    for node in nodes:
        if id(node) in harmless:
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            found = next((full for full, _ in _imports([node]) if _is_machinery(full, node)), "")
        elif isinstance(node, ast.Name) and node.id in names:
            found = node.id
        elif isinstance(node, ast.Attribute) and node.attr in _MACHINERY:
            found = node.attr
        elif isinstance(node, ast.Attribute) and node.attr in _PARTS:
            reached = _last(node.value) in handles or hides
            found = f"{_last(node.value)}.{node.attr}" if reached else ""
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS:
            found = node.func.id
        elif isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in _GUARDED:
            found = node.name
        else:
            found = ""
        if found or (found := _replaced(node, guarded)):
            return found
    return ""


def _is_magic(call: ast.Call) -> bool:
    """Whether this is what IPython makes of a line with % or !, or of a cell with %%."""
    shell = call.func.value if isinstance(call.func, ast.Attribute) and call.func.attr in _MAGIC else None
    return isinstance(shell, ast.Call) and _last(shell.func) == "get_ipython" and not call.keywords


def _texts(call: ast.Call) -> list[str]:
    """The lines and the cell that a magic is given; what is no plain text counts as the shell itself."""
    return [str(a.value) if isinstance(a, ast.Constant) else "get_ipython" for a in call.args]


def _harmless(nodes: Sequence[ast.AST], magic: Sequence[ast.Call]) -> set[int]:
    """Nodes that name machinery and cannot use it: a layer of one's own, a method that is called, `in sys.modules`."""
    shells = {id(inner) for call in magic for inner in ast.walk(call.func)}
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    asked = {
        id(node.comparators[0])
        for node in nodes
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn) and len(node.ops) == 1
    }
    parts = [node for node in nodes if isinstance(node, ast.Attribute) and node.attr in _PARTS]
    is_self = not any(isinstance(n, ast.Name) and n.id == "self" and isinstance(n.ctx, ast.Store) for n in nodes)
    own = {id(node) for node in parts if is_self and _last(node.value) == "self"}
    return shells | own | {id(node) for node in parts} & (called | asked)


def _nodes(source: str) -> Iterator[ast.AST]:
    try:
        yield from ast.walk(ast.parse(TransformerManager().transform_cell(source)))
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
    return bool(set(brought) & _MACHINERY) or f"{full}.".startswith(_MACHINES)


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
    """Whether this is getattr(..., "word"), where the word is no module's, or getattr(torch.nn, activation)."""
    if _last(call.func) != "getattr" or len(call.args) < 2:
        return False
    word = call.args[1]
    return word.value not in handles if isinstance(word, ast.Constant) else _last(call.args[0]) in _NAMED_LAYERS


def _replaced(node: ast.AST, guarded: Mapping[str, str]) -> str:
    """What checks rely on, if this is where it is stored to or deleted; else empty.

    `guarded` are names of the notebook, with what they are in full.
    """
    if not (isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del)):
        return ""
    path: list[str] = []
    root: ast.expr = node
    while isinstance(root, ast.Attribute):
        path, root = [root.attr, *path], root.value
    if not (isinstance(root, ast.Name) and root.id in guarded):
        return ""
    full = [*guarded[root.id].split("."), *path]
    # A name of one's own may be that of a function that was imported and is not used.
    is_own_name = not path and root.id not in _GUARDED
    return "" if is_own_name or _is_setting(full) else ".".join(full)


def _is_setting(full: Sequence[str]) -> bool:
    """Whether this is a number, word or switch somewhere below numpy or torch, not in a class or function."""
    tool, *path = full
    if tool not in _TOOLS or len(path) < 2:
        return False
    owner: object = _TOOLS[tool]
    try:
        for name in path[:-1]:
            owner = getattr(owner, name)
        return not callable(owner) and isinstance(getattr(owner, path[-1]), bool | int | float | str)
    except Exception:  # modules that load when they are asked have errors of their own
        return False
