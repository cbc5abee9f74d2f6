"""Trivial baselines of a gold set, and scores by blend and ratio with what each is most often taken for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.metrics.blend import acc_presence, acc_salience, blend_counts
from eval.metrics.metric import Value
from tasks.task import Blend

NO_ANSWER = "no answer"
# The metrics that tables show, the headline first.
SHOWN = ("blemore_score", "acc_presence", "acc_salience")


def named(value: Value) -> str:
    """The emotions of a value in the order of the alphabet, which is BLEMORE's: `ang+hap`, `sad`."""
    return "+".join(sorted({str(entry["emotion"]) for entry in value["emotions"]}))


def ratio_of(value: Value) -> str:
    """The shares of a blend in the order of `named`, `70/30`; "" for a single emotion."""
    entries = sorted(value["emotions"], key=lambda entry: str(entry["emotion"]))
    return "/".join(f"{entry['salience']:g}" for entry in entries) if len(entries) > 1 else ""


def said(value: Value | None) -> str:
    """A value as a cell of a table: `sad`, `ang+hap 70/30`, `no answer`."""
    return NO_ANSWER if value is None else f"{named(value)} {ratio_of(value)}".strip()


def trivial(gold: Sequence[Value]) -> list[tuple[str, Value]]:
    """The two answers that a challenge is to be compared with, given to every clip, with their titles: the most
    frequent single emotion, and the most frequent pair at its most frequent ratio. Ties go to the ratio that occurs
    more often, then to the first in the alphabet. One is missing where no gold is of its kind.
    """
    found: list[tuple[str, Value]] = []
    for size, title in ((1, "most frequent emotion"), (2, "most frequent blend")):
        own = [value for value in gold if len(value["emotions"]) == size]
        if own:
            pairs, exact = Counter(map(named, own)), Counter(map(said, own))
            best = min(own, key=lambda value: (-pairs[named(value)], -exact[said(value)], said(value)))
            found.append((f"always {said(best)} ({title})", best))
    return found


@dataclass(frozen=True, slots=True)
class Part:
    """The clips of one emotion or blend (`ratio` "": at any ratio). `salience` is NaN for a single emotion. `taken_for`
    is the wrong answer that was given most often, and `times` how often; "" and 0 where all are right. Of a blend at
    any ratio only the emotions of answers are looked at."""

    emotions: str
    ratio: str
    n: int
    presence: float
    salience: float
    taken_for: str
    times: int


def breakdown(gold: Sequence[Value], answers: Sequence[Value | None], kind: Blend) -> list[Part]:
    """Singles, then blends, in label order; behind each blend its ratios, 30/70 first. Together the parts without a
    ratio are all clips, and so are the singles and the parts with one."""
    rows = list(zip(gold, answers, strict=True))
    places = {label: place for place, label in enumerate(kind.labels)}
    keys = {(named(value), ratio) for value in gold for ratio in ("", ratio_of(value))}

    def order(key: tuple[str, str]) -> tuple[int, list[int], str]:
        names = key[0].split("+")
        return len(names), [places[name] for name in names], key[1]

    return [
        _part(
            name,
            ratio,
            kind,
            [row for row in rows if named(row[0]) == name and (not ratio or ratio_of(row[0]) == ratio)],
        )
        for name, ratio in sorted(keys, key=order)
    ]


def _part(name: str, ratio: str, kind: Blend, rows: Sequence[tuple[Value, Value | None]]) -> Part:
    sums = blend_counts([value for value, _ in rows], [told for _, told in rows], kind).sum(0)
    told = [said(answer) if ratio or answer is None else named(answer) for _, answer in rows]
    wrong = Counter(text for text in told if text != f"{name} {ratio}".strip())
    taken, times = min(wrong.items(), key=lambda item: (-item[1], item[0]), default=("", 0))
    presence, salience = (float(value(np.asarray(sums))) for value in (acc_presence, acc_salience))
    return Part(name, ratio, len(rows), presence, salience, taken, times)
