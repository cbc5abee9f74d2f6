"""Two runs over the same samples: is the difference more than chance?

Both runs are scored on the same resamples of the groups, so the difference of their scores on each is a draw of the
difference (paired bootstrap); a difference is marked where its 95% interval leaves out 0. For accuracy there is
McNemar's exact test besides, which looks at the samples that one run gets right and the other wrong; it takes clips
for independent. Neither is corrected for the number of comparisons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eval.bootstrap import interval
from eval.metrics.table import METRICS
from prompts.render import REPLY

if TYPE_CHECKING:
    from eval.report import RunResult
    from tasks.task import Sample

BETTER, WORSE, UNEQUAL = "▲", "▼", "≠"


@dataclass(frozen=True, slots=True)
class Difference:
    """A score of a run minus that of the first run; `low`, `high`: 95% interval, None where there is one group only.
    `mark`: ▲ better, ▼ worse, ≠ unequal (of a metric without a good end), or "" where the interval holds 0.
    `only_this`, `only_first`: samples that one run alone gets right, and `p` of McNemar's exact test; accuracy only."""

    slice: str
    metric: str
    difference: float
    low: float | None
    high: float | None
    mark: str
    only_this: int | None = None
    only_first: int | None = None
    p: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All differences of a run to the first run, `first` being its name."""

    first: str
    differences: list[Difference]

    def of(self, metric: str, name: str) -> Difference | None:
        """The difference in a metric on a slice, None where there is none."""
        return next((d for d in self.differences if (d.metric, d.slice) == (metric, name)), None)


def mcnemar(only_one: int, only_other: int) -> float:
    """Two-sided p of McNemar's exact test from the two counts of discordant samples; in (0, 1], 1 where there are none.

    min(1, 2 P(X <= min(b, c))), X ~ Binomial(b + c, 1/2): scipy.stats.binomtest(b, b + c).pvalue (McNemar 1947).
    Raises ValueError for negative counts.
    """
    if min(only_one, only_other) < 0:
        raise ValueError(f"counts of discordant samples are {only_one} and {only_other}; they cannot be negative")
    total, least = only_one + only_other, min(only_one, only_other)
    term = tail = 1
    for k in range(1, least + 1):
        term = term * (total - k + 1) // k
        tail += term
    both_sides: int = 2 * tail
    every: int = 1 << total
    return min(1.0, both_sides / every)  # integers of any size, divided exactly


def check_same(first: RunResult, other: RunResult) -> None:
    """Raises ValueError unless two runs are over the same samples of the same task; the message says what differs."""
    names = f"{first.name} and {other.name}"
    if first.task.full_name != other.task.full_name:
        raise ValueError(
            f"{names} cannot be compared: tasks {first.task.full_name} and {other.task.full_name}; "
            "evaluate them one by one"
        )
    one, two = ({sample.id: sample for sample in run.samples} for run in (first, other))
    parts = [
        f"{len(only)} only in {run.name} ({_some(only)})"
        for run, only in ((first, sorted(one.keys() - two.keys())), (other, sorted(two.keys() - one.keys())))
        if only
    ]
    if parts:
        raise ValueError(
            f"{names} cannot be compared: sample ids differ, {'; '.join(parts)}. "
            "Run both with the same --split, --where, --ids and --limit, or evaluate them one by one."
        )
    group = first.task.group
    for what, changed in (
        ("gold", [name for name in one if one[name].gold != two[name].gold]),
        (f"the group ({group})", [name for name in one if _group(one[name], group) != _group(two[name], group)]),
        ("language or meta", [name for name in one if not _same_meta(one[name], two[name])]),
    ):
        if changed:
            raise ValueError(
                f"{names} cannot be compared: {what} differs for {len(changed)} samples ({_some(changed)}); "
                "the runs were made from different data or with different --options"
            )


def _group(sample: Sample, key: str) -> str:
    return str(sample.meta.get(key, sample.id))


def _same_meta(one: Sample, other: Sample) -> bool:
    """Whether two samples have the same language and meta, the reply of an earlier run (a second stage) left out."""
    metas = [{key: value for key, value in sample.meta.items() if key != REPLY} for sample in (one, other)]
    return one.language == other.language and metas[0] == metas[1]


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3]) + (", …" if len(ids) > 3 else "")


def compare(first: RunResult, other: RunResult) -> Comparison:
    """Differences of `other` to `first` in every metric and slice that both have.

    Raises ValueError where the runs are not over the same samples, or were not scored on the same resamples.
    """
    check_same(first, other)
    if first.scores.options != other.scores.options:
        raise ValueError(f"{first.name} and {other.name} were scored with different options: score both again")
    return Comparison(
        first.name,
        [
            _difference(first, other, row.slice, row.metric)
            for row in other.scores.rows
            if first.scores.row(row.metric, row.slice) is not None
        ],
    )


def _difference(first: RunResult, other: RunResult, name: str, metric: str) -> Difference:
    values = [run.scores.row(metric, name) for run in (first, other)]
    value = (values[1].value if values[1] else 0.0) - (values[0].value if values[0] else 0.0)
    low = high = None
    draws = [run.scores.draws.get((name, metric)) for run in (first, other)]
    if draws[0] is not None and draws[1] is not None:
        if len(draws[0]) != len(draws[1]):
            raise ValueError(f"{first.name} and {other.name} were scored with different --resamples: score both again")
        low, high = interval(draws[1] - draws[0])
    mark = _mark(metric, low, high)
    if metric != "accuracy":
        return Difference(name, metric, value, low, high, mark)
    right = [{i for i in run.scores.members[name] if i in run.scores.correct} for run in (first, other)]
    only_first, only_this = len(right[0] - right[1]), len(right[1] - right[0])
    return Difference(name, metric, value, low, high, mark, only_this, only_first, mcnemar(only_this, only_first))


def _mark(metric: str, low: float | None, high: float | None) -> str:
    if low is None or high is None or not (low > 0 or high < 0):
        return ""
    row = METRICS[metric]
    if row.best is None:
        return UNEQUAL
    return BETTER if (low > 0) == (row.best == row.high) else WORSE
