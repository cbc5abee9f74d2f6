"""From a distribution over the six emotions to one emotion or a blend: two thresholds, and how they are fitted.

The rule is that of the BLEMORE baselines (blemore-common@98e6236): of the two largest probabilities those from alpha on
stay. One left, or neutral among them, is one emotion; else the shares are 50/50 where they differ by at most beta, and
70/30 in favour of the larger. The grid search is theirs too: alpha and beta in 20 steps from .05 to .95, the first best
mean of presence and salience in the order of alpha, then beta. The baselines fit on the very clips that they report;
`cross_fitted` fits the thresholds of a fold on the other folds.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.answers import Answer
from eval.metrics.metric import Value
from infer.engine import Reply
from tasks.blemore import LABELS, NEUTRAL

Array = NDArray[np.float64]
Distribution = Mapping[str, float]
STEPS: Array = np.linspace(0.05, 0.95, 20)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """`alpha`: least probability of an emotion that is named; `beta`: largest difference of two that are equal shares;
    `score`: mean of presence and salience on the clips that they were fitted on (NaN where they were not fitted)."""

    alpha: float
    beta: float
    score: float = math.nan

    def __post_init__(self) -> None:
        for name, value in (("alpha", self.alpha), ("beta", self.beta)):
            if not 0 < value <= 1:
                raise ValueError(f"{name} is {value}; legal is a number above 0 up to 1")


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """Presence and salience at every pair of STEPS, [alpha, beta] each."""

    presence: Array
    salience: Array

    @property
    def place(self) -> tuple[int, int]:
        """Where the mean of both is best, the first one in the order of alpha, then beta."""
        alpha, beta = divmod(int(np.argmax(0.5 * self.presence + 0.5 * self.salience)), len(STEPS))
        return alpha, beta

    @property
    def best(self) -> Thresholds:
        """The thresholds there."""
        alpha, beta = self.place
        score = (self.presence[alpha, beta] + self.salience[alpha, beta]) / 2
        return Thresholds(float(STEPS[alpha]), float(STEPS[beta]), float(score))


def check_distribution(distribution: Distribution) -> list[float]:
    """The probabilities in label order, 0 for a label that is not given; ValueError for another label or a number
    below 0. They need not add up to 1."""
    unknown = [label for label in distribution if label not in LABELS]
    if unknown:
        raise ValueError(f"a distribution names {unknown[0]!r}; legal are {', '.join(LABELS)}")
    found = [float(distribution.get(label, 0.0)) for label in LABELS]
    if not all(math.isfinite(share) and share >= 0 for share in found):
        raise ValueError(f"a distribution holds {found}; numbers from 0 on were expected")
    return found


def top_two(distribution: Distribution) -> dict[str, float]:
    """The distribution with all but its two largest probabilities set to 0; of equal ones the first label stays."""
    found = dict(zip(LABELS, check_distribution(distribution), strict=True))
    kept = sorted(LABELS, key=lambda label: -found[label])[:2]
    return {label: found[label] if label in kept else 0.0 for label in LABELS}


def post_process(distribution: Distribution, thresholds: Thresholds) -> dict[str, list[dict[str, str | int]]]:
    """The official rule for a distribution of which at most two probabilities are left; `decode` sees to that.

    Raises ValueError where more than two reach alpha: the official script stops there, too.
    """
    found = dict(zip(LABELS, check_distribution(distribution), strict=True))
    top = max(LABELS, key=found.__getitem__)  # the first of equal ones
    left = [label for label in LABELS if found[label] >= thresholds.alpha]
    if len(left) <= 1:
        return _value({top: 100})
    if NEUTRAL in left:
        return _value({left[0] if found[left[0]] >= found[NEUTRAL] else NEUTRAL: 100})
    if len(left) > 2:
        raise ValueError(
            f"{', '.join(left)} reach alpha = {thresholds.alpha:g}, and a blend has two emotions; "
            "keep the two largest probabilities first (top_two)"
        )
    one, other = left
    if abs(found[one] - found[other]) <= thresholds.beta:
        return _value({one: 50, other: 50})
    return _value({one: 70, other: 30} if found[one] > found[other] else {one: 30, other: 70})


def decode(distribution: Distribution, thresholds: Thresholds) -> dict[str, list[dict[str, str | int]]]:
    """The answer that a distribution stands for, in the shape of the task's answers."""
    return post_process(top_two(distribution), thresholds)


def _value(shares: Mapping[str, int]) -> dict[str, list[dict[str, str | int]]]:
    return {"emotions": [{"emotion": label, "salience": share} for label, share in shares.items()]}


