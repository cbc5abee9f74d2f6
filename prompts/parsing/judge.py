"""The judges: one function for each answer kind, which decides what a candidate's fields say.

A judge takes `Fields` (field -> values as written) and gives the value, or raises Refused with the reason. `text` says
that the fields stood in a text and not in JSON: a number is text there by nature and a list has no brackets.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from prompts.parsing import numbers
from prompts.parsing.jsonread import Pairs, whole
from prompts.parsing.labels import (
    Item,
    ListForm,
    Space,
    by_score,
    closed_list,
    is_score_map,
    item,
    items_of_list,
    one_label,
    open_list,
    score_entries,
    split_parts,
)
from prompts.parsing.outcome import Log, Refused
from prompts.parsing.tables import BLEND_ITEM_KEYS, ITEM_KEYS, Fields, fields_of
from prompts.parsing.text import ALNUM, LONGEST, is_empty_word, norm
from tasks.task import AnyOf, Blend, Dims, Pick

T = TypeVar("T")
Value = dict[str, Any]
Reader = Callable[[Any, Log], T]


@dataclass(frozen=True, slots=True)
class Label:
    """The label of a single-label field, and the item it came in (for its score)."""

    label: str
    item: Item = field(default=Item(None), compare=False)


# --- Fields -----------------------------------------------------------------------------------------------------------


def embedded(value: Any, log: Log) -> Any:
    """The JSON container that a string holds (`double_encoded`), or the value itself."""
    if isinstance(value, str) and (found := whole(value)):
        log.add("double_encoded", *found.names)
        return found.value
    return value


def one(values: list[Any], read: Reader[T | None], log: Log, *, text: bool) -> T | None:
    """J8, F4: the value of a field that several keys give. Values that cannot be read count as other keys; in a text
    the first one counts. Raises Refused: `ambiguous` when they differ, the first reason when none is readable."""
    if len(values) == 1 or text:
        if len(values) > 1:
            log.add("duplicates")
        return read(values[0], log)
    good: list[tuple[T, Log]] = []
    for value in values:
        aside = Log()
        try:
            result = read(value, aside)
        except Refused:
            continue
        if result is not None:
            good.append((result, aside))
    if not good:
        return read(values[0], log)
    log.take(good[0][1])
    log.add("extra_field" if len(good) < len(values) else "duplicates")
    if any(result != good[0][0] for result, _ in good):
        raise Refused("ambiguous")
    return good[0][0]


def optional(
    fields: Fields, name: str, read: Reader[T | None], log: Log, *, text: bool, required: bool = True
) -> T | None:
    """The value of a field that is not needed: None where there is none or it cannot be read."""
    if name not in fields:
        if required:
            log.add("missing_field")
        return None
    try:
        return one(fields[name], lambda value, log: None if value is None else read(value, log), log, text=text)
    except Refused as verdict:
        log.add("missing_field" if verdict.reason == "truncated" else "bad_field")
        return None


def is_blank(value: str) -> bool:
    """Whether a text says nothing: blank, or an empty word."""
    return not value.strip() or is_empty_word(value)


def read_text(value: Any, _log: Log, *, text: bool) -> str | None:
    """A free-text field, as it is. Raises Refused(`bad_field`) for what is no text."""
    if not isinstance(value, str):
        raise Refused("bad_field")
    if is_empty_word(value, closed=False) or (text and not value.strip()):
        return None
    return value


def read_label(value: Any, log: Log, space: Space, keys: dict[str, str], *, text: bool) -> Label:
    """J9: a single-label field. `keys` are the keys of an object that may stand here. Raises Refused."""
    if value is None:
        raise Refused("no_answer")
    if isinstance(value, bool | int | float):
        raise Refused("outside_label_set")
    if text:
        value = in_text(value, log)
    if isinstance(value, str):
        return Label(*one_label(value, space, log))
    log.add("shape")
    if isinstance(value, Pairs):
        return _label_of_object(value, log, space, keys)
    elements = [x for x in value if x is not None and not (isinstance(x, str) and is_blank(x))]
    if not elements:
        raise Refused("no_answer")
    try:
        found = [read_label(element, log, space, keys, text=False) for element in elements]
    except Refused:
        raise Refused("ambiguous") from None
    if any(label != found[0] for label in found):
        raise Refused("ambiguous")
    return found[0]


def in_text(value: Any, log: Log) -> Any:
    """F5: the container that a value in a text is, or the value."""
    if isinstance(value, str) and (found := whole(value)):
        log.add(*found.names)
        return found.value
    return value


def _label_of_object(value: Pairs, log: Log, space: Space, keys: dict[str, str]) -> Label:
    aside = Log()
    fields = fields_of(value, keys, aside)
    if "label" in fields:
        log.take(aside)
        found = one(fields["label"], partial(_plain_label, space=space), log, text=False)
        score = next((score for score in fields.get("confidence", []) if score is not None), None)
        return Label(found.label, Item(None, score)) if found else Label("")
    if not is_score_map(value, space):
        raise Refused("no_answer")
    entries = score_entries(value, space, log)
    if len(entries) != 1:
        raise Refused("ambiguous" if entries else "no_answer")
    return Label(one_label(str(entries[0].text), space, log)[0], entries[0])


def _plain_label(value: Any, log: Log, space: Space) -> Label:
    if isinstance(value, list):
        raise Refused("no_answer")
    return read_label(value, log, space, {}, text=False)


def label_keys(keys: dict[str, str], name: str) -> dict[str, str]:
    """The keys of an object that stands for a label field: the item keys and the field's own."""
    return {form: "label" for form, named in keys.items() if named == name} | ITEM_KEYS


