"""Answers to score rows: every metric of the task, overall and by slice, with an interval and with what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.answers import Answer
from eval.bootstrap import RESAMPLES, group_sums, interval, resamples
from eval.metrics.classification import ClassScore, encode, per_class
from eval.metrics.table import METRICS, label_of, primary
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
    """All rows of a run, and its confusion matrix [labels, labels + 1] (last column: no answer) with per-class scores."""

    rows: list[Row]
    labels: tuple[str, ...]
    confusion: list[list[int]]
    classes: list[ClassScore]


def score(task: Task, samples: Sequence[Sample], answers: Sequence[Answer], count: int = RESAMPLES, seed: int = 0) -> Scores:
    """Scores of a task's single-label answers, overall and for each value of its slices.

    Samples without gold are left out. Raises ValueError when none has gold, or a gold label is not in the label space.
    """
    pairs = [(s, a) for s, a in zip(samples, answers, strict=True) if s.gold is not None]
    if not pairs:
        raise ValueError(f"no sample of {task.full_name} has gold: there is nothing to score")
    labels = primary(task.answer)[1]
    gold = [str(label_of(sample.gold, task.answer)) for sample, _ in pairs]
    codes = encode(gold, [label_of(answer.value, task.answer) for _, answer in pairs], labels)
    statistics = np.zeros((len(pairs), len(labels), len(labels) + 1))
    statistics[np.arange(len(pairs)), codes[:, 0], codes[:, 1]] = 1.0
    rows: list[Row] = []
    for name, members in _slices(task, [sample for sample, _ in pairs]):
        rows += _rows(task, name, [pairs[i] for i in members], statistics[members], count, seed)
    total = statistics.sum(0)
    return Scores(rows, labels, total.astype(int).tolist(), per_class(total, labels))


def _slices(task: Task, samples: Sequence[Sample]) -> list[tuple[str, NDArray[np.int64]]]:
    """`all`, then each value of each slice, with the positions of its samples. A slice of one value says nothing."""
    found = [(ALL, np.arange(len(samples)))]
    for name in task.slices:
        values = np.array([slice_value(sample, name) for sample in samples])
        kinds = [value for value in sorted(set(values.tolist())) if value]
        if len(kinds) > 1:
            found += [(f"{name}={value}", np.flatnonzero(values == value)) for value in kinds]
    return found


def _rows(
    task: Task,
    name: str,
    pairs: Sequence[tuple[Sample, Answer]],
    statistics: NDArray[np.float64],
    count: int,
    seed: int,
) -> list[Row]:
    groups = [str(sample.meta.get(task.group, sample.id)) for sample, _ in pairs]
    sums = group_sums(statistics, groups)
    blocks = resamples(sums, count, seed) if len(sums) > 1 else []
    total = statistics.sum(0)
    rows = []
    for metric in (METRICS[name] for name in task.metrics):
        low, high = interval(metric.value, blocks) if blocks else (None, None)
        rows.append(
            Row(
                task=task.full_name,
                slice=name,
                metric=metric.name,
                value=float(metric.value(total)),
                low=low,
                high=high,
                n=len(pairs),
                groups=len(sums),
                unparsed=sum(answer.reason is not None for _, answer in pairs),
                errors=sum(answer.error is not None for _, answer in pairs),
            )
        )
    return rows
