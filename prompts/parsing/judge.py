"""The judges: one function for each answer kind, which decides what a candidate's fields say.

A judge takes `Fields` (field -> values as written) and gives the value, or raises Refused with the reason. What it
repairs and drops on the way goes to the log. The Timeline kind has a file of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar, cast

from prompts.parsing import numbers
from prompts.parsing.jsonread import whole
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
from prompts.parsing.spec import Spec, Value
from prompts.parsing.strict import Pairs
from prompts.parsing.tables import BLEND_ITEM_KEYS, Fields, fields_of
from prompts.parsing.text import ALNUM, LONGEST, is_blank, is_empty_word, norm
from tasks.task import AnyOf, Blend, Described, Dims, Pick

T = TypeVar("T")
Reader = Callable[[Any, Log], T]

# --- Fields -----------------------------------------------------------------------------------------------------------


def embedded(value: Any, log: Log) -> Any:
    """The JSON container that a string holds, or the value itself. In JSON that is `double_encoded`; in a text (F5) a
    value in JSON is a value like any other."""
    if isinstance(value, str) and (found := whole(value)):
        log.names |= found.names
        if not log.text:
            log.add("double_encoded")
        return found.value
    return value


def one(values: list[Any], read: Reader[T | None], log: Log) -> T | None:
    """J8, F4: the value of a field that several keys give. Values that cannot be read count as other keys; in a text
    the first one counts. Raises Refused: `ambiguous` when they differ, the first reason when none is readable."""
    if len(values) == 1 or log.text:
        if len(values) > 1:
            log.add("duplicates")
        return read(values[0], log)
    good: list[tuple[T, Log]] = []
    for value in values:
        aside = log.aside()
        try:
            result = read(value, aside)
        except Refused:
            continue
        if result is not None:
            good.append((result, aside))
    if not good:
        return read(values[0], log)
    if any(_said(result) != _said(good[0][0]) for result, _ in good):
        raise Refused("ambiguous")
    log.take(good[0][1])
    log.add("extra_field" if len(good) < len(values) else "duplicates")
    return good[0][0]


def _said(result: Any) -> Any:
    """What must agree between two readings: of an item the label, not the score."""
    return result.text if isinstance(result, Item) else result


def needed(values: list[Any], read: Reader[T | None], log: Log) -> T:
    """The value of a field without which there is no answer. Raises Refused."""
    found = one(values, read, log)
    if found is None:
        raise Refused("no_answer")
    return found


def optional(fields: Fields, name: str, read: Reader[T | None], log: Log, *, required: bool = True) -> T | None:
    """The value of a field that is not needed: None where there is none or it cannot be read."""
    if name not in fields:
        if required:
            log.add("missing_field")
        return None
    try:
        return one(fields[name], lambda value, log: None if value is None else read(value, log), log)
    except Refused as verdict:
        log.add("missing_field" if verdict.reason == "truncated" else "bad_field")
        return None


def read_text(value: Any, log: Log) -> str | None:
    """A free-text field, as it is. Raises Refused(`bad_field`) for what is no text."""
    if not isinstance(value, str):
        raise Refused("bad_field")
    if is_empty_word(value, closed=False) or (log.text and not value.strip()):
        return None
    return value


def read_label(value: Any, log: Log, space: Space, keys: Mapping[str, str]) -> Item:
    """J9: a single-label field: its label, and the score that came with it. `keys` are the keys of an object that may
    stand here. Raises Refused."""
    if value is None:
        raise Refused("no_answer")
    if isinstance(value, bool | int | float):
        raise Refused("outside_label_set")
    value = embedded(value, log) if log.text else value
    if isinstance(value, str):
        return one_label(value, space, log)
    log.add("shape")
    if isinstance(value, Pairs):
        return _label_of_object(value, log, space, keys)
    elements = [x for x in value if x is not None and not (isinstance(x, str) and is_blank(x))]
    if not elements:
        raise Refused("no_answer")
    try:
        found = [read_label(element, log, space, keys) for element in elements]
    except Refused:
        raise Refused("ambiguous") from None
    if any(other.text != found[0].text for other in found):
        raise Refused("ambiguous")
    return found[0]


def _label_of_object(value: Pairs, log: Log, space: Space, keys: Mapping[str, str]) -> Item:
    aside = log.aside()
    fields = fields_of(value, keys, aside)
    if "label" in fields:
        log.take(aside)
        label = needed(fields["label"], partial(_plain_label, space=space), log)
        return Item(label.text, next((score for score in fields.get("confidence", []) if score is not None), None))
    if not is_score_map(value, space):
        raise Refused("no_answer")
    entries = score_entries(value, space, log)
    if len(entries) != 1:
        raise Refused("ambiguous" if entries else "no_answer")
    return Item(one_label(entries[0].text or "", space, log).text, entries[0].score)


def _plain_label(value: Any, log: Log, space: Space) -> Item:
    if isinstance(value, list):
        raise Refused("no_answer")
    return read_label(value, log, space, {})


# --- Kinds ------------------------------------------------------------------------------------------------------------


def one_of(spec: Spec, fields: Fields, log: Log) -> Value:
    """K2: label and confidence."""
    label = _needed_label(spec, fields, log)
    return {"label": label.text, "confidence": _confidence(fields, label, log, required=False)}


def record(spec: Spec, fields: Fields, log: Log) -> Value:
    """K1: a label, its confidence, a closed list and two texts."""
    label = _needed_label(spec, fields, log)
    return {
        "emotion": label.text,
        "confidence": _confidence(fields, label, log, required=True),
        "goemotions": optional(fields, "goemotions", partial(_scored, space=spec.other), log),
        "evidence": optional(fields, "evidence", read_text, log),
        "rationale": optional(fields, "rationale", read_text, log),
    }


def _needed_label(spec: Spec, fields: Fields, log: Log) -> Item:
    return needed(fields[spec.field], partial(read_label, space=spec.space, keys=spec.label_keys), log)


def _confidence(fields: Fields, label: Item, log: Log, *, required: bool) -> float | None:
    """N1: the record's own confidence, or the score that came with the label when the record has none."""
    given = optional(fields, "confidence", numbers.confidence, log, required=required and label.score is None)
    if given is not None or label.score is None or log.names & {"bad_confidence", "bad_field"}:
        return given
    return numbers.confidence(label.score, log)


