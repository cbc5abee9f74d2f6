"""Intervals by resampling groups: determinism, bounds, what theory says about groups, and coverage."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from eval.bootstrap import BLOCK, RESAMPLES, group_sums, interval, resamples

Array = NDArray[np.float64]


def mean(sums: Array) -> Array:
    """A score over statistics [..., (sum, n)]."""
    ratio: Array = sums[..., 0] / sums[..., 1]
    return ratio


def clips(outcomes: NDArray[np.floating[Any]]) -> Array:
    """Statistics [samples, (outcome, 1)]."""
    statistics: Array = np.ones((len(outcomes), 2))
    statistics[:, 0] = outcomes
    return statistics


def interval_of(outcomes: Array, groups: list[str], count: int = 2_000, seed: int = 0) -> tuple[float, float]:
    return interval(mean, resamples(group_sums(clips(outcomes), groups), count, seed))


def test_sums_by_group_in_order_of_first_appearance() -> None:
    statistics = np.arange(12, dtype=np.float64).reshape(4, 3)
    sums = group_sums(statistics, ["b", "a", "b", "c"])
    assert sums.tolist() == [[0 + 6, 1 + 7, 2 + 8], [3, 4, 5], [9, 10, 11]]


def test_sums_keep_the_shape_of_the_statistics() -> None:
    statistics = np.random.default_rng(0).random((10, 3, 4))
    sums = group_sums(statistics, list("aabbccddee"))
    assert sums.shape == (5, 3, 4)
    assert np.allclose(sums.sum(0), statistics.sum(0))


def test_every_resample_draws_as_many_groups_as_there_are() -> None:
    for groups in (2, 3, 17):
        for block in resamples(np.ones((groups, 1)), 300):
            assert (block == groups).all()


def test_resamples_are_made_of_whole_groups() -> None:
    sums = np.diag([1.0, 1.0, 1.0])  # how often each group was drawn
    drawn = np.concatenate(resamples(sums, 500))
    assert (drawn == drawn.round()).all()
    assert drawn.min() == 0
    assert drawn.max() == 3, "with replacement"
    assert drawn.mean(0) == pytest.approx([1, 1, 1], abs=0.1), "no group is preferred"


def test_the_seed_decides() -> None:
    sums = np.random.default_rng(1).random((20, 2))
    one, again, other = (np.concatenate(resamples(sums, 1_500, seed)) for seed in (7, 7, 8))
    assert (one == again).all()
    assert (one != other).any()


def test_nothing_outside_the_seed_decides() -> None:
    outcomes = np.random.default_rng(2).random(30)
    names = [f"g{i % 10}" for i in range(30)]
    first = interval_of(outcomes, names)
    np.random.seed(123)
    assert interval_of(outcomes, names) == first


@pytest.mark.parametrize("count", [1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 500])
def test_blocks_are_bounded_and_together_as_many_as_asked_for(count: int) -> None:
    sizes = [len(block) for block in resamples(np.ones((4, 2, 3)), count)]
    assert sum(sizes) == count
    assert max(sizes) <= BLOCK
    assert all(block.shape[1:] == (2, 3) for block in resamples(np.ones((4, 2, 3)), count))


def test_the_default_is_the_documented_one() -> None:
    assert sum(map(len, resamples(np.ones((2, 1))))) == RESAMPLES == 10_000


@pytest.mark.parametrize("seed", range(10))
def test_an_interval_contains_the_score(seed: int) -> None:
    rng = np.random.default_rng(seed)
    outcomes = (rng.random(120) < rng.uniform(0.2, 0.8)).astype(float)
    low, high = interval_of(outcomes, [f"g{i % 30}" for i in range(120)], seed=seed)
    assert 0 <= low < outcomes.mean() < high <= 1


def test_a_wider_level_is_a_wider_interval() -> None:
    blocks = resamples(group_sums(clips(np.arange(40.0) % 3 / 2), [str(i) for i in range(40)]), 2_000)
    spans = [high - low for low, high in (interval(mean, blocks, level) for level in (0.5, 0.8, 0.95, 0.99))]
    assert spans == sorted(spans)
    assert spans[0] < spans[-1]


def test_equal_outcomes_have_an_interval_of_no_width() -> None:
    assert interval_of(np.ones(30), [str(i) for i in range(30)]) == (1.0, 1.0)


def test_resamples_without_a_score_are_left_out() -> None:
    block = np.array([[1.0, 2.0], [0.0, 0.0], [3.0, 4.0], [0.0, 0.0]])
    with np.errstate(invalid="ignore"):
        low, high = interval(mean, [block], level=1.0)
    assert (low, high) == (0.5, 0.75)


def test_no_score_in_any_resample_is_nan() -> None:
    with np.errstate(invalid="ignore"):
        low, high = interval(mean, [np.zeros((5, 2))])
    assert math.isnan(low)
    assert math.isnan(high)


def test_quantiles_are_taken_over_all_blocks() -> None:
    blocks = [np.stack([np.arange(i, i + 10.0), np.ones(10)], -1) for i in (0, 10, 20)]
    low, high = interval(mean, blocks, level=0.8)
    assert (low, high) == pytest.approx((29 * 0.1, 29 * 0.9))


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