def search(gold: Sequence[Value], distributions: Sequence[Distribution | None]) -> Search:
    """Presence and salience (0 where no gold is a blend) of `decode` at every pair of STEPS, all at once.

    A distribution that is None (no answer) is wrong at every pair. Raises ValueError for no clips.
    """
    if not gold:
        raise ValueError("thresholds cannot be fitted on no clip")
    rows = np.array([[0.0] * len(LABELS) if d is None else check_distribution(d) for d in distributions])
    answered = np.array([d is not None for d in distributions])
    order = np.argsort(-rows, axis=1, kind="stable")
    first, second = order[:, 0], order[:, 1]
    high, low = (np.take_along_axis(rows, place[:, None], 1)[:, 0] for place in (first, second))
    neutral = LABELS.index(NEUTRAL)
    pair = ((first != neutral) & (second != neutral))[:, None] & (low[:, None] >= STEPS)  # [clips, alpha]
    equal = np.abs(high - low)[:, None] <= STEPS  # [clips, beta]

    shares = np.array([_shares(value) for value in gold])  # percent, [clips, labels]
    blends = (shares > 0).sum(1) == 2
    of_first, of_second = (np.take_along_axis(shares, place[:, None], 1)[:, 0] for place in (first, second))
    single_right = answered & ~blends & (of_first > 0)
    pair_right = answered & blends & (of_first > 0) & (of_second > 0)
    shares_right = np.where(equal, (pair_right & (of_first == 50))[:, None], (pair_right & (of_first == 70))[:, None])
    presence = np.where(pair, pair_right[:, None], single_right[:, None]).sum(0) / len(gold)
    salience = pair.T.astype(np.float64) @ shares_right.astype(np.float64) / max(int(blends.sum()), 1)
    return Search(np.repeat(presence[:, None], len(STEPS), 1), salience)


def _shares(value: Value) -> list[int]:
    given = {entry["emotion"]: entry["salience"] for entry in value["emotions"]}
    return [given.get(label, 0) for label in LABELS]


def fit(gold: Sequence[Value], distributions: Sequence[Distribution | None]) -> Thresholds:
    """The thresholds with the best mean of presence and salience on these clips, the first ones in the order of alpha,
    then beta. For the test set: fit on a run over all of train."""
    return search(gold, distributions).best


@dataclass(frozen=True, slots=True)
class CrossFit:
    """Answers in the order of the clips, None where there is no distribution, and the thresholds used in each fold."""

    values: list[Value | None]
    thresholds: dict[Hashable, Thresholds]


def cross_fitted(
    gold: Sequence[Value], distributions: Sequence[Distribution | None], folds: Sequence[Hashable]
) -> CrossFit:
    """Decodes each fold with thresholds fitted on the other folds. Raises ValueError where there are no two folds."""
    names = list(dict.fromkeys(folds))
    if len(names) < 2 or None in names:
        raise ValueError(
            f"folds are {', '.join(map(str, names)) or 'none'}: thresholds are fitted on the other folds, so at least "
            "two are needed; run over --split train, or fit on another run"
        )
    rows = list(zip(gold, distributions, folds, strict=True))
    thresholds = {}
    for name in names:
        others = [(value, spread) for value, spread, fold in rows if fold != name]
        thresholds[name] = fit([value for value, _ in others], [spread for _, spread in others])
    values = [None if spread is None else decode(spread, thresholds[fold]) for _, spread, fold in rows]
    return CrossFit(list(values), thresholds)


def distributions_of(replies: Iterable[Reply]) -> dict[str, Distribution]:
    """Sample id -> label -> probability, of the replies that were decoded by label; of several to one sample the last
    counts."""
    return {
        reply.id: {label: math.exp(value) for label, value in reply.label_logprobs.items()}
        for reply in replies
        if reply.label_logprobs is not None
    }


def vote(values: Iterable[Value | None]) -> Distribution | None:
    """The mean shares (0 to 1) in several answers to one clip, a label -> share over the answers that are there; None
    where there is none. Sampled runs become a distribution by it."""
    told = [_shares(value) for value in values if value is not None]
    if not told:
        return None
    return {label: sum(column) / 100 / len(told) for label, column in zip(LABELS, zip(*told, strict=True), strict=True)}


def votes_of(runs: Sequence[Sequence[Answer]]) -> dict[str, Distribution]:
    """Sample id -> `vote` over the answers of several runs; a sample that no run answered is missing."""
    told: dict[str, list[Value | None]] = {}
    for answers in runs:
        for answer in answers:
            told.setdefault(answer.id, []).append(answer.value)
    return {name: found for name, values in told.items() if (found := vote(values)) is not None}
