"""Score rows of tasks with open labels, dimensions, preferences and blends; gold that is not of their kind."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from eval.answers import Answer
from eval.metrics.table import METRICS, Options
from eval.scores import score
from eval.wheels.places import VARIABLE
from infer.store import to_json
from tasks.task import AnswerKind, AnyOf, Blend, Described, Dims, OneOf, Pick, Sample, Task
from tests.eval.wheel_set import write_wheels

SIX = ("ang", "disg", "fea", "hap", "sad", "neu")


def task_of(kind: AnswerKind, metrics: tuple[str, ...], wheels: Any = "") -> Task:
    return Task("mood", "1", "test", lambda root, split: (), kind, "any", metrics, "speaker", ("tier",), wheels=wheels)


def samples(*gold: Any) -> list[Sample]:
    tiers = ("high", "low")
    return [Sample(f"s{i}", one, meta={"speaker": f"p{i}", "tier": tiers[i % 2]}) for i, one in enumerate(gold)]


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(wheel_folder=write_wheels(tmp_path / "wheels"), wheels_checked=False)


@pytest.mark.parametrize("kind", [AnyOf(), Described()])
def test_open_labels_have_rows_with_intervals(kind: AnswerKind, options: Options) -> None:
    names = ("ew_l1_f", "ew_mean_f", "ew_w2_l1_p", "ew_unknown", "list_length", "hitrate", "accuracy")
    items = samples(*({"labels": ["glad", "mad"]} for _ in range(4)))
    values: list[Any] = [{"labels": ["glad"]}, {"labels": ["zzz", "mad", "glad"]}, None, {"labels": []}]
    answers = [Answer(f"s{i}", value, None if value else "rule") for i, value in enumerate(values[:2])]
    answers += [Answer("s2", reason="no_answer"), Answer("s3", values[3], "rule")]
    found = score(task_of(kind, names, "mer2026"), items, answers, 200, options=options)
    rows = {row.metric: row for row in found.rows if row.slice == "all"}
    assert rows.keys() == set(names) - {"accuracy"}
    assert {row.slice for row in found.rows} == {"all", "tier=high", "tier=low"}
    for name, row in rows.items():
        whole = Options(wheels="mer2026", wheel_folder=options.wheel_folder, wheels_checked=False)
        assert row.value == pytest.approx(METRICS[name]([s.gold for s in items if s.gold], values, kind, whole))
        assert (row.n, row.unparsed, row.errors) == (4, 1, 0)
        assert row.low is not None
        assert row.high is not None
        assert row.low <= row.value <= row.high
    assert rows["ew_unknown"].value == pytest.approx(1 / 4)
    assert rows["list_length"].value == pytest.approx(4 / 3)


def test_the_edition_is_the_tasks_and_the_folder_is_not_kept(options: Options) -> None:
    items, answers = samples({"labels": ["glad"]}), [Answer("s0", {"labels": ["mad"]}, "rule")]
    values = {}
    for edition in ("mer2025", "mer2026"):
        found = score(task_of(AnyOf(), ("ew_l1_f",), edition), items, answers, 10, options=options)
        assert found.options.wheels == edition
        assert found.options.wheel_folder is None
        values[edition] = found.rows[0].value
    assert values["mer2026"] == 0
    assert math.isnan(values["mer2025"])
    json.loads(to_json({"options": str(found.options)}))


def test_missing_tables_are_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    items, answers = samples({"labels": ["glad"]}), [Answer("s0", {"labels": ["mad"]}, "rule")]
    with pytest.raises(ValueError, match=r"OMNIMER_WHEELS .* no format\.csv there\. Copy"):
        score(task_of(AnyOf(), ("ew_l1_f",), "mer2025"), items, answers, 10)
    with pytest.raises(ValueError, match="no edition"):
        score(task_of(AnyOf(), ("ew_l1_f",)), items, answers, 10)
    rows = score(task_of(AnyOf(), ("list_length",)), items, answers, 10).rows
    assert [row.value for row in rows] == [1], "a list is as long as it is, without tables"


def test_other_kinds_have_their_rows() -> None:
    dims, two = Dims(("valence", "arousal"), -1.0, 1.0), {"valence": 0.5, "arousal": -0.5}
    blend = {"emotions": [{"emotion": "ang", "salience": 70}, {"emotion": "hap", "salience": 30}]}
    for kind, gold, names in (
        (dims, two, ("rmse", "pcc", "ccc")),
        (Blend(SIX), blend, ("blemore_score", "acc_presence", "acc_salience")),
        (Pick(("a1", "a2", "same")), {"choice": "a2"}, ("preference_waf", "preference3_acc", "accuracy")),
        (OneOf(("positive", "negative", "neutral")), {"label": "negative"}, ("sentiment_waf", "accuracy")),
    ):
        items = samples(gold, gold, gold)
        answers = [Answer("s0", gold, "rule"), Answer("s1", gold, "rule"), Answer("s2", error="boom")]
        found = score(task_of(kind, names), items, answers, 50)
        assert [row.metric for row in found.rows if row.slice == "all"] == list(names)
        assert all((row.n, row.errors) == (3, 1) for row in found.rows if row.slice == "all")
        json.loads(to_json({"silent": found.silent, "labels": found.labels}))
    rows = {row.metric: row.value for row in found.rows if row.slice == "all"}
    assert rows == {"sentiment_waf": 1.0, "accuracy": pytest.approx(2 / 3)}


def test_answers_that_lack_a_dimension_are_counted() -> None:
    kind = Dims(("valence", "arousal"), -1.0, 1.0)
    items = samples(*({"valence": i / 4, "arousal": -i / 4} for i in range(3)))
    answers = [Answer(f"s{i}", {"valence": 0.1 * i, "arousal": None}, "rule") for i in range(3)]
    found = score(task_of(kind, ("rmse",)), items, answers, 10)
    assert found.rows[0].missing == 3
    assert found.rows[0].n == 3


@pytest.mark.parametrize(
    ("kind", "gold", "message"),
    [
        (AnyOf(), {"label": "glad"}, r"'labels' is None; a list of words"),
        (AnyOf(), {"labels": "glad"}, r"'labels' is 'glad'"),
        (Described(), {"labels": [{"label": "glad"}]}, r"a list of words"),
        (Dims(("valence",), -1.0, 1.0), {"valence": 1.5}, r"'valence' is 1.5; a number from -1 to 1"),
        (Dims(("valence",), -1.0, 1.0), {}, r"'valence' is None"),
        (Dims(("valence",), -1.0, 1.0), {"valence": float("nan")}, r"'valence' is nan"),
        (Blend(SIX), {"emotions": []}, r"one or two"),
        (Blend(SIX), {"emotions": [{"emotion": "joy", "salience": 100}]}, r"'emotions' 'joy' is not one of ang, disg"),
        (Blend(SIX), {}, r"'emotions' is None"),
        (Pick(("a1", "a2", "same")), {"choice": "tie"}, r"'choice' 'tie' is not one of a1, a2, same"),
        (AnyOf(("a", "b")), {"labels": ["a"]}, r"'labels' is \['a'\]; a list of \{label, confidence\}"),
        (AnyOf(("a", "b")), {"labels": [{"label": "c"}]}, r"'c' is not one of a, b"),
    ],
)
def test_gold_of_another_kind_is_refused_with_its_sample(kind: AnswerKind, gold: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"sample s0: gold .*{message}"):
        score(task_of(kind, ("accuracy",)), samples(gold), [Answer("s0", reason="no_answer")], 10)


def test_empty_gold_lists_are_legal(options: Options) -> None:
    items = samples({"labels": []}, {"labels": ["mad"]})
    answers = [Answer(f"s{i}", {"labels": ["mad"]}, "rule") for i in range(2)]
    found = score(task_of(AnyOf(), ("ew_w2_l1_f",), "mer2025"), items, answers, 20, options=options)
    assert found.rows[0].value == 1
    assert found.rows[0].n == 2
