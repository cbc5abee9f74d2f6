"""Compiles answer kinds, and turns JSON values into fields: which shapes may hold an answer (J2), what may stand around
it (J7)."""

from __future__ import annotations

from functools import cache
from typing import Any

from prompts.parsing import judge
from prompts.parsing.check import checker
from prompts.parsing.labels import SCORED, Space, is_number, is_score, is_score_map, item_of, space
from prompts.parsing.outcome import Log
from prompts.parsing.spec import Spec, own_keys
from prompts.parsing.strict import Pairs
from prompts.parsing.tables import WRAPPERS, Fields, fields_of, json_keys, text_keys, text_spellings
from prompts.parsing.text import LETTER, is_blank, key_form
from prompts.parsing.timeline import TIME_KEYS, WHOLE, timeline
from prompts.schema import schema
from tasks.task import AnswerKind, AnyOf, Blend, Described, Dims, OneOf, Pick, Record, Timeline


@cache
def compiled(kind: AnswerKind) -> Spec:
    """The judge and the tables of a kind."""
    match kind:
        case OneOf(labels, aliases):
            name, decide, needed, known = "OneOf", judge.one_of, "label", space(labels, aliases)
        case AnyOf(labels, aliases) if labels:
            name, decide, needed, known = "AnyOfClosed", judge.any_of_closed, "labels", space(labels, aliases)
        case AnyOf():
            name, decide, needed, known = "AnyOfOpen", judge.any_of_open, "labels", space(())
        case Record(OneOf(labels, aliases)):
            name, decide, needed, known = "Record", judge.record, "emotion", space(labels, aliases)
        case Described():
            name, decide, needed, known = "Described", judge.described, "labels", space(())
        case Blend(labels, aliases):
            name, decide, needed, known = "Blend", judge.blend, "emotions", space(labels, aliases)
        case Timeline(OneOf(labels, aliases)):
            name, decide, needed, known = "Timeline", timeline, "utterances", space(labels, aliases)
        case Pick(options):
            name, decide, needed, known = "Pick", judge.pick, "choice", space(options, _pick_aliases(kind))
        case Dims(names):
            keys = {key_form(name): name for name in names}
            exact = frozenset(name.casefold() for name in names)
            return Spec(kind, judge.dims, checker(schema(kind)), names[0], frozenset(names), keys, keys, {}, exact)
        case _:
            raise ValueError(f"no judge for the answer kind {kind!r}; Official kinds are read by parsing.official")
    second = kind.goemotions if isinstance(kind, Record) else kind.secondary if isinstance(kind, Timeline) else AnyOf()
    keys = json_keys(name, WHOLE if isinstance(kind, Timeline) else None)
    return Spec(
        kind,
        decide,
        checker(schema(kind)),
        needed,
        frozenset((needed,)),
        keys,
        text_keys(name),
        own_keys(keys, needed),
        text_spellings(name),
        known,
        space(second.labels, second.aliases),
        judge.BLEND_FORM if isinstance(kind, Blend) else SCORED,
    )


def _pick_aliases(kind: Pick) -> list[tuple[str, str]]:
    """K5: the declared aliases, the option texts, and the ways to name a letter."""
    forms = ("option {}", "choice {}", "answer {}", "选项{}", "选{}")
    letters = [(form.format(key), key) for key in kind.options if len(key) == 1 for form in forms]
    return [*zip(kind.texts, kind.options, strict=False), *letters, *kind.aliases]


def views(spec: Spec, value: Any, *, is_whole: bool, log: Log) -> tuple[list[Fields], Any] | None:
    """The records that a JSON value holds, and the value without wrappers; None when it has not the right shape (J2).
    `is_whole`: nothing but punctuation stands around it. What was unwrapped and respelled is recorded."""
    if not value and isinstance(value, Pairs):
        return None
    value = _unwrapped(spec, value, log)
    records: list[Fields] | None = None
    if isinstance(value, Pairs):
        aside = log.aside()
        fields = fields_of(value, spec.keys, aside)
        if spec.needed & fields.keys():
            log.take(aside)
            records = [fields]
        else:
            records = _other_object(spec, value, log)
    elif isinstance(spec.kind, OneOf | Record | Pick):
        records = _records(spec, value, is_whole, log)
    elif _is_list_of_items(spec, value, is_whole=is_whole):
        log.add("shape")
        records = [{spec.field: [value]}]
    return (records, value) if records else None


