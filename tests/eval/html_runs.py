"""For the tests of the report page: runs made in memory, of any size, with hostile text where it is asked for; and what
a test does with a page in a browser (fixtures: conftest.py)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from eval.answers import read_answers
from eval.html import build
from eval.report import RunResult
from eval.scores import score
from infer.engine import Fed, Reply
from tasks.task import Media, OneOf, Sample, Task

LABELS = ("calm", "happy", "tense")
TASK = Task("mood", "7", "our lab", lambda root, split: (), OneOf(LABELS), "oneof_json", ("macro_f1", "accuracy"),
            "speaker", ("language", "tier"))  # fmt: skip
# Opens a report in a browser: opened(file, "#samples?…", size=WIDE, scheme="light") -> page.
Opened = Callable[..., Any]
WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 360, "height": 740}
WORDS = {"zh": "昨天的天气很好但是他没有来", "en": "nobody told me that the door was open all night"}


def run(
    folder: Path,
    count: int,
    *,
    seed: int = 0,
    clips: Sequence[Path] = (),
    texts: Sequence[str] = (),
    labels: Sequence[str] = LABELS,
    long: int = 0,
) -> RunResult:
    """A run of `count` samples. In turn: eight replies valid as they stand, one fenced, one refusal, one failure and
    one with label probabilities.

    `clips` are handed out in turn. `texts` take the place of transcripts, ids, errors and the prose around replies.
    `long` letters of prose are added to each reply.
    """
    task = TASK if labels is LABELS else Task("mood", "7", "our lab", TASK.adapter, OneOf(tuple(labels)), "oneof_json",
                                              TASK.metrics, TASK.group, TASK.slices)  # fmt: skip
    rng = random.Random(seed)  # noqa: S311 - test data
    samples, replies = [], {}
    for i in range(count):
        text = texts[i % len(texts)] if texts else ""
        language = ("en", "zh")[i % 2]
        gold = labels[rng.randrange(len(labels))]
        votes = [gold, gold, labels[rng.randrange(len(labels))]]
        sample = Sample(
            id=f"clip_{i:05d}{text}",
            gold={"label": gold},
            text=text or f"{i} {WORDS[language]}",
            media=(Media("video", clips[i % len(clips)]),) if clips else (),
            language=language,
            meta={"speaker": f"p{i % 40}{text}", "tier": ("high", "low", "medium")[i % 3], "votes": votes},
        )
        samples.append(sample)
        replies[sample.id] = _reply(sample, i, rng, labels, text + "x" * long)
    answers = read_answers(samples, replies.values(), task.answer)
    facts = {
        "config": {"task": task.full_name, "model": {"model": texts[0] if texts else "tiny"}, "split": "test"},
        "versions": {"python": "3.11.9"},
        "finished": "2026-01-02T03:04:05Z",
        "prompt_of_first_request": texts[0] if texts else "Name the mood.",
    }
    return RunResult(folder, task, facts, samples, score(task, samples, answers, 50), answers, replies)


def _reply(sample: Sample, i: int, rng: random.Random, labels: Sequence[str], text: str) -> Reply:
    assert sample.gold is not None
    sure = round(rng.random(), 2)
    label = sample.gold["label"] if rng.random() < sure else labels[rng.randrange(len(labels))]
    fed = Fed(
        rng.randrange(4, 30), 2.0, 4.0, 0 if i % 12 == 5 else rng.randrange(50, 300), 144, (text[:60],) if text else ()
    )
    good = f'{{"label": "{label}", "confidence": {sure}}}'
    match i % 12:
        case 8:
            return Reply(sample.id, "k", f"```json\n{good}\n```\n{text}", "stop", {"prompt_tokens": 400}, fed)
        case 9:
            return Reply(sample.id, "k", f"I cannot say anything about this person. {text}", "stop", {}, fed)
        case 10:
            return Reply(sample.id, "k", error=f"media: clip {i}: no frames {text}")
        case 11:
            logs = {name: -0.1 if name == label else -3.0 for name in labels}
            return Reply(sample.id, "k", f'{{"label": "{label}"}}', "label", {}, fed, logs)
        case _:
            return Reply(sample.id, "k", good + " " * bool(text) + text, "stop", {"prompt_tokens": 400}, fed)


def write(result: RunResult, *others: RunResult) -> Path:
    """Builds the page of a run into its folder."""
    result.folder.mkdir(parents=True, exist_ok=True)
    file = result.folder / "report.html"
    file.write_text(build([result, *others]), encoding="utf-8", newline="\n")
    return file


def until(page: Any, expression: str, seconds: float = 15.0) -> None:
    """Waits until a JavaScript expression holds. (The page's policy forbids playwright's own way, which needs eval.)"""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never came true: {expression}"
        time.sleep(0.02)


def shown(page: Any) -> int:
    """How many samples the list says it holds."""
    return int(page.inner_text("#count").split()[0].replace(",", ""))
