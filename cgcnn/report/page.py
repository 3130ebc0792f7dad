"""The page: from a run to one HTML text that needs nothing else, not even a network."""

import base64
import hashlib
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from markupsafe import Markup
from plotly.offline import get_plotlyjs

from cgcnn.report import contents, words
from cgcnn.report.compare import verdicts
from cgcnn.report.costs import total
from cgcnn.report.figures.base import styles
from cgcnn.report.figures.cost import seconds
from cgcnn.report.materials import facts_of, for_viewer
from cgcnn.report.rendering import rendered, text_of
from cgcnn.report.results import Run
from cgcnn.report.sections import contest_view, figure_view

#: The report of presets/variants.yaml, seen from the report of the run that has no name.
VARIANTS_PAGE = "../../runs/variants/results/report/index.html"


def render(run: Run) -> str:
    """The report as one HTML page. The same run gives the same text."""
    settings = run.provenance["settings"]
    variants = settings["variants"]
    first = [material_id for contest in run.contests for material_id in contest.material_id]
    return document(
        "page.html",
        ("page.js", "viewer.js"),
        title=run.title,
        tasks=_tasks(run),
        legend=legend(run),
        metrics=words.METRICS,
        banner=words.labels_of(run.about),
        about=run.about,
        n_materials=len(run.structures),
        families=contents.families_of(run.structures),
        sizes=[contents.split_sizes(contest) for contest in run.contests],
        elements=contents.elements_of(run.structures),
        rejects=contents.rejects_of(run.rejects),
        most_reasons=contents.MOST_REASONS,
        settings=contents.settings_of(settings),
        variants={model.name: contents.flattened(variants[model.name]) for model in run.contests[0].variants},
        provenance=run.provenance,
        costs=run.costs,
        cost=figure_view("cost", "Seconds of each stage", seconds(run.costs)) if run.costs else None,
        cost_total=total(run.costs),
        structures=for_viewer(run.structures, first, _site_contributions(run)),
        evaluation=settings["evaluation"],
        variants_page=VARIANTS_PAGE if not settings["run"] else None,
    )


def document(template: str, own_scripts: Sequence[str], **context: Any) -> str:
    """A template of templates/ with the style sheet, plotly, and scripts of templates/ after it."""
    scripts = [get_plotlyjs(), *map(text_of, own_scripts)]
    return rendered(
        template,
        {"readable": words.readable, "as_text": contents.as_text, "number": words.number},
        **context,
        scripts=[Markup(script) for script in scripts],
        digests=[_digest(script) for script in scripts],
    )


def _digest(script: str) -> str:
    """By which the content security policy lets a script run, and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def legend(run: Run) -> list[dict[str, Any]]:
    """Every model once, with its colour and what it is."""
    models = {model.name: model for contest in run.contests for model in contest.models}
    looks = styles(list(models.values()))
    what = {name: ("", meaning) for name, meaning in words.BASELINES.items()}
    what |= _variants([model.name for model in models.values() if not model.is_baseline], run.provenance["settings"])
    return [
        {
            "name": name,
            "colour": looks[name].colour,
            "is_baseline": model.is_baseline,
            "equation": what[name][0],
            "what": what[name][1],
        }
        for name, model in models.items()
    ]


def _variants(names: Sequence[str], settings: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Equation and meaning of each variant. A convolution is explained once; what a variant sets by itself is told."""
    explained: dict[str, str] = {}  # convolution -> the first variant that has it
    found = {}
    for name in names:
        variant = settings["variants"][name]
        first = explained.setdefault(variant["conv"], name)
        equation, meaning = words.CONVOLUTIONS[variant["conv"]] if first == name else ("", f"as {first}")
        own = contents.own_settings(variant, settings)
        found[name] = (equation, meaning + (f", with {own}" if own else ""))
    return found


def _tasks(run: Run) -> list[dict[str, Any]]:
    evaluation = run.provenance["settings"]["evaluation"]
    facts = facts_of(run.structures)
    found = []
    told = zip(run.contests, verdicts(run), strict=True)
    for name, contests in groupby(told, key=lambda pair: pair[0].task):
        views = [contest_view(contest, verdict, facts, run.about, evaluation) for contest, verdict in contests]
        found.append({"name": name, "contests": views, **{key: views[0][key] for key in ("kind", "note", "contest")}})
    return found


def _site_contributions(run: Run) -> dict[str, Any]:
    """For the viewer: contest -> name, unit, and what each site of a material adds."""
    found = {}
    for contest in run.contests:
        if contest.examination is not None:
            unit = contest.unit if contest.kind == "regression" else "log odds"
            found[contest.key] = (
                f"{contest.task}, {words.SPLITS[contest.split][0]}",
                unit,
                contest.examination.crystals["contributions"].to_dict(),
            )
    return found
