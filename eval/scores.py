"""Answers to score rows: every metric of the task, overall and by slice, with an interval and with what is missing."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.answers import Answer
from eval.bootstrap import RESAMPLES, group_codes, interval, weights
from eval.metrics.classification import ClassScore, confusion, per_class
from eval.metrics.confidence import UNSTATED, Bin, curve, logprob_bins, reliability, stated, verbal_bins
from eval.metrics.dims import is_number
from eval.metrics.labelsets import label_scores
from eval.metrics.metric import (
    DEFAULTS,
    DISTRIBUTION,
    has_multiple,
    has_open,
    has_primary,
    holds,
    label_of,
    multiple,
    possible,
    primary,
)
from eval.metrics.sums import Gathered, gather, weighted
from eval.metrics.table import METRICS, Metric, Options, Value
from eval.timeline.spans import spans
from tasks.select import slice_value
from tasks.task import AnswerKind, Blend, Dims, Sample, Task, Timeline

ALL = "all"
# Between the parts of a slice that crosses several, as in `tier=high,language=en`.
AND = ","
# Metrics of the order of samples cost more than sums: they have at most so many resamples, the first ones.
RANKED = 2_000
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Row:
    """One score. `n` counts all samples of the slice; `unparsed` replies and `errors` are inside it and count as wrong.
    `missing`: answers that were read, but without the part that the metric measures (a confidence, GoEmotions).
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
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Detail:
    """What lies behind the scores of one slice. `confusion` [labels, labels + 1] (last column: no answer) and `classes`
    of the single label; `label_scores` of the set of labels, at `Options.threshold` and, `any_annotator`, for labels
    that at least one annotator gave. `reliability` and `risk_coverage` (coverage, risk) by source: `confidence` is
    what replies state, `distribution` the probability of the answered label."""

    confusion: list[list[int]] = field(default_factory=list)
    classes: list[ClassScore] = field(default_factory=list)
    label_scores: list[ClassScore] = field(default_factory=list)
    any_annotator: list[ClassScore] = field(default_factory=list)
    reliability: dict[str, list[Bin]] = field(default_factory=dict)
    risk_coverage: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scores:
    """All rows of a run, and what lies behind them by slice. `labels`, `confusion` and `classes` are those of the
    whole, empty for tasks without a single label. `draws`: (slice, metric) -> its scores on all resamples; slices,
    metrics and runs over the same samples share the resamples, so that differences of draws are draws of differences.
    `members`: slice -> ids of its samples; `correct`: ids whose single label is right. `silent`: samples without a
    gold label at the threshold."""

    rows: list[Row]
    labels: tuple[str, ...] = ()
    confusion: list[list[int]] = field(default_factory=list)
    classes: list[ClassScore] = field(default_factory=list)
    # not compared: a class that does not occur has NaN, which is unequal to itself
    details: dict[str, Detail] = field(default_factory=dict, compare=False)
    options: Options = DEFAULTS
    silent: int = 0
    draws: Mapping[tuple[str, str], Array] = field(default_factory=dict, repr=False, compare=False)
    members: Mapping[str, list[str]] = field(default_factory=dict, repr=False)
    correct: frozenset[str] = frozenset()

    def row(self, metric: str, name: str = ALL) -> Row | None:
        """The row of a metric and slice, None where there is none."""
        return next((row for row in self.rows if row.metric == metric and row.slice == name), None)


@dataclass(frozen=True, slots=True)
class _Table:
    """The scored samples of a run."""

    task: Task
    samples: Sequence[Sample]
    answers: Sequence[Answer]
    gold: list[Value]
    values: list[Value | None]
    options: Options

    def part(self, members: NDArray[np.int64]) -> tuple[list[Value], list[Value | None], AnswerKind]:
        return [self.gold[i] for i in members], [self.values[i] for i in members], self.task.answer


