"""Distance between the annotators' distribution over labels and the answer's.

Annotators: their shares of the labels, divided by the sum (`p`). Answer: its confidences, divided by the sum (`q`); a
label without confidence counts 1, and a list that gives no label any weight is the uniform distribution. Unsure votes
are no label. A sample without any annotated label has no distribution and is left out of n.

For logarithms both are mixed with the uniform distribution over the L labels: p' = (1 - s) p + s / L, s being
`Options.smoothing`. No answer costs log(L / s), the price of a label that was given no weight: no answer costs more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.metrics.labelsets import share_table
from eval.metrics.metric import DEFAULTS, Options, Value, list_of, ratio
from eval.metrics.sums import Array
from tasks.task import AnswerKind


def distributions(values: Sequence[Value | None], kind: AnswerKind) -> tuple[Array, Array]:
    """Distributions [samples, labels] that sum to 1, and whether anything was given weight, 0 or 1 [samples]; the
    uniform distribution where nothing was."""
    shares = np.maximum(share_table(values, kind), 0.0)
    total = shares.sum(1, keepdims=True)
    return ratio(shares, total, empty=1.0 / shares.shape[1]), (total[:, 0] > 0).astype(np.float64)


def distances(
    gold: Sequence[Value], answers: Sequence[Value | None], kind: AnswerKind, options: Options = DEFAULTS
) -> Array:
    """Per sample: KL divergence and cross-entropy (nats), Jensen-Shannon divergence (bits), and 1; [samples, 4].

    Zeros for a sample that no annotator gave a label.
    """
    if len(gold) != len(answers):
        raise ValueError(f"{len(gold)} gold labels, but {len(answers)} answers")
    p, known = distributions(gold, kind)
    q, _ = distributions(answers, kind)
    there = np.array([list_of(answer, kind) is not None for answer in answers], dtype=bool)
    size, share = p.shape[1], options.smoothing
    smooth_p, smooth_q = ((1 - share) * each + share / size for each in (p, q))
    cross = -(smooth_p * np.log(smooth_q)).sum(1)
    entropy = -(smooth_p * np.log(smooth_p)).sum(1)
    middle = (p + q) / 2
    shannon = (_plogp(p) + _plogp(q)).sum(1) / 2 - _plogp(middle).sum(1)
    price = np.log(size / share)
    rows = np.stack(
        [
            np.where(there, np.maximum(cross - entropy, 0.0), price),
            np.where(there, cross, price),
            np.where(there, np.clip(shannon, 0.0, 1.0), 1.0),
            np.ones(len(p)),
        ],
        axis=-1,
    )
    return rows * known[:, None]


def _plogp(p: Array) -> Array:
    """p log2 p, 0 for p = 0."""
    result: Array = p * np.log2(np.where(p > 0, p, 1.0))
    return result


def soft_kl(sums: Array) -> Array:
    """Mean KL(p' || q') = Σ p' ln(p' / q') in nats; sums of `distances` [..., 4] -> [...], at least 0, best 0.

    NaN where no sample has a distribution. Equals scipy.stats.entropy(p', q').
    """
    return ratio(sums[..., 0], sums[..., 3])


def soft_ce(sums: Array) -> Array:
    """Mean cross-entropy -Σ p' ln q' in nats; [..., 4] -> [...], at least 0, lower is better; NaN as `soft_kl`.

    The least value is the annotators' own entropy, reached by q = p: it is KL + entropy(p').
    """
    return ratio(sums[..., 1], sums[..., 3])


def soft_js(sums: Array) -> Array:
    """Mean Jensen-Shannon divergence H((p + q) / 2) - (H(p) + H(q)) / 2 in bits, unsmoothed; [..., 4] -> [...].

    In [0, 1], best 0; NaN as `soft_kl`; no answer is 1. Equals scipy.spatial.distance.jensenshannon(p, q, base=2)².
    """
    return ratio(sums[..., 2], sums[..., 3])
