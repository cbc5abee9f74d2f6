"""How fast the emotion wheel score is: python scripts/bench_wheels.py [--wheels DIR] [--clips 20000]

Scores random lists of words of the wheel tables on five wheels and two levels, both by `omnimer` and by sets and
dictionaries, clip by clip, which is the definition written out. Prints the seconds of both, the largest difference and
the ratio; the tables are loaded before the clocks start.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # runs from anywhere, installed or not

from eval.metrics.metric import Options
from eval.metrics.wheelscores import column_scores, ew_counts
from eval.wheels.editions import EDITIONS, FORMAT, SYNONYM, WHEELS
from eval.wheels.places import find_tables
from eval.wheels.wordmap import COLUMNS, load_words, read_forms, read_synonyms, read_wheel
from tasks.task import AnyOf

Scores = dict[str, tuple[float, ...]]
Lists = Sequence[Sequence[str]]
ROUNDS = 3


def main() -> None:
    """Runs both and prints what they took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=Path, help="folder of the tables (default: as omnimer finds them)")
    parser.add_argument("--clips", type=int, default=20_000)
    parser.add_argument("--edition", choices=list(EDITIONS), default="mer2025")
    args = parser.parse_args()
    folder, _ = find_tables(EDITIONS[args.edition], args.wheels)
    start = time.perf_counter()
    words = load_words(args.edition, args.wheels)
    print(f"{args.edition}: {len(words.known):,} words loaded in {1000 * (time.perf_counter() - start):.0f} ms")
    vocabulary = [*words.known, *(f"unknown{number}" for number in range(300))]
    draw = random.Random(0)  # noqa: S311 - test data
    gold, told = ([draw.choices(vocabulary, k=draw.randint(low, 8)) for _ in range(args.clips)] for low in (1, 0))
    options = Options(wheels=args.edition, wheel_folder=args.wheels)
    values = [{"labels": labels} for labels in gold], [{"labels": labels} for labels in told]

    def by_omnimer() -> Scores:
        sums = ew_counts(*values, AnyOf(), options).sum(0)
        return {column: tuple(row) for column, row in zip(COLUMNS, column_scores(sums).tolist(), strict=True)}

    forms, synonyms = read_forms(folder / FORMAT), read_synonyms(folder / SYNONYM)
    rings = {
        f"w{number}_l{level}": ring
        for number, name in enumerate(WHEELS, 1)
        for level, ring in enumerate(read_wheel(folder / name), 1)
    }
    seconds, ours = fastest(by_omnimer)
    loop, plain = fastest(lambda: {name: by_sets(gold, told, forms, synonyms, ring) for name, ring in rings.items()})
    gap = max(float(np.abs(np.subtract(ours[column], plain[column])).max()) for column in rings)
    print(f"{args.clips:,} clips, 5 wheels, 2 levels (and the 2 groupings without a wheel): {seconds:.2f} s")
    print(f"sets and dictionaries, the 10 groupings alone: {loop:.2f} s; largest difference {gap:.1e}")
    print(f"ratio: {loop / seconds:.1f} (each the fastest of {ROUNDS} rounds)")


def fastest(work: Callable[[], Scores]) -> tuple[float, Scores]:
    """Seconds of the fastest of a few rounds, and the result."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        found = work()
        times.append(time.perf_counter() - start)
    return min(times), found


def by_sets(
    gold: Lists,
    told: Lists,
    forms: Mapping[str, set[str]],
    synonyms: Mapping[str, set[str]],
    ring: Mapping[str, str],
) -> tuple[float, float, float]:
    """Precision, recall and F of one wheel and level, clip by clip."""

    def clusters(labels: Sequence[str]) -> set[str]:
        found = set()
        for label in labels:
            bases = forms.get(label.lower().strip(), ())
            candidates = sorted({word for base in bases for word in synonyms.get(base, ())})
            cluster = next((ring[word] for word in candidates if word in ring), None)
            if cluster is not None:
                found.add(cluster)
        return found

    precision, recall = [], []
    for one, other in zip(gold, told, strict=True):
        wanted, given = clusters(one), clusters(other)
        if wanted:
            hits = len(wanted & given)
            precision.append(hits / len(given) if given else 0.0)
            recall.append(hits / len(wanted))
    p, r = float(np.mean(precision)), float(np.mean(recall))
    return p, r, 2 * p * r / (p + r)


if __name__ == "__main__":
    main()
