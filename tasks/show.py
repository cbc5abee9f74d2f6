"""`omnimer tasks [NAME]`: what can be measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from tasks.task import AnswerKind, AnyOf, Blend, Described, Dims, OneOf, Pick, Task


@dataclass(frozen=True)
class TasksConfig:
    """List the tasks, or everything about one."""

    name: Annotated[str, tyro.conf.Positional] = ""
    """A task's name; without one all are listed."""


def run(config: TasksConfig) -> int:
    """Prints the table of tasks, or one task in full."""
    from rich.console import Console
    from rich.table import Table

    from tasks.registry import TASKS, task

    console = Console(soft_wrap=True)
    if config.name:
        for label, value in _facts(task(config.name)):
            console.print(f"[bold]{label:<10}[/] ", end="")
            console.print(value, markup=False, highlight=False)
        return 0
    table = Table("task", "version", "answer", "samples", "headline")
    for each in TASKS.values():
        size = max(each.sizes.values(), default=0)
        kind = type(each.answer).__name__
        table.add_row(each.name, each.version, kind, f"{size:,}" if size else "any", each.metrics[0])
    console.print(table)
    console.print("`omnimer tasks NAME` says all about one of them.")
    return 0


def _answer(kind: AnswerKind) -> str:
    """The kind of an answer and its labels, where it has one list of them."""
    match kind:
        case OneOf(labels=labels) | Blend(labels=labels) | Pick(options=labels) | Dims(names=labels):
            pass
        case AnyOf(labels=labels) | Described(labels=AnyOf(labels=labels)):
            labels = labels or ("any words",)
        case _:
            labels = ()
    return type(kind).__name__ + (f" of {', '.join(labels)}" if labels else "")


def _facts(task: Task) -> list[tuple[str, str]]:
    sizes = ", ".join(f"{split} {size:,}" for split, size in task.sizes.items()) or "any"
    options = "; ".join(f"{name}: {' | '.join(values)}" for name, values in task.options.items()) or "none"
    return [
        ("task", task.full_name),
        ("source", task.source),
        ("answer", _answer(task.answer)),
        ("aliases", ", ".join(f"{word} -> {label}" for word, label in getattr(task.answer, "aliases", ())) or "none"),
        ("template", task.template),
        ("splits", ", ".join(task.splits)),
        ("samples", sizes),
        ("metrics", f"{', '.join(task.metrics)} (the first is the headline)"),
        ("slices", ", ".join(task.slices)),
        ("resampled", f"by {task.group}"),
        ("options", options),
    ]
