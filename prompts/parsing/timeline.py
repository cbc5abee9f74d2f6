"""The judge of the Timeline kind: utterances with times, and what is said about the whole clip (K4)."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

from prompts.parsing import numbers
from prompts.parsing.judge import embedded, needed, optional, read_label, read_text
from prompts.parsing.labels import closed_list
from prompts.parsing.outcome import Log, Refused
from prompts.parsing.spec import Spec, Value, own_keys
from prompts.parsing.strict import Pairs
from prompts.parsing.tables import Fields, fields_of, json_keys
from prompts.parsing.text import ALNUM, is_empty_word
from prompts.schema import UTTERANCE_KEYS

WHOLE = ("summary", "overall_emotion_trend", "dominant", "trajectory", "utterances")
TREND_KEYS = json_keys("Timeline", ("dominant", "trajectory"))
TIME_KEYS = json_keys("Timeline", ("timestamp_range", "start", "end"))
UTTERANCE = json_keys("Timeline", ("timestamp_range", "start", "end", *UTTERANCE_KEYS))
_PRIMARY = own_keys(UTTERANCE, "primary_7class")


def timeline(spec: Spec, fields: Fields, log: Log) -> Value:
    """K4: summary, trend and utterances. Raises Refused when utterances were given and none survived."""
    summary = optional(fields, "summary", read_text, log)
    trend = _trend(spec, fields, log)
    return {"summary": summary, "trend": trend, "utterances": needed(fields["utterances"], partial(_all, spec), log)}


def _trend(spec: Spec, fields: Fields, log: Log) -> Value:
    """K4.2: the trend object; a string is the trajectory, and both fields are also read beside the object."""
    given = [embedded(value, log) for value in fields.get("overall_emotion_trend", []) if value not in (None, "")]
    beside: Fields = {name: fields[name] for name in ("dominant", "trajectory") if name in fields}
    inside: Fields = {}
    if given and isinstance(given[0], Pairs):
        inside = fields_of(given[0], TREND_KEYS, log)
    elif given and isinstance(given[0], str):
        beside = {"trajectory": [given[0]]} | beside
    elif given:
        log.add("bad_field")
    elif not beside:
        log.add("missing_field")
        return {"dominant": None, "trajectory": None}
    if beside.keys() - inside.keys() and not log.text:
        log.add("shape")
    inside = beside | inside
    return {
        "dominant": optional(inside, "dominant", partial(_label, spec), log),
        "trajectory": optional(inside, "trajectory", read_text, log),
    }


def _label(spec: Spec, value: Any, log: Log) -> str | None:
    return read_label(value, log, spec.space, _PRIMARY).text


def _all(spec: Spec, value: Any, log: Log) -> list[Value]:
    """K4.3, K4.6: the utterances that can be read, in order of time."""
    value = embedded(value, log)
    if isinstance(value, str) and is_empty_word(value):
        log.add("empty_word")
        return []
    if not isinstance(value, list) or isinstance(value, Pairs):
        raise Refused("no_answer")
    kept: list[Value] = []
    lost: list[str] = []
    for number, element in enumerate(value):
        aside = log.aside()
        try:
            kept.append(_utterance(spec, embedded(element, aside), aside))
        except Refused as verdict:
            lost.append(verdict.reason)
            log.dropped.append(f"utterances[{number}]:{verdict.reason}")
        else:
            log.take(aside)
    if lost and not kept:
        raise Refused(lost[0])
    ordered = sorted(kept, key=lambda utterance: float(utterance["start"]))
    if ordered != kept:
        log.add("sorted")
    for now, after in pairwise(ordered):
        if now["end"] > after["start"]:
            now["end"] = after["start"]
            log.add("overlap_clipped")
    return ordered


def _utterance(spec: Spec, value: Any, log: Log) -> Value:
    """One utterance. Raises Refused with `bad_time`, `truncated` or the reason of its primary label."""
    if not isinstance(value, Pairs):
        raise Refused("bad_time")
    fields = fields_of(value, UTTERANCE, log)
    start, end = _span(fields, log, "truncated" if value.cut else "bad_time")
    if "primary_7class" not in fields:
        raise Refused("truncated" if value.cut else "no_answer")
    read: dict[str, Any] = {
        "primary_7class": needed(fields["primary_7class"], partial(_label, spec), log),
        "secondary_Goemotions": optional(fields, "secondary_Goemotions", partial(_secondary, spec), log),
        "intensity": optional(fields, "intensity", numbers.intensity, log),
    }
    for key in UTTERANCE_KEYS:
        if key not in read:
            read[key] = optional(fields, key, read_text, log, required=False)
    return {"start": start, "end": end} | {name: read[key] for key, name in UTTERANCE_KEYS.items()}


def _span(fields: Fields, log: Log, missing: str) -> tuple[float, float]:
    """N4: start and end, from a range or from two fields. Raises Refused."""
    ends = [fields[name][0] for name in ("start", "end") if name in fields]
    if "timestamp_range" in fields:
        try:
            return needed(fields["timestamp_range"], _range, log)
        except Refused:
            if len(ends) < 2:
                raise
    if len(ends) < 2:
        raise Refused(missing)
    return _range(ends, log)


def _range(value: Any, log: Log) -> tuple[float, float]:
    if isinstance(value, Pairs):
        ends = fields_of(value, TIME_KEYS, log)
        value = [ends[name][0] for name in ("start", "end") if name in ends]
    found = numbers.time_range(value, log)
    if found is None:
        raise Refused("bad_time")
    return found


def _secondary(spec: Spec, value: Any, log: Log) -> list[str] | None:
    """K4.2: labels without scores, in the order of the reply."""
    value = embedded(value, log)
    if isinstance(value, str) and not ALNUM.search(value):
        return None
    if not log.text and not (isinstance(value, list) and all(isinstance(element, str) for element in value)):
        log.add("shape")
    aside = Log(text=True)  # here a list of strings is the schema's own form
    try:
        return [label for label, _ in closed_list(value, spec.other, aside)]
    finally:
        log.take(aside)
