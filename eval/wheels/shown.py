"""What the report of an open vocabulary holds beside emotion wheel scores: what a constant answer would get on the same
gold, and what the scorer loses of the answers."""

from __future__ import annotations

from collections.abc import Sequence

from eval.layouts import Layout, half_up
from eval.metrics.metric import Options, Value, has_open
from eval.wheels.floor import companions, constant_floor
from tasks.task import Sample, Task

# Most frequent words of a kind that are shown.
SHOWN = 12


def open_vocabulary(
    task: Task, samples: Sequence[Sample], values: Sequence[Value | None], options: Options
) -> list[Layout]:
    """Two tables for tasks of open labels with an edition of the wheels; none for other tasks, or without gold.

    `values` are the answers in the order of `samples`. Raises ValueError where the wheel tables are not to be had.
    """
    rows = [(sample, value) for sample, value in zip(samples, values, strict=True) if sample.gold is not None]
    if not rows or not task.wheels or not has_open(task.answer):
        return []
    gold = {sample.id: list(sample.gold["labels"]) for sample, _ in rows if sample.gold is not None}
    told = {sample.id: [] if value is None else list(value["labels"]) for sample, value in rows}
    place, checked = options.wheel_folder, options.wheels_checked
    floor = constant_floor(gold, task.wheels, place, checked=checked)
    found = companions(told, task.wheels, place, most=SHOWN, checked=checked)
    head = "level 1" if task.wheels == "mer2026" else "mean of both levels"
    return [
        Layout(
            "What a constant answer gets",
            ["answered to every clip", f"EW F, {head}"],
            [[", ".join(labels), half_up(score, 4)] for labels, score in floor],
            ["The last is the best list that greedy search builds of the gold's own words: a floor, not a model."],
        ),
        Layout(
            "What the scorer loses",
            ["", ""],
            [
                ["words that no wheel knows", f"{half_up(100 * found.unknown, 1)} %"],
                [
                    "the most frequent of them",
                    ", ".join(f"{word} ({count})" for word, count in found.unknown_words) or "–",
                ],
                ["labels that the official splitter would change", str(len(found.lost))],
                ["such as", ", ".join(list(found.lost)[:SHOWN]) or "–"],
            ],
            ["Unknown words cost no precision. A submission is written with labels that come back whole."],
        ),
    ]
