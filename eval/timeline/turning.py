"""Where utterances begin and end, and where the emotion turns.

Three kinds of points in time, which must not be mixed up:
- boundaries: the times at which an utterance starts or ends, each time once;
- turning points: the starts of utterances whose primary label differs from the one before (233 in the release of EmoS);
- joints: the starts of all utterances but the first, whether the emotion changes or not. The EmoS paper prints their
  number, 401, as that of its "turning points" (Table 6).
An utterance that states no label takes no part in turning points: Joy, none, Anger is one turn, from Joy to Anger.

Gold and answered points are paired one to one if they are at most a tolerance apart (`match.match_points`), as in the
evaluation of boundaries in speech and music (Räsänen et al. 2009; mir_eval.segment.detection).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from eval.metrics.metric import DEFAULTS, Options, Value, ratio
from eval.metrics.sums import Array
from eval.timeline.match import match_points
from eval.timeline.spans import Span, pairs
from tasks.task import AnswerKind


class Turn(NamedTuple):
    """A change of emotion: when (milliseconds), from which primary label to which."""

    time: int
    before: str
    after: str


def boundaries(found: Sequence[Span]) -> list[int]:
    """The times, in milliseconds and ascending, at which an utterance starts or ends."""
    return sorted({time for span in found for time in span[:2]})


def joints(found: Sequence[Span]) -> list[int]:
    """The starts of all utterances but the first, in milliseconds: what the EmoS paper counts as turning points."""
    return [span.start for span in found[1:]]


def turns(found: Sequence[Span]) -> list[Turn]:
    """The changes of the primary label between one utterance and the next that state one."""
    stated = [(span.start, span.primary) for span in found if span.primary is not None]
    return [Turn(time, before, after) for (_, before), (time, after) in pairwise(stated) if before != after]


def point_counts(
    gold: Sequence[Value],
    answers: Sequence[Value | None],
    kind: AnswerKind,
    options: Options = DEFAULTS,
    *,
    points: Callable[[Sequence[Span]], list[int]],
    tolerance: int,
) -> Array:
    """Per clip: points paired within `tolerance` (milliseconds), answered, gold; float64 [clips, 3]."""
    del options
    rows = []
    for wanted, told in pairs(gold, answers, kind):
        one, other = points(wanted), points(told)
        rows.append((len(match_points(one, other, tolerance)), len(other), len(one)))
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def turn_counts(
    gold: Sequence[Value],
    answers: Sequence[Value | None],
    kind: AnswerKind,
    options: Options = DEFAULTS,
    *,
    tolerance: int,
) -> Array:
    """Per clip: turning points paired within `tolerance` (milliseconds), answered, gold, and pairs that turn from the
    same label to the same label; float64 [clips, 4]."""
    del options
    rows = []
    for wanted, told in pairs(gold, answers, kind):
        one, other = turns(wanted), turns(told)
        found = match_points([turn.time for turn in one], [turn.time for turn in other], tolerance)
        right = sum(one[g][1:] == other[t][1:] for g, t in found)
        rows.append((len(found), len(other), len(one), right))
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def turn_type_accuracy(sums: Array) -> Array:
    """Pairs of turning points with the same labels before and after / pairs; [..., 4] -> [...], in [0, 1], best 1.

    NaN where no turning point is found. Equals sklearn.metrics.accuracy_score of "from, to" on the pairs.
    """
    return ratio(sums[..., 3], sums[..., 0])


# Milliseconds by the name that a score bears.
BOUNDARY_TOLERANCES = {"250ms": 250, "500ms": 500, "1s": 1000}
TURN_TOLERANCES = {"500ms": 500, "1s": 1000, "2s": 2000}
boundary_counts = {n: partial(point_counts, points=boundaries, tolerance=t) for n, t in BOUNDARY_TOLERANCES.items()}
joint_counts = {n: partial(point_counts, points=joints, tolerance=t) for n, t in TURN_TOLERANCES.items()}
turning_counts = {n: partial(turn_counts, tolerance=t) for n, t in TURN_TOLERANCES.items()}
