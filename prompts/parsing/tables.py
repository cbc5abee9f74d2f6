"""The key tables (keys.toml), compiled: which key of an object or of a text line stands for which field."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from prompts.parsing.outcome import Log
from prompts.parsing.text import key_form

_FILE = tomllib.loads((Path(__file__).parent / "keys.toml").read_text(encoding="utf-8"))
KEYS: dict[str, dict[str, dict[str, list[str]]]] = _FILE["keys"]
WRAPPERS = frozenset(map(key_form, _FILE["wrappers"]["names"]))

# How far the value of a text field reaches: the line, the lines of a list, or all text up to the next field.
LINE_FIELDS = {"label", "choice", "confidence", "intensity", "timestamp_range", "start", "end", "dominant"}
LINE_FIELDS |= {"emotion", "primary_7class"}
LIST_FIELDS = {"labels", "goemotions", "secondary_Goemotions", "emotions", "utterances"}


def json_keys(table: str, names: Iterable[str] | None = None) -> dict[str, str]:
    """Key form -> field, for the keys of objects. `names` picks fields of the table (default: those without `[]`)."""
    return _compiled(table, names, ("text", "also", "json_only"))


def text_keys(table: str, names: Iterable[str] | None = None) -> dict[str, str]:
    """Key form -> field, for the keys of text lines."""
    return _compiled(table, names, ("text", "also"))


def _compiled(table: str, names: Iterable[str] | None, parts: tuple[str, ...]) -> dict[str, str]:
    fields = {name: KEYS[table][name] for name in names or (name for name in KEYS[table] if "[]" not in name)}
    compiled: dict[str, str] = {}
    for name, spellings in fields.items():
        field = name.rpartition(".")[2]
        for spelling in (field, *(word for part in parts for word in spellings.get(part, []))):
            compiled.setdefault(key_form(spelling), field)
    return compiled


def text_spellings(table: str) -> frozenset[str]:
    """The exact spellings of a kind's plain-text form, case-folded; any other key is an alias."""
    return frozenset(word.casefold() for spellings in KEYS[table].values() for word in spellings.get("text", []))


ITEM_KEYS = json_keys("AnyOfClosed", ("labels[].label", "labels[].confidence"))
BLEND_ITEM_KEYS = json_keys("Blend", ("emotions[].emotion", "emotions[].salience"))

Fields = dict[str, list[Any]]


def fields_of(pairs: Iterable[tuple[str, Any]], keys: Mapping[str, str], log: Log) -> Fields:
    """J8: the values of an object by field, in order; keys in another spelling and unknown keys are recorded."""
    fields: Fields = {}
    for key, value in pairs:
        field = keys.get(key_form(key))
        if field is None:
            log.add("extra_field")
            continue
        if key != field:
            log.add("key_alias")
        fields.setdefault(field, []).append(value)
    return fields
