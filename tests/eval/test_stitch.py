"""Windows to one timeline: what a truthful observer of every window saw is the timeline, whatever the windows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.answers import PARTS, answer_of_parts, read_answers
from eval.stitch import Seen, Utterance, chronological, dominant, likeness, stitch
from infer.engine import Reply
from infer.stream.windows import plan_windows
from prompts.schema import dump
from tasks.emos_stream import KIND
from tasks.task import Sample

LABELS = KIND.primary.labels
LETTERS = list("abcdefghijklmnopqrstuvwxyz")


def said(start: float, end: float, text: str | None = None, primary: str = "Joy", **other: Any) -> Utterance:
    words = dict.fromkeys(("speaker", "transcript_zh", "audio_cues", "visual_cues", "evidence"))
    labels = {"primary": primary, "secondary": [], "intensity": 3}
    return {"start": start, "end": end, "transcript_en": text, **words, **labels, **other}


def sentence(number: int) -> str:
    """Words that no other sentence has."""
    rng = np.random.default_rng(number)
    return " ".join("".join(rng.choice(LETTERS, 7)) for _ in range(4))


def anywhere(seed: int) -> Callable[[float, float], float]:
    """Cuts at random, in whole hundredths."""
    rng = np.random.default_rng(seed)
    return lambda low, high: round(float(rng.uniform(low, high)), 2)


def observe(timeline: Sequence[Utterance], start: float, end: float, index: int) -> Seen:
    """What a truthful observer reports of a window: everything in it, cut off at its edges."""
    inside = [
        {**each, "start": max(each["start"], start), "end": min(each["end"], end)}
        for each in timeline
        if min(each["end"], end) > max(each["start"], start)
    ]
    return Seen(index, start, end, inside)


def plain(timeline: Sequence[Utterance]) -> list[Utterance]:
    return [{name: value for name, value in each.items() if name != "parts"} for each in timeline]


@st.composite
def timelines(draw: st.DrawFn) -> list[Utterance]:
    """Utterances of 10 ms to 200 s, gaps of 0 to 20 s, in whole hundredths."""
    found: list[Utterance] = []
    time = 0
    for number in range(draw(st.integers(1, 25))):
        time += draw(st.one_of(st.just(0), st.integers(0, 2000)))
        length = draw(st.one_of(st.integers(1, 50), st.integers(50, 900), st.integers(900, 20_000)))
        label = draw(st.sampled_from(LABELS))
        found.append(
            said(time / 100, (time + length) / 100, sentence(number), label, intensity=draw(st.integers(1, 5)))
        )
        time += length
    return found


@settings(deadline=None, max_examples=300)
@given(timeline=timelines(), data=st.data())
def test_windows_of_a_truthful_observer_give_the_timeline(timeline: list[Utterance], data: st.DataObject) -> None:
    window_s = data.draw(st.integers(8, 120), "window")
    overlap_s = data.draw(st.one_of(st.just(0.0), st.integers(0, window_s * 25).map(lambda x: x / 100)), "overlap")
    seed = data.draw(st.integers(0, 1000), "cuts")
    spans = plan_windows(timeline[-1]["end"], window_s, overlap_s, anywhere(seed))
    windows = [observe(timeline, *span, index) for index, span in enumerate(spans)]
    found, clipped = stitch(data.draw(st.permutations(windows), "order"))
    assert plain(found) == timeline
    assert not clipped
    for each in found:
        seen_by = [k for k, (start, end) in enumerate(spans) if min(end, each["end"]) > max(start, each["start"])]
        assert each["parts"] == seen_by


@settings(deadline=None)
@given(timeline=timelines(), window_s=st.integers(8, 60), seed=st.integers(0, 99), data=st.data())
def test_a_lost_window_loses_what_it_alone_saw(
    timeline: list[Utterance], window_s: int, seed: int, data: st.DataObject
) -> None:
    spans = plan_windows(timeline[-1]["end"], window_s, window_s / 5, anywhere(seed))
    lost = data.draw(st.integers(0, len(spans) - 1))
    found, _ = stitch(observe(timeline, *span, k) for k, span in enumerate(spans) if k != lost)
    for each in timeline:
        if any(start <= each["start"] and each["end"] <= end for k, (start, end) in enumerate(spans) if k != lost):
            assert each in plain(found)
    assert all(one["end"] <= after["start"] for one, after in pairwise(found))


spans_of_anything = st.lists(
    st.tuples(
        st.integers(0, 300), st.integers(0, 80), st.sampled_from(LABELS), st.sampled_from([None, "", "a b", "no"])
    )
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 90), spans_of_anything), max_size=6))
def test_whatever_was_seen_the_timeline_is_one(
    windows: list[tuple[int, int, list[tuple[int, int, str, str | None]]]],
) -> None:
    seen = [
        Seen(
            k, start / 2, (start + length) / 2, [said(a / 4, (a + b) / 4, text, label) for a, b, label, text in inside]
        )
        for k, (start, length, inside) in enumerate(windows)
    ]
    found, _ = stitch(seen)
    assert all(one["end"] <= after["start"] for one, after in pairwise(found))
    assert all(each["start"] <= each["end"] for each in found)
    total = sum(len(each.utterances) for each in seen)
    assert len(found) <= total
    assert sorted({part for each in found for part in each["parts"]}) == [s.index for s in seen if s.utterances]
    assert stitch(reversed(seen))[0] == found or len({(s.start, s.end) for s in seen}) < len(seen)


# --- what a model does that a truthful observer does not


def merged(one: list[Utterance], other: list[Utterance]) -> list[tuple[float, float, str, list[int]]]:
    """Two windows, 0 to 60 s and 55 to 115 s."""
    found, _ = stitch([Seen(0, 0, 60, one), Seen(1, 55, 115, other)])
    return [(each["start"], each["end"], each["primary"], each["parts"]) for each in found]


def test_the_longer_sight_decides_about_labels() -> None:
    one, other = said(57, 60, "I will not", "Neutral"), said(57, 66, "I will not go with you", "Anger")
    assert merged([one], [other]) == [(57, 66, "Anger", [0, 1])]


def test_an_utterance_across_the_whole_overlap_keeps_both_ends() -> None:
    one, other = said(50, 60, "when we were young", "Sadness"), said(55, 70, "the sea was near", "Joy")
    assert merged([one], [other]) == [(50, 70, "Joy", [0, 1])]


def test_times_that_differ_a_little_are_one_utterance() -> None:
    assert merged([said(55, 58, "Stop it!")], [said(56, 59, "stop it")]) == [(55, 58, "Joy", [0, 1])]


def test_other_words_at_a_shifted_time_are_another_utterance() -> None:
    one, other = said(55, 58, "Where have you been?"), said(57, 59, "Nobody asked him.", "Anger")
    assert merged([one], [other]) == [(55, 57, "Joy", [0]), (57, 59, "Anger", [1])]


def test_an_utterance_has_one_partner_at_most() -> None:
    words = "never ever again"
    found = merged([said(55, 60, words)], [said(55, 57.5, words), said(57.6, 60, words)])
    assert found == [(55, 57.6, "Joy", [0, 1]), (57.6, 60, "Joy", [1])]


def test_windows_without_overlap_join_what_the_cut_divided() -> None:
    words = "it is over and we know it"
    found, _ = stitch([Seen(0, 0, 10, [said(8, 10, words)]), Seen(1, 10, 20, [said(10, 12, words)])])
    assert [(each["start"], each["end"]) for each in found] == [(8, 12)]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("It is over.", "it is OVER", 1.0),
        ("it is over", "and it is over now", 1.0),
        ("no", "I do not know", 2 * 2 / 12),
        ("你好，世界", "你好世界！", 1.0),
        ("yes", None, None),
        ("", "yes", None),
    ],
)
def test_likeness_of_words(one: str | None, other: str | None, expected: float | None) -> None:
    assert likeness(said(0, 1, one), said(0, 1, other)) == (pytest.approx(expected) if expected else expected)
    assert likeness(said(0, 1, other), said(0, 1, one)) == (pytest.approx(expected) if expected else expected)


def test_likeness_takes_the_transcript_that_both_have() -> None:
    assert likeness(said(0, 1, None, transcript_zh="你好"), said(0, 1, "hello", transcript_zh="你好")) == 1


def test_the_dominant_emotion_is_that_of_the_longest_time() -> None:
    spoken = [said(0, 2, primary="Joy"), said(3, 4, primary="Fear"), said(5, 6.5, primary="Fear")]
    assert dominant(spoken, LABELS) == "Fear"
    assert dominant([said(0, 1, primary="Joy"), said(1, 2, primary="Anger")], LABELS) == "Anger", "label order"
    assert dominant([], LABELS) is None


def test_chronological_cuts_ends_back() -> None:
    found, clipped = chronological([said(5, 9), said(0, 6)])
    assert ([(each["start"], each["end"]) for each in found], clipped) == ([(0, 5), (5, 9)], True)


# --- stored replies to one answer


def reply(index: int, of: int, value: dict[str, Any] | str, *, mode: str = "windows", **times: float) -> Reply:
    place = {"mode": mode, "index": index, "of": of, "start_s": 55.0 * index, "end_s": 55.0 * index + 60, **times}
    text = value if isinstance(value, str) else dump(value, KIND)
    return Reply("clip", f"key {index}", text, "stop", part=place)


def window(*utterances: Utterance, summary: str | None = None, trajectory: str | None = None) -> dict[str, Any]:
    return {"summary": summary, "trend": {"dominant": "Joy", "trajectory": trajectory}, "utterances": list(utterances)}


def test_replies_to_windows_become_one_answer() -> None:
    one = window(said(1, 4, "hello there"), said(57, 59, "good bye"), summary="They meet.", trajectory="up")
    two = window(said(2, 4, "good bye"), said(30, 50, "alone again", "Sadness"), summary="They meet and part.")
    answer = answer_of_parts("clip", [reply(0, 2, one), reply(1, 2, two)], KIND)
    assert answer.value is not None
    assert [(each["start"], each["end"], each["parts"]) for each in answer.value["utterances"]] == [
        (1, 4, [0]),
        (57, 59, [0, 1]),
        (85, 105, [1]),
    ]
    assert answer.value["summary"] == "They meet and part."
    assert answer.value["trend"] == {"dominant": "Sadness", "trajectory": "00:00-01:00: up"}
    assert (answer.rule, answer.repairs, answer.dropped) == (PARTS, (), ())


def test_a_window_that_cannot_be_read_is_a_gap_on_record() -> None:
    good = window(said(1, 4, "hello there"))
    failed = Reply("clip", "key 3", error="out of memory", part=reply(3, 5, good).part)
    answer = answer_of_parts("clip", [reply(0, 5, good), reply(1, 5, "I cannot say."), reply(2, 5, good), failed], KIND)
    assert answer.value is not None
    assert [each["start"] for each in answer.value["utterances"]] == [1, 111]
    assert answer.dropped == ("part[1]:refusal", "part[3]:error", "part[4]:error")


def test_a_clip_without_a_readable_window_has_the_reason_of_the_first() -> None:
    assert answer_of_parts("clip", [reply(0, 2, "Hm."), reply(1, 2, "Hm.")], KIND).reason == "no_answer"
    failed = Reply("clip", "key 0", error="out of memory", part=reply(0, 2, "").part)
    assert answer_of_parts("clip", [failed, reply(1, 2, "Hm.")], KIND).error == "out of memory"


def test_the_last_reply_to_a_part_counts_and_an_older_division_does_not() -> None:
    old, new = window(said(1, 2, "old words")), window(said(1, 2, "new words"))
    replies = [
        reply(0, 3, old),
        reply(1, 3, old),
        reply(2, 3, old),
        reply(0, 2, old),
        reply(1, 2, new),
        reply(0, 2, new),
    ]
    answer = answer_of_parts("clip", replies, KIND)
    assert answer.value is not None
    assert [each["transcript_en"] for each in answer.value["utterances"]] == ["new words", "new words"]


def test_what_lies_outside_its_window_is_dropped_and_ends_are_cut_back() -> None:
    one = window(said(10, 70), said(80, 90))
    answer = answer_of_parts("clip", [reply(0, 2, one), reply(1, 2, window())], KIND)
    assert answer.value is not None
    assert [(each["start"], each["end"]) for each in answer.value["utterances"]] == [(10, 60)]
    assert answer.dropped == ("part[0]:utterances[1]:bad_time",)


@pytest.mark.parametrize("mode", ["given", "online"])
def test_given_times_stand_whatever_the_reply_says(mode: str) -> None:
    times, same = {"start_s": 3.5, "end_s": 4.25}, {"start_s": 4.25, "end_s": 5.0}
    replies = [
        reply(0, 3, window(said(0, 9, "no"), said(9, 10, "no")), mode=mode, **times),
        reply(1, 3, window(said(1, 2, "no")), mode=mode, **same),
        reply(2, 3, window(), mode=mode, start_s=6.0, end_s=7.0),
    ]
    answer = answer_of_parts("clip", replies, KIND)
    assert answer.value is not None
    assert [(each["start"], each["end"], each["parts"]) for each in answer.value["utterances"]] == [
        (3.5, 4.25, [0]),
        (4.25, 5.0, [1]),
    ], "equal words in neighbours are two utterances: their times are known"
    assert answer.dropped == ("part[0]:utterances[1]:too_many",)


def test_clips_in_parts_and_whole_ones_are_read_side_by_side() -> None:
    whole = Reply("whole", "key", dump(window(said(0, 1)), KIND))
    samples = [Sample("clip", None), Sample("whole", None), Sample("never", None)]
    replies = [reply(0, 2, window(said(0, 1))), whole, reply(1, 2, window())]
    found = read_answers(samples, replies, KIND)
    assert [answer.id for answer in found] == ["clip", "whole", "never"]
    assert [answer.rule for answer in found] == [PARTS, "schema", None]
    assert found[2].error == "no reply is stored"
    json.dumps([answer.record() for answer in found])


def test_reasks_of_parts_count_unless_they_are_left_out() -> None:
    good = window(said(1, 2, "here"))
    first = reply(0, 1, "Hm.")
    again = Reply("clip", "other key", dump(good, KIND), attempt=1, part=first.part)
    samples = [Sample("clip", None)]
    assert read_answers(samples, [first, again], KIND)[0].value is not None
    assert read_answers(samples, [first, again], KIND, reask=False)[0].reason == "no_answer"
