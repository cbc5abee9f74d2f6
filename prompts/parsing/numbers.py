"""Numbers and times: confidence, intensity, share, dimension, time range. Nothing is guessed: what is outside the
declared forms is unreadable."""

from __future__ import annotations

import math
import re
from typing import Any
from unicodedata import normalize

from prompts.parsing.outcome import Log, Refused
from prompts.parsing.text import is_empty_word
from prompts.schema import TIME_RANGE

NUMBER = r"[+-]?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})"
_PLAIN = re.compile(rf"({NUMBER})\s*(%?)")
_INTENSITY = re.compile(r"([0-9](?:\.0{1,9})?)(\s*/\s*5|\s+out\s+of\s+5)?")
LONGEST_NUMBER = 60
# Times beyond this are invalid: milliseconds would no longer be exact (and no clip lasts 30 years).
MOST_SECONDS = 1e9


class InText(str):
    """A number that stood in running text: that it is no JSON number is no repair."""

    __slots__ = ()


def _note_form(value: Any, log: Log) -> None:
    """Record a number in a JSON string."""
    if isinstance(value, str) and not isinstance(value, InText) and not log.text:
        log.add("number_form")


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and (not value.strip() or is_empty_word(value, closed=False)))


def _folded(value: str) -> str:
    return normalize("NFKC", value).strip() if len(value) <= LONGEST_NUMBER else ""


def plain_number(value: Any) -> tuple[float, bool] | None:
    """A JSON number, or a text that is a plain decimal number, with or without `%`: the number, and whether `%`
    stood there. None for anything else, booleans and NaN included."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return (value, False) if math.isfinite(value) else None
    if isinstance(value, str) and (found := _PLAIN.fullmatch(_folded(value))):
        return float(found[1]), bool(found[2])
    return None


def confidence(value: Any, log: Log) -> float | None:
    """N1: a number in [0, 1], a percentage, or None."""
    if _is_blank(value):
        return None
    number, percent = plain_number(value) or (math.nan, False)
    if 0 <= number <= 1 and not percent:
        _note_form(value, log)
        return number
    if (0 if percent else 10) <= number <= 100:
        log.add("percent")
        if not percent:
            _note_form(value, log)
        return number / 100
    log.add("bad_confidence")
    return None


def intensity(value: Any, log: Log) -> int | None:
    """N2: an integer from 1 to 5, or None. Raises Refused(`bad_field`)."""
    if _is_blank(value):
        return None
    if isinstance(value, str):
        found = _INTENSITY.fullmatch(_folded(value).casefold())
        if not found:
            raise Refused("bad_field")
        if found[2] or not log.text:
            log.add("number_form")
        value = float(found[1])
    if isinstance(value, bool) or not isinstance(value, int | float) or value not in (1, 2, 3, 4, 5):
        raise Refused("bad_field")
    return int(value)


def share(value: Any, log: Log) -> float | None:
    """N3: a number that is not negative, or None (as if it were not given)."""
    read = plain_number(value)
    if read is None or read[0] < 0:
        return None
    _note_form(value, log)
    return read[0]


def dimension(value: Any, log: Log, low: float, high: float) -> float | None:
    """N5: a number in [low, high], or None. Raises Refused(`bad_field`): a value outside is never clipped."""
    if _is_blank(value):
        return None
    read = plain_number(value)
    if read is None or read[1] or not low <= read[0] <= high:
        raise Refused("bad_field")
    _note_form(value, log)
    return read[0]


_TIMES = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:(?P<h>[0-9]{1,6}):(?P<hm>[0-5][0-9])|(?P<m>[0-9]{1,9})):(?P<s>[0-5][0-9](?:[.,][0-9]{1,9})?)",
        r"(?P<m>[0-9]{1,9})\s*(?:m|分)\s*(?P<s>[0-9]{1,2}(?:[.,][0-9]{1,9})?)\s*(?:s|秒)",
        r"(?P<s>[0-9]{1,12}(?:[.,][0-9]{1,9})?)\s*(?:sec|s|秒)?",
    )
)
_BETWEEN = re.compile(r"-->|→|[-–—−~～至到]|(?<=[\s0-9a-z])to(?=[\s0-9])")
_EXACT = re.compile(TIME_RANGE.removeprefix("^").removesuffix("$"))
_AROUND = "()[]{}【】 \t\n"


def time(value: Any) -> float | None:
    """N4: one time in seconds, rounded to milliseconds; None when it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return round(float(value), 3) if 0 <= value <= MOST_SECONDS else None
    if not isinstance(value, str):
        return None
    text = _folded(value).casefold()
    for pattern in _TIMES:
        if found := pattern.fullmatch(text):
            part = found.groupdict("0")
            whole, _, fraction = part["s"].replace(",", ".").partition(".")
            minutes = int(part.get("h", 0)) * 60 + int(part.get("hm", 0)) + int(part.get("m", 0))
            # Whole milliseconds, so that the time is the same float however it was written.
            seconds = (minutes * 60 + int(whole)) * 1000 + (round(float(f"0.{fraction}") * 1000) if fraction else 0)
            return seconds / 1000 if seconds / 1000 <= MOST_SECONDS else None
    return None


def time_range(value: Any, log: Log) -> tuple[float, float] | None:
    """N4: start and end in seconds from a text, two values, or None when it is no range. A range in another form than
    the schema's is recorded as `time_form`."""
    exact = False
    if isinstance(value, str):
        exact = _EXACT.fullmatch(value) is not None
        if exact:
            ends: list[Any] = value.replace("–", "-").split("-")
        else:
            ends = [piece.strip(_AROUND) for piece in _BETWEEN.split(_folded(value).strip(_AROUND).casefold())]
    elif isinstance(value, list):
        ends = value
    else:
        return None
    if len(ends) != 2:
        return None
    start, end = time(ends[0]), time(ends[1])
    if start is None or end is None or end < start:
        return None
    if not exact:
        log.add("time_form")
    return start, end
