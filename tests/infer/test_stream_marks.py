"""Times between pictures and sound: where a clip is cut for them, what a question then holds, what becomes of it."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer.store import RunStore, read_replies
from infer.stream.ask import ask_stream
from infer.stream.modes import StreamOptions, Told, part_sample, plan, stretches, text_tokens
from prompts.render import MARKS
from tasks.synthetic.long import generate_long
from tasks.synthetic.stream import SYNTHETIC_STREAM
from tasks.task import Root, Sample
from tests.infer.test_stream import Oracle, answers, plain, question

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
    known: list[tuple[float, float, str]], begin: float, seconds: float
) -> None:
    end = begin + seconds
    found = stretches(known, begin, end)
    assert (found[0][0], found[-1][1]) == (begin, end)
    assert all(one[1] == after[0] for one, after in pairwise(found))
    assert len(found) == 1 or all(stop - start >= 1.0 for start, stop, _ in found)
    inside = [each for each in known if each[0] < end and each[1] > begin]
    assert sum(mark.count("-") for *_, mark in found) == max(1, len(inside))


def test_a_cut_lies_in_the_middle_of_a_pause_and_times_count_from_what_is_fed() -> None:
    known = [(1.0, 3.0, "a"), (4.0, 6.4, "b"), (70.0, 75.0, "c")]
    assert stretches(known, 0.0, 80.0) == (
        (0.0, 3.5, "00:01-00:03"),
        (3.5, 38.2, "00:04-00:06"),
        (38.2, 80.0, "01:10-01:15"),
    )
    assert stretches(known, 2.0, 5.0) == ((2.0, 3.5, "00:00-00:01"), (3.5, 5.0, "00:02-00:03"))
    assert stretches(known, 8.0, 20.0) == ((8.0, 20.0, "00:00-00:12"),)


def test_utterances_at_one_time_share_a_stretch() -> None:
    known = [(1.0, 5.0, ""), (1.2, 1.4, ""), (1.3, 2.0, ""), (8.0, 9.0, "")]
    found = stretches(known, 0.0, 10.0)
    assert [mark for *_, mark in found] == ["00:01-00:05", "00:01-00:02, 00:01-00:02", "00:08-00:09"]


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
    assert "stands before each" in content[-1]["text"]
    assert "stands before each" not in question("whole").messages(sample)[0]["content"][-1]["text"]


def test_a_window_marks_what_it_holds(samples: list[Sample]) -> None:
    for part in plan(samples[1], question(), WINDOWS, None):
        asked = part_sample(part, Told())
        assert (asked.media[0].start_s, asked.media[-1].end_s) == part.media
        assert len(asked.meta[MARKS]) == len(asked.media)
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


def test_times_take_room(samples: list[Sample]) -> None:
    asked = question("auto")
    plain_, marked = (StreamOptions(window_s=30.0, overlap_s=0.0, recall=0, marks=marks) for marks in (False, True))
    least = text_tokens(asked, samples[1]) + 800
    rooms = range(least, least + 1500, 50)
    counts = [[len(plan(samples[1], asked, options, room)) for options in (plain_, marked)] for room in rooms]
    assert all(without <= max(1, with_) for without, with_ in counts)
    assert any(1 < without < with_ for without, with_ in counts)
    assert counts[-1] == [0, 1], "as a whole: with times it is a part of its own"
