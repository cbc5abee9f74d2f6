"""The table of tasks. A further task is a further row."""

from __future__ import annotations

import difflib

from tasks import emos, synthetic
from tasks.task import Task

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        emos.BASIC7,
        emos.COMPACT,
        synthetic.SYNTHETIC,
        synthetic.SYNTHETIC_COMPACT,
    )
}


def task(name: str) -> Task:
    """The task called `name`; ValueError names the nearest legal ones."""
    if name not in TASKS:
        near = difflib.get_close_matches(name, TASKS, n=3, cutoff=0.4)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"no task {name!r}{hint} (tasks: {', '.join(TASKS)})")
    return TASKS[name]
