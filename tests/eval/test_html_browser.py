"""The report page in a real Chromium: what a reader does with it.

Skipped with the reason where playwright or a Chromium is missing (scripts/setup_browser.sh).
"""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from eval.answers import read_answers
from eval.report import RunResult
from eval.scores import score
from infer.engine import Reply
from tasks.task import AnyOf, Sample, Task
from tests.eval.html_runs import LABELS, Opened, run, shown, until, write


def rows_in(page: Any) -> list[str]:
    """The ids of the rows drawn, from top to bottom."""
    found = page.eval_on_selector_all(
        "#list .row", "rows => rows.map(row => [Number(row.getAttribute('aria-posinset')), row.id])"
    )
    return [name for _, name in sorted(found)]


def expected(result: RunResult, keep: Callable[[int], bool]) -> int:
    return sum(map(keep, range(len(result.samples))))


# --- the report


def test_the_report_shows_the_scores(opened: Opened, report: Path, result: RunResult) -> None:
    page = opened(report)
    cards = page.locator(".cards li").all_inner_texts()
    rows = [row for row in result.scores.rows if row.slice == "all"]
    assert len(cards) == len(rows)
    for text, row in zip(cards, rows, strict=True):
        assert row.low is not None
        assert f"{row.value:.3f}" in text
        assert f"95%: {row.low:.3f} to {row.high:.3f}" in text
    assert page.locator("#view-report h2").all_inner_texts()[:2] == ["Scores", "By slice"]
    assert page.title() == "mood@7 · first · omnimer"


def test_a_cell_of_the_confusion_matrix_leads_to_its_samples(opened: Opened, report: Path, result: RunResult) -> None:
    page = opened(report)
    page.get_by_label("count", exact=True).check()
    table = page.locator("table.confusion")
    gold, given = 0, 1
    cell = table.locator("tbody tr").nth(gold).locator("td").nth(given)
    count = result.scores.confusion[gold][given]
    assert cell.inner_text() == str(count)
    cell.locator("a").click()
    page.wait_for_selector("#view-samples:not([hidden])")
    assert shown(page) == count
    assert (page.input_value("#gold"), page.input_value("#given")) == (LABELS[gold], LABELS[given])
    page.go_back()
    page.wait_for_selector("#view-report:not([hidden])")


def test_unanswered_samples_have_a_column(opened: Opened, report: Path, result: RunResult) -> None:
    page = opened(report)
    page.locator("table.confusion tbody tr").first.locator("td a").last.click()
    page.wait_for_selector("#view-samples:not([hidden])")
    assert shown(page) == result.scores.confusion[0][-1] > 0


def test_runs_stand_side_by_side(opened: Opened, report: Path, result: RunResult, tmp_path: Path) -> None:
    other = run(tmp_path / "second", 120, seed=0, clips=[medium.path for medium in result.samples[0].media])
    weak = run(tmp_path / "weak", 120, seed=3)
    page = opened(write(run(tmp_path / "mine", 120), other, weak))
    text = page.inner_text("#comparison")
    assert all(name in text for name in ("mine", "second", "weak", "Differences to mine", "cannot be compared"))
    page.goto(page.url.split("#")[0] + "#samples?other=differ:1")
    page.wait_for_selector("#view-samples:not([hidden])")
    mine, theirs = run(tmp_path / "m", 120), {answer.id: answer for answer in weak.answers}

    def label(answer: Any) -> Any:
        return answer.value and answer.value["label"]

    assert shown(page) == sum(label(answer) != label(theirs[answer.id]) for answer in mine.answers) > 0


def test_answers_that_are_sets_of_labels_have_a_page(opened: Opened, tmp_path: Path) -> None:
    kind = AnyOf(("joy", "love", "fear"))
    task = Task("set", "1", "test", lambda root, split: (), kind, "oneof_json", ("set_micro_f1",), "speaker")
    samples = [
        Sample(f"s{i}", {"labels": [{"label": name, "confidence": 1.0} for name in kind.labels[: i % 3 + 1]]})
        for i in range(12)
    ]
    text = '{"labels": [{"label": "joy", "confidence": 0.9}, {"label": "fear", "confidence": 0.4}]}'
    replies = {sample.id: Reply(sample.id, "k", text) for sample in samples}
    answers = read_answers(samples, replies.values(), kind)
    facts = {"config": {"task": "set@1", "model": {"model": "tiny"}}}
    scores = score(task, samples, answers, 20)
    page = opened(write(RunResult(tmp_path, task, facts, samples, scores, answers, replies)))
    assert "Label micro-F1" in page.inner_text(".cards")
    assert "Per label of the set" in page.inner_text("#view-report")
    page.goto(page.url.split("#")[0] + "#samples?gold=love&id=s1")
    page.wait_for_selector("#sample-id")
    assert shown(page) == 8
    assert page.is_disabled("#right")
    assert page.locator("#sample .answers .name").all_inner_texts() == ["✓ joy", "love", "✓ joy", "fear"]


