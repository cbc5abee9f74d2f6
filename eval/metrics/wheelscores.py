"""Emotion wheel (EW) scores of open labels, as the MER challenges take them, and what to look at beside them.

A label is led to its cluster in each of twelve groupings (`eval.wheels.wordmap.COLUMNS`); gold and answer become the
sets G and P of clusters, and what no grouping knows is dropped. A sample whose G is empty in a grouping is not counted
there; the precision |G∩P| / |P| and the recall |G∩P| / |G| of the others are averaged, both 0 where P is empty, and no
answer is an empty P. F is the harmonic mean of the two means, one for each grouping, and is averaged over wheels last.

0 / 0 and a mean over no sample are NaN in the edition of 2025, which one such wheel spreads to the average over the
wheels, and 0 in that of 2026. Source: MER2025 track 2 and MER2026 track 2, baseline code; OV-MER (Lian et al. 2024).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval.metrics.metric import DEFAULTS, Options, Value, open_labels, ratio
from eval.metrics.sums import Array
from eval.wheels.wordmap import COLUMNS, WordMap, load_words
from tasks.task import AnswerKind

Lists = Sequence[Sequence[str] | None]
Part = Literal["p", "r", "f"]
Marks = NDArray[np.bool_]
# Samples times clusters in one block of the counting: bounds the memory.
CELLS = 4_000_000


def words_of(options: Options) -> WordMap:
    """The word map of the edition that the task names; ValueError without one, and where its tables are missing."""
    return load_words(options.wheels, options.wheel_folder, checked=options.wheels_checked)


def lists_of(values: Sequence[Value | None], kind: AnswerKind) -> list[Sequence[str] | None]:
    """The open labels of values, None for no answer."""
    return [open_labels(value, kind) for value in values]


class Flat(NamedTuple):
    """The labels of all lists in one row: the number of the list that each stands in, ascending, and its row of the
    word map, both int64 [labels]; `total` lists."""

    owners: NDArray[np.int64]
    rows: NDArray[np.int64]
    total: int


def flat(lists: Lists, words: WordMap) -> Flat:
    """Lists of labels as one row; ValueError for a label that is no text."""
    lengths = [len(labels or ()) for labels in lists]
    rows = words.rows([label for labels in lists for label in labels or ()])
    return Flat(np.repeat(np.arange(len(lists)), lengths), rows, len(lists))


def both(gold: Lists, answers: Lists, words: WordMap) -> tuple[Flat, Flat]:
    """`flat` of gold and answers; ValueError for lists of unequal length."""
    if len(gold) != len(answers):
        raise ValueError(f"{len(gold)} gold lists, but {len(answers)} answers")
    return flat(gold, words), flat(answers, words)


def marked(sides: Sequence[Flat], words: WordMap, place: int) -> Iterator[tuple[slice, list[Marks]]]:
    """Which clusters of one column the lists of each side hold, bool [lists, clusters], in blocks of lists."""
    size = max(1, len(words.clusters[place]))
    step = max(1, CELLS // size)
    codes = [words.codes[side.rows, place] for side in sides]
    for start in range(0, sides[0].total, step):
        block = slice(start, min(start + step, sides[0].total))
        tables = []
        for side, code in zip(sides, codes, strict=True):
            inside = slice(*np.searchsorted(side.owners, (block.start, block.stop)))
            found = code[inside] >= 0
            table = np.zeros((block.stop - block.start, size), dtype=bool)
            table[side.owners[inside][found] - block.start, code[inside][found]] = True
            tables.append(table)
        yield block, tables


def overlaps(gold: Lists, answers: Lists, words: WordMap) -> Array:
    """Per sample and column: precision, recall, whether it is counted, and whether 0 / 0 is 0 in this edition; float64
    [samples, columns, 4]. Raises ValueError for lists of unequal length and for labels that are no text."""
    sides = both(gold, answers, words)
    found = np.zeros((len(gold), len(COLUMNS), 4))
    found[..., 3] = words.zero
    for place in range(len(COLUMNS)):
        for block, (wanted, told) in marked(sides, words, place):
            hits = (wanted & told).sum(1).astype(np.float64)
            support = wanted.sum(1).astype(np.float64)
            found[block, place, 0] = ratio(hits, told.sum(1).astype(np.float64), empty=0.0)
            found[block, place, 1] = ratio(hits, support, empty=0.0)
            found[block, place, 2] = support > 0
    return found


def ew_counts(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Array:
    """`overlaps` of the open labels of gold and answers, float64 [samples, columns, 4]."""
    return overlaps(lists_of(gold, kind), lists_of(answers, kind), words_of(options))


def column_scores(sums: Array) -> Array:
    """Precision, recall and F of every column, from sums of `overlaps` [..., columns, 4]: [..., columns, 3]."""
    counted = sums[..., 2]
    empty = np.where(sums[..., 3] > 0, 0.0, np.nan)
    precision, recall = (ratio(sums[..., part], counted, empty) for part in (0, 1))
    return np.stack([precision, recall, ratio(2 * precision * recall, precision + recall, empty)], axis=-1)


def ew_column(sums: Array, *, column: str, part: Part) -> Array:
    """Mean precision, mean recall, or their harmonic mean, in one column; [..., columns, 4] -> [...].

    In [0, 1], best 1. NaN where no sample is counted, and F where nothing is hit; 0 in the edition of 2026. Equals
    `calculate_openset_overlap_rate` of the challenge code.
    """
    found: Array = column_scores(sums)[..., COLUMNS.index(column), "prf".index(part)]
    return found


def ew_level(sums: Array, *, level: int, part: Part) -> Array:
    """Mean over the five wheels of the scores at one level; [..., columns, 4] -> [...], in [0, 1], best 1.

    NaN where one of the wheels has NaN. Equals `wheel_metric_calculation` of the challenge code; F at level 1 is the
    score of MER2026-FG.
    """
    places = [COLUMNS.index(f"w{wheel}_l{level}") for wheel in range(1, 6)]
    found: Array = column_scores(sums)[..., places, "prf".index(part)].mean(-1)
    return found


def ew_mean_f(sums: Array) -> Array:
    """Mean of F at level 1 and F at level 2; [..., columns, 4] -> [...], in [0, 1], best 1, NaN where one is NaN.

    Equals the ranking score of MER2025-FG.
    """
    return (ew_level(sums, level=1, part="f") + ew_level(sums, level=2, part="f")) / 2


def ew_m_avg(sums: Array) -> Array:
    """Mean of F over all twelve columns; [..., columns, 4] -> [...], in [0, 1], best 1, NaN where one of them is NaN.

    Equals M-avg of the OV-MER paper (Lian et al. 2024).
    """
    found: Array = column_scores(sums)[..., 2].mean(-1)
    return found


def told_words(labels: Sequence[str] | None) -> list[str]:
    """The distinct words of a list, lower case and stripped, in their order: what a scorer sees of it."""
    return list(dict.fromkeys(filter(None, (label.lower().strip() for label in labels or ()))))


def unknown_counts(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Array:
    """Per sample: how many distinct words the answer lists that no wheel knows, and how many it lists; [samples, 2]."""
    _same_length(gold, answers)
    words = words_of(options)
    told = flat([told_words(labels) for labels in lists_of(answers, kind)], words)
    strange = told.rows == len(words.known)
    counts = [np.bincount(told.owners[kept], minlength=told.total) for kept in (strange, np.ones_like(strange))]
    return np.stack(counts, axis=-1).astype(np.float64)


def ew_unknown(sums: Array) -> Array:
    """Share of the words answered that no wheel knows: they are dropped without a trace. [..., 2] -> [...].

    In [0, 1], best 0; NaN where no word is answered. Equals sum(unknown) / sum(listed) over distinct words a sample.
    """
    return ratio(sums[..., 0], sums[..., 1])


def list_lengths(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Array:
    """Per sample: how many distinct words the answer lists, and whether there is an answer; float64 [samples, 2]."""
    del options  # a list is as long as it is
    _same_length(gold, answers)
    lists = lists_of(answers, kind)
    rows = [(len(told_words(labels)), labels is not None) for labels in lists]
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def list_length(sums: Array) -> Array:
    """Mean number of distinct words in an answer: long lists buy recall. [..., 2] -> [...], at least 0.

    Neither end is good; NaN without answers. Equals mean(len(set(words))) over the answers.
    """
    return ratio(sums[..., 0], sums[..., 1])


def _same_length(gold: Sequence[Value], answers: Sequence[Value | None]) -> None:
    if len(gold) != len(answers):
        raise ValueError(f"{len(gold)} gold lists, but {len(answers)} answers")