# --- Kinds ------------------------------------------------------------------------------------------------------------


def one_of(fields: Fields, log: Log, *, text: bool, space: Space, keys: dict[str, str]) -> Value:
    """K2: label and confidence."""
    label = needed_label(fields["label"], log, space, keys, text=text)
    return {"label": label.label, "confidence": read_confidence(fields, label, log, text=text, required=False)}


def record(fields: Fields, log: Log, *, text: bool, space: Space, keys: dict[str, str], goemotions: Space) -> Value:
    """K1: a label, its confidence, a closed list and two texts."""
    label = needed_label(fields["emotion"], log, space, keys, text=text)
    return {
        "emotion": label.label,
        "confidence": read_confidence(fields, label, log, text=text, required=True),
        "goemotions": optional(fields, "goemotions", partial(_scored, space=goemotions, text=text), log, text=text),
        "evidence": optional(fields, "evidence", partial(read_text, text=text), log, text=text),
        "rationale": optional(fields, "rationale", partial(read_text, text=text), log, text=text),
    }


def needed_label(values: list[Any], log: Log, space: Space, keys: dict[str, str], *, text: bool) -> Label:
    """A label field without which there is no answer. Raises Refused."""
    found = one(values, partial(read_label, space=space, keys=keys, text=text), log, text=text)
    if found is None:
        raise Refused("no_answer")
    return found


def read_confidence(fields: Fields, label: Label, log: Log, *, text: bool, required: bool) -> float | None:
    """N1: the record's own confidence, or the score that came with the label when the record has none."""
    inner = label.item
    required = required and inner.score is None
    read = partial(numbers.confidence, text=text)
    given = optional(fields, "confidence", read, log, text=text, required=required)
    if given is not None or inner.score is None or "bad_confidence" in log.names or "bad_field" in log.names:
        return given
    return numbers.confidence(inner.score, log, text=text or inner.score_is_text)


def _scored(value: Any, log: Log, *, space: Space, text: bool) -> list[Value] | None:
    value = in_text(value, log) if text else embedded(value, log)
    if isinstance(value, str) and not ALNUM.search(value):
        return None
    found = by_score(closed_list(value, space, log, text=text), log)
    return [{"label": label, "confidence": score} for label, score in found]


def any_of_closed(fields: Fields, log: Log, *, text: bool, space: Space) -> Value:
    """A closed set of labels with scores."""
    labels = one(fields["labels"], partial(_scored, space=space, text=text), log, text=text)
    if labels is None:
        raise Refused("no_answer")
    return {"labels": labels}


def any_of_open(fields: Fields, log: Log, *, text: bool, kind: AnyOf) -> Value:
    """A list of free words."""
    return {"labels": one(fields["labels"], partial(_words, cap=kind.cap, text=text), log, text=text)}


def _words(value: Any, log: Log, *, cap: int, text: bool) -> list[str]:
    value = in_text(value, log) if text else embedded(value, log)
    return open_list(value, cap, log, text=text)


def described(fields: Fields, log: Log, *, text: bool, kind: AnyOf) -> Value:
    """A description, then free words."""
    labels = any_of_open(fields, log, text=text, kind=kind)
    return {"description": optional(fields, "description", partial(read_text, text=text), log, text=text)} | labels


def dims(fields: Fields, log: Log, *, text: bool, kind: Dims) -> Value:
    """N5: a number for each dimension, of which one at least must be readable."""
    read = partial(numbers.dimension, low=kind.low, high=kind.high, text=text)
    value = {name: optional(fields, name, read, log, text=text) for name in kind.names}
    if all(number is None for number in value.values()):
        raise Refused("no_answer")
    return value


# --- Pick -------------------------------------------------------------------------------------------------------------

_OPTION = re.compile(r"\s*[(（]?\s*([^\s()（）.:：、]{1,40})\s*(?:[.)）:：、])\s*(\S[^\n]*)")


def pick(fields: Fields, log: Log, *, text: bool, space: Space, keys: dict[str, str], kind: Pick) -> Value:
    """K5: one key, or a key with its option text."""

    def read(value: Any, log: Log) -> Label:
        if isinstance(value, str) and (key := _option_key(value, log, space, kind)):
            return Label(key)
        return read_label(value, log, space, keys, text=text)

    found = one(fields["choice"], read, log, text=text)
    if found is None:
        raise Refused("no_answer")
    return {"choice": found.label}


