"""Is a reply valid as it stands? The JSON Schema of the kind, and the conditions that JSON Schema cannot express.

A valid reply is never altered: its value is what it says.
"""

from __future__ import annotations

from typing import Any

from prompts.parsing.numbers import time_range
from prompts.parsing.outcome import Log
from prompts.parsing.spec import Spec, Value
from prompts.parsing.strict import REPLY
from prompts.parsing.text import LETTER, LONGEST, is_empty_word, is_prose_like, open_form
from prompts.schema import UTTERANCE_KEYS
from tasks.task import AnyOf, Blend, Described, Dims, OneOf, Pick, Record, Timeline


def valid_text(text: str, spec: Spec) -> Value | None:
    """The value of a reply that is valid: strict JSON without repeated keys, within the schema and its conditions."""
    text = text.strip(" \t\r\n")
    if text[:1] != "{" or text[-1] != "}":
        return None
    try:
        reply = REPLY.decode(text)
    except (ValueError, RecursionError):
        return None
    return valid(reply, spec)


def valid(reply: Any, spec: Spec) -> Value | None:  # noqa: PLR0911 - a line a kind
    """The value of a decoded reply that satisfies the schema and the conditions, else None."""
    if not spec.check(reply):
        return None
    match spec.kind:
        case OneOf():
            return {"label": reply["label"], "confidence": reply.get("confidence")}
        case AnyOf(labels, _, cap):
            found = _scored(reply["labels"]) if labels else _open(reply["labels"], cap)
            return None if found is None else {"labels": found}
        case Record():
            found = _scored(reply["goemotions"] or [])
            return None if found is None else reply | {"goemotions": reply["goemotions"] and found}
        case Described(labels):
            found = _open(reply["labels"], labels.cap)
            return None if found is None else reply
        case Blend():
            return _blend(reply)
        case Timeline():
            return _timeline(reply)
        case Dims():
            return reply if any(number is not None for number in reply.values()) else None
        case Pick():
            return {"choice": reply["choice"]}
        case _:
            return None


def _scored(items: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    scores = [-1 if item.get("confidence") is None else item["confidence"] for item in items]
    if len({item["label"] for item in items}) < len(items) or scores != sorted(scores, reverse=True):
        return None
    return [{"label": item["label"], "confidence": item.get("confidence")} for item in items]


def _open(labels: list[str], cap: int) -> list[str] | None:
    if len(set(labels)) < len(labels) or len(labels) > cap:
        return None
    for label in labels:
        if len(label) > LONGEST or open_form(label) != label or not LETTER.search(label):
            return None
        if is_empty_word(label, closed=False) or is_prose_like(label, open_list=True, in_array=True):
            return None
    return labels


def _blend(reply: Value) -> Value | None:
    items = reply["emotions"]
    shares = [item["salience"] for item in items]
    distinct = len({item["emotion"] for item in items}) == len(items)
    if not distinct or sum(shares) != 100 or (len(items) == 2 and 100 in shares):
        return None
    return {"emotions": [{"emotion": item["emotion"], "salience": int(item["salience"])} for item in items]}


def _timeline(reply: Value) -> Value | None:
    utterances: list[Value] = []
    earliest = 0.0
    for item in reply["utterances"]:
        span = time_range(item["timestamp_range"], form := Log())
        secondary = item["secondary_Goemotions"] or []
        if span is None or form.names or span[0] < earliest or len(set(secondary)) < len(secondary):
            return None
        earliest = span[1]
        utterances.append({"start": span[0], "end": span[1]})
        utterances[-1] |= {name: item.get(key) for key, name in UTTERANCE_KEYS.items()}
        if utterances[-1]["intensity"] is not None:
            utterances[-1]["intensity"] = int(utterances[-1]["intensity"])
    return {"summary": reply["summary"], "trend": reply["overall_emotion_trend"], "utterances": utterances}
