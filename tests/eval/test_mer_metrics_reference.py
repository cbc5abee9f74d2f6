"""Rows of the metrics table for open labels, preferences, sentiment, dimensions and blends, each against its definition
written out, scikit-learn or numpy; and the plain functions that give their numbers without a task."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from eval.metrics.dims import TRAITS
from eval.metrics.table import METRICS, Options, Value
from eval.wheels.ew import preference, sentiment, six_class_waf, trait_scores
from eval.wheels.wordmap import WordMap, load_words
from tasks.labels import label_space
from tasks.task import AnswerKind, AnyOf, Blend
from tests.eval.test_mer_metrics import BIG5, CHOICES, MER, SIGNS, SIX, same
from tests.eval.wheel_set import VOCABULARY, write_wheels


class Data:
    """Random gold and answers of every kind; a tenth has no answer."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.rng = rng = np.random.default_rng(seed)
        size = 1 + 6 * seed
        self.options = Options(wheels=("mer2025", "mer2026")[seed % 2], wheel_folder=folder, wheels_checked=False)
        self.words = load_words(self.options.wheels, folder, checked=False)
        self.there = rng.random(size) > 0.1
        self.open = [self.listed() for _ in range(size)], [self.listed() for _ in range(size)]
        self.basic = [str(rng.choice(VOCABULARY)) for _ in range(size)]
        self.signs = [list(rng.choice(SIGNS.labels, size)) for _ in range(2)]
        self.choices = [list(rng.choice(CHOICES.options, size)) for _ in range(2)]
        self.numbers = rng.random((size, 5)), rng.random((size, 5))
        self.blends = [[self.blend() for _ in range(size)] for _ in range(2)]

    def listed(self) -> list[str]:
        return [str(word) for word in self.rng.choice(VOCABULARY, self.rng.integers(0, 5))]

    def blend(self) -> list[tuple[str, int]]:
        one, two = (str(name) for name in self.rng.choice(SIX[:5], 2, replace=False))
        share = int(self.rng.choice((30, 50, 70)))
        return [(one, share), (two, 100 - share)] if self.rng.random() < 0.6 else [(one, 100)]

    def told(self, values: Sequence[Any]) -> list[Any]:
        return [value if there else None for value, there in zip(values, self.there, strict=True)]

    def values(self, name: str) -> tuple[list[Value], list[Value | None], AnswerKind]:
        """Gold, answers and kind for a metric."""
        if name.startswith(("ew_", "list_", "hitrate", "mscore")):
            basic = name.startswith(("hitrate", "mscore"))
            gold: Sequence[Any] = [[word] for word in self.basic] if basic else self.open[0]
            return [{"labels": one} for one in gold], self.told([{"labels": one} for one in self.open[1]]), AnyOf()
        if name.startswith(("sentiment", "preference")):
            key, kind, drawn = ("label", SIGNS, self.signs) if name[0] == "s" else ("choice", CHOICES, self.choices)
            return [{key: str(one)} for one in drawn[0]], self.told([{key: str(one)} for one in drawn[1]]), kind
        if name.startswith(("rmse", "pcc", "ccc")):
            gold, told = ([dict(zip(TRAITS, map(float, row), strict=True)) for row in side] for side in self.numbers)
            return list(gold), self.told(told), BIG5
        entries = [
            [{"emotions": [{"emotion": one, "salience": share} for one, share in value]} for value in side]
            for side in self.blends
        ]
        return list(entries[0]), self.told(entries[1]), Blend(SIX)


def clusters(words: WordMap, listed: Sequence[str] | None, column: str) -> set[str]:
    return {found for found in (words.cluster(word, column) for word in listed or ()) if found}


def column(data: Data, name: str) -> tuple[float, float, float]:
    """Precision, recall and F of one column."""
    empty = math.nan if data.options.wheels == "mer2025" else 0.0
    rows = []
    for gold, told in zip(data.open[0], data.told(data.open[1]), strict=True):
        g, p = clusters(data.words, gold, name), clusters(data.words, told, name)
        if g:
            rows.append((len(g & p) / len(p) if p else 0.0, len(g & p) / len(g)))
    precision, recall = (float(np.mean([row[side] for row in rows])) if rows else empty for side in (0, 1))
    both = precision + recall
    return precision, recall, 2 * precision * recall / both if both > 0 else empty


