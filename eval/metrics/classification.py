"""One-of-n classification: accuracy, macro-F1, weighted-F1, per-class scores, confusion matrix.

Gold is a sequence of labels, answers a sequence of labels or None ("no answer"). The labels are always passed, never
inferred. None counts as wrong: n is the number of gold labels, whatever was answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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


def accuracy(counts: Counts) -> Counts:
    """Correct / n. `counts` is [..., labels, labels + 1]; the result [...], in [0, 1], NaN for n = 0.

    Equals sklearn.metrics.accuracy_score with an own label for "no answer".
    """
    hits = np.trace(counts[..., :-1], axis1=-2, axis2=-1)
    return _ratio(hits, counts.sum((-2, -1)))


def precision_recall_f1(counts: Counts) -> tuple[Counts, Counts, Counts]:
    """Per-class precision, recall and F1, each [..., labels], in [0, 1].

    0 where a class is never answered (precision) or never in gold (recall); NaN in all three for a class that is
    neither. Equals sklearn.metrics.precision_recall_fscore_support(labels=labels) on classes that occur.
    """
    hits = np.diagonal(counts[..., :-1], axis1=-2, axis2=-1)
    answered = counts[..., :-1].sum(-2)
    support = counts.sum(-1)
    occurs = answered + support > 0
    precision = np.where(occurs, _ratio(hits, answered, empty=0.0), np.nan)
    recall = np.where(occurs, _ratio(hits, support, empty=0.0), np.nan)
    f1 = _ratio(2 * hits, answered + support)
    return precision, recall, f1


def macro_f1(counts: Counts) -> Counts:
    """Unweighted mean of the classes' F1, in [0, 1]; [...] for counts [..., labels, labels + 1].

    A class that occurs neither in gold nor in answers is left out (scikit-learn's zero_division=nan), so that the
    slices of a data set, which may lack a class, stay comparable; where all classes occur it is the usual macro-F1.
    """
    f1 = precision_recall_f1(counts)[2]
    there = ~np.isnan(f1)
    return _ratio(np.where(there, f1, 0.0).sum(-1), there.sum(-1).astype(float))


def weighted_f1(counts: Counts) -> Counts:
    """Mean of the classes' F1 weighted by support, in [0, 1]; NaN for n = 0. The field's WAF."""
    f1 = np.nan_to_num(precision_recall_f1(counts)[2])
    support = counts.sum(-1)
    return _ratio((f1 * support).sum(-1), support.sum(-1))


def _ratio(above: Counts, below: Counts, empty: float = np.nan) -> Counts:
    """above / below, `empty` where below is 0."""
    result: Counts = np.divide(above, below, out=np.full(np.shape(below), empty), where=np.asarray(below) > 0)
    return result


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One row of the per-class table; `support` gold samples, `answered` answers of this label."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    answered: int


def per_class(counts: Counts, labels: Sequence[str]) -> list[ClassScore]:
    """The per-class table of one confusion matrix [labels, labels + 1]; NaN for a class that does not occur."""
    precision, recall, f1 = precision_recall_f1(counts)
    return [
        ClassScore(
            label,
            float(precision[i]),
            float(recall[i]),
            float(f1[i]),
            int(counts[i].sum()),
            int(counts[:, i].sum()),
        )
        for i, label in enumerate(labels)
    ]