def _option_key(value: str, log: Log, space: Space, kind: Pick) -> str | None:
    """The key of a one-line value `X. text`. Raises Refused(`ambiguous`) for lines that name different keys."""
    lines = [line for line in value.split("\n") if line.strip()]
    options = {norm(option): option for option in kind.options}
    found = [(options.get(norm(match[1])), match[2]) for line in lines if (match := _OPTION.fullmatch(line))]
    keys = {key for key, _ in found if key}
    if len(lines) > 1:
        if len(keys) > 1:
            raise Refused("ambiguous", value)
        return None
    if not keys or space.resolve(value) or item(value).score is not None:
        return None
    (key, rest), text_of = found[0], dict(zip(map(norm, kind.texts), kind.options, strict=False))
    named = text_of.get(norm(rest)) if len(rest) <= LONGEST else None
    parts = [] if named else split_parts(rest, space)
    # `A) or B)` has the form of a key with its text, and names two keys.
    if (named or key) != key or (parts and all(part.label not in (None, key) for part in parts)):
        raise Refused("ambiguous", value)
    log.add("option_text")
    return key


# --- Blend ------------------------------------------------------------------------------------------------------------

_BLEND_SPLIT = re.compile(r"[,，、;；/／+＋&＆\n]|(?<![\w'-])and(?![\w'-])|和|与", re.I)
_SHARE_FIRST = re.compile(rf"\s*({numbers.NUMBER}\s?%?)\s*(?=[^\W\d])")


def split_blend(text: str) -> list[str]:
    """K3.1: the items of a blend in text."""
    return [piece.strip() for piece in _BLEND_SPLIT.split(text) if ALNUM.search(piece)]


def blend_item(text: str) -> Item:
    """K3.1: a label and a share, in either order."""
    if found := _SHARE_FIRST.match(text):
        return Item(text[found.end() :].strip(), found[1], True)
    return item(text)


BLEND_FORM = ListForm(split_blend, blend_item, BLEND_ITEM_KEYS)


def blend(fields: Fields, log: Log, *, text: bool, space: Space, kind: Blend) -> Value:
    """K3: one emotion, or two with shares on the grid."""
    shares = one(fields["emotions"], partial(_shares, space=space, text=text), log, text=text)
    if not shares:
        raise Refused("no_answer")
    if len(shares) > 2:
        raise Refused("too_many")
    cut_short = "truncated" in log.names and len(shares) == 1 and next(iter(shares.values())) != 100
    if cut_short:  # the other emotion may be what was cut: 70 alone must not become 100
        raise Refused("truncated")
    given = _completed(shares, kind, log)
    total = sum(given.values())
    if abs(total - 100) > 0.01:
        log.add("normalised")
    exact = {label: round(share * 100 / total, 6) for label, share in given.items()}
    return {"emotions": [{"emotion": label, "salience": share} for label, share in _snapped(exact, kind, log).items()]}


def _shares(value: Any, log: Log, *, space: Space, text: bool) -> dict[str, float | None]:
    """Emotion -> share as given, in the order of the reply."""
    value = in_text(value, log) if text else embedded(value, log)
    shares: dict[str, float | None] = {}
    for entry in items_of_list(value, space, log, text=text, form=BLEND_FORM):
        if entry is None:
            continue
        given = numbers.share(entry.score, log, text=text or entry.score_is_text)
        if given == 0:
            log.add("zero_share")
            continue
        label, _ = one_label(entry.text or "", space, log, scores=False)
        if label in shares:
            log.add("duplicates")
            both = [x for x in (shares[label], given) if x is not None]
            given = sum(both) if both else None
        shares[label] = given
    return shares


def _completed(shares: dict[str, float | None], kind: Blend, log: Log) -> dict[str, float]:
    """K3.5: the only possible share filled in. Raises Refused(`no_share`)."""
    known = {label: share for label, share in shares.items() if share is not None}
    if len(known) == len(shares):
        return known
    rest = 100.0 if len(shares) == 1 else 0.0
    if len(known) == 1 and next(iter(known.values())) in kind.grid:
        rest = 100 - next(iter(known.values()))
    if not rest:
        raise Refused("no_share")
    log.add("default_share")
    return {label: rest if share is None else share for label, share in shares.items()}


def _snapped(exact: dict[str, float], kind: Blend, log: Log) -> dict[str, int]:
    """K3.7: shares (percent, sum 100) on the grid; the larger one goes to the nearest step, the upper one in a tie."""
    if len(exact) == 1:
        return dict.fromkeys(exact, 100)
    if all(any(abs(share - step) < 0.01 for step in kind.grid) for share in exact.values()):
        return {label: round(share) for label, share in exact.items()}
    log.add("snapped")
    larger = max(exact, key=lambda label: exact[label])
    step = min(kind.grid, key=lambda step: (abs(step - exact[larger]), -step))
    return {label: step if label == larger else 100 - step for label in exact}
