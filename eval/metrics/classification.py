"""One-of-n classification: accuracy, macro-F1, weighted-F1, per-class scores, confusion matrix.

Gold is a sequence of labels, answers a sequence of labels or None ("no answer"). The labels are always passed, never
inferred. None counts as wrong: n is the number of gold labels, whatever was answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.metrics.metric import DEFAULTS, Options, Value, label_of, primary, ratio
from tasks.task import AnswerKind

Counts = NDArray[np.float64]


def confusion(gold: Sequence[str], answers: Sequence[str | None], labels: Sequence[str]) -> Counts:
    """Confusion counts, float64 [labels, labels + 1]: row = gold, column = answer, last column = no answer.

    Raises ValueError for a gold label or an answer outside `labels`, and for sequences of unequal length.
    """
    codes = encode(gold, answers, labels)
    table = np.zeros((len(labels), len(labels) + 1))
    np.add.at(table, (codes[:, 0], codes[:, 1]), 1.0)
    return table


def encode(gold: Sequence[str], answers: Sequence[str | None], labels: Sequence[str]) -> NDArray[np.int64]:
    """Positions of gold and answer in `labels`, int64 [samples, 2]; no answer is `len(labels)`."""
    if len(gold) != len(answers):
        raise ValueError(f"{len(gold)} gold labels, but {len(answers)} answers")
    place: dict[str | None, int] = {label: index for index, label in enumerate(labels)}
    for name in gold:
        if name not in place:
            raise ValueError(f"gold label {name!r} is not one of {', '.join(labels)}")
    place[None] = len(labels)
    for answer in answers:
        if answer not in place:
            raise ValueError(f"answer {answer!r} is not one of {', '.join(labels)}")
    pairs = [(place[name], place[answer]) for name, answer in zip(gold, answers, strict=True)]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def confusions(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Counts:
    """One confusion matrix a sample, float64 [samples, labels, labels + 1]; the last column is "no answer"."""
    del options  # a single label is what it is
    labels = primary(kind)[1]
    codes = encode([str(label_of(value, kind)) for value in gold], [label_of(value, kind) for value in answers], labels)
    table = np.zeros((len(codes), len(labels), len(labels) + 1))
    table[np.arange(len(codes)), codes[:, 0], codes[:, 1]] = 1.0
    return table


def accuracy(counts: Counts) -> Counts:
    """Correct / n. `counts` is [..., labels, labels + 1]; the result [...], in [0, 1], best 1, NaN for n = 0.

    Equals sklearn.metrics.accuracy_score with an own label for "no answer".
    """
    hits = np.trace(counts[..., :-1], axis1=-2, axis2=-1)
    return ratio(hits, counts.sum((-2, -1)))


def precision_recall_f1(hits: Counts, answered: Counts, support: Counts) -> tuple[Counts, Counts, Counts]:
    """Precision, recall and F1 from counts of hits, answers and gold, all [...]; each [...], in [0, 1], best 1.

    0 where a class is never answered (precision) or never in gold (recall); NaN in all three for a class that is
    neither. Equals sklearn.metrics.precision_recall_fscore_support(labels=labels) on classes that occur.
    """
    occurs = answered + support > 0
    precision = np.where(occurs, ratio(hits, answered, empty=0.0), np.nan)
    recall = np.where(occurs, ratio(hits, support, empty=0.0), np.nan)
    return precision, recall, ratio(2 * hits, answered + support)


def margins(counts: Counts) -> tuple[Counts, Counts, Counts]:
    """Hits, answers and gold of each class, [..., labels] each, of confusion counts [..., labels, labels + 1]."""
    hits = np.diagonal(counts[..., :-1], axis1=-2, axis2=-1)
    return hits, counts[..., :-1].sum(-2), counts.sum(-1)


def macro_f1(counts: Counts) -> Counts:
    """Unweighted mean of the classes' F1, in [0, 1], best 1, NaN for n = 0; [...] for counts [..., labels, labels + 1].

    A class that occurs neither in gold nor in answers is left out (scikit-learn's zero_division=nan), so that the
    slices of a data set, which may lack a class, stay comparable; where all classes occur it is the usual macro-F1.

    Equals sklearn.metrics.f1_score(average="macro", labels=labels, zero_division=nan).
    """
    f1 = precision_recall_f1(*margins(counts))[2]
    there = ~np.isnan(f1)
    return ratio(np.where(there, f1, 0.0).sum(-1), there.sum(-1).astype(np.float64))


def weighted_f1(counts: Counts) -> Counts:
    """Mean of the classes' F1 weighted by support, in [0, 1], best 1, NaN for n = 0. The field's WAF.

    Equals sklearn.metrics.f1_score(average="weighted", labels=labels).
    """
    f1 = np.nan_to_num(precision_recall_f1(*margins(counts))[2])
    support = counts.sum(-1)
    return ratio((f1 * support).sum(-1), support.sum(-1))


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One row of the per-class table; `support` gold samples, `answered` answers of this label."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    answered: int


def class_scores(hits: Counts, answered: Counts, support: Counts, labels: Sequence[str]) -> list[ClassScore]:
    """One row a class from its counts [labels] of hits, answers and gold; NaN for a class that does not occur."""
    columns = (*precision_recall_f1(hits, answered, support), support, answered)
    return [
        ClassScore(label, float(precision), float(recall), float(f1), int(gold), int(told))
        for label, precision, recall, f1, gold, told in zip(labels, *columns, strict=True)
    ]


def per_class(counts: Counts, labels: Sequence[str]) -> list[ClassScore]:
    """The per-class table of one confusion matrix [labels, labels + 1]; NaN for a class that does not occur."""
    return class_scores(*margins(counts), labels)