def _scored(value: Any, log: Log, space: Space) -> list[Value] | None:
    value = embedded(value, log)
    if isinstance(value, str) and not ALNUM.search(value):
        return None
    return [{"label": label, "confidence": score} for label, score in by_score(closed_list(value, space, log), log)]


def any_of_closed(spec: Spec, fields: Fields, log: Log) -> Value:
    """A closed set of labels with scores."""
    return {"labels": needed(fields["labels"], partial(_scored, space=spec.space), log)}


def any_of_open(spec: Spec, fields: Fields, log: Log) -> Value:
    """A list of free words."""
    kind = spec.kind.labels if isinstance(spec.kind, Described) else cast(AnyOf, spec.kind)
    return {"labels": needed(fields["labels"], partial(_words, cap=kind.cap), log)}


def _words(value: Any, log: Log, cap: int) -> list[str]:
    return open_list(embedded(value, log), cap, log)


def described(spec: Spec, fields: Fields, log: Log) -> Value:
    """A description, then free words."""
    labels = any_of_open(spec, fields, log)
    return {"description": optional(fields, "description", read_text, log)} | labels


def dims(spec: Spec, fields: Fields, log: Log) -> Value:
    """N5: a number for each dimension, of which one at least must be readable."""
    kind = cast(Dims, spec.kind)
    read = partial(numbers.dimension, low=kind.low, high=kind.high)
    value = {name: optional(fields, name, read, log) for name in kind.names}
    if all(number is None for number in value.values()):
        raise Refused("no_answer")
    return value


# --- Pick -------------------------------------------------------------------------------------------------------------

_OPTION = re.compile(r"[(（]?\s*+([^\s()（）.:：、]{1,40}+)\s*+[.)）:：、]\s*+(\S.*)")


