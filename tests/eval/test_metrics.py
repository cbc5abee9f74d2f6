"""Every row of the table of metrics: properties that all metrics share, scikit-learn, hand-made and published cases."""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
import random
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

import eval.metrics
from eval.metrics import classification, table
from eval.metrics.table import METRICS, Array, Metric, Value
from tasks.task import AnswerKind, AnyOf, OneOf, Pick, Record

LABELS = ("Anger", "Disgust", "Joy", "Neutral")
Labels = Sequence[str]
Given = Sequence[str | None]
Pairs = list[tuple[str, str | None]]


def one_of(labels: Labels) -> AnswerKind:
    return OneOf(tuple(labels))


def record(labels: Labels) -> AnswerKind:
    return Record(OneOf(tuple(labels)), AnyOf())


def pick(labels: Labels) -> AnswerKind:
    return Pick(tuple(labels))


# What metrics of single labels measure: a kind over some labels, and the key of its values that holds the label.
SINGLE_LABEL: dict[str, tuple[Callable[[Labels], AnswerKind], str]] = {
    "OneOf": (one_of, "label"),
    "Record": (record, "emotion"),
    "Pick": (pick, "choice"),
}
# statistics function -> the answer kinds that the properties below are checked on. A metric over other statistics
# needs a row here (and values made for it), or test_every_metric_has_its_properties_checked fails.
KINDS_OF: dict[Callable[..., Array], dict[str, tuple[Callable[[Labels], AnswerKind], str]]] = {
    table.confusions: SINGLE_LABEL
}
# Public functions of eval/metrics that are parts of metrics, or tables, and no metrics.
HELPERS = {
    "classification.confusion",
    "classification.encode",
    "classification.per_class",
    "classification.precision_recall_f1",
    "table.label_of",
    "table.primary",
}


class Case(NamedTuple):
    """A metric and a kind of answers that it is checked on."""

    metric: Metric
    kind_of: Callable[[Labels], AnswerKind]
    key: str

    def score(self, gold: Labels, answers: Given, labels: Labels = LABELS) -> float:
        return self.metric(*self.values(gold, answers), self.kind_of(labels))

    def values(self, gold: Labels, answers: Given) -> tuple[list[Value], list[Value | None]]:
        return (
            [{self.key: label} for label in gold],
            [None if label is None else {self.key: label, "confidence": None} for label in answers],
        )


CASES = {
    f"{metric.name}-{name}": Case(metric, *kinds[name])
    for metric in METRICS.values()
    for kinds in [KINDS_OF.get(metric.statistics, {})]
    for name in kinds
}
on_every_metric = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
replies = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from((*LABELS, None))), min_size=1, max_size=40)


def one_label(metric: str, gold: Labels, answers: Given, labels: Labels = LABELS) -> float:
    """A metric by name over answers of one label."""
    return Case(METRICS[metric], one_of, "label").score(gold, answers, labels)


def same(one: float, other: float) -> bool:
    return one == pytest.approx(other, abs=1e-12, nan_ok=True)


def test_every_metric_has_its_properties_checked() -> None:
    unchecked = [metric.name for metric in METRICS.values() if metric.statistics not in KINDS_OF]
    assert not unchecked
    assert len(CASES) >= len(METRICS) > 0


