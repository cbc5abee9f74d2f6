"""Every row of the table of metrics, and the properties that those of labels and confidence share. References are in
test_metrics_reference.py, hand-made and published cases in test_metrics_cases.py; rows of open labels, preferences,
sentiment, dimensions and blends have theirs in test_mer_metrics.py."""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
import random
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eval.metrics
from eval.metrics import classification, soft
from eval.metrics.metric import DISTRIBUTION, holds, multiple, primary
from eval.metrics.sums import gather, weighted
from eval.metrics.table import METRICS, Metric, Options, Value
from eval.timeline.table import TIMELINE
from tasks.task import AnswerKind, AnyOf, OneOf, Pick, Record
from tests.eval.test_mer_metrics import MER

LABELS = ("Anger", "Disgust", "Joy", "Neutral")
# The answer kinds that metrics of each part are checked on. A metric of another part needs a row here, or a family in
# test_mer_metrics.py.
KINDS: dict[str, tuple[type[Any], ...]] = {
    "label": (OneOf, Record, Pick),
    "labels": (Record, AnyOf),
    "confidence": (OneOf, Record),
    "distribution": (OneOf, Record),
}
# Public functions of eval/metrics that are parts of metrics, or tables, and no metrics.
HELPERS = {
    "classification": {"class_scores", "confusion", "encode", "margins", "per_class", "precision_recall_f1"},
    "confidence": {"bin_of", "curve", "reliability", "risk_coverage", "stated"},
    "labelsets": {"binary", "label_scores", "share_table"},
    "metric": {
        "dimensions",
        "has_multiple",
        "has_open",
        "has_primary",
        "holds",
        "label_of",
        "list_of",
        "multiple",
        "open_labels",
        "possible",
        "primary",
        "ratio",
    },
    "soft": {"distributions"},
    "sums": {"distinct", "gather", "weighted"},
    "blend": {"presence_right", "salience_right"},
    "dims": {"is_number", "number_table"},
    "hitrate": {"hits"},
    "wheelscores": {"both", "column_scores", "flat", "lists_of", "marked", "overlaps", "told_words", "words_of"},
}
Shares = dict[str, int]


class Told(NamedTuple):
    """An answer before it has a kind: label, confidence, listed labels with confidences, weights of a distribution."""

    label: str
    confidence: float | None
    listed: dict[str, float | None]
    weights: tuple[int, ...] | None


class Item(NamedTuple):
    """One sample: its label, thirds of annotators behind each label of the set, and the answer."""

    label: str
    shares: Shares
    told: Told | None


def kind_of(kind: type[Any], labels: Sequence[str] = LABELS) -> AnswerKind:
    found: AnswerKind = Record(OneOf(tuple(labels)), AnyOf(tuple(labels))) if kind is Record else kind(tuple(labels))
    return found


def value(kind: AnswerKind, label: str, listed: dict[str, Any] | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if not isinstance(kind, AnyOf):
        found[primary(kind)[0]] = label
    if isinstance(kind, AnyOf | Record):
        items = None if listed is None else [{"label": name, "confidence": share} for name, share in listed.items()]
        found[multiple(kind)[0]] = items
    return found


def gold_of(item: Item, kind: AnswerKind) -> Value:
    return value(kind, item.label, {name: thirds / 3 for name, thirds in item.shares.items()})


def answer_of(item: Item, kind: AnswerKind, labels: Sequence[str] = LABELS) -> Value | None:
    told = item.told
    if told is None:
        return None
    found = value(kind, told.label, told.listed)
    if told.confidence is not None:
        found["confidence"] = told.confidence
    if told.weights is not None:
        top = max(told.weights)  # the answered label has the highest probability
        sizes = dict(zip(LABELS, told.weights, strict=True)) | {told.label: top + 1}
        found[DISTRIBUTION] = {name: sizes.get(name, 0) / sum(sizes.values()) for name in labels}
    return found


class Case(NamedTuple):
    """A metric and a kind of answers that it is checked on."""

    metric: Metric
    kind: type[Any]

    def score(self, items: Sequence[Item], labels: Sequence[str] = LABELS) -> float:
        kind = kind_of(self.kind, labels)
        return self.metric([gold_of(item, kind) for item in items], [answer_of(item, kind) for item in items], kind)

    def statistics(self, items: Sequence[Item]) -> np.ndarray[Any, np.dtype[np.float64]]:
        kind = kind_of(self.kind)
        gold, answers = [gold_of(item, kind) for item in items], [answer_of(item, kind) for item in items]
        return self.metric.statistics(gold, answers, kind, Options())

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return 1 if self.metric.best == self.metric.high else -1


CASES = {
    f"{m.name}-{kind.__name__}": Case(m, kind)
    for m in METRICS.values()
    if m.name not in MER
    for kind in KINDS.get(m.part, ())
}
on_every_metric = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))

