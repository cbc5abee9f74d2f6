"""Published results, from published*.toml: what a report shows beside a run's scores, marked as published."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from tasks.task import Task

# Behind the name of every published system, wherever it is shown.
MARK = "(published)"
FILES = ("published.toml", "published_challenges.toml")


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One system. `scores`: name -> number. `labels`: label -> one number for each of the table's columns. `caveat`:
    why the row should not be trusted, or what it is; "" for none."""

    system: str
    scores: Mapping[str, float]
    labels: Mapping[str, tuple[float, ...]]
    caveat: str = ""

    @property
    def title(self) -> str:
        """The system's name with the mark."""
        return f"{self.system} {MARK}"


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """One printed table. `tasks` are the names of the tasks that it belongs to, `where` the slices that it is about,
    `digits` how many are printed, `notes` what a reader has to know."""

    id: str
    title: str
    source: str
    tasks: tuple[str, ...]
    where: Mapping[str, str]
    digits: int
    columns: tuple[str, ...]
    notes: tuple[str, ...]
    rows: tuple[PublishedRow, ...]


@cache
def published_tables() -> tuple[PublishedTable, ...]:
    """All tables of the files, in their order.

    Raises ValueError for a row whose labels have another number of columns than its table.
    """
    texts = [(resources.files("eval") / name).read_text(encoding="utf-8") for name in FILES]
    return tuple(_table(entry) for text in texts for entry in tomllib.loads(text)["table"])


def tables_for(task: Task) -> list[PublishedTable]:
    """The published tables that belong to a task."""
    return [table for table in published_tables() if task.name in table.tasks]


def crosses_for(task: Task) -> list[tuple[str, ...]]:
    """Slices of several keys that the published tables of a task need: Table 13 splits one tier by language."""
    return [("tier", "language")] if any(table.id == "table13" for table in tables_for(task)) else []


def _table(entry: dict[str, object]) -> PublishedTable:
    rows = entry.pop("row")
    assert isinstance(rows, list)  # noqa: S101 - our own file, and a test loads it
    lists = {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
    table = PublishedTable(**lists, rows=tuple(_row(row) for row in rows))  # type: ignore[arg-type]
    for row in table.rows:
        for label, numbers in row.labels.items():
            if len(numbers) != len(table.columns):
                raise ValueError(
                    f"{', '.join(FILES)}: {table.id}, {row.system}, {label}: {len(numbers)} numbers for the columns "
                    f"{', '.join(table.columns)}"
                )
    return table


def _row(entry: dict[str, object]) -> PublishedRow:
    scores, labels = entry.get("scores", {}), entry.get("labels", {})
    assert isinstance(scores, dict)  # noqa: S101
    assert isinstance(labels, dict)  # noqa: S101
    numbers = {label: tuple(map(float, row)) for label, row in labels.items()}
    return PublishedRow(str(entry["system"]), scores, numbers, str(entry.get("caveat", "")))
