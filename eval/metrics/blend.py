"""Blends of two emotions, as the BLEMORE challenge scores them: which emotions (presence), in what shares (salience).

Values are `{"emotions": [{"emotion": str, "salience": number}]}`, shares in percent. Presence looks at the emotions
alone: order, repetition and shares, a share of 0 included, do not matter. Salience is over gold blends: exactly two
answered, each with its gold share after rounding half to even (69.5 is 70, and so is 70.5). A gold blend whose emotions
are answered wrongly stays in the denominator.

Source: github.com/BlEmoRe/blemore-common, commit 98e6236. The official script divides by the submitted files; here an
unanswered sample is wrong, and n is the number of gold values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from eval.metrics.metric import DEFAULTS, Options, Value, ratio
from eval.metrics.sums import Array
from tasks.task import AnswerKind

Entries = Sequence[Mapping[str, Any]]


def presence_right(gold: Entries, answer: Entries) -> bool:
    """Whether the answered emotions are the gold ones. ValueError for an entry without `emotion`."""
    return _emotions(answer) == _emotions(gold)


def salience_right(gold: Entries, answer: Entries) -> bool:
    """Whether exactly two emotions are answered and have the gold shares, rounded half to even.

    Numbers may be given as text. ValueError for two entries of which one has no number as `salience`, where the
    official script raises as well; fewer or more entries are wrong without a look at their shares.
    """
    return len(answer) == 2 and _shares(answer) == _shares(gold)


def _emotions(entries: Entries) -> set[Any]:
    try:
        return {entry["emotion"] for entry in entries}
    except (KeyError, TypeError):
        raise ValueError(f"{_brief(entries)}: each entry needs an 'emotion'; legal is {_LEGAL}") from None


def _shares(entries: Entries) -> dict[Any, int]:
    try:
        return {entry["emotion"]: round(float(entry["salience"])) for entry in entries}
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ValueError(f"{_brief(entries)}: each entry needs a number 'salience'; legal is {_LEGAL}") from None


_LEGAL = '[{"emotion": "ang", "salience": 70}, {"emotion": "hap", "salience": 30}] or one entry'


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:119] + "…"


def blend_counts(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Array:
    """Float64 [samples, 4] of 0 and 1: there, presence right, gold is a blend, salience right."""
    del kind, options  # the emotions of gold and answer are compared as they stand
    if len(gold) != len(answers):
        raise ValueError(f"{len(gold)} gold values, but {len(answers)} answers")
    table = np.zeros((len(gold), 4))
    for row, wanted, told in zip(table, gold, answers, strict=True):
        blend = len(wanted["emotions"]) == 2
        row[0], row[2] = 1, blend
        if told is not None:
            row[1] = presence_right(wanted["emotions"], told["emotions"])
            row[3] = blend and salience_right(wanted["emotions"], told["emotions"])
    return table


def acc_presence(sums: Array) -> Array:
    """Samples with the right emotions / samples, in [0, 1], best 1, NaN for no samples; [...] for sums [..., 4]."""
    return ratio(sums[..., 1], sums[..., 0])


def acc_salience(sums: Array) -> Array:
    """Gold blends with the right emotions and shares / gold blends, in [0, 1], best 1; [...] for sums [..., 4].

    NaN where there is no gold blend, such as in a slice of single emotions; the official script says 0 there.
    """
    return ratio(sums[..., 3], sums[..., 2])


def blemore_score(sums: Array) -> Array:
    """Mean of presence and salience, the challenge score, in [0, 1], best 1; NaN where one of them is undefined."""
    score: Array = (acc_presence(sums) + acc_salience(sums)) / 2
    return score
