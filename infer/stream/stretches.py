"""Clips in stretches (`marks`): cut in the pauses between utterances, each behind the time of its utterance."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import zip_longest

from infer.decode import ClipInfo
from infer.stream.parts import Segment, Stretch, clock, shown, whole_seconds
from infer.stream.windows import media_tokens
from tasks.task import MediaOptions

# A shorter stretch is fed with the next one. Utterances that overlap by more are not cut apart.
SHORTEST_S, OVERLAP_S = 1.0, 0.5
# Tokens of a stretch's time, and of what opens and closes its media.
MARK_TOKENS = 24


def stretches(segments: Sequence[Segment], begin: float, end: float) -> tuple[Stretch, ...]:
    """What lies from `begin` to `end` (s), cut in the middle of the pauses between the utterances that it shows; the
    marks are whole seconds from `begin`, none where nobody speaks. Utterances that leave no room for a cut share a
    stretch."""
    inside = [span for first, last, _ in segments if (span := shown(first, last, begin, end))]
    found: list[Stretch] = []
    start, reach, marks = begin, 0.0, list[str]()
    for (first, last), after in zip_longest(inside, inside[1:]):
        marks.append("-".join(map(clock, whole_seconds(first, last, end - begin))))
        reach = max(reach, last)
        stop = end if after is None else round(begin + (reach + after[0]) / 2, 3)
        apart = after is not None and reach - after[0] <= OVERLAP_S and min(stop - start, end - stop) >= SHORTEST_S
        if after is None or apart:
            found.append((start, stop, ", ".join(marks)))
            start, marks = stop, []
    return tuple(found) or ((begin, end, ""),)


def near(segments: Sequence[Segment], begin: float, end: float) -> Sequence[Segment]:
    """Those of the utterances, given in the order of their starts, that may be seen from `begin` to `end`."""
    longest = max((last - first for first, last, _ in segments), default=0.0)
    return segments[bisect_left(segments, begin - longest, key=_start) : bisect_left(segments, end, key=_start)]


def _start(segment: Segment) -> float:
    return segment[0]


def tokens(found: Sequence[Stretch], info: ClipInfo, options: MediaOptions, factor: int) -> int:
    """About how many tokens these stretches of a clip are fed as, their times among them."""
    return sum(media_tokens(info, stop - start, options, factor) + MARK_TOKENS for start, stop, _ in found)
