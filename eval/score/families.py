"""What each family of tasks is scored by: the official numbers, constant answers, and values for resampling.

The numbers come from `eval.wheels.ew` and `eval.blends`, which equal the official scripts; nothing is computed twice
here. Metrics are fractions; what the official script prints is in `HEADS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from eval.blends.official import official_scores
from eval.blends.tables import trivial
from eval.metrics.blend import acc_presence, acc_salience, blend_counts
from eval.metrics.metric import has_open
from eval.score.read import Family
from eval.submit.tracks import MER6, TRAITS
from eval.wheels.ew import ew_scores, hit_rate, preference, read_labels, sentiment, six_class_waf, trait_scores
from eval.wheels.floor import constant_floor
from tasks.blemore import clip_name
from tasks.task import AnyOf, Blend, Dims, OneOf, Pick, Record, Task

Entries = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Heads:
    """What the official script prints: titles with their metrics, the ranking one last, times `scale`."""

    parts: tuple[tuple[str, str], ...]
    scale: int = 100
    digits: int = 2


_PLAIN = 1, 4
_FG = Heads((("S1", "ew_l1_f"), ("S2", "ew_l2_f"), ("Avg", "ew_mean_f")))
# By task name, else by family. The scripts of track 1 (MER2025), of MER-PR and of BLEMORE print fractions.
HEADS: dict[str, Heads] = {
    "mer2025-fg": _FG,
    "mer2025-des": _FG,
    "mer2026-fg": Heads((("EW F1 (level 1)", "ew_l1_f"),)),
    "unibench-ovmerd-plus": Heads((("EW F1 (level 1)", "ew_l1_f"),)),
    "wheels": Heads((("M-avg", "ew_m_avg"),)),
    "hits": Heads((("hit rate", "hitrate"),)),
    "sentiment": Heads((("ACC", "acc"), ("WAF", "waf"))),
    "preference": Heads((("ACC", "preference_acc"), ("WAF", "preference_waf"))),
    "six": Heads((("ACC", "acc"), ("WAF", "waf")), *_PLAIN),
    "traits": Heads((("PCC", "pcc"), ("CCC", "ccc"), ("RMSE", "rmse")), *_PLAIN),
    "blend": Heads((("presence", "acc_presence"), ("salience", "acc_salience"), ("score", "blemore_score")), *_PLAIN),
}
# The name of a metric here -> its row of the metrics table, where the two differ.
ROWS = {
    "six": {"waf": "weighted_f1", "acc": "accuracy"},
    "sentiment": {"waf": "sentiment_waf", "acc": "sentiment_acc"},
}
# What a missing answer is with --missing empty; families that have no empty answer are scored by the table of metrics.
EMPTY: dict[str, Any] = {"wheels": [], "hits": [], "sentiment": "", "blend": []}
# Of preferences it is a wrong answer: none at all would be read as `same`, and so as a1, which may be right.
_WRONG = {"a1": "a2", "a2": "a1", "same": "a1"}


def unanswered(family: Family, gold: Any) -> Any:
    """What stands for a missing answer to a sample with this gold; None where the family has no such answer."""
    return _WRONG.get(gold) if family == "preference" and isinstance(gold, str) else EMPTY.get(family)


def has_unanswered(family: Family) -> bool:
    """Whether the official numbers of a family can be computed with answers missing."""
    return family == "preference" or family in EMPTY


def family_of(task: Task) -> Family:
    """How a task is scored; ValueError for a task without a score over answers alone."""
    first = task.metrics[0]
    match task.answer:
        case kind if has_open(kind):
            return "hits" if first == "hitrate" else "wheels"
        case Dims(names=names) if set(names) == set(TRAITS):
            return "traits"
        case Blend():
            return "blend"
        case Pick() if first == "preference_waf":
            return "preference"
        case OneOf() if first == "sentiment_waf":
            return "sentiment"
        case OneOf(labels=labels) if labels == MER6:
            return "six"
        case OneOf() | Pick() | Record() | AnyOf():
            return "plain"
        case kind:
            raise ValueError(f"{task.name} has answers of kind {type(kind).__name__}: score its run by `omnimer eval`")


def heads_of(task: Task, family: Family) -> Heads:
    """What the official script of a task prints; of other tasks, their first metric."""
    return HEADS.get(task.name) or HEADS.get(family) or Heads(((task.metrics[0], task.metrics[0]),), *_PLAIN)


def official(family: Family, gold: Entries, pred: Entries, task: Task, wheels: Path | None) -> dict[str, float]:
    """The official numbers of a family as fractions; ValueError where the official script stops with an error.

    Empty for `plain`: no script is public for these.
    """
    match family:
        case "wheels":
            return _flat(ew_scores(gold, pred, task.wheels, wheels))
        case "hits":
            found = hit_rate(gold, pred, task.wheels or "mer2025", wheels)
            parts = {f"{name}_w{k}": found[f"w{k}"][name] for k in range(1, 6) for name in ("hitrate", "mscore")}
            return {"hitrate": found["hitrate"], "mscore": found["mscore"], **parts}
        case "six":
            return six_class_waf(gold, pred)
        case "sentiment":
            scores = sentiment(gold, pred)
            return {**scores, **{f"sentiment_{name}": value for name, value in scores.items()}}
        case "preference":
            rows = [str(value) for value in gold.values()], [str(pred[name]) for name in gold]
            two, three = preference(*rows), preference(*rows, classes=3)
            return {f"preference{k}_{name}": found[name] for k, found in (("", two), ("3", three)) for name in found}
        case "traits":
            table = trait_scores(gold, pred)
            means = table.pop("mean")
            return {
                **means,
                **{f"{name}_{trait}": value for trait, row in table.items() for name, value in row.items()},
            }
        case "blend":
            return _blends(gold, pred, task)
        case _:
            return {}


def _blends(gold: Entries, pred: Entries, task: Task) -> dict[str, float]:
    """`official_scores` where the names tell the gold; the same for gold from a file. Without a blend salience is 0."""
    if all(value is None for value in gold.values()):
        scores = official_scores({name: pred[name] for name in gold})
        return {name: scores[name] for name in ("blemore_score", "acc_presence", "acc_salience")}
    sums = np.zeros(4)
    for name, entry in gold.items():
        try:
            sums += blend_counts([_blend(name, entry)], [{"emotions": pred[name]}], task.answer)[0]
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    presence, salience = float(acc_presence(sums)), float(acc_salience(sums)) if sums[2] else 0.0
    return {"blemore_score": (presence + salience) / 2, "acc_presence": presence, "acc_salience": salience}


def _flat(scores: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of the wheel scorer under the names of the metrics table."""
    columns = {name.replace("level", "l"): row for name, row in scores.items() if isinstance(row, Mapping)}
    parts = {f"ew_{name}_{part}": row[part] for name, row in columns.items() for part in "fpr"}
    mean = (parts["ew_l1_f"] + parts["ew_l2_f"]) / 2
    return {"ew_mean_f": mean, "ew_m_avg": scores["m_avg12"], **parts}


