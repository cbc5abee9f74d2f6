"""What holds of every timeline metric, whatever the timelines."""

from __future__ import annotations

import inspect
import itertools
import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from eval.metrics.metric import Metric, Options, Value
from eval.metrics.sums import gather, weighted
from eval.timeline import counts, trajectory, turning, utterances
from eval.timeline.table import TIMELINE
from eval.timeline.trajectory import VALENCE
from tasks.kinds import KINDS
from tasks.task import AnyOf, OneOf, Timeline
from tests.eval.test_timeline import GOLD, ROWS, said, timeline

KIND = KINDS["Timeline:emos"]
LABELS, OTHERS = tuple(VALENCE), ("joy", "anger", "neutral")
TOLERANT = tuple(f"_{name}" for name in ("250ms", "500ms", "1s", "2s"))  # scores of a tolerance in seconds
Clips = list[tuple[Value, Value | None]]


def on(*metrics: Metric) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("metric", metrics, ids=[metric.name for metric in metrics])


on_every_metric = on(*TIMELINE)
ON_LABELS = [metric for metric in TIMELINE if metric.name != "tl_valence_dtw"]  # valence is no mere name, nor a share

labels = st.sampled_from(LABELS)
others = st.lists(st.sampled_from(OTHERS), unique=True)
intensities = st.integers(1, 5)
steps = st.integers(0, 16).map(lambda quarter: quarter / 4)


@st.composite
def golds(draw: Any) -> dict[str, Any]:
    """Utterances that do not overlap, on quarters of a second."""
    time, found = 0.0, []
    for _ in range(draw(st.integers(0, 5))):
        start = time + draw(steps)
        time = start + draw(steps) + 0.25
        found.append(said(start, time, draw(labels), draw(others), draw(intensities)))
    return timeline(*found)


@st.composite
def answers(draw: Any) -> dict[str, Any]:
    """Utterances that may overlap, lie beyond the clip, have no length, labels or intensity."""
    found = []
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, 120)) / 4
        end = draw(st.sampled_from((start, start + 0.25, start + 2, start + 3.5, start + 9, 1e9)))
        other = draw(st.none() | others)
        found.append(said(start, end, draw(st.none() | labels), other, draw(st.none() | intensities)))
    return timeline(*found)


clips = st.lists(st.tuples(golds(), st.none() | answers()), min_size=1, max_size=4)


def score(metric: Metric, drawn: Clips) -> float:
    return metric([gold for gold, _ in drawn], [answer for _, answer in drawn], KIND)


def same(one: float, other: float) -> bool:
    return one == pytest.approx(other, abs=1e-12, nan_ok=True)


