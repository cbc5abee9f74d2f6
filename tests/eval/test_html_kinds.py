"""Gold and answers of every kind in a real Chromium: sets, descriptions, shares, numbers, choices.

Skipped with the reason where playwright or a Chromium is missing (scripts/setup_browser.sh).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eval.answers import Answer
from eval.report import RunResult
from eval.scores import Scores
from infer.engine import Reply
from tasks.kinds import KINDS
from tasks.task import AnswerKind, Pick, Sample, Task
from tests.eval.html_runs import CONTRAST, PHONE, Opened, write

EVIL = "<img src=x onerror=alert(1)>"
GOOD = [
    ("AnyOf:open", {"labels": ["Sad", "lonely", EVIL]}, {"labels": ["sad", "tired", EVIL]}, {}),
    ("Described:open", {"labels": ["sad"]}, {"description": f"He looks down.\nHis voice {EVIL}.", "labels": ["sad"]},
     {}),
    ("Blend:blemore6", {"emotions": [{"emotion": "anger", "salience": 30}, {"emotion": "sadness", "salience": 70}]},
     {"emotions": [{"emotion": "sadness", "salience": 100}]}, {}),
    ("Dims:va", {"valence": 0.5, "arousal": -0.25}, {"valence": -0.125, "arousal": None}, {}),
    ("Pick:preference", {"choice": "a1"}, {"choice": "a2"}, {"a1": f"He laughs {EVIL}", "a2": "He weeps", "film": "x"}),
]  # fmt: skip


def kind_run(folder: Path, kind: AnswerKind, clips: list[tuple[Any, Any, dict[str, Any]]]) -> RunResult:
    task = Task("kinds", "1", "our lab", lambda root, split: (), kind, "oneof_json", (), "speaker")
    samples = [Sample(f"s{number}", gold, "it is", meta=meta) for number, (gold, _, meta) in enumerate(clips)]
    answers = [
        Answer(sample.id, value, "schema") if value is not None else Answer(sample.id, reason="no_answer")
        for sample, (_, value, _) in zip(samples, clips, strict=True)
    ]
    replies = {sample.id: Reply(sample.id, "k", "{}", "stop") for sample in samples}
    facts = {"config": {"task": "kinds@1", "model": {"model": "tiny"}}}
    return RunResult(folder, task, facts, samples, Scores([]), answers, replies)


def page_of(opened: Opened, folder: Path, name: str, **how: Any) -> Any:
    """The first sample of a page about the kind; the second has no gold, the third no answer."""
    ((kind, gold, value, meta),) = [row for row in GOOD if row[0] == name]
    clips = [(gold, value, meta), (None, value, meta), (gold, None, meta)]
    return opened(write(kind_run(folder, KINDS[kind], clips)), "#samples?id=s0", **how)


@pytest.mark.parametrize("name", [row[0] for row in GOOD])
@pytest.mark.parametrize("how", [{"scheme": "dark"}, {"size": PHONE}], ids=["dark", "phone"])
def test_every_kind_can_be_read(opened: Opened, tmp_path: Path, name: str, how: dict[str, Any]) -> None:
    page = page_of(opened, tmp_path, name, **how)
    for _ in range(3):
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
        assert "[object" not in page.inner_text("body")
        assert page.locator("#sample img").count() == 0
        page.keyboard.press("j")
    assert "No readable answer" in page.inner_text("#sample")


def test_words_that_gold_and_answer_share_are_marked(opened: Opened, tmp_path: Path) -> None:
    page = page_of(opened, tmp_path, "AnyOf:open")
    assert page.locator("#sample .answers dd .chip").all_inner_texts() == [
        "✓ Sad", "lonely", f"✓ {EVIL}", "✓ sad", "tired", f"✓ {EVIL}",
    ]  # fmt: skip
    assert "2 of 3 gold labels named" in page.inner_text(".answers")
    assert page.inner_text("#row-0 .labels").split(" → ")[1].startswith("sad, ")


def test_a_description_keeps_its_lines(opened: Opened, tmp_path: Path) -> None:
    page = page_of(opened, tmp_path, "Described:open")
    assert page.inner_text(".answers dd >> nth=1") == f"He looks down.\nHis voice {EVIL}."
    assert "1 of 1 gold label named" in page.inner_text(".answers")


def test_shares_of_a_blend_are_percentages(opened: Opened, tmp_path: Path) -> None:
    page = page_of(opened, tmp_path, "Blend:blemore6")
    assert page.locator(".answers .bar .value").all_inner_texts() == ["30%", "70%", "100%"]
    assert page.locator(".answers .name").all_inner_texts() == ["anger", "✓ sadness", "✓ sadness"]
    assert page.inner_text("#row-0 .labels") == "anger 30 + sadness 70 → sadness 100"


def test_numbers_stand_beside_each_other(opened: Opened, tmp_path: Path) -> None:
    page = page_of(opened, tmp_path, "Dims:va")
    rows = [row.split() for row in page.locator(".numbers tbody tr").all_inner_texts()]
    assert rows == [["valence", "0.500", "−0.125", "−0.625"], ["arousal", "−0.250", "–", "–"]]
    places = page.locator(".numbers .track > *").evaluate_all("all => all.map(e => e.style.getPropertyValue('--at'))")
    assert places == ["75.00%", "43.75%", "37.50%"]
    assert "valence -0.125" in page.inner_text("#row-0")
    page.keyboard.press("j")
    assert page.locator(".numbers .tick:not(.sign)").count() == 0


def test_the_texts_to_choose_from_stand_open(opened: Opened, tmp_path: Path) -> None:
    page = page_of(opened, tmp_path, "Pick:preference")
    boxes = page.locator("#sample .pair > .box").all_inner_texts()
    assert [box.split("\n\n") for box in boxes] == [["a1gold", f"He laughs {EVIL}"], ["a2answered", "He weeps"]]
    assert page.locator("table.settings", has_text="weeps").count() == 0
    assert "✗ wrong" in page.inner_text(".answers")


def test_options_of_a_task_have_texts_too(opened: Opened, tmp_path: Path) -> None:
    kind = Pick(("A", "B"), texts=("calm", "upset"))
    page = opened(write(kind_run(tmp_path, kind, [({"choice": "B"}, {"choice": "B"}, {})])), "#samples?id=s0")
    assert page.locator("#sample .pair > .box").all_inner_texts()[1].split("\n\n") == ["Bgoldanswered", "upset"]


def test_a_long_fact_is_folded(opened: Opened, tmp_path: Path) -> None:
    value = {"label": "Joy"}
    meta = {"sentences": [[i, i + 1, "said"] for i in range(100)], "short": "fact"}
    page = opened(write(kind_run(tmp_path, KINDS["OneOf:basic7"], [(value, value, meta)])), "#samples?id=s0")
    assert page.locator("table.settings details").count() == 1
    page.locator("table.settings summary").click()
    assert '[99,100,"said"]' in page.inner_text("table.settings details")
