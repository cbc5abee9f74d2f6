"""Answers in a few words, for the list of samples, and what the page has to know of an answer kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.html.timeline import Picture
from tasks.task import AnswerKind, Blend, Dims, Pick, Timeline


def brief(value: Mapping[str, Any] | None, kind: AnswerKind) -> str | None:
    """A value in a few words; None for no value and for kinds whose labels say it."""
    if value is None:
        return None
    match kind:
        case Dims(names=names):
            return ", ".join(f"{name} {_figure(value.get(name))}" for name in names)
        case Blend():
            return " + ".join(f"{item['emotion']} {item['salience']}" for item in value["emotions"] or ())
        case _:
            return None


def longest(counted: tuple[int, str | None] | None) -> str | None:
    """The emotion of a timeline that lasts longest; None without a timeline."""
    if counted is None:
        return None
    count, label = counted
    return label or ("no label" if count else "no utterances")


def counts(drawn: Picture) -> str:
    """How many utterances a clip has, in gold and in the answer, and how many were found."""
    if drawn.gold is None:
        return "" if drawn.told is None else _utterances(drawn.told[0])
    if drawn.told is None:
        return _utterances(drawn.gold[0])
    extra = drawn.told[0] - drawn.found
    return f"{drawn.found:,} of {_utterances(drawn.gold[0])} found" + (f", {extra:,} more" if extra else "")


def kind_facts(kind: AnswerKind) -> dict[str, Any]:
    """What the page draws answers of a kind by: its name, and labels, range or options."""
    facts: dict[str, Any] = {"name": type(kind).__name__}
    match kind:
        case Dims(names=names, low=low, high=high):
            facts |= {"names": names, "low": low, "high": high}
        case Pick(options=options, texts=texts):
            facts |= {"options": options, "texts": texts}
        case Timeline(primary=primary):
            facts |= {"labels": primary.labels}
    return facts


def _figure(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else "?"


def _utterances(count: int) -> str:
    return f"{count:,} utterance{'' if count == 1 else 's'}"
