"""All four modes through the real engine, on a tiny checkpoint: what is fed, what is stored, what becomes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.answers import PARTS, read_answers
from infer.checkpoint import Checkpoint
from infer.run import InferConfig, make_question
from infer.store import RunStore, read_replies
from infer.stream.ask import ask_stream
from infer.stream.modes import Mode, StreamOptions
from infer.vllm_engine import VllmEngine
from tasks.emos_stream import KIND
from tasks.synthetic.long import generate_long
from tasks.synthetic.stream import SYNTHETIC_STREAM
from tasks.task import MediaOptions, Root, Sample
from tests.infer.conftest import HAS_ENGINE, NO_ENGINE

pytestmark = [pytest.mark.engine, pytest.mark.skipif(not HAS_ENGINE, reason=NO_ENGINE)]
TINY = MediaOptions(min_pixels=1, max_pixels=56 * 56)
ROOM = 2048 - 64


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    data = generate_long(tmp_path_factory.mktemp("long") / "data", [10, 24], seed=3, size=64)
    return list(SYNTHETIC_STREAM.adapter(Root(data), "all"))


MODES: list[tuple[Mode, bool]] = [
    ("whole", False),
    ("windows", False),
    ("given", False),
    ("online", False),
    ("whole", True),
    ("windows", True),
]


@pytest.mark.parametrize(("mode", "marks"), MODES)
def test_a_mode_runs_through_the_engine_and_resumes(
    mode: Mode, marks: bool, samples: list[Sample], engine: VllmEngine, tiny: Checkpoint, tmp_path: Path
) -> None:
    options = StreamOptions(mode=mode, window_s=8.0, overlap_s=2.0, horizon_s=6.0, recall=2, marks=marks)
    config = InferConfig("synthetic-stream", Path(), stream=options, clip=TINY, max_tokens=64)
    question = make_question(config, SYNTHETIC_STREAM, tiny)
    loads: list[int] = []

    def load(most: int) -> VllmEngine:
        loads.append(most)
        return engine

    def sitting() -> tuple[int, dict[str, int]]:
        with RunStore(tmp_path) as store:
            store.begin({"task": SYNTHETIC_STREAM.full_name}, {}, samples)
            asked, failures = ask_stream(samples, question, store, load, 2, 0, options, ROOM)
        return asked, dict(failures)

    asked, failures = sitting()
    assert not failures
    replies = list(read_replies(tmp_path))
    assert asked == len(replies)
    assert {reply.id for reply in replies} == {sample.id for sample in samples}
    for reply in replies:
        assert reply.text
        assert reply.fed.audio_tokens > 0
        assert reply.fed.video_tokens > 0
        assert (reply.part is None) == (mode == "whole" and not marks)
        if reply.part is not None:
            begin, end = reply.part["media_s"]
            assert reply.fed.audio_s == pytest.approx(end - begin, abs=0.05)
            assert reply.fed.frames == pytest.approx(2 * (end - begin), abs=8 if marks else 3)
            assert ("latency_s" in reply.part) == (mode == "online")
    utterances = [len(sample.meta["sentences"]) for sample in samples]
    counts = {"whole": 2, "windows": asked, "given": sum(utterances), "online": sum(utterances)}
    assert asked == counts[mode] >= 2
    answers = read_answers(samples, replies, KIND)
    assert len(answers) == len(samples), "a tiny model with random weights may answer anything: nothing is lost"
    assert all(answer.error is None for answer in answers)
    if mode in ("given", "online"):
        assert all(reply.text and reply.text.startswith('{"summary":') for reply in replies)
    assert {answer.rule for answer in answers if answer.value is not None} <= {PARTS, "schema", "json"}
    assert sitting() == (asked, {})
    assert len(loads) == 1, "a finished run needs no engine"
    assert (loads[0] > 1) == marks
    assert len(list(read_replies(tmp_path))) == asked
