"""The templates of timelines: Prompt B in both forms, excerpts, and one utterance by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prompts.parsing import Parsed, parse
from prompts.render import load_template, render
from prompts.schema import schema
from tasks.emos_stream import EMOS_STREAM, KIND
from tasks.task import Media, MediaOptions, Sample

CLIP = (Media("video", Path("clip.mp4")),)
PROMPT_B = ("emos_stream_json", "emos_stream_text")
SINGLE = ("stream_given_json", "stream_online_json")
EXCERPT = {"part_number": 2, "part_count": 5, "part_from": "00:55", "part_to": "01:55", "part_clip": "04:10"}
MASKS = {"both": (True, True), "video": (True, False), "audio": (False, True)}


def question(name: str, *, mask: str = "both", transcript: bool = True, text: str = "", **fields: object) -> str:
    meta = fields.pop("meta", {})
    sample = Sample("s", None, text, CLIP, language="zh", meta=meta, **fields)  # type: ignore[arg-type]
    video, audio = MASKS[mask]
    options = MediaOptions(video=video, audio=audio)
    (message,) = render(EMOS_STREAM, sample, options, template=load_template(name), transcript=transcript)
    return message["content"][-1]["text"]


@pytest.mark.parametrize("name", PROMPT_B)
def test_prompt_b_says_what_is_asked_and_in_one_form(name: str) -> None:
    shown = question(name)
    for word in ("main subject", "MM:SS", "without overlaps", "1 (weak) to 5"):
        assert word in shown
    for label in (*KIND.primary.labels, *KIND.secondary.labels):
        assert label in shown
    json_form = name.endswith("json")
    assert ("JSON only" in shown, "plain text, not JSON" in shown) == (json_form, not json_form)
    assert (json.dumps(schema(KIND), ensure_ascii=False) in shown) == json_form
    assert load_template(name).reply == ("json" if json_form else "text")
    assert "at once" in load_template(name).source, "the contradiction of the paper is on record"


@pytest.mark.parametrize("name", PROMPT_B)
def test_a_whole_clip_is_no_excerpt(name: str) -> None:
    assert "excerpt" not in question(name)
    assert "Transcript" not in question(name)
    assert "Transcript (zh): 你好" in question(name, text="你好")
    assert "你好" not in question(name, text="你好", transcript=False)


@pytest.mark.parametrize("name", PROMPT_B)
def test_an_excerpt_is_told_its_place_and_what_came_before(name: str) -> None:
    first = question(name, meta={**EXCERPT, "part_summary": ""})
    assert "00:55 to 01:55 of a clip of 04:10, part 2 of 5" in first
    assert "Summary of the clip" not in first
    assert "last utterances" not in first
    told = question(
        name, meta={**EXCERPT, "part_summary": "They met."}, context=("Ann: hello — Joy", "Bob: no — Anger")
    )
    assert "Summary of the clip up to here: They met." in told
    assert "- Ann: hello — Joy\n- Bob: no — Anger\n" in told


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("mask", MASKS)
def test_one_utterance_is_named_by_its_place(name: str, mask: str) -> None:
    shown = question(name, mask=mask, text="你好", meta={"part_span": "00:03-00:07"}, context=("   one", ">> two"))
    assert shown.count("00:03-00:07") == 2
    assert "(zh): 你好" in shown
    assert ">> two" in shown
    assert ("isten to the voice" in shown) == (mask != "video")
    assert ("Watch the face" in shown) == (mask != "audio")
    assert "你好" not in question(name, text="你好", transcript=False, meta={"part_span": "00:03-00:07"})


@pytest.mark.parametrize("name", SINGLE)
def test_the_form_that_is_shown_is_read_as_it_stands(name: str) -> None:
    form = question(name, meta={"part_span": "00:03-00:07"}).splitlines()[-1]
    filled = form.replace('"primary_7class": "…"', '"primary_7class": "Fear"').replace(
        '["…"]', '["fear", "nervousness"]'
    )
    outcome = parse(filled, KIND)
    assert isinstance(outcome, Parsed)
    assert (outcome.rule, outcome.repairs) == ("schema", ())
    (utterance,) = outcome.value["utterances"]
    assert (utterance["start"], utterance["end"], utterance["primary"]) == (3, 7, "Fear")


def test_a_reply_in_the_plain_text_form_is_read_whole() -> None:
    form = question("emos_stream_text").splitlines()
    keys = form[form.index("Utterance-Level Annotations:") - 4 : -1]
    values = {
        "Summary": "They quarrel and part.",
        "Dominant emotion": "Anger",
        "Trajectory": "rises until 00:09",
        "Timestamp range": "00:04-00:09",
        "Speaker guess": "Ann",
        "Chinese transcript": "不行",
        "English transcript": "no way",
        "Primary emotion": "Anger",
        "Secondary emotions": "anger, annoyance",
        "Intensity": "4",
        "Audio cues": "loud",
        "Visual cues": "frowns",
        "Evidence": "She shouts.",
    }
    filled = [f"{key}: {values.pop(key, '')}".strip() for key in (line.partition(":")[0] for line in keys)]
    assert not values, "the form names every field"
    outcome = parse("\n".join(filled), KIND)
    assert isinstance(outcome, Parsed)
    assert (outcome.repairs, outcome.dropped) == ((), ())
    assert outcome.value["summary"] == "They quarrel and part."
    assert outcome.value["trend"] == {"dominant": "Anger", "trajectory": "rises until 00:09"}
    assert outcome.value["utterances"] == [
        {
            "start": 4,
            "end": 9,
            "speaker": "Ann",
            "transcript_zh": "不行",
            "transcript_en": "no way",
            "primary": "Anger",
            "secondary": ["anger", "annoyance"],
            "intensity": 4,
            "audio_cues": "loud",
            "visual_cues": "frowns",
            "evidence": "She shouts.",
        }
    ]


@pytest.mark.parametrize("name", SINGLE)
def test_a_template_of_one_utterance_cannot_be_asked_about_a_clip(name: str) -> None:
    with pytest.raises(ValueError, match="part_span"):
        question(name)
