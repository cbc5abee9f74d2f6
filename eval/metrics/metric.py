"""What a metric is: statistics of samples, and a score made of them; and which part of an answer it measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from eval.metrics.sums import Array, Gathered, gather, weighted
from tasks.task import AnswerKind, AnyOf, Blend, Described, Dims, OneOf, Pick, Record, Timeline

# A value is a gold or an answer in the shape of the task's kind. An answer may hold `distribution` besides, label ->
# probability, where the engine gave label log-probabilities.
Value = Mapping[str, Any]
DISTRIBUTION = "distribution"


@dataclass(frozen=True, slots=True)
class Options:
    """What metrics leave to the user. The defaults are those of the report.

    `threshold`: annotator share from which a label is gold. 0.5 is two of three annotators, the rule of GoEmotions
    (Demszky et al. 2020 keep what at least two raters chose); 0.3 is any annotator, which is what EmoS Table 12 used.
    `answer_threshold`: confidence from which a listed label is answered; 0: listing it is answering it.
    `smoothing`: share of the uniform distribution mixed into annotators and answers before logarithms are taken.
    `bins`: bins of calibration errors and reliability diagrams.
    `wheels`: edition of the emotion wheels, which is the task's; `wheel_folder`: where its tables lie (None: where
    `eval.wheels.places.find_tables` looks); `wheels_checked`: the tables have to be the published ones.
    """

    threshold: float = 0.5
    answer_threshold: float = 0.0
    smoothing: float = 0.01
    bins: int = 10
    wheels: str = ""
    wheel_folder: Path | None = None
    wheels_checked: bool = True

    def __post_init__(self) -> None:
        for name, value, legal in (
            ("threshold", self.threshold, 0 < self.threshold <= 1),
            ("answer threshold", self.answer_threshold, 0 <= self.answer_threshold <= 1),
            ("smoothing", self.smoothing, 0 < self.smoothing < 1),
            ("number of bins", self.bins, 1 <= self.bins <= 1000),
        ):
            if not legal:
                bounds = "1 to 1000" if name == "number of bins" else "shares from 0 to 1; only the answer's may be 0"
                raise ValueError(f"the {name} is {value}; legal are {bounds}")


DEFAULTS = Options()
Statistics = Callable[[Sequence[Value], Sequence[Value | None], AnswerKind, Options], Array]
Part = Literal["label", "labels", "open", "dims", "blend", "timeline", "confidence", "distribution"]


def primary(kind: AnswerKind) -> tuple[str, tuple[str, ...]]:
    """The key of a value that holds its single label, and the labels; ValueError for kinds without one."""
    match kind:
        case OneOf(labels=labels):
            return "label", labels
        case Record(emotion=emotion):
            return "emotion", emotion.labels
        case Pick(options=options):
            return "choice", options
        case _:
            raise ValueError(f"answers of kind {type(kind).__name__} hold no single label")


def has_primary(kind: AnswerKind) -> bool:
    """Whether answers of this kind hold a single label."""
    return isinstance(kind, OneOf | Record | Pick)


def multiple(kind: AnswerKind) -> tuple[str, tuple[str, ...]]:
    """The key of a value that holds its list of scored labels, and the closed label set; ValueError without one."""
    match kind:
        case AnyOf(labels=labels) if labels:
            return "labels", labels
        case Record(goemotions=AnyOf(labels=labels)) if labels:
            return "goemotions", labels
        case _:
            raise ValueError(f"answers of kind {type(kind).__name__} hold no labels of a closed set")


def has_multiple(kind: AnswerKind) -> bool:
    """Whether answers of this kind hold a list of labels out of a closed set."""
    return bool(isinstance(kind, AnyOf) and kind.labels) or bool(isinstance(kind, Record) and kind.goemotions.labels)


def open_labels(value: Value | None, kind: AnswerKind) -> Sequence[str] | None:
    """The labels of an open vocabulary that a value lists, None for no answer; ValueError for kinds without them."""
    if not has_open(kind):
        raise ValueError(f"answers of kind {type(kind).__name__} hold no labels of an open vocabulary")
    return None if value is None else value["labels"]


def has_open(kind: AnswerKind) -> bool:
    """Whether answers of this kind hold a list of labels of an open vocabulary."""
    listed = kind.labels if isinstance(kind, Described) else kind
    return isinstance(listed, AnyOf) and not listed.labels


def dimensions(kind: AnswerKind) -> Dims:
    """The kind itself; ValueError for kinds that are no numbers in named dimensions."""
    if not isinstance(kind, Dims):
        raise ValueError(f"answers of kind {type(kind).__name__} hold no numbers in named dimensions")
    return kind


def label_of(value: Value | None, kind: AnswerKind) -> str | None:
    """The single label of a value, None for no answer."""
    return None if value is None else str(value[primary(kind)[0]])


def list_of(value: Value | None, kind: AnswerKind) -> Sequence[Mapping[str, Any]] | None:
    """The scored labels of a value, `{label, confidence}` each; None for no answer, which an answer with null is."""
    return None if value is None else value[multiple(kind)[0]]


def holds(value: Value, part: Part, kind: AnswerKind) -> bool:
    """Whether an answer that was read holds the part that a metric measures."""
    match part:
        case "label" | "timeline":
            return True
        case "labels":
            return list_of(value, kind) is not None
        case "open":
            return open_labels(value, kind) is not None
        case "dims":
            return all(value[name] is not None for name in dimensions(kind).names)
        case "blend":
            return value["emotions"] is not None
        case "confidence":
            return value.get("confidence") is not None
        case "distribution":
            return value.get(DISTRIBUTION) is not None


def possible(metric: Metric, kind: AnswerKind) -> bool:
    """Whether answers of a kind can hold the part that a metric measures, over the names that it is defined for."""
    match metric.part:
        case "labels":
            return has_multiple(kind)
        case "open":
            return has_open(kind)
        case "blend":
            return isinstance(kind, Blend)
        case "timeline":
            return isinstance(kind, Timeline)
        case "dims":
            return isinstance(kind, Dims) and set(metric.names) <= set(kind.names)
        case "label" | "confidence" | "distribution":
            return has_primary(kind) and set(metric.names) <= set(primary(kind)[1])


@dataclass(frozen=True, slots=True)
class Metric:
    """A score of a set of samples; call it with gold values, answer values (None: no answer) and the answer kind.

    It is computed in two steps, which is what makes resampling fast. `statistics` are taken once:
    - [samples, ...], to be summed over samples; `value` maps such sums [resamples, ...] to scores [resamples];
    - where `ranked`, [samples, lists, columns]: a score that depends on the order of samples is no function of sums.
      `value` then maps the distinct rows of a list [rows, columns], ascending, and how often each occurs
      [resamples, rows] to scores [resamples]; the metric is the mean over the lists in which it is defined.

    `low`, `high` and `best` bound it (`best` None: neither end is good). `missing` says how an answer counts that does
    not hold the `part` measured: as wrong, or left out (n then still counts it, and the row's `missing` tells).
    `source` names the definition that it equals. `names`: the labels or dimensions that a kind must have for it.
    """

    name: str
    title: str
    statistics: Statistics
    value: Callable[..., Array]
    low: float
    high: float
    best: float | None
    source: str
    part: Part = "label"
    missing: Literal["wrong", "left out"] = "wrong"
    ranked: bool = False
    names: tuple[str, ...] = ()

    def __call__(
        self, gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
    ) -> float:
        """The score, a float in [low, high], NaN where it is undefined (no samples)."""
        if self.names and not possible(self, kind):
            kinds = type(kind).__name__
            raise ValueError(f"{self.name} is about {', '.join(self.names)}, which answers of this {kinds} do not have")
        statistics = self.statistics(gold, answers, kind, options)
        gathered = gather(statistics, np.zeros(len(statistics), dtype=np.int64), 1, ranked=self.ranked)
        return float(self.scores(gathered, weighted(gathered, np.ones((1, 1))))[0])

    def scores(self, gathered: Gathered, sums: Array) -> Array:
        """Scores [resamples] from gathered statistics and their sums over each resample, `weighted(gathered, …)`."""
        if not self.ranked:
            return self.value(sums.reshape(len(sums), *gathered.shape))
        ends = np.cumsum([len(rows) for rows in gathered.lists])
        parts = np.split(sums, ends[:-1], axis=1)
        found = np.stack([self.value(rows, counts) for rows, counts in zip(gathered.lists, parts, strict=True)])
        there = ~np.isnan(found)
        return ratio(np.where(there, found, 0.0).sum(0), there.sum(0).astype(np.float64))


def ratio(above: Array, below: Array, empty: float | Array = np.nan) -> Array:
    """above / below, `empty` where below is 0 (or NaN)."""
    above, below = np.broadcast_arrays(above, below)
    result: Array = np.divide(above, below, out=np.full(below.shape, empty), where=below > 0)
    return result
