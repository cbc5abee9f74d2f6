"""The report page in a real Chromium: hostile text, 20,000 samples, phones, light and dark, paper, names of charts.

Skipped with the reason where playwright or a Chromium is missing (scripts/setup_browser.sh).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.eval.html_runs import CONTRAST, LIMIT_S, PHONE, Opened, run, shown, until, write

NASTY = [
    '</script><script>document.title="x";alert(1)</script>',
    "<img src=x onerror=alert(2)>",
    "<!--<script>",
    '" onload="alert(3)',
    "javascript:alert(4)",
    "'`{{data}}${alert(5)}",
]
MANY = 20_000


# --- hostile text


def test_hostile_text_does_nothing_and_is_shown_as_it_is(opened: Opened, tmp_path: Path) -> None:
    """As transcript, id, reply, error, meta, model, prompt, and as labels of the task. The fixture fails on any dialog,
    error or request."""
    labels = ("calm", *NASTY[:2])
    page = opened(write(run(tmp_path / NASTY[1].replace("/", ""), 48, texts=NASTY, labels=labels)))
    title = page.title()
    page.locator("#settings details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    assert NASTY[0] in page.inner_text("#view-report")
    for index in range(24):
        page.goto(
            page.url.split("#")[0] + "#samples?" + urlencode({"id": f"clip_{index:05d}{NASTY[index % len(NASTY)]}"})
        )
        until(
            page, f"(document.querySelector('#sample-id') || document.body).textContent.startsWith('clip_{index:05d}')"
        )
        assert page.inner_text("#sample blockquote") == NASTY[index % len(NASTY)]
        assert NASTY[index % len(NASTY)] in page.inner_text("#sample")
    page.goto(page.url.split("#")[0] + "#samples?" + urlencode({"gold": NASTY[0]}))
    until(page, "document.querySelector('#gold').value !== ''")
    assert NASTY[0] in page.inner_text("#list")
    assert page.title() == title
    assert page.locator("img, iframe, object, #view-report script, #view-samples script").count() == 0


def test_the_policy_stops_what_would_be_injected(browser: Any, report: Path) -> None:
    """Even markup that found its way into the page could not run."""
    page = browser.new_page()
    page.set_default_timeout(1000 * LIMIT_S)
    ran: list[object] = []

    def tell(what: object) -> None:  # playwright takes no method of a list
        ran.append(what)

    page.expose_function("report", tell)
    page.goto(report.as_uri())
    page.wait_for_selector("body.ready")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"report(1)\">')")
    page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'report(2)'; document.body.append(s); }"
    )
    page.wait_for_timeout(200)
    assert ran == []
    page.close()


# --- 20,000 samples


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    return write(run(folder / "run", MANY, clips=[folder / f"{i}.mp4" for i in range(200)], long=500))


def test_twenty_thousand_samples_open_scroll_and_search(opened: Opened, many: Path, record_property: Any) -> None:
    start = time.monotonic()
    page = opened(many, "#samples")
    page.wait_for_selector("#row-0")
    took = {"open": time.monotonic() - start}
    assert shown(page) == MANY
    assert page.locator("#list .row").count() < 60
    page.evaluate("document.querySelector('#list').scrollTop = 1e9")
    page.wait_for_selector(f"#row-{MANY - 1}")
    assert page.locator("#list .row").count() < 60
    assert page.get_attribute(f"#row-{MANY - 1}", "aria-setsize") == str(MANY)
    start = time.monotonic()
    page.fill("#q", "cannot say")
    until(page, "document.querySelector('#count').textContent.includes(' of ')")
    took["search"] = time.monotonic() - start
    assert shown(page) == sum(i % 12 == 9 for i in range(MANY))
    start = time.monotonic()
    page.select_option("#right", "wrong")
    took["filter"] = time.monotonic() - start
    for name, seconds in took.items():
        record_property(name, round(seconds, 3))
    print(f"\n{MANY:,} samples, {many.stat().st_size / 1e6:.1f} MB: {took}")


# --- sizes, colours, paper


@pytest.mark.parametrize("address", ["#report", "#samples", "#samples?id=clip_00008"])
def test_a_phone_never_scrolls_sideways(opened: Opened, report: Path, address: str) -> None:
    page = opened(report, address, size=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.evaluate("window.scrollTo(500, 0)")
    assert page.evaluate("window.scrollX") == 0


def test_on_a_phone_the_sample_takes_the_place_of_the_list(opened: Opened, report: Path) -> None:
    page = opened(report, "#samples", size=PHONE)
    assert page.is_visible("#list")
    page.locator("#list .row").first.click()
    assert page.is_visible("#sample-id")
    assert not page.is_visible("#list")
    page.get_by_label("Close the sample").click()
    assert page.is_visible("#list")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", ["#report", "#samples?id=clip_00008", "#samples?id=clip_00010"])
def test_text_is_readable_in_light_and_dark(opened: Opened, report: Path, scheme: str, address: str) -> None:
    """WCAG 2 AA: 4.5 to 1."""
    page = opened(report, address, scheme=scheme)
    assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("share", range(0, 101, 10))
def test_every_shade_of_the_matrix_is_readable(opened: Opened, report: Path, scheme: str, share: int) -> None:
    page = opened(report, scheme=scheme)
    page.evaluate(
        """(share) => { const cell = document.querySelector('td.cell:has(a)');
        cell.style.setProperty('--share', `${share}%`); }""",
        share,
    )
    assert page.evaluate(CONTRAST) == []


def test_dark_follows_the_system_until_the_reader_decides(opened: Opened, report: Path) -> None:
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light, dark = opened(report, scheme="light"), opened(report, scheme="dark")
    colours = light.evaluate(ground), dark.evaluate(ground)
    assert colours[0] != colours[1]
    light.click("#theme")
    assert light.evaluate(ground) == colours[1]
    light.reload()
    light.wait_for_selector("body.ready")
    assert light.evaluate(ground) == colours[1]
    light.click("#theme")
    assert light.evaluate(ground) == colours[0]


def test_paper_is_light_and_holds_the_whole_report(opened: Opened, report: Path) -> None:
    page = opened(report, scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.is_visible("nav")
    assert page.is_visible("#settings")
    page.goto(page.url.split("#")[0] + "#samples?id=clip_00008")
    page.wait_for_selector("#sample-id")
    assert not page.is_visible("#list")
    assert page.is_visible("#sample blockquote")
    assert page.pdf().startswith(b"%PDF")


def test_charts_and_controls_have_names(opened: Opened, report: Path) -> None:
    page = opened(report)
    nameless = "all => all.filter(e => !(e.getAttribute('aria-label') || '').trim()).length"
    assert page.locator("svg[role=img], [role=img]").count() > 10
    assert page.eval_on_selector_all("svg[role=img], [role=img]", nameless) == 0
    page.goto(page.url.split("#")[0] + "#samples?id=clip_00008")
    page.wait_for_selector("#sample-id")
    assert (
        page.eval_on_selector_all(
            "input, select",
            "all => all.filter(e => !(e.labels && e.labels.length) && !e.ariaLabel).map(e => e.outerHTML)",
        )
        == []
    )
    assert (
        page.eval_on_selector_all("button", "all => all.filter(e => !(e.ariaLabel || e.textContent).trim()).length")
        == 0
    )
    assert page.eval_on_selector_all("h1", "all => all.length") == 1
