"""Timelines as the page draws them: lanes of utterances, turning points, what was found, and where answers agree.

What counts as a turning point, a found utterance and a label that holds is decided by the metrics (eval/timeline); the
page draws what they count. Times are seconds from the start of the clip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.metrics.metric import Value
from eval.report import RunResult
from eval.stitch import dominant
from eval.timeline.match import assign, iou_table, match_points
from eval.timeline.spans import Span, spans
from eval.timeline.trajectory import NOTHING, Course
from eval.timeline.turning import Turn, turns
from tasks.task import AnswerKind, Sample, Timeline

# A model may answer any time; later ones are drawn here (11 days), which is after the end of every clip.
LAST_S = 1e6
# Turning points of two lanes are the same one where they are at most so far apart (milliseconds).
SAME_TURN = 1000
# What holds at a moment: one label in both, two labels, a label in one of them alone.
SAME, OTHER, ONLY_GOLD, ONLY_TOLD = range(4)


@dataclass(frozen=True, slots=True)
class Lane:
    """A timeline to draw: its utterances by time, and the same ones as the metrics see them."""

    utterances: list[Mapping[str, Any]]
    spans: list[Span]
    turns: list[Turn]


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn of one clip. `data` goes into the page; `gold`, `told`: utterances and the emotion that lasts
    longest, None without gold and without an answer; `found`: gold utterances with a partner; `agreement`: share of
    the time with a gold label in which the answer has the same one (None without gold, or without an answer)."""

    data: Mapping[str, Any]
    gold: tuple[int, str | None] | None
    told: tuple[int, str | None] | None
    found: int
    agreement: float | None


def lane(value: Value | None, kind: AnswerKind) -> Lane:
    """The utterances of a timeline by start, then end; none for no value. Raises ValueError as `spans`."""
    items = [(spans({"utterances": [item]}, kind)[0], item) for item in (value or {}).get("utterances", ())]
    items.sort(key=lambda pair: pair[0][:2])
    found = [span for span, _ in items]
    return Lane([item for _, item in items], found, turns(found))


def timelines(results: Sequence[RunResult]) -> dict[str, Picture]:
    """The pictures of the first run by sample id, the other runs' answers below; {} for answers that are no timelines.

    A run over other samples, or of a task with other answers, has no lane.
    """
    result = results[0]
    kind = result.task.answer
    if not isinstance(kind, Timeline):
        return {}
    others = [
        (other.name, {answer.id: answer.value for answer in other.answers})
        for other in results[1:]
        if other.task.answer == kind
    ]
    return {
        sample.id: picture(
            sample, answer.value, kind, [(name, values[sample.id]) for name, values in others if sample.id in values]
        )
        for sample, answer in zip(result.samples, result.answers, strict=True)
    }


def picture(
    sample: Sample, answer: Value | None, kind: Timeline, others: Sequence[tuple[str, Value | None]] = ()
) -> Picture:
    """What is drawn of a clip: gold, the answer, and the answers of other runs by name."""
    gold, told = lane(sample.gold, kind), lane(answer, kind)
    rows = [{"who": "gold", **_drawn(gold, told)}] if sample.gold is not None else []
    rows.append({"who": "run", "silent": answer is None, **_drawn(told, gold)})
    for name, value in others:
        other = lane(value, kind)
        rows.append({"who": "other", "name": name, "silent": value is None, **_drawn(other, gold)})
    data: dict[str, Any] = {"lanes": rows, "length": length_of(sample)}
    pairs: list[list[float]] = []
    agreement = None
    if sample.gold is not None and answer is not None:
        table = iou_table(gold.spans, told.spans)
        pairs = [[g, t, round(float(table[g, t]), 3)] for g, t in assign(table)]
        strip = agreed(gold.spans, told.spans, kind)
        times = [sum(end - start for start, end, code in strip if code == which) for which in range(ONLY_TOLD + 1)]
        labelled = times[SAME] + times[OTHER] + times[ONLY_GOLD]
        agreement = times[SAME] / labelled if labelled else None
        data |= {"pairs": pairs, "strip": [[start / 1000, end / 1000, code] for start, end, code in strip]}
    return Picture(
        data,
        None if sample.gold is None else _counted(gold, kind),
        None if answer is None else _counted(told, kind),
        len(pairs),
        agreement,
    )


def agreed(gold: Sequence[Span], told: Sequence[Span], kind: Timeline) -> list[tuple[int, int, int]]:
    """Stretches (start, end, code) in which gold, the answer or both have a label; milliseconds, in order."""
    if not gold and not told:
        return []
    labels = kind.primary.labels
    # A course is judged between the first and the last time of its first argument: here those of both.
    both = [*gold, *told]
    wanted, given = Course(both, gold, labels), Course(both, told, labels)
    codes = np.select(
        [wanted.told == NOTHING, given.told == NOTHING, wanted.told == given.told],
        [ONLY_TOLD, ONLY_GOLD, SAME],
        OTHER,
    )
    codes[(wanted.told == NOTHING) & (given.told == NOTHING)] = NOTHING
    found: list[tuple[int, int, int]] = []
    for start, end, code in zip(wanted.edges[:-1], wanted.edges[1:], codes, strict=True):
        if found and found[-1][1] == start and found[-1][2] == code:
            found[-1] = (found[-1][0], int(end), int(code))
        elif code != NOTHING:
            found.append((int(start), int(end), int(code)))
    return found


def length_of(sample: Sample) -> float | None:
    """The length of a clip in seconds, where the sample tells it."""
    told = sample.meta.get("duration_s")
    if isinstance(told, int | float) and told > 0:
        return float(told)
    for medium in sample.media:
        if medium.end_s is not None:
            return medium.end_s - (medium.start_s or 0.0)
    return None


def _counted(found: Lane, kind: Timeline) -> tuple[int, str | None]:
    stated = [dict(item) for item in found.utterances if item.get("primary") is not None]
    return len(found.utterances), dominant(stated, kind.primary.labels)


def _drawn(own: Lane, beside: Lane) -> dict[str, Any]:
    """A lane as JSON; a turning point says whether the other lane has it too."""
    pairs = match_points([turn.time for turn in own.turns], [turn.time for turn in beside.turns], SAME_TURN)
    shared = {mine for mine, _ in pairs}
    return {
        "utterances": [_short(item) for item in own.utterances],
        "turns": [
            [turn.time / 1000, turn.before, turn.after, int(place in shared)] for place, turn in enumerate(own.turns)
        ],
    }


def _short(item: Mapping[str, Any]) -> dict[str, Any]:
    """An utterance without what it does not state, its times to the millisecond and no later than the page can show."""
    times = {key: round(min(max(float(item[key]), 0.0), LAST_S), 3) for key in ("start", "end")}
    return {name: value for name, value in item.items() if value not in (None, "", [])} | times
