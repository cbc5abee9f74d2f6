"""What the metrics see of a timeline: its utterances in order of time, in whole milliseconds.

A value is that of the Timeline kind (tasks/task.py, prompts/parsing/timeline.py). No answer is the empty timeline: a
clip that was not answered counts with all its gold utterances. Whole milliseconds make every score below independent
of where the clip starts and of the order in which utterances are listed, to the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from eval.metrics.metric import Value
from tasks.task import AnswerKind, Timeline

# A model may answer any number; seconds beyond this are this, so that milliseconds stay exact in a float.
FAR_S = 1e12
INTENSITIES = (1, 2, 3, 4, 5)


class Span(NamedTuple):
    """One utterance: milliseconds from the start of the clip, its labels, intensity 1 to 5; None: not stated."""

    start: int
    end: int
    primary: str | None
    secondary: frozenset[str] | None
    intensity: int | None


def parts(kind: AnswerKind) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The primary and the secondary labels of a Timeline kind; ValueError for any other kind."""
    if not isinstance(kind, Timeline):
        raise ValueError(f"answers of kind {type(kind).__name__} hold no timeline")
    return kind.primary.labels, kind.secondary.labels


def spans(value: Value | None, kind: AnswerKind, *, gold: bool = False) -> list[Span]:
    """The utterances of a value by start, then end, then labels; [] for None.

    Utterances may overlap and be of no length. Raises ValueError, with the number of the utterance (from 1), for times
    that are no numbers or run backwards, labels outside the kind and intensities outside 1 to 5; with `gold`, also for
    an utterance without a primary label or of no length.
    """
    labels = parts(kind)
    items = () if value is None else value.get("utterances")
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise ValueError(f"'utterances' is {items!r}; a list of utterances is legal")
    found = [_span(item, labels, gold, f"utterance {number}") for number, item in enumerate(items, start=1)]
    return sorted(found, key=_order)


def _order(span: Span) -> tuple[Any, ...]:
    return span.start, span.end, span.primary or "", sorted(span.secondary or ()), span.intensity or 0


def _span(item: Any, labels: tuple[tuple[str, ...], tuple[str, ...]], gold: bool, where: str) -> Span:
    if not isinstance(item, Mapping):
        raise ValueError(f"{where} is {item!r}; an object with start, end and primary is legal")
    start, end = _milliseconds(item.get("start"), where), _milliseconds(item.get("end"), where)
    if end < start or (gold and end == start):
        raise ValueError(f"{where} runs from {item['start']} s to {item['end']} s; its end has to follow its start")
    primary = item.get("primary")
    if primary not in (labels[0] if gold else (*labels[0], None)):
        raise ValueError(f"{where}: primary label {primary!r} is not one of {', '.join(labels[0])}")
    secondary = None if item.get("secondary") is None else frozenset(item["secondary"])
    if foreign := sorted(map(repr, (secondary or frozenset()).difference(labels[1]))):
        raise ValueError(f"{where}: secondary label {foreign[0]} is not one of {', '.join(labels[1])}")
    intensity = item.get("intensity")
    if intensity not in (*INTENSITIES, None):
        raise ValueError(f"{where}: intensity is {intensity!r}; legal are 1 to 5 and none")
    return Span(start, end, primary, secondary, intensity)


def _milliseconds(seconds: Any, where: str) -> int:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or math.isnan(seconds):
        raise ValueError(f"{where}: a time is {seconds!r}; seconds from the start of the clip are legal")
    return round(max(-FAR_S, min(seconds, FAR_S)) * 1000)


def pairs(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind
) -> list[tuple[list[Span], list[Span]]]:
    """Gold and answered utterances of every clip. Raises ValueError as `spans`, and for unequal lengths."""
    if len(gold) != len(answers):
        raise ValueError(f"{len(gold)} gold timelines, but {len(answers)} answers")
    return [(spans(value, kind, gold=True), spans(answer, kind)) for value, answer in zip(gold, answers, strict=True)]