def changed(value: Value | None, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Value | None:
    return None if value is None else timeline(*(change(item) for item in value["utterances"]))


def moved(drawn: Clips, change: Callable[[float], float]) -> Clips:
    def one(item: dict[str, Any]) -> dict[str, Any]:
        return {**item, "start": change(item["start"]), "end": change(item["end"])}

    return [(changed(gold, one) or {}, changed(answer, one)) for gold, answer in drawn]


# --- the table


def test_names_and_titles_are_unique_and_every_function_is_used() -> None:
    assert len(ROWS) == len({metric.title for metric in TIMELINE}) == len(TIMELINE)
    used: set[Any] = {metric.value for metric in TIMELINE}
    used |= {getattr(metric.statistics, "func", metric.statistics) for metric in TIMELINE}
    public: set[Any] = {
        function
        for module in (counts, utterances, turning, trajectory)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }
    assert public - used == {turning.boundaries, turning.joints, turning.turns, trajectory.warped}, "helpers"


@on_every_metric
def test_a_row_says_what_it_is(metric: Metric) -> None:
    assert metric.name.startswith("tl_")
    assert metric.source
    assert metric.low < metric.high
    assert metric.best in (metric.low, metric.high)
    text = inspect.getdoc(metric.value) or ""
    assert "NaN" in text
    assert "best" in text
    assert "quals" in text or "(Cohen 1968)" in text
    span = "at least 0, at most 4" if metric.high == 4 else f"in [{metric.low}, {metric.high}]"
    assert span in " ".join(text.split())


# --- properties


@on_every_metric
@given(drawn=clips)
@settings(max_examples=25, deadline=None)
def test_a_score_lies_in_its_range(metric: Metric, drawn: Clips) -> None:
    found = score(metric, drawn)
    assert math.isnan(found) or metric.low - 1e-12 <= found <= metric.high + 1e-12


@on_every_metric
@given(drawn=clips)
@settings(max_examples=20, deadline=None)
def test_gold_against_itself_is_best(metric: Metric, drawn: Clips) -> None:
    found = score(metric, [(gold, gold) for gold, _ in drawn])
    assert math.isnan(found) or same(found, metric.best or 0.0)
    whole = score(metric, [(gold, gold) for gold, _ in [*drawn, (GOLD, None)]])
    assert same(whole, metric.best or 0.0), "with a clip in which everything occurs it is defined"


@on_every_metric
@given(drawn=clips)
@settings(max_examples=15, deadline=None)
def test_no_answer_is_the_empty_timeline_and_the_worst(metric: Metric, drawn: Clips) -> None:
    nothing = score(metric, [(gold, None) for gold, _ in drawn])
    assert same(nothing, score(metric, [(gold, timeline()) for gold, _ in drawn]))
    worst = metric.high if metric.best == metric.low else metric.low
    assert math.isnan(nothing) or nothing == worst
    assert metric.missing == "wrong" or math.isnan(nothing)


@on_every_metric
@given(drawn=clips, quarters=st.integers(1, 4000))
@settings(max_examples=15, deadline=None)
def test_moving_both_timelines_changes_nothing(metric: Metric, drawn: Clips, quarters: int) -> None:
    found, shifted = score(metric, drawn), score(metric, moved(drawn, lambda time: time + quarters / 4))
    assert found == shifted or (math.isnan(found) and math.isnan(shifted)), "to the last digit"


@on_every_metric
@given(drawn=clips, seed=st.integers(0, 999))
@settings(max_examples=15, deadline=None)
def test_the_order_of_utterances_and_of_clips_changes_nothing(metric: Metric, drawn: Clips, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - a test needs no secrets

    def mixed(value: Value | None) -> Value | None:
        return None if value is None else timeline(*rng.sample(value["utterances"], len(value["utterances"])))

    others = [(mixed(gold) or {}, mixed(answer)) for gold, answer in rng.sample(drawn, len(drawn))]
    found, after = score(metric, drawn), score(metric, others)
    assert same(found, after)


@on(*(metric for metric in ON_LABELS if not metric.name.endswith(TOLERANT)))
@given(drawn=clips, factor=st.sampled_from((0.5, 3.0, 8.0)))
@settings(max_examples=15, deadline=None)
def test_a_longer_second_changes_nothing_where_no_score_counts_seconds(
    metric: Metric, drawn: Clips, factor: float
) -> None:
    assert score(metric, drawn) == pytest.approx(score(metric, moved(drawn, lambda time: time * factor)), nan_ok=True)


@pytest.mark.parametrize("count", [turning.point_counts, turning.turn_counts])
@given(drawn=clips)
@settings(max_examples=20, deadline=None)
def test_a_tolerance_scales_with_the_times(count: Any, drawn: Clips) -> None:
    more = {"points": turning.boundaries} if count is turning.point_counts else {}
    found = [
        count([g for g, _ in each], [a for _, a in each], KIND, tolerance=tolerance, **more)
        for each, tolerance in ((drawn, 750), (moved(drawn, lambda time: 4 * time), 3000))
    ]
    assert np.array_equal(*found)


@on(*ON_LABELS)
@given(drawn=clips, order=st.permutations(LABELS))
@settings(max_examples=15, deadline=None)
def test_primary_labels_are_only_names(metric: Metric, drawn: Clips, order: list[str]) -> None:
    names = dict(zip(LABELS, order, strict=True)) | {None: None}

    def renamed(item: dict[str, Any]) -> dict[str, Any]:
        return {**item, "primary": names[item["primary"]]}

    after = [(changed(gold, renamed) or {}, changed(answer, renamed)) for gold, answer in drawn]
    # utterances that start and end together are sorted by their labels, and a tie may be paired otherwise
    assume(all(len({(u["start"], u["end"]) for u in a["utterances"]}) == len(a["utterances"]) for _, a in after if a))
    assert same(score(metric, drawn), score(metric, after))


RECALLS = ("tl_iou50_r", "tl_match_r", "tl_boundary_r", "tl_joint_r")


@on(*(metric for metric in TIMELINE if metric.name.startswith(RECALLS)))
@given(drawn=clips, place=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_leaving_an_utterance_out_never_raises_recall(metric: Metric, drawn: Clips, place: int) -> None:
    gold, answer = drawn[0]
    assume(answer and answer["utterances"])
    kept = list((answer or {})["utterances"])
    del kept[place % len(kept)]
    before, after = score(metric, drawn), score(metric, [(gold, timeline(*kept)), *drawn[1:]])
    assert math.isnan(after) or not math.isnan(before)
    assert math.isnan(after) or after <= before + 1e-12


@given(drawn=clips)
@settings(max_examples=60, deadline=None)
def test_an_utterance_far_behind_the_end_costs_precision_and_nothing_else(drawn: Clips) -> None:
    gold, answer = drawn[0]
    kept = [] if answer is None else [item for item in answer["utterances"] if item["end"] < 1e6]
    ended = [(gold, timeline(*kept)), *drawn[1:]]
    more = [(gold, timeline(*kept, said(2e6, 2e6 + 1, "Joy", ["joy"], 3))), *drawn[1:]]
    for name, metric in ROWS.items():
        before, after = score(metric, ended), score(metric, more)
        if "turn" in name or math.isnan(before):
            continue
        if "_p" in name.removeprefix("tl_") or "f1" in name:
            assert after <= before + 1e-12, name
        else:
            assert same(before, after), name


@given(drawn=clips)
@settings(max_examples=30, deadline=None)
def test_a_wider_tolerance_finds_no_less(drawn: Clips) -> None:
    for table in (turning.boundary_counts, turning.joint_counts, turning.turning_counts):
        for near, wide in itertools.pairwise(table):
            gold, given_ = [g for g, _ in drawn], [a for _, a in drawn]
            one, other = (table[name](gold, given_, KIND, Options()) for name in (near, wide))
            assert (one[:, 0] <= other[:, 0]).all()
            assert np.array_equal(one[:, 1:3], other[:, 1:3])


@on_every_metric
@given(drawn=clips, seed=st.integers(0, 999))
@settings(max_examples=10, deadline=None)
def test_a_resample_scores_like_the_clips_that_it_repeats(metric: Metric, drawn: Clips, seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 3, len(drawn))
    weights = rng.integers(0, 4, (3, 3)).astype(np.float64)
    statistics = metric.statistics([g for g, _ in drawn], [a for _, a in drawn], KIND, Options())
    assert len(statistics) == len(drawn), "n does not shrink"
    gathered = gather(statistics, groups, 3)
    found = metric.scores(gathered, weighted(gathered, weights))
    for row, value in zip(weights, found, strict=True):
        repeated = [clip for clip, group in zip(drawn, groups, strict=True) for _ in range(int(row[group]))]
        assert float(value) == pytest.approx(score(metric, repeated), nan_ok=True)


@on_every_metric
@pytest.mark.filterwarnings("error")
def test_nothing_to_score_is_nan(metric: Metric) -> None:
    assert math.isnan(score(metric, []))


@on_every_metric
def test_unequal_lengths_and_other_kinds_are_refused(metric: Metric) -> None:
    with pytest.raises(ValueError, match=r"2 gold timelines, but 1 answers"):
        metric([GOLD, GOLD], [None], KIND)
    with pytest.raises(ValueError, match="OneOf hold no timeline"):
        metric([GOLD], [None], OneOf(LABELS))


def test_any_label_set_has_scores() -> None:
    kind = Timeline(OneOf(("calm", "tense")), AnyOf(("calm", "bored")))
    gold = timeline(said(0, 2, "calm", ["bored"], 1), said(2, 4, "tense", ["calm"], 2))
    for metric in ON_LABELS:
        assert metric([gold], [gold], kind) == metric.best, metric.name
