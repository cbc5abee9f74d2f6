"""Temperature scaling: the fit against a search, judged outside of train alone, and what is refused."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]

from eval.answers import Answer
from eval.calibrate import HIGHEST, JUDGED, LOWEST, calibrate, fit, negative_log_likelihood
from eval.metrics.table import Options
from tasks.task import AnyOf, OneOf, Sample, Task

LABELS = ("calm", "happy", "tense")
TASK = Task("mood", "7", "test", lambda root, split: (), OneOf(LABELS), "oneof_json", ("accuracy",), "speaker")
Run = tuple[list[Sample], list[Answer], dict[str, dict[str, float]]]


def logs_of(rng: np.random.Generator, n: int, sharp: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Log-probabilities that are right at temperature `sharp`, and gold drawn from them."""
    scores = rng.normal(0, 1.5, (n, 3))
    chances = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    gold = np.array([rng.choice(3, p=row) for row in chances])
    scaled = scores * sharp
    return scaled - np.log(np.exp(scaled).sum(1, keepdims=True)), gold


def run(sharp: float = 2.5, n: int = 600, seed: int = 0) -> Run:
    """Two thirds in train; speakers are in one half alone."""
    logs, gold = logs_of(np.random.default_rng(seed), n, sharp)
    items = [
        Sample(
            f"s{i}",
            {"label": LABELS[g]},
            meta={"speaker": f"p{i // 10}", "split": "train" if i < n * 2 / 3 else "test"},
        )
        for i, g in enumerate(gold)
    ]
    answers = [
        Answer(item.id, {"label": LABELS[row.argmax()]}, "schema") for item, row in zip(items, logs, strict=True)
    ]
    return (
        items,
        answers,
        {item.id: dict(zip(LABELS, row.tolist(), strict=True)) for item, row in zip(items, logs, strict=True)},
    )


@pytest.mark.parametrize("sharp", [0.5, 1.0, 2.0, 4.0])
def test_the_fit_equals_a_search_and_finds_the_truth(sharp: float) -> None:
    logs, gold = logs_of(np.random.default_rng(1), 3_000, sharp)
    found = fit(logs, gold)
    best = minimize_scalar(lambda t: negative_log_likelihood(logs, gold, t), bounds=(LOWEST, HIGHEST), method="bounded")
    assert found == pytest.approx(best.x, abs=1e-3)
    assert found == pytest.approx(sharp, rel=0.1)


def test_likelihood_by_hand() -> None:
    logs = np.log([[0.8, 0.2], [0.5, 0.5]])
    assert negative_log_likelihood(logs, np.array([0, 1]), 1.0) == pytest.approx(-(math.log(0.8) + math.log(0.5)) / 2)
    # T = 1/2 squares and renormalises: .64 / .68
    assert negative_log_likelihood(logs[:1], np.array([0]), 0.5) == pytest.approx(-math.log(0.64 / 0.68))


def test_a_model_that_is_too_sure_is_calibrated() -> None:
    found = calibrate(TASK, *run(), Options())
    assert found.temperature == pytest.approx(2.5, rel=0.15)
    assert (found.fitted, found.groups, found.judged, found.at_bound) == (400, 40, 200, False)
    assert set(found.before) == set(found.after) == {"accuracy", "nll", *JUDGED}
    for name in ("nll", "logprob_ece", "logprob_ece_mass", "logprob_brier"):
        assert found.after[name] < found.before[name], name
    assert found.after["accuracy"] == found.before["accuracy"], "the labels stay"


def test_samples_outside_of_train_do_not_change_the_fit() -> None:
    items, answers, logs = run()
    other = {
        name: ({"calm": -1e-4, "happy": -10.0, "tense": -10.0} if int(name[1:]) >= 400 else row)
        for name, row in logs.items()
    }
    one, two = calibrate(TASK, items, answers, logs, Options()), calibrate(TASK, items, answers, other, Options())
    assert one.temperature == two.temperature
    assert one.after != two.after


def test_no_errors_at_all_end_at_the_bound() -> None:
    items, answers, logs = run()
    right = [dataclasses.replace(item, gold=answer.value) for item, answer in zip(items, answers, strict=True)]
    found = calibrate(TASK, right, answers, logs, Options())
    assert found.at_bound
    assert found.temperature == pytest.approx(LOWEST)


def test_a_probability_of_zero_stays_finite() -> None:
    items, answers, logs = run()
    logs["s0"] = {"calm": 0.0, "happy": -math.inf, "tense": -math.inf}
    assert math.isfinite(calibrate(TASK, items, answers, logs, Options()).temperature)


def test_runs_without_log_probabilities_are_refused() -> None:
    items, answers, _ = run()
    with pytest.raises(ValueError, match=r"--decode label"):
        calibrate(TASK, items, answers, {}, Options())


@pytest.mark.parametrize("split", ["train", "test", None])
def test_runs_with_one_half_alone_are_refused(split: str | None) -> None:
    items, answers, logs = run()
    items = [dataclasses.replace(item, meta={**item.meta, "split": split}) for item in items]
    with pytest.raises(ValueError, match=r"--split all"):
        calibrate(TASK, items, answers, logs, Options())


def test_a_group_in_both_halves_is_refused() -> None:
    items, answers, logs = run()
    items[0] = dataclasses.replace(items[0], meta={"speaker": "p59", "split": "train"})
    with pytest.raises(ValueError, match=r"speaker 'p59' is in train and outside"):
        calibrate(TASK, items, answers, logs, Options())


def test_kinds_without_a_single_label_are_refused() -> None:
    items, answers, logs = run()
    with pytest.raises(ValueError, match="no single label"):
        calibrate(dataclasses.replace(TASK, answer=AnyOf(LABELS)), items, answers, logs, Options())


def test_no_sample_cannot_be_fitted() -> None:
    with pytest.raises(ValueError, match="no sample"):
        fit(np.zeros((0, 3)), np.zeros(0, dtype=np.int64))
