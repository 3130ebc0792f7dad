"""What mkdocs calls while it builds the site: pages that are written from the code, mathematics, and the navigation."""

import ast
import re
from pathlib import Path
from typing import Any

from configuration import page
from latex2mathml.converter import convert
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
MATHEMATICS = re.compile(r"^```math\n(.*?)\n```$", re.DOTALL | re.MULTILINE)


def on_files(files: Any, config: Any) -> Any:
    """Add the reference of the configuration and a page for every module, and put every page into the navigation."""
    files.append(File.generated(config, "reference/configuration.md", content=page(ROOT / "config.yaml")))
    for module in sorted((ROOT / "cgcnn").rglob("*.py")):
        docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))
        parts = module.relative_to(ROOT).with_suffix("").parts
        if docstring and parts[-1] != "__init__":
            text = f"# {'.'.join(parts)}\n\n::: {'.'.join(parts)}\n"
            files.append(File.generated(config, f"api/{'/'.join(parts[1:])}.md", content=text))
    _complete(config.nav, [file.src_uri for file in files.documentation_pages()])
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Blocks of mathematics become MathML, which browsers draw themselves."""
    return MATHEMATICS.sub(lambda block: f'<div class="equation">{convert(block[1], display="block")}</div>', markdown)


def _complete(nav: list[Any], pages: list[str]) -> None:
    """Pages that `nav` does not name go to the section of their folder, or to the last of the how-to pages."""
    sections = {name: entry for item in nav for name, entry in item.items()}
    named = re.findall(r"[\w/.-]+\.md", str(nav))
    for name in sorted(set(pages) - set(named)):
        folder = name.partition("/")[0]
        section = {"api": "API", "decisions": "Decisions"}.get(folder, "How to")
        sections[section].append({name[4:-3].replace("/", "."): name} if folder == "api" else name)