def _unwrapped(spec: Spec, value: Any, log: Log) -> Any:
    """J7: the value inside wrapper objects, at most three of them."""
    for _ in range(3):
        if not isinstance(value, Pairs):
            break
        own = [inner for key, inner in value if spec.keys.get(key_form(key)) in spec.needed]
        if own and (len(own) > 1 or isinstance(spec.kind, OneOf | Record | Pick | Dims)):
            break  # a label may be an object
        held = own or [inner for key, inner in value if key_form(key) in WRAPPERS]
        aside = log.aside()
        inside = [inner for inner in (judge.embedded(inner, aside) for inner in held) if isinstance(inner, list)]
        if own:  # `{"labels": {"labels": […]}}`
            inside = [inner for inner in inside if _has_needed(spec, inner)]
        if len(inside) != 1 or (not own and is_score_map(value, spec.space)):
            break
        log.take(aside)
        log.add("unwrapped")
        value = inside[0]
    return value


def _has_needed(spec: Spec, value: Any) -> bool:
    return isinstance(value, Pairs) and any(spec.keys.get(key_form(key)) in spec.needed for key, _ in value)


def _other_object(spec: Spec, value: Pairs, log: Log) -> list[Fields] | None:
    """An object without the needed key: a score map, a map label -> number, the pair form of a blend."""
    is_open = not spec.space.labels and isinstance(spec.kind, AnyOf | Described)
    if isinstance(spec.kind, OneOf | AnyOf | Blend) and is_score_map(value, spec.space):
        return [{spec.field: [value]}]
    if is_open and value and all(is_number(score) for _, score in value):
        return [{spec.field: [value]}]
    pairs = {key_form(key): inner for key, inner in value}
    if not isinstance(spec.kind, Blend) or "emotion1" not in pairs:
        return None
    log.add("shape")  # K3.2: an absent, null or empty second emotion means one emotion
    second = pairs.get("emotion2")
    numbers = "12" if second is not None and not (isinstance(second, str) and is_blank(second)) else "1"
    named = [(pairs[f"emotion{n}"], pairs.get(f"emotion{n}salience")) for n in numbers]
    return [{spec.field: [[Pairs([("emotion", label), ("salience", share)]) for label, share in named]]}]


def _records(spec: Spec, value: list[Any], is_whole: bool, log: Log) -> list[Fields] | None:
    """An array for a kind that asks for one record: records, or the label in strings."""
    if is_whole and not isinstance(spec.kind, Record) and all(isinstance(element, str) for element in value):
        return [{spec.field: [value]}] if value else None
    if isinstance(spec.kind, Pick) or not all(isinstance(element, Pairs) for element in value):
        return None
    log.add("shape")
    records = [fields_of(element, spec.keys, log) for element in value]
    beside = {"goemotions", "evidence", "rationale"} if isinstance(spec.kind, Record) else {spec.field}
    return records if all(spec.field in record and beside & record.keys() for record in records) else None


def _is_list_of_items(spec: Spec, value: list[Any], *, is_whole: bool) -> bool:
    """Whether an array is the list of a list kind without the object around it."""
    if isinstance(spec.kind, Timeline):
        timed = any(key_form(key) in TIME_KEYS for element in value if isinstance(element, Pairs) for key, _ in element)
        return timed and all(isinstance(element, Pairs) for element in value)
    if not value or not isinstance(spec.kind, AnyOf | Described | Blend):
        return isinstance(spec.kind, AnyOf | Described)
    if not spec.space.labels:
        return all(LETTER.search(x) if isinstance(x, str) else _has_item_label(spec, x) for x in value)
    plain = is_whole and all(isinstance(x, str) or _has_item_label(spec, x) for x in value)
    return plain or any(_names_label(spec, element) for element in value)


def _has_item_label(spec: Spec, element: Any) -> bool:
    label = next(iter(spec.form.keys.values()))
    return isinstance(element, Pairs) and any(spec.form.keys.get(key_form(key)) == label for key, _ in element)


def _names_label(spec: Spec, element: Any) -> bool:
    """J2: a string that is a label, with or without a score, an object that holds one, a score map, a pair."""
    known: Space = spec.space
    if isinstance(element, str):
        return any(known.resolve(text or "") for text in (element, spec.form.item(element).text))
    if isinstance(element, Pairs):
        return is_score_map(element, known) or bool(
            known.resolve(item_of(element, Log(), known, spec.form.keys).text or "")
        )
    is_pair = isinstance(element, list) and len(element) == 2 and isinstance(element[0], str) and is_score(element[1])
    return is_pair and known.resolve(element[0]) is not None
