"""What gold says about a part of a clip: the reply that is learned for it."""

from __future__ import annotations

from typing import Any

import pytest

from finetune.stream import gold_of
from infer.stream.parts import Part
from tasks.emos_stream import KIND
from tasks.task import Sample


def clip_with(*utterances: tuple[float, float, str], **gold: Any) -> Sample:
    said = [{"start": start, "end": end, "primary": label, "intensity": 3} for start, end, label in utterances]
    return Sample("clip", {"utterances": said, **gold})


def part_of(clip: Sample, mode: str, start: float, end: float, index: int = 0, of: int = 2) -> Part:
    return Part(clip, mode, index, of, start, end, (start, end), 60.0)


def times(value: dict[str, Any] | None) -> list[tuple[float, float, str]]:
    assert value is not None
    return [(each["start"], each["end"], each["primary"]) for each in value["utterances"]]


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((0.0, 10.0), [(1.0, 3.0, "Joy"), (5.0, 9.0, "Fear")]),
        ((2.9, 10.0), [(2.0, 6.0, "Fear")]),  # 0.2 s of the first are too little to be judged
        ((2.0, 5.6), [(0.0, 1.0, "Joy")]),  # half of the first; of the second 0.4 s
        ((0.0, 6.6), [(1.0, 3.0, "Joy"), (5.0, 7.0, "Fear")]),
        ((20.1, 22.0), [(0.0, 1.0, "Anger")]),  # a second at the least
        ((10.0, 20.0), []),
    ],
)
def test_a_window_holds_what_it_shows_in_its_own_times(
    span: tuple[float, float], expected: list[tuple[float, float, str]]
) -> None:
    clip = clip_with((1.0, 3.1, "Joy"), (5.2, 9.4, "Fear"), (20.4, 20.5, "Anger"))
    assert times(gold_of(part_of(clip, "windows", *span), KIND)) == expected


def test_a_whole_with_times_says_what_gold_says_of_the_clip() -> None:
    trend = {"dominant": "Sadness", "trajectory": "down, and up again"}
    clip = clip_with((1.2, 3.4, "Joy"), summary="all", trend=trend)
    whole, window = (gold_of(part_of(clip, mode, 0.0, 9.0, of=1), KIND) for mode in ("whole", "windows"))
    assert whole is not None
    assert window is not None
    assert times(whole) == [(1.0, 3.0, "Joy")]
    assert (whole["summary"], whole["trend"]) == ("all", trend)
    assert window["trend"] == {"dominant": "Joy", "trajectory": None}


def test_a_window_names_its_own_dominant_emotion_and_the_last_one_the_summary() -> None:
    clip = clip_with((0.0, 4.0, "Joy"), (5.0, 6.0, "Fear"), (8.0, 9.0, "Fear"), summary="S.", trend={"dominant": "Joy"})
    first, last = gold_of(part_of(clip, "windows", 0, 5), KIND), gold_of(part_of(clip, "windows", 5, 10, 1), KIND)
    assert first is not None
    assert last is not None
    assert (first["summary"], first["trend"]["dominant"]) == (None, "Joy")
    assert (last["summary"], last["trend"]["dominant"]) == ("S.", "Fear")
    silent = gold_of(part_of(clip_with((0.0, 4.0, "Joy")), "windows", 0, 5), KIND)
    assert silent is not None
    assert silent["trend"]["dominant"] is None, "gold says nothing about it"


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((1.2, 3.4), "Joy"),
        ((0.0, 2.0), "Joy"),
        ((2.5, 9.0), "Fear"),  # overlaps both, the second most
        ((3.0, 4.0), None),  # 0.1 s of the first
        ((12.0, 14.0), None),
    ],
)
def test_a_segment_is_of_the_utterance_that_it_overlaps_most(span: tuple[float, float], expected: str | None) -> None:
    clip = clip_with((1.0, 3.1, "Joy"), (5.2, 9.4, "Fear"))
    part = part_of(clip, "given", *span)
    found = gold_of(part, KIND)
    assert (found is None) == (expected is None)
    if expected is not None:
        assert times(found) == [(0.0, float(part.within[1]), expected)]
