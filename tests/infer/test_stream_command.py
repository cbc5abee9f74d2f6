"""`omnimer infer` on timelines: what run.json says, what is printed, what is refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infer import run as infer_run
from infer.run import LONGEST, InferConfig, make_question
from infer.stream.modes import Mode, StreamOptions, utterance_schema
from prompts.schema import schema
from tasks.emos_stream import KIND
from tasks.registry import task
from tasks.synthetic.long import generate_long
from tasks.synthetic.stream import SYNTHETIC_STREAM
from tasks.task import MediaOptions, Root, Task
from tests.infer.test_stream import SMALL, Model, Oracle

WINDOWS = StreamOptions(mode="windows", window_s=12.0, overlap_s=3.0)


class Spoken(Model):
    """A model that can show its prompt."""

    def prompt(self, messages: Any) -> str:
        return str(messages[-1]["content"][-1]["text"])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate_long(tmp_path_factory.mktemp("long") / "data", [30], seed=5, size=64)


@pytest.fixture
def infer(monkeypatch: pytest.MonkeyPatch, data: Path) -> Callable[[InferConfig], int]:
    """The command with an engine that answers truthfully."""
    engine = Oracle(SYNTHETIC_STREAM.adapter(Root(data), "all"))
    monkeypatch.setattr(infer_run, "task_named", lambda _: SYNTHETIC_STREAM)
    monkeypatch.setattr(infer_run, "named_model", lambda _: Spoken())
    monkeypatch.setattr(infer_run, "load_engine", lambda *_: engine)
    return infer_run.run


def config(data: Path, stream: StreamOptions = WINDOWS, **fields: Any) -> InferConfig:
    return InferConfig("synthetic-stream", data, stream=stream, clip=SMALL, **fields)


def test_a_run_in_windows_says_so(
    infer: Callable[[InferConfig], int], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = config(data, out=tmp_path / "run")
    assert infer(asked) == 0
    said = capsys.readouterr().err
    assert "parts have a reply" in said
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["config"]["stream"] | {"marks": False} == dataclasses.asdict(WINDOWS)
    assert "part 1 of" in record["prompt_of_first_request"]
    assert infer(asked) == 0
    other = dataclasses.replace(asked, stream=dataclasses.replace(WINDOWS, overlap_s=1.0))
    with pytest.raises(ValueError, match=r"stream\.overlap_s: there 3\.0, now 1\.0"):
        infer(other)


def test_a_run_with_times_between_the_media_is_another_run(
    infer: Callable[[InferConfig], int], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And one without them, from before there were any, goes on."""
    plain, marked = (
        config(data, dataclasses.replace(WINDOWS, marks=marks), out=tmp_path / name)
        for marks, name in ((False, "plain"), (True, "marked"))
    )
    for asked in (plain, marked):
        assert infer(asked) == 0
    stream = [
        json.loads((tmp_path / name / "run.json").read_text())["config"]["stream"] for name in ("plain", "marked")
    ]
    assert [each.get("marks") for each in stream] == [None, True]
    with pytest.raises(ValueError, match=r"stream\.marks"):
        infer(dataclasses.replace(marked, out=plain.out))
    capsys.readouterr()
    infer(dataclasses.replace(marked, show_prompt=True))
    assert " s to " in capsys.readouterr().out.splitlines()[1]


@pytest.mark.parametrize(("mode", "word"), [("windows", "part 1 of"), ("given", "at 00:00-00:"), ("whole", "the clip")])
def test_the_prompt_that_is_shown_is_that_of_the_first_part(
    infer: Callable[[InferConfig], int], data: Path, capsys: pytest.CaptureFixture[str], mode: Mode, word: str
) -> None:
    assert infer(config(data, dataclasses.replace(WINDOWS, mode=mode), show_prompt=True)) == 0
    assert word in capsys.readouterr().out


def test_a_run_of_another_kind_of_task_does_not_speak_of_parts(data: Path) -> None:
    basic = task("synthetic")
    question = make_question(InferConfig("synthetic", data), basic, Model())  # type: ignore[arg-type]
    assert "stream" not in infer_run._record(InferConfig("synthetic", data), question, Root(data))


@pytest.mark.parametrize(
    ("mode", "of", "template", "longest"),
    [
        ("auto", SYNTHETIC_STREAM, "emos_stream_json", LONGEST[True]),
        ("windows", SYNTHETIC_STREAM, "emos_stream_json", LONGEST[True]),
        ("given", SYNTHETIC_STREAM, "stream_given_json", LONGEST[False]),
        ("online", SYNTHETIC_STREAM, "stream_online_json", LONGEST[False]),
        ("auto", task("synthetic"), "oneof_json", LONGEST[False]),
    ],
)
def test_what_is_asked_by_mode(mode: Mode, of: Task, template: str, longest: int) -> None:
    question = make_question(InferConfig("x", Path(), stream=StreamOptions(mode=mode)), of, Model())  # type: ignore[arg-type]
    assert (question.template.name, question.sampling.max_tokens) == (template, longest)
    expected = utterance_schema(KIND) if mode in ("given", "online") else schema(of.answer)
    assert question.schema == expected


@pytest.mark.parametrize("mode", ["windows", "given", "online"])
def test_parts_of_other_tasks_are_refused(mode: Mode) -> None:
    asked = InferConfig("x", Path(), stream=StreamOptions(mode=mode))
    with pytest.raises(ValueError, match=f"--mode {mode} is for timelines"):
        make_question(asked, task("synthetic"), Model())  # type: ignore[arg-type]


def test_a_clip_without_room_is_an_error_with_a_cure(
    infer: Callable[[InferConfig], int], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow = config(data, out=tmp_path / "run")
    narrow = dataclasses.replace(narrow, clip=MediaOptions(), vllm=dataclasses.replace(narrow.vllm, max_model_len=4200))
    assert infer(narrow) == 1
    said = capsys.readouterr().err
    assert "raise --max-model-len" in said
    assert "long000.mp4" in said
