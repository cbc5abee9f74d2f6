"""The guarantees of the parser (section 14 of the policy): total, linear, idempotent, closed, valid is untouched."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from prompts.parsing import REASONS, REPAIRS, Parsed, Unparsed, parse
from prompts.parsing.check import checker
from prompts.parsing.jsonread import whole
from prompts.parsing.official import mer_clean_up
from prompts.parsing.strict import Pairs
from prompts.schema import dump, schema
from tasks.kinds import BIG5, KINDS, kind
from tasks.labels import label_space

READ = [name for name in KINDS if not name.startswith("Official")]
BASIC7 = label_space("basic7").labels
GOEMOTIONS = label_space("goemotions28").labels
BLEMORE6 = label_space("blemore6").labels

# --- Values of every kind ---------------------------------------------------------------------------------------------

scores = st.none() | st.floats(0, 1) | st.integers(0, 1)
awkward = [
    "a } b",
    "{",
    "[x",
    'He says "no".',
    "// x # y",
    "a\nb",
    "N/A",
    "",
    "it's",
    "“so”, 'so'",
    "label: Joy",
    "\\n \\",
]
texts = st.none() | st.text(max_size=40) | st.sampled_from(awkward)
words = st.sampled_from(
    ["happy", "at ease", "in a hurry", "开心", "self-assured", "can't wait", "über", "sad", "wistful"]
)


@st.composite
def scored(draw: st.DrawFn) -> list[dict[str, Any]]:
    labels = draw(st.lists(st.sampled_from(GOEMOTIONS), unique=True, max_size=5))
    values = sorted(
        draw(st.lists(scores, min_size=len(labels), max_size=len(labels))), key=lambda x: -1 if x is None else x
    )
    return [{"label": label, "confidence": value} for label, value in zip(labels, values[::-1], strict=True)]


@st.composite
def blends(draw: st.DrawFn) -> dict[str, Any]:
    first, second = draw(st.permutations(BLEMORE6))[:2]
    share = draw(st.sampled_from([30, 50, 70, 100]))
    both = [{"emotion": first, "salience": share}, {"emotion": second, "salience": 100 - share}]
    return {"emotions": both[:1] if share == 100 else both}


@st.composite
def timelines(draw: st.DrawFn) -> dict[str, Any]:
    times = sorted(draw(st.lists(st.integers(0, 10_000_000), max_size=8)))
    utterances = [
        {
            "start": start / 1000, "end": end / 1000, "speaker": draw(texts), "transcript_zh": draw(texts),
            "transcript_en": draw(texts), "primary": draw(st.sampled_from(BASIC7)),
            "secondary": draw(st.none() | st.lists(st.sampled_from(GOEMOTIONS), unique=True, max_size=3)),
            "intensity": draw(st.none() | st.integers(1, 5)), "audio_cues": draw(texts), "visual_cues": draw(texts),
            "evidence": draw(texts),
        }
        for start, end in zip(times[::2], times[1::2], strict=False)
    ]  # fmt: skip
    trend = {"dominant": draw(st.none() | st.sampled_from(BASIC7)), "trajectory": draw(texts)}
    return {"summary": draw(texts), "trend": trend, "utterances": utterances}


VALUES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "OneOf:basic7": st.fixed_dictionaries({"label": st.sampled_from(BASIC7), "confidence": scores}),
    "OneOf:mer6": st.fixed_dictionaries({"label": st.sampled_from(["neutral", "worried"]), "confidence": scores}),
    "OneOf:sentiment3": st.fixed_dictionaries({"label": st.just("negative"), "confidence": scores}),
    "AnyOf:goemotions28": st.fixed_dictionaries({"labels": scored()}),
    "AnyOf:open": st.fixed_dictionaries({"labels": st.lists(words, unique=True, max_size=8)}),
    "Record:emos": st.fixed_dictionaries(
        {"emotion": st.sampled_from(BASIC7), "confidence": scores, "goemotions": st.none() | scored()}
        | {"evidence": texts, "rationale": texts}
    ),
    "Described:open": st.fixed_dictionaries({"description": texts, "labels": st.lists(words, unique=True)}),
    "Blend:blemore6": blends(),
    "Timeline:emos": timelines(),
    "Pick:preference": st.fixed_dictionaries({"choice": st.sampled_from(["a1", "a2", "same"])}),
    "Pick:abcd": st.fixed_dictionaries({"choice": st.sampled_from("ABCD")}),
    "Dims:va": st.fixed_dictionaries({"valence": st.floats(-1, 1), "arousal": st.none() | st.floats(-1, 1)}),
    "Dims:big5": st.fixed_dictionaries(
        {BIG5.names[0]: st.floats(0, 1)} | dict.fromkeys(BIG5.names[1:], st.none() | st.floats(0, 1))
    ),
}
valued = st.sampled_from(READ).flatmap(lambda name: st.tuples(st.just(name), VALUES[name]))

# --- Text of every kind -----------------------------------------------------------------------------------------------

SCRAPS = [
    *"{}[]()\":,\n'|`#*_-=<>/\\｛｝［］：，、“”「」",
    *[
        "```json",
        "<think>",
        "</think>",
        "<answer>",
        "</answer>",
        "\\boxed{",
        "\\u12",
        "assistant\n",
        "user\n",
        "<|im_end|>",
    ],
    *["label", '"label"', '"labels": [', "Emotion: ", "confidence", "choice", "valence", '"emotion": ', '"utterances"'],
    *["Joy", "joy", "ang", "愤怒", "hope", "none", "Unsure", "not ", "I'm sorry", "和", "是", "情绪是", "A. ", "😀"],
    *["0.8", "85%", "00:01-00:05", "null", "None", "true", "NaN", "1e999", "// x", "/*", '\\"', "The emotion is "],
    *["\ud800", "\x00", "\ufeff", "\u200b", "\u3000", "Timestamp range: ", "| a | b |\n|---|---|\n"],
]
replies = st.text(max_size=60) | st.lists(st.sampled_from(SCRAPS) | st.text(max_size=4), max_size=40).map("".join)


def labels_of(name: str, value: dict[str, Any]) -> set[str]:
    """The closed labels that a value names."""
    match name.split(":", maxsplit=1)[0]:
        case "OneOf":
            return {value["label"]}
        case "AnyOf" if name != "AnyOf:open":
            return {item["label"] for item in value["labels"]}
        case "Record":
            return {value["emotion"]} | {item["label"] for item in value["goemotions"] or []}
        case "Blend":
            return {item["emotion"] for item in value["emotions"]}
        case "Timeline":
            found = {utterance["primary"] for utterance in value["utterances"]} | {value["trend"]["dominant"]}
            return found.union(*(utterance["secondary"] or [] for utterance in value["utterances"])) - {None}
        case "Pick":
            return {value["choice"]}
        case _:
            return set()


LEGAL: dict[str, tuple[str, ...]] = {
    "OneOf:basic7": BASIC7,
    "OneOf:mer6": label_space("mer6").labels,
    "AnyOf:goemotions28": GOEMOTIONS,
    "Record:emos": (*BASIC7, *GOEMOTIONS),
    "Timeline:emos": (*BASIC7, *GOEMOTIONS),
    "Blend:blemore6": BLEMORE6,
    "Pick:preference": ("a1", "a2", "same"),
    "Pick:abcd": ("A", "B", "C", "D"),
}


@settings(max_examples=2500, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(list(KINDS)), replies)
def test_total_closed_and_repeatable(name: str, reply: str) -> None:
    result = parse(reply, KINDS[name])
    assert result == parse(reply, KINDS[name]) or "nan" in repr(result)
    if isinstance(result, Unparsed):
        assert result.reason in REASONS
        return
    assert set(result.repairs) <= set(REPAIRS)
    assert list(result.repairs) == [repair for repair in REPAIRS if repair in result.repairs]
    assert labels_of(name, result.value) <= set(LEGAL.get(name, ()))
    if result.rule == "schema":
        assert not result.repairs
        assert not result.dropped
    again = parse(dump(result.value, KINDS[name]), KINDS[name])
    rule = "official" if name.startswith("Official") else "schema"
    assert again == Parsed(result.value, rule)


@settings(max_examples=600, deadline=None)
@given(valued)
def test_canonical_reply_is_valid_and_untouched(case: tuple[str, dict[str, Any]]) -> None:
    name, value = case
    reply = dump(value, kind(name))
    assert reply.isascii()
    assert parse(reply, kind(name)) == Parsed(value, "schema")
    assert parse(f" \r\n{reply}\t", kind(name)) == Parsed(value, "schema")


NOISES: dict[str, Callable[[str], str]] = {
    "invisible": lambda reply: "\ufeff\u200b" + reply,
    "role_echo": lambda reply: f"system\nBe brief.\nuser\nWhich?\nassistant\n{reply}<|im_end|>\nuser\nMore?",
    "reasoning": lambda reply: f'<think>Perhaps {{"label": "Fear"}} or [sad].</think>\n{reply}',
    "answer_tag": lambda reply: f"He smiles. <answer>{reply}</answer>",
    "boxed": lambda reply: f"\\boxed{{{reply}}}",
    "fence": lambda reply: f"```json\n{reply}\n```",
    "tildes": lambda reply: f"~~~\n{reply}\n~~~",
    "backticks": lambda reply: f"`{reply}`",
    "prose": lambda reply: f"Here is what I think of the clip:\n{reply}\nI hope this helps.",
    "wrapper": lambda reply: f'{{"output": {reply}}}',
    "wrapped_text": lambda reply: json.dumps({"output": reply}),
    "double_encoded": json.dumps,
    "unclosed_reasoning": lambda reply: f"<think>He shouts.\n{reply}",
}


@settings(max_examples=800, deadline=None)
@given(valued, st.sampled_from(list(NOISES)))
def test_noise_around_a_valid_reply_does_not_change_it(case: tuple[str, dict[str, Any]], noise: str) -> None:
    name, value = case
    result = parse(NOISES[noise](dump(value, kind(name))), kind(name))
    if name == "Pick:preference" and noise == "wrapper":
        noise = "key_alias"  # `output` is no key of Pick, yet the same holds
    assert isinstance(result, Parsed)
    assert result.value == value
    assert result.rule == "json"


HOSTILE: dict[str, Callable[[int], str]] = {
    "brackets": lambda n: "[" * n,
    "braces": lambda n: '{"a":' * (n // 5),
    "nested": lambda n: "[" * (n // 2) + "]" * (n // 2),
    "empty lists": lambda n: "[]," * (n // 3),
    "objects": lambda n: "{}" * (n // 2),
    "records": lambda n: '{"label": "Joy"} ' * (n // 17),
    "open records": lambda n: '{"label": "Joy", [' * (n // 18),
    "open string": lambda n: '{"label": "' + 'x", y' * (n // 5),
    "quotes": lambda n: '{"label": ' + '"' * n,
    "backslashes": lambda n: '{"label": "' + "\\" * n,
    "comments": lambda n: "[" + "/*" * (n // 2),
    "commas": lambda n: "[" + "," * n,
    "prose": lambda n: "the emotion is joy and " * (n // 23),
    "one word": lambda n: "a" * n,
    "blanks": lambda n: "x" + " " * n + "y",
    "blank lines": lambda n: "Labels: joy" + "\n" * n + "x",
    "labels": lambda n: "joy, " * (n // 5),
    "label lines": lambda n: "joy\n" * (n // 4),
    "fields": lambda n: "Label: Joy\nConfidence: 0.5\n" * (n // 27),
    "semicolons": lambda n: "Label: Joy;" + " a;" * (n // 3),
    "times": lambda n: "Time: 00:01-00:02\nEmotion: Joy\n" * (n // 31),
    "pipes": lambda n: "| a | b |\n|---|---|\n" + "| Label | Joy |\n" * (n // 16),
    "delimiter row": lambda n: "| a |\n|" + "-" * n + "x|",
    "option": lambda n: "A" + " " * n + "b",
    "indented": lambda n: " " * n + "A" + " " * n + ". b",
    "marks": lambda n: "- " * (n // 2) + "Joy",
    "underscores": lambda n: "_" * n,
    "stars": lambda n: "*" * n + ": Joy",
    "brackets at the end": lambda n: "(" * n + "joy" + ")" * n,
    "fences": lambda n: "```\n" * (n // 4),
    "backticks": lambda n: "`" * n + "x",
    "tags": lambda n: "<think>" * (n // 7),
    "closed tags": lambda n: "<think></think>" * (n // 15),
    "answers": lambda n: "<answer>" * (n // 8),
    "boxes": lambda n: "\\boxed{" * (n // 7),
    "roles": lambda n: "user\n" * (n // 5),
    "end tokens": lambda n: "</s>" * (n // 4),
    "combining": lambda n: "a" + "\u0300\u0316" * (n // 2),
    "surrogates": lambda n: "\ud800" * n,
    "nul": lambda n: "\x00" * n,
    "emoji": lambda n: "😀" * n,
    "full width": lambda n: "｛“label”：" * (n // 9),
    "hedges": lambda n: "not " * (n // 4) + "joy",
    "chinese": lambda n: "情绪" * (n // 2) + "是喜悦",
    "escaped": lambda n: '{\\"label\\": \\"Joy\\"} ' * (n // 21),
    "tuples": lambda n: "[" + "('a'" * (n // 4),
    "digits": lambda n: "[" + "1" * n + "]",
    "spans": lambda n: '{"utterances": [' + '{"timestamp_range": "00:01-00:02", "primary": "Joy"},' * (n // 52),
}


@pytest.mark.parametrize("shape", HOSTILE)
def test_hostile_text_takes_linear_time(shape: str) -> None:
    def seconds(size: int) -> float:
        reply, best = HOSTILE[shape](size), float("inf")
        for _ in range(2):
            gc.collect()
            gc.disable()  # a collection costs as much as everything else that lives in this test run, not as the reply
            start = time.thread_time()  # the machine and other threads may be busy with something else
            for name in ("OneOf:basic7", "AnyOf:goemotions28", "AnyOf:open", "Timeline:emos", "Blend:blemore6"):
                assert isinstance(parse(reply, kind(name)), Parsed | Unparsed)
            best = min(best, time.thread_time() - start)
            gc.enable()
        return best

    # Ten times the text may take ten times the time; quadratic work would take a hundred times. A machine that is busy
    # with something else can spoil one measurement, but not five.
    measured = []
    for _ in range(5):
        small, large = seconds(5_000), seconds(50_000)
        if large < 30 * small + 0.2:
            return
        measured.append((small, large))
    pytest.fail(f"seconds for 5 kB and for 50 kB: {measured}")


@pytest.mark.parametrize(
    "reply", ["[" * 100_000, "x" * 10_000_000, "[" * 1_000_000, "joy " * 250_000, "\ud800\x00" * 5]
)
def test_very_long_replies_are_read(reply: str) -> None:
    assert isinstance(parse(reply, kind("OneOf:basic7")), Unparsed)


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet="[]'\", a\n\t　", max_size=20))
def test_official_list_equals_the_published_steps(text: str) -> None:
    """Written a second time, by the numbered steps of the policy."""
    result = parse(text, kind("Official:mer_list"))
    if text == "[":
        assert result == Unparsed("official_error")
        return
    steps = text[1:] if text.startswith("[") else text
    steps = steps[:-1] if steps.endswith("]") else steps
    pieces: list[str] = [""]
    for char in steps:
        if char in "'\",":
            pieces.append("")
        else:
            pieces[-1] += char
    assert result == Parsed({"labels": [piece.strip() for piece in pieces if piece.strip()]}, "official")


def test_official_clean_up() -> None:
    assert mer_clean_up(" 输入输出：\n[happy,\nsad]\n") == "[happy,sad]"
    assert mer_clean_up("Output: [a]") == "[a]"
    assert mer_clean_up("input output: a") == "output: a"
    assert mer_clean_up("::a") == ":a"


@pytest.mark.parametrize("name", READ)
def test_schema_is_plain_and_closed(name: str) -> None:
    known = {"type", "properties", "required", "additionalProperties", "enum", "items", "minItems", "maxItems"}
    known |= {"minimum", "maximum", "pattern"}

    def check(node: dict[str, Any]) -> None:
        assert set(node) <= known
        if node["type"] == "object":
            assert node["additionalProperties"] is False
            assert set(node["required"]) <= set(node["properties"])
            for inner in node["properties"].values():
                check(inner)
        if "items" in node:
            check(node["items"])

    check(schema(kind(name)))


def as_plain(value: Any) -> Any:
    """Pairs as dicts, for values without repeated keys."""
    if isinstance(value, Pairs):
        return {key: as_plain(inner) for key, inner in value}
    return [as_plain(inner) for inner in value] if isinstance(value, list) else value


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=800, deadline=None)
@given(
    st.lists(json_values, max_size=3) | st.dictionaries(st.text(), json_values, max_size=3), st.sampled_from([None, 1])
)
def test_strict_json_is_read_as_it_is(value: Any, indent: int | None) -> None:
    for ensure_ascii in (True, False):
        text = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)
        found = whole(text)
        assert found is not None
        assert as_plain(found.value) == value
        assert not found.names


def spoilt(draw: st.DrawFn, value: Any) -> Any:
    """The value with one part of it replaced, left out or added."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(value)))
        change = draw(st.sampled_from(["inside", "without", "more"]))
        if change == "inside":
            return value | {key: spoilt(draw, value[key])}
        return {k: v for k, v in value.items() if k != key} if change == "without" else value | {"more": value[key]}
    if isinstance(value, list) and value and draw(st.booleans()):
        place = draw(st.integers(0, len(value) - 1))
        if draw(st.booleans()):
            return value + [value[place]] * draw(st.integers(1, 30))
        return [*value[:place], spoilt(draw, value[place]), *value[place + 1 :]]
    other: list[Any] = [None, True, 0, 1, 4.0, 2.5, -1, 30, "Joy", "joy", "", "00:01-00:02", "0:1", [], {}, ["joy"]]
    return draw(st.sampled_from(other))


@settings(max_examples=2500, deadline=None)
@given(valued, st.data())
def test_compiled_schema_says_what_jsonschema_says(case: tuple[str, dict[str, Any]], data: st.DataObject) -> None:
    name, value = case
    reply = json.loads(dump(value, kind(name)))
    for _ in range(data.draw(st.integers(0, 2))):
        reply = data.draw(st.composite(spoilt)(reply))
    wanted = Draft202012Validator(schema(kind(name))).is_valid(reply)
    assert checker(schema(kind(name)))(reply) is wanted
