"""The readers in their order (section 3): each finds candidates in the cleaned text and asks the judge.

A reader gives Parsed or Unparsed when it found a candidate, and None when it found none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from prompts.parsing.jsonread import Level, closed, search
from prompts.parsing.labels import split_open
from prompts.parsing.outcome import Log, Parsed, Refused, Unparsed, in_order
from prompts.parsing.spec import Candidate, Spec, Value
from prompts.parsing.strict import Found, Pairs, plain
from prompts.parsing.tables import Fields
from prompts.parsing.text import (
    ALNUM,
    LETTER,
    LONGEST,
    is_empty_word,
    is_prose_like,
    is_refusal,
    strip_list_marks,
    unmark,
)
from prompts.parsing.textfields import read_fields
from prompts.parsing.valid import valid
from prompts.parsing.views import views
from tasks.task import AnyOf, Blend, Described, OneOf, Pick, Record

Outcome = Parsed | Unparsed


def read(spec: Spec, text: str) -> Outcome:
    """Sections 3 and 12: the outcome of a cleaned text."""
    if not text:
        return Unparsed("empty")
    scan = scanned(text)
    outcome = json_reader(spec, scan) or fields_reader(spec, text) or whole_reader(spec, text)
    if outcome is not None:
        return outcome
    cut = any(level.is_object for level in scan.stack) or (scan.stack and scan.stack[0].start == 0)
    return Unparsed("truncated") if cut else _refused(Refused("no_answer"), text)


def _refused(verdict: Refused, text: str) -> Unparsed:
    """No answer; a refusal phrase in the reply or in the field says why."""
    if verdict.reason == "no_answer" and (is_refusal(text) or is_refusal(verdict.text)):
        return Unparsed("refusal")
    return Unparsed(verdict.reason)


def _first_accepted(spec: Spec, candidates: Sequence[Candidate], rule: str, text: str) -> Outcome | None:
    """The first candidate that the judge accepts, else the reason against the first; None when there is none."""
    verdict: Refused | None = None
    for one in candidates:
        try:
            value = one.answer or _decide(spec, one.records, one.log)
        except Refused as refusal:
            verdict = verdict or refusal
            continue
        if len(candidates) > 1:
            one.log.add("last_of_many")
        return Parsed(value, rule, in_order(one.log.names), tuple(one.log.dropped))
    return _refused(verdict, text) if verdict else None


def _decide(spec: Spec, records: list[Fields], log: Log) -> Value:
    """Judge a candidate. Several records for one sample must agree. Raises Refused."""
    if not all(spec.needed & record.keys() for record in records):
        raise Refused("no_answer" if len(records) == 1 else "ambiguous")
    if "lead_in" in log.names:
        _check_sentence(spec, records[0])
    if len(records) == 1:
        return spec.judge(spec, records[0], log)
    try:
        values = [spec.judge(spec, record, log.aside() if n else log) for n, record in enumerate(records)]
    except Refused:
        raise Refused("ambiguous") from None
    if any(value != values[0] for value in values):
        raise Refused("ambiguous")
    return values[0]


# --- JSON (J) ---------------------------------------------------------------------------------------------------------


class Scan(NamedTuple):
    """A text and the JSON values in it: the complete ones, and the levels open at its end."""

    text: str
    complete: list[Found]
    stack: list[Level]
    names: set[str]


def scanned(text: str) -> Scan:
    """J1: the JSON values of a text, or of the text that it holds as one JSON string."""
    inner = _decoded(text)
    complete, stack = search(text if inner is None else inner)
    return Scan(text, complete, stack, set()) if inner is None else Scan(inner, complete, stack, {"double_encoded"})


def _decoded(text: str) -> str | None:
    """J7: the content of a reply that is one JSON string around JSON, or whose quotation marks are all escaped."""
    if text[0] == text[-1] == '"':
        try:
            inner = json.loads(text)
        except ValueError:
            inner = None
        if isinstance(inner, str) and any(bracket in inner for bracket in "{[｛［"):
            return inner
    start = min((place for place in map(text.find, "{[") if place >= 0), default=-1)
    if start < 0 or '\\"' not in text:
        return None
    for end in (len(text), max(text.rfind("}"), text.rfind("]")) + 1):
        body = text[start:end]
        if 0 < body.count('"') == body.count('\\"'):
            try:
                return text[:start] + str(json.loads(f'"{body}"', strict=False)) + text[end:]
            except ValueError:
                return text[:start] + body.replace('\\"', '"') + text[end:]
    return None


def json_reader(spec: Spec, scan: Scan) -> Outcome | None:
    """J3: the last JSON value that the judge accepts, the complete ones before one that the end of the text cuts."""
    text = scan.text
    first = found.start() if (found := ALNUM.search(text)) else len(text)
    last = next((place for place in range(len(text) - 1, first, -1) if text[place].isalnum()), first)
    seen = [_candidate(spec, one, is_whole=one.start <= first and last < one.end) for one in scan.complete]
    candidates = [one for one in seen if one]
    open_one = _open_candidate(spec, scan.stack, candidates, first)
    candidates = [*candidates[::-1], *([open_one] if open_one else [])]
    notes = scan.names | ({"prose"} if _prose_outside(text, candidates) else set())
    for candidate in candidates:
        candidate.log.names |= notes
    return _first_accepted(spec, candidates, "json", text)


def value_at_end(spec: Spec, text: str) -> Outcome | None:
    """E3.3b: the complete JSON value that ends a text, whatever stands before it."""
    scan = scanned(text)
    if not scan.complete or scan.complete[-1].end != len(scan.text):
        return None
    candidate = _candidate(spec, scan.complete[-1], is_whole=False)
    if candidate is None:
        return None
    candidate.log.names |= scan.names
    return _first_accepted(spec, [candidate], "json", scan.text)


def _candidate(spec: Spec, found: Found, *, is_whole: bool) -> Candidate | None:
    log = Log(set(found.names))
    if answer := _valid(spec, found.value, log):
        return Candidate([], log, answer, found.start, found.end)
    inner = views(spec, found.value, is_whole=is_whole, log=log)
    if inner is None:
        return None
    records, value = inner
    answer = _valid(spec, value, log) if value is not found.value else None
    return Candidate(records, log, answer, found.start, found.end)


def _open_candidate(spec: Spec, stack: list[Level], complete: list[Candidate], first: int) -> Candidate | None:
    """J6: the outermost open value of the right shape. Complete values inside a level of another shape are candidates
    of their own and join `complete`."""
    for level, found in zip(stack, closed(stack), strict=True):
        if found.value and (candidate := _candidate(spec, found, is_whole=found.start <= first)):
            return candidate
        complete += [one for inside in level.inside if (one := _candidate(spec, inside, is_whole=False))]
    return None


def _valid(spec: Spec, value: Any, log: Log) -> Value | None:
    """The answer of an object that is valid as it stands: it says what it says, whatever stands around it."""
    if not isinstance(value, Pairs) or log.names & {"truncated", "key_alias", "extra_field"}:
        return None
    try:
        return valid(plain(value), spec)
    except ValueError:
        return None


def _prose_outside(text: str, candidates: list[Candidate]) -> bool:
    """J4: whether a letter or digit stands outside all candidates."""
    position = 0
    for one in sorted(candidates, key=lambda one: one.start):
        if ALNUM.search(text, position, one.start):
            return True
        position = len(text) if one.end < 0 else one.end
    return ALNUM.search(text, position) is not None


# --- Text fields (F) --------------------------------------------------------------------------------------------------


def fields_reader(spec: Spec, text: str) -> Outcome | None:
    """F4: the last record of text fields that the judge accepts."""
    return _first_accepted(spec, read_fields(spec, text), "fields", text)


def _check_sentence(spec: Spec, record: Fields) -> None:
    """F6: a lead-in sentence of a list kind holds a list; with one prose-like item it is prose. Raises Refused."""
    for value in record.get("labels", []):
        json_or_word = value[:1] in "[{" or is_empty_word(value, closed=bool(spec.space.labels))
        if isinstance(spec.kind, AnyOf | Described) and not json_or_word and not _is_bare_list(spec, value):
            raise Refused("no_answer", value)


# --- The whole reply (W) ----------------------------------------------------------------------------------------------


def whole_reader(spec: Spec, text: str) -> Outcome | None:
    """W: is the whole reply a label, or a list of labels? What looks like JSON is read as JSON or not at all."""
    if "{" in text or "}" in text or text[0] in "[［":
        return None
    if isinstance(spec.kind, OneOf | Record | Pick):
        return _label_reader(spec, text) or _first_line_reader(spec, text)
    if isinstance(spec.kind, AnyOf | Described | Blend):
        return _list_reader(spec, text)
    return None


def _label_reader(spec: Spec, text: str) -> Outcome | None:
    """W1: the whole reply as the value of the label field."""
    bare, marked = strip_list_marks(text)
    log = Log({"markdown"} if marked else set(), text=True)
    outcome = _first_accepted(spec, [Candidate([{spec.field: [bare.strip()]}], log)], "label", text)
    return None if isinstance(outcome, Unparsed) and outcome.reason in ("no_answer", "refusal") else outcome


def _first_line_reader(spec: Spec, text: str) -> Outcome | None:
    """W1b: a label that stands alone on the first line, above lines that are no label by themselves."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    named = [spec.space.resolve(unmark(line)[0]) is not None for line in lines if len(line) <= LONGEST]
    if len(lines) < 2 or len(lines[0]) > LONGEST or named[0] is False or sum(named) > 1:
        return None
    bare, marked = unmark(lines[0])
    log = Log({"prose", "markdown"} if marked else {"prose"}, text=True)
    return _first_accepted(spec, [Candidate([{spec.field: [bare]}], log)], "label", text)


def _list_reader(spec: Spec, text: str) -> Outcome | None:
    """W2: the whole reply as a list; every item needs a letter, and one that reads as prose makes it no list."""
    log = Log(text=True)
    if text[0] in "(（" and text[-1] in ")）" and not any(bracket in text[1:-1] for bracket in "()（）"):
        text = text[1:-1]
        log.add("shape")
    lines = [strip_list_marks(line) for line in text.split("\n")]
    if any(marked for _, marked in lines):
        log.add("markdown")
    text = "\n".join(line for line, _ in lines).strip()
    if not is_empty_word(text, closed=bool(spec.space.labels)) and not _is_bare_list(spec, text):
        return None
    return _first_accepted(spec, [Candidate([{spec.field: [text]}], log)], "list", text)


def _is_bare_list(spec: Spec, text: str) -> bool:
    if not spec.space.labels:
        pieces = split_open(text, Log())
        return bool(pieces) and all(LETTER.search(x) and not is_prose_like(x, open_list=True) for x in pieces)
    pieces = [spec.form.item(piece).text or "" for piece in spec.form.split(text)]
    return bool(pieces) and all(LETTER.search(x) and (spec.space.resolve(x) or not is_prose_like(x)) for x in pieces)
