"""Published tables with this run's numbers beside them: those of the EmoS paper in its layouts, others as rankings.

A published number stands in a row or column of its own, whose title says "(published)"; below each table stand its
notes and the caveat of each published system. Numbers are rounded half up, as the paper's are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from eval.bootstrap import interval
from eval.metrics.classification import ClassScore
from eval.metrics.table import METRICS
from eval.published import PublishedTable, tables_for
from eval.scores import ALL, AND, Detail
from tasks.select import slice_value

if TYPE_CHECKING:
    from eval.report import RunResult

HEADLINES = ("accuracy", "macro_f1", "weighted_f1")
NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Layout:
    """A table ready to be shown: `head` and `rows` of text, `notes` below it."""

    title: str
    head: list[str]
    rows: list[list[str]]
    notes: list[str]


def half_up(value: float | None, digits: int = 3) -> str:
    """A number with fixed digits, rounded half up as in print (.6125 is .613); `–` where it is undefined."""
    if value is None or math.isnan(value):
        return NOTHING
    # round() first: .6125 computed from counts may come out as .61249999999999993
    return str(Decimal(repr(round(value, 12))).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def layouts(result: RunResult) -> list[Layout]:
    """The published tables that belong to the run's task, filled with the run's numbers."""
    return [LAYOUTS.get(table.id, ranking)(table, result) for table in tables_for(result.task)]


def _own(result: RunResult) -> str:
    return f"{result.name} (this run)"


def slice_named(result: RunResult, where: Mapping[str, str]) -> str | None:
    """The slice that holds exactly the samples with these values; None where the run has no such samples.

    A key whose value all samples share is no slice of its own: a run over the high tier alone is one as a whole.
    """
    scored = [sample for sample in result.samples if sample.gold is not None]
    left = {
        key: value for key, value in where.items() if not all(slice_value(sample, key) == value for sample in scored)
    }
    name = AND.join(f"{key}={value}" for key, value in left.items()) or ALL
    return name if name in result.scores.details else None


def _detail(result: RunResult, where: Mapping[str, str]) -> Detail:
    name = slice_named(result, where)
    return result.scores.details[name] if name is not None else Detail()


def _value(result: RunResult, metric: str, where: Mapping[str, str]) -> float | None:
    name = slice_named(result, where)
    row = result.scores.row(metric, name) if name is not None else None
    return None if row is None else row.value


def _notes(table: PublishedTable, *own: str) -> list[str]:
    caveats = [f"{row.title}: {row.caveat}" for row in table.rows if row.caveat]
    return [*own, *table.notes, *caveats, f"Published numbers: {table.source}."]


def _own_slice(result: RunResult, where: Mapping[str, str]) -> str:
    """What the run's own column is about."""
    name = slice_named(result, where)
    wanted = AND.join(f"{key}={value}" for key, value in where.items())
    if name is None:
        return f"The run has no samples with {wanted}."
    row = next((row for row in result.scores.rows if row.slice == name), None)
    return f"{_own(result)}: samples with {wanted}, n = {row.n if row else 0:,}."


def table7(table: PublishedTable, result: RunResult) -> Layout:
    """Accuracy, macro-F1, weighted-F1, then precision / recall / F1 of each class; one column a system."""
    digits, detail = table.digits, _detail(result, table.where)
    rows = [
        [
            METRICS[name].title,
            half_up(_value(result, name, table.where), digits),
            *(half_up(row.scores.get(name), digits) for row in table.rows),
        ]
        for name in HEADLINES
    ]
    own = {score.label: (score.precision, score.recall, score.f1) for score in detail.classes}
    for label in result.scores.labels:
        columns = [own.get(label, ()), *(row.labels.get(label, ()) for row in table.rows)]
        rows.append([f"{label} P / R / F1", *(_slashes(numbers, digits) for numbers in columns)])
    head = ["", _own(result), *(row.title for row in table.rows)]
    return Layout(_title(table), head, rows, _notes(table, _own_slice(result, table.where)))


def table8(table: PublishedTable, result: RunResult) -> Layout:
    """Mean confidence on the high and the low tier and the difference, one row a system."""
    rows = []
    for metric, what in (("confidence", "stated"), ("logprob_confidence", "label probability")):
        if result.scores.row(metric) is None:
            continue
        pair = [slice_named(result, {"tier": tier}) for tier in ("high", "low")]
        found = [result.scores.row(metric, name) if name else None for name in pair]
        numbers = [half_up(row.value if row else None, table.digits) for row in found]
        rows.append([f"{_own(result)}, {what}", *numbers, _contrast(result, metric, pair, table.digits)])
    if not rows:
        rows.append([_own(result), NOTHING, NOTHING, NOTHING])
    for row in table.rows:
        numbers = [half_up(row.scores[name], table.digits) for name in ("high", "low")]
        rows.append([row.title, *numbers, _signed(row.scores["difference"], table.digits)])
    own = "Means are over answers with a confidence; the interval of Δ is of the same resamples of groups."
    return Layout(_title(table), ["", "high", "low", "Δ"], rows, _notes(table, own))


