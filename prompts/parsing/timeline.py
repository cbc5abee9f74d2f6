"""The judge of the Timeline kind: utterances with times, and what is said about the whole clip (K4)."""

from __future__ import annotations

from functools import partial
from typing import Any

from prompts.parsing import numbers
from prompts.parsing.jsonread import Pairs
from prompts.parsing.judge import embedded, in_text, label_keys, one, optional, read_label, read_text
from prompts.parsing.labels import Space, closed_list
from prompts.parsing.outcome import Log, Refused
from prompts.parsing.tables import Fields, fields_of, json_keys
from prompts.parsing.text import ALNUM, is_empty_word
from prompts.parsing.valid import utterance_value
from prompts.schema import UTTERANCE_KEYS

Value = dict[str, Any]

WHOLE = ("summary", "overall_emotion_trend", "dominant", "trajectory", "utterances")
TREND_KEYS = json_keys("Timeline", ("dominant", "trajectory"))
TIME_KEYS = json_keys("Timeline", ("timestamp_range", "start", "end"))
UTTERANCE = json_keys("Timeline", ("timestamp_range", "start", "end", *UTTERANCE_KEYS))
_PRIMARY = label_keys(UTTERANCE, "primary_7class")


def timeline(fields: Fields, log: Log, *, text: bool, primary: Space, secondary: Space) -> Value:
    """K4: summary, trend and utterances. Raises Refused when utterances were given and none survived."""
    value = {
        "summary": optional(fields, "summary", partial(read_text, text=text), log, text=text),
        "trend": _trend(fields, log, primary, text=text),
        "utterances": one(
            fields["utterances"],
            partial(_utterances, primary=primary, secondary=secondary, text=text),
            log,
            text=text,
        ),
    }
    return value


def _trend(fields: Fields, log: Log, primary: Space, *, text: bool) -> Value:
    """K4.2: the trend object; a string is the trajectory, and both fields are also read beside the object."""
    given = [embedded(value, log) for value in fields.get("overall_emotion_trend", []) if value not in (None, "")]
    inside: Fields = {}
    if not given and not (fields.keys() & {"dominant", "trajectory"}):
        log.add("missing_field")
        return {"dominant": None, "trajectory": None}
    for value in given[:1]:
        if isinstance(value, Pairs):
            inside = fields_of(value, TREND_KEYS, log)
        elif isinstance(value, str):
            log.add(*([] if text else ["shape"]))
            inside = {"trajectory": [value]}
        else:
            log.add("bad_field")
    for name in ("dominant", "trajectory"):
        if name in fields and name not in inside:
            log.add(*([] if text else ["shape"]))
            inside[name] = fields[name]
    return {
        "dominant": optional(inside, "dominant", partial(_label, space=primary, text=text), log, text=text),
        "trajectory": optional(inside, "trajectory", partial(read_text, text=text), log, text=text),
    }


def _label(value: Any, log: Log, *, space: Space, text: bool) -> str:
    return read_label(value, log, space, _PRIMARY, text=text).label


def _utterances(value: Any, log: Log, *, primary: Space, secondary: Space, text: bool) -> list[Value]:
    """K4.3, K4.6: the utterances that can be read, in order of time."""
    value = in_text(value, log) if text else embedded(value, log)
    if isinstance(value, str) and is_empty_word(value):
        log.add("empty_word")
        return []
    if not isinstance(value, list) or isinstance(value, Pairs):
        raise Refused("no_answer")
    kept: list[Value] = []
    lost: list[str] = []
    for number, element in enumerate(value):
        aside = Log()
        try:
            kept.append(_utterance(embedded(element, aside), aside, primary, secondary, text=text))
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
    for now, after in zip(ordered, ordered[1:], strict=False):
        if now["end"] > after["start"]:
            now["end"] = after["start"]
            log.add("overlap_clipped")
    return ordered


def _utterance(value: Any, log: Log, primary: Space, secondary: Space, *, text: bool) -> Value:
    """One utterance. Raises Refused with `bad_time`, `truncated` or the reason of its primary label."""
    if not isinstance(value, Pairs):
        raise Refused("bad_time")
    fields = fields_of(value, UTTERANCE, log)
    cut = "truncated" if value.cut else ""
    span = _span(fields, log, cut or "bad_time")
    if "primary_7class" not in fields:
        raise Refused(cut or "no_answer")
    label = one(fields["primary_7class"], partial(_label, space=primary, text=text), log, text=text)
    named = {
        "primary": label,
        "secondary": optional(
            fields, "secondary_Goemotions", partial(_secondary, space=secondary, text=text), log, text=text
        ),
        "intensity": optional(fields, "intensity", partial(numbers.intensity, text=text), log, text=text),
    }
    for key, name in UTTERANCE_KEYS.items():
        if name not in named:
            named[name] = optional(fields, key, partial(read_text, text=text), log, text=text, required=False)
    return utterance_value(span, {name: named[name] for name in UTTERANCE_KEYS.values()})


def _span(fields: Fields, log: Log, missing: str) -> tuple[float, float]:
    """N4: start and end, from a range or from two fields. Raises Refused."""
    if "timestamp_range" in fields:
        try:
            found = one(fields["timestamp_range"], _range, log, text=False)
        except Refused:
            if not {"start", "end"} <= fields.keys():
                raise
        else:
            return found or (0.0, 0.0)
    if not {"start", "end"} <= fields.keys():
        raise Refused("bad_time" if "timestamp_range" in fields else missing)
    return _range([fields["start"][0], fields["end"][0]], log)


def _range(value: Any, log: Log) -> tuple[float, float]:
    if isinstance(value, Pairs):
        ends = fields_of(value, TIME_KEYS, log)
        value = [ends[name][0] for name in ("start", "end") if name in ends]
    found = numbers.time_range(value, log)
    if found is None:
        raise Refused("bad_time")
    return found


def _secondary(value: Any, log: Log, *, space: Space, text: bool) -> list[str] | None:
    """K4.2: labels without scores, in the order of the reply."""
    value = in_text(value, log) if text else embedded(value, log)
    if isinstance(value, str) and not ALNUM.search(value):
        return None
    if not text and not (isinstance(value, list) and all(isinstance(element, str) for element in value)):
        log.add("shape")
    return [label for label, _ in closed_list(value, space, log, text=True)]
