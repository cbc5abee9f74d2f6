"""Times between pictures and sound: where a clip is cut for them, what a question then holds, what becomes of it."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer.feed import _present
from infer.media import Clip, load_clip
from infer.run import InferConfig, make_question
from infer.store import RunStore, read_replies
from infer.stream.ask import ask_stream
from infer.stream.modes import SUMMARY_TOKENS, StreamOptions, Told, part_sample, plan, text_tokens
from infer.stream.parts import Segment, clock, shown, whole_seconds
from infer.stream.stretches import near, stretches
from prompts.render import MARKS, STRETCHED
from tasks.synthetic.long import generate_long
from tasks.synthetic.stream import SYNTHETIC_STREAM
from tasks.task import MediaOptions, Root, Sample
from tests.infer.test_stream import SMALL, Model, Oracle, answers, plain, question

WHOLE = StreamOptions(mode="whole", marks=True)
WINDOWS = StreamOptions(mode="windows", window_s=16.0, overlap_s=0.0, marks=True)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    data = generate_long(tmp_path_factory.mktemp("long") / "data", [20, 30], seed=5, size=64)
    return list(SYNTHETIC_STREAM.adapter(Root(data), "all"))


times = st.floats(0, 60).map(lambda value: round(value, 2))
segments = st.lists(st.tuples(times, times, st.just("")).filter(lambda each: each[0] < each[1]), max_size=12).map(
    lambda found: sorted(set(found))
)


@given(segments, st.floats(0, 30), st.floats(1, 30))
def test_stretches_cover_what_is_fed_and_name_every_utterance_once(
    known: list[Segment], begin: float, seconds: float
) -> None:
    end = begin + seconds
    found = stretches(known, begin, end)
    assert (found[0][0], found[-1][1]) == (begin, end)
    assert all(one[1] == after[0] for one, after in pairwise(found))
    assert len(found) == 1 or all(stop - start >= 1.0 for start, stop, _ in found)
    assert stretches(near(known, begin, end), begin, end) == found
    told = [mark for *_, marks in found for mark in marks.split(", ") if mark]
    seen = [(each, span) for each in known if (span := shown(each[0], each[1], begin, end))]
    assert told == ["-".join(map(clock, whole_seconds(*span, end - begin))) for _, span in seen]
    assert all(60 * int(mark[:2]) + int(mark[3:5]) < end - begin for mark in told), "an answer may say so"
    places = [(start, stop) for start, stop, marks in found for mark in marks.split(", ") if mark]
    for (start, stop), (_, (first, last)) in zip(places, seen, strict=True):
        assert start - 0.251 <= begin + first
        assert begin + last <= stop + 0.251


def test_a_cut_lies_in_the_middle_of_a_pause_and_times_count_from_what_is_fed() -> None:
    known = [(1.0, 3.0, "a"), (4.0, 6.4, "b"), (70.0, 75.0, "c")]
    assert stretches(known, 0.0, 80.0) == (
        (0.0, 3.5, "00:01-00:03"),
        (3.5, 38.2, "00:04-00:06"),
        (38.2, 80.0, "01:10-01:15"),
    )
    assert stretches(known, 2.0, 5.0) == ((2.0, 3.5, "00:00-00:01"), (3.5, 5.0, "00:02-00:03"))
    assert stretches(known, 8.0, 20.0) == ((8.0, 20.0, ""),), "nobody speaks"


def test_utterances_at_one_time_share_a_stretch() -> None:
    known = [(1.0, 5.0, ""), (1.2, 1.4, ""), (1.3, 2.0, ""), (8.0, 9.0, "")]
    found = stretches(known, 0.0, 10.0)
    assert found == ((0.0, 6.5, "00:01-00:05, 00:01-00:02, 00:01-00:02"), (6.5, 10.0, "00:08-00:09"))
    slightly = stretches([(1.0, 5.2, ""), (5.0, 9.0, "")], 0.0, 10.0)
    assert [(start, stop) for start, stop, _ in slightly] == [(0.0, 5.1), (5.1, 10.0)]


def test_a_time_is_never_the_end_of_what_is_fed() -> None:
    """An utterance that begins there would be dropped from the answer."""
    assert stretches([(9.6, 9.95, "")], 0.0, 9.95)[-1][2] == "00:09-00:10"
    assert whole_seconds(15.6, 16.0, 16.0) == (15, 16)


def test_each_stretch_stands_behind_its_time_and_the_question_last(samples: list[Sample]) -> None:
    sample = dataclasses.replace(samples[0], text="all of it", context=("before",))
    (part,) = plan(sample, question("whole"), WHOLE, None)
    asked = part_sample(part, Told())
    assert (asked.text, asked.context) == ("all of it", ("before",))
    (message,) = question("whole").messages(asked)
    content = message["content"]
    count = len(sample.meta["sentences"])
    assert [item["type"] for item in content] == ["text", "video", "audio"] * count + ["text"]
    first = sample.meta["sentences"][0]
    assert content[0]["text"] == f"\n00:{round(first[0]):02d}-00:{round(first[1]):02d}\n"
    assert [item["media"] for item in content if item["type"] == "video"] == list(range(count))
    plain_text = question("whole").messages(sample)[0]["content"][-1]["text"]
    assert content[-1]["text"] == f"{STRETCHED}\n\n{plain_text}"


def test_a_window_marks_what_it_holds(samples: list[Sample]) -> None:
    for part in plan(samples[1], question(), WINDOWS, None):
        asked = part_sample(part, Told())
        assert (asked.media[0].start_s, asked.media[-1].end_s) == part.media
        assert len(asked.meta[MARKS]) == len(asked.media)
        assert asked.meta[MARKS] == [mark for *_, mark in part.stretches]
        assert all(mark < "00:17" for mark in asked.meta[MARKS])


def test_what_one_window_holds_is_asked_as_the_whole(samples: list[Sample]) -> None:
    one_window = dataclasses.replace(WINDOWS, window_s=80.0)
    for sample in samples:
        assert plan(sample, question(), one_window, None) == plan(sample, question("whole"), WHOLE, None)


@pytest.mark.parametrize("options", [WHOLE, WINDOWS], ids=["whole", "windows"])
def test_a_truthful_model_gives_the_timeline(options: StreamOptions, samples: list[Sample], tmp_path: Path) -> None:
    engine = Oracle(samples)
    most: list[int] = []

    def load(count: int) -> Oracle:
        most.append(count)
        return engine

    with RunStore(tmp_path) as store:
        store.begin({"task": "synthetic-stream@1"}, {}, samples)
        ask_stream(samples, question(options.mode), store, load, 2, 0, options, None)
    assert most == [max(len(request.media) for request in engine.asked)]
    modes = {reply.part["mode"] for reply in read_replies(tmp_path) if reply.part}
    assert modes == ({"whole"} if options.mode == "whole" else {"windows"})
    for sample, answer in zip(samples, answers(tmp_path, samples), strict=True):
        assert sample.gold is not None
        assert answer.value is not None
        assert plain(answer.value) == sample.gold["utterances"]
        if options.mode == "whole":
            assert answer.value["summary"].startswith("Up to ")
            assert answer.value["trend"] == {"dominant": "Joy", "trajectory": None}, "as the model said"


def test_nobody_speaks(samples: list[Sample]) -> None:
    """Where no time is known none is written; a source of times that has none is an error."""
    bare = dataclasses.replace(samples[0], gold=None, meta={})
    named = dataclasses.replace(WHOLE, segments="sentences")
    with pytest.raises(ValueError, match="--marks needs times, --segments sentences has none"):
        plan(bare, question("whole"), named, None)
    silent = dataclasses.replace(bare, media=(dataclasses.replace(bare.media[0], start_s=0.0, end_s=0.4),))
    (part,) = plan(silent, question("whole"), WHOLE, None)
    assert part.stretches == ((0.0, 0.4, ""),)
    content = question("whole").messages(part_sample(part, Told()))[0]["content"]
    assert [item["type"] for item in content] == ["video", "audio", "text"]
    assert STRETCHED not in content[-1]["text"]


def test_a_time_without_its_media_is_left_out(samples: list[Sample]) -> None:
    """Here of pictures alone, where sound is asked for."""
    (part,) = plan(samples[0], question("whole"), WHOLE, None)
    messages = question("whole").messages(part_sample(part, Told()))
    pictures = Clip(np.zeros((4, 28, 28, 3), np.uint8), 2.0, None, has_audio=False)
    nothing = Clip(None, 0.0, None, has_audio=False)
    content = _present(messages, [pictures, *[nothing] * (len(part.stretches) - 1)])[0]["content"]
    assert [item["type"] for item in content] == ["text", "video", "text"]


def test_sound_stands_behind_its_pictures() -> None:
    config = InferConfig("synthetic-stream", Path(), stream=WHOLE, clip=MediaOptions(audio_in_video=True))
    with pytest.raises(ValueError, match="--marks and --audio-in-video"):
        make_question(config, SYNTHETIC_STREAM, Model())  # type: ignore[arg-type]


def test_an_hour_is_not_fed_at_once(samples: list[Sample]) -> None:
    """Frames of stretches are not thinned out."""
    few = dataclasses.replace(question("whole"), options=dataclasses.replace(SMALL, max_frames=40))
    with pytest.raises(ValueError, match=r"more than 40 frames.*--mode windows"):
        plan(samples[1], few, WHOLE, None)
    auto = dataclasses.replace(WINDOWS, mode="auto")
    assert {part.mode for part in plan(samples[1], few, auto, None)} == {"windows"}
    assert [part.mode for part in plan(samples[0], question("auto"), auto, None)] == ["whole"]
    endless = dataclasses.replace(auto, window_s=3600.0)
    for part in plan(samples[1], few, endless, None):
        assert part.mode == "windows"
        assert part.end_s - part.start_s <= 20, "40 frames at 2 a second"


@pytest.mark.parametrize("apart_s", [1.3, 2.2, 4.0])
@pytest.mark.parametrize("window_s", [12.0, 3600.0])
def test_what_is_planned_fits(samples: list[Sample], apart_s: float, window_s: float) -> None:
    """Short stretches have more frames a second; counted in what is really fed."""
    times = [(round(k * apart_s, 2), round((k + 0.8) * apart_s, 2), "") for k in range(int(30 / apart_s))]
    dense = dataclasses.replace(samples[1], meta={"sentences": times})
    asked = question("windows")
    options = dataclasses.replace(WINDOWS, window_s=window_s, recall=0)
    left = 700
    parts = plan(dense, asked, options, left + text_tokens(asked, dense) + SUMMARY_TOKENS)
    assert len(parts) > 1
    for part in parts:
        clips = [load_clip(medium, asked.options, 28) for medium in part_sample(part, Told()).media]
        frames = [clip.frames for clip in clips if clip.frames is not None]
        pictures = sum(len(each) / 2 * each.shape[1] * each.shape[2] / 28**2 for each in frames)
        assert pictures + 25 * sum(clip.audio_s for clip in clips) + 20 * len(clips) <= left


def test_times_take_room(samples: list[Sample]) -> None:
    asked = question("auto")
    plain_, marked = (StreamOptions(window_s=30.0, overlap_s=0.0, recall=0, marks=marks) for marks in (False, True))
    least = text_tokens(asked, samples[1]) + 800
    rooms = range(least, least + 1500, 50)
    counts = [[len(plan(samples[1], asked, options, room)) for options in (plain_, marked)] for room in rooms]
    assert all(without <= max(1, with_) for without, with_ in counts)
    assert any(1 < without < with_ for without, with_ in counts)
    assert counts[-1] == [0, 1], "as a whole: with times it is a part of its own"
