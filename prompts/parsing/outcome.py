"""What parsing gives back, the names of what may happen on the way, and the notebook that the readers share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Parsed:
    """An answer. `rule` is the reader that found it: schema, json, fields, label, list or official. `repairs` are
    names of `REPAIRS`, in the order of that table; `dropped` holds what the reply named and `value` does not."""

    value: dict[str, Any]
    rule: str
    repairs: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unparsed:
    """No answer; `reason` is a name of `REASONS`."""

    reason: str


REPAIRS: dict[str, str] = {
    "invisible": "byte order mark, zero-width and control characters removed",
    "role_echo": "role markers, end tokens and other turns removed",
    "reasoning": "reasoning block removed",
    "answer_tag": "answer taken from <answer> or \\boxed",
    "fence": "code fence removed",
    "prose": "text outside the answer ignored",
    "last_of_many": "several candidates, the last accepted one taken (lossy)",
    "truncated": "cut value closed (lossy)",
    "double_encoded": "JSON inside a JSON string read",
    "unwrapped": "wrapper object removed",
    "python_syntax": "Python literals read as JSON",
    "fullwidth": "full-width punctuation read as JSON structure",
    "comments": "comments skipped",
    "trailing_comma": "superfluous commas skipped",
    "missing_comma": "missing comma supplied",
    "unquoted": "key or text without quotation marks",
    "inner_quotes": "unescaped quotation mark inside a string kept",
    "raw_newline": "line break or tab inside a string kept",
    "bad_escape": "backslash before a character that needs none dropped",
    "brackets": "closing bracket of the other kind accepted",
    "markdown": "emphasis, bullets, headings removed",
    "table": "markdown table read",
    "lead_in": "lead-in sentence read",
    "option_text": "option text behind the key ignored",
    "key_alias": "key in another spelling",
    "extra_field": "unknown key ignored",
    "missing_field": "required field absent, null",
    "shape": "content in another accepted shape",
    "label_form": "case, white space, punctuation of a label",
    "alias": "declared alias, bilingual label, emoji removed",
    "empty_word": "'Unsure', 'none', … read as no label",
    "duplicates": "repeated label or key merged",
    "number_form": "number in a JSON string, or as '4/5'",
    "percent": "divided by 100",
    "bad_confidence": "unreadable confidence, null (lossy)",
    "bad_field": "another unreadable field that is not needed, null (lossy)",
    "time_form": "time in another form",
    "sorted": "list put in order",
    "overlap_clipped": "end set to the next start (lossy)",
    "normalised": "shares scaled to 100",
    "snapped": "shares moved to the grid (lossy)",
    "zero_share": "emotion with share 0 left out",
    "default_share": "only possible share filled in",
    "capped": "open list cut at the cap (lossy)",
}
_RANK = {name: rank for rank, name in enumerate(REPAIRS)}

REASONS: dict[str, str] = {
    "empty": "nothing is left after cleaning the reply",
    "truncated_reasoning": "the reasoning was not closed and no answer follows",
    "truncated": "the reply ends inside a JSON value before the needed field is complete",
    "refusal": "no answer, and a refusal phrase near the start",
    "no_answer": "no candidate, or the needed field is blank, an empty word, or prose",
    "ambiguous": "more than one label where one is asked, a hedged label, or contradicting fields",
    "outside_label_set": "the answer is legible but not in the label space",
    "too_many": "a blend of more than two emotions",
    "no_share": "a blend of two emotions without shares",
    "bad_time": "no utterance survived and the first was left out for its time",
    "official_error": "the official reader raises on this reply",
}


class Refused(Exception):  # noqa: N818 - a verdict of the judge, never an error that leaves this package
    """The judge's verdict that a field or a candidate holds no answer. `text` is what it looked at."""

    def __init__(self, reason: str, text: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.text = text


@dataclass(slots=True)
class Log:
    """The notes on one candidate: repair names, dropped labels, and whether it stands in a text (`text`) or in JSON: in
    a text a number is text by nature and a list has no brackets, which is no repair."""

    names: set[str] = field(default_factory=set)
    dropped: list[str] = field(default_factory=list)
    text: bool = False

    def add(self, *names: str) -> None:
        """Record repairs."""
        self.names.update(names)

    def aside(self) -> Log:
        """Notes on something that may yet be discarded; `take` brings them back."""
        return Log(text=self.text)

    def take(self, other: Log) -> None:
        """Record everything that another log holds."""
        self.names |= other.names
        self.dropped += other.dropped


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Repair names, each once, in the order of `REPAIRS`."""
    return tuple(sorted(set(names), key=_RANK.__getitem__))
