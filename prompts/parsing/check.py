"""The schemas of `prompts/schema.py` as functions: `checker(schema)(value)` says whether a value satisfies one.

It knows the keywords that occur there and no other. The package jsonschema says the same, which a test holds it to, but
needs longer than all the rest of reading a reply.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from prompts.schema import Schema

Check = Callable[[Any], bool]


def checker(schema: Schema) -> Check:
    """Whether decoded JSON (dict, list, str, int, float, bool, None) satisfies the schema."""
    names = {schema["type"]} if isinstance(schema["type"], str) else {*schema["type"]}
    if "null" not in names:
        return _CHECKERS[names.pop()](schema)
    check = _CHECKERS[(names - {"null"}).pop()](schema)
    return lambda value: value is None or check(value)


def _object(schema: Schema) -> Check:
    required = frozenset(schema["required"])
    checks = {name: checker(inner) for name, inner in schema["properties"].items()}

    def check(value: Any) -> bool:
        if type(value) is not dict or not required <= value.keys() or not value.keys() <= checks.keys():
            return False
        return all(checks[key](inner) for key, inner in value.items())

    return check


def _array(schema: Schema) -> Check:
    least, most, check = schema.get("minItems", 0), schema.get("maxItems", math.inf), checker(schema["items"])
    return lambda value: type(value) is list and least <= len(value) <= most and all(map(check, value))


def _string(schema: Schema) -> Check:
    words, pattern = frozenset(schema.get("enum", ())), re.compile(schema.get("pattern", ""))
    if words:
        return lambda value: type(value) is str and value in words
    return lambda value: type(value) is str and pattern.search(value) is not None


def _number(schema: Schema) -> Check:
    numbers, low, high = schema.get("enum"), schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    step = 1 if "integer" in schema["type"] else 0

    def check(value: Any) -> bool:
        if type(value) not in (int, float) or (step and value % step):
            return False
        return value in numbers if numbers else low <= value <= high

    return check


_CHECKERS = {"object": _object, "array": _array, "string": _string, "number": _number, "integer": _number}