def score(
    task: Task,
    samples: Sequence[Sample],
    answers: Sequence[Answer],
    count: int = RESAMPLES,
    seed: int = 0,
    *,
    options: Options | None = None,
    logprobs: Mapping[str, Mapping[str, float]] | None = None,
    crosses: Sequence[Sequence[str]] = (),
) -> Scores:
    """Scores of a task's answers, overall and for each value of its slices, from `count` seeded resamples.

    `logprobs`: sample id -> label -> natural log-probability, where the engine gave them. `crosses` are slices of
    several keys, such as ("tier", "language"). Samples without gold are left out. The edition of the emotion wheels is
    the task's, unless `options` names one. Raises ValueError when no sample has gold, or gold is not of the task's kind
    (the message names the sample), and where the wheel tables that a metric needs are not to be had.
    """
    pairs = [(s, a) for s, a in zip(samples, answers, strict=True) if s.gold is not None]
    if not pairs:
        raise ValueError(f"no sample of {task.full_name} has gold: there is nothing to score")
    for sample, _ in pairs:
        check_gold(sample, task.answer)
    table = _Table(
        task,
        [sample for sample, _ in pairs],
        [answer for _, answer in pairs],
        [sample.gold for sample, _ in pairs if sample.gold is not None],
        [_with_distribution(answer, (logprobs or {}).get(answer.id)) for _, answer in pairs],
        _with_edition(options or Options(), task),
    )
    slices = _slices(task, table.samples, crosses)
    rows, draws = _rows(table, slices, count, seed)
    details = {name: _detail(table, members) for name, members in slices}
    whole = details[ALL]
    labels = primary(task.answer)[1] if has_primary(task.answer) else ()
    members = {name: [table.samples[i].id for i in chosen] for name, chosen in slices}
    silent = sum(not _gold_labels(value, task.answer, table.options) for value in table.gold)
    return Scores(
        rows=rows,
        labels=labels,
        confusion=whole.confusion,
        classes=whole.classes,
        details=details,
        options=dataclasses.replace(table.options, wheel_folder=None),  # where tables lie makes no difference
        silent=silent,
        draws=draws,
        members=members,
        correct=_correct(table),
    )


def crossed(name: str) -> bool:
    """Whether a slice is one of several keys."""
    return AND in name and name.count("=") > 1


def _with_edition(options: Options, task: Task) -> Options:
    return options if options.wheels else dataclasses.replace(options, wheels=task.wheels)


def check_gold(sample: Sample, kind: AnswerKind) -> None:
    """Raises ValueError, naming the sample, for gold that is not of the task's kind or holds a foreign label."""
    for problem in _gold_problems(sample.gold or {}, kind):
        raise ValueError(f"sample {sample.id}: gold {problem}")


def _gold_problems(gold: Value, kind: AnswerKind) -> Iterator[str]:
    """What is wrong with a gold value: a key, what it holds, what is legal."""
    found: list[tuple[str, object, tuple[str, ...]]] = []
    if has_primary(kind):
        key, labels = primary(kind)
        found.append((key, gold.get(key), labels))
    if has_multiple(kind):
        key, labels = multiple(kind)
        items = _list_of(gold.get(key), Mapping)
        if items is None:
            yield f"{key!r} is {gold.get(key)!r}; a list of {{label, confidence}} is legal"
        found += [(key, item.get("label"), labels) for item in items or ()]
    if has_open(kind) and _list_of(gold.get("labels"), str) is None:
        yield f"'labels' is {gold.get('labels')!r}; a list of words is legal, which may be empty"
    if isinstance(kind, Dims):
        for name in kind.names:
            if not is_number(gold.get(name), kind):
                yield f"{name!r} is {gold.get(name)!r}; a number from {kind.low:g} to {kind.high:g} is legal"
    if isinstance(kind, Timeline):
        yield from _timeline_problems(gold, kind)
    if isinstance(kind, Blend):
        items = _list_of(gold.get("emotions"), Mapping)
        if items is None or not 1 <= len(items) <= 2:
            yield f"'emotions' is {gold.get('emotions')!r}; a list of one or two {{emotion, salience}} is legal"
        found += [("emotions", item.get("emotion"), kind.labels) for item in items or ()]
    for key, label, labels in found:
        if label not in labels:
            yield f"{key!r} {label!r} is not one of {', '.join(labels)}"


def _timeline_problems(gold: Value, kind: Timeline) -> Iterator[str]:
    try:
        spans(gold, kind, gold=True)
    except ValueError as error:
        yield str(error)


def _list_of(items: object, of: type[Any]) -> Sequence[Any] | None:
    """The items if they are a list of that type, else None."""
    return items if isinstance(items, list | tuple) and all(isinstance(item, of) for item in items) else None


def _with_distribution(answer: Answer, logprobs: Mapping[str, float] | None) -> Value | None:
    if answer.value is None or logprobs is None:
        return answer.value
    return {**answer.value, DISTRIBUTION: {label: math.exp(value) for label, value in logprobs.items()}}


def _correct(table: _Table) -> frozenset[str]:
    kind = table.task.answer
    if not has_primary(kind):
        return frozenset()
    rows = zip(table.samples, table.gold, table.values, strict=True)
    return frozenset(sample.id for sample, gold, value in rows if label_of(gold, kind) == label_of(value, kind))


def _gold_labels(gold: Value, kind: AnswerKind, options: Options) -> bool:
    """Whether a sample has a gold label at the threshold; True for kinds without sets of labels."""
    if not has_multiple(kind):
        return True
    return any((item.get("confidence") or 1.0) >= options.threshold - 1e-9 for item in gold[multiple(kind)[0]])