def _contrast(result: RunResult, metric: str, names: Sequence[str | None], digits: int) -> str:
    """Low minus high, with its 95% interval where both tiers have draws."""
    rows = [result.scores.row(metric, name) if name else None for name in names]
    if rows[0] is None or rows[1] is None:
        return NOTHING
    shown = _signed(rows[1].value - rows[0].value, digits)
    draws = [result.scores.draws.get((row.slice, metric)) for row in rows if row is not None]
    if draws[0] is None or draws[1] is None:
        return shown
    return f"{shown} [{', '.join(_signed(end, digits) for end in interval(draws[1] - draws[0]))}]"


def table12(table: PublishedTable, result: RunResult) -> Layout:
    """Precision / recall of each GoEmotions label, one row a label."""
    detail = _detail(result, table.where)
    threshold = f"share ≥ {result.scores.options.threshold:g}"
    own = [_pairs(detail.any_annotator), _pairs(detail.label_scores)]
    gold = [{score.label: score.support for score in scores} for scores in (detail.any_annotator, detail.label_scores)]
    labels = list(dict.fromkeys([*own[0], *(label for row in table.rows for label in row.labels)]))
    head = [
        "P / R",
        *(f"{_own(result)}, {what}" for what in ("any annotator", threshold)),
        *("gold, any annotator", f"gold, {threshold}"),
        *(row.title for row in table.rows),
    ]
    rows = []
    for label in labels:
        numbers = [*(pairs.get(label, ()) for pairs in own), *(row.labels.get(label, ()) for row in table.rows)]
        shown = [_slashes(pair, table.digits) for pair in numbers]
        counts = [str(found.get(label, NOTHING)) for found in gold]
        rows.append([label, *shown[:2], *counts, *shown[2:]])
    return Layout(_title(table), head, rows, _notes(table, _own_slice(result, table.where)))


def table13(table: PublishedTable, result: RunResult) -> Layout:
    """Accuracy / macro-F1 / weighted-F1 by language, one row a system."""
    languages = list(dict.fromkeys(label for row in table.rows for label in row.labels))
    own = [
        [_value(result, name, {**table.where, "language": language}) for name in table.columns]
        for language in languages
    ]
    rows = [[_own(result), *(_slashes(numbers, table.digits) for numbers in own)]]
    rows += [
        [row.title, *(_slashes(row.labels.get(language, ()), table.digits) for language in languages)]
        for row in table.rows
    ]
    what = " / ".join(METRICS[name].title for name in table.columns)
    return Layout(_title(table), [what, *languages], rows, _notes(table, _own_slice(result, table.where)))


def ranking(table: PublishedTable, result: RunResult) -> Layout:
    """One row a system, one column a metric that the table prints, this run first and the others by the first column.

    Where numbers are keyed by task (a benchmark of several sets), the run's task has the only column.
    """
    task, headline = result.task.name, result.task.metrics[0]
    printed = list(dict.fromkeys(name for row in table.rows for name in row.scores))
    names = [task] if task in printed else printed
    titles = [METRICS[key].title if (key := headline if name == task else name) in METRICS else name for name in names]
    own = [_value(result, headline if name == task else name, table.where) for name in names]
    ranked = sorted(table.rows, key=lambda row: -row.scores.get(names[0], -math.inf))
    rows = [[_own(result), *(half_up(value, table.digits) for value in own)]]
    rows += [[row.title, *(half_up(row.scores.get(name), table.digits) for name in names)] for row in ranked]
    scored = sum(sample.gold is not None for sample in result.samples)
    return Layout(_title(table), ["", *titles], rows, _notes(table, f"{_own(result)}: n = {scored:,}."))


LAYOUTS: dict[str, Callable[[PublishedTable, RunResult], Layout]] = {
    "table7": table7,
    "table8": table8,
    "table12": table12,
    "table13": table13,
}


def _title(table: PublishedTable) -> str:
    where = table.source.rpartition(", ")[2]
    return f"{table.title} (layout of {where})" if table.id in LAYOUTS else f"{table.title}, published"


def _pairs(scores: Sequence[ClassScore]) -> dict[str, tuple[float, float]]:
    return {score.label: (score.precision, score.recall) for score in scores}


def _slashes(numbers: Sequence[float | None], digits: int) -> str:
    return " / ".join(half_up(number, digits) for number in numbers) if numbers else NOTHING


def _signed(value: float, digits: int) -> str:
    shown = half_up(abs(value), digits)
    return shown if shown == NOTHING else f"{'-' if value < 0 and float(shown) else '+'}{shown}"
