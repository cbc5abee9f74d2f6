"""Confidence: how sure the model says it is, and whether it is right as often as it says.

Two sources: what the reply states (`confidence` of a value: verbal), and the probability of the answered label among
the candidates (`distribution` of a value: label log-probabilities, which label decoding gives). "Correct" is a right
single label. Answers without a confidence are left out of the means and calibration errors, whose rows say how many
they are; in risk-coverage they come last, and no answer counts as an error there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.metrics.classification import encode
from eval.metrics.metric import (
    DEFAULTS,
    DISTRIBUTION,
    Options,
    Part,
    Value,
    holds,
    label_of,
    primary,
    ratio,
)
from eval.metrics.sums import Array, Codes, distinct
from tasks.task import AnswerKind

# The confidence of an answer that states none: below every confidence.
UNSTATED = -1.0


def stated(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, part: Part = "confidence"
) -> Array:
    """Confidence (UNSTATED where there is none) and whether the label is correct; float64 [samples, 2]."""
    codes = encode(
        [str(label_of(value, kind)) for value in gold], [label_of(a, kind) for a in answers], primary(kind)[1]
    )
    table = np.full((len(codes), 2), UNSTATED)
    table[:, 1] = codes[:, 0] == codes[:, 1]
    for row, answer in enumerate(answers):
        if answer is not None and holds(answer, part, kind):
            spread = answer.get(DISTRIBUTION, {})
            table[row, 0] = answer["confidence"] if part == "confidence" else spread.get(label_of(answer, kind), 0.0)
    return table


def _squared(answer: Value, gold: str, correct: float, part: Part, kind: AnswerKind) -> float:
    """What a Brier score adds up for one answer."""
    if part == "confidence":
        return float((answer["confidence"] - correct) ** 2)
    spread = answer[DISTRIBUTION]
    return float(sum((spread.get(label, 0.0) - (label == gold)) ** 2 for label in primary(kind)[1]))


def bin_of(confidence: Array, bins: int) -> Codes:
    """Number of the equal-width bin of confidences in [0, 1]: ((i) / bins, (i + 1) / bins], 0 in the first."""
    edges = np.arange(1, bins) / bins  # the doubles nearest to .1, .2, …, which is what replies parse to
    return np.searchsorted(edges, confidence, side="left").astype(np.int64)


def _bins(
    part: Part, gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options
) -> Array:
    pairs = stated(gold, answers, kind, part)
    table = np.zeros((len(pairs), options.bins, 4))
    rows = np.flatnonzero(pairs[:, 0] > UNSTATED)
    sure, correct = pairs[rows].T
    squared = [
        _squared(answer, str(label_of(gold[i], kind)), right, part, kind)
        for i, right in zip(rows, correct, strict=True)
        if (answer := answers[i]) is not None
    ]
    table[rows, bin_of(sure, options.bins)] = np.stack([np.ones(len(rows)), sure, correct, np.array(squared)], axis=-1)
    return table


def verbal_bins(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Array:
    """Stated confidence, per sample in its equal-width bin: 1, confidence, correct, (confidence - correct)²;
    float64 [samples, bins, 4], zeros where none is stated."""
    return _bins("confidence", gold, answers, kind, options)


def logprob_bins(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Array:
    """As `verbal_bins` for the probability of the answered label; the last column is Σ (p - [label is gold])²."""
    return _bins("distribution", gold, answers, kind, options)


def verbal_list(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Array:
    """Stated confidence (UNSTATED without) and correct, one list of all samples: float64 [samples, 1, 2]."""
    del options
    return stated(gold, answers, kind, "confidence")[:, None, :]


def logprob_list(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Array:
    """As `verbal_list` for the probability of the answered label."""
    del options
    return stated(gold, answers, kind, "distribution")[:, None, :]


def mean_confidence(sums: Array) -> Array:
    """Mean confidence; sums of bins [..., bins, 4] -> [...], in [0, 1]; NaN where none is stated.

    Neither end is good: it should equal the accuracy. EmoS Table 8 is this by tier.
    """
    total = sums.sum(-2)
    return ratio(total[..., 1], total[..., 0])


def calibration_error(sums: Array) -> Array:
    """ECE, Σ_b n_b / n · |accuracy_b - confidence_b| over equal-width bins; [..., bins, 4] -> [...], in [0, 1], best 0.

    NaN where no confidence is stated. Guo et al. 2017, eq. 5; torchmetrics' and netcal's ECE with norm l1.
    """
    gap = np.abs(sums[..., 2] - sums[..., 1]).sum(-1)
    return ratio(gap, sums[..., 0].sum(-1))


def brier(sums: Array) -> Array:
    """Mean squared error of the confidence; [..., bins, 4] -> [...], best 0; NaN where none is stated.

    Stated confidence: (confidence - correct)², in [0, 1], sklearn.metrics.brier_score_loss of "correct" (top-label).
    Distribution: Σ over labels (p - [gold])², in [0, 2] (Brier 1950), the same of all labels, not halved.
    """
    total = sums.sum(-2)
    return ratio(total[..., 3], total[..., 0])


def equal_mass_error(rows: Array, counts: Array, bins: int = DEFAULTS.bins) -> Array:
    """ECE over `bins` bins that hold equally many answers; in [0, 1], best 0, NaN where none is stated.

    `rows` [rows, (confidence, correct)] ascending, `counts` [resamples, rows] -> [resamples]. Answers of one
    confidence are never divided, so that their order does not matter: they go where their middle rank lies. Without
    ties and for n divisible by `bins` it is the adaptive ECE of Nguyen & O'Connor 2015 (numpy.array_split).
    """
    first = int((rows[:, 0] <= UNSTATED).sum())
    if first == len(rows):
        return np.full(len(counts), np.nan)
    rows, counts = rows[first:], counts[:, first:]
    starts = np.flatnonzero(np.r_[True, rows[1:, 0] != rows[:-1, 0]])
    mass = np.add.reduceat(counts, starts, axis=1)
    gap = np.add.reduceat(counts * (rows[:, 1] - rows[:, 0]), starts, axis=1)
    total = mass.sum(1)
    middle = ratio(mass.cumsum(1) - mass / 2, total[:, None], empty=0.0)
    place = np.minimum((middle * bins).astype(np.int64), bins - 1) + bins * np.arange(len(counts))[:, None]
    gaps = np.bincount(place.ravel(), weights=gap.ravel(), minlength=bins * len(counts)).reshape(-1, bins)
    return ratio(np.abs(gaps).sum(1), total)


def risk_coverage(rows: Array, counts: Array) -> tuple[Array, Array]:
    """Answers and errors at every distinct confidence, highest first (what states none last): [resamples, levels].

    `rows` [rows, (confidence, correct)] ascending, at least one; `counts` [resamples, rows].
    """
    rows, counts = rows[::-1], counts[:, ::-1]
    starts = np.flatnonzero(np.r_[True, rows[1:, 0] != rows[:-1, 0]])
    errors = counts * (1 - rows[:, 1])
    if len(starts) == len(rows):
        return counts, errors
    return np.add.reduceat(counts, starts, axis=1), np.add.reduceat(errors, starts, axis=1)


def aurc(rows: Array, counts: Array) -> Array:
    """Area under the risk-coverage curve: mean over k = 1 … n of the error rate among the k most confident answers.

    `rows` [rows, (confidence, correct)] ascending, `counts` [resamples, rows] -> [resamples], in [0, 1], best 0; NaN
    for n = 0. Geifman & El-Yaniv 2017 (as a mean over coverages). Answers of one confidence have no order: each k
    inside them gets the mean over all orders, so with one confidence for all it is the error rate. No answer comes
    last, as an error.
    """
    if not len(rows):
        return np.full(len(counts), np.nan)
    answered, errors = risk_coverage(rows, counts)
    rate = ratio(errors, answered, empty=0.0)
    # sum over j = 1 … m of (E + j r) / (N + j) = m r + (E - N r) (H(N + m) - H(N)), H the harmonic numbers
    upto = answered.cumsum(1)
    total = upto[:, -1]
    harmonic = np.r_[0.0, np.cumsum(1 / np.arange(1, int(total.max(initial=0)) + 1))][upto.astype(np.intp)]
    step = np.diff(harmonic, axis=1, prepend=0.0)
    before = errors.cumsum(1) - errors - (upto - answered) * rate
    return ratio((errors + before * step).sum(1), total)


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin of a reliability diagram: answers of a confidence in (low, high], their number, mean confidence and
    accuracy (None where there are none)."""

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


def reliability(sums: Array) -> list[Bin]:
    """The reliability diagram of summed bins [bins, 4]: what `calibration_error` adds up."""
    bins = len(sums)
    return [
        Bin(i / bins, (i + 1) / bins, int(n), *((float(sure / n), float(right / n)) if n else (None, None)))
        for i, (n, sure, right, _) in enumerate(sums)
    ]


def curve(pairs: Array, points: int = 200) -> list[tuple[float, float]]:
    """(coverage, risk) of the most confident answers, from `stated` [samples, 2]: at most about `points` points.

    Coverage in (0, 1], risk in [0, 1]; the last point is (1, error rate).
    """
    if not len(pairs):
        return []
    rows, places = distinct(pairs)
    counts = np.bincount(places, minlength=len(rows)).astype(np.float64)
    answered, errors = (each[0].cumsum() for each in risk_coverage(rows, counts[None, :]))
    chosen = np.unique(np.linspace(0, len(answered) - 1, min(points, len(answered))).round().astype(np.int64))
    return [(float(answered[i] / len(pairs)), float(errors[i] / answered[i])) for i in chosen]