def test_no_metric_function_is_missing_from_the_table() -> None:
    used = {function for metric in METRICS.values() for function in (metric.statistics, metric.value)}
    found = {}
    for info in pkgutil.iter_modules(eval.metrics.__path__):
        module = importlib.import_module(f"eval.metrics.{info.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and not name.startswith("_"):
                found[f"{info.name}.{name}"] = function
    assert {"classification.accuracy", "table.confusions"} <= found.keys()
    forgotten = [name for name, function in found.items() if function not in used and name not in HELPERS]
    assert not forgotten, "neither a row of METRICS nor a helper"
    assert found.keys() >= HELPERS, "a helper that is no longer there"


def test_rows_of_the_table_are_complete() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.title
        assert metric.source
        assert metric.low < metric.high
        assert metric.best in (metric.low, metric.high)


@on_every_metric
@given(pairs=replies)
@settings(max_examples=30, deadline=None)
def test_a_score_lies_in_its_range(case: Case, pairs: Pairs) -> None:
    gold, answers = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    assert case.metric.low <= case.score(gold, answers) <= case.metric.high


@on_every_metric
@given(gold=st.lists(st.sampled_from(LABELS), min_size=1, max_size=40))
@settings(max_examples=30, deadline=None)
def test_perfect_answers_reach_the_best_score(case: Case, gold: list[str]) -> None:
    assert same(case.score(gold, gold), case.metric.best)


@on_every_metric
@given(gold=st.lists(st.sampled_from(LABELS), min_size=1, max_size=40))
@settings(max_examples=30, deadline=None)
def test_no_answer_at_all_is_the_worst_score(case: Case, gold: list[str]) -> None:
    worst = case.metric.low if case.metric.best == case.metric.high else case.metric.high
    assert same(case.score(gold, [None] * len(gold)), worst)


@on_every_metric
@given(pairs=replies, seed=st.integers(0, 999))
@settings(max_examples=25, deadline=None)
def test_the_order_of_the_samples_does_not_matter(case: Case, pairs: Pairs, seed: int) -> None:
    shuffled = random.Random(seed).sample(pairs, len(pairs))  # noqa: S311 - a test needs no secrets
    before = case.score([p[0] for p in pairs], [p[1] for p in pairs])
    assert same(before, case.score([p[0] for p in shuffled], [p[1] for p in shuffled]))


@on_every_metric
@given(pairs=replies, order=st.permutations(LABELS))
@settings(max_examples=25, deadline=None)
def test_labels_are_only_names(case: Case, pairs: Pairs, order: list[str]) -> None:
    gold, answers = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    before = case.score(gold, answers)
    assert same(before, case.score(gold, answers, order)), "the order of the label set"
    renamed: dict[str | None, str] = dict(zip(LABELS, order, strict=True))
    moved = [None if answer is None else renamed[answer] for answer in answers]
    after = case.score([renamed[name] for name in gold], moved)
    assert same(before, after), "labels renamed by a bijection"


@on_every_metric
@given(pairs=replies)
@settings(max_examples=25, deadline=None)
def test_losing_a_right_answer_lowers_the_score(case: Case, pairs: Pairs) -> None:
    gold, answers = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    answers[0] = gold[0]
    better = case.score(gold, answers)
    worse = case.score(gold, [None, *answers[1:]])
    assert (worse - better) * (1 if case.metric.best == case.metric.high else -1) < 0


@on_every_metric
@given(pairs=replies)
@settings(max_examples=20, deadline=None)
def test_n_does_not_shrink_when_answers_are_missing(case: Case, pairs: Pairs) -> None:
    gold, answers = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    counts = case.metric.statistics(*case.values(gold, answers), case.kind_of(LABELS))
    assert len(counts) == len(gold)
    assert counts.sum((1, 2)).tolist() == [1] * len(gold), "each sample counts once, answered or not"


@pytest.mark.parametrize("missing", range(6))
def test_accuracy_divides_by_all_samples(missing: int) -> None:
    answers = [None] * missing + ["Joy"] * (5 - missing)
    assert same(one_label("accuracy", ["Joy"] * 5, answers), (5 - missing) / 5)


@on_every_metric
@pytest.mark.filterwarnings("error")
def test_nothing_to_score_is_nan(case: Case) -> None:
    assert math.isnan(case.score([], []))


@on_every_metric
@pytest.mark.parametrize(
    ("gold", "answers", "foreign"),
    [
        (["Joy"], ["Contempt"], "Contempt"),
        (["Contempt"], ["Joy"], "Contempt"),
        (["Contempt"], [None], "Contempt"),
        (["Joy"], ["joy"], "joy"),
        (["Joy"], ["Joy "], "Joy "),
        (["Joy"], [""], "''"),
    ],
)
def test_foreign_labels_are_refused_by_name(
    case: Case, gold: list[str], answers: list[str | None], foreign: str
) -> None:
    with pytest.raises(ValueError, match="is not one of") as caught:
        case.score(gold, answers)
    assert foreign in str(caught.value)
    assert all(label in str(caught.value) for label in LABELS), "what is legal"


@on_every_metric
def test_unequal_lengths_are_refused(case: Case) -> None:
    with pytest.raises(ValueError, match=r"2 gold labels.* 1 answers"):
        case.score(["Joy", "Joy"], ["Joy"])


def test_a_kind_without_a_single_label_is_refused() -> None:
    with pytest.raises(ValueError, match="AnyOf"):
        METRICS["accuracy"]([{"labels": []}], [None], AnyOf())


# --- scikit-learn, "no answer" being a label of its own that is not among `labels`


def random_answers(seed: int, classes: int, n: int) -> tuple[tuple[str, ...], list[str], list[str | None]]:
    """`n` gold labels and answers out of `classes`; some classes may be absent, a tenth has no answer."""
    rng = np.random.default_rng(seed)
    labels = tuple(f"c{index}" for index in range(classes))
    shares = rng.dirichlet(np.full(classes, 0.5))
    gold = [labels[index] for index in rng.choice(classes, n, p=shares)]
    answers: list[str | None] = []
    for name in gold:
        draw = rng.random()
        answers.append(name if draw < 0.4 else None if draw < 0.5 else labels[rng.integers(classes)])
    return labels, gold, answers


@pytest.mark.parametrize("seed", range(25))
def test_scores_equal_scikit_learn(seed: int) -> None:
    labels, gold, answers = random_answers(seed, classes=2 + seed % 8, n=1 + seed * seed)
    told = ["no answer" if answer is None else answer for answer in answers]
    expected = {
        "accuracy": accuracy_score(gold, told),
        "macro_f1": f1_score(gold, told, labels=labels, average="macro", zero_division=np.nan),
        "weighted_f1": f1_score(gold, told, labels=labels, average="weighted", zero_division=0),
    }
    assert expected.keys() == METRICS.keys(), "a metric without its reference"
    for name, reference in expected.items():
        assert one_label(name, gold, answers, labels) == pytest.approx(reference, abs=1e-12)


@pytest.mark.parametrize("seed", range(25))
def test_per_class_scores_equal_scikit_learn(seed: int) -> None:
    labels, gold, answers = random_answers(seed, classes=2 + seed % 8, n=1 + seed * seed)
    told = ["no answer" if answer is None else answer for answer in answers]
    expected = precision_recall_fscore_support(gold, told, labels=labels, zero_division=0)
    rows = classification.per_class(classification.confusion(gold, answers, labels), labels)
    for row, precision, recall, f1, support in zip(rows, *expected, strict=True):
        assert row.support == support
        assert row.answered == told.count(row.label)
        if row.support + row.answered == 0:
            assert math.isnan(row.precision)
            assert math.isnan(row.recall)
            assert math.isnan(row.f1)
        else:
            assert (row.precision, row.recall, row.f1) == pytest.approx((precision, recall, f1), abs=1e-12)


def test_stacked_matrices_score_like_single_ones() -> None:
    """Resampling scores blocks of matrices at once."""
    rng = np.random.default_rng(5)
    stack = rng.integers(0, 4, (6, 3, 4)).astype(float)
    stack[2] = 0
    for metric in METRICS.values():
        single = [float(metric.value(matrix)) for matrix in stack]
        assert metric.value(stack).tolist() == pytest.approx(single, nan_ok=True)
        assert metric.value(stack.reshape(2, 3, 3, 4)).ravel().tolist() == pytest.approx(single, nan_ok=True)


# --- by hand


def test_a_small_case_by_hand() -> None:
    #         gold A: A A B -      gold B: B A      gold C: -        (- no answer; D occurs nowhere)
    gold = ["A", "A", "A", "A", "B", "B", "C"]
    answers = ["A", "A", "B", None, "B", "A", None]
    counts = classification.confusion(gold, answers, ("A", "B", "C", "D"))
    assert counts.tolist() == [[2, 1, 0, 0, 1], [1, 1, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]
    # F1: A 2*2/(3+4) = 4/7, B 2*1/(2+2) = 1/2, C 0, D left out
    assert same(one_label("accuracy", gold, answers, "ABCD"), 3 / 7)
    assert same(one_label("macro_f1", gold, answers, "ABCD"), (4 / 7 + 1 / 2 + 0) / 3)
    assert same(one_label("weighted_f1", gold, answers, "ABCD"), (4 * 4 / 7 + 2 * 1 / 2 + 0) / 7)
    a, b, c, d = classification.per_class(counts, ("A", "B", "C", "D"))
    assert (a.precision, a.recall, a.support, a.answered) == pytest.approx((2 / 3, 1 / 2, 4, 3))
    assert (b.precision, b.recall, b.support, b.answered) == (0.5, 0.5, 2, 2)
    assert (c.precision, c.recall, c.f1, c.support, c.answered) == (0, 0, 0, 1, 0)
    assert (math.isnan(d.precision), math.isnan(d.recall), math.isnan(d.f1), d.support) == (True, True, True, 0)


# --- published: Guo et al., EmoS, ACL 2026, Table 7, column Gemini-3 (zero-shot, high-confidence test subset).
# The supports are not printed; they are the only integers that give the printed digits (790 clips answered).
#            support  precision recall F1
TABLE_7 = {
    "Anger": (126, ".669", ".770", ".716"),
    "Disgust": (35, ".217", ".143", ".172"),
    "Fear": (39, ".383", ".590", ".465"),
    "Joy": (207, ".678", ".802", ".735"),
    "Neutral": (289, ".777", ".422", ".547"),
    "Sadness": (68, ".533", ".721", ".613"),
    "Surprise": (26, ".309", ".808", ".447"),
}
PRINTED = {"accuracy": ".611", "macro_f1": ".528", "weighted_f1": ".605"}


def printed(value: float) -> str:
    """Three digits as the paper rounds them: half up (Sadness F1 is .6125)."""
    return str(Decimal(repr(round(value, 12))).quantize(Decimal("0.001"), ROUND_HALF_UP)).removeprefix("0")


def table_7_matrix() -> tuple[tuple[str, ...], np.ndarray[Any, np.dtype[np.float64]]]:
    """A confusion matrix with the column's hits, supports and answers. Which wrong answer stands where is not
    published; scores do not depend on it: errors are dealt out class by class."""
    labels = tuple(TABLE_7)
    hits = [round(support * float(recall)) for support, _, recall, _ in TABLE_7.values()]
    answered = [round(hit / float(row[1])) for hit, row in zip(hits, TABLE_7.values(), strict=True)]
    counts = np.zeros((7, 8))
    counts[range(7), range(7)] = hits
    missed = [row[0] - hit for row, hit in zip(TABLE_7.values(), hits, strict=True)]
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
    assert counts.sum() == 790
    assert counts[:, :7].sum(1).tolist() == [row[0] for row in TABLE_7.values()]
    for row in classification.per_class(counts, labels):
        assert (row.support, printed(row.precision), printed(row.recall), printed(row.f1)) == TABLE_7[row.label]
    for name, digits in PRINTED.items():
        assert printed(float(METRICS[name].value(counts))) == digits


def test_a_published_column_is_reproduced_from_answers() -> None:
    labels, counts = table_7_matrix()
    gold, answers = [], []
    for i, j in np.ndindex(7, 7):
        gold += [labels[i]] * int(counts[i, j])
        answers += [labels[j]] * int(counts[i, j])
    for name, digits in PRINTED.items():
        assert printed(one_label(name, gold, answers, labels)) == digits
