"""How every page is rendered, and the files that are put inside a page."""

from collections.abc import Callable
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_TEMPLATES = files("cgcnn.report") / "templates"


def rendered(template: str, filters: dict[str, Callable[..., Any]], **content: Any) -> str:
    """A template of templates/, filled in, with the style sheet as `style`."""
    environment = Environment(
        autoescape=True,
        loader=PackageLoader("cgcnn.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment.get_template(template).render(style=Markup(text_of("style.css")), **content)


def text_of(name: str) -> str:
    """A file of templates/."""
    return (_TEMPLATES / name).read_text(encoding="utf-8")
