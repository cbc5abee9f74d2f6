"""The tables that the report of a task of blends has beside its scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from statistics import mean, stdev

from eval.answers import NEVER_ASKED, Answer
from eval.blends.stated import stated_values
from eval.blends.tables import SHOWN, breakdown, trivial
from eval.blends.thresholds import Distribution, cross_fitted, distributions_of, search
from eval.bootstrap import RESAMPLES
from eval.layouts import NOTHING, Layout
from eval.metrics.metric import Value
from eval.metrics.table import METRICS
from eval.report import number, with_interval
from eval.scores import score
from infer.engine import Reply
from tasks.blemore import LABELS
from tasks.task import Blend, Sample, Task

Way = tuple[str, Sequence[Value | None]]


def sections(
    task: Task,
    samples: Sequence[Sample],
    answers: Sequence[Answer],
    replies: Mapping[str, Reply],
    *,
    count: int = RESAMPLES,
    seed: int = 0,
) -> list[Layout]:
    """Three tables: the scores as answered, with shares as they were stated, decoded from label probabilities by fitted
    thresholds, and of trivial answers; then the breakdown by emotion and blend, and by blend and ratio.

    `answers` are in the order of `samples`; `replies`: sample id -> reply. Intervals are over `count` seeded resamples.
    Empty for tasks that are no blends, and where no sample has gold.
    """
    pairs = [(sample, answer) for sample, answer in zip(samples, answers, strict=True) if sample.gold is not None]
    kind = task.answer
    if not isinstance(kind, Blend) or not pairs:
        return []
    kept, told = [sample for sample, _ in pairs], [answer for _, answer in pairs]
    gold = [sample.gold for sample in kept if sample.gold is not None]
    values = [answer.value for answer in told]
    ways: list[Way] = [("as answered", values), ("shares as stated, not snapped", stated_values(told, replies, kind))]
    notes: list[str] = []
    spreads = distributions_of(replies.values())
    if spreads and kind.labels == LABELS:
        ordered = [spreads.get(sample.id) for sample in kept]
        decoded, notes = _decoded(gold, ordered, [sample.meta.get("fold") for sample in kept])
        ways += decoded
    ways += [(title, [value] * len(gold)) for title, value in trivial(gold)]
    whole = dataclasses.replace(task, slices=(), metrics=SHOWN)
    rows = []
    for title, given in ways:
        scored = score(whole, kept, _answers(kept, given), count, seed).rows
        rows.append([title, *map(with_interval, scored)])
    head = ["", *(METRICS[name].title for name in SHOWN)]
    return [Layout("Ways of decoding", head, rows, notes), *_parts(gold, values, kind)]


def _answers(samples: Sequence[Sample], values: Sequence[Value | None]) -> list[Answer]:
    return [
        Answer(sample.id, error=NEVER_ASKED) if value is None else Answer(sample.id, value)
        for sample, value in zip(samples, values, strict=True)
    ]


def _decoded(
    gold: Sequence[Value], spreads: Sequence[Distribution | None], folds: Sequence[Hashable]
) -> tuple[list[Way], list[str]]:
    """The cross-validated answers of a run that has label probabilities, where it has folds, and what has to be known
    of them."""
    names = sorted(set(folds), key=str)
    if None in names:
        return [], ["Label probabilities were not decoded by thresholds: the samples have no folds."]
    if len(names) < 2:
        return [], [_on_itself(gold, spreads, folds)]
    fitted = cross_fitted(gold, spreads, folds)
    used = [f"{fitted.thresholds[name].alpha:.3f} and {fitted.thresholds[name].beta:.3f}" for name in names]
    shown = "; ".join(f"fold {name} {pair}" for name, pair in zip(names, used, strict=True))
    return [("label probabilities, thresholds from the other folds", fitted.values)], [
        f"Thresholds alpha (an emotion is named) and beta (shares are equal), fitted on the other folds: {shown}.",
        _on_itself(gold, spreads, folds),
    ]


def _on_itself(gold: Sequence[Value], spreads: Sequence[Distribution | None], folds: Sequence[Hashable]) -> str:
    """The scores in the manner of the published baselines: each fold with the thresholds that suit it best."""
    found = []
    for name in dict.fromkeys(folds):
        own = [place for place, fold in enumerate(folds) if fold == name]
        tried = search([gold[place] for place in own], [spreads[place] for place in own])
        found.append((float(tried.presence[tried.place]), float(tried.salience[tried.place])))
    spans = [
        f"{METRICS[metric].title} {mean(column):.3f}" + (f" ± {stdev(column):.3f}" if len(column) > 1 else "")
        for metric, column in zip(SHOWN[1:], zip(*found, strict=True), strict=True)
    ]
    return (
        f"Thresholds fitted on each fold itself, as the published baselines do it (optimistic): {', '.join(spans)} "
        f"(mean{' and standard deviation' if len(found) > 1 else ''} over {len(found)} fold{'s' * (len(found) > 1)})."
    )


def _parts(gold: Sequence[Value], values: Sequence[Value | None], kind: Blend) -> list[Layout]:
    """Emotions and blends; blends by ratio."""
    whole: list[list[str]] = []
    by_ratio: list[list[str]] = []
    for part in breakdown(gold, values, kind):
        taken = f"{part.taken_for} ({part.times})" if part.times else NOTHING
        cells = [f"{part.n:,}", number(part.presence), number(part.salience), taken]
        if part.ratio:
            by_ratio.append([f"{part.emotions} {part.ratio}", *cells])
        else:
            whole.append([part.emotions, *cells])
    head = ["expressed", "n", "presence", "salience", "most often taken for"]
    parts = [Layout("By emotion and blend", head, whole, [])]
    return [*parts, Layout("By blend and ratio", head, by_ratio, [])] if by_ratio else parts
