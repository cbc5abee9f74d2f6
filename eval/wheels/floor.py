"""What to hold beside an emotion wheel score: what a constant answer gets, and what the scorer loses of the labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.metrics.sums import Array
from eval.metrics.wheelscores import Flat, flat, marked, told_words
from eval.wheels.ew import HEADLINES, Entries, read_both, read_labels
from eval.wheels.wordmap import COLUMNS, WordMap, load_words
from prompts.parsing.official import mer_list

# Constant answers that score on every set of the challenges; the first beats many zero-shot models on OV-MERD.
CONSTANTS = (
    ("worried", "angry", "sad", "happy"),
    ("worried", "angry", "happy"),
    ("angry",),
    ("happy",),
    ("neutral",),
)
# A constant answer is built of at most so many words.
LONGEST = 16


@dataclass(frozen=True, slots=True)
class _Shares:
    """What a cluster adds to the sums of a constant answer: over the counted samples of a column, how many hold the
    cluster, and the sum of 1 / |G| over those; [clusters] each."""

    holding: Array
    recall: Array
    counted: float


def constant_floor(
    gold: Entries, edition: str, wheels: Path | None = None, *, checked: bool = True
) -> list[tuple[tuple[str, ...], float]]:
    """Constant answers and their ranking scores (fractions) on a gold set: those of CONSTANTS, and last the best list
    that greedy search builds of the gold's own words. Raises ValueError as `eval.wheels.ew.ew_scores`."""
    words = load_words(edition, wheels, checked=checked)
    lists = read_both(gold, gold, None)[0]
    shares = [_shares(flat(lists, words), words, place) for place in range(len(COLUMNS))]
    answers = [*CONSTANTS, _greedy(lists, words, shares)]
    codes = [words.codes[words.rows(labels)] for labels in answers]
    return [
        (labels, float(HEADLINES[edition](_sums(rows, shares, zero=words.zero))))
        for labels, rows in zip(answers, codes, strict=True)
    ]


def _shares(gold: Flat, words: WordMap, place: int) -> _Shares:
    size = max(1, len(words.clusters[place]))
    holding, recall, counted = np.zeros(size), np.zeros(size), 0.0
    for _, (wanted,) in marked([gold], words, place):
        support = wanted.sum(1)
        kept = wanted[support > 0]
        holding += kept.sum(0)
        recall += (kept / support[support > 0, None]).sum(0)
        counted += len(kept)
    return _Shares(holding, recall, counted)


def _sums(rows: NDArray[np.int16], shares: Sequence[_Shares], *, zero: bool) -> Array:
    """Sums as those of `overlaps` [columns, 4] of the answer with these codes [words, columns] to every sample."""
    sums = np.zeros((len(COLUMNS), 4))
    for place, share in enumerate(shares):
        told = sorted({int(code) for code in rows[:, place] if code >= 0})
        hit = share.holding[told].sum() / len(told) if told else 0.0
        sums[place] = hit, share.recall[told].sum(), share.counted, zero
    return sums


def _greedy(lists: Sequence[Sequence[str]], words: WordMap, shares: Sequence[_Shares]) -> tuple[str, ...]:
    """Adds the word that helps most, as long as one helps; of equal words the more frequent, then by the alphabet.

    0 / 0 counts as 0 while searching: an answer that covers a part of the wheels is a step to one that covers all.
    """
    counts = Counter(word for labels in lists for word in told_words(labels))
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    rows = words.codes[words.rows(ordered)]
    _, first = np.unique(rows, axis=0, return_index=True)
    known = [place for place in sorted(first) if (rows[place] >= 0).any()]
    score = HEADLINES[words.edition]
    chosen: list[int] = []
    best = 0.0
    while len(chosen) < LONGEST:
        found = [(float(score(_sums(rows[[*chosen, place]], shares, zero=True))), place) for place in known]
        top, place = max(found, key=lambda pair: pair[0], default=(0.0, -1))
        if top <= best:
            break
        best = top
        chosen.append(place)
    return tuple(ordered[place] for place in chosen)


@dataclass(frozen=True, slots=True)
class Companions:
    """How a set of answers looks to the scorer. `unknown`: share of the words that no wheel knows, NaN without words;
    `unknown_words`: the most frequent of them, with counts; `list_length`: mean number of distinct words; `lost`:
    labels that do not come back from the official splitter, and what comes instead."""

    unknown: float
    unknown_words: list[tuple[str, int]]
    list_length: float
    lost: dict[str, list[str]]


def companions(
    pred: Entries, edition: str, wheels: Path | None = None, *, most: int = 20, checked: bool = True
) -> Companions:
    """What the wheels and the splitter lose of a set of predictions; raises ValueError as `ew_scores`."""
    words = load_words(edition, wheels, checked=checked)
    lists = [read_labels(entry, f"the prediction of {name}") for name, entry in pred.items()]
    told = [told_words(labels) for labels in lists]
    rows = flat(told, words).rows
    plain = [word for labels in told for word in labels]
    strange = Counter(word for word, row in zip(plain, rows, strict=True) if row == len(words.known))
    ordered = sorted(strange.items(), key=lambda pair: (-pair[1], pair[0]))
    return Companions(
        unknown=strange.total() / len(plain) if plain else float("nan"),
        unknown_words=ordered[:most],
        list_length=len(plain) / len(told) if told else float("nan"),
        lost=lost_labels(label for labels in lists for label in labels),
    )


def lost_labels(labels: Iterable[str]) -> dict[str, list[str]]:
    """Labels that are others once they were written into a list and read by the official splitter, and what they are
    then: an apostrophe, a quotation mark and a comma part a label, blanks around it go."""
    read = {label: mer_list(f"[{label}]") for label in dict.fromkeys(labels)}
    return {label: pieces for label, pieces in read.items() if pieces != [label.strip()]}
