"""The official score of a BLEMORE prediction file whose keys are names of labelled clips."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from eval.metrics.blend import presence_right, salience_right
from tasks.blemore import clip_name


def official_scores(predictions: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, float]:
    """What the official script says of predictions: file name -> `[{"emotion", "salience"}]`, in its own arithmetic.

    Returns acc_presence (NaN for no predictions), acc_salience (0 where no clip is a blend), blemore_score (their
    mean), n and blends. Only the submitted files count: whether all are there is the business of the caller.
    Raises ValueError, naming the file, where the script stops with an error: a name that says no label (such as those
    of the test set), entries that are none, and two entries for a blend of which one has no number as its salience.
    """
    right = blends = exact = 0
    for name, entries in predictions.items():
        try:
            gold = clip_name(name).value["emotions"]
        except ValueError as error:
            hint = "; the test set is scored by the challenge server alone" if name.startswith("test_") else ""
            raise ValueError(f"{error}{hint}") from None
        if isinstance(entries, str | Mapping) or not isinstance(entries, Sequence):
            raise ValueError(f"{name}: {entries!r} was found; a list of entries was expected")
        try:
            right += presence_right(gold, entries)
            if len(gold) == 2:
                blends += 1
                exact += salience_right(gold, entries)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    presence = right / len(predictions) if predictions else math.nan
    salience = exact / blends if blends else 0.0
    return {
        "acc_presence": presence,
        "acc_salience": salience,
        "blemore_score": (presence + salience) / 2,
        "n": len(predictions),
        "blends": blends,
    }
