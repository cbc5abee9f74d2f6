"""Two runs on the same samples: paired differences, marks, McNemar's test, and what is refused."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest  # type: ignore[import-untyped]

from eval.answers import Answer
from eval.compare import BETTER, UNEQUAL, WORSE, Comparison, Difference, check_same, compare, mcnemar
from eval.report import RunResult
from eval.scores import score
from tasks.task import OneOf, Sample, Task

LABELS = ("calm", "happy", "tense")
TASK = Task("mood", "7", "test", lambda root, split: (), OneOf(LABELS), "oneof_json",
            ("macro_f1", "accuracy", "confidence", "ece", "aurc"), "speaker", ("language",))  # fmt: skip


def samples(n: int = 240) -> list[Sample]:
    return [
        Sample(f"s{i}", {"label": LABELS[i % 3]}, language=("en", "zh")[i % 2], meta={"speaker": f"p{i // 8}"})
        for i in range(n)
    ]


def run(name: str, right: float, sure: float = 0.8, seed: int = 0, items: list[Sample] | None = None) -> RunResult:
    """A run that gets a share `right` of the samples right; the same seed makes the same draws."""
    items = samples() if items is None else items
    rng = np.random.default_rng(seed)
    answers = []
    for item, draw in zip(items, rng.random(len(items)), strict=True):
        gold = str((item.gold or {})["label"])
        told = gold if draw < right else LABELS[(LABELS.index(gold) + 1) % 3]
        answers.append(Answer(item.id, {"label": told, "confidence": sure}, "schema"))
    return RunResult(Path(name), TASK, {}, items, score(TASK, items, answers, 500), answers, {})


def of(comparison: Comparison, metric: str, name: str = "all") -> Difference:
    found = comparison.of(metric, name)
    assert found is not None
    return found


def test_differences_are_those_of_the_scores() -> None:
    first, other = run("first", 0.5), run("other", 0.7)
    found = compare(first, other)
    assert found.first == "first"
    assert len(found.differences) == len(other.scores.rows) == 3 * len(TASK.metrics)
    for row in found.differences:
        values = [result.scores.row(row.metric, row.slice) for result in (first, other)]
        assert values[0] is not None
        assert values[1] is not None
        assert row.difference == pytest.approx(values[1].value - values[0].value)
        assert row.low is not None
        assert row.high is not None
        assert row.low <= row.difference <= row.high


def test_a_run_equals_itself() -> None:
    found = compare(run("first", 0.6), run("again", 0.6))
    for row in found.differences:
        assert (row.difference, row.low, row.high, row.mark) == (0, 0, 0, "")
    assert (of(found, "accuracy").only_this, of(found, "accuracy").only_first, of(found, "accuracy").p) == (0, 0, 1)


def test_better_and_worse_are_marked_by_what_is_good_for_the_metric() -> None:
    first, other = run("first", 0.4), run("other", 0.8, sure=0.7)
    there, back = compare(first, other), compare(other, first)
    for metric in ("macro_f1", "accuracy", "ece", "aurc"):
        assert of(there, metric).mark == BETTER, metric
        assert of(back, metric).mark == WORSE, metric
    assert of(there, "aurc").difference < 0
    assert of(there, "confidence").mark == UNEQUAL


def test_small_differences_are_not_marked() -> None:
    assert of(compare(run("first", 0.60), run("other", 0.61)), "accuracy").mark == ""


def test_pairing_narrows_the_interval() -> None:
    """Runs that err on the same samples differ by less than their own intervals suggest."""
    first, alike, apart = run("first", 0.6), run("alike", 0.66), run("apart", 0.66, seed=1)
    spans = []
    for other in (alike, apart):
        row = of(compare(first, other), "accuracy")
        assert row.low is not None
        assert row.high is not None
        spans.append(row.high - row.low)
    assert spans[0] < 0.6 * spans[1]


def test_the_interval_of_a_difference_is_the_bootstrap_of_the_difference() -> None:
    """By hand for accuracy: resample the groups, and take the difference of hits on each."""
    first, other = run("first", 0.5), run("other", 0.7, seed=3)
    hits = np.array([[item.id in result.scores.correct for item in first.samples] for result in (first, other)])
    by_group = (hits[1].astype(int) - hits[0]).reshape(30, 8).sum(1)
    drawn = np.random.default_rng(1).integers(0, 30, (20_000, 30))
    expected = np.quantile(by_group[drawn].sum(1) / 240, [0.025, 0.975])
    row = of(compare(first, other), "accuracy")
    assert (row.low, row.high) == pytest.approx(tuple(expected), abs=0.015)


def test_one_group_has_no_interval_and_no_mark() -> None:
    items = [dataclasses.replace(item, meta={"speaker": "one"}) for item in samples(30)]
    row = of(compare(run("first", 0.1, items=items), run("other", 0.9, items=items)), "accuracy")
    assert (row.low, row.high, row.mark) == (None, None, "")
    assert row.difference > 0.5


def test_the_order_of_the_samples_does_not_matter() -> None:
    first, other = run("first", 0.5), run("other", 0.7)
    answers = list(other.answers)[::-1]
    items = list(other.samples)[::-1]
    backwards = dataclasses.replace(other, samples=items, answers=answers, scores=score(TASK, items, answers, 500))
    one, two = compare(first, other), compare(first, backwards)
    for a, b in zip(one.differences, two.differences, strict=True):
        assert (a.metric, a.slice, a.mark, a.p) == (b.metric, b.slice, b.mark, b.p)
        assert (a.difference, a.low, a.high) == pytest.approx((b.difference, b.low, b.high))


def test_metrics_of_one_run_alone_are_left_out() -> None:
    silent = run("other", 0.6)
    answers = [Answer(a.id, {"label": (a.value or {})["label"], "confidence": None}, "schema") for a in silent.answers]
    silent = dataclasses.replace(silent, scores=score(TASK, silent.samples, answers, 500), answers=answers)
    assert {row.metric for row in compare(run("first", 0.6), silent).differences} == {"macro_f1", "accuracy"}


# --- McNemar


@pytest.mark.parametrize(("b", "c"), list(itertools.product((0, 1, 2, 5, 13, 40), repeat=2)))
def test_mcnemar_equals_scipy(b: int, c: int) -> None:
    expected = binomtest(b, b + c).pvalue if b + c else 1.0
    assert mcnemar(b, c) == pytest.approx(expected, rel=1e-9)
    assert mcnemar(b, c) == mcnemar(c, b)


def test_mcnemar_of_many_samples_equals_scipy_and_is_quick() -> None:
    assert mcnemar(5_150, 4_850) == pytest.approx(binomtest(5_150, 10_000).pvalue, rel=1e-9)
    assert mcnemar(10_000, 0) == 0


def test_mcnemar_refuses_negative_counts() -> None:
    with pytest.raises(ValueError, match="-1"):
        mcnemar(-1, 3)


def test_discordant_samples_are_counted_by_slice() -> None:
    found = compare(run("first", 0.5), run("other", 0.7))
    rows = [of(found, "accuracy", name) for name in ("all", "language=en", "language=zh")]
    assert rows[0].only_this == (rows[1].only_this or 0) + (rows[2].only_this or 0)
    assert rows[0].only_first == 0, "the same draws: whatever is right at 0.5 is right at 0.7"
    assert rows[0].difference == pytest.approx((rows[0].only_this or 0) / 240)
    assert of(found, "macro_f1").p is None


# --- refusals


def test_other_samples_are_refused_by_id() -> None:
    items = samples()
    first, other = run("first", 0.5, items=items[:-1]), run("other", 0.5, items=items[2:])
    with pytest.raises(ValueError, match=r"first and other .*2 only in first \(s0, s1\); 1 only in other \(s239\)"):
        compare(first, other)


def test_another_task_is_refused() -> None:
    other = dataclasses.replace(run("other", 0.5), task=dataclasses.replace(TASK, version="8"))
    with pytest.raises(ValueError, match=r"mood@7 and mood@8"):
        check_same(run("first", 0.5), other)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"gold": {"label": "tense"}}, "gold"),
        ({"meta": {"speaker": "x"}}, r"group \(speaker\)"),
        ({"language": "de"}, "language"),
    ],
)
def test_other_data_is_refused(change: dict[str, object], what: str) -> None:
    items = samples()
    items[0] = dataclasses.replace(items[0], **change)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=rf"{what}.* differs for 1 samples \(s0\)"):
        check_same(run("first", 0.5), run("other", 0.5, items=items))


def test_other_resamples_are_refused() -> None:
    first, other = run("first", 0.5), run("other", 0.5)
    other = dataclasses.replace(other, scores=score(TASK, other.samples, other.answers, 400))
    with pytest.raises(ValueError, match="--resamples"):
        compare(first, other)
