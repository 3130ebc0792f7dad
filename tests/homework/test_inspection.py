"""What is told of a submission before it runs: honest notebooks are left alone, cheating is seen and named."""

from pathlib import Path

import nbformat
import numpy as np
import pytest

from homework import build, checks
from homework.build import NOTEBOOKS
from homework.grading.inspect import readable, tampers, without_copies
from homework.grading.reach import reaches_for
from tests.homework import mock_course

RELEASED = nbformat.read(NOTEBOOKS / f"{mock_course.NAME}.ipynb", as_version=4)


HONEST = [
    "%time checks.expand(expand)\nimport numpy as np\nnp.random.seed(0)",
    "hidden = torch.relu(x)\nprint(hidden.shape)",
    "def layer(x, hidden=64):\n    return x * hidden",
    "class Net(torch.nn.Module):\n    def __init__(self):\n        self.hidden = torch.nn.Linear(1, 1)\n"
    "    def forward(self, x):\n        return self.hidden(x) + self.hidden.bias",
    "model = Net()\nmodel.hidden.weight\nmodel.eval()",
    "sum(p.numel() for layer in model.modules() for p in layer.parameters())",
    "modules = list(model.modules())\nmodules[0]",
    "from torch.nn.modules import Linear\nimport torch.nn.modules.linear\ntorch.nn.modules.Linear",
    "torch.backends.cudnn.deterministic = True\ntorch.backends.cudnn.benchmark = False",
    "torch.backends.cuda.matmul.allow_tf32 = True",
    "import sys\nprint(sys.version)",
    "getattr(torch.nn, 'ReLU')()",
    "import sys\nif 'google.colab' in sys.modules:\n    print('on Colab')",
    "import gc\ngc.collect()",
    "class Layer(torch.nn.Module):\n    def __init__(self, act):\n        self.hidden = 1\n"
    "        self.act = getattr(torch, act)\n    def forward(self, x):\n        return self.act(self.hidden + x)",
    "%matplotlib inline\n!ls\n_ = !true\nget_ipython().run_line_magic('matplotlib', 'inline')",
    "%%timeit\nexpand(np.ones(3))",
    "from IPython.display import display\nfrom cgcnn.elements import Block\nBlock",
]


def test_an_honest_notebook_is_left_alone() -> None:
    assert tampers(mock_course.handed_in(mock_course.solved()), RELEASED) == ""
    extra = mock_course.handed_in(mock_course.solved())
    extra.cells += [nbformat.v4.new_code_cell(code) for code in HONEST]
    assert tampers(extra, RELEASED) == ""
    for master in build.masters():
        cells = [c for c in build.source_notebook(master).cells if not c.metadata.get("nbgrader", {}).get("locked")]
        assert reaches_for([c.source for c in cells if c.cell_type == "code"]) == "", master


@pytest.mark.parametrize(
    "code",
    [
        "checks.expand = print",
        "class checks: pass",
        "import homework.hidden",
        "import sys; sys.modules['homework.checks'] = None",
        "np.allclose = lambda *a, **k: True",
        "get_ipython().set_custom_exc((Exception,), print)",
        "setattr(checks, 'expand', print)",
        "import os; os._exit(0)",
        # homework.hidden, whatever its package is called
        "import homework.hidden.seal as s",
        "from homework import hidden as h",
        "from homework.hidden import cases",
        "homework.hidden.expand = print",
        "import homework as h\n---\nh.hidden.expand = print",
        "h = homework\n---\nh.hidden.expand = print",
        "def f(h=homework):\n    h.hidden.expand = print",
        "[homework][0].hidden",
        "from homework import *\nhidden.expand = print",
        "import __main__ as m\nm.homework.hidden",
        "g = globals()\nh = g['home' + 'work']\nh.hidden.expand = print",
        "getattr(m, 'home' + 'work').hidden",
        "import pkgutil\npkgutil.resolve_name('homework').hidden",
        "from pydoc import locate\nlocate('homework').hidden",
        "__import__('homework.hidden')",
        "import importlib\nimportlib.import_module('homework.hidden')",
        "from importlib import import_module as i\ni('homework.hidden')",
        "__hidden_tests.expand = print",
        # sys.modules, whatever sys is called
        "import sys as s; s.modules['homework.checks'] = None",
        "from sys import modules as m; m.clear()",
        "from sys import *; modules.clear()",
        "import os; os.sys.modules.clear()",
        "from os import sys as s; s.modules.clear()",
        "import os\ns = os.sys\n---\ns.modules.clear()",
        "vars(os)['sys'].modules.clear()",
        "globals().update(vars(os.sys)); modules.clear()",
        "import inspect\ndict(inspect.getmembers(os))['sys'].modules.clear()",
        "match os:\n    case object(sys=s):\n        s.modules.clear()",
        # what checks rely on, which the seal does not see below the modules
        "torch.cat = print",
        "del np.allclose",
        "np.allclose += 1",
        "setattr(np, 'allclose', print)",
        "np.allclose.__kwdefaults__ = {}",
        "np.linalg.norm = print",
        "torch.nn.functional.softplus = print",
        "torch.Tensor.detach = print",
        "torch.Tensor.shape = ()",
        "checks.verdict.close = print",
        "from homework.checks.crystal_graphs import Cell\nCell.edges = None",
        "from cgcnn.elements import Block as B\nB.bits = lambda self, values: values",
        "import numpy as xp\nxp.asarray = print",
        "import sys\nsys._getframe(1)",
        "from hypothesis.control import _current_build_context",
        # the shell that runs the check cells
        "from IPython.core.interactiveshell import InteractiveShell",
        "_ = !true\nip = get_ipython()\nip.input_transformers_post.append(print)",
        "%timeit -n1 -r1 get_ipython().input_transformers_post.append(print)",
        "%%time\nget_ipython().input_transformers_post.append(print)",
        "get_ipython().run_line_magic('time', code)",
        "np.allclose = 0\n_ = !true",
        "a?\nsetattr(checks, 'expand', print)",
        "self = sys\nself.modules.clear()",
    ],
)
def test_reaching_for_the_checks_is_seen(code: str) -> None:
    notebook = mock_course.handed_in({})
    notebook.cells += [nbformat.v4.new_code_cell(part) for part in code.split("\n---\n")]
    assert "changed checks" in tampers(notebook, RELEASED)


