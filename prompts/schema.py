"""One JSON Schema for each answer kind, and the canonical reply.

The schema constrains decoding, is printed in the prompt and validates replies, so it keeps to plain keywords that a
grammar compiler knows. What it cannot say (no label twice, sorted scores, times in order, …) is checked in
`prompts/parsing/valid.py`. The order of the properties is the order in which a model is made to answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tasks.task import AnswerKind, AnyOf, Blend, Described, Dims, Official, OneOf, Pick, Record, Timeline

Schema = dict[str, Any]

TEXT: Schema = {"type": ["string", "null"]}
CONFIDENCE: Schema = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
# Minutes may exceed 59; hyphen or en dash between the times.
TIME_RANGE = r"^[0-9]{2,}:[0-5][0-9](\.[0-9]{1,3})?[-–][0-9]{2,}:[0-5][0-9](\.[0-9]{1,3})?$"

# Reply key -> value key of an utterance, in the order of the reply; the time range becomes `start` and `end`.
UTTERANCE_KEYS: dict[str, str] = {
    "speaker_guess": "speaker",
    "transcript_zh": "transcript_zh",
    "transcript_en": "transcript_en",
    "primary_7class": "primary",
    "secondary_Goemotions": "secondary",
    "intensity": "intensity",
    "audio_cues": "audio_cues",
    "visual_cues": "visual_cues",
    "evidence": "evidence",
}


def schema(kind: AnswerKind) -> Schema:  # noqa: PLR0911 - a line a kind
    """The JSON Schema of a reply of `kind`; of the value for an `Official` kind, to which any text is a reply."""
    match kind:
        case OneOf(labels):
            return _object({"label": _label(labels), "confidence": CONFIDENCE}, ["label"])
        case AnyOf():
            return _object({"labels": _labels(kind)})
        case Record(emotion, goemotions):
            scored = _labels(goemotions) | {"type": ["array", "null"]}
            fields = {"emotion": _label(emotion.labels), "confidence": CONFIDENCE, "goemotions": scored}
            return _object(fields | {"evidence": TEXT, "rationale": TEXT})
        case Described(labels):
            return _object({"description": TEXT, "labels": _labels(labels)})
        case Blend(labels, _, grid):
            share = {"type": "number", "enum": sorted({*grid, 100})}
            item = _object({"emotion": _label(labels), "salience": share})
            return _object({"emotions": {"type": "array", "items": item, "minItems": 1, "maxItems": 2}})
        case Timeline():
            return _timeline(kind)
        case Dims(names, low, high):
            return _object({name: {"type": ["number", "null"], "minimum": low, "maximum": high} for name in names})
        case Pick(options):
            return _object({"choice": _label(options)})
        case Official("mer_list"):
            return _object({"labels": {"type": "array", "items": {"type": "string"}}})
        case Official():
            return _object({"choice": _label(("a1", "a2", "same"))})


def dump(value: Mapping[str, Any], kind: AnswerKind) -> str:
    """The canonical reply that says `value`: ASCII JSON with every key of the schema, null where there is nothing.

    `parse(dump(value, kind), kind)` gives the same value by rule `schema`. For an `Official` kind it is the text that
    its reader reads as `value`.
    """
    match kind:
        case Official("mer_list"):
            return "[" + ", ".join(value["labels"]) + "]"
        case Official():
            return str(value["choice"])
        case Timeline():
            reply: Mapping[str, Any] = {
                "summary": value["summary"],
                "overall_emotion_trend": value["trend"],
                "utterances": [_utterance_reply(utterance) for utterance in value["utterances"]],
            }
        case _:
            reply = value
    return json.dumps(reply, ensure_ascii=True)


def _utterance_reply(utterance: Mapping[str, Any]) -> dict[str, Any]:
    span = {"timestamp_range": f"{_clock(utterance['start'])}-{_clock(utterance['end'])}"}
    return span | {key: utterance[name] for key, name in UTTERANCE_KEYS.items()}


def _clock(seconds: float) -> str:
    """`MM:SS` of a time in seconds, with `.mmm` when it is no whole second."""
    whole, milli = divmod(round(seconds * 1000), 1000)
    return f"{whole // 60:02d}:{whole % 60:02d}" + (f".{milli:03d}" if milli else "")


def _object(properties: Schema, required: list[str] | None = None) -> Schema:
    keys = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": keys, "additionalProperties": False}


def _label(labels: Iterable[str], *, nullable: bool = False) -> Schema:
    if nullable:
        return {"type": ["string", "null"], "enum": [*labels, None]}
    return {"type": "string", "enum": list(labels)}


def _labels(kind: AnyOf) -> Schema:
    if not kind.labels:
        return {"type": "array", "items": {"type": "string"}, "maxItems": kind.cap}
    return {
        "type": "array",
        "items": _object({"label": _label(kind.labels), "confidence": CONFIDENCE}, ["label"]),
        "maxItems": len(kind.labels),  # follows from "no label twice", and stops a decoder that repeats itself
    }


def _timeline(kind: Timeline) -> Schema:
    trend = _object({"dominant": _label(kind.primary.labels, nullable=True), "trajectory": TEXT})
    utterance: Schema = {"timestamp_range": {"type": "string", "pattern": TIME_RANGE}}
    utterance |= dict.fromkeys(UTTERANCE_KEYS, TEXT)
    utterance["primary_7class"] = _label(kind.primary.labels)
    secondary = _label(kind.secondary.labels)
    most = len(kind.secondary.labels)
    utterance["secondary_Goemotions"] = {"type": ["array", "null"], "items": secondary, "maxItems": most}
    utterance["intensity"] = {"type": ["integer", "null"], "minimum": 1, "maximum": 5}
    needed = ["timestamp_range", "primary_7class", "secondary_Goemotions", "intensity"]
    return _object(
        {
            "summary": TEXT,
            "overall_emotion_trend": trend,
            "utterances": {"type": "array", "items": _object(utterance, needed)},
        }
    )