def ew(data: Data, name: str) -> float:
    every = ["case1", "case2", *(f"w{wheel}_l{level}" for wheel in range(1, 6) for level in (1, 2))]
    table = {one: column(data, one) for one in every}
    if name == "ew_m_avg":
        return float(np.mean([row[2] for row in table.values()]))
    levels = [np.mean([table[f"w{wheel}_l{level}"] for wheel in range(1, 6)], axis=0) for level in (1, 2)]
    if name == "ew_mean_f":
        return float((levels[0][2] + levels[1][2]) / 2)
    start, part = name.removeprefix("ew_").rsplit("_", 1)
    return float((levels[int(start[1]) - 1] if start[0] == "l" else table[start])["prf".index(part)])


def hit(data: Data, name: str) -> float:
    kind, _, wheel = name.partition("_w")
    found = []
    for number in [int(wheel)] if wheel else range(1, 6):
        ring = f"w{number}_l1"
        # what stands in capitals or between blanks is no word of the tables
        choices = {data.words.cluster(word, ring) for word in data.basic if word == word.lower().strip()} - {""}
        rows = []
        for gold, told in zip(data.basic, data.told(data.open[1]), strict=True):
            g, p = clusters(data.words, [gold], ring), clusters(data.words, told, ring)
            if g:
                share = len(p & g) / len(p & choices) if p & choices else 0.0
                rows.append(len(p & g) if kind == "hitrate" else share)
        found.append(float(np.mean(rows)) if rows else math.nan)
    return float(np.mean(found))


def companion(data: Data, name: str) -> float:
    lists = [{w.lower().strip() for w in told} - {""} for told in data.told(data.open[1]) if told is not None]
    if name == "list_length":
        return float(np.mean([len(words) for words in lists])) if lists else math.nan
    words = [word for one in lists for word in one]
    return sum(word not in data.words.known for word in words) / len(words) if words else math.nan


def two_names(gold: list[str], told: list[str], name: str) -> float:
    if not gold:
        return math.nan
    if name.endswith("acc"):
        return float(sk.accuracy_score(gold, told))
    return float(sk.f1_score(gold, told, average="weighted"))


def signs(data: Data, name: str) -> float:
    rows = [(g, t) for g, t in zip(data.signs[0], data.told(data.signs[1]), strict=True) if g != "neutral"]
    return two_names([str(g == "positive") for g, _ in rows], [str(t == "positive") for _, t in rows], name)


def choices(data: Data, name: str) -> float:
    rows = [(g, t or "same") for g, t in zip(data.choices[0], data.told(data.choices[1]), strict=True)]
    if "3" not in name:
        rows = [(g, "a1" if t == "same" else t) for g, t in rows if g != "same"]
    return two_names([g for g, _ in rows], [t for _, t in rows], name)


def dims(data: Data, name: str) -> float:
    kind, _, trait = name.partition("_")
    gold, told = data.numbers
    told = np.where(data.there[:, None], told, np.where(gold > 0.5, 0.0, 1.0))  # the farther end
    found = []
    for place in [TRAITS.index(trait)] if trait else range(5):
        t, p = gold[:, place], told[:, place]
        if kind == "rmse":
            found.append(float(sk.root_mean_squared_error(t, p)))
        elif kind == "pcc":
            found.append(float(np.corrcoef(t, p)[0, 1]) if len(t) > 1 else math.nan)
        else:
            covariance = float(np.mean((t - t.mean()) * (p - p.mean())))
            found.append(2 * covariance / (t.var() + p.var() + (p.mean() - t.mean()) ** 2))
    return float(np.mean(found))


