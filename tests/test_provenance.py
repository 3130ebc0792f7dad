"""The digest of the code behind a script changes with what the script runs, and with nothing else."""

from pathlib import Path

import pytest

from cgcnn.provenance import code_digest, machine, versions


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "scripts/one.py": '"""Docs."""\nfrom cgcnn.a import f\n\nf()\n',
        "cgcnn/__init__.py": "",
        "cgcnn/a.py": '"""Docs."""\nimport cgcnn.b as b\n\ndef f():\n    """Docs."""\n    return b.x\n',
        "cgcnn/b.py": "x = 1\n",
        "cgcnn/b.csv": "1,2\n",
        "cgcnn/unused.py": "y = 1\n",
        "cgcnn/page/__init__.py": "",
        "cgcnn/page/page.py": "z = 1\n",
        "cgcnn/page/templates/page.html": "<p>\n",
        "scripts/two.py": "def g():\n    from cgcnn.page import page\n    return page.z\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("script", "file", "text", "changes"),
    [
        ("one", "scripts/one.py", '"""Other docs."""\nfrom cgcnn.a import f\n\n# why\nf()\n', False),
        ("one", "scripts/one.py", "from cgcnn.a import f\n\nf(), f()\n", True),
        ("one", "cgcnn/a.py", "import cgcnn.b as b\ndef f():\n    'Other docs.'\n    return b.x\n", False),
        ("one", "cgcnn/a.py", "import cgcnn.b as b\ndef f():\n    return b.x + 1\n", True),
        ("one", "cgcnn/b.py", "x = 2\n", True),
        ("one", "cgcnn/b.csv", "1,3\n", True),
        ("one", "cgcnn/__init__.py", "v = 1\n", True),
        ("one", "cgcnn/unused.py", "y = 2\n", False),
        ("one", "cgcnn/page/templates/page.html", "<b>\n", False),
        ("two", "cgcnn/page/page.py", "z = 2\n", True),
        ("two", "cgcnn/page/templates/page.html", "<b>\n", True),
        ("two", "cgcnn/b.py", "x = 2\n", False),
    ],
)
def test_digest(project: Path, script: str, file: str, text: str, changes: bool) -> None:
    path = project / "scripts" / f"{script}.py"
    before = code_digest(path, project)
    (project / file).write_text(text)
    assert (code_digest(path, project) != before) == changes


def test_versions_and_machine_name_nobody() -> None:
    assert "torch" in versions() and "python" in versions()
    assert set(machine()) == {"system", "processor", "cores"}
