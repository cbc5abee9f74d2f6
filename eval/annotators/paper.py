"""The tables of the EmoS paper beside what the release gives: printed, recomputed, and whether they agree.

The printed numbers are data (published.toml). A number is recomputed by the definition that the table states; where
another way of counting gives the printed one, that stands in a column of its own and is never passed off as the first.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from eval.annotators.paper_static import Static, table_1, table_2, table_3, table_4, table_5, table_9
from eval.annotators.paper_streaming import Streaming, table_6, table_10, table_11

PUBLISHED = Path(__file__).with_name("published.toml")
# Name of a line -> (recomputed, as counted or None).
Values = Mapping[str, tuple[float, float | None]]
STATIC: dict[str, Callable[[Static], Values]] = {
    "1": table_1,
    "2": table_2,
    "3": table_3,
    "4": table_4,
    "5": table_5,
    "9": table_9,
}
STREAMING: dict[str, Callable[[Streaming], Values]] = {"6": table_6, "10": table_10, "11": table_11}
# What can be said of a line, best first.
EQUAL, AS_COUNTED, DIFFERS, NOT_PRINTED = "equal", "equal as counted", "not reproduced", "no printed value"


@dataclass(frozen=True, slots=True)
class Line:
    """One number of a table: as printed (None: not at hand), recomputed, and counted the other way if there is one."""

    name: str
    printed: str | None
    value: float
    counted: float | None
    verdict: str


@dataclass(frozen=True, slots=True)
class PaperTable:
    """One table of the paper; `counted` says what the other way of counting is, "" where there is none."""

    number: str
    title: str
    definition: str
    counted: str
    notes: tuple[str, ...]
    lines: tuple[Line, ...]

    def tally(self) -> dict[str, int]:
        """Lines by verdict, all four in their order."""
        verdicts = [line.verdict for line in self.lines]
        return {verdict: verdicts.count(verdict) for verdict in (EQUAL, AS_COUNTED, DIFFERS, NOT_PRINTED)}


def decimals(printed: str) -> int:
    """Digits behind the point of a number as printed."""
    return len(printed.partition(".")[2])


def equals(printed: str, value: float) -> bool:
    """Whether `value`, rounded as `printed` is, gives it; an exact half may have been rounded either way."""
    unit = 10.0 ** -decimals(printed)
    return abs(value - float(printed.removeprefix("~"))) <= unit / 2 + 1e-9


def _line(name: str, printed: str | None, value: float, counted: float | None) -> Line:
    if printed is None:
        verdict = NOT_PRINTED
    elif equals(printed, value):
        verdict = EQUAL
    else:
        verdict = AS_COUNTED if counted is not None and equals(printed, counted) else DIFFERS
    return Line(name, printed, value, counted, verdict)


def paper_tables(static: Static, streaming: Streaming) -> list[PaperTable]:
    """Tables 1 to 6 and 9 to 11, in order.

    Raises ValueError if published.toml prints a line that is not computed.
    """
    record = tomllib.loads(PUBLISHED.read_text(encoding="utf-8"))
    found = {number: table(static) for number, table in STATIC.items()}
    found |= {number: table(streaming) for number, table in STREAMING.items()}
    tables = []
    for number in sorted(found, key=int):
        entry, values = record[number], found[number]
        printed: dict[str, str] = entry["printed"]
        if unknown := printed.keys() - values.keys():
            raise ValueError(f"{PUBLISHED.name}, table {number}: no such line: {', '.join(sorted(unknown))}")
        lines = tuple(_line(name, printed.get(name), *pair) for name, pair in values.items())
        tables.append(
            PaperTable(number, entry["title"], entry["definition"], entry.get("counted", ""),
                       tuple(entry.get("notes", ())), lines)
        )  # fmt: skip
    return tables
