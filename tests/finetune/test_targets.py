"""The reply that is learned: reachable under constrained decoding, read back by the parser, faithful to gold."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from finetune.recipe import OptionsPart
from finetune.targets import confidence_of, label_key, target
from prompts.parsing import Parsed, parse
from prompts.render import load_template
from prompts.schema import schema
from tasks.labels import label_space
from tasks.registry import TASKS
from tasks.task import AnswerKind, AnyOf, Blend, Described, Dims, OneOf, Pick, Record, Root, Sample, Task, Timeline

PLAIN = OptionsPart()
BASIC = OneOf(*label_space("basic7"))
FINE = AnyOf(*label_space("goemotions28"))
THIRDS = [{"label": "joy", "confidence": 1 / 3}, {"label": "love", "confidence": 2 / 3}, {"label": "pride"}]
KINDS: dict[str, tuple[AnswerKind, dict[str, Any], str]] = {
    "OneOf": (BASIC, {"label": "Joy"}, '{"label":"Joy"}'),
    "open": (AnyOf(), {"labels": ["glad", "at ease, 安心"]}, '{"labels":["glad","at ease, 安心"]}'),
    "closed": (FINE, {"labels": THIRDS}, '{"labels":[{"label":"pride"},{"label":"love"}]}'),
    "Record": (
        Record(BASIC, FINE),
        {"emotion": "Joy", "goemotions": THIRDS},
        '{"emotion":"Joy","confidence":null,"goemotions":[{"label":"pride"},{"label":"love"}],'
        '"evidence":null,"rationale":null}',
    ),
    "Described": (
        Described(),
        {"description": '他笑了: "好".', "labels": ["glad"]},
        '{"description":"他笑了: \\"好\\".","labels":["glad"]}',
    ),
    "Blend": (
        Blend(("anger", "fear")),
        {"emotions": [{"emotion": "fear", "salience": 30}, {"emotion": "anger", "salience": 70}]},
        '{"emotions":[{"emotion":"fear","salience":30},{"emotion":"anger","salience":70}]}',
    ),
    "Dims": (Dims(("x", "y"), 0, 1), {"x": 0.25, "y": None}, '{"x":0.25,"y":null}'),
    "Timeline": (
        Timeline(BASIC, AnyOf(("joy", "love"))),
        {"utterances": [{"start": 1.0, "end": 2.5, "primary": "Joy", "secondary": ["love"], "intensity": 3}]},
        '{"summary":null,"overall_emotion_trend":{"dominant":null,"trajectory":null},"utterances":['
        '{"timestamp_range":"00:01-00:02.500","speaker_guess":null,"transcript_zh":null,"transcript_en":null,'
        '"primary_7class":"Joy","secondary_Goemotions":["love"],"intensity":3,"audio_cues":null,"visual_cues":null,'
        '"evidence":null}]}',
    ),
    "Pick": (Pick(("a1", "a2")), {"choice": "a2"}, '{"choice":"a2"}'),
}
every_kind = pytest.mark.parametrize("name", KINDS)


def no_samples(_root: Root, _split: str) -> Iterator[Sample]:
    return iter(())


def task_of(kind: AnswerKind) -> Task:
    return Task("own", "1", "here", no_samples, kind, "oneof_json", ("accuracy",), "speaker")


def learned(kind: AnswerKind, gold: dict[str, Any] | None, options: OptionsPart = PLAIN, **meta: Any) -> str:
    sample = Sample("a", gold, meta=meta)
    return target(sample, task_of(kind), load_template("oneof_json"), options)


@every_kind
def test_the_reply_of_each_kind(name: str) -> None:
    kind, gold, text = KINDS[name]
    assert learned(kind, gold) == text


@every_kind
def test_the_parser_reads_the_gold_answer_back(name: str) -> None:
    kind, gold, _ = KINDS[name]
    found = parse(learned(kind, gold), kind)
    assert isinstance(found, Parsed)
    assert found.rule == "schema"
    assert not found.repairs
    for key, value in gold.items():
        if isinstance(value, str) or not isinstance(value, list):
            assert found.value[key] == value


@pytest.fixture(scope="module")
def accepts(bases: dict[str, Path]) -> Callable[[AnswerKind, str], bool]:
    """Whether vLLM's grammar, with white space switched off as infer/vllm_engine.py does, can produce a reply."""
    xgrammar = pytest.importorskip("xgrammar")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(bases["qwen2_5_omni"])
    compiler = xgrammar.GrammarCompiler(xgrammar.TokenizerInfo.from_huggingface(tokenizer))

    def check(kind: AnswerKind, text: str) -> bool:
        rules = json.dumps(schema(kind))
        grammar = compiler.compile_json_schema(rules, any_whitespace=False, separators=(",", ":"))
        matcher = xgrammar.GrammarMatcher(grammar)
        return all(matcher.accept_token(token) for token in (*tokenizer(text)["input_ids"], tokenizer.eos_token_id))

    return check