def constants(family: Family, gold: Entries, task: Task, wheels: Path | None, metric: str) -> list[tuple[str, float]]:
    """What constant answers score on this gold set, as fractions of `metric`: the floor of any model."""
    if family == "wheels":
        return [(f"[{', '.join(labels)}]", value) for labels, value in constant_floor(gold, task.wheels, wheels)]
    return [
        (title, official(family, gold, dict.fromkeys(gold, value), task, wheels)[metric])
        for title, value in _constant_answers(family, gold)
    ]


def _constant_answers(family: Family, gold: Entries) -> list[tuple[str, Any]]:
    match family:
        case "hits":
            words = list(dict.fromkeys(filter(None, gold.values())))
            return [*((word, [word]) for word in words), (f"all {len(words)} labels", words)]
        case "six":
            return [(label, label) for label in MER6]
        case "sentiment":
            return [(label, label) for label in ("positive", "negative")]
        case "preference":
            return [(label, label) for label in ("a1", "a2")]
        case "traits":
            means = {name: sum(row[name] for row in gold.values()) / len(gold) for name in TRAITS}
            return [("the mean of the gold", means)]
        case "blend":
            values = [_blend(name, entry) for name, entry in gold.items()]
            return [(title, value["emotions"]) for title, value in trivial(values)]
        case _:
            return []


def as_task(task: Task, family: Family, gold: Entries, pred: Entries) -> Task:
    """The task with the kind that its official script has: predictions may lie outside of the scale of a task."""
    if family in ("wheels", "hits"):
        return replace(task, answer=AnyOf())
    if family == "traits":
        numbers = [number for side in (gold, pred) for row in side.values() if row for number in row.values()]
        return replace(task, answer=Dims(tuple(TRAITS), min(0.0, *numbers), max(1.0, *numbers)))
    return task


def _blend(name: str, entry: Any) -> Mapping[str, Any]:
    """The gold of a clip: as it is given, else as the name tells it."""
    return clip_name(name).value if entry is None else {"emotions": entry}


_VALUE_KEYS = {"six": "label", "preference": "choice", "blend": "emotions"}


def value_of(family: Family, name: str, entry: Any, *, gold: bool) -> Mapping[str, Any] | None:
    """An entry in the shape of an answer; None for no answer."""
    match family:
        case "wheels" | "hits":
            return {"labels": read_labels(entry, f"the entry of {name}")}
        case "blend" if gold:
            return _blend(name, entry)
        case "sentiment" if gold:
            return {"label": "neutral" if entry == 0 else "positive" if entry > 0 else "negative"}
        case "sentiment" if entry is not None:
            return {"label": "positive" if entry == "positive" else "neutral"}
        case _ if entry is None:
            return None
        case _:
            return {_VALUE_KEYS[family]: entry} if family in _VALUE_KEYS else dict(entry)