# --- the sample browser


FILTERS: list[tuple[dict[str, str], Callable[[RunResult, int], bool]]] = [
    ({"gold": "happy"}, lambda r, i: (r.samples[i].gold or {})["label"] == "happy"),
    ({"given": "calm"}, lambda r, i: (r.answers[i].value or {}).get("label") == "calm"),
    ({"given": "(no answer)"}, lambda r, i: r.answers[i].value is None),
    ({"right": "wrong"}, lambda r, i: (r.answers[i].value or {}).get("label") != (r.samples[i].gold or {})["label"]),
    ({"right": "right"}, lambda r, i: (r.answers[i].value or {}).get("label") == (r.samples[i].gold or {})["label"]),
    ({"tag": "outcome:repaired"}, lambda r, i: bool(r.answers[i].repairs)),
    ({"tag": "repair:fence"}, lambda r, i: "fence" in r.answers[i].repairs),
    ({"tag": "outcome:unreadable"}, lambda r, i: r.answers[i].reason is not None),
    ({"tag": "outcome:failed request"}, lambda r, i: r.answers[i].error is not None),
    ({"tag": "fed:no audio tokens"}, lambda r, i: i % 12 == 5),
    ({"s.language": "zh"}, lambda r, i: r.samples[i].language == "zh"),
    ({"s.tier": "low", "s.language": "zh"}, lambda r, i: i % 3 == 1 and i % 2 == 1),
    ({"q": "天气"}, lambda r, i: "天气" in r.samples[i].text),
    ({"q": "CANNOT say"}, lambda r, i: i % 12 == 9),
    ({"q": "clip_00042"}, lambda r, i: i == 42),
    ({"q": "nothing holds this"}, lambda r, i: False),
    (
        {"gold": "happy", "right": "wrong", "s.tier": "high"},
        lambda r, i: (
            i % 3 == 0
            and (r.samples[i].gold or {})["label"] == "happy"
            and (r.answers[i].value or {}).get("label") != "happy"
        ),
    ),
]


@pytest.mark.parametrize(("query", "keep"), FILTERS, ids=[urlencode(query) for query, _ in FILTERS])
def test_an_address_filters(opened: Opened, report: Path, result: RunResult, query: dict[str, str], keep: Any) -> None:
    page = opened(report, f"#samples?{urlencode(query)}")
    count = expected(result, lambda i: keep(result, i))
    assert shown(page) == count
    assert page.is_visible("#list .empty") == (count == 0)


def test_the_form_filters_and_the_address_follows(opened: Opened, report: Path, result: RunResult) -> None:
    page = opened(report, "#samples")
    assert shown(page) == 120
    page.select_option("#gold", "happy")
    page.select_option("#slices select[data-slice=language]", "=zh")
    page.fill("#q", "天气")
    until(page, "location.hash.includes('q=')")
    count = expected(result, lambda i: i % 2 == 1 and (result.samples[i].gold or {})["label"] == "happy")
    assert shown(page) == count > 0
    page.reload()
    page.wait_for_selector("body.ready")
    assert shown(page) == count
    assert page.input_value("#q") == "天气"
    page.click("#reset")
    assert shown(page) == 120
    assert page.evaluate("location.hash") == "#samples"


def test_the_order_puts_the_most_confident_first(opened: Opened, report: Path, result: RunResult) -> None:
    page = opened(report, "#samples?order=sure")
    sure = [(answer.value or {}).get("confidence") for answer in result.answers]
    best = max(range(120), key=lambda i: (-1 if sure[i] is None else sure[i], -i))
    assert rows_in(page)[0] == f"row-{best}"
    page.select_option("#order", "unsure")
    least = min(range(120), key=lambda i: (2 if sure[i] is None else sure[i], i))
    assert rows_in(page)[0] == f"row-{least}"


def sample_id(page: Any) -> str:
    return str(page.inner_text("#sample-id"))


