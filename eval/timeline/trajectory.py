"""The emotion over time: which label holds at each moment, and the course of valence.

Judged is the time from the start of the first gold utterance to the end of the last one: gold says nothing about the
rest (in the release, times pass the end of the clip by up to 3 s). At a moment that several utterances cover, the one
that started last holds (of those, the one that ends last); utterances that state no label hold nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eval.metrics.labelsets import set_macro_f1
from eval.metrics.metric import DEFAULTS, Options, Value, ratio
from eval.metrics.sums import Array
from eval.timeline.spans import Span, pairs, parts
from tasks.task import AnswerKind

NOTHING = -1
# The sentiment groups of GoEmotions (Demszky et al. 2020; tasks/label_spaces/goemotions28.toml) and of MELD (Poria et
# al. 2019): joy is positive; anger, disgust, fear and sadness are negative; surprise goes either way, so it is 0.
# Scales in numbers (Russell & Mehrabian 1977) rate the four negative emotions nearly alike: the sign is what matters.
VALENCE = {"Anger": -1.0, "Disgust": -1.0, "Fear": -1.0, "Joy": 1.0, "Neutral": 0.0, "Sadness": -1.0, "Surprise": 0.0}
WORST = max(VALENCE.values()) - min(VALENCE.values())
SAMPLE_MS = 1000
Codes = NDArray[np.int64]


class Course:
    """The label that holds at each moment of a timeline: `edges` [n + 1] in milliseconds, and for each stretch between
    two of them its gold and its answered label, int64 [n], places in `labels` or NOTHING."""

    def __init__(self, wanted: Sequence[Span], told: Sequence[Span], labels: Sequence[str]) -> None:
        first, last = min(span.start for span in wanted), max(span.end for span in wanted)
        times = {min(max(time, first), last) for span in (*wanted, *told) for time in span[:2]}
        self.edges: Codes = np.array(sorted(times), dtype=np.int64)
        self.gold = self._paint(wanted, labels)
        self.told = self._paint(told, labels)

    def _paint(self, found: Sequence[Span], labels: Sequence[str]) -> Codes:
        codes = np.full(len(self.edges) - 1, NOTHING)
        for span in found:  # by start, so that the later one covers the earlier one
            if span.primary is not None:
                start, end = np.searchsorted(self.edges, span[:2])
                codes[start:end] = labels.index(span.primary)
        return codes

    def samples(self) -> tuple[Codes, Codes]:
        """Gold and answered label in the middle of each second from the first start on, where gold has a label."""
        times = np.arange(self.edges[0] + SAMPLE_MS // 2, self.edges[-1], SAMPLE_MS)
        at = np.searchsorted(self.edges, times, side="right") - 1
        gold, told = self.gold[at], self.told[at]
        return gold[gold != NOTHING], told[gold != NOTHING]


# --- labels by time


def time_counts(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Array:
    """Per clip and primary label, milliseconds in which it holds in both, in the answer, in gold;
    float64 [clips, labels, 3]."""
    del options
    labels = parts(kind)[0]
    table = np.zeros((len(gold), len(labels), 3))
    for counts, (wanted, told) in zip(table, pairs(gold, answers, kind), strict=True):
        if wanted:
            course = Course(wanted, told, labels)
            lengths = np.diff(course.edges).astype(np.float64)
            for code in range(len(labels)):
                one, other = course.gold == code, course.told == code
                counts[code] = lengths[one & other].sum(), lengths[other].sum(), lengths[one].sum()
    return table


def time_agreement(counts: Array) -> Array:
    """Time in which the answer holds gold's label / time in which gold has one; [..., labels, 3] -> [...], in [0, 1],
    best 1, NaN where gold has none. Equals sklearn.metrics.accuracy_score over the seconds that gold labels, where all
    times are whole seconds, as the release's are."""
    return ratio(counts[..., 0].sum(-1), counts[..., 2].sum(-1))


def time_macro_f1(counts: Array) -> Array:
    """Mean over labels of F1 = 2 shared time / (answered time + gold time); [..., labels, 3] -> [...], in [0, 1],
    best 1; labels that never hold are left out, NaN where that is all. A label answered where gold has none costs.

    Equals sklearn.metrics.f1_score(average="macro", labels=labels, zero_division=nan) over whole seconds.
    """
    return set_macro_f1(counts)


def time_weighted_f1(counts: Array) -> Array:
    """The labels' F1 of `time_macro_f1`, weighted by the time that each holds in gold; [..., labels, 3] -> [...], in
    [0, 1], best 1, NaN where gold has no label. Equals sklearn.metrics.f1_score(average="weighted", labels=labels)."""
    f1 = ratio(2 * counts[..., 0], counts[..., 1] + counts[..., 2], empty=0.0)
    return ratio((f1 * counts[..., 2]).sum(-1), counts[..., 2].sum(-1))


# --- valence


def valence_costs(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Array:
    """Per clip: cost of the best warping path between gold's and the answer's valence, and its weight; float64
    [clips, 2]. Raises ValueError for a primary label that VALENCE does not know."""
    del options
    labels = parts(kind)[0]
    if foreign := [label for label in labels if label not in VALENCE]:
        raise ValueError(f"no valence is set for {foreign[0]!r}; it is for {', '.join(VALENCE)}")
    scale = np.array([VALENCE[label] for label in labels])
    rows = []
    for wanted, told in pairs(gold, answers, kind):
        one, other = Course(wanted, told, labels).samples() if wanted else (np.zeros(0, np.int64),) * 2
        costs = np.abs(scale[one][:, None] - scale[other][None, :])
        costs[:, other == NOTHING] = WORST  # silence is as far as can be from any emotion
        rows.append((warped(costs), float(sum(costs.shape))))
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def warped(costs: Array) -> float:
    """The least cost of a path through `costs` [n, m] from its first cell to its last in steps down, right (which cost
    the cell they lead to) or diagonal (twice the cell); 0 for no cells. Divided by n + m it is a mean cost: the
    symmetric form of Sakoe & Chiba 1978, `symmetric2` of the dtw packages."""
    if not costs.size:
        return 0.0
    # Row by row; steps to the right along a row are a running minimum once the row's own sums are taken off.
    above = np.concatenate([[0.0], np.full(costs.shape[1], np.inf)])
    for row in costs:
        entered = np.minimum(above[1:] + row, above[:-1] + 2 * row)
        sums = np.cumsum(row)
        above = np.concatenate([[np.inf], sums + np.minimum.accumulate(entered - sums)])
    return float(above[-1])


def valence_distance(sums: Array) -> Array:
    """Mean difference of valence along the best warping path; [..., 2] -> [...], in [0, 2], best 0.

    Joy is 1, Neutral and Surprise are 0, the others -1; one sample a second where gold has a label, 2 for each that
    the answer leaves without. NaN where gold has no label. Equals dtw's `symmetric2` distance / (n + m) (Sakoe & Chiba
    1978), clips pooled.
    """
    return ratio(sums[..., 0], sums[..., 1])
