"""Answers to score rows: every metric of the task, overall and by slice, with an interval and with what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.answers import Answer
from eval.bootstrap import RESAMPLES, group_sums, interval, resamples
from eval.metrics.classification import ClassScore, per_class
from eval.metrics.table import METRICS, Value, confusions, primary
from tasks.select import slice_value
from tasks.task import Sample, Task

ALL = "all"


@dataclass(frozen=True, slots=True)
class Row:
    """One score. `n` counts all samples of the slice; `unparsed` replies and `errors` are inside it and count as wrong.
    `low`, `high`: 95% interval over `groups` resampled groups; None where there is one group only."""

    task: str
    slice: str
    metric: str
    value: float
    low: float | None
    high: float | None
    n: int
    groups: int
    unparsed: int
    errors: int


@dataclass(frozen=True, slots=True)
class Scores:
    """All rows of a run; its confusion matrix [labels, labels + 1] (last column: no answer) and per-class scores."""

    rows: list[Row]
    labels: tuple[str, ...]
    confusion: list[list[int]]
    classes: list[ClassScore]


def score(
    task: Task, samples: Sequence[Sample], answers: Sequence[Answer], count: int = RESAMPLES, seed: int = 0
) -> Scores:
    """Scores of a task's answers, overall and for each value of its slices, from `count` seeded resamples.

    Samples without gold are left out. Raises ValueError when none has gold, or a gold label is not in the label space.
    """
    pairs = [(s, a) for s, a in zip(samples, answers, strict=True) if s.gold is not None]
    if not pairs:
        raise ValueError(f"no sample of {task.full_name} has gold: there is nothing to score")
    rows: list[Row] = []
    for name, members in _slices(task, [sample for sample, _ in pairs]):
        rows += _rows(task, name, [pairs[i] for i in members], count, seed)
    gold, given = _values(pairs)
    labels = primary(task.answer)[1]
    total = confusions(gold, given, task.answer).sum(0)
    return Scores(rows, labels, total.astype(int).tolist(), per_class(total, labels))


def _values(pairs: Sequence[tuple[Sample, Answer]]) -> tuple[list[Value], list[Value | None]]:
    return [sample.gold for sample, _ in pairs if sample.gold is not None], [answer.value for _, answer in pairs]


def _slices(task: Task, samples: Sequence[Sample]) -> list[tuple[str, NDArray[np.int64]]]:
    """`all`, then each value of each slice, with the positions of its samples. A slice of one value says nothing."""
    found = [(ALL, np.arange(len(samples)))]
    for name in task.slices:
        values = np.array([slice_value(sample, name) for sample in samples])
        kinds = [value for value in sorted(set(values.tolist())) if value]
        if len(kinds) > 1:
            found += [(f"{name}={value}", np.flatnonzero(values == value)) for value in kinds]
    return found


def _rows(task: Task, name: str, pairs: Sequence[tuple[Sample, Answer]], count: int, seed: int) -> list[Row]:
    groups = [str(sample.meta.get(task.group, sample.id)) for sample, _ in pairs]
    gold, given = _values(pairs)
    rows: list[Row] = []
    drawn: dict[object, tuple[NDArray[np.float64], list[NDArray[np.float64]]]] = {}
    for metric in (METRICS[name] for name in task.metrics):
        if metric.statistics not in drawn:  # metrics over the same statistics share one set of resamples
            sums = group_sums(metric.statistics(gold, given, task.answer), groups)
            drawn[metric.statistics] = (sums, resamples(sums, count, seed) if len(sums) > 1 else [])
        sums, blocks = drawn[metric.statistics]
        low, high = interval(metric.value, blocks) if blocks else (None, None)
        rows.append(
            Row(
                task=task.full_name,
                slice=name,
                metric=metric.name,
                value=float(metric.value(sums.sum(0))),
                low=low,
                high=high,
                n=len(pairs),
                groups=len(sums),
                unparsed=sum(answer.reason is not None for _, answer in pairs),
                errors=sum(answer.error is not None for _, answer in pairs),
            )
        )
    return rows
