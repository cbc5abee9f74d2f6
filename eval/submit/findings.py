"""What a validator says: each fault with its place, what was found and what is legal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

SHOWN = 100  # of each sort of fault; a file made for another track would fill the screen


class Fault(NamedTuple):
    """One thing that is wrong. `what` names its sort, such as "unknown name"; `where` the row, column or member."""

    what: str
    where: str
    found: str
    legal: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}: found {self.found}; legal: {self.legal}"


@dataclass(slots=True)
class Findings:
    """The faults of a file in the order in which they were found."""

    faults: list[Fault] = field(default_factory=list)

    def add(self, what: str, where: str, found: object, legal: str) -> None:
        """Notes a fault; what was found is quoted and cut."""
        self.faults.append(Fault(what, where, found if isinstance(found, Said) else quoted(found), legal))


class Said(str):
    """What was found, in words of our own: not quoted."""

    __slots__ = ()


def quoted(found: object, most: int = 80) -> str:
    """A value of a file as a message can hold it."""
    text = repr(found)
    return text if len(text) <= most else text[: most - 3] + "..."


def lines(faults: Iterable[Fault]) -> Iterator[str]:
    """The faults as lines, at most SHOWN of each sort, then how many more there are."""
    counts: Counter[str] = Counter()
    for fault in faults:
        counts[fault.what] += 1
        if counts[fault.what] <= SHOWN:
            yield str(fault)
    for what, count in counts.items():
        if count > SHOWN:
            yield f"and {count - SHOWN:,} more: {what}"