def _slices(
    task: Task, samples: Sequence[Sample], crosses: Sequence[Sequence[str]]
) -> list[tuple[str, NDArray[np.int64]]]:
    """`all`, then each value of each slice, with the positions of its samples. A slice of one value says nothing."""
    found = [(ALL, np.arange(len(samples)))]
    for names in [*((name,) for name in task.slices), *crosses]:
        columns = [[slice_value(sample, name) for sample in samples] for name in names]
        values = list(zip(*columns, strict=True))
        kinds = [value for value in sorted(set(values)) if all(value)]
        if len(kinds) > 1:
            for kind in kinds:
                title = AND.join(f"{name}={value}" for name, value in zip(names, kind, strict=True))
                found.append((title, np.array([i for i, value in enumerate(values) if value == kind])))
    return found


@dataclass(frozen=True, slots=True)
class _Job:
    """Metrics of one slice that share their statistics."""

    slice: str
    metrics: list[Metric]
    gathered: Gathered
    groups: NDArray[np.int64]


def _rows(
    table: _Table, slices: Sequence[tuple[str, NDArray[np.int64]]], count: int, seed: int
) -> tuple[list[Row], dict[tuple[str, str], Array]]:
    codes, groups = group_codes([str(s.meta.get(table.task.group, s.id)) for s in table.samples])
    metrics = [metric for name in table.task.metrics if _measured(metric := METRICS[name], table)]
    jobs: list[_Job] = []
    for statistics in dict.fromkeys(metric.statistics for metric in metrics):
        shared = [metric for metric in metrics if metric.statistics is statistics]
        found = statistics(table.gold, table.values, table.task.answer, table.options)
        for name, members in slices:
            own, places = np.unique(codes[members], return_inverse=True)
            gathered = gather(found[members], places.reshape(-1), len(own), ranked=shared[0].ranked)
            jobs.append(_Job(name, shared, gathered, own))
    draws: dict[tuple[str, str], list[Array]] = {}
    done = 0
    for block in weights(groups, count, seed) if groups > 1 else ():
        done += len(block)
        for job in jobs:
            if len(job.groups) > 1 and (done <= RANKED or not job.metrics[0].ranked):
                for title, scores in _scored(job, block[:, job.groups]):
                    draws.setdefault((job.slice, title), []).append(scores)
    joined = {key: np.concatenate(blocks) for key, blocks in draws.items()}
    values = {
        (job.slice, name): (float(scores[0]), len(job.groups))
        for job in jobs
        for name, scores in _scored(job, np.ones((1, len(job.groups))))
    }
    rows = [
        _row(table, name, members, metric, values[name, metric.name], joined.get((name, metric.name)))
        for name, members in slices
        for metric in metrics
    ]
    return rows, joined


def _scored(job: _Job, block: Array) -> list[tuple[str, Array]]:
    sums = weighted(job.gathered, block)
    return [(metric.name, metric.scores(job.gathered, sums)) for metric in job.metrics]


def _measured(metric: Metric, table: _Table) -> bool:
    """Whether a metric has anything to measure: a run in which no answer holds a confidence has no row for it."""
    if not possible(metric, table.task.answer):
        return False
    if metric.part not in ("confidence", "distribution"):
        return True
    return any(value is not None and holds(value, metric.part, table.task.answer) for value in table.values)


def _row(
    table: _Table,
    name: str,
    members: NDArray[np.int64],
    metric: Metric,
    found: tuple[float, int],
    draws: Array | None,
) -> Row:
    values = [table.values[i] for i in members]
    low, high = (None, None) if draws is None else interval(draws)
    return Row(
        task=table.task.full_name,
        slice=name,
        metric=metric.name,
        value=found[0],
        low=low,
        high=high,
        n=len(members),
        groups=found[1],
        unparsed=sum(table.answers[i].reason is not None for i in members),
        errors=sum(table.answers[i].error is not None for i in members),
        missing=sum(value is not None and not holds(value, metric.part, table.task.answer) for value in values),
    )


def _detail(table: _Table, members: NDArray[np.int64]) -> Detail:
    gold, given, kind = table.part(members)
    detail = Detail()
    if has_multiple(kind):
        detail.label_scores.extend(label_scores(gold, given, kind, table.options))
        loose = dataclasses.replace(table.options, threshold=1e-6)
        detail.any_annotator.extend(label_scores(gold, given, kind, loose))
    if has_primary(kind):
        labels = primary(kind)[1]
        total = confusion([str(label_of(g, kind)) for g in gold], [label_of(a, kind) for a in given], labels)
        detail.confusion.extend(total.astype(int).tolist())
        detail.classes.extend(per_class(total, labels))
        for part, bins in (("confidence", verbal_bins), ("distribution", logprob_bins)):
            pairs = stated(gold, given, kind, "confidence" if part == "confidence" else "distribution")
            if (pairs[:, 0] > UNSTATED).any():
                detail.reliability[part] = reliability(bins(gold, given, kind, table.options).sum(0))
                detail.risk_coverage[part] = curve(pairs)
    return detail
