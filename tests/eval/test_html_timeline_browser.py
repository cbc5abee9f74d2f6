"""Timelines in a real Chromium: playing, seeking, zooming, reading; what is there and what is not, and hours.

Skipped with the reason where playwright or a Chromium is missing (scripts/setup_browser.sh).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.eval.html_runs import HOUR, PLAYER, Opened, moved, ready, sample, streams, until, utterances, write


def time_of(page: Any) -> float:
    """The time that the lanes say it is."""
    return float(page.get_attribute(".lanes", "aria-valuenow"))


def said_now(page: Any) -> list[str]:
    return [str(text) for text in page.locator(".said[aria-selected=true] .text").all_inner_texts()]


def playhead(page: Any) -> float:
    return float(page.evaluate("new DOMMatrix(getComputedStyle(document.querySelector('.playhead')).transform).m41"))


# --- playing and seeking


def test_a_click_on_an_utterance_leads_to_its_start(opened: Opened, talk: Path) -> None:
    page = opened(talk, sample(0))
    ready(page)
    item = utterances(8, 20)[5]
    page.locator(".lanes .segment").nth(5).click()
    assert page.evaluate(f"{PLAYER}.currentTime") == pytest.approx(item["start"], abs=1e-3)
    assert time_of(page) == pytest.approx(item["start"], abs=0.06)
    assert f"Gold 0:{int(item['start']):02d}" in page.inner_text(".moment")
    assert item["evidence"] in page.inner_text(".moment .box >> nth=0")


def test_a_click_beside_utterances_leads_to_that_moment(opened: Opened, talk: Path) -> None:
    page = opened(talk, sample(0))
    ready(page)
    length = page.evaluate(f"{PLAYER}.duration")
    width = page.locator(".lanes").bounding_box()["width"]
    page.locator(".lanes").click(position={"x": width / 4, "y": 8})
    assert page.evaluate(f"{PLAYER}.currentTime") == pytest.approx(length / 4, rel=0.02)
    assert playhead(page) == pytest.approx(width / 4, abs=3)


def test_lanes_and_words_follow_the_player(opened: Opened, talk: Path) -> None:
    page = opened(talk, sample(0))
    ready(page)
    told = moved(utterances(8, 20))
    for item in (told[4], told[1]):
        page.evaluate(f"time => {{ {PLAYER}.currentTime = time; }}", item["start"] + 0.1)
        until(page, f"document.querySelector('.lanes').ariaValueNow === '{item['start'] + 0.1:.1f}'")
        (text,) = said_now(page)
        assert str(item["transcript_en"]) in text
        assert item["evidence"] in page.inner_text(".moment .box >> nth=1")
        assert page.get_attribute(".lines", "aria-activedescendant") == page.get_attribute(
            ".said[aria-selected=true]", "id"
        )
        assert item["primary"] in page.get_attribute(".lanes", "aria-valuetext")


def test_the_playhead_moves_while_it_plays(opened: Opened, talk: Path) -> None:
    page = opened(talk, sample(0))
    ready(page)
    before = playhead(page)
    page.keyboard.press(" ")
    until(page, f"{PLAYER}.currentTime > 0.3")
    page.keyboard.press(" ")
    # the player tells of its pause a moment after it has paused; then the lanes say what it says
    until(page, f"{PLAYER}.paused && document.querySelector('.lanes').ariaValueNow >= 0.3")
    assert playhead(page) > before


def test_a_line_of_the_transcript_leads_to_its_moment(opened: Opened, talk: Path) -> None:
    page = opened(talk, sample(0))
    ready(page)
    told = moved(utterances(8, 20))
    page.locator(".said").nth(3).click()
    assert page.evaluate(f"{PLAYER}.currentTime") == pytest.approx(told[3]["start"], abs=1e-3)
    page.locator(".lines").focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate(f"{PLAYER}.currentTime") == pytest.approx(told[4]["start"], abs=1e-3)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert page.evaluate(f"{PLAYER}.currentTime") == pytest.approx(told[2]["start"], abs=1e-3)
    page.keyboard.press("End")
    assert said_now(page) == [page.locator(".said .text").last.inner_text()]
    box, row = (page.locator(name).bounding_box() for name in (".lines", ".said[aria-selected=true]"))
    assert box["y"] <= row["y"] + 1
    assert row["y"] + row["height"] <= box["y"] + box["height"] + 1


def test_the_transcript_can_be_that_of_gold(opened: Opened, talk: Path) -> None:
    page = opened(talk, sample(0))
    assert page.get_attribute(".said >> nth=0", "aria-setsize") == "7"
    choice = page.get_by_label("Transcript of")
    assert choice.locator("option").all_inner_texts() == ["Gold", "a", "b", "c"]
    choice.select_option("Gold")
    assert page.get_attribute(".said >> nth=0", "aria-setsize") == "8"
    labels = page.locator(".said .verdict").evaluate_all("all => all.map(one => one.ariaLabel)")
    assert sum("not found" in label for label in labels) == 1


def test_keys_move_through_time(opened: Opened, talk: Path) -> None:
    page = opened(talk, sample(4))
    starts = sorted({item["start"] for item in [*utterances(8, 20), *moved(utterances(8, 20))]})
    page.locator(".lanes").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert time_of(page) == 2.0
    page.keyboard.press("Shift+ArrowRight")
    after = [start for start in starts if start > 2.0]
    assert time_of(page) == pytest.approx(after[0], abs=0.06)
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowLeft")
    assert time_of(page) == pytest.approx(after[1], abs=0.06)
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    assert time_of(page) == 20.0
    page.keyboard.press("Home")
    assert time_of(page) == 0.0
    assert page.evaluate("document.activeElement.className") == "lanes"
    page.keyboard.press("j")
    assert page.inner_text("#sample-id") == "clip_5"
    page.keyboard.press("Escape")
    assert page.locator("#sample-id").count() == 0


def test_times_count_from_the_start_of_a_clip_inside_its_file(opened: Opened, clip: Path, tmp_path: Path) -> None:
    result = streams(tmp_path, [(clip, 10.0, None, utterances(4, 10))])
    (whole,) = result.samples
    part = type(whole.media[0])("video", clip, 5.0, 15.0)
    changed = type(whole)(whole.id, None, media=(part,), meta=whole.meta)
    page = opened(write(type(result)(tmp_path, result.task, result.facts, [changed], result.scores, result.answers,
                                     result.replies)), sample(0))  # fmt: skip
    ready(page, "10")
    assert page.get_attribute(".lanes", "aria-valuemax") == "10.0"
    page.locator(".lanes .segment").nth(2).click()
    start = utterances(4, 10)[2]["start"]
    assert page.evaluate(f"{PLAYER}.currentTime") == pytest.approx(5 + start, abs=1e-3)
    assert time_of(page) == pytest.approx(start, abs=0.06)


# --- what is there, and what is not


def test_gold_the_answer_and_other_runs_have_lanes(opened: Opened, talk: Path) -> None:
    page = opened(talk, sample(0))
    text = page.locator(".lanes svg").inner_html()
    places = [text.index(name) for name in ("Gold · 8 utterances", "a · 7 utterances", "b · 7 utterances", "c · 7")]
    assert places == sorted(places)
    assert page.locator(".lanes .agreed").count() > 5
    assert page.locator(".legend.agreement li").count() == 4
    shares = re.findall(r"(\d+)%", page.inner_text(".legend.agreement"))
    assert abs(sum(map(int, shares)) - 100) <= 2
    for label in ("Anger", "Neutral", "Surprise"):
        assert label in page.inner_text(".legend >> nth=0")


def test_without_gold_there_are_lanes_and_nothing_is_compared(opened: Opened, talk: Path) -> None:
    page = opened(talk, sample(1))
    ready(page)
    assert "Gold" not in page.locator(".lanes svg").inner_html()
    assert page.locator(".agreed, .agreement, .said .verdict").count() == 0
    assert "No gold is known." in page.inner_text("#sample")
    assert page.locator(".moment .box").count() == 1
    page.locator(".lanes .segment").first.click()
    assert said_now(page)


@pytest.mark.parametrize(("number", "words"), [(2, "no utterances"), (3, "no readable answer")])
def test_an_answer_without_utterances_says_so(opened: Opened, talk: Path, number: int, words: str) -> None:
    page = opened(talk, sample(number))
    ready(page)
    assert words in page.locator(".lanes svg").inner_html()
    assert page.get_attribute(".said >> nth=0", "aria-setsize") == "8"
    page.locator(".lanes .segment").first.click()
    assert "0:0" in page.inner_text(".moment .box >> nth=0")


def test_without_media_the_lanes_work_alone(opened: Opened, talk: Path) -> None:
    page = opened(talk, sample(4))
    assert page.locator("#sample video").count() == 0
    page.locator(".lanes .segment").nth(8 + 3).click()
    assert time_of(page) == pytest.approx(moved(utterances(8, 20))[3]["start"], abs=0.06)
    assert said_now(page)


def test_a_run_without_a_single_utterance_has_a_page(opened: Opened, tmp_path: Path) -> None:
    page = opened(write(streams(tmp_path, [(None, 10.0, [], []), (None, 10.0, None, None)])), sample(0))
    assert "No utterances." in page.inner_text(".spoken")
    page.keyboard.press("j")
    assert "No readable answer" in page.inner_text("#sample")
    page.goto(page.url.split("#")[0])
    assert "no sample has gold" in page.inner_text("#scores")


def test_the_list_tells_timelines_apart(opened: Opened, talk: Path) -> None:
    page = opened(talk, "#samples?order=unsure")
    texts = page.locator("#list .row").all_inner_texts()
    assert "no utterances" in texts[0]
    assert "7 of 8 utterances found" in page.inner_text("#row-0")
    page.select_option("#tag", "utterances:some not found")
    assert page.inner_text("#count").startswith("4 of 6")
    page.click("#reset")
    page.select_option("#tag", "utterances:none answered")
    page.fill("#q", "nobody told")  # what gold says is found, whatever was answered
    until(page, "location.hash.includes('q=')")
    assert page.inner_text("#count").startswith("1 of 6")
    page.click("#reset")
    label = utterances(8, 20)[0]["primary"]
    page.select_option("#gold", label)
    assert page.inner_text("#count").startswith("5 of 6")


def test_where_an_utterance_comes_from_is_told(opened: Opened, tmp_path: Path) -> None:
    told = [{**item, "parts": [0, 1]} for item in utterances(2, 20)]
    page = opened(write(streams(tmp_path, [(None, 20.0, None, told)])), sample(0))
    page.locator(".lanes .segment").first.click()
    assert "1, 2" in page.inner_text(".moment")


# --- zoom, and hours


def test_zoom_keeps_the_moment_in_place(opened: Opened, talk: Path) -> None:
    page = opened(talk, sample(4))
    lanes = page.locator(".lanes")
    fit = lanes.evaluate("box => box.scrollWidth")
    assert fit == lanes.evaluate("box => box.clientWidth")
    lanes.locator(".segment").nth(4).click()
    before = playhead(page)
    page.keyboard.press("+")
    page.get_by_label("Zoom in").click()
    assert lanes.evaluate("box => box.scrollWidth") == pytest.approx(4 * fit, rel=0.01)
    until(page, f"Math.abs(new DOMMatrix(getComputedStyle(document.querySelector('.playhead')).transform).m41 - {before}) < 3")  # fmt: skip  # noqa: E501
    lanes.focus()
    for _ in range(3):
        page.keyboard.press("-")
    assert lanes.evaluate("box => box.scrollWidth") == fit
    box = lanes.bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 40)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    until(page, "document.querySelector('.lanes').scrollWidth > document.querySelector('.lanes').clientWidth")
    page.get_by_label("The whole clip").click()
    assert lanes.evaluate("box => box.scrollWidth") == fit


def test_three_thousand_utterances_of_an_hour_draw_what_is_in_sight(opened: Opened, talk: Path) -> None:
    page = opened(talk, sample(5))
    nodes = "document.querySelectorAll('#sample *').length"
    page.wait_for_selector(".lanes svg")
    assert page.evaluate(nodes) < 4000
    assert "55:00" in page.locator(".lanes svg").inner_html()
    assert page.get_attribute(".said >> nth=0", "aria-setsize") == str(len(moved(utterances(3000, HOUR))))
    page.locator(".lanes").focus()
    for _ in range(7):
        page.keyboard.press("+")
    page.keyboard.press("End")
    page.keyboard.press("Shift+ArrowLeft")
    until(page, "document.querySelector('.lanes').scrollLeft > 50000")
    until(page, "document.querySelector('.lanes svg').innerHTML.includes('59:5')")
    assert 0 <= playhead(page) <= page.locator(".lanes").bounding_box()["width"]
    assert 5 < page.locator(".lanes .segment").count() < 100
    assert page.evaluate(nodes) < 2000
    page.keyboard.press("Home")
    until(page, "document.querySelector('.lanes').scrollLeft === 0")
    page.locator(".lines").focus()
    page.keyboard.press("End")
    assert said_now(page)
    assert page.locator(".said").count() < 60


def test_times_beyond_the_end_of_a_clip_do_not_spoil_its_axis(opened: Opened, clip: Path, tmp_path: Path) -> None:
    told = [*utterances(4, 20), {"start": 15.0, "end": 1e9, "primary": "Joy"}]
    result = streams(tmp_path, [(clip, 20.0, utterances(4, 20), told), (None, 20.0, None, told)])
    page = opened(write(result), sample(0))
    until(page, "Math.abs(document.querySelector('.lanes').ariaValueMax - 22) < 3")
    page.goto(page.url.replace("clip_0", "clip_1"))
    until(page, "document.querySelector('#sample-id').textContent === 'clip_1'")
    assert page.get_attribute(".lanes", "aria-valuemax") == "20.0"


def test_all_utterances_can_be_read_as_a_table(opened: Opened, talk: Path) -> None:
    page = opened(talk, sample(5))
    table = page.locator("table.utterances")
    assert table.locator("tbody tr").count() == 0
    page.locator("summary", has_text="as a table").click()
    until(page, "document.querySelectorAll('table.utterances tbody tr').length === 300")
    page.get_by_role("button", name="Show more").click()
    assert table.locator("tbody tr").count() == 600
    first = table.locator("tbody tr").first.inner_text()
    assert "Gold" in first
    assert utterances(3000, HOUR)[0]["primary"] in first
