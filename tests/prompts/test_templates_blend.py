"""The prompt for blends: what it says of shares and labels, and of the media that are there; its canonical reply."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from prompts.parsing import Parsed, parse
from prompts.render import load_template, render
from prompts.schema import dump, schema
from tasks.blemore import BLEMORE, LABELS
from tasks.task import Blend, Media, MediaOptions, Sample

CLIP = Sample("A1_ang_int1_ver1", None, media=(Media("video", Path("clip.mov")),))


def asked(options: MediaOptions | None = None) -> str:
    (message,) = render(BLEMORE, CLIP, options or MediaOptions())
    return message["content"][-1]["text"]


def test_it_is_the_template_of_the_task_and_asks_for_json() -> None:
    template = load_template(BLEMORE.template)
    assert (template.name, template.reply) == ("blend_json", "json")


def test_every_label_is_named_and_explained_once() -> None:
    for label in LABELS:
        assert len(re.findall(rf"^- {label}: \w+", asked(), re.MULTILINE)) == 1


def test_the_shares_that_occur_are_named() -> None:
    assert isinstance(BLEMORE.answer, Blend)
    for share in (*BLEMORE.answer.grid, 100):
        assert re.search(rf"\b{share}\b", asked().split("Answer with")[0]), share
    assert "neu is never part of a blend" in asked()


def test_the_schema_stands_at_the_end() -> None:
    assert json.loads(asked().splitlines()[-1]) == schema(BLEMORE.answer)


@pytest.mark.parametrize(
    ("options", "there", "absent"),
    [
        (MediaOptions(), ("face", "voice"), ("no sound", "no pictures")),
        (MediaOptions(audio=False), ("face", "no sound"), ("voice", "listen", "no pictures")),
        (MediaOptions(video=False), ("voice", "no pictures"), ("face", "watch", "no sound")),
    ],
)
def test_it_speaks_of_what_is_fed(options: MediaOptions, there: tuple[str, ...], absent: tuple[str, ...]) -> None:
    text = asked(options).lower()
    assert all(word in text for word in there)
    assert not any(word in text for word in absent)


def test_nobody_is_said_to_speak() -> None:
    assert "without a word" in asked()
    assert not re.search(r"transcript|speaker", asked(), re.IGNORECASE)


def test_the_canonical_reply_comes_back() -> None:
    value = {"emotions": [{"emotion": "fea", "salience": 30}, {"emotion": "hap", "salience": 70}]}
    assert parse(dump(value, BLEMORE.answer), BLEMORE.answer) == Parsed(value, "schema")
    # what label decoding puts in front of a label
    assert dump(value, BLEMORE.answer).replace(" ", "").startswith('{"emotions":[{"emotion":"')
