"""Temperature scaling of label probabilities (Guo et al. 2017), fitted on the train split of a run alone.

p_T(label) ∝ p(label)^(1/T): one number T, which changes how sure the model is and never which label it gives. T is
fitted on samples whose meta has split = train, and judged on the others; both halves have their own groups (speakers,
films), or the fit would be judged on what it has seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.answers import Answer
from eval.metrics.metric import DISTRIBUTION, has_primary, label_of, primary
from eval.metrics.table import METRICS, Options, Value
from tasks.task import Sample, Task

Array = NDArray[np.float64]
Logprobs = Mapping[str, Mapping[str, float]]
LOWEST, HIGHEST = 0.05, 20.0
JUDGED = ("logprob_confidence", "logprob_ece", "logprob_ece_mass", "logprob_brier", "logprob_aurc")


@dataclass(frozen=True, slots=True)
class Calibration:
    """A fitted temperature. `before` and `after` hold metrics of the `judged` samples, which are not in train: those
    of JUDGED, their accuracy, and `nll`, the mean negative log-probability of gold in nats. `at_bound`: the best
    temperature lies outside what is tried (few errors, or none)."""

    temperature: float
    fitted: int
    groups: int
    judged: int
    before: dict[str, float]
    after: dict[str, float]
    at_bound: bool


def negative_log_likelihood(logs: Array, gold: NDArray[np.int64], temperature: float) -> float:
    """Mean of -ln p_T(gold), nats, at least 0; `logs` [samples, labels] natural log-probabilities, `gold` [samples]."""
    scaled = logs / temperature
    top = scaled.max(1, keepdims=True)
    total = top[:, 0] + np.log(np.exp(scaled - top).sum(1))
    return float((total - scaled[np.arange(len(gold)), gold]).mean())


def fit(logs: Array, gold: NDArray[np.int64]) -> float:
    """The temperature in [LOWEST, HIGHEST] of least `negative_log_likelihood`.

    It is convex in 1 / T, its slope there the mean of E_T[ln p] - ln p(gold): bisection, to 1e-9.
    Raises ValueError for no sample.
    """
    if not len(gold):
        raise ValueError("a temperature cannot be fitted on no sample")
    low, high = 1 / HIGHEST, 1 / LOWEST
    for _ in range(60):
        middle = (low + high) / 2
        power = np.exp(logs * middle - (logs * middle).max(1, keepdims=True))
        expected = (power / power.sum(1, keepdims=True) * logs).sum(1)
        slope = float((expected - logs[np.arange(len(gold)), gold]).mean())
        low, high = (middle, high) if slope < 0 else (low, middle)
    return 2 / (low + high)


def calibrate(
    task: Task, samples: Sequence[Sample], answers: Sequence[Answer], logprobs: Logprobs, options: Options
) -> Calibration:
    """Fits a temperature on the train samples of a run and judges it on the others.

    Raises ValueError where answers hold no label log-probabilities, where no sample, or every sample, is of split
    train, and where a group is in both halves.
    """
    if not has_primary(task.answer):
        raise ValueError(f"--calibrate: answers of {task.full_name} hold no single label to calibrate")
    if not logprobs:
        raise ValueError(
            "--calibrate: the replies hold no label log-probabilities; ask again with `omnimer infer --decode label`"
        )
    rows = [
        (sample, answer.value, logprobs[sample.id])
        for sample, answer in zip(samples, answers, strict=True)
        if sample.gold is not None and answer.value is not None and sample.id in logprobs
    ]
    train = [row for row in rows if row[0].meta.get("split") == "train"]
    rest = [row for row in rows if row[0].meta.get("split") != "train"]
    if not train or not rest:
        raise ValueError(
            f"--calibrate: {len(train)} answered samples are of split train and {len(rest)} are not; the temperature "
            "is fitted on the first and judged on the second: run `omnimer infer --split all`"
        )
    groups = [{str(row[0].meta.get(task.group, row[0].id)) for row in half} for half in (train, rest)]
    if shared := sorted(groups[0] & groups[1]):
        raise ValueError(
            f"--calibrate: the {task.group} {shared[0]!r} is in train and outside of it ({len(shared)} such groups): "
            "the temperature would be judged on what it was fitted on"
        )
    temperature = fit(*_arrays(train, task))
    return Calibration(
        temperature=temperature,
        fitted=len(train),
        groups=len(groups[0]),
        judged=len(rest),
        before=_judged(rest, task, 1.0, options),
        after=_judged(rest, task, temperature, options),
        at_bound=not LOWEST * 1.01 < temperature < HIGHEST / 1.01,
    )


_Rows = Sequence[tuple[Sample, Value, Mapping[str, float]]]


def _arrays(rows: _Rows, task: Task) -> tuple[Array, NDArray[np.int64]]:
    """Log-probabilities [samples, labels] and the place of gold [samples]."""
    labels = primary(task.answer)[1]
    logs = np.array([[found.get(label, -np.inf) for label in labels] for _, _, found in rows])
    gold = np.array([labels.index(str(label_of(sample.gold, task.answer))) for sample, _, _ in rows])
    return np.maximum(logs, -1e4), gold  # a probability of 0 stays finite


def _judged(rows: _Rows, task: Task, temperature: float, options: Options) -> dict[str, float]:
    labels = primary(task.answer)[1]
    logs, places = _arrays(rows, task)
    power = np.exp(logs / temperature - (logs / temperature).max(1, keepdims=True))
    spread = power / power.sum(1, keepdims=True)
    gold = [sample.gold for sample, _, _ in rows if sample.gold is not None]
    values = [
        {**value, DISTRIBUTION: dict(zip(labels, row.tolist(), strict=True))}
        for (_, value, _), row in zip(rows, spread, strict=True)
    ]
    scores = {name: METRICS[name](gold, values, task.answer, options) for name in ("accuracy", *JUDGED)}
    return {**scores, "nll": negative_log_likelihood(logs, places, temperature)}