def pick(spec: Spec, fields: Fields, log: Log) -> Value:
    """K5: one key, or a key with its option text."""

    def read(value: Any, log: Log) -> Item:
        key = _option_key(spec, value, log) if isinstance(value, str) else None
        return Item(key) if key else read_label(value, log, spec.space, spec.label_keys)

    return {"choice": needed(fields["choice"], read, log).text}


def _option_key(spec: Spec, value: str, log: Log) -> str | None:
    """The key of a one-line value `X. text`. Raises Refused(`ambiguous`) for lines that name different keys."""
    kind = cast(Pick, spec.kind)
    lines = [bare for line in value.split("\n") if (bare := line.strip())]
    options = {norm(option): option for option in kind.options}
    found = [(options.get(norm(match[1])), match[2]) for line in lines if (match := _OPTION.fullmatch(line))]
    keys = {key for key, _ in found if key}
    if len(lines) > 1 and len(keys) > 1:
        raise Refused("ambiguous", value)
    if len(lines) > 1 or not keys or spec.space.resolve(value) or item(value).score is not None:
        return None
    key, rest = found[0]
    texts = dict(zip(map(norm, kind.texts), kind.options, strict=False))
    named = texts.get(norm(rest)) if len(rest) <= LONGEST else None
    parts = [] if named else split_parts(rest, spec.space)
    # `A) or B)` has the form of a key with its text, and names two keys.
    if (named or key) != key or (parts and all(part.found and part.found[0] != key for part in parts)):
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
        return Item(text[found.end() :].strip(), numbers.InText(found[1]))
    return item(text)


BLEND_FORM = ListForm(split_blend, blend_item, BLEND_ITEM_KEYS)


def blend(spec: Spec, fields: Fields, log: Log) -> Value:
    """K3: one emotion, or two with shares on the grid."""
    kind = cast(Blend, spec.kind)
    shares = needed(fields["emotions"], partial(_shares, space=spec.space), log)
    if len(shares) not in (1, 2):
        raise Refused("too_many" if shares else "no_answer")
    if "truncated" in log.names and len(shares) == 1 and [*shares.values()] != [100]:
        raise Refused("truncated")  # the other emotion may be what was cut: 70 alone must not become 100
    given = _completed(shares, kind, log)
    total = sum(given.values())
    if abs(total - 100) > 0.01:
        log.add("normalised")
    exact = {label: round(share * 100 / total, 6) for label, share in given.items()}
    snapped = _snapped(exact, kind, log)
    return {"emotions": [{"emotion": label, "salience": share} for label, share in snapped.items()]}


def _shares(value: Any, log: Log, space: Space) -> dict[str, float | None]:
    """Emotion -> share as given, in the order of the reply."""
    shares: dict[str, float | None] = {}
    for entry in items_of_list(embedded(value, log), space, log, BLEND_FORM):
        if entry is None:
            continue
        given = numbers.share(entry.score, log)
        if given == 0:
            log.add("zero_share")
            continue
        label = str(one_label(entry.text or "", space, log, scores=False).text)
        if label in shares:
            log.add("duplicates")
            both = [share for share in (shares[label], given) if share is not None]
            given = sum(both) if both else None
        shares[label] = given
    return shares


def _completed(shares: dict[str, float | None], kind: Blend, log: Log) -> dict[str, float]:
    """K3.5: the only possible share filled in. Raises Refused(`no_share`)."""
    known = [share for share in shares.values() if share is not None]
    if len(known) < len(shares):
        if len(shares) == 2 and (not known or known[0] not in kind.grid):
            raise Refused("no_share")
        log.add("default_share")
    return {label: 100 - sum(known) if share is None else share for label, share in shares.items()}


def _snapped(exact: dict[str, float], kind: Blend, log: Log) -> dict[str, int]:
    """K3.7: shares (percent, sum 100) on the grid; the larger one goes to the nearest step, the upper one in a tie."""
    if len(exact) == 1 or all(any(abs(share - step) < 0.01 for step in kind.grid) for share in exact.values()):
        return {label: round(share) for label, share in exact.items()}
    log.add("snapped")
    larger = max(exact, key=lambda label: exact[label])
    step = min(kind.grid, key=lambda step: (abs(step - exact[larger]), -step))
    return {label: step if label == larger else 100 - step for label in exact}
