"""Rows of the metrics table for open labels, preferences, sentiment, dimensions and blends: the properties that they
share, and cases by hand. References are in test_mer_metrics_reference.py, the other rows in test_metrics.py."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.metrics.dims import TRAITS
from eval.metrics.metric import possible
from eval.metrics.sums import gather, weighted
from eval.metrics.table import METRICS, Metric, Options, Value
from tasks.task import AnswerKind, AnyOf, Blend, Described, Dims, OneOf, Pick
from tests.eval.wheel_set import VOCABULARY, write_wheels

Pair = tuple[dict[str, Any], dict[str, Any] | None]
BIG5 = Dims(TRAITS, 0.0, 1.0)
SIGNS = OneOf(("positive", "negative", "neutral"))
CHOICES = Pick(("a1", "a2", "same"))
SIX = ("ang", "disg", "fea", "hap", "sad", "neu")

labels = st.lists(st.sampled_from(VOCABULARY), max_size=4)
quarters = st.integers(0, 8).map(lambda eighths: eighths / 8)
blends = st.one_of(
    st.sampled_from(SIX).map(lambda one: {"emotions": [{"emotion": one, "salience": 100}]}),
    st.tuples(st.permutations(SIX[:5]), st.sampled_from((30, 50, 70))).map(
        lambda drawn: {"emotions": [{"emotion": drawn[0][0], "salience": drawn[1]},
                                    {"emotion": drawn[0][1], "salience": 100 - drawn[1]}]}
    ),
)  # fmt: skip


class Family(NamedTuple):
    """Metrics by the beginning of their names, the kinds that they are checked on, gold and answers of those."""

    kinds: tuple[AnswerKind, ...]
    gold: st.SearchStrategy[dict[str, Any]]
    answer: st.SearchStrategy[dict[str, Any]]


open_values = labels.map(lambda drawn: {"labels": drawn, "description": None})
# gold that is not written as in the tables is no choice of the m-score, not even where it is answered
plain_words = [word for word in VOCABULARY if word and word == word.lower().strip()]
one_word = st.sampled_from(plain_words).map(lambda word: {"labels": [word]})
FAMILIES = {
    "ew_": Family((AnyOf(), Described()), open_values, open_values),
    "list_length": Family((AnyOf(), Described()), open_values, open_values),
    "hitrate": Family((AnyOf(),), one_word, open_values),
    "mscore": Family((AnyOf(),), one_word, open_values),
    "sentiment_": Family((SIGNS,), *[st.sampled_from(SIGNS.labels).map(lambda one: {"label": one})] * 2),
    "preference": Family((CHOICES,), *[st.sampled_from(CHOICES.options).map(lambda one: {"choice": one})] * 2),
    **{
        name: Family(
            (BIG5, Dims((*TRAITS, "more"), -1.0, 1.0)),
            *[st.tuples(*[quarters] * 6).map(lambda drawn: dict(zip((*TRAITS, "more"), drawn, strict=True)))] * 2,
        )
        for name in ("rmse", "pcc", "ccc")
    },
    "acc_": Family((Blend(SIX),), blends, blends),
    "blemore": Family((Blend(SIX),), blends, blends),
}


def family_of(name: str) -> Family | None:
    return next((family for start, family in FAMILIES.items() if name.startswith(start)), None)


MER = {name: metric for name, metric in METRICS.items() if family_of(name) is not None}
on_every_row = pytest.mark.parametrize("name", MER)
# C, the clusters that gold of the set has, belongs to the whole set: a part of it is scored with another C.
OF_THE_WHOLE = "mscore"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wheels(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module", params=("mer2025", "mer2026"))
def options(request: pytest.FixtureRequest, folder: Path) -> Options:
    return Options(wheels=request.param, wheel_folder=folder, wheels_checked=False)


def pairs_of(data: st.DataObject, family: Family, *, answered: bool = False) -> list[Pair]:
    answer = family.answer if answered else st.none() | family.answer
    drawn: list[Pair] = data.draw(st.lists(st.tuples(family.gold, answer), min_size=1, max_size=8))
    return drawn


def scored(metric: Metric, pairs: Sequence[Pair], kind: AnswerKind, options: Options) -> float:
    return metric(*sides(pairs), kind, options)


def sides(pairs: Sequence[Pair]) -> tuple[list[Value], list[Value | None]]:
    return [gold for gold, _ in pairs], [told for _, told in pairs]


def same(one: float, other: float, tolerance: float = 1e-12) -> bool:
    return one == pytest.approx(other, rel=0, abs=tolerance, nan_ok=True)


# --- properties


@on_every_row
@given(data=st.data())
@settings(max_examples=5, deadline=None)
def test_a_score_lies_in_its_range_whatever_the_order(name: str, data: st.DataObject, options: Options) -> None:
    metric, family = MER[name], family_of(name)
    assert family is not None
    pairs = pairs_of(data, family)
    for kind in family.kinds:
        found = scored(metric, pairs, kind, options)
        assert math.isnan(found) or metric.low - 1e-12 <= found <= metric.high + 1e-12
        mixed = random.Random(3).sample(pairs, len(pairs))  # noqa: S311 - a test needs no secrets
        assert same(scored(metric, mixed, kind, options), found)
        assert len(metric.statistics(*sides(pairs), kind, options)) == len(pairs), "n does not shrink"


@on_every_row
@given(data=st.data())
@settings(max_examples=5, deadline=None)
def test_gold_itself_is_the_best_answer(name: str, data: st.DataObject, options: Options) -> None:
    metric, family = MER[name], family_of(name)
    assert family is not None
    if metric.best is None or metric.missing == "left out":
        return
    gold = [pair[0] for pair in pairs_of(data, family)]
    for kind in family.kinds:
        best = scored(metric, [(one, one) for one in gold], kind, options)
        nothing = name.startswith("ew_") and options.wheels == "mer2026" and best == 0
        assert math.isnan(best) or same(best, float(metric.best), 1e-9) or nothing or best_of_some_wheels(name, best)


def best_of_some_wheels(name: str, best: float) -> bool:
    """In 2026 a wheel on which nothing is counted adds 0 to the mean over the wheels."""
    return name in ("ew_mean_f", "ew_m_avg", *(f"ew_l{n}_{part}" for n in (1, 2) for part in "prf")) and best < 1


@on_every_row
@given(data=st.data())
@settings(max_examples=5, deadline=None)
def test_a_resample_scores_like_the_samples_that_it_repeats(name: str, data: st.DataObject, options: Options) -> None:
    metric, family = MER[name], family_of(name)
    assert family is not None
    pairs = pairs_of(data, family)
    for kind in family.kinds if not name.startswith(OF_THE_WHOLE) else ():
        statistics = metric.statistics(*sides(pairs), kind, options)
        rng = np.random.default_rng(len(pairs))
        groups, draws = rng.integers(0, 3, len(pairs)), rng.integers(0, 3, (4, 3)).astype(np.float64)
        gathered = gather(statistics, groups, 3)
        found = metric.scores(gathered, weighted(gathered, draws))
        for draw, value in zip(draws, found, strict=True):
            repeated = [pair for pair, group in zip(pairs, groups, strict=True) for _ in range(int(draw[group]))]
            assert same(float(value), scored(metric, repeated, kind, options), 1e-9)


@on_every_row
@given(data=st.data())
@settings(max_examples=5, deadline=None)
def test_silence_does_not_help(name: str, data: st.DataObject, options: Options) -> None:
    """Losing a right answer never raises a score; of correlations and of preferences (no answer is `same`, which is
    `a1` of two) it can."""
    metric, family = MER[name], family_of(name)
    assert family is not None
    if metric.missing == "left out" or name.startswith(("pcc", "ccc", "preference")):
        return
    first, *others = pairs_of(data, family)
    for kind in family.kinds:
        right = scored(metric, [(first[0], first[0]), *others], kind, options)
        lost = scored(metric, [(first[0], None), *others], kind, options)
        sign = 1 if metric.best == metric.high else -1
        assert math.isnan(right) or math.isnan(lost) or (lost - right) * sign <= 1e-12


@on_every_row
def test_nothing_to_score_is_nan_and_unequal_lengths_are_refused(name: str, options: Options) -> None:
    metric, family = MER[name], family_of(name)
    assert family is not None
    for kind in family.kinds:
        assert math.isnan(scored(metric, [], kind, options))
        with pytest.raises(ValueError, match="but 1 answers"):
            metric([], [None], kind, options)


@on_every_row
def test_a_row_is_for_its_kinds_alone(name: str, options: Options) -> None:
    metric, family = MER[name], family_of(name)
    assert family is not None
    others = (
        OneOf(("a", "b")),
        Pick(("A", "B")),
        AnyOf(("a", "b")),
        Described(AnyOf(("a",))),
        Dims(("valence",), 0, 1),
    )
    assert all(possible(metric, kind) for kind in family.kinds)
    for kind in others:
        plain = isinstance(kind, Dims) and name in ("rmse", "pcc", "ccc")
        assert possible(metric, kind) == plain
        if not plain and metric.part != "blend":
            with pytest.raises(ValueError, match=type(kind).__name__):
                metric([{"label": "a", "choice": "A", "labels": [], "valence": 0}], [None], kind, options)


def test_wheel_rows_need_an_edition() -> None:
    with pytest.raises(ValueError, match="no edition of the emotion wheels is named"):
        METRICS["ew_l1_f"]([{"labels": []}], [None], AnyOf())


# --- numbers in dimensions, by hand


def numbers(*rows: tuple[float, float | None]) -> tuple[list[Value], list[Value | None], AnswerKind]:
    return [{"a": gold} for gold, _ in rows], [{"a": told} for _, told in rows], Dims(("a",), 0.0, 1.0)


def test_what_is_missing_counts_as_the_farther_end_of_the_scale() -> None:
    for missing, far in (((0.2, None), 1.0), ((0.8, None), 0.0), ((0.5, None), 1.0)):
        rows = [missing, (0.6, 0.5), (0.1, 0.3)]
        filled = [(missing[0], far), *rows[1:]]
        gold, told, kind = numbers(*rows)
        for name in ("rmse", "pcc", "ccc"):
            assert same(METRICS[name](gold, told, kind), METRICS[name](*numbers(*filled)))
            assert same(METRICS[name](gold, [None, *told[1:]], kind), METRICS[name](*numbers(*filled)))


def test_no_answer_is_worse_than_any_answer_for_rmse() -> None:
    for gold in (0.0, 0.3, 0.5, 1.0):
        worst = METRICS["rmse"](*numbers((gold, None)))
        assert all(METRICS["rmse"](*numbers((gold, told / 10))) <= worst for told in range(11))


@pytest.mark.parametrize("constant", [0.1, 1 / 3, 0.7])
def test_constant_numbers_have_no_correlation(constant: float) -> None:
    varied = [0.1, 0.4, 0.35, 0.9]
    answers = numbers(*((gold, constant) for gold in varied))
    assert math.isnan(METRICS["pcc"](*answers))
    assert METRICS["ccc"](*answers) == 0
    assert math.isnan(METRICS["pcc"](*numbers(*((constant, told) for told in varied))))
    assert math.isnan(METRICS["ccc"](*numbers((constant, constant), (constant, constant))))
    assert METRICS["rmse"](*numbers(*((gold, gold) for gold in varied))) == 0


def test_a_small_spread_far_from_zero_keeps_its_digits() -> None:
    rng = np.random.default_rng(0)
    t, p = (0.9 + 1e-6 * rng.random(50) for _ in range(2))
    found = METRICS["pcc"](*numbers(*zip(t.tolist(), p.tolist(), strict=True)))
    assert found == pytest.approx(np.corrcoef(t, p)[0, 1], abs=1e-9)


@pytest.mark.parametrize("value", [1.2, -0.1, math.nan, math.inf, "0.5", True])
def test_numbers_off_the_scale_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"a is .*from 0 to 1"):
        METRICS["rmse"](*numbers((0.5, value)))
    with pytest.raises(ValueError, match=r"a is .*from 0 to 1"):
        METRICS["rmse"](*numbers((value, 0.5)))


# --- sentiment and preference, by hand


def test_the_order_of_the_labels_does_not_matter() -> None:
    gold, told = ["positive", "negative", "neutral", "positive"], ["positive", "positive", "positive", "neutral"]
    for order in (SIGNS.labels, SIGNS.labels[::-1]):
        kind = OneOf(order)
        pair = [{"label": one} for one in gold], [{"label": one} for one in told], kind
        assert METRICS["sentiment_acc"](*pair) == pytest.approx(1 / 3)
    turned = [{"choice": "a1"}, {"choice": "a2"}], [{"choice": "same"}, {"choice": "same"}], Pick(CHOICES.options[::-1])
    assert METRICS["preference_acc"](*turned) == 0.5
    assert METRICS["preference3_acc"](*turned) == 0


def test_no_answer_is_read_as_the_challenges_read_an_empty_reply() -> None:
    gold = [{"choice": one} for one in ("a1", "a2", "same")]
    nothing: list[Value | None] = [None] * 3
    assert METRICS["preference_acc"](gold, nothing, CHOICES) == 0.5
    assert METRICS["preference3_acc"](gold, nothing, CHOICES) == pytest.approx(1 / 3)
    signs = [{"label": one} for one in ("positive", "negative", "neutral")]
    assert METRICS["sentiment_acc"](signs, nothing, SIGNS) == 0.5
