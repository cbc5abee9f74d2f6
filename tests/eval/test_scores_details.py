"""What lies behind score rows: parts that answers lack, details of every slice, draws of the resamples."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from eval.answers import Answer
from eval.metrics.table import Options
from eval.scores import score
from tasks.task import AnyOf, OneOf, Record, Sample, Task
from tests.eval.test_scores import COUNT, LABELS, TASK, answered, samples


def compact(n: int = 60) -> tuple[Task, list[Sample], list[Answer]]:
    """Records of emotion and labels: every fifth has no labels in its answer, every tenth no answer."""
    fine = ("joy", "love", "grief")
    task = dataclasses.replace(
        TASK,
        answer=Record(OneOf(LABELS), AnyOf(fine)),
        metrics=("accuracy", "set_macro_f1", "label_map", "soft_js", "confidence", "ece_mass", "aurc", "logprob_ece"),
    )
    items, answers = [], []
    for i, item in enumerate(samples(n)):
        assert item.gold is not None
        listed = [{"label": fine[i % 3], "confidence": (1.0, 1 / 3)[i % 2]}]
        items.append(dataclasses.replace(item, gold={"emotion": item.gold["label"], "goemotions": listed}))
        told = {"emotion": LABELS[i % 3], "confidence": 0.8 if i % 4 else None, "goemotions": listed if i % 5 else None}
        answers.append(Answer(item.id, told, "schema") if i % 10 else Answer(item.id, reason="no_answer"))
    return task, items, answers


def test_answers_without_the_part_are_counted_as_missing() -> None:
    rows = {row.metric: row for row in score(*compact(), COUNT).rows if row.slice == "all"}
    assert {name: row.missing for name, row in rows.items()} == {
        **{"accuracy": 0, "set_macro_f1": 6, "label_map": 6, "soft_js": 6},  # of 12 without labels 6 have no answer
        **{"confidence": 12, "ece_mass": 12, "aurc": 12},  # of 15 without confidence 3 have no answer
    }
    assert {(row.n, row.unparsed) for row in rows.values()} == {(60, 6)}


def test_a_part_that_no_answer_holds_has_no_row() -> None:
    task, items, answers = compact()
    assert "logprob_ece" not in {row.metric for row in score(task, items, answers, COUNT).rows}
    logs = {item.id: {"calm": np.log(0.5), "happy": np.log(0.3), "tense": np.log(0.2)} for item in items}
    row = score(task, items, answers, COUNT, logprobs=logs).row("logprob_ece")
    assert row is not None
    assert row.missing == 0
    mute = [dataclasses.replace(a, value=a.value and {**a.value, "confidence": None}) for a in answers]
    found = {row.metric for row in score(task, items, mute, COUNT).rows}
    assert found == {"accuracy", "set_macro_f1", "label_map", "soft_js"}


def test_samples_without_a_gold_label_at_the_threshold_are_counted() -> None:
    task, items, answers = compact()
    assert [score(task, items, answers, 10, options=Options(threshold=t)).silent for t in (0.3, 0.5)] == [0, 30]


def test_details_of_every_slice() -> None:
    task, items, answers = compact()
    result = score(task, items, answers, COUNT, crosses=[("tier", "language")])
    names = {row.slice for row in result.rows}
    assert names == result.details.keys() == result.members.keys()
    assert "tier=high,language=zh" in names
    for name, detail in result.details.items():
        assert sum(map(sum, detail.confusion)) == len(result.members[name])
        assert [row.label for row in detail.label_scores] == ["joy", "love", "grief"]
        assert all(a.support <= b.support for a, b in zip(detail.label_scores, detail.any_annotator, strict=True))
        assert set(detail.reliability) == set(detail.risk_coverage) == {"confidence"}
        assert detail.risk_coverage["confidence"][-1][0] == 1
    whole = result.details["all"]
    assert sum(b.count for b in whole.reliability["confidence"]) == 42


def test_draws_are_shared_by_slices_of_the_same_samples() -> None:
    items = [dataclasses.replace(item, meta={**item.meta, "tier": item.language}) for item in samples()]
    result = score(TASK, items, answered(items), COUNT)
    assert result.draws.keys() == {(row.slice, row.metric) for row in result.rows}
    for language in ("en", "zh"):
        pair = [result.draws[f"{name}={language}", "accuracy"] for name in ("language", "tier")]
        assert len(pair[0]) == COUNT
        assert np.array_equal(pair[0], pair[1], equal_nan=True)


def test_metrics_of_order_have_fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.scores.RANKED", 1_000)
    result = score(*compact(), 2_000)
    sizes = {metric: len(found) for (name, metric), found in result.draws.items() if name == "all"}
    assert {metric for metric, size in sizes.items() if size == 1_000} == {"label_map", "ece_mass", "aurc"}
    assert {size for metric, size in sizes.items() if metric in ("accuracy", "set_macro_f1", "confidence")} == {2_000}


def test_kinds_without_a_single_label_have_no_confusion() -> None:
    task, items, answers = compact()
    task = dataclasses.replace(task, answer=AnyOf(("joy", "love", "grief")))
    sets = [dataclasses.replace(item, gold={"labels": item.gold["goemotions"]}) for item in items if item.gold]
    told = [dataclasses.replace(a, value=a.value and {"labels": a.value["goemotions"]}) for a in answers]
    result = score(task, sets, told, COUNT)
    assert (result.labels, result.confusion, result.classes) == ((), [], [])
    assert {row.metric for row in result.rows} == {"set_macro_f1", "label_map", "soft_js"}
    assert result.details["all"].label_scores