label = st.sampled_from(LABELS)
shares = st.dictionaries(label, st.integers(1, 3), max_size=3)
confidences = st.sampled_from((0.0, 0.1, 0.3, 0.5, 0.7, 0.85, 0.9, 1.0))
told = st.builds(
    Told, label, st.none() | confidences, st.dictionaries(label, st.none() | confidences, max_size=3),
    st.none() | st.tuples(*[st.integers(0, 5)] * len(LABELS)),
)  # fmt: skip
items = st.lists(st.builds(Item, label, shares, st.none() | told), min_size=1, max_size=25)


def perfect(item: Item, case: Case) -> Item:
    """The item with the best answer that a metric can be given."""
    if case.metric.statistics is soft.distances:
        listed: dict[str, float | None] = {name: thirds / 3 for name, thirds in item.shares.items()}
    else:
        listed = {name: 1.0 for name, thirds in item.shares.items() if thirds >= 2}
    sure = tuple(10**9 * (name == item.label) for name in LABELS)
    return item._replace(told=Told(item.label, 1.0, listed, sure))


def same(one: float, other: float) -> bool:
    return one == pytest.approx(other, abs=1e-9, nan_ok=True)


# --- none is forgotten


def test_every_metric_has_its_properties_checked() -> None:
    timelines = {metric.name for metric in TIMELINE}  # all of them in test_timeline_properties.py
    assert {case.metric.name for case in CASES.values()} | MER.keys() | timelines == METRICS.keys()


def plain(value: Any) -> Any:
    """The function behind one that was given its level, wheel or dimension."""
    return value.func if isinstance(value, partial) else value