def test_a_deep_expression_does_not_stop_the_grading() -> None:
    for depth in (400, 1500, 20_000):
        notebook = mock_course.handed_in({})
        notebook.cells.append(nbformat.v4.new_code_cell(f"a{'.b' * depth}()\nnp{'.b' * depth} = 1"))
        tampers(notebook, RELEASED)


def test_the_seal_sees_a_replaced_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under another name, `import numpy as xp; xp.allclose = ...`, it is not seen before the notebook runs."""
    from homework.hidden.seal import unbroken

    unbroken()
    monkeypatch.setattr(np, "allclose", lambda *_, **__: True)
    with pytest.raises(checks.Wrong, match=r"changed checks: numpy.allclose"):
        unbroken()


def test_hidden_tests_leave_a_students_names_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """And they run those that the notebook began with, not what homework.hidden has become."""
    master = build.MASTERS / f"{mock_course.NAME}.py"
    cells = {c.metadata.get("nbgrader", {}).get("grade_id"): c.source for c in build.source_notebook(master).cells}
    hidden_tests = cells["check-expand"].split("### BEGIN HIDDEN TESTS")[1]
    import homework.hidden.seal

    monkeypatch.setattr(homework, "hidden", None)
    names = {"expand": lambda distance: distance, "hidden": 41}
    with pytest.raises(checks.Wrong, match="hidden test"):
        exec(hidden_tests, names)
    assert {name for name in names if not name.startswith("__")} == {"expand", "hidden"} and names["hidden"] == 41


def test_a_copied_exercise_is_no_cheating_and_strange_facts_are_none() -> None:
    notebook = mock_course.handed_in(mock_course.solved())
    place = next(k for k, c in enumerate(notebook.cells) if c.metadata.get("nbgrader", {}).get("grade_id") == "expand")
    copy = nbformat.from_dict({**notebook.cells[place], "id": "copied", "source": "expand(np.array([2.0])).shape"})
    notebook.cells.insert(place + 1, copy)
    for strange in (None, "x", [1], 3):
        notebook.cells.append(nbformat.v4.new_markdown_cell("", metadata={"nbgrader": strange}))
    assert tampers(notebook, RELEASED) == ""
    cells = without_copies(notebook).cells
    assert [c.metadata.get("nbgrader", {}).get("grade_id") for c in cells[place : place + 2]] == ["expand", None]
    assert not any("nbgrader" in c.metadata for c in cells[-4:])


def test_missing_edited_and_doubled_checks_are_seen() -> None:
    for change, word in ((lambda c: c[:6] + c[7:], "missing"), (lambda c: [*c, *c[5:8]], "twice")):
        notebook = mock_course.handed_in({})
        notebook.cells = change(notebook.cells)
        assert word in tampers(notebook, RELEASED)
    notebook = mock_course.handed_in({"check-expand": "pass"})
    assert "edited" in tampers(notebook, RELEASED)


def test_what_is_no_notebook(tmp_path: Path) -> None:
    for name, content in (("empty", b""), ("binary", b"\xff\xfe\x00"), ("list", b"[]"), ("old", b'{"cells": 3}')):
        (tmp_path / name).write_bytes(content)
        assert readable(tmp_path / name)[0] is None
    (tmp_path / "link").symlink_to("/etc/passwd")
    assert readable(tmp_path / "link")[1] == "not a file"
