"""The table of tasks. A further task is a further row."""

from __future__ import annotations

import difflib

from tasks import (
    blemore,
    emos,
    emos_stream,
    goemotions,
    meld,
    mer2024,
    mer2025,
    mer2026,
    mer_personality,
    mer_unibench,
    synthetic,
)
from tasks.synthetic.stream import SYNTHETIC_STREAM
from tasks.task import Task


def _table(*rows: Task) -> dict[str, Task]:
    """The tasks by name; ValueError for a row that is no task, and for a name given twice."""
    table: dict[str, Task] = {}
    for row in rows:
        if not isinstance(row, Task):
            raise ValueError(f"tasks/registry.py: the row {row!r} is no Task; write module.NAME")
        if row.name in table:
            raise ValueError(f"tasks/registry.py: two tasks are called {row.name!r}")
        table[row.name] = row
    return table


TASKS = _table(
    emos.BASIC7,
    emos.COMPACT,
    emos_stream.EMOS_STREAM,
    mer2024.OV,
    mer2025.SEMI,
    mer2025.FG,
    mer2025.DES,
    mer_personality.PR,
    mer2025.OV_MERD,
    mer2026.CROSS,
    mer2026.FG,
    mer2026.PREFER,
    mer_unibench.MER2023,
    mer_unibench.MER2024,
    mer_unibench.MELD,
    mer_unibench.IEMOCAP,
    mer_unibench.MOSI,
    mer_unibench.MOSEI,
    mer_unibench.SIMS,
    mer_unibench.SIMSV2,
    mer_unibench.OVMERD_PLUS,
    blemore.BLEMORE,
    meld.MELD,
    goemotions.GOEMOTIONS,
    synthetic.SYNTHETIC,
    synthetic.SYNTHETIC_COMPACT,
    SYNTHETIC_STREAM,
)


def task(name: str) -> Task:
    """The task called `name`; ValueError names the nearest legal ones."""
    if name not in TASKS:
        near = difflib.get_close_matches(name, TASKS, n=3, cutoff=0.4)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"no task {name!r}{hint} (tasks: {', '.join(TASKS)})")
    return TASKS[name]
