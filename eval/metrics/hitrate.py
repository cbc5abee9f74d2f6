"""Hit rate of open labels on sets with one basic emotion a sample (MER-UniBench: MER2023, MER2024, MELD, IEMOCAP).

On each wheel, inner ring only: the gold emotion hits where the answer lists a label of its cluster. A sample whose gold
has no cluster on a wheel (`neutral` on all of them) is not counted there. It is no accuracy: a long list always hits.
The m-score divides the hit by the number of clusters answered out of C, those that any gold of the set has.

C is taken from the gold as it is written, upper case and comma lists included, as the published scorer does. It
belongs to the whole set: slices and resamples keep it. Source: AffectGPT, evaluation of basic emotions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.metrics.metric import DEFAULTS, Options, Value, ratio
from eval.metrics.sums import Array
from eval.metrics.wheelscores import Lists, both, lists_of, marked, words_of
from eval.wheels.wordmap import COLUMNS, WordMap
from tasks.task import AnswerKind

PLACES = tuple(COLUMNS.index(f"w{wheel}_l1") for wheel in range(1, 6))


def hits(gold: Lists, answers: Lists, written: Sequence[str], words: WordMap) -> Array:
    """Per sample and wheel: clusters hit, m-score, and whether it is counted; float64 [samples, 5, 3].

    `written`: the gold of the whole set as the file has it. Raises ValueError for lists of unequal length.
    """
    sides = both(gold, answers, words)
    found = np.zeros((len(gold), len(PLACES), 3))
    rows = words.exact_rows(list(dict.fromkeys(written)))
    for wheel, place in enumerate(PLACES):
        codes = words.codes[rows, place]
        choices = np.zeros(max(1, len(words.clusters[place])), dtype=bool)
        choices[codes[codes >= 0]] = True
        for block, (wanted, told) in marked(sides, words, place):
            counted = wanted.any(1)
            hit = (wanted & told).sum(1).astype(np.float64)
            found[block, wheel, 0] = hit
            found[block, wheel, 1] = counted * ratio(hit, (told & choices).sum(1).astype(np.float64), empty=0.0)
            found[block, wheel, 2] = counted
    return found


def hit_counts(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Array:
    """`hits` of open labels, float64 [samples, 5, 3]; gold of several labels was written with commas."""
    lists = lists_of(gold, kind)
    written = [",".join(labels or ()) for labels in lists]
    return hits(lists, lists_of(answers, kind), written, words_of(options))


def hitrate(sums: Array, *, wheel: int | None = None) -> Array:
    """Mean number of gold clusters hit, on one wheel or averaged over the five; [..., 5, 3] -> [...], best 1.

    In [0, 1] (a gold of two emotions counts twice); NaN where a wheel has no sample to count. Equals
    `calculate_openset_onehot_hitrate` of AffectGPT (2025).
    """
    return _mean(sums, 0, wheel)


def mscore(sums: Array, *, wheel: int | None = None) -> Array:
    """Mean m-score, on one wheel or averaged over the five; [..., 5, 3] -> [...], in [0, 1], best 1; NaN as `hitrate`.

    Equals the second number of `calculate_openset_onehot_hitrate` of AffectGPT (2025).
    """
    return _mean(sums, 1, wheel)


def _mean(sums: Array, part: int, wheel: int | None) -> Array:
    found: Array = ratio(sums[..., part], sums[..., 2])
    return found.mean(-1) if wheel is None else found[..., wheel - 1]
