"""Agreement of annotators: Cohen, Fleiss, Krippendorff, overlap of label sets. Pure functions over arrays.

`votes` is int64 [items, annotators], MISSING where not annotated; `chosen` is bool [items, annotators, labels] and
`rated` bool [items, annotators], as in Ratings. NaN means undefined, never zero.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from eval.annotators.ratings import MISSING, Codes, Flags

Floats = NDArray[np.float64]
Distance = Callable[[Floats, Floats, Floats], Floats]
BLOCK = 4_000_000  # cells of a table of distances that are held at a time


def cohen_kappa(first: Codes, second: Codes, labels: int) -> float:
    """Cohen's kappa of two annotators, (p_o - p_e) / (1 - p_e), over the items [items] that both annotated.

    p_o is the share of equal votes, p_e = sum_k p1_k p2_k. In [-1, 1]; 1 is perfect, 0 what chance gives. NaN where
    no item is shared or both use one and the same label throughout (p_e = 1).
    Equals sklearn.metrics.cohen_kappa_score. Source: Cohen, Educational and Psychological Measurement 20 (1960).
    """
    both = (first != MISSING) & (second != MISSING)
    table = np.zeros((labels, labels))
    np.add.at(table, (first[both], second[both]), 1.0)
    n = table.sum()
    if not n:
        return float("nan")
    chance = float(table.sum(1) @ table.sum(0)) / n**2
    return _beyond_chance(float(np.trace(table)) / n, chance)


def fleiss_kappa(votes: Codes, labels: int) -> float:
    """Fleiss' kappa, (P - P_e) / (1 - P_e), over the items that all annotators annotated.

    P is the mean over items of sum_k n_ik (n_ik - 1) / (n (n - 1)) with n annotators, P_e = sum_k p_k^2 with the
    share p_k of label k in all votes. In [-1 / (n - 1), 1]. NaN for fewer than two annotators, no such item, and a
    single label in all votes. Source: Fleiss, Psychological Bulletin 76 (1971).
    """
    whole = votes[(votes != MISSING).all(1)]
    items, raters = whole.shape
    if raters < 2 or not items:
        return float("nan")
    counts = np.stack([(whole == label).sum(1) for label in range(labels)], axis=1).astype(float)
    share = counts.sum(0) / (items * raters)
    same = float((counts * (counts - 1)).sum()) / (items * raters * (raters - 1))
    return _beyond_chance(same, float(share @ share))


def _beyond_chance(observed: float, chance: float) -> float:
    return float("nan") if chance >= 1 - 1e-12 else (observed - chance) / (1 - chance)


def nominal_distance(shared: Floats, first: Floats, second: Floats) -> Floats:
    """0 for equal sets, else 1, from the sizes |A & B|, |A|, |B|."""
    far: Floats = np.where((shared == first) & (shared == second), 0.0, 1.0)
    return far


def jaccard_distance(shared: Floats, first: Floats, second: Floats) -> Floats:
    """1 - |A & B| / |A | B|, from the sizes |A & B|, |A|, |B|; 0 for two empty sets."""
    union = first + second - shared
    return 1.0 - np.divide(shared, union, out=np.ones_like(union), where=union > 0)


def masi_distance(shared: Floats, first: Floats, second: Floats) -> Floats:
    """1 - J M from the sizes |A & B|, |A|, |B|: J the Jaccard index, M = 1 for equal sets, 2/3 where one holds the
    other, 1/3 for other overlap, 0 for none. Two empty sets are equal; an empty and another have none in common.

    Source: Passonneau, Measuring agreement on set-valued items (MASI), LREC 2006. NLTK rounds M to .67 and .33.
    """
    equal = (shared == first) & (shared == second)
    within = (shared == first) | (shared == second)
    monotony = np.where(equal, 1.0, np.where(shared == 0, 0.0, np.where(within, 2 / 3, 1 / 3)))
    far: Floats = 1.0 - (1.0 - jaccard_distance(shared, first, second)) * monotony
    return far


DISTANCES: dict[str, Distance] = {
    "nominal": nominal_distance,
    "jaccard": jaccard_distance,
    "masi": masi_distance,
}


def krippendorff_alpha(chosen: Flags, rated: Flags, distance: Distance) -> float:
    """Krippendorff's alpha, 1 - D_o / D_e, of label sets under a distance in [0, 1]; missing cells are allowed.

    Over the items with m_u >= 2 annotators, n = sum m_u cells:
    D_o = 1/n sum_u 1/(m_u - 1) sum over ordered pairs of cells of u of d; D_e = 1/(n (n - 1)) sum over ordered pairs
    of all cells of d. The distance enters as it is, not squared (as in Passonneau 2006). At most 1; 0 is what chance
    gives. NaN where no item has two annotators, and where all cells are equal (D_e = 0).
    Equals krippendorff.alpha (nominal) and nltk.metrics.agreement.AnnotationTask.alpha.
    Source: Krippendorff, Computing Krippendorff's alpha-reliability (2011).
    """
    paired = rated.sum(1) >= 2
    chosen, rated = chosen[paired], rated[paired]
    n = int(rated.sum())
    if not n:
        return float("nan")
    observed = 0.0
    weight = 1.0 / (rated.sum(1) - 1)
    for a, b in combinations(range(rated.shape[1]), 2):
        both = rated[:, a] & rated[:, b]
        observed += 2 * float(_pairwise(chosen[both, a], chosen[both, b], distance) @ weight[both])
    expected = _all_pairs(chosen[rated], distance) / (n - 1)
    return float("nan") if expected <= 0 else 1.0 - observed / expected


def _pairwise(first: Flags, second: Flags, distance: Distance) -> Floats:
    shared = (first & second).sum(-1).astype(float)
    return distance(shared, first.sum(-1).astype(float), second.sum(-1).astype(float))


def _all_pairs(cells: Flags, distance: Distance) -> float:
    """Sum of the distances of all ordered pairs of cells [cells, labels], computed once per distinct set."""
    packed, first, counts = np.unique(np.packbits(cells, axis=1), axis=0, return_index=True, return_counts=True)
    sets = cells[first].astype(np.float64)
    sizes, step = sets.sum(1), max(1, BLOCK // max(len(packed), 1))
    total = 0.0
    for start in range(0, len(sets), step):
        part = slice(start, start + step)
        far = distance(sets[part] @ sets.T, sizes[part, None] + 0 * sizes, 0 * sizes[part, None] + sizes)
        total += float(counts[part] @ far @ counts)
    return total


def jaccard(first: Flags, second: Flags) -> float:
    """Mean over items of |A & B| / |A | B| of two annotators' sets, bool [items, labels]; two empty sets count 1.

    In [0, 1]; NaN for no item.
    """
    return float(1 - _pairwise(first, second, jaccard_distance).mean()) if len(first) else float("nan")


def exact_match(chosen: Flags) -> float:
    """Share of the items whose sets, bool [items, annotators, labels], are all equal, empty ones too. NaN for none."""
    return float((chosen == chosen[:, :1]).all((1, 2)).mean()) if len(chosen) else float("nan")


def cardinality(chosen: Flags) -> float:
    """Mean number of labels in sets, bool [..., labels]; NaN for none."""
    sizes = chosen.sum(-1)
    return float(sizes.mean()) if sizes.size else float("nan")


def union(chosen: Flags) -> Flags:
    """Whether anyone gave the label, bool [items, labels], of sets bool [items, annotators, labels]."""
    found: Flags = np.logical_or.reduce(chosen, axis=1)
    return found


def union_sizes(chosen: Flags) -> Codes:
    """How many different labels each item got from anyone, int64 [items], of sets bool [items, annotators, labels]."""
    sizes: Codes = union(chosen).sum(-1)
    return sizes