def blend(data: Data, name: str) -> float:
    rows = list(zip(data.blends[0], data.told(data.blends[1]), strict=True))
    presence = float(np.mean([t is not None and {e for e, _ in g} == {e for e, _ in t} for g, t in rows]))
    salience = [t is not None and dict(g) == dict(t) for g, t in rows if len(g) == 2]
    found = {"acc_presence": presence, "acc_salience": float(np.mean(salience)) if salience else math.nan}
    return found.get(name, (found["acc_presence"] + found["acc_salience"]) / 2)


REFERENCES: dict[str, Callable[[Data, str], float]] = {
    "ew_unknown": companion, "ew_": ew, "list_length": companion, "hitrate": hit, "mscore": hit, "sentiment": signs,
    "preference": choices, "rmse": dims, "pcc": dims, "ccc": dims, "acc_": blend, "blemore": blend,
}  # fmt: skip


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Data]:
    folder = write_wheels(tmp_path_factory.mktemp("wheels"))
    return [Data(seed, folder) for seed in range(10)]


@pytest.mark.parametrize("name", MER)
def test_a_row_equals_its_reference(name: str, drawn: list[Data]) -> None:
    reference = next(
        function for start, function in REFERENCES.items() if name.startswith(start) and name != "accuracy"
    )
    known = 0
    for data in drawn:
        gold, told, kind = data.values(name)
        expected = reference(data, name)
        assert same(METRICS[name](gold, told, kind, data.options), expected)
        known += not math.isnan(expected)
    assert known >= 3, "a reference that is nowhere defined checks nothing"


# --- plain functions


def test_six_classes_are_those_of_the_challenge() -> None:
    names = label_space("mer6").labels
    gold = dict(enumerate(names))
    assert six_class_waf({str(k): v for k, v in gold.items()}, {str(k): v for k, v in gold.items()}) == {
        "waf": 1.0,
        "acc": 1.0,
    }
    with pytest.raises(ValueError, match=r"the prediction of b is 'Happy'; legal are neutral, angry"):
        six_class_waf({"b": "happy"}, {"b": "Happy"})
    with pytest.raises(ValueError, match="the gold of b is 'joy'"):
        six_class_waf({"b": "joy"}, {"b": "happy"})
    with pytest.raises(ValueError, match="nothing to score"):
        six_class_waf({}, {})


def test_plain_functions_refuse_what_is_no_input_of_theirs() -> None:
    with pytest.raises(ValueError, match="sentiment value of a is 'x'"):
        sentiment({"a": "x"}, {"a": "positive"})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="no prediction: a"):
        sentiment({"a": 1.0}, {})
    with pytest.raises(ValueError, match="the gold in row 2 is 'tie'"):
        preference(["a1", "tie"], ["a1", "a2"])
    with pytest.raises(ValueError, match="2 gold preferences, but 1 predictions"):
        preference(["a1", "a2"], ["a1"], 3)
    with pytest.raises(ValueError, match="no row is left"):
        preference([], [], 3)
    assert sentiment({"a": 0.5, "b": -1, "c": 0.0}, {"a": "Positive", "b": "mixed", "c": "positive"}) == {
        "waf": pytest.approx(1 / 3),
        "acc": 0.5,
    }


def test_trait_scores_are_the_rows_by_name(drawn: list[Data]) -> None:
    data = drawn[-1]
    gold, told = (
        {f"s{number}": dict(zip(TRAITS, map(float, row), strict=True)) for number, row in enumerate(side)}
        for side in data.numbers
    )
    found = trait_scores(gold, {"other": {}, **told})
    rows = list(gold.values()), list(told.values()), BIG5
    assert found["mean"] == pytest.approx({name: METRICS[name](*rows) for name in ("rmse", "pcc", "ccc")}, abs=1e-12)
    assert found["openness"]["ccc"] == pytest.approx(METRICS["ccc_openness"](*rows), abs=1e-12)
    assert trait_scores({"a": {"x": 2.0}, "b": {"x": 1}}, {"a": {"x": -5}, "b": {"x": 0}})["x"]["pcc"] == -1
    with pytest.raises(ValueError, match="the prediction of a has x None"):
        trait_scores({"a": {"x": 2.0}}, {"a": {}})
    with pytest.raises(ValueError, match="nothing to score"):
        trait_scores({}, {})
