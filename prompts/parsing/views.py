"""From a JSON value to the fields of a kind: which shapes may hold an answer (J2), and what may stand around it (J7)."""

from __future__ import annotations

from functools import cache, partial
from typing import Any, NamedTuple, Protocol

from prompts.parsing import judge
from prompts.parsing.jsonread import Pairs, whole
from prompts.parsing.labels import Space, is_score, is_score_map, item_of, space
from prompts.parsing.outcome import Log
from prompts.parsing.tables import BLEND_ITEM_KEYS, ITEM_KEYS, WRAPPERS, Fields, fields_of, json_keys, text_keys
from prompts.parsing.tables import text_spellings as spellings_of
from prompts.parsing.text import LETTER, key_form
from prompts.parsing.timeline import TIME_KEYS, WHOLE, timeline
from tasks.task import AnswerKind, AnyOf, Blend, Described, Dims, OneOf, Pick, Record, Timeline


class Judge(Protocol):
    """Decides what the fields of one candidate say; raises Refused."""

    def __call__(self, fields: Fields, log: Log, *, text: bool) -> dict[str, Any]: ...


class Spec(NamedTuple):
    """An answer kind, compiled. `needed`: the fields of which one must be there; `space`: of the needed field, None
    for open vocabulary and numbers; `single`: one label is asked, so that two records contradict each other."""

    kind: AnswerKind
    judge: Judge
    needed: frozenset[str]
    keys: dict[str, str]
    text_keys: dict[str, str]
    text_spellings: frozenset[str]
    space: Space | None = None
    single: bool = False
    item_keys: dict[str, str] = ITEM_KEYS


@cache
def compiled(kind: AnswerKind) -> Spec:
    """The tables and the judge of a kind."""
    match kind:
        case OneOf(labels, aliases):
            known, keys = space(labels, aliases), json_keys("OneOf")
            own = judge.label_keys(keys, "label")
            return _spec(kind, "OneOf", "label", partial(judge.one_of, space=known, keys=own), known, single=True)
        case AnyOf(labels, aliases) if labels:
            known = space(labels, aliases)
            return _spec(kind, "AnyOfClosed", "labels", partial(judge.any_of_closed, space=known), known)
        case AnyOf():
            return _spec(kind, "AnyOfOpen", "labels", partial(judge.any_of_open, kind=kind))
        case Record(emotion, goemotions):
            known, other = space(emotion.labels, emotion.aliases), space(goemotions.labels, goemotions.aliases)
            own = judge.label_keys(json_keys("Record"), "emotion")
            decide = partial(judge.record, space=known, keys=own, goemotions=other)
            return _spec(kind, "Record", "emotion", decide, known, single=True)
        case Described(labels):
            return _spec(kind, "Described", "labels", partial(judge.described, kind=labels))
        case Blend(labels, aliases):
            known = space(labels, aliases)
            spec = _spec(kind, "Blend", "emotions", partial(judge.blend, space=known, kind=kind), known)
            return spec._replace(item_keys=BLEND_ITEM_KEYS)
        case Timeline(primary, secondary):
            first, second = space(primary.labels, primary.aliases), space(secondary.labels, secondary.aliases)
            spec = _spec(kind, "Timeline", "utterances", partial(timeline, primary=first, secondary=second))
            return spec._replace(keys=json_keys("Timeline", WHOLE))
        case Pick(options):
            known = space(options, _pick_aliases(kind))
            own = judge.label_keys(json_keys("Pick"), "choice")
            decide = partial(judge.pick, space=known, keys=own, kind=kind)
            return _spec(kind, "Pick", "choice", decide, known, single=True)
        case Dims(names):
            keys = {key_form(name): name for name in names}
            decide = partial(judge.dims, kind=kind)
            exact = frozenset(name.casefold() for name in names)
            return Spec(kind, decide, frozenset(names), keys, keys, exact, single=True)
        case _:
            raise ValueError(f"no judge for the answer kind {kind!r}; Official kinds are read by parsing.official")


def _spec(
    kind: AnswerKind, table: str, needed: str, decide: Judge, known: Space | None = None, *, single: bool = False
) -> Spec:
    keys = (json_keys(table), text_keys(table), spellings_of(table))
    return Spec(kind, decide, frozenset((needed,)), *keys, known, single)


def _pick_aliases(kind: Pick) -> list[tuple[str, str]]:
    """K5: the declared aliases, the option texts, and the ways to name a letter."""
    forms = ("option {}", "choice {}", "answer {}", "选项{}", "选{}")
    letters = [(form.format(key), key) for key in kind.options if len(key) == 1 for form in forms]
    return [*zip(kind.texts, kind.options, strict=False), *letters, *kind.aliases]


def views(spec: Spec, value: Any, *, is_whole: bool, log: Log) -> tuple[list[Fields], Any] | None:
    """The records that a JSON value holds, and the value without wrappers; None when it has not the right shape (J2).
    `is_whole`: nothing but punctuation stands around it. What was unwrapped and respelled is recorded."""
    value = _unwrapped(spec, value, log)
    aside = Log()
    records: list[Fields] | None = None
    if isinstance(value, Pairs):
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
        records = [{name: [value] for name in spec.needed}]
    return (records, value) if records else None


