"""For the tests of the report page: runs made in memory, of any size, with hostile text where it is asked for; and what
a test does with a page in a browser (fixtures: conftest.py)."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from eval.answers import Answer, read_answers
from eval.html import build
from eval.report import RunResult
from eval.scores import Scores, score
from infer.engine import Fed, Reply
from tasks.labels import label_space
from tasks.task import AnyOf, Media, OneOf, Sample, Task, Timeline

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


# How long anything that a page does may take before a test gives up: a slow or busy machine is no failure.
LIMIT_S = 120.0


def until(page: Any, expression: str) -> None:
    """Waits until a JavaScript expression holds. (The page's policy forbids playwright's own way, which needs eval.)"""
    end = time.monotonic() + LIMIT_S
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never came true: {expression}"
        time.sleep(0.02)


def shown(page: Any) -> int:
    """How many samples the list says it holds."""
    return int(page.inner_text("#count").split()[0].replace(",", ""))


# The texts that are hard to read: less than 4.5 to 1 between letters and ground.
CONTRAST = """
() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const light = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (!/^rgba\\(0, 0, 0, 0\\)$|^transparent$/.test(colour)) return colour;
    }
    return getComputedStyle(document.documentElement).backgroundColor;
  };
  const low = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !e.checkVisibility() || e.closest('button:disabled, option, .unseen, .skip, svg')) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push(`${e.tagName}.${e.className} ${e.textContent.slice(0, 20)} ${ratio.toFixed(2)}`);
  }
  return low;
}
"""


# --- timelines

HOUR = 3600
PLAYER = "document.querySelector('#sample video')"

# Two frames, after which what waited for the next one has been drawn.
DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"


def ready(page: Any, length: str = f"{PLAYER}.duration") -> None:
    """Waits until the player knows its file, the page has been told so, and the lanes are drawn at this length (s)."""
    until(page, f"{PLAYER}.readyState >= 1")
    until(page, f"document.querySelector('.lanes').ariaValueMax > {length} - 0.1")
    until(page, "document.querySelector('.playhead') !== null")
    assert page.evaluate(DRAWN)


def sample(number: int) -> str:
    return f"#samples?id=clip_{number}"


STREAM = Task("stream", "1", "our lab", lambda root, split: (), Timeline(OneOf(*label_space("basic7")),
              AnyOf(*label_space("goemotions28"))), "emos_stream_json", (), "film", ("language",))  # fmt: skip


def utterances(count: int, seconds: float, seed: int = 0, text: str = "") -> list[dict[str, Any]]:
    """So many utterances with pauses between them in a clip of `seconds`; each hundredth states no intensity."""
    assert isinstance(STREAM.answer, Timeline)
    rng = random.Random(seed)  # noqa: S311 - test data
    room = seconds / count
    found = []
    for number in range(count):
        start = round(number * room + rng.random() * 0.2 * room, 3)
        found.append({
            "start": start,
            "end": round(start + room * (0.5 + 0.3 * rng.random()), 3),
            "speaker": f"speaker {number % 3}{text}",
            "transcript_zh": f"{number} {WORDS['zh']}" if number % 2 else None,
            "transcript_en": f"{number} {text or WORDS['en']}",
            "primary": rng.choice(STREAM.answer.primary.labels),
            "secondary": rng.sample(STREAM.answer.secondary.labels, 2),
            "intensity": None if number % 100 == 99 else rng.randrange(1, 6),
            "audio_cues": "low, slow" + text,
            "visual_cues": None,
            "evidence": f"evidence {number}{text}",
        })  # fmt: skip
    return found


def moved(gold: Sequence[dict[str, Any]], seed: int = 1) -> list[dict[str, Any]]:
    """An answer to these utterances: one in nine lost, starts off by up to 0.4 s, one label in three another."""
    assert isinstance(STREAM.answer, Timeline)
    rng = random.Random(seed)  # noqa: S311 - test data
    found = []
    for number, item in enumerate(gold):
        if number % 9 != 4:
            label = rng.choice(STREAM.answer.primary.labels) if rng.random() < 0.33 else item["primary"]
            start = max(0.0, round(item["start"] + rng.uniform(-0.2, 0.4) * (item["end"] - item["start"]), 3))
            found.append({**item, "start": start, "primary": label, "intensity": rng.randrange(1, 6), "parts": [0]})
    return found


def streams(
    folder: Path,
    clips: Sequence[tuple[Path | None, float, list[dict[str, Any]] | None, list[dict[str, Any]] | None]],
    text: str = "",
) -> RunResult:
    """A run over timelines: of each clip its file, length, gold and answered utterances (None: no gold, no answer)."""
    samples, answers, replies = [], [], {}
    for number, (path, seconds, gold, told) in enumerate(clips):
        media = () if path is None else (Media("video", path),)
        meta = {"film": f"film {number}"} if path is not None else {"film": f"film {number}", "duration_s": seconds}
        sample = Sample(f"clip_{number}{text}", None if gold is None else _whole(gold, text), media=media,
                        language=("en", "zh")[number % 2], meta=meta)  # fmt: skip
        samples.append(sample)
        replies[sample.id] = Reply(sample.id, "k", json.dumps(told), "stop", {}, Fed(8, 2.0, seconds, 100, 144))
        if told is None:
            answers.append(Answer(sample.id, reason="no_answer"))
        else:
            answers.append(Answer(sample.id, _whole(told, text), "schema"))
    facts = {"config": {"task": STREAM.full_name, "model": {"model": "tiny"}}, "finished": "2026-01-02T03:04:05Z"}
    return RunResult(folder, STREAM, facts, samples, Scores([]), answers, replies)


def _whole(said: list[dict[str, Any]], text: str) -> dict[str, Any]:
    trend = {"dominant": "Joy", "trajectory": f"00:00-00:05: from calm to loud{text}\n00:05-00:10: and back"}
    return {"summary": f"They talk.{text}", "trend": trend, "utterances": said}
