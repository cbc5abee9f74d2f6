"""Two stages, and reasoning: the earlier reply in the place of media, a question that asks for thoughts first."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from infer.asking import ask
from infer.engine import Reply, Request, Sampling
from infer.feed import Question, prepare
from infer.run import LONGEST, InferConfig, label_choice, make_question
from infer.second_stage import check_template, text_alone, with_replies
from infer.store import RunStore, read_replies
from prompts.parsing import Parsed, parse, visible
from prompts.render import REPLY, THINKING, Messages, load_template, plain, render
from prompts.schema import dump
from tasks.kinds import kind
from tasks.synthetic import SYNTHETIC
from tasks.task import Blend, Media, MediaOptions, OneOf, Sample


@dataclasses.dataclass(frozen=True)
class Model:
    """As much of a checkpoint as a question needs."""

    factor: int = 28

    def identity(self) -> dict[str, str]:
        return {"model": "stub"}


class Echo:
    """An engine that answers with the last line of the question."""

    factor = 28

    def prompt(self, messages: Messages) -> str:
        return str(messages)

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Reply]:
        for request in requests:
            assert not request.clips
            yield Reply(request.id, request.key, request.messages[-1]["content"][-1]["text"].splitlines()[-1])


def question(config: InferConfig) -> Question:
    return make_question(config, SYNTHETIC, Model())  # type: ignore[arg-type]


@pytest.fixture
def template(tmp_path: Path) -> str:
    path = tmp_path / "extract.txt"
    path.write_text("Which emotion is named here?\n{{ reply }}", encoding="utf-8")
    return str(path)


def first_run(folder: Path, replies: list[Reply]) -> Path:
    samples = [Sample(name, None) for name in dict.fromkeys(reply.id for reply in replies)]
    with RunStore(folder) as store:
        store.begin({"task": SYNTHETIC.full_name, "model": {"model": "stub"}}, {}, samples)
        store.append(replies)
    return folder


def test_the_last_reply_stands_in_without_reasoning_and_fences(tmp_path: Path) -> None:
    replies = [
        Reply("a", "1", "old"),
        Reply("a", "2", "<think>why</think>She smiles, then cries."),
        Reply("b", "3", error="media: gone"),
    ]
    found = with_replies([Sample("a", None, meta={"n": 1}), Sample("b", None)], first_run(tmp_path / "run", replies))
    assert found[0].meta == {"n": 1, REPLY: "She smiles, then cries."}
    assert REPLY not in found[1].meta


def test_a_run_of_other_samples_is_refused(tmp_path: Path) -> None:
    run = first_run(tmp_path / "run", [Reply("a", "1", "x")])
    with pytest.raises(ValueError, match="holds no reply to any of the samples"):
        with_replies([Sample("c", None)], run)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"run\.json"):
        with_replies([Sample("c", None)], tmp_path)


def test_a_template_that_leaves_the_reply_out_is_refused() -> None:
    with pytest.raises(ValueError, match="does not print"):
        check_template(load_template("oneof_json"))


def test_media_are_neither_opened_nor_fed_and_a_missing_reply_is_an_error(tmp_path: Path, template: str) -> None:
    run = first_run(tmp_path / "one", [Reply("a", "1", "He beams with joy <|im_end|>.")])
    media = (Media("video", tmp_path / "does_not_exist.mp4"),)
    samples = with_replies([Sample("a", None, media=media), Sample("b", None, media=media)], run)
    asked = question(InferConfig("synthetic", tmp_path, template=template, replies_of=run))
    with RunStore(tmp_path / "two") as store:
        store.begin({"task": SYNTHETIC.full_name, "model": {"model": "stub"}}, {}, samples)
        failures = ask(samples, asked, store, Echo, threads=1)
    stored = {reply.id: reply for reply in read_replies(tmp_path / "two")}
    assert stored["a"].text == "He beams with joy"  # what follows the end token was never said
    assert stored["b"].error == "the earlier run has no reply to this sample"
    assert sum(failures.values()) == 1


def test_another_first_reply_is_another_key(tmp_path: Path, template: str) -> None:
    asked = question(InferConfig("synthetic", tmp_path, template=template, replies_of=tmp_path))
    keys = set()
    for text in ("She smiles.", "She frowns."):
        request = prepare(Sample("a", None, meta={REPLY: text}), asked, lambda *_: False)
        assert isinstance(request, Request)
        keys.add(request.key)
    assert len(keys) == 2


def test_text_alone_keeps_the_rest_of_the_options() -> None:
    options = text_alone(MediaOptions(audio_in_video=True, fps=4))
    assert (options.video, options.audio, options.audio_in_video, options.fps) == (False, False, False, 4)


def test_visible_text_is_what_a_reader_would_see() -> None:
    assert visible("<think>a</think>\n```json\n{}\n```") == "{}"


# --- reasoning


def test_thinking_is_asked_for_behind_the_question_and_frees_decoding(tmp_path: Path) -> None:
    asked = question(InferConfig("synthetic", tmp_path, thinking=True))
    assert asked.messages(Sample("a", None))[-1]["content"][-1]["text"].endswith(THINKING)
    assert asked.schema is None
    assert asked.sampling.decode == "free"
    assert asked.sampling.max_tokens == LONGEST[True]


def test_without_thinking_nothing_changes(tmp_path: Path) -> None:
    asked = question(InferConfig("synthetic", tmp_path))
    assert asked.messages(Sample("a", None)) == render(SYNTHETIC, Sample("a", None), MediaOptions())
    assert (asked.sampling.decode, asked.sampling.max_tokens) == ("schema", LONGEST[False])


def test_thinking_and_constrained_decoding_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--thinking"):
        question(InferConfig("synthetic", tmp_path, thinking=True, decode="schema"))


def test_a_reply_with_thoughts_is_read_by_its_answer() -> None:
    text = '<think>Joy? The brows say {"label": "Fear"}.</think><answer>{"label": "Anger"}</answer>'
    outcome = parse(text, SYNTHETIC.answer)
    assert isinstance(outcome, Parsed)
    assert outcome.value["label"] == "Anger"


# --- what templates see


def test_templates_see_the_meta_of_a_sample_made_plain(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text("1: {{ meta.a1 }} 2: {{ meta.rank }}", encoding="utf-8")
    sample = Sample("a", None, meta={"a1": "happy <|im_start|>system", "rank": 3})
    text = render(SYNTHETIC, sample, MediaOptions(), template=load_template(str(path)))[-1]["content"][-1]["text"]
    assert text == f"1: {plain('happy <|im_start|>system')} 2: 3"
    assert "<|" not in text


def test_meta_that_a_template_asks_for_and_a_sample_lacks_is_named(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text("{{ meta.a1 }}", encoding="utf-8")
    with pytest.raises(ValueError, match="a1"):
        render(SYNTHETIC, Sample("a", None), MediaOptions(), template=load_template(str(path)))


# --- label decoding of blends


def test_label_decoding_of_a_blend_writes_a_legal_reply_for_each_label() -> None:
    blend = kind("Blend:blemore6")
    assert isinstance(blend, Blend)
    choice = label_choice(blend, load_template("oneof_json"))
    for label in blend.labels:
        outcome = parse(choice.head + label + choice.tail, blend)
        assert isinstance(outcome, Parsed)
        assert outcome.rule == "schema"
        assert outcome.value == {"emotions": [{"emotion": label, "salience": 100}]}
        assert json.loads(dump(outcome.value, blend)) == json.loads(choice.head + label + choice.tail)


def test_label_decoding_needs_labels() -> None:
    with pytest.raises(ValueError, match="OneOf or Blend"):
        label_choice(kind("AnyOf:open"), load_template("oneof_json"))
    assert isinstance(SYNTHETIC.answer, OneOf)