def _unwrapped(spec: Spec, value: Any, log: Log) -> Any:
    """J7: the value inside wrapper objects, at most three of them."""
    for _ in range(3):
        if not isinstance(value, Pairs):
            break
        own = [inner for key, inner in value if spec.keys.get(key_form(key)) in spec.needed]
        if own and (spec.single or len(own) > 1):
            break
        held = own or [inner for key, inner in value if key_form(key) in WRAPPERS and _container(inner)]
        if len(held) != 1 or (not own and spec.space and is_score_map(value, spec.space)):
            break
        inner = held[0]
        if isinstance(inner, str) and (found := whole(inner)):
            inner, names = found.value, {"double_encoded", *found.names}
        else:
            names = set()
        if own and not (isinstance(inner, Pairs) and _has_needed(spec, inner)):
            break
        log.add("unwrapped", *names)
        value = inner
    return value


def _has_needed(spec: Spec, value: Pairs) -> bool:
    return any(spec.keys.get(key_form(key)) in spec.needed for key, _ in value)


def _container(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, str) and whole(value) is not None)


def _other_object(spec: Spec, value: Pairs, log: Log) -> list[Fields] | None:
    """An object without the needed key: a score map, a map label -> number, the pair form of a blend."""
    (needed, *_) = spec.needed
    match spec.kind:
        case OneOf() | AnyOf(labels=[_, *_]) | Blend() if spec.space and is_score_map(value, spec.space):
            return [{needed: [value]}]
        case AnyOf(labels=()) | Described() if value and all(_is_number(number) for _, number in value):
            return [{needed: [value]}]
        case Blend():
            return _pair_form(value, log)
        case _:
            return None


_PAIR_KEYS = {"emotion1": "0", "emotion2": "1", "emotion1salience": "00", "emotion2salience": "11"}


def _pair_form(value: Pairs, log: Log) -> list[Fields] | None:
    """K3.2: `emotion_1`, `emotion_1_salience`, …; an absent, null or empty second emotion means one emotion."""
    fields = fields_of(value, _PAIR_KEYS, Log())
    if "0" not in fields:
        return None
    log.add("shape")
    items = []
    for key in "01":
        label, share = (fields.get(name, [None])[0] for name in (key, key * 2))
        if key == "0" or not (label is None or (isinstance(label, str) and judge.is_blank(label))):
            items.append(Pairs([("emotion", label), ("salience", share)]))
    if len(items) * 2 < len(value) and any(key_form(key) not in _PAIR_KEYS for key, _ in value):
        log.add("extra_field")
    return [{"emotions": [items]}]


def _records(spec: Spec, value: list[Any], is_whole: bool, log: Log) -> list[Fields] | None:
    """An array for a kind that asks for one record: records, or the label in strings."""
    (needed,) = spec.needed
    if not value:
        return None
    if is_whole and not isinstance(spec.kind, Record) and all(isinstance(element, str) for element in value):
        return [{needed: [value]}]
    if isinstance(spec.kind, Pick) or not all(isinstance(element, Pairs) for element in value):
        return None
    records = [fields_of(element, spec.keys, log) for element in value]
    beside = {"goemotions", "evidence", "rationale"}
    if any(
        needed not in record or (isinstance(spec.kind, Record) and not beside & record.keys()) for record in records
    ):
        return None
    log.add("shape")
    return records


def _is_list_of_items(spec: Spec, value: list[Any], *, is_whole: bool) -> bool:
    """Whether an array is the list of a list kind without the object around it."""
    match spec.kind:
        case Timeline():
            objects = all(isinstance(element, Pairs) for element in value)
            return objects and any(key_form(key) in TIME_KEYS for element in value for key, _ in element)
        case AnyOf(labels=()) | Described():
            return all(LETTER.search(x) if isinstance(x, str) else _has_item_label(spec, x) for x in value)
        case AnyOf() | Blend():
            if not value:
                return isinstance(spec.kind, AnyOf)
            plain = is_whole and all(isinstance(x, str) or _has_item_label(spec, x) for x in value)
            return plain or any(_names_label(spec, element) for element in value)
        case _:
            return False


def _has_item_label(spec: Spec, element: Any) -> bool:
    label = next(iter(spec.item_keys.values()))
    return isinstance(element, Pairs) and any(spec.item_keys.get(key_form(key)) == label for key, _ in element)


def _names_label(spec: Spec, element: Any) -> bool:
    """J2: a string that is a label, with or without a score, an object that holds one, a score map, a pair."""
    known = spec.space
    if known is None:
        return False
    if isinstance(element, str):
        scored = judge.blend_item(element) if isinstance(spec.kind, Blend) else judge.item(element)
        return known.resolve(element) is not None or known.resolve(scored.text or "") is not None
    if isinstance(element, Pairs):
        text = item_of(element, Log(), known, spec.item_keys).text
        return is_score_map(element, known) or (text is not None and known.resolve(text) is not None)
    pair = isinstance(element, list) and len(element) == 2 and isinstance(element[0], str) and is_score(element[1])
    return pair and known.resolve(element[0]) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
