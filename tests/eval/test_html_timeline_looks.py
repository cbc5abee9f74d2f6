"""Timelines in a real Chromium: saved pictures, hostile text, phones, light and dark, paper, names.

Skipped with the reason where playwright or a Chromium is missing (scripts/setup_browser.sh).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.eval.html_runs import (
    CONTRAST,
    HOUR,
    PHONE,
    Opened,
    moved,
    ready,
    sample,
    streams,
    until,
    utterances,
    write,
)

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "</title><script>alert(1)</script><img src=x onerror=alert(2)>\x01\ud800]]>&amp;\"'"

# --- files


def saved(page: Any, name: str, folder: Path) -> Path:
    page.wait_for_selector(".lanes svg")
    with page.expect_download() as waiting:
        page.get_by_label(f"as {name.upper()}").click()
    path = folder / f"saved.{name}"
    waiting.value.save_as(path)
    assert re.fullmatch(rf"[\w.-]+\.{name}", waiting.value.suggested_filename)
    return path


@pytest.mark.parametrize(("number", "count"), [(0, 8 + 7 + 7 + 7), (5, 3000 + 2667)])
def test_a_saved_svg_holds_every_utterance_and_stands_alone(
    opened: Opened, talk: Path, tmp_path: Path, number: int, count: int
) -> None:
    page = opened(talk, sample(number))
    path = saved(page, "svg", tmp_path)
    text = path.read_text(encoding="utf-8")
    tree = ElementTree.fromstring(text)  # noqa: S314 - written by the page under test
    segments = [group for group in tree.iter(f"{SVG}g") if group.get("class") == "segment"]
    assert len(segments) == count
    assert not re.search(r"var\(|url\(|href|<script|<style|<foreignObject", text)
    fills = {rect.get("fill") for group in segments for rect in group.iter(f"{SVG}rect")}
    assert len(fills) > 4
    assert all(re.fullmatch(r"rgb\(\d+, \d+, \d+\)", fill or "") for fill in fills)
    words = [title.text or "" for title in tree.iter(f"{SVG}title")]
    item = utterances(8 if not number else 3000, 20 if not number else HOUR)[1]
    assert any(item["primary"] in line and item["transcript_en"] in line for line in words)
    assert {"Anger", "Surprise", "same label"} <= {node.text for node in tree.iter(f"{SVG}text")}


def test_only_the_part_in_sight_is_saved(opened: Opened, talk: Path, tmp_path: Path) -> None:
    page = opened(talk, sample(4))
    page.wait_for_selector(".lanes svg")
    page.get_by_label("Zoom in").click()
    tree = ElementTree.parse(saved(page, "svg", tmp_path)).getroot()  # noqa: S314
    segments = [group for group in tree.iter(f"{SVG}g") if group.get("class") == "segment"]
    assert 0 < len(segments) < 12
    assert "0:00 to 0:10" in (tree.findtext(f"{SVG}title") or "")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_saved_png_shows_the_lanes(opened: Opened, talk: Path, tmp_path: Path, scheme: str) -> None:
    import av

    page = opened(talk, sample(4), scheme=scheme)
    with av.open(saved(page, "png", tmp_path)) as file:
        picture = next(file.decode(video=0)).to_ndarray(format="rgb24")
    assert picture.shape[1] == 3200
    assert picture.std() > 20
    assert (picture[2, 2].mean() > 200) == (scheme == "light")
    assert len({tuple(pixel) for pixel in picture[::7, ::7].reshape(-1, 3).tolist()}) > 8


# --- hostile text


def test_hostile_text_in_utterances_is_shown_and_saved_as_text(opened: Opened, tmp_path: Path) -> None:
    gold, told = utterances(4, 20, text=NASTY), moved(utterances(4, 20, text=NASTY))
    page = opened(write(streams(tmp_path / "x", [(None, 20.0, gold, told)], NASTY)), "#samples")
    page.locator("#list .row").click()
    page.locator(".lanes .segment").first.click()
    assert "</title><script>alert(1)</script>" in page.inner_text(".moment")
    assert "<img src=x onerror=alert(2)>" in page.inner_text(".lines")
    page.locator("summary", has_text="as a table").click()
    until(page, "document.querySelectorAll('table.utterances tbody tr').length > 4")
    assert "<img src=x" in page.inner_text("table.utterances")
    assert page.locator("#sample script, #sample img").count() == 0
    tree = ElementTree.parse(saved(page, "svg", tmp_path)).getroot()  # noqa: S314
    known = ("svg", "g", "rect", "path", "line", "text", "title")
    assert {element.tag for element in tree.iter()} <= {SVG + name for name in known}
    assert any("onerror" in (title.text or "") for title in tree.iter(f"{SVG}title"))
    saved(page, "png", tmp_path)


# --- sizes, colours, paper


@pytest.mark.parametrize("number", range(6))
def test_a_phone_never_scrolls_sideways(opened: Opened, talk: Path, number: int) -> None:
    page = opened(talk, sample(number), size=PHONE)
    page.wait_for_selector(".lanes svg")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.evaluate("(() => { const s = document.querySelector('#sample'); return s.scrollWidth - s.clientWidth; })()") <= 0  # fmt: skip  # noqa: E501
    box = page.locator(".lanes").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("number", [0, 2, 3])
def test_text_is_readable_in_light_and_dark(opened: Opened, talk: Path, scheme: str, number: int) -> None:
    page = opened(talk, sample(number), scheme=scheme)
    ready(page)
    page.locator(".lanes .segment").first.click()
    page.locator("summary", has_text="as a table").click()
    until(page, "document.querySelectorAll('table.utterances tbody tr').length > 0")
    assert page.evaluate(CONTRAST) == []


def test_lanes_change_with_the_theme(opened: Opened, talk: Path) -> None:
    page = opened(talk, sample(4))
    page.wait_for_selector(".lanes svg")
    fill = "getComputedStyle(document.querySelector('.lanes .segment rect')).fill"
    light = page.evaluate(fill)
    page.click("#theme")
    assert page.evaluate(fill) != light


def test_paper_holds_lanes_and_table(opened: Opened, talk: Path) -> None:
    page = opened(talk, sample(0))
    page.wait_for_selector(".lanes svg")
    page.emulate_media(media="print")
    assert page.is_visible(".lanes svg")
    assert not page.is_visible(".lines")
    assert page.pdf().startswith(b"%PDF")
    assert page.locator("table.utterances tbody tr").count() == 8 + 7 + 7 + 7


def test_lanes_and_lists_have_names(opened: Opened, talk: Path) -> None:
    page = opened(talk, sample(0))
    nameless = "all => all.filter(e => !(e.ariaLabel || e.textContent || '').trim()).map(e => e.outerHTML)"
    assert (
        page.eval_on_selector_all(
            "#sample [role]:not([role=alert]), #sample button, #sample select, #sample section", nameless
        )
        == []
    )
    lanes = page.locator(".lanes")
    assert [lanes.get_attribute(name) for name in ("role", "tabindex", "aria-valuemin")] == ["slider", "0", "0"]
    assert "gold: " in lanes.get_attribute("aria-valuetext")
    assert page.eval_on_selector_all("#sample [id]", "all => all.length - new Set(all.map(e => e.id)).size") == 0