def test_keys_go_through_the_samples(opened: Opened, report: Path) -> None:
    page = opened(report, "#samples")
    page.keyboard.press("j")
    assert sample_id(page) == "clip_00000"
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    assert sample_id(page) == "clip_00002"
    page.keyboard.press("k")
    assert sample_id(page) == "clip_00001"
    assert page.get_attribute("#row-1", "aria-selected") == "true"
    assert page.get_attribute("#list", "aria-activedescendant") == "row-1"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("jk")
    until(page, "location.hash.includes('q=jk')")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") != "q"
    page.click("#reset")
    page.keyboard.press("Escape")
    assert page.locator("#sample-id").count() == 0
    for _ in range(30):
        page.keyboard.press("j")
    assert sample_id(page) == "clip_00029"
    box, row = page.locator("#list").bounding_box(), page.locator("#row-29").bounding_box()
    assert box["y"] <= row["y"]
    assert row["y"] + row["height"] <= box["y"] + box["height"] + 1


def test_back_closes_a_sample(opened: Opened, report: Path) -> None:
    page = opened(report, "#samples?gold=happy")
    page.locator("#list .row").nth(1).click()
    assert "id=" in page.evaluate("location.hash")
    page.go_back()
    until(page, "document.querySelector('#sample-id') === null")
    assert "id=" not in page.evaluate("location.hash")
    assert page.input_value("#gold") == "happy"


def test_a_sample_shows_all_that_is_known(opened: Opened, report: Path, result: RunResult) -> None:
    page = opened(report, "#samples?id=clip_00011")
    text = page.inner_text("#sample")
    assert result.samples[11].text in text
    assert "3 annotators" in text
    assert "Label probabilities" in text
    assert "Raw reply" in text
    assert (result.replies["clip_00011"].text or "?") in text
    assert page.get_attribute("#sample blockquote", "lang") == "zh"
    page.goto(page.url.replace("00011", "00008"))
    until(page, "document.querySelector('#sample-id').textContent.includes('00008')")
    assert "fence" in page.inner_text("#sample .how")
    page.goto(page.url.replace("00008", "00009"))
    until(page, "document.querySelector('#sample-id').textContent.includes('00009')")
    assert "No readable answer" in page.inner_text("#sample")
    page.goto(page.url.replace("00009", "00010"))
    until(page, "document.querySelector('#sample-id').textContent.includes('00010')")
    assert "media: clip 10: no frames" in page.inner_text("#sample")


# --- clips


@pytest.mark.parametrize("index", [0, 1])
def test_the_clip_plays_from_where_it_lies(opened: Opened, report: Path, clips: list[Path], index: int) -> None:
    """The second clip has a hostile name."""
    page = opened(report, f"#samples?id=clip_0000{index}")
    until(page, "document.querySelector('#sample video').readyState >= 1")
    video = page.locator("#sample video")
    assert video.evaluate("v => v.videoWidth") > 0
    assert video.evaluate("v => v.controls")
    assert (
        Path(page.evaluate("decodeURIComponent(new URL(document.querySelector('#sample video').src).pathname)"))
        == clips[index]
    )
    page.keyboard.press(" ")
    until(page, "document.querySelector('#sample video').currentTime > 0")


@pytest.fixture
def server(clips: list[Path]) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    serving = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(clips[0].parents[2]))
    )
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_address[1]}"
    serving.shutdown()
    serving.server_close()


def test_clips_can_come_from_a_server_and_the_page_remembers_it(
    opened: Opened, report: Path, server: str, clips: list[Path]
) -> None:
    page = opened(report, "#samples?id=clip_00001")
    page.click(".where summary")
    assert page.inner_text(".where code >> nth=0") == str(clips[0].parents[2])
    for bad in ("javascript:alert(1)", "data:text/html,x", "localhost:8000"):
        page.fill(".where input", bad)
        page.click(".where button")
        assert "has to start with" in page.inner_text(".where .problem")
    page.fill(".where input", server)
    page.click(".where button")
    until(page, "document.querySelector('#sample video').src.startsWith('http://127')")
    until(page, "document.querySelector('#sample video').readyState >= 1")
    page.keyboard.press("j")
    until(page, "document.querySelector('#sample video').src.startsWith('http://127')")
    page.reload()
    page.wait_for_selector("#sample video")
    assert page.get_attribute("#sample video", "src").startswith(server)


def test_a_clip_that_is_not_there_says_where_it_was_looked_for(opened: Opened, tmp_path: Path) -> None:
    page = opened(write(run(tmp_path / "r", 12, clips=[tmp_path / "gone" / "a.mp4"])), "#samples?id=clip_00000")
    page.wait_for_selector(".trouble:not([hidden])")
    assert str(tmp_path / "gone") in page.inner_text(".trouble")