@every_kind
@pytest.mark.parametrize("soft", [False, True])
def test_constrained_decoding_can_write_the_reply(
    name: str, soft: bool, accepts: Callable[[AnswerKind, str], bool]
) -> None:
    kind, gold, _ = KINDS[name]
    options = dataclasses.replace(PLAIN, soft_labels=soft, state_confidence=soft)
    assert accepts(kind, learned(kind, gold, options, ds_confidence=2 / 3))


def test_the_spaces_that_json_dumps_writes_cannot_be_decoded(accepts: Callable[[AnswerKind, str], bool]) -> None:
    assert not accepts(BASIC, json.dumps({"label": "Joy"}))
    assert not accepts(Dims(("x",), 0, 1), f'{{"x":{1 / 3}}}'), "more than six decimals"


def test_soft_labels_state_each_probability() -> None:
    kind, gold, _ = KINDS["Record"]
    options = dataclasses.replace(PLAIN, soft_labels=True, state_confidence=True)
    found = json.loads(learned(kind, gold, options, ds_confidence=0.876))
    listed = [(item["label"], item["confidence"]) for item in found["goemotions"]]
    assert listed == [("pride", 1.0), ("love", 0.67), ("joy", 0.33)]
    assert found["confidence"] == 0.88


@pytest.mark.parametrize("soft", [False, True])
def test_a_label_that_nobody_gave_is_not_learned(soft: bool) -> None:
    gold = {"labels": [{"label": "joy", "confidence": 0.0}, {"label": "love", "confidence": 1.0}]}
    found = json.loads(learned(FINE, gold, dataclasses.replace(PLAIN, soft_labels=soft)))
    assert [item["label"] for item in found["labels"]] == ["love"]


def test_numbers_are_rounded_to_what_a_model_would_write() -> None:
    assert learned(Dims(("x",), 0, 1), {"x": 1 / 3}) == '{"x":0.33}'


def test_a_template_that_asks_for_a_bare_label_gets_one() -> None:
    sample, bare = Sample("a", {"label": "Joy"}), load_template("oneof_label")
    assert target(sample, task_of(BASIC), bare, PLAIN) == "Joy"
    with pytest.raises(ValueError, match="asks for free text"):
        target(Sample("a", {"labels": ["glad"]}), task_of(AnyOf()), bare, PLAIN)


@pytest.mark.parametrize(
    ("kind", "gold", "said"),
    [
        (BASIC, None, "no gold answer"),
        (BASIC, {"label": "Bliss"}, r"gold 'label' 'Bliss' is not one of Anger"),
        (BASIC, {"label": ""}, r"gold 'label' is empty"),
        (AnyOf(), {"labels": []}, "gold names no label"),
        (Described(), {"description": None, "labels": ["glad"]}, "gold has no description"),
    ],
)
def test_gold_that_cannot_be_learned_says_why(kind: AnswerKind, gold: dict[str, Any] | None, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        learned(kind, gold)


@pytest.mark.parametrize("value", [None, "high", 1.2, -0.1, True])
def test_a_confidence_is_a_number_from_0_to_1(value: object) -> None:
    with pytest.raises(ValueError, match="meta 'ds_confidence' is"):
        confidence_of(Sample("a", None, meta={"ds_confidence": value}), PLAIN)


@every_kind
def test_every_kind_has_a_key_for_balancing(name: str) -> None:
    kind, gold, _ = KINDS[name]
    keys = {label_key(Sample("a", gold), kind), label_key(Sample("b", gold), kind)}
    assert len(keys) == 1


def test_the_tasks_of_the_recipes_are_of_tested_kinds() -> None:
    for name in ("emos-basic7", "emos-compact", "mer2025-fg", "mer2025-des", "blemore"):
        assert type(TASKS[name].answer).__name__ in {type(kind).__name__ for kind, _, _ in KINDS.values()}
