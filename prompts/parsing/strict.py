"""Strict JSON in a text, read by the decoder of the standard library.

An object becomes `Pairs`, so that repeated keys are seen.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, NoReturn

DEEPEST = 64
LONGEST_SCALAR = 200


class Pairs(list[tuple[str, Any]]):
    """A JSON object as its (key, value) pairs. `cut`: the text ended inside it."""

    cut = False


@dataclass(slots=True)
class Found:
    """A container in a text: where it stands and the deviations in it."""

    value: Any
    start: int
    end: int
    names: set[str] = field(default_factory=set)


def number(word: str) -> int | float:
    """A JSON number. Raises ValueError for one that is too long to be one."""
    if len(word) > LONGEST_SCALAR:
        raise ValueError("too long for a number")
    return int(word) if len(word) < 19 and word.lstrip("-").isdigit() else float(word)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object as a dict. Raises ValueError for a repeated key."""
    reply = dict(pairs)
    if len(reply) != len(pairs):
        raise ValueError("a key is repeated")
    return reply


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# Of a whole reply, and of a container in a text.
REPLY = json.JSONDecoder(object_pairs_hook=unique, parse_constant=_refuse)
_CONTAINER = json.JSONDecoder(object_pairs_hook=Pairs, parse_int=number, parse_float=number, parse_constant=_refuse)


def plain(value: Any) -> Any:
    """A value with `Pairs` in it (at most 64 levels deep) as plain JSON data. Raises ValueError for a repeated key and
    for a number that JSON does not have."""
    if isinstance(value, Pairs):
        return unique([(key, plain(inner) if isinstance(inner, list | float) else inner) for key, inner in value])
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        _refuse(str(value))
    return value


@dataclass(slots=True)
class Strict:
    """Reads containers that are strict as a whole, for as long as that pays: each failure costs a look at the text up
    to where it is strict no longer, so there may be few of them."""

    text: str
    tries: int = 8
    until: int = 0  # the text is strict up to here, save for containers that are not closed

    def at(self, start: int, depth: int = 0) -> Found | None:
        """The container that starts here, inside `depth` levels; None when it is not strict or not worth a try."""
        opener = self.text[start]
        if not self.tries or (opener != "[" if depth and start >= self.until else opener not in "{["):
            return None
        try:
            value, end = _CONTAINER.raw_decode(self.text, start)
        except (ValueError, RecursionError) as error:
            self.tries -= 1
            self.until = getattr(error, "pos", start)
            return None
        if depth + self.text.count("[", start, end) + self.text.count("{", start, end) > DEEPEST:
            self.tries -= 1
            self.until = end
            return None
        return Found(value, start, end)
