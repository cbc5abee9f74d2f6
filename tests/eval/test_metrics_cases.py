"""Metrics on small cases worked out by hand, and on a published column."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pytest

from eval.metrics import classification
from eval.metrics.confidence import Bin, bin_of, curve, logprob_bins, reliability, stated, verbal_bins
from eval.metrics.labelsets import label_scores
from eval.metrics.metric import DISTRIBUTION
from eval.metrics.table import METRICS, Options, Value
from eval.published import published_tables
from tasks.task import AnyOf, OneOf

Answers = list[str | None]


def one_label(metric: str, gold: list[str], answers: Answers, labels: tuple[str, ...]) -> float:
    """A metric by name over answers of one label."""
    told: list[Value | None] = [None if answer is None else {"label": answer} for answer in answers]
    return METRICS[metric]([{"label": label} for label in gold], told, OneOf(labels))


def same(one: float, other: float) -> bool:
    return one == pytest.approx(other, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("missing", range(6))
def test_accuracy_divides_by_all_samples(missing: int) -> None:
    answers: Answers = [*[None] * missing, *["Joy"] * (5 - missing)]
    assert same(one_label("accuracy", ["Joy"] * 5, answers, ("Joy", "Sadness")), (5 - missing) / 5)


def test_a_small_case_by_hand() -> None:
    #         gold A: A A B -      gold B: B A      gold C: -        (- no answer; D occurs nowhere)
    gold = ["A", "A", "A", "A", "B", "B", "C"]
    answers: Answers = ["A", "A", "B", None, "B", "A", None]
    labels = ("A", "B", "C", "D")
    counts = classification.confusion(gold, answers, labels)
    assert counts.tolist() == [[2, 1, 0, 0, 1], [1, 1, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]
    # F1: A 2*2/(3+4) = 4/7, B 2*1/(2+2) = 1/2, C 0, D left out
    assert same(one_label("accuracy", gold, answers, labels), 3 / 7)
    assert same(one_label("macro_f1", gold, answers, labels), (4 / 7 + 1 / 2 + 0) / 3)
    assert same(one_label("weighted_f1", gold, answers, labels), (4 * 4 / 7 + 2 * 1 / 2 + 0) / 7)
    a, b, c, d = classification.per_class(counts, labels)
    assert (a.precision, a.recall, a.support, a.answered) == pytest.approx((2 / 3, 1 / 2, 4, 3))
    assert (b.precision, b.recall, b.support, b.answered) == (0.5, 0.5, 2, 2)
    assert (c.precision, c.recall, c.f1, c.support, c.answered) == (0, 0, 0, 1, 0)
    assert (math.isnan(d.precision), math.isnan(d.recall), math.isnan(d.f1), d.support) == (True, True, True, 0)


# --- sets of labels

SETS = AnyOf(("joy", "love", "grief", "pride"))


def shares(**thirds: int) -> dict[str, Any]:
    return {"labels": [{"label": label, "confidence": count / 3} for label, count in thirds.items()]}


def listed(**confidences: float | None) -> dict[str, Any]:
    return {"labels": [{"label": label, "confidence": sure} for label, sure in confidences.items()]}


# gold at two of three annotators: {joy}, {joy, love}, {}, {grief}
GOLD = [shares(joy=3, love=1), shares(joy=2, love=2), shares(pride=1), shares(grief=3)]
TOLD: list[Value | None] = [listed(joy=0.9), listed(joy=0.4, pride=0.2), listed(), None]


def test_sets_by_hand() -> None:
    found = {name: METRICS[name](GOLD, TOLD, SETS) for name in METRICS if name.startswith("set_")}
    assert found == pytest.approx(
        {
            "set_micro_f1": 2 * 2 / (3 + 4),  # hits joy, joy; answered joy, joy, pride; gold joy, joy, love, grief
            "set_macro_f1": (1 + 0 + 0 + 0) / 4,  # joy all right, love and grief never found, pride never gold
            "set_sample_f1": (1 + 2 / 4 + 1 + 0) / 4,  # both empty is right, no answer is wrong
            "set_exact": (1 + 0 + 1 + 0) / 4,
            "set_jaccard": (1 + 1 / 3 + 1 + 0) / 4,
            "set_hamming": (0 + 2 / 4 + 0 + 1) / 4,  # no answer: every decision is wrong
        }
    )


@pytest.mark.parametrize(
    ("threshold", "gold"),
    [(0.3, (2, 2, 1, 1)), (1 / 3, (2, 2, 1, 1)), (0.5, (2, 1, 1, 0)), (2 / 3, (2, 1, 1, 0)), (1, (1, 0, 1, 0))],
)
def test_the_threshold_decides_what_is_gold(threshold: float, gold: tuple[int, ...]) -> None:
    rows = label_scores(GOLD, TOLD, SETS, Options(threshold=threshold))
    assert tuple(row.support for row in rows) == gold


def test_the_answer_threshold_decides_what_is_answered() -> None:
    counts = {
        threshold: [row.answered for row in label_scores(GOLD, TOLD, SETS, Options(answer_threshold=threshold))]
        for threshold in (0.0, 0.4, 0.5)
    }
    assert counts == {0.0: [2, 0, 0, 1], 0.4: [2, 0, 0, 0], 0.5: [1, 0, 0, 0]}


def test_a_label_without_confidence_is_answered_at_every_threshold() -> None:
    (row, *_) = label_scores([shares(joy=3)], [listed(joy=None)], SETS, Options(answer_threshold=1))
    assert (row.answered, row.precision, row.recall) == (1, 1, 1)


def test_map_by_hand() -> None:
    # joy: 0.9 right, 0.4 right: AP 1; love: gold, never listed: 0; grief: gold, no answer: 0; pride: never gold
    assert same(METRICS["label_map"](GOLD, TOLD, SETS), 1 / 3)
    # joy is gold in 2 of 3; 0.8 wrong, then 0.5 right and wrong tied, then one that is not listed
    gold = [shares(), shares(joy=3), shares(), shares(joy=3)]
    told: list[Value | None] = [listed(joy=0.8), listed(joy=0.5), listed(joy=0.5), listed(love=0.5)]
    assert same(METRICS["label_map"](gold, told, SETS), 1 / 2 * 1 / 3)


def test_soft_distances_by_hand() -> None:
    gold, told = [shares(joy=3, love=1)], [listed(joy=0.6, grief=0.2)]  # p = 3/4 1/4 0 0, q = 3/4 0 1/4 0
    assert same(METRICS["soft_js"](gold, told, SETS), 1 / 4)
    smooth = [0.99 * share + 0.01 / 4 for share in (3 / 4, 1 / 4, 0)]
    high, low, none = smooth
    assert same(METRICS["soft_kl"](gold, told, SETS), low * math.log(low / none) + none * math.log(none / low))
    cross = -(high * math.log(high) + low * math.log(none) + none * math.log(low) + none * math.log(none))
    assert same(METRICS["soft_ce"](gold, told, SETS), cross)


def test_no_answer_costs_more_than_any_answer() -> None:
    gold = [shares(joy=3)]
    for name in ("soft_kl", "soft_ce", "soft_js"):
        wrong = METRICS[name](gold, [listed(grief=1.0)], SETS)
        nothing = METRICS[name](gold, [None], SETS)
        assert METRICS[name](gold, [listed()], SETS) < wrong <= nothing + 1e-12, "the empty list is the uniform one"
    assert same(METRICS["soft_kl"](gold, [None], SETS), math.log(4 / 0.01))


def test_samples_that_no_annotator_labelled_have_no_distribution() -> None:
    pair = [shares(joy=3), shares()], [listed(love=1.0), listed(joy=1.0)]
    for name in ("soft_kl", "soft_ce", "soft_js"):
        assert same(METRICS[name](*pair, SETS), METRICS[name](pair[0][:1], pair[1][:1], SETS))


# --- confidence

AB = OneOf(("a", "b"))


def sure(*rows: tuple[float | None, bool] | None) -> tuple[list[Value], list[Value | None]]:
    """(confidence, correct) each, None for no answer; gold is a."""
    told: list[Value | None] = [row and {"label": "a" if row[1] else "b", "confidence": row[0]} for row in rows]
    return [{"label": "a"}] * len(rows), told


def test_confidence_by_hand() -> None:
    gold, told = sure((0.9, True), (0.85, False), (0.3, True), (None, True), None)
    assert same(METRICS["confidence"](gold, told, AB), (0.9 + 0.85 + 0.3) / 3)
    # bins (.2, .3] and (.8, .9]: |1 - .3| and |1 - 1.75|
    assert same(METRICS["ece"](gold, told, AB), (0.7 + 0.75) / 3)
    assert same(METRICS["brier"](gold, told, AB), (0.1**2 + 0.85**2 + 0.7**2) / 3)
    # surest first: right, wrong, right, right (no confidence), no answer; the last two are one level with 1 error
    assert same(METRICS["aurc"](gold, told, AB), (0 + 1 / 2 + 1 / 3 + 1.5 / 4 + 2 / 5) / 5)


def test_one_confidence_for_all_makes_aurc_the_error_rate() -> None:
    assert same(METRICS["aurc"](*sure((0.8, True), (0.8, False), (0.8, False), (0.8, True)), AB), 0.5)


def test_aurc_prefers_errors_that_are_unsure() -> None:
    good = METRICS["aurc"](*sure((0.9, True), (0.2, False)), AB)
    bad = METRICS["aurc"](*sure((0.2, True), (0.9, False)), AB)
    assert (good, bad) == pytest.approx((0.25, 0.75))


@pytest.mark.parametrize(
    ("confidence", "place"),
    [(0.0, 0), (0.1, 0), (0.10001, 1), (0.3, 2), (0.6, 5), (0.7, 6), (0.8, 7), (0.85, 8), (0.9, 8), (1.0, 9)],
)
def test_bins_are_closed_above(confidence: float, place: int) -> None:
    assert bin_of(np.array([confidence]), 10).tolist() == [place]


def test_a_reliability_diagram_by_hand() -> None:
    gold, told = sure((0.9, True), (0.85, False), (0.3, True), (None, True), None)
    bins = reliability(verbal_bins(gold, told, AB, Options(bins=5)).sum(0))
    assert bins[1] == Bin(0.2, 0.4, 1, 0.3, 1.0)
    assert bins[4] == Bin(0.8, 1.0, 2, (0.9 + 0.85) / 2, 0.5)
    assert bins[0] == Bin(0.0, 0.2, 0, None, None)
    assert [row.count for row in bins] == [0, 1, 0, 0, 2]


def test_a_risk_coverage_curve_by_hand() -> None:
    gold, told = sure((0.9, True), (0.5, False), (0.5, True), None)
    assert curve(stated(gold, told, AB)) == [(0.25, 0.0), (0.75, pytest.approx(1 / 3)), (1.0, 0.5)]
    assert curve(np.zeros((0, 2))) == []


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    pairs = np.stack([np.linspace(0, 1, 1000), np.arange(1000) % 2], -1)
    points = curve(pairs, points=50)
    assert len(points) == 50
    assert (points[0][0], points[-1]) == (0.001, (1.0, 0.5))


def test_probabilities_of_labels_by_hand() -> None:
    gold: list[Value] = [{"label": "a"}, {"label": "a"}]
    told: list[Value | None] = [
        {"label": "a", DISTRIBUTION: {"a": 0.7, "b": 0.3}},
        {"label": "b", DISTRIBUTION: {"a": 0.2, "b": 0.8}},
    ]
    assert same(METRICS["logprob_confidence"](gold, told, AB), 0.75)
    assert same(METRICS["logprob_brier"](gold, told, AB), (2 * 0.3**2 + 2 * 0.8**2) / 2)
    assert logprob_bins(gold, told, AB).sum((0, 1))[:3] == pytest.approx((2, 1.5, 1))


# --- published: Guo et al., EmoS, ACL 2026, Table 7, column Gemini-3 (zero-shot, high-confidence test subset).
# The supports are not printed; they are the only integers that give the printed digits (790 clips answered).
SUPPORTS = {"Anger": 126, "Disgust": 35, "Fear": 39, "Joy": 207, "Neutral": 289, "Sadness": 68, "Surprise": 26}
GEMINI = published_tables()[0].rows[0]


def printed(value: float) -> str:
    """Three digits as the paper rounds them: half up (Sadness F1 is .6125)."""
    return str(Decimal(repr(round(value, 12))).quantize(Decimal("0.001"), ROUND_HALF_UP)).removeprefix("0")


def table_7_matrix() -> tuple[tuple[str, ...], np.ndarray[Any, np.dtype[np.float64]]]:
    """A confusion matrix with the column's hits, supports and answers. Which wrong answer stands where is not
    published; scores do not depend on it: errors are dealt out class by class."""
    labels, supports = tuple(SUPPORTS), list(SUPPORTS.values())
    hits = [round(support * GEMINI.labels[label][1]) for label, support in SUPPORTS.items()]
    answered = [round(hit / GEMINI.labels[label][0]) for label, hit in zip(labels, hits, strict=True)]
    counts = np.zeros((7, 8))
    counts[range(7), range(7)] = hits
    missed = [support - hit for support, hit in zip(supports, hits, strict=True)]
    spare = [total - hit for total, hit in zip(answered, hits, strict=True)]
    assert sum(missed) == sum(spare), "every clip has one answer"
    for _ in range(sum(missed)):  # the fullest row and, off the diagonal, the fullest column: that never gets stuck
        need = [(missed[i] + spare[i], i) for i in range(7)]
        tightest = max(need)[1]
        if missed[tightest] >= spare[tightest]:
            row = tightest
            column = max((spare[j], j) for j in range(7) if j != row)[1]
        else:
            column = tightest
            row = max((missed[i], i) for i in range(7) if i != column)[1]
        counts[row, column] += 1
        missed[row] -= 1
        spare[column] -= 1
    assert counts.min() >= 0
    return labels, counts


def test_a_published_column_is_reproduced_to_the_printed_digit() -> None:
    labels, counts = table_7_matrix()
    assert GEMINI.system == "Gemini-3"
    assert counts.sum() == 790
    assert counts[:, :7].sum(1).tolist() == list(SUPPORTS.values())
    for row in classification.per_class(counts, labels):
        expected = tuple(printed(number) for number in GEMINI.labels[row.label])
        assert (printed(row.precision), printed(row.recall), printed(row.f1)) == expected
    for name, number in GEMINI.scores.items():
        assert printed(float(METRICS[name].value(counts))) == printed(number)


def test_a_published_column_is_reproduced_from_answers() -> None:
    labels, counts = table_7_matrix()
    gold: list[str] = []
    answers: Answers = []
    for i, j in np.ndindex(7, 7):
        gold += [labels[i]] * int(counts[i, j])
        answers += [labels[j]] * int(counts[i, j])
    for name, number in GEMINI.scores.items():
        assert printed(one_label(name, gold, answers, labels)) == printed(number)
