"""The report in a real browser without a network: no complaints, hover, structures in 3-D, hostile text stays text."""

import shutil
from collections.abc import Iterator

import pytest

from cgcnn.report.page import render
from tests.test_report import HOSTILE, load_run

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser

FLAGS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--host-resolver-rules=MAP * ~NOTFOUND",
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple["playwright.Page", list[str]]]:
    """The page opened in Chromium, and what it complained of."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium found: chromium, chromium-browser or google-chrome")
    folder = tmp_path_factory.mktemp("browser")
    path = folder / "page.html"
    path.write_text(render(load_run(folder)), encoding="utf-8")
    complaints: list[str] = []
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=FLAGS, timeout=180_000)
        opened = browser.new_page(viewport={"width": 1200, "height": 900})
        opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on("dialog", lambda dialog: complaints.append(f"alert: {dialog.message}"))
        opened.on("request", lambda request: complaints.append(request.url) if request.url != path.as_uri() else None)
        opened.set_default_timeout(180_000)  # a busy machine takes its time
        opened.goto(path.as_uri())
        yield opened, complaints
        browser.close()


def until(opened: "playwright.Page", condition: str, argument: object = None) -> None:
    """Wait for a condition. Playwright's own waiting needs eval in the page, which the page forbids."""
    for _ in range(600):
        if opened.evaluate(condition, argument):
            return
        opened.wait_for_timeout(100)
    pytest.fail(f"after a minute still not true: {condition}")


def test_every_figure_is_drawn_as_it_comes_into_view(page: tuple["playwright.Page", list[str]]) -> None:
    opened, complaints = page
    plots = opened.locator(".plot")
    for number in range(plots.count()):
        plots.nth(number).scroll_into_view_if_needed()
        until(opened, "n => Boolean(document.querySelectorAll('.plot')[n].data)", number)
    assert plots.count() > 30
    titles = opened.locator(".modebar-btn").evaluate_all("all => [...new Set(all.map(each => each.dataset.title))]")
    assert set(titles) == {"Download plot as a PNG", "Zoom", "Pan", "Reset axes"}  # none that sends data away
    assert complaints == []


def test_pointing_shows_a_material_and_a_click_opens_its_structure(page: tuple["playwright.Page", list[str]]) -> None:
    opened, complaints = page
    plot = opened.locator("#energy-formula-parity-gated")
    plot.scroll_into_view_if_needed()
    until(opened, "Boolean(document.getElementById('energy-formula-parity-gated').data)")
    place = "([name, k]) => { const p = document.getElementById(name); return p.data.findIndex((t) => t.customdata) }"
    curve = opened.evaluate(place, ["energy-formula-parity-gated", 0])
    row = opened.evaluate(
        "([curve, hostile]) => document.getElementById('energy-formula-parity-gated').data[curve]"
        ".customdata.findIndex((about) => unescapeText(about[0]) === hostile)",
        [curve, HOSTILE],
    )
    assert row >= 0
    opened.evaluate(
        "([curve, row]) => Plotly.Fx.hover('energy-formula-parity-gated', [{curveNumber: curve, pointNumber: row}])",
        [curve, row],
    )
    assert HOSTILE in plot.locator(".hovertext").first.text_content()
    opened.evaluate(
        "([curve, row]) => { const p = document.getElementById('energy-formula-parity-gated');"
        " p.emit('plotly_click', {points: [{customdata: p.data[curve].customdata[row]}]}) }",
        [curve, row],
    )
    viewer = opened.locator("#viewer")
    assert viewer.is_visible() and opened.locator("#viewer-title").text_content() == HOSTILE
    until(opened, "Boolean(document.querySelector('#viewer-plot canvas'))")
    meshes = "document.getElementById('viewer-plot').data.filter((trace) => trace.type === 'mesh3d')[0]"
    labels = opened.evaluate(f"[...new Set({meshes}.text)]")
    assert len(labels) == 3 and any("Ti, adds -0.4" in label for label in labels)  # by what the sites add to the energy
    opened.locator("#viewer-colours button").first.click()
    assert set(opened.evaluate(f"[...new Set({meshes}.text)]")) == {"Ba", "Ti", "O"}
    bonds = opened.evaluate("document.getElementById('viewer-plot').data[1].x.length / 3")
    assert bonds == 6  # the octahedron around Ti; Ba has 12 neighbours and is drawn without
    opened.locator("#viewer-close").click()
    assert not viewer.is_visible() and complaints == []


def test_a_chip_hides_its_model_everywhere(page: tuple["playwright.Page", list[str]]) -> None:
    opened, complaints = page
    chip = opened.locator(".chip[data-model=shared]")
    chip.click()
    assert opened.locator("figure[data-model=shared]").first.is_hidden()
    drawn = "document.getElementById('energy-formula-scores').data.filter((t) => t.meta === 'shared')"
    assert opened.evaluate(f"{drawn}.every((trace) => trace.visible === false)")
    chip.click()
    assert opened.evaluate(f"{drawn}.every((trace) => trace.visible)")
    opened.locator("#theme").click()
    assert opened.evaluate("document.documentElement.dataset.theme") == "dark" and complaints == []


def test_a_telephone_need_not_scroll_sideways(page: tuple["playwright.Page", list[str]]) -> None:
    opened, _ = page
    opened.set_viewport_size({"width": 380, "height": 800})
    until(opened, "document.documentElement.scrollWidth <= 380")  # figures follow in turn
    opened.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    outside = (
        "[...document.querySelectorAll('main *')].filter((each) => !each.closest('.scroll, svg')"
        " && each.getBoundingClientRect().right > 381).map((each) => `${each.tagName} ${each.className}`)"
    )
    assert opened.evaluate(outside) == []


def test_paper_shows_every_figure_and_cuts_no_table(page: tuple["playwright.Page", list[str]]) -> None:
    opened, complaints = page
    opened.reload()
    assert opened.evaluate("plots.filter((plot) => !plot.data).length > 10")  # far below the window
    opened.set_viewport_size({"width": 718, "height": 1000})  # A4 less margins
    opened.emulate_media(media="print")
    opened.evaluate("dispatchEvent(new Event('beforeprint'))")
    until(opened, "plots.every((plot) => plot.data)")
    wide = "[...document.querySelectorAll('table')].filter((each) => each.getBoundingClientRect().right > innerWidth)"
    assert opened.evaluate(f"{wide}.map((each) => each.textContent.slice(0, 80))") == []
    opened.evaluate("dispatchEvent(new Event('afterprint'))")
    opened.emulate_media(media="screen")
    assert complaints == []
