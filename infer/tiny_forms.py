"""Replies that the tiny checkpoint learns to write in pretraining: the question names what the reply says.

So the language layers know the forms of a reply and the labels' names, and not which face or voice they belong to. The
form matters: layers that never wrote a word of it cannot be brought to by LoRA, which leaves the output matrix alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from infer.store import to_json
from infer.stream.modes import TEMPLATES
from infer.stream.parts import clock
from prompts.render import Messages, load_template, render
from prompts.schema import UTTERANCE_KEYS
from tasks.labels import label_space
from tasks.synthetic import SYNTHETIC
from tasks.synthetic.plan import FINE_LABELS
from tasks.synthetic.stream import SYNTHETIC_STREAM
from tasks.task import Media, MediaOptions, Sample

if TYPE_CHECKING:
    from numpy.random import Generator

LABELS = label_space("basic7").labels
LANGUAGES = ("en", "zh")
# Of the timelines, how many are of one utterance whose times the question names; the most utterances of the others,
# and how long pauses and utterances are, in seconds.
ONE, MOST = 0.6, 3
PAUSE_S, UTTERANCE_S = (0, 3), (1, 6)
ASKED = "List the utterances of this excerpt in the order of time, as JSON."
HEAD = {"summary": None, "overall_emotion_trend": {"dominant": None, "trajectory": None}}


def named(rng: Generator, timelines: float = 0.0) -> tuple[Messages, str]:
    """A question about a video that names the answer, and the reply, as constrained decoding writes it: a label, or
    with the probability `timelines` a timeline."""
    if timelines and rng.uniform() < timelines:
        return _one_utterance(rng) if rng.uniform() < ONE else _timeline(rng)
    label = LABELS[int(rng.integers(len(LABELS)))]
    sample = _sample(f"The answer is {label}.", LANGUAGES[int(rng.integers(2))])
    return render(SYNTHETIC, sample, MediaOptions()), to_json({"label": label})


def _one_utterance(rng: Generator) -> tuple[Messages, str]:
    """As `omnimer infer --mode given` and `online` ask."""
    said = _utterance(rng, int(rng.integers(*UTTERANCE_S)) - 1)
    mode = list(TEMPLATES)[int(rng.integers(len(TEMPLATES)))]
    text = f"The answer is {said['primary_7class']} {said['intensity']}."
    sample = _sample(text, LANGUAGES[int(rng.integers(2))], part_span=said["timestamp_range"])
    template = load_template(TEMPLATES[mode])
    return render(SYNTHETIC_STREAM, sample, MediaOptions(), template=template), to_json({**HEAD, "utterances": [said]})


def _timeline(rng: Generator) -> tuple[Messages, str]:
    """Every key of an utterance; what nobody could know is null."""
    heard: list[dict[str, Any]] = []
    time = 0
    for _ in range(int(rng.integers(MOST + 1))):
        said = _utterance(rng, time + int(rng.integers(*PAUSE_S)))
        heard.append({"timestamp_range": said["timestamp_range"]} | dict.fromkeys(UTTERANCE_KEYS) | said)
        time = int(said["timestamp_range"][-2:])
    lines = [f"{each['timestamp_range']} {each['primary_7class']} {each['intensity']}" for each in heard]
    content: Any = [{"type": "video", "media": 0}, {"type": "audio", "media": 0}]
    content.append({"type": "text", "text": "\n".join([ASKED, *lines])})
    return [{"role": "user", "content": content}], to_json({**HEAD, "utterances": heard})


def _utterance(rng: Generator, start: int) -> dict[str, Any]:
    label = LABELS[int(rng.integers(len(LABELS)))]
    end = start + int(rng.integers(*UTTERANCE_S))
    said = {"primary_7class": label, "secondary_Goemotions": [FINE_LABELS[label][0]]}
    return {"timestamp_range": f"{clock(start)}-{clock(end)}", **said, "intensity": int(rng.integers(1, 6))}


def _sample(text: str, language: str, **meta: str) -> Sample:
    return Sample("", None, text, (Media("video", Path()),), language, meta=meta)
