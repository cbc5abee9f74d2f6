"""Labels: which label a text is, one label of a field, the labels of a closed list, the labels of an open list.

Vocabulary is repaired through the alias table of the space alone; prose is never searched for a label.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from prompts.parsing import numbers
from prompts.parsing.outcome import Log, Refused
from prompts.parsing.strict import Pairs
from prompts.parsing.tables import ITEM_KEYS, fields_of
from prompts.parsing.text import (
    ALNUM,
    HAN,
    LETTER,
    LONGEST,
    QUOTES,
    has_emoji,
    is_empty_word,
    is_prose_like,
    norm,
    open_form,
    strip_list_marks,
    unmark,
    without_hedges,
)

Resolved = tuple[str, tuple[str, ...]]  # a label, and the repairs that say how it was written


@dataclass(frozen=True, slots=True)
class Space:
    """A closed label space, compiled: normal form -> (label, whether the form is the label's own)."""

    labels: frozenset[str]
    forms: dict[str, tuple[str, bool]]

    def resolve(self, text: str) -> Resolved | None:
        """L2: the label that `text` is, with the repairs that say how; None when it is none."""
        if text in self.labels:
            return text, ()
        hit = self.forms.get(norm(text)) if len(text) <= LONGEST else None
        if hit is None:
            return None
        label, own = hit
        if not own:
            return label, ("alias",)
        bare, marked = unmark(text)
        names = ("markdown",) if marked else ()
        if has_emoji(text):
            return label, (*names, "alias")
        return label, names if marked and bare == label else (*names, "label_form")


NO_SPACE = Space(frozenset(), {})


def space(labels: Iterable[str], aliases: Iterable[tuple[str, str]] = ()) -> Space:
    """Compile a label space; a label's own form goes before any alias."""
    labels = tuple(labels)
    forms = {norm(word): (label, False) for word, label in aliases}
    forms |= {norm(label): (label, True) for label in labels}
    return Space(frozenset(labels), forms)


# --- Items: a label and perhaps a score ------------------------------------------------------------------------------

_SCORE_WORD = r"(?:(?:confidence|conf|score|probability|prob|置信度)\s*[:：=]\s*)?"
_SCORE_NUMBER = r"([+-]?[\d.]{1,12}\s?[%％]?)"
_IN_BRACKETS = re.compile(rf"[(（\[【]\s*{_SCORE_WORD}{_SCORE_NUMBER}\s*[)）\]】]", re.I)
_SCORE = re.compile(
    rf"\s*(?:[(（\[【]\s*{_SCORE_WORD}{_SCORE_NUMBER}\s*[)）\]】]|[:：=]\s*{_SCORE_NUMBER}"
    rf"|\s[-–—]\s{_SCORE_NUMBER}|\s{_SCORE_NUMBER})\s*$",
    re.I,
)
_WINDOW = 60  # characters at the end of an item in which a score is looked for


class Item(NamedTuple):
    """What stands where a label is expected: the text (None: there is none) and the score as written."""

    text: str | None
    score: Any = None


def item(text: str) -> Item:
    """L6: a label, or a label and a score: `joy (0.8)`, `joy: 80%`, `joy - 0.8`, `joy 0.8`."""
    start = max(0, len(text) - _WINDOW)
    found = _SCORE.search(text, start)
    if found and numbers.plain_number(number := next(group for group in found.groups() if group)):
        label = text[: found.start()].strip().rstrip(",，").strip()
        if ALNUM.search(label):
            return Item(label, numbers.InText(number))
    return Item(text.strip())


_BRACKETED = r"\([^()]*\)|（[^（）]*）|\[[^\[\]]*\]|【[^【】]*】"
_AND = r"(?<![\w'-])and(?![\w'-])"
_CLOSED_SPLIT = re.compile(rf"({_BRACKETED})|[,，、;；|｜/／\n&＆]|{_AND}", re.I)
_OPEN_SPLIT = re.compile(r"[,，、;；/／|｜\n()（）]|(?<=\s)(?:and|&)(?=\s)", re.I)
_LEADING = re.compile(r"\A\s*(?:(?:and|or)(?!\w)|&|以及|和)\s*", re.I)
_LEADING_OPEN = re.compile(r"\A\s*(?:and|or)\s+", re.I)


def split_closed(text: str) -> list[str]:
    """L6: the items of a closed list in text; nothing is split inside brackets, and a bracketed score ends an item."""
    pieces, start = [], 0
    for found in _CLOSED_SPLIT.finditer(text):
        if found[1] is None:
            pieces.append(text[start : found.start()])
        elif _IN_BRACKETS.fullmatch(found[1]):
            pieces.append(text[start : found.end()])
        else:
            continue
        start = found.end()
    pieces.append(text[start:])
    return [_LEADING.sub("", piece, count=1).strip() for piece in pieces if ALNUM.search(piece)]


_HAN_LATIN = rf"(?<=[A-Za-zÀ-ɏ])(?=[{HAN}])|(?<=[{HAN}])(?=[A-Za-zÀ-ɏ])"
_PARTS = re.compile(
    r"[/／|｜、,，;；:：&＆+＋\n()（）]|->|→|(?<=\s)[-‐‑–—−]+(?=\s)|\b(?:and|or|with|vs|versus)\b|以及|或者|[和与及或]|"
    + _HAN_LATIN,
    re.I,
)


class Part(NamedTuple):
    """A piece of a text that is no label as a whole (L3.4), without its hedge words, and what it resolves to."""

    text: str
    found: Resolved | None
    hedged: bool


def split_parts(text: str, labels: Space) -> list[Part]:
    """L3.4: the parts of a text, blank ones left out unless a hedge word stood there."""
    parts = [_part(bare, labels) for piece in _PARTS.split(text) if (bare := piece.strip())]
    return [part for part in parts if part.hedged or ALNUM.search(part.text)]


def _part(text: str, labels: Space) -> Part:
    found = labels.resolve(text)
    if found or len(text) > LONGEST:
        return Part(text, found, hedged=False)
    bare, hedged = without_hedges(text)
    return Part(bare, labels.resolve(bare), hedged=True) if hedged else Part(text, None, hedged=False)


def one_label(value: str, labels: Space, log: Log, *, scores: bool = True) -> Item:
    """L3: the one label that a text is, and the score that stands behind it.

    Raises Refused with `no_answer`, `ambiguous` or `outside_label_set`.
    """
    if not ALNUM.search(value) or is_empty_word(value):
        raise Refused("no_answer", value)
    if found := labels.resolve(value):
        log.add(*found[1])
        return Item(found[0])
    scored = item(value) if scores else Item(None)
    if scored.score is not None and scored.text and (found := labels.resolve(scored.text)):
        log.add("shape", *found[1])
        return Item(found[0], scored.score)
    parts = split_parts(value, labels)
    full = [part for part in parts if ALNUM.search(part.text)]
    if not full or any(not part.found and is_prose_like(part.text) for part in full):
        raise Refused("no_answer", value)
    names = {part.found[0] for part in full if part.found}
    hedged = any(part.hedged for part in parts)
    if not names:
        negated = any(labels.resolve(word) for part in full if part.hedged for word in part.text.split())
        raise Refused("ambiguous" if negated else "outside_label_set", value)
    if hedged or len(names) > 1 or not all(part.found for part in full):
        raise Refused("ambiguous", value)
    forms = {name for part in full if part.found for name in part.found[1]}
    log.add("alias" if "alias" in forms else "duplicates" if len(full) > 1 else "label_form")
    return Item(names.pop())


# --- Closed lists -----------------------------------------------------------------------------------------------------


def is_score(value: Any) -> bool:
    """Whether a value of a score map is a number, a numeric string or a boolean."""
    return isinstance(value, bool | int | float) or numbers.plain_number(value) is not None


def is_score_map(value: Any, labels: Space) -> bool:
    """Whether an object maps at least one label of the space to a score."""
    return isinstance(value, Pairs) and any(labels.resolve(key) and is_score(score) for key, score in value)


def score_entries(value: Pairs, labels: Space, log: Log) -> list[Item]:
    """The entries of a score map; other keys are extra fields. `true` is a label without a score, `false` no label."""
    entries = [(key, score) for key, score in value if labels.resolve(key) or is_score(score)]
    if len(entries) < len(value):
        log.add("extra_field")
    log.add("shape")
    return [Item(key, None if score is True else score) for key, score in entries if score is not False]


def item_of(value: Pairs, log: Log, labels: Space | None = None, keys: Mapping[str, str] = ITEM_KEYS) -> Item:
    """The item that an object stands for; of several label keys the first whose value is a label counts."""
    found = fields_of(value, keys, log)
    label, score = dict.fromkeys(keys.values())
    texts = [text for text in found.get(label, []) if isinstance(text, str)]
    text = next((text for text in texts if labels is None or labels.resolve(text)), texts[0] if texts else None)
    return Item(text, next((score for score in found.get(score, []) if score is not None), None))


class ListForm(NamedTuple):
    """How a closed list is written: how text is split, what an item is in text and in an object."""

    split: Callable[[str], list[str]] = split_closed
    item: Callable[[str], Item] = item
    keys: Mapping[str, str] = ITEM_KEYS


SCORED = ListForm()


def _items(value: list[Any], labels: Space, log: Log, form: ListForm) -> Iterator[Item | None]:
    """The items of a JSON array; None stands for one that the end of the text cut before its label."""
    for element in value:
        if isinstance(element, str):
            yield form.item(element) if not labels.resolve(element) else Item(element)
        elif is_score_map(element, labels):
            yield from score_entries(element, labels, log)
        elif isinstance(element, Pairs):
            found = item_of(element, log, labels, form.keys)
            yield None if found.text is None and element.cut else found
        elif isinstance(element, list) and len(element) == 2 and isinstance(element[0], str):
            log.add("shape")
            yield Item(element[0], element[1])
        else:
            yield Item(None)


def items_of_list(value: Any, labels: Space, log: Log, form: ListForm = SCORED) -> list[Item | None]:
    """The items of a list field: array, score map or text. Raises Refused(`no_answer`) for any other shape."""
    if isinstance(value, str):
        if not ALNUM.search(value):
            raise Refused("no_answer", value)
        if not log.text:
            log.add("shape")
        return [form.item(piece) for piece in ([value] if is_empty_word(value) else form.split(value))]
    if is_score_map(value, labels):
        return [*score_entries(value, labels, log)]
    if isinstance(value, list) and not isinstance(value, Pairs):
        if not log.text and any(isinstance(element, str) for element in value):
            log.add("shape")
        return list(_items(value, labels, log, form))
    raise Refused("no_answer")


def closed_list(value: Any, labels: Space, log: Log) -> list[tuple[str, float | None]]:
    """L4 to L11 without the sorting: the labels of a list, each once, with its highest score, in the reply's order.

    Raises Refused with `no_answer`, `outside_label_set` or `truncated`.
    """
    found: dict[str, float | None] = {}
    prose: list[bool] = []  # of each dropped item
    items = items_of_list(value, labels, log)
    for entry in items:
        if entry is None:
            continue
        if entry.text is not None and is_empty_word(entry.text):
            log.add("empty_word")
            continue
        kept = _labels_of_item(entry.text, labels, log, prose)
        number = numbers.confidence(entry.score, log) if kept else None
        for label in kept:
            if label in found:
                log.add("duplicates")
            found[label] = max((x for x in (found.get(label), number) if x is not None), default=None)
    if not found and prose:
        raise Refused("no_answer" if all(prose) else "outside_label_set")
    if items and not found and all(entry is None for entry in items):
        raise Refused("truncated")
    return list(found.items())


def _labels_of_item(text: str | None, labels: Space, log: Log, prose: list[bool]) -> list[str]:
    """L4: the labels of one item; what is no label goes to `log.dropped` and, judged as prose or not, to `prose`."""
    if text is None:
        log.dropped.append("")
        prose.append(False)
        return []
    if found := labels.resolve(text):
        log.add(*found[1])
        return [found[0]]
    parts = split_parts(text, labels)
    hedged = any(part.hedged for part in parts)
    kept = [] if hedged else list(dict.fromkeys(part.found[0] for part in parts if part.found))
    if kept:
        log.add("shape" if len(kept) > 1 else "alias")
    else:
        prose.append(is_prose_like(text))
    lost = [text] if hedged or not parts else [part.text for part in parts if not part.found]
    log.dropped += [as_written(piece) for piece in lost]
    return kept


def as_written(text: str) -> str:
    """L9: the text of a dropped item, without white space, quotation marks and list marks at its ends."""
    trimmed = text.strip().strip(QUOTES).strip()
    return strip_list_marks(trimmed)[0].strip().strip(QUOTES).strip()


def by_score(found: list[tuple[str, float | None]], log: Log) -> list[tuple[str, float | None]]:
    """L11: sorted by score from high to low, stably, items without a score last."""
    ordered = sorted(found, key=lambda pair: -1.0 if pair[1] is None else pair[1], reverse=True)
    if ordered != found:
        log.add("sorted")
    return ordered


# --- Open lists -------------------------------------------------------------------------------------------------------


def split_open(text: str, log: Log) -> list[str]:
    """L8: the pieces of an open list in text, trailing scores removed."""
    if text.isalpha():
        return [text]  # one word, as nearly always
    bare = _IN_BRACKETS.sub(",", text)
    pieces = []
    for piece in filter(ALNUM.search, _OPEN_SPLIT.split(bare)):
        scored = item(_LEADING_OPEN.sub("", piece, count=1))
        if scored.score is not None or len(bare) < len(text):
            log.add("shape")
        if scored.text and ALNUM.search(scored.text):
            pieces.append(scored.text)
    return pieces


def open_list(value: Any, cap: int, log: Log) -> list[str]:
    """L8: the labels of an open list, at most `cap`. Raises Refused(`no_answer`)."""
    array = not isinstance(value, str)
    kept: dict[str, None] = {}
    dropped = 0
    for piece in _open_pieces(value, log):
        form = open_form(piece) if len(piece) <= LONGEST else piece
        if is_empty_word(form, closed=False):
            log.add("empty_word")
        elif not LETTER.search(form):
            continue
        elif form in kept:
            log.add("duplicates", *(("label_form",) if form != piece else ()))
        elif is_prose_like(piece, open_list=True, in_array=array):
            log.dropped.append(as_written(piece))
            dropped += 1
        elif len(kept) == cap:
            log.add("capped")
            log.dropped.append(form)
        else:
            kept[form] = None
            if form != piece:
                log.add("label_form")
    if dropped and not kept:
        raise Refused("no_answer", str(value) if isinstance(value, str) else "")
    return list(kept)


def _open_pieces(value: Any, log: Log) -> Iterator[str]:
    if isinstance(value, str):
        if not ALNUM.search(value):
            raise Refused("no_answer", value)
        if not log.text:
            log.add("shape")
        elements: list[Any] = [value]
    elif isinstance(value, Pairs) and value and all(is_number(score) for _, score in value):
        log.add("shape")
        elements = [key for key, _ in value]
    elif isinstance(value, list) and not isinstance(value, Pairs):
        elements = value
    else:
        raise Refused("no_answer")
    for element in elements:
        label = element
        if isinstance(element, Pairs):
            log.add("shape")
            label = item_of(element, log).text
        if not isinstance(label, str) or not LETTER.search(label) or is_empty_word(label, closed=False):
            log.add("empty_word")
        else:
            yield from split_open(label, log)


def is_number(value: Any) -> bool:
    """Whether a value is a JSON number."""
    return isinstance(value, int | float) and not isinstance(value, bool)
