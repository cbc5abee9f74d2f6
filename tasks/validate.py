"""Do a task and its samples agree? Asked before a model is loaded: a wrong label found afterwards costs a run."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tasks.task import AnyOf, Blend, Dims, OneOf, Pick, Record, Sample, Task

SHOWN = 5


def check_samples(task: Task, samples: Sequence[Sample]) -> None:
    """Raises ValueError that shows every kind of disagreement: gold of another shape or outside the label space, a
    `group` or slice that no sample has."""
    problems = [*_missing_meta(task, samples), *gold_problems(task, samples)]
    if problems:
        raise ValueError(f"task {task.name} and its data do not agree:\n" + "\n".join(f"  {each}" for each in problems))


def gold_problems(task: Task, samples: Iterable[Sample]) -> list[str]:
    """What is wrong with the gold values, one line a kind of mistake, with its count and the first ids."""
    found: dict[str, list[str]] = {}
    for sample in samples:
        if sample.gold is not None:
            for problem in _gold(task, sample.gold):
                found.setdefault(problem, []).append(sample.id)
    lines = [f"{problem} ({len(ids)}: {_short(ids)})" for problem, ids in found.items()]
    return lines[:SHOWN] + ([f"and {len(lines) - SHOWN} more kinds of mistake"] if len(lines) > SHOWN else [])


def _gold(task: Task, gold: Mapping[str, Any]) -> list[str]:
    match task.answer:
        case OneOf() as kind:
            return _label(gold, "label", kind)
        case Pick(options=options, aliases=aliases):
            return _label(gold, "choice", OneOf(options, aliases))
        case Record(emotion=emotion, goemotions=goemotions):
            listed = gold.get("goemotions") or []
            return _label(gold, "emotion", emotion) + _members(listed, goemotions)
        case AnyOf() as kind if kind.labels:
            return _members(gold.get("labels"), kind)
        case Blend(labels=labels, aliases=aliases):
            named = gold.get("emotions")
            if not isinstance(named, list):
                return [f"gold has no list 'emotions': {_brief(gold)}"]
            return [text for item in named for text in _label(item, "emotion", OneOf(labels, aliases))]
        case Dims(names=names):
            return [f"gold has no number {name!r}: {_brief(gold)}" for name in names if name not in gold]
        case _:
            return []


def _label(gold: Any, key: str, kind: OneOf) -> list[str]:
    if not isinstance(gold, Mapping) or key not in gold:
        return [f"gold has no {key!r}: {_brief(gold)}"]
    value = gold[key]
    if value in kind.labels:
        return []
    if value in ("", None):
        return [f"gold {key!r} is empty; a sample without gold has gold=None"]
    return [f"gold {key!r} {value!r} is not one of {', '.join(kind.labels)}{_cure(value, kind.labels, kind.aliases)}"]


def _members(listed: Any, kind: AnyOf) -> list[str]:
    if not isinstance(listed, list):
        return [f"gold has no list of labels: {_brief(listed)}"]
    names = [item.get("label") if isinstance(item, Mapping) else item for item in listed]
    return [f"gold label {name!r} is not in the label space" for name in names if name not in kind.labels]


def _cure(value: object, labels: Sequence[str], aliases: Sequence[tuple[str, str]]) -> str:
    """What to do about a label outside the set: aliases are for replies, gold is mapped by the adapter."""
    meant = dict(aliases).get(str(value)) or {label.casefold(): label for label in labels}.get(str(value).casefold())
    if meant:
        return f": let the adapter write {meant!r} (aliases are for replies alone)"
    near = difflib.get_close_matches(str(value), labels, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _missing_meta(task: Task, samples: Sequence[Sample]) -> list[str]:
    present = Counter(name for sample in samples for name in sample.meta)
    lines = []
    wanted = {"group": [task.group], "slices": [name for name in task.slices if name != "language"]}
    for field, names in wanted.items():
        for name in names:
            if samples and name not in present:
                near = difflib.get_close_matches(name, present, n=1)
                hint = f"; did you mean {near[0]}?" if near else f"; there are: {_short(list(present)) or 'none'}"
                lines.append(f"{field} {name!r}: no sample has it in its meta{hint}")
    return lines


def _short(values: Sequence[str]) -> str:
    return ", ".join(values[:SHOWN]) + (", …" if len(values) > SHOWN else "")


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"
