"""Intervals by resampling groups: determinism, bounds, what theory says about groups, and coverage."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from eval.bootstrap import BLOCK, CELLS, RESAMPLES, group_codes, interval, weights
from eval.metrics import sums
from eval.metrics.metric import Metric
from eval.metrics.sums import distinct, gather, weighted
from eval.metrics.table import METRICS, Options
from tasks.task import OneOf

Array = NDArray[np.float64]


def clips(outcomes: NDArray[np.floating[Any]]) -> Array:
    """Statistics [samples, (outcome, 1)]."""
    statistics: Array = np.ones((len(outcomes), 2))
    statistics[:, 0] = outcomes
    return statistics


def draws(outcomes: Array, groups: list[str], count: int = 2_000, seed: int = 0) -> Array:
    """The mean outcome on each resample."""
    codes, size = group_codes(groups)
    gathered = gather(clips(outcomes), codes, size)
    totals = np.concatenate([weighted(gathered, block) for block in weights(size, count, seed)])
    found: Array = totals[:, 0] / totals[:, 1]
    return found


def interval_of(outcomes: Array, groups: list[str], count: int = 2_000, seed: int = 0) -> tuple[float, float]:
    return interval(draws(outcomes, groups, count, seed))


def test_groups_are_numbered_in_the_order_of_their_names() -> None:
    codes, count = group_codes(["b", "a", "b", "c"])
    assert (codes.tolist(), count) == ([1, 0, 1, 2], 3)
    assert group_codes([])[1] == 0


def test_sums_by_group() -> None:
    statistics = np.arange(12, dtype=np.float64).reshape(4, 3)
    gathered = gather(statistics, np.array([1, 0, 1, 2]), 3)
    assert gathered.sums.tolist() == [[3, 4, 5], [0 + 6, 1 + 7, 2 + 8], [9, 10, 11]]
    assert gathered.shape == (3,)


def test_sums_keep_the_shape_of_the_statistics() -> None:
    statistics = np.random.default_rng(0).random((10, 3, 4))
    gathered = gather(statistics, np.arange(10) // 2, 5)
    assert gathered.shape == (3, 4)
    assert np.allclose(gathered.sums.sum(0), statistics.sum(0).ravel())


def test_distinct_rows_are_ascending_and_lead_back_to_the_table() -> None:
    table = np.array([[0.5, 1], [0.2, 0], [0.5, 0], [0.5, 1], [0.2, 0]])
    rows, place = distinct(table)
    assert rows.tolist() == [[0.2, 0], [0.5, 0], [0.5, 1]]
    assert (rows[place] == table).all()


def test_lists_of_a_ranked_metric_are_counted_one_after_the_other() -> None:
    statistics = np.array([[[0.5, 1], [0.1, 0]], [[0.5, 1], [0.3, 0]], [[0.2, 0], [0.1, 0]]])
    gathered = gather(statistics, np.array([0, 1, 1]), 2, ranked=True)
    assert [rows.tolist() for rows in gathered.lists] == [[[0.2, 0], [0.5, 1]], [[0.1, 0], [0.3, 0]]]
    assert gathered.sums.tolist() == [[0, 1, 1, 0], [1, 1, 1, 1]]


def test_sparse_counts_are_the_same_as_dense_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    statistics = rng.random((60, 1, 2)).round(2)
    codes = rng.integers(0, 9, 60)
    block = next(weights(9, 50))
    dense = gather(statistics, codes, 9, ranked=True)
    monkeypatch.setattr(sums, "CELLS", 10)
    sparse = gather(statistics, codes, 9, ranked=True)
    assert not isinstance(sparse.sums, np.ndarray)
    assert (weighted(dense, block) == weighted(sparse, block)).all()


def test_every_resample_draws_as_many_groups_as_there_are() -> None:
    for groups in (2, 3, 17):
        for block in weights(groups, 300):
            assert (block.sum(1) == groups).all()


def test_resamples_are_made_of_whole_groups() -> None:
    drawn = np.concatenate(list(weights(3, 500)))
    assert (drawn == drawn.round()).all()
    assert drawn.min() == 0
    assert drawn.max() == 3, "with replacement"
    assert drawn.mean(0) == pytest.approx([1, 1, 1], abs=0.1), "no group is preferred"


def test_the_seed_decides() -> None:
    one, again, other = (np.concatenate(list(weights(20, 1_500, seed))) for seed in (7, 7, 8))
    assert (one == again).all()
    assert (one != other).any()


def test_nothing_outside_the_seed_decides() -> None:
    outcomes = np.random.default_rng(2).random(30)
    names = [f"g{i % 10}" for i in range(30)]
    first = interval_of(outcomes, names)
    np.random.seed(123)
    random.seed(5)
    assert interval_of(outcomes, names) == first


def test_the_order_of_the_samples_does_not_decide() -> None:
    outcomes = np.random.default_rng(2).integers(0, 2, 30).astype(float)
    names = [f"g{i % 10}" for i in range(30)]
    order = np.random.default_rng(3).permutation(30)
    assert interval_of(outcomes, names) == interval_of(outcomes[order], [names[i] for i in order])


@pytest.mark.parametrize("count", [1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 100])
def test_blocks_are_bounded_and_together_as_many_as_asked_for(count: int) -> None:
    sizes = [len(block) for block in weights(4, count)]
    assert sum(sizes) == count
    assert max(sizes) <= BLOCK


def test_blocks_of_many_groups_stay_small() -> None:
    groups = CELLS // 40
    block = next(weights(groups, 1_000))
    assert block.shape == (40, groups)


def test_the_default_is_the_documented_one() -> None:
    assert sum(map(len, weights(2))) == RESAMPLES == 10_000


@pytest.mark.parametrize("seed", range(10))
def test_an_interval_contains_the_score(seed: int) -> None:
    rng = np.random.default_rng(seed)
    outcomes = (rng.random(120) < rng.uniform(0.2, 0.8)).astype(float)
    low, high = interval_of(outcomes, [f"g{i % 30}" for i in range(120)], seed=seed)
    assert 0 <= low < outcomes.mean() < high <= 1


def test_a_wider_level_is_a_wider_interval() -> None:
    found = draws(np.arange(40.0) % 3 / 2, [str(i) for i in range(40)])
    spans = [high - low for low, high in (interval(found, level) for level in (0.5, 0.8, 0.95, 0.99))]
    assert spans == sorted(spans)
    assert spans[0] < spans[-1]


def test_equal_outcomes_have_an_interval_of_no_width() -> None:
    assert interval_of(np.ones(30), [str(i) for i in range(30)]) == (1.0, 1.0)


def test_resamples_without_a_score_are_left_out() -> None:
    assert interval(np.array([0.5, np.nan, 0.75, np.nan]), level=1.0) == (0.5, 0.75)


def test_no_score_in_any_resample_is_nan() -> None:
    low, high = interval(np.full(5, np.nan))
    assert math.isnan(low)
    assert math.isnan(high)


def test_quantiles_are_those_of_the_scores() -> None:
    low, high = interval(np.arange(30.0).astype(np.float64), level=0.8)
    assert (low, high) == pytest.approx((29 * 0.1, 29 * 0.9))


@pytest.mark.parametrize("metric", [m for m in METRICS.values() if m.part == "confidence"], ids=lambda m: m.name)
def test_intervals_of_ranked_metrics_and_of_sums_hold_the_score(metric: Metric) -> None:
    rng = np.random.default_rng(9)
    kind, gold = OneOf(("a", "b")), [{"label": "a"}] * 80
    answers = [{"label": "ab"[rng.integers(2)], "confidence": float(rng.integers(0, 11) / 10)} for _ in gold]
    statistics = metric.statistics(gold, answers, kind, Options())
    gathered = gather(statistics, np.arange(80) // 4, 20, ranked=metric.ranked)
    found = np.concatenate([metric.scores(gathered, weighted(gathered, block)) for block in weights(20, 500)])
    low, high = interval(found)
    assert low < metric(gold, answers, kind) < high


@pytest.mark.parametrize("size", [4, 16])
def test_equal_clips_of_a_group_widen_the_interval_by_the_root_of_the_group_size(size: int) -> None:
    """With outcomes equal inside groups only the groups carry information (Field & Welsh 2007): standard errors are
    sqrt(p q / groups) by groups, sqrt(p q / clips) by clips."""
    groups = 60
    outcomes = np.repeat(np.arange(groups) % 3 == 0, size).astype(float)
    by_group = interval_of(outcomes, [str(i // size) for i in range(groups * size)], 4_000)
    by_clip = interval_of(outcomes, [str(i) for i in range(groups * size)], 4_000)
    spans = [high - low for low, high in (by_group, by_clip)]
    assert spans[0] / spans[1] == pytest.approx(math.sqrt(size), rel=0.12)
    assert spans[0] == pytest.approx(2 * 1.96 * math.sqrt(1 / 3 * 2 / 3 / groups), rel=0.1)


def test_independent_clips_give_the_same_interval_by_group_and_by_clip() -> None:
    rng = np.random.default_rng(11)
    outcomes = (rng.random(2_000) < 0.4).astype(float)
    by_group = interval_of(outcomes, [str(i // 10) for i in range(2_000)], 4_000)
    by_clip = interval_of(outcomes, [str(i) for i in range(2_000)], 4_000)
    assert by_group[1] - by_group[0] == pytest.approx(by_clip[1] - by_clip[0], rel=0.2)


def coverage(by_group: bool, trials: int = 400, groups: int = 50, size: int = 6) -> float:
    """Share of intervals that hold the true rate, 0.6; clips of one group are alike (its rate is Beta(3, 2))."""
    rng = np.random.default_rng(2024)
    names = [str(i // size if by_group else i) for i in range(groups * size)]
    inside = 0
    for trial in range(trials):
        rates = np.repeat(rng.beta(3, 2, groups), size)
        outcomes = (rng.random(groups * size) < rates).astype(float)
        low, high = interval_of(outcomes, names, 400, trial)
        inside += low <= 0.6 <= high
    return inside / trials


def test_intervals_over_groups_cover_the_truth_as_often_as_they_say() -> None:
    """95% nominal; the standard error of the simulation is 1.1 points, a percentile interval is slightly narrow."""
    assert coverage(by_group=True) == pytest.approx(0.95, abs=0.03)


def test_intervals_over_clips_would_promise_too_much() -> None:
    assert coverage(by_group=False, trials=200) < 0.9
