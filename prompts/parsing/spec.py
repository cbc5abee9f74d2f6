"""A compiled answer kind: what the readers and the judge need to know of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prompts.parsing.labels import NO_SPACE, SCORED, ListForm, Space
from prompts.parsing.outcome import Log
from prompts.parsing.tables import ITEM_KEYS, Fields
from tasks.task import AnswerKind

Value = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Spec:
    """`needed`: the fields of which one must be there. `keys`, `text_keys`: key form -> field, in objects and in text
    lines; `spellings`: the keys of the plain-text form. `space`: of the needed field, empty for open vocabulary and
    numbers; `other`: of the second label field; `form`: how a closed list is written."""

    kind: AnswerKind
    judge: Callable[[Spec, Fields, Log], Value]
    needed: frozenset[str]
    keys: dict[str, str]
    text_keys: dict[str, str]
    spellings: frozenset[str]
    space: Space = NO_SPACE
    other: Space = NO_SPACE
    form: ListForm = SCORED

    @property
    def field(self) -> str:
        """The needed field; for Dims one of them."""
        return min(self.needed)


def own_keys(keys: dict[str, str], name: str) -> dict[str, str]:
    """The keys of an object that stands for the label field `name`: the item keys and the field's own."""
    return {form: "label" for form, field in keys.items() if field == name} | ITEM_KEYS
