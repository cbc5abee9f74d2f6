"""Clips in parts: what is asked in which mode and order, what a part is told, and that a run resumes in mid-clip."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.answers import Answer, read_answers
from infer.engine import EngineError, Reply, Request, Sampling
from infer.feed import Question
from infer.run import InferConfig, make_question
from infer.store import RunStore, read_replies
from infer.stream.ask import ask_stream, latency
from infer.stream.modes import StreamOptions, Told, part_sample, plan, shortened, text_tokens, utterance_schema
from prompts.parsing import Parsed, parse
from prompts.render import Messages
from prompts.schema import dump
from tasks.emos_stream import KIND
from tasks.synthetic.long import generate_long
from tasks.synthetic.stream import SYNTHETIC_STREAM
from tasks.task import Media, MediaOptions, Root, Sample

SMALL = MediaOptions(min_pixels=1, max_pixels=64 * 64)
WINDOWS = StreamOptions(mode="windows", window_s=16.0, overlap_s=4.0, recall=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate_long(tmp_path_factory.mktemp("long") / "data", [45, 20, 70], seed=5, size=64)


@pytest.fixture(scope="module")
def samples(data: Path) -> list[Sample]:
    return list(SYNTHETIC_STREAM.adapter(Root(data), "all"))


@dataclasses.dataclass(frozen=True)
class Model:
    """As much of a checkpoint as a question needs."""

    factor: int = 28

    def identity(self) -> dict[str, str]:
        return {"model": "stub"}


def question(mode: str = "windows", **config: Any) -> Question:
    stream = StreamOptions(mode=mode)  # type: ignore[arg-type]
    settings = InferConfig("synthetic-stream", Path(), stream=stream, clip=SMALL, **config)
    return make_question(settings, SYNTHETIC_STREAM, Model())  # type: ignore[arg-type]


class Oracle:
    """An engine that annotates truthfully what it is fed, and keeps the requests. `spoil` may change a reply."""

    factor = 28

    def __init__(self, samples: Iterable[Sample], spoil: Callable[[Request, str], Reply | str] | None = None) -> None:
        self.gold = {sample.media[0].path: sample.gold for sample in samples}
        self.spoil = spoil or (lambda _, text: text)
        self.asked: list[Request] = []
        self.batches: list[list[str]] = []

    def prompt(self, messages: Messages) -> str:
        return str(messages)

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Reply]:
        self.batches.append([])
        for request in requests:
            self.asked.append(request)
            self.batches[-1].append(request.id)
            answer = self.spoil(request, self.reply(request))
            yield answer if isinstance(answer, Reply) else Reply(request.id, request.key, answer, "stop")

    def reply(self, request: Request) -> str:
        gold = self.gold[request.media[0].path]
        assert gold is not None
        start, end = request.media[0].start_s or 0.0, request.media[-1].end_s or 1e9
        inside = [
            {**each, "start": max(each["start"], start) - start, "end": min(each["end"], end) - start}
            for each in gold["utterances"]
            if min(each["end"], end) > max(each["start"], start)
        ]
        if "transcript_zh" not in text_of(request):  # asked about one utterance, the last one or the only one
            inside = inside[-1:]
        value = {"summary": f"Up to {end}.", "trend": {"dominant": "Joy", "trajectory": None}, "utterances": inside}
        return dump(value, KIND)


def text_of(request: Request) -> str:
    return str(request.messages[0]["content"][-1]["text"])


def ask(
    folder: Path, samples: list[Sample], engine: Oracle, options: StreamOptions, **more: Any
) -> tuple[int, dict[str, int]]:
    asked = more.pop("question", None) or question(options.mode)
    with RunStore(folder) as store:
        store.begin({"task": "synthetic-stream@1"}, {}, samples)
        count, failures = ask_stream(
            samples, asked, store, lambda most: engine, 2, more.get("reask", 0), options, more.get("room")
        )
    return count, dict(failures)


def answers(folder: Path, samples: list[Sample]) -> list[Answer]:
    return read_answers(samples, read_replies(folder), KIND)


def plain(value: Any) -> list[dict[str, Any]]:
    return [{name: item for name, item in each.items() if name != "parts"} for each in value["utterances"]]


# --- the four modes


@pytest.mark.parametrize("segments", ["sentences", "sound"])
def test_windows_of_a_truthful_model_give_the_timeline(segments: str, samples: list[Sample], tmp_path: Path) -> None:
    """Cut at pauses between known sentences, or where the sound is quiet."""
    if segments == "sound":
        samples = [dataclasses.replace(each, meta={**each.meta, "sentences": None}) for each in samples]
    engine = Oracle(samples)
    count, failures = ask(tmp_path, samples, engine, WINDOWS)
    assert not failures
    assert count == len(engine.asked) > 3 * len(samples) - 2
    for sample, answer in zip(samples, answers(tmp_path, samples), strict=True):
        assert answer.value is not None
        assert sample.gold is not None
        assert plain(answer.value) == sample.gold["utterances"]
        assert not answer.dropped
        cut = {part.media for part in plan(sample, question(), WINDOWS, None)}
        assert not [each for each in sample.gold["utterances"] for _, end in cut if each["start"] < end < each["end"]]


def test_windows_go_in_waves_and_are_told_what_came_before(samples: list[Sample], tmp_path: Path) -> None:
    engine = Oracle(samples)
    ask(tmp_path, samples, engine, WINDOWS)
    for number, batch in enumerate(engine.batches):
        assert [name.split("\0")[1] for name in batch] == [str(number)] * len(batch)
    assert len(engine.batches[0]) == len(samples)
    by_name = {request.id: text_of(request) for request in engine.asked}
    first, second = by_name["long000\0" + "0"], by_name["long000\0" + "1"]
    assert "Summary of the clip up to here" not in first
    assert "part 1 of" in first
    (told,) = re.findall(r"Summary of the clip up to here: (.*)", second)
    assert told.startswith("Up to ")
    lines = re.findall(r"^- (spk\d+: .* — .*)$", second, re.MULTILINE)
    assert len(lines) == WINDOWS.recall
    gold = samples[0].gold
    assert gold is not None
    last = [each for each in gold["utterances"] if each["start"] < plan(samples[0], question(), WINDOWS, None)[0].end_s]
    assert f"{last[-1]['transcript_zh']} — {last[-1]['primary']}, " in lines[-1]


@pytest.mark.parametrize("mode", ["given", "online"])
def test_given_and_online_answer_each_utterance(mode: str, samples: list[Sample], tmp_path: Path) -> None:
    engine = Oracle(samples)
    options = StreamOptions(mode=mode, horizon_s=10.0, recall=2)  # type: ignore[arg-type]
    ask(tmp_path, samples, engine, options)
    for sample, answer in zip(samples, answers(tmp_path, samples), strict=True):
        assert answer.value is not None
        assert sample.gold is not None
        judged = [
            (each["start"], each["end"], each["primary"], each["intensity"]) for each in answer.value["utterances"]
        ]
        assert judged == [(e["start"], e["end"], e["primary"], e["intensity"]) for e in sample.gold["utterances"]]
    assert len(engine.batches) == (1 if mode == "given" else max(len(s.gold["utterances"]) for s in samples if s.gold))


def test_given_utterances_see_their_neighbours_words_and_their_own_media(samples: list[Sample], tmp_path: Path) -> None:
    engine = Oracle(samples)
    ask(tmp_path, samples[:1], engine, StreamOptions(mode="given", recall=1))
    texts = [text for _, _, text in samples[0].meta["sentences"]]
    shown = text_of(engine.asked[3])
    assert f"   {texts[2]}\n>> {texts[3]}\n   {texts[4]}" in shown
    assert texts[5] not in shown
    start, end, _ = samples[0].meta["sentences"][3]
    assert (engine.asked[3].media[0].start_s, engine.asked[3].media[0].end_s) == (start, end)
    assert f"at 00:00-00:{-(-(end - start) // 1):02.0f}" in shown


def test_online_sees_nothing_after_the_utterance_and_knows_its_own_answers(
    samples: list[Sample], tmp_path: Path
) -> None:
    engine = Oracle(samples)
    options = StreamOptions(mode="online", horizon_s=8.0, recall=3)
    ask(tmp_path, samples[:1], engine, options)
    sentences = samples[0].meta["sentences"]
    for request, (_, end, text) in zip(engine.asked, sentences, strict=True):
        (medium,) = request.media
        assert medium.end_s == end
        assert medium.start_s == pytest.approx(max(0, end - 8))
        assert f"The utterance (zh): {text}" in text_of(request)
        later = [other for s, _, other in sentences if s >= end and other != text]
        before = [other for _, e, other in sentences if e < end]
        assert not [other for other in later if other not in before and other in text_of(request)]
    told = re.findall(r"^- (.*)$", text_of(engine.asked[4]).split("- primary_7class")[0], re.MULTILINE)
    gold = samples[0].gold
    assert gold is not None
    assert [line.split(" — ")[0].split(": ")[-1] for line in told] == [text for _, _, text in sentences[1:4]]
    assert [line.split(" — ")[1].split(",")[0] for line in told] == [e["primary"] for e in gold["utterances"][1:4]]


def test_without_transcripts_no_words_of_the_data_are_shown(samples: list[Sample], tmp_path: Path) -> None:
    for mode in ("given", "online"):
        engine = Oracle(samples)
        options = StreamOptions(mode=mode)
        ask(tmp_path / mode, samples[:1], engine, options, question=question(mode, transcript=False))
        texts = {text for _, _, text in samples[0].meta["sentences"]}
        assert not [text for request in engine.asked for text in texts if text in text_of(request)]


def test_latency_is_measured_online_and_noted(samples: list[Sample], tmp_path: Path) -> None:
    ask(tmp_path, samples, Oracle(samples), StreamOptions(mode="online"))
    note = json.loads((tmp_path / "run.json").read_text())["latency_s"]
    assert note["n"] == sum(len(sample.meta["sentences"]) for sample in samples)
    assert 0 <= note["p50"] <= note["p95"]
    times = [reply.part["latency_s"] for reply in read_replies(tmp_path) if reply.part]
    assert note["mean"] == pytest.approx(sum(times) / len(times))
    assert latency([]) == {}


# --- whole or in parts


def test_a_clip_that_fits_is_asked_about_as_a_whole(samples: list[Sample], tmp_path: Path) -> None:
    """20 s fit into 1,000 tokens of media, 45 s and 70 s do not."""
    asked, auto = question("auto"), StreamOptions(window_s=30)
    needed = text_tokens(asked, samples[0])
    engine = Oracle(samples)
    ask(tmp_path, samples, engine, auto, question=asked, room=needed + 1000)
    whole = [request.id for request in engine.asked if "\0" not in request.id]
    assert whole == ["long001"]
    assert [reply.part is None for reply in read_replies(tmp_path) if reply.id == "long001"] == [True]
    for sample, answer in zip(samples, answers(tmp_path, samples), strict=True):
        assert answer.value is not None
        assert sample.gold is not None
        assert plain(answer.value) == sample.gold["utterances"]
    windows = [part for sample in samples for part in plan(sample, asked, auto, needed + 1000)]
    assert max(end - start for start, end in (part.media for part in windows)) < 30, "there was no room for 30 s"


def test_whole_and_an_unknown_room_ask_once(samples: list[Sample]) -> None:
    assert plan(samples[2], question("whole"), StreamOptions(mode="whole"), 10) == []
    assert plan(samples[2], question("auto"), StreamOptions(), None) == []
    assert len(plan(samples[2], question("auto"), StreamOptions(), 12_000)) == 0
    with pytest.raises(ValueError, match=r"raise --max-model-len"):
        plan(samples[2], question("auto"), StreamOptions(), 100)


def test_what_one_window_holds_is_asked_as_the_whole(samples: list[Sample]) -> None:
    windows, whole = question("windows"), question("whole")
    for sample in samples:
        assert plan(sample, windows, StreamOptions(mode="windows", window_s=80.0), None) == []
        assert windows.messages(sample) == whole.messages(sample)
    assert plan(samples[0], windows, StreamOptions(mode="windows", window_s=40.0), None)


def test_a_clip_that_is_itself_a_stretch_of_a_file(samples: list[Sample], tmp_path: Path) -> None:
    path = samples[2].media[0].path
    part = dataclasses.replace(samples[2], media=(Media("video", path, 20.0, 60.0),), meta={"film": "x"}, gold=None)
    parts = plan(part, question(), WINDOWS, None)
    assert (parts[0].start_s, parts[-1].end_s) == (0.0, 40.0)
    shown = part_sample(parts[0], Told())
    assert (shown.media[0].start_s, shown.media[0].end_s) == (20.0, 20.0 + parts[0].end_s)
    engine = Oracle(samples)
    ask(tmp_path, [part], engine, WINDOWS)
    (answer,) = answers(tmp_path, [part])
    assert answer.value is not None
    assert samples[2].gold is not None
    inside = [e for e in samples[2].gold["utterances"] if e["start"] >= 20 and e["end"] <= 60]
    found = [round(each["start"] + 20, 2) for each in answer.value["utterances"]]
    assert {e["start"] for e in inside} <= set(found)


# --- what goes wrong


def test_a_runaway_reply_does_not_fill_the_next_prompt(samples: list[Sample], tmp_path: Path) -> None:
    def endless(request: Request, text: str) -> str:
        value = json.loads(text)
        value["summary"] = "and so on " * 5000
        for each in value["utterances"]:
            each |= {"transcript_zh": "又" * 5000, "speaker_guess": "a\n- b " * 500}
        return json.dumps(value)

    usual, runaway = Oracle(samples), Oracle(samples, endless)
    ask(tmp_path / "usual", samples[:1], usual, WINDOWS)
    ask(tmp_path / "runaway", samples[:1], runaway, WINDOWS)
    longest = max(len(text_of(request)) for request in runaway.asked)
    assert longest < max(len(text_of(request)) for request in usual.asked) + 3 * 256 + 2 * 3 * 96
    lines = re.findall(r"^- .* — .*$", text_of(runaway.asked[1]), re.MULTILINE)
    assert len(lines) == WINDOWS.recall, "each in one line"


@given(text=st.text(max_size=300), tokens=st.integers(1, 50))
def test_shortened_texts_are_one_line_of_so_many_tokens(text: str, tokens: int) -> None:
    short = shortened(text, tokens)
    assert "\n" not in short
    assert sum(1 / 3 if letter.isascii() else 1 for letter in short) <= tokens + 1 + 1e-6
    assert " ".join(text.split()).startswith(short.removesuffix("…")) or short == " ".join(text.split())


def broken(number: int, with_: Reply | str) -> Callable[[Request, str], Reply | str]:
    """Spoils part `number` of clip long000."""

    def spoil(request: Request, text: str) -> Reply | str:
        if request.id != f"long000\0{number}":
            return text
        return dataclasses.replace(with_, id=request.id, key=request.key) if isinstance(with_, Reply) else with_

    return spoil


@pytest.mark.parametrize(("with_", "name"), [("no idea", "no_answer"), (Reply("", "", error="out of memory"), "error")])
def test_a_window_without_an_answer_is_a_gap_and_the_next_one_goes_on(
    with_: Reply | str, name: str, samples: list[Sample], tmp_path: Path
) -> None:
    engine = Oracle(samples, broken(1, with_))
    count, failures = ask(tmp_path, samples, engine, WINDOWS)
    assert failures == ({"out of memory": 1} if name == "error" else {})
    assert count == len(engine.asked)
    first, *others = answers(tmp_path, samples)
    assert first.value is not None
    assert first.dropped == (f"part[1]:{name}",)
    assert not any(answer.dropped for answer in others)
    assert samples[0].gold is not None
    assert 0 < len(first.value["utterances"]) < len(samples[0].gold["utterances"])
    third = next(request for request in engine.asked if request.id == "long000\0" + "2")
    assert "Summary of the clip up to here: Up to " in text_of(third), "that of the first window still stands"


def test_a_run_resumes_in_the_middle_of_a_clip(samples: list[Sample], tmp_path: Path) -> None:
    """The engine dies; the second sitting asks what is missing, told the same as in an uninterrupted run."""

    def die(request: Request, text: str) -> str:
        if request.id == "long002\0" + "2":
            raise EngineError("it died")
        return text

    whole = Oracle(samples)
    ask(tmp_path / "whole", samples, whole, WINDOWS)
    first, second = Oracle(samples, die), Oracle(samples)
    with pytest.raises(EngineError):
        ask(tmp_path / "torn", samples, first, WINDOWS)
    ask(tmp_path / "torn", samples, second, WINDOWS)
    assert second.asked
    assert not {request.id for request in second.asked} & {
        request.id for request in first.asked if request.id != "long002\0" + "2"
    }

    def stored(folder: str) -> dict[tuple[str, int], tuple[str, str | None]]:
        return {(r.id, r.part["index"]): (r.key, r.text) for r in read_replies(tmp_path / folder) if r.part}

    assert stored("torn") == stored("whole")
    assert answers(tmp_path / "torn", samples) == answers(tmp_path / "whole", samples)
    third = Oracle(samples)
    ask(tmp_path / "torn", samples, third, WINDOWS)
    assert not third.asked, "a finished run asks nothing"


def test_a_failed_window_that_succeeds_later_renews_what_depended_on_it(samples: list[Sample], tmp_path: Path) -> None:
    ask(tmp_path, samples, Oracle(samples, broken(0, Reply("", "", error="out of memory"))), WINDOWS)
    engine = Oracle(samples)
    ask(tmp_path, samples, engine, WINDOWS)
    asked = [request.id for request in engine.asked]
    assert asked[:2] == ["long000\0" + "0", "long000\0" + "1"]
    assert {name.split("\0")[0] for name in asked} == {"long000"}
    for sample, answer in zip(samples, answers(tmp_path, samples), strict=True):
        assert answer.value is not None
        assert sample.gold is not None
        assert plain(answer.value) == sample.gold["utterances"]
        assert not answer.dropped


def test_an_unreadable_part_is_asked_again_before_the_next_one(samples: list[Sample], tmp_path: Path) -> None:
    def once(request: Request, text: str) -> str:
        return "no idea" if request.id == "long000\0" + "1" and len(request.messages) == 1 else text

    engine = Oracle(samples, once)
    ask(tmp_path, samples, engine, WINDOWS, reask=2)
    order = [request.id for request in engine.asked if request.id.startswith("long000")]
    assert order[:4] == ["long000\0" + number for number in "0112"]
    assert [reply.attempt for reply in read_replies(tmp_path) if reply.id == "long000"][:4] == [0, 0, 1, 0]
    assert not answers(tmp_path, samples)[0].dropped
    assert answers(tmp_path, samples)[0].value is not None


def test_an_unreadable_part_of_an_earlier_sitting_is_asked_again(samples: list[Sample], tmp_path: Path) -> None:
    def once(request: Request, text: str) -> str:
        return "no idea" if request.id == "long000\0" + "1" and len(request.messages) == 1 else text

    for mode in ("windows", "given", "online"):
        options = dataclasses.replace(WINDOWS, mode=mode)
        ask(tmp_path / mode, samples, Oracle(samples, once), options)
        assert answers(tmp_path / mode, samples)[0].dropped == ("part[1]:no_answer",)
        engine = Oracle(samples, once)
        ask(tmp_path / mode, samples, engine, options, reask=1)
        assert engine.asked[0].id == "long000\0" + "1"
        assert len(engine.asked[0].messages) == 3
        assert not answers(tmp_path / mode, samples)[0].dropped


def test_a_clip_that_cannot_be_read_is_one_error_and_heals(samples: list[Sample], tmp_path: Path) -> None:
    lost = dataclasses.replace(samples[0], media=(Media("video", tmp_path / "lost.mp4"),))
    mixed = [lost, *samples[1:]]
    count, failures = ask(tmp_path / "run", mixed, Oracle(samples), WINDOWS)
    (reason,) = failures
    assert "no such file" in reason
    first, *others = answers(tmp_path / "run", mixed)
    assert first.error == reason
    assert all(answer.value is not None for answer in others)
    lost.media[0].path.write_bytes(samples[0].media[0].path.read_bytes())
    engine = Oracle([lost, *samples[1:]])
    ask(tmp_path / "run", mixed, engine, WINDOWS)
    assert answers(tmp_path / "run", mixed)[0].value is not None
    assert count < len(list(read_replies(tmp_path / "run")))


def test_segments_come_from_sentences_gold_or_sound(samples: list[Sample]) -> None:
    sample = samples[0]
    gold = [(each["start"], each["end"]) for each in (sample.gold or {})["utterances"]]
    bare = dataclasses.replace(sample, meta={"film": "x"})
    shifted = dataclasses.replace(sample, meta={**sample.meta, "sentences": [[1.0, 2.0, "one"], [2.0, 2.0, "nothing"]]})

    def places(of: Sample, segments: str) -> list[tuple[float, float]]:
        options = StreamOptions(mode="given", segments=segments)  # type: ignore[arg-type]
        return [(part.start_s, part.end_s) for part in plan(of, question("given"), options, None)]

    assert places(shifted, "auto") == places(shifted, "sentences") == [(1.0, 2.0)]
    assert places(shifted, "gold") == gold
    heard = places(bare, "auto")
    assert heard == places(shifted, "sound")
    assert len(heard) == len(gold)
    assert all(a == pytest.approx(b, abs=0.1) for a, b in zip(heard, gold, strict=True))
    with pytest.raises(ValueError, match="no utterance"):
        places(bare, "sentences")


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"window_s": 1}, "--window-s"),
        ({"window_s": float("nan")}, "--window-s"),
        ({"overlap_s": 20}, "--overlap-s"),
        ({"overlap_s": -1}, "--overlap-s"),
        ({"horizon_s": 0}, "--horizon-s"),
        ({"recall": -1}, "--recall"),
        ({"mode": "given", "marks": True}, "--marks"),
        ({"mode": "online", "marks": True}, "--marks"),
    ],
)
def test_impossible_options_are_refused(fields: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        StreamOptions(**fields)


def test_a_reply_to_one_utterance_is_a_timeline() -> None:
    import jsonschema

    from prompts.schema import schema

    value = {
        "summary": None,
        "overall_emotion_trend": {"dominant": None, "trajectory": None},
        "utterances": [
            {"timestamp_range": "00:00-00:04", "primary_7class": "Joy", "secondary_Goemotions": ["joy"], "intensity": 4}
        ],
    }
    jsonschema.validate(value, utterance_schema(KIND))
    jsonschema.validate(value, schema(KIND))
    outcome = parse(json.dumps(value), KIND)
    assert isinstance(outcome, Parsed)
    assert (outcome.rule, outcome.repairs) == ("schema", ())
    two = {**value, "utterances": value["utterances"] * 2}  # type: ignore[operator]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(two, utterance_schema(KIND))


def test_only_timelines_take_the_way_in_parts(samples: list[Sample]) -> None:
    from tasks.registry import task

    basic = dataclasses.replace(question("auto"), task=task("synthetic"))
    assert plan(samples[2], basic, WINDOWS, 10) == []
