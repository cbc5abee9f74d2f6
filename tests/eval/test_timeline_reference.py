"""Timeline metrics against other implementations: scikit-learn, brute force, textbook recurrences."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from eval.metrics.metric import Value
from eval.timeline import turning
from eval.timeline.match import assign, greedy, iou_table, match_points
from eval.timeline.spans import Span, spans
from eval.timeline.trajectory import NOTHING, VALENCE, WORST, Course, warped
from tasks.emos_stream_release import turning_points
from tests.eval.test_timeline import KIND, ROWS
from tests.eval.test_timeline_properties import LABELS, OTHERS, Clips, answers, clips, golds, same, score


def all_spans(value: Value | None) -> list[Span]:
    return spans(value, KIND)


@given(gold=golds(), answer=answers())
@settings(max_examples=60, deadline=None)
def test_assign_is_the_best_of_all_assignments(gold: Value, answer: Value) -> None:
    table = iou_table(all_spans(gold)[:4], all_spans(answer)[:4])
    sizes = sorted(table.shape)
    wide = table if table.shape[0] <= table.shape[1] else table.T
    sums = [sum(wide[i, j] for i, j in enumerate(order)) for order in itertools.permutations(range(sizes[1]), sizes[0])]
    assert sum(table[pair] for pair in assign(table)) == pytest.approx(max(sums, default=0.0), abs=1e-8)
    for found in (assign(table), greedy(table)):
        assert all(table[pair] > 0 for pair in found)
        assert all(len({pair[side] for pair in found}) == len(found) for side in (0, 1)), "one to one"


@given(gold=st.lists(st.integers(0, 60), unique=True), told=st.lists(st.integers(0, 60)), tolerance=st.integers(0, 9))
@settings(max_examples=150, deadline=None)
def test_points_are_as_many_as_a_sweep_finds(gold: list[int], told: list[int], tolerance: int) -> None:
    """In one dimension, taking the first pair that fits, from left to right, gives the largest number of pairs."""
    left, right, found = sorted(gold), sorted(told), 0
    while left and right:
        if abs(left[0] - right[0]) <= tolerance:
            found += 1
            del left[0], right[0]
        elif left[0] < right[0]:
            del left[0]
        else:
            del right[0]
    assert len(match_points(gold, told, tolerance)) == found


@given(value=golds())
def test_turns_are_those_that_the_release_counts(value: Value) -> None:
    assert len(turning.turns(all_spans(value))) == turning_points([item["primary"] for item in value["utterances"]])


@given(gold=golds(), answer=answers())
@settings(max_examples=60, deadline=None)
def test_time_scores_equal_scikit_learn_on_quarters_of_a_second(gold: Value, answer: Value) -> None:
    """All drawn times are quarters: one sample in the middle of each is the whole truth."""
    wanted, told = all_spans(gold), all_spans(answer)
    assume(wanted)
    times = np.arange(wanted[0].start + 125, max(span.end for span in wanted), 250)

    def at(found: list[Span], time: Any) -> str:
        holding = [span for span in found if span.start <= time < span.end and span.primary]
        return str(holding[-1].primary) if holding else "-"

    one, other = [at(wanted, t) for t in times], [at(told, t) for t in times]
    there = [i for i, label in enumerate(one) if label != "-"]
    agreement = sk.accuracy_score([one[i] for i in there], [other[i] for i in there])
    macro, weighted_f1 = (
        sk.f1_score(one, other, labels=LABELS, average=average, zero_division=zero)
        for average, zero in (("macro", np.nan), ("weighted", 0))
    )
    for name, value in (("agreement", agreement), ("macro_f1", macro), ("weighted_f1", weighted_f1)):
        assert ROWS[f"tl_time_{name}"]([gold], [answer], KIND) == pytest.approx(value), name


@given(drawn=clips)
@settings(max_examples=60, deadline=None)
def test_scores_of_pairs_equal_scikit_learn(drawn: Clips) -> None:
    rows = []
    for gold, answer in drawn:
        wanted, told = all_spans(gold), all_spans(answer)
        partner = dict(assign(iou_table(wanted, told)))
        rows += [(span, told[partner[i]] if i in partner else None) for i, span in enumerate(wanted)]
    assume(rows)
    gold_labels = [span.primary for span, _ in rows]
    told_labels = [str(other.primary) if other else "none" for _, other in rows]
    macro = sk.f1_score(gold_labels, told_labels, labels=LABELS, average="macro", zero_division=np.nan)
    assert same(score(ROWS["tl_accuracy"], drawn), sk.accuracy_score(gold_labels, told_labels))
    assert same(score(ROWS["tl_macro_f1"], drawn), macro)
    levels = [(span.intensity, other.intensity) for span, other in rows if other and other.intensity]
    if levels:
        assert same(score(ROWS["tl_intensity_mae"], drawn), sk.mean_absolute_error(*zip(*levels, strict=True)))
    if len({level for pair in levels for level in pair}) > 1:
        kappa = sk.cohen_kappa_score(*zip(*levels, strict=True), labels=[1, 2, 3, 4, 5], weights="quadratic")
        assert same(score(ROWS["tl_intensity_qwk"], drawn), kappa)
    sets = [
        [[label in ((span.secondary if span else None) or ()) for label in OTHERS] for span in pair] for pair in rows
    ]
    if any(any(row) for pair in sets for row in pair):
        one, other = np.array([pair[0] for pair in sets]), np.array([pair[1] for pair in sets])
        for average, zero in (("micro", 0), ("macro", np.nan)):
            value = sk.f1_score(one, other, average=average, zero_division=zero)
            assert same(score(ROWS[f"tl_secondary_{average}_f1"], drawn), value)


def naive_warping(costs: Any) -> float:
    """The recurrence of Sakoe & Chiba, cell by cell."""
    table = np.full(costs.shape, math.inf)
    for i, j in np.ndindex(costs.shape):
        ways = [(-1, 0, 1), (0, -1, 1), (-1, -1, 2)]
        before = [table[i + a, j + b] + w * costs[i, j] for a, b, w in ways if i + a >= 0 and j + b >= 0]
        table[i, j] = min(before) if before else 2 * costs[i, j]
    return float(table[-1, -1])


@given(rows=st.integers(1, 7), columns=st.integers(1, 7), seed=st.integers(0, 999))
@settings(max_examples=80, deadline=None)
def test_warping_equals_the_recurrence_cell_by_cell(rows: int, columns: int, seed: int) -> None:
    costs = np.random.default_rng(seed).integers(0, 9, (rows, columns)) / 4
    assert warped(costs) == pytest.approx(naive_warping(costs))
    assert warped(costs) <= costs.max() * (rows + columns)


@given(gold=golds(), answer=answers())
@settings(max_examples=60, deadline=None)
def test_valence_costs_nothing_only_along_equal_courses(gold: Value, answer: Value) -> None:
    wanted = all_spans(gold)
    assume(wanted)
    one, other = Course(wanted, all_spans(answer), LABELS).samples()
    assert len(one) == len(other)
    found = ROWS["tl_valence_dtw"]([gold], [answer], KIND)
    if not len(one):
        assert math.isnan(found)
    elif NOTHING in other:
        assert found > 0
    else:
        scale = np.array([VALENCE[label] for label in LABELS])
        assert found <= np.abs(scale[one] - scale[other]).mean(), "no warping is a path too"
    assert WORST == 2
