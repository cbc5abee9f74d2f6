"""How fast scores and intervals are: python scripts/bench_scores.py [--samples 10000] [--groups 1000]

Prints the seconds of 10,000 resamples of three metrics over seven classes; of the same by a plain loop over
scikit-learn, measured on a few resamples; and of scoring 20,000 samples with every metric and slice of EmoS.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # runs from anywhere, installed or not

from eval.answers import Answer
from eval.bootstrap import RESAMPLES, group_codes, interval, weights
from eval.metrics.classification import confusions
from eval.metrics.sums import gather, weighted
from eval.metrics.table import METRICS
from eval.scores import score
from tasks.emos import BASIC7, COMPACT
from tasks.labels import label_space
from tasks.task import OneOf, Sample, Task

NAMES = ("macro_f1", "accuracy", "weighted_f1")
LABELS = label_space("basic7").labels
LOOPED = 10


def main() -> None:
    """Runs the three measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--groups", type=int, default=1_000)
    sizes = parser.parse_args()
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 7, sizes.samples)
    told = np.where(rng.random(sizes.samples) < 0.6, gold, rng.integers(0, 8, sizes.samples))  # 7: no answer
    groups = rng.integers(0, sizes.groups, sizes.samples)
    print(f"{sizes.samples:,} samples, {sizes.groups:,} groups, 7 classes, {len(NAMES)} metrics")
    ours = timed(lambda: by_weights(gold, told, groups))
    print(f"  {RESAMPLES:,} resamples: {ours[0]:.2f} s")
    loop = timed(lambda: by_loop(gold, told, groups, LOOPED))
    each = loop[0] / LOOPED
    print(f"  a loop over scikit-learn: {each:.3f} s a resample, {each * RESAMPLES:,.0f} s for {RESAMPLES:,}")
    print(f"  ratio: {each * RESAMPLES / ours[0]:,.0f}")
    for task in (BASIC7, COMPACT):
        samples, answers = run_of(task, 20_000, rng)
        seconds, scores = timed(partial(score, task, samples, answers))
        kinds = f"{len(scores.details)} slices, {len({row.metric for row in scores.rows})} metrics"
        print(f"{task.name}, 20,000 samples, {kinds}, {RESAMPLES:,} resamples: {seconds:.1f} s")


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and the result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def by_weights(gold: np.ndarray[Any, Any], told: np.ndarray[Any, Any], groups: np.ndarray[Any, Any]) -> list[Any]:
    """Intervals from labels, as `omnimer eval` computes them."""
    names = (*LABELS, None)
    codes, count = group_codes([str(group) for group in groups])
    kind = OneOf(LABELS)
    answers = [None if label == 7 else {"label": names[label]} for label in told]
    statistics = confusions([{"label": LABELS[label]} for label in gold], answers, kind)
    gathered = gather(statistics, codes, count)
    found: dict[str, list[Any]] = {name: [] for name in NAMES}
    for block in weights(count):
        sums = weighted(gathered, block)
        for name in NAMES:
            found[name].append(METRICS[name].scores(gathered, sums))
    return [interval(np.concatenate(found[name])) for name in NAMES]


def by_loop(
    gold: np.ndarray[Any, Any], told: np.ndarray[Any, Any], groups: np.ndarray[Any, Any], count: int
) -> list[tuple[float, ...]]:
    """The same, resample by resample."""
    from sklearn.metrics import accuracy_score, f1_score

    rng = np.random.default_rng(0)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    scores = []
    for _ in range(count):
        chosen = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        pair = gold[chosen], told[chosen]
        f1 = [f1_score(*pair, labels=range(7), average=mean, zero_division=0) for mean in ("macro", "weighted")]
        scores.append((accuracy_score(*pair), *f1))
    return scores


def run_of(task: Task, count: int, rng: np.random.Generator) -> tuple[list[Sample], list[Answer]]:
    """Samples and answers in the shape of EmoS: two languages, three tiers, ten clips a group, confidences in 0.05."""
    labels = label_space("goemotions28").labels
    samples, answers = [], []
    for i in range(count):
        emotion = LABELS[rng.integers(7)]
        fine = [
            {"label": labels[j], "confidence": k / 3} for j, k in zip(rng.permutation(28)[:3], (3, 1, 1), strict=True)
        ]
        told = [{"label": labels[j], "confidence": rng.integers(8, 20) / 20} for j in rng.permutation(28)[:4]]
        language = ("zh", "en")[i % 2]
        meta = {"group": f"g{i // 10}", "tier": ("high", "high", "medium", "low")[rng.integers(4)], "source": language}
        key = "label" if task is BASIC7 else "emotion"
        samples.append(Sample(f"s{i}", {key: emotion, "goemotions": fine}, language=language, meta=meta))
        answer = {key: emotion if rng.random() < 0.6 else LABELS[rng.integers(7)], "goemotions": told}
        answers.append(Answer(f"s{i}", {**answer, "confidence": rng.integers(10, 21) / 20}, "schema"))
    return samples, answers


if __name__ == "__main__":
    main()
