"""A compiled answer kind, and the candidates that the readers find for its judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from prompts.parsing.check import Check
from prompts.parsing.labels import NO_SPACE, SCORED, ListForm, Space
from prompts.parsing.outcome import Log
from prompts.parsing.tables import ITEM_KEYS, Fields
from tasks.task import AnswerKind

Value = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Spec:
    """What the readers and the judge need to know of a kind. `check`: does a value satisfy the schema? `field`: the
    needed field, for Dims one of them; `needed`: the fields of which one must be there. Key form -> field: `keys` in
    objects, `text_keys` in text lines, `label_keys` in an object that stands for a label; `spellings`: the keys of the
    plain-text form. `space`: of the needed field, empty for open vocabulary and numbers; `other`: of the second label
    field; `form`: how a closed list is written."""

    kind: AnswerKind
    judge: Callable[[Spec, Fields, Log], Value]
    check: Check
    field: str
    needed: frozenset[str]
    keys: dict[str, str]
    text_keys: dict[str, str]
    label_keys: dict[str, str]
    spellings: frozenset[str]
    space: Space = NO_SPACE
    other: Space = NO_SPACE
    form: ListForm = SCORED


class Candidate(NamedTuple):
    """What may be the answer: the records that are judged together and what was noted on the way to them. `answer`: of
    one that is valid as it stands and needs no judge. `start`, `end`: where JSON stands, -1 for the end of the text."""

    records: list[Fields]
    log: Log
    answer: Value | None = None
    start: int = 0
    end: int = 0


def own_keys(keys: dict[str, str], name: str) -> dict[str, str]:
    """The keys of an object that stands for the label field `name`: the item keys and the field's own."""
    return {form: "label" for form, field in keys.items() if field == name} | ITEM_KEYS