def test_no_metric_function_is_missing_from_the_table() -> None:
    used = {function for metric in METRICS.values() for function in (metric.statistics, plain(metric.value))}
    found = {}
    for info in pkgutil.iter_modules(eval.metrics.__path__):
        module = importlib.import_module(f"eval.metrics.{info.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and not name.startswith("_"):
                found[f"{info.name}.{name}"] = function
    helpers = {f"{module}.{name}" for module, names in HELPERS.items() for name in names}
    forgotten = [name for name, function in found.items() if function not in used and name not in helpers]
    assert not forgotten, "neither a row of METRICS nor a helper"
    assert found.keys() >= helpers, "a helper that is no longer there"
    assert all(inspect.getdoc(function) for function in found.values())


def test_rows_of_the_table_are_complete() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.title
        assert metric.source
        assert metric.low < metric.high
        assert metric.best in (metric.low, metric.high, None)
    assert len({metric.title for metric in METRICS.values()}) == len(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_function_says_its_range_best_value_undefined_case_and_reference(name: str) -> None:
    text = " ".join((inspect.getdoc(plain(METRICS[name].value)) or "").split())
    assert "NaN" in text
    assert any(word in text.lower() for word in ("in [0, 1]", "in [0, 2]", "in [-1, 1]", "at least 0"))
    assert any(word in text for word in ("best", "lower is better", "Neither end is good"))
    reference = text + METRICS[name].source
    assert any(word in reference for word in ("Equals", "equals", "sklearn", "20", "Table 8", "KL + entropy"))


# --- properties


@on_every_metric
@given(drawn=items)
@settings(max_examples=20, deadline=None)
def test_a_score_lies_in_its_range(case: Case, drawn: list[Item]) -> None:
    score = case.score(drawn)
    assert math.isnan(score) or case.metric.low - 1e-12 <= score <= case.metric.high + 1e-12


@on_every_metric
@given(drawn=items)
@settings(max_examples=20, deadline=None)
def test_perfect_answers_reach_the_best_score(case: Case, drawn: list[Item]) -> None:
    best = case.score([perfect(item, case) for item in drawn])
    if case.metric.best is None:
        assert best == pytest.approx(1, abs=1e-6), "sure of everything"
    elif case.metric.name == "soft_ce":  # its least value is the entropy of the annotators
        assert math.isnan(best) or best <= case.score(drawn) + 1e-12
    elif not math.isnan(best):
        assert best == pytest.approx(case.metric.best, abs=1e-6)
    else:
        assert case.metric.part == "labels"
        assert not all(any(thirds >= 2 for thirds in item.shares.values()) for item in drawn), "gold, yet undefined"


@on_every_metric
@given(drawn=items)
@settings(max_examples=20, deadline=None)
def test_no_answer_at_all_is_the_worst_score_or_undefined(case: Case, drawn: list[Item]) -> None:
    nothing = case.score([item._replace(told=None) for item in drawn])
    if case.metric.missing == "left out":
        assert math.isnan(nothing)
    elif math.isnan(nothing):
        assert case.metric.part == "labels", "no label is gold anywhere"
    else:
        worst = case.metric.low if case.sign > 0 else case.metric.high
        assert same(nothing, worst) or math.isinf(worst)
        score = case.score(drawn)
        assert math.isnan(score) or (nothing - score) * case.sign <= 1e-9, "any answer is as good"


@on_every_metric
@given(drawn=items, seed=st.integers(0, 999))
@settings(max_examples=15, deadline=None)
def test_the_order_of_the_samples_does_not_matter(case: Case, drawn: list[Item], seed: int) -> None:
    shuffled = random.Random(seed).sample(drawn, len(drawn))  # noqa: S311 - a test needs no secrets
    assert same(case.score(drawn), case.score(shuffled))


@on_every_metric
@given(drawn=items, order=st.permutations(LABELS))
@settings(max_examples=15, deadline=None)
def test_labels_are_only_names(case: Case, drawn: list[Item], order: list[str]) -> None:
    before = case.score(drawn)
    assert same(before, case.score(drawn, order)), "the order of the label set"
    assert same(before, case.score([renamed(item, order) for item in drawn])), "labels renamed by a bijection"


def renamed(item: Item, order: Sequence[str]) -> Item:
    names = dict(zip(LABELS, order, strict=True))
    told = item.told
    if told is not None:
        weights = None if told.weights is None else tuple(told.weights[order.index(name)] for name in LABELS)
        told = Told(
            names[told.label], told.confidence, {names[name]: share for name, share in told.listed.items()}, weights
        )
    return Item(names[item.label], {names[name]: thirds for name, thirds in item.shares.items()}, told)


@on_every_metric
@given(drawn=items)
@settings(max_examples=20, deadline=None)
def test_losing_a_right_answer_does_not_help(case: Case, drawn: list[Item]) -> None:
    kept = [perfect(drawn[0], case), *drawn[1:]]
    lost = [drawn[0]._replace(told=None), *drawn[1:]]
    if case.metric.missing == "left out":
        assert same(case.score(lost), case.score(drawn[1:]) if len(drawn) > 1 else math.nan), "left out of the mean"
        return
    better, worse = case.score(kept), case.score(lost)
    assert math.isnan(worse) or math.isnan(better) or (worse - better) * case.sign <= 1e-12
    if case.metric.part == "label":
        assert (worse - better) * case.sign < 0


@on_every_metric
@given(drawn=items)
@settings(max_examples=10, deadline=None)
def test_n_does_not_shrink_when_answers_are_missing(case: Case, drawn: list[Item]) -> None:
    assert len(case.statistics(drawn)) == len(drawn)


@on_every_metric
@given(drawn=items, seed=st.integers(0, 999))
@settings(max_examples=20, deadline=None)
def test_a_resample_scores_like_the_samples_that_it_repeats(case: Case, drawn: list[Item], seed: int) -> None:
    """Weights of groups and samples written out as often as they are drawn are the same thing."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 4, len(drawn))
    weights = rng.integers(0, 4, (3, 4)).astype(np.float64)
    gathered = gather(case.statistics(drawn), groups, 4, ranked=case.metric.ranked)
    found = case.metric.scores(gathered, weighted(gathered, weights))
    for row, score in zip(weights, found, strict=True):
        repeated = [item for item, group in zip(drawn, groups, strict=True) for _ in range(int(row[group]))]
        assert same(float(score), case.score(repeated))


@on_every_metric
@pytest.mark.filterwarnings("error")
def test_nothing_to_score_is_nan(case: Case) -> None:
    assert math.isnan(case.score([]))


# --- what is refused, what is missing


@on_every_metric
@pytest.mark.parametrize(("gold", "answer"), [("Joy", "Contempt"), ("Contempt", "Joy"), ("Joy", "joy"), ("Joy", "")])
def test_foreign_labels_are_refused_by_name(case: Case, gold: str, answer: str) -> None:
    item = Item(gold, {gold: 3}, Told(answer, 0.5, {answer: 0.5}, None))
    with pytest.raises(ValueError, match="is not one of") as caught:
        case.score([item])
    assert repr(answer if gold == "Joy" else gold) in str(caught.value)
    assert all(name in str(caught.value) for name in LABELS), "what is legal"


@on_every_metric
def test_unequal_lengths_are_refused(case: Case) -> None:
    kind = kind_of(case.kind)
    gold = [gold_of(Item("Joy", {"Joy": 3}, None), kind)] * 2
    with pytest.raises(ValueError, match=r"2 gold labels.* 1 answers"):
        case.metric(gold, [None], kind)


@pytest.mark.parametrize(("name", "kind"), [("accuracy", AnyOf(LABELS)), ("set_micro_f1", OneOf(LABELS))])
def test_a_kind_without_the_part_is_refused(name: str, kind: AnswerKind) -> None:
    with pytest.raises(ValueError, match=type(kind).__name__):
        METRICS[name]([{"label": "Joy", "labels": []}], [None], kind)


def test_open_label_sets_have_no_set_metrics() -> None:
    with pytest.raises(ValueError, match="closed set"):
        METRICS["set_micro_f1"]([{"labels": []}], [None], AnyOf())


def test_a_record_without_its_labels_is_not_answered() -> None:
    kind = kind_of(Record)
    whole = {"emotion": "Joy", "confidence": None, "goemotions": None}
    assert not holds(whole, "labels", kind)
    assert not holds(whole, "confidence", kind)
    assert holds(whole, "label", kind)
    gold = [{"emotion": "Joy", "goemotions": [{"label": "Joy", "confidence": 1.0}]}]
    for metric in METRICS.values():
        if metric.part == "labels":
            assert same(metric(gold, [whole], kind), metric(gold, [None], kind)), metric.name
    assert METRICS["accuracy"](gold, [whole], kind) == 1


@pytest.mark.parametrize(
    "wrong", [{"threshold": 0.0}, {"threshold": 1.1}, {"answer_threshold": -0.1}, {"smoothing": 0.0}, {"bins": 0}]
)
def test_options_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="legal"):
        Options(**wrong)


def test_stacked_sums_score_like_single_ones() -> None:
    """Resampling scores blocks of sums at once."""
    stack = np.random.default_rng(5).integers(0, 4, (6, 3, 4)).astype(float)
    stack[2] = 0
    for function in (classification.accuracy, classification.macro_f1, classification.weighted_f1):
        single = [float(function(matrix)) for matrix in stack]
        assert function(stack).tolist() == pytest.approx(single, nan_ok=True)
