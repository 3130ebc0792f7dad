"""The page: from a run to one HTML text that needs nothing else, not even a network."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from cgcnn.metrics import HEADLINE, LOWER_IS_BETTER, METRICS, predicted_class
from cgcnn.report import figures, words
from cgcnn.report.compare import gain, mean_score, ranked_variants, verdict
from cgcnn.report.contents import elements_of, families_of, rejects_of, settings_of, split_sizes
from cgcnn.report.results import Contest, Model, Run

_TEMPLATES = files("cgcnn.report") / "templates"


def render(run: Run) -> str:
    """The report as one HTML page. The same run gives the same text."""
    environment = Environment(
        autoescape=True,
        loader=PackageLoader("cgcnn.report", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scripts = [get_plotlyjs(), (_TEMPLATES / "page.js").read_text(encoding="utf-8")]
    settings = run.provenance["settings"]
    return environment.get_template("page.html").render(
        title=run.title,
        tasks=_tasks(run, settings["evaluation"]),
        legend=_legend(run, settings),
        metric_definitions=words.METRICS,
        banner=run.about.get("label_method") if words.is_surrogate(run.about) else None,
        about={words.readable(key): fact for key, fact in run.about.items()},
        n_materials=len(run.structures),
        families=families_of(run.structures),
        sizes=[split_sizes(contest) for contest in run.contests],
        elements=elements_of(run.structures),
        rejects=rejects_of(run.rejects),
        settings=settings_of(settings),
        variants=settings["variants"],
        provenance=run.provenance,
        evaluation=settings["evaluation"],
        style=Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8")),
        scripts=[Markup(script) for script in scripts],
        script_digests=[_digest(script) for script in scripts],
    )


def headline(run: Run) -> list[str]:
    """The first sentence of each task, in words."""
    return [task["verdict"][0] for task in _tasks(run, run.provenance["settings"]["evaluation"])]
