"""The train/test split of the static EmoS part. The release publishes none; this one is the project's own.

One fifth of the rows, whole groups (a CH-SIMS v2 video, a MELD dialogue) on one side, label and tier shares alike.
Only SHA-256 and whole numbers decide, so every Python and every machine finds the same split.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple

SEED = "emos-static-1"
SHARE = 5  # the test set is one part in SHARE


class Item(NamedTuple):
    """What the split sees of a row: its id, its group and the strata it counts in."""

    id: str
    group: str
    strata: tuple[str, ...]


def digest(ids: Iterable[str]) -> str:
    """SHA-256 (64 hex digits) of the ids, sorted and joined by newlines."""
    return sha256("\n".join(sorted(ids)).encode()).hexdigest()


def pick_test(items: Sequence[Item], seed: str = SEED) -> frozenset[str]:
    """The ids of the test set: about len(items) / SHARE of them, no group divided.

    Starts with an empty test set and walks the groups in the order of the SHA-256 of `seed/group`, again and again. A
    group changes sides when that brings the test counts nearer to a fifth of all, measured by the sum over strata of
    (all - SHARE * test)^2 / all in whole numbers; the walk ends when no group changes. On the first walk the first
    groups join freely, so the seed decides; later ones fill the gaps.
    """
    totals = Counter(stratum for item in items for stratum in item.strata)
    # Dividing once keeps the sum whole: no rounding of a Python version can turn a tie.
    weights = {stratum: 10**9 // total for stratum, total in totals.items()}
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for item in items:
        counts[item.group].update(item.strata)
    order = sorted(counts, key=lambda name: sha256(f"{seed}/{name}".encode()).hexdigest())
    missing = dict(totals)  # stratum -> all - SHARE * test
    chosen: set[str] = set()
    changed = True
    while changed:
        changed = False
        for group in order:
            step = -SHARE if group in chosen else SHARE
            gain = sum(
                weights[stratum] * (missing[stratum] ** 2 - (missing[stratum] - step * count) ** 2)
                for stratum, count in counts[group].items()
            )
            if gain > 0:  # strictly, so the sum falls with every change and the walk ends
                changed = True
                chosen ^= {group}
                for stratum, count in counts[group].items():
                    missing[stratum] -= step * count
    return frozenset(item.id for item in items if item.group in chosen)
