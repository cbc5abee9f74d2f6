"""Score rows: one for each metric and slice, n that never shrinks, intervals over groups."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from eval.answers import NEVER_ASKED, Answer, read_answer, read_answers
from eval.metrics.metric import has_multiple, has_open, has_primary, multiple, primary
from eval.metrics.table import METRICS, Options
from eval.scores import Row, Scores, score
from infer.engine import Reply
from tasks.registry import TASKS
from tasks.task import AnswerKind, Blend, Dims, OneOf, Sample, Task, Timeline
from tests.eval.wheel_set import write_wheels

LABELS = ("calm", "happy", "tense")
TASK = Task(
    name="mood",
    version="7",
    source="test",
    adapter=lambda root, split: (),
    answer=OneOf(LABELS),
    template="oneof_json",
    metrics=("macro_f1", "accuracy", "weighted_f1"),
    group="speaker",
    slices=("language", "tier"),
)
COUNT = 300


def samples(n: int = 60, speakers: int = 12) -> list[Sample]:
    """`n` samples: labels, speakers, tiers in turn; every third is Chinese."""
    return [
        Sample(
            id=f"s{i}",
            gold={"label": LABELS[i * 7 % 3]},
            language="zh" if i % 3 == 0 else "en",
            meta={"speaker": f"p{i % speakers}", "tier": ("high", "low")[i // 4 % 2]},
        )
        for i in range(n)
    ]


def answered(items: Iterable[Sample], seed: int = 0) -> list[Answer]:
    """Two thirds right, some wrong, some unparsed, some failed."""
    rng = np.random.default_rng(seed)
    found = []
    for item in items:
        assert item.gold is not None
        draw = rng.random()
        wrong = {"label": LABELS[(LABELS.index(item.gold["label"]) + 1) % 3], "confidence": None}
        right = {"label": item.gold["label"], "confidence": 0.5}
        if draw < 0.1:
            found.append(Answer(item.id, reason="no_answer"))
        elif draw < 0.2:
            found.append(Answer(item.id, error="media: broken"))
        else:
            found.append(Answer(item.id, right if draw < 0.7 else wrong, "schema"))
    return found


def rows_of(scores: Scores, metric: str = "accuracy") -> dict[str, Row]:
    return {row.slice: row for row in scores.rows if row.metric == metric}


@pytest.fixture(scope="module")
def result() -> Scores:
    items = samples()
    return score(TASK, items, answered(items), COUNT)


def test_a_row_for_every_metric_of_the_task_and_every_slice(result: Scores) -> None:
    expected = ["all", "language=en", "language=zh", "tier=high", "tier=low"]
    assert [(row.slice, row.metric) for row in result.rows] == [(s, m) for s in expected for m in TASK.metrics]
    assert {row.task for row in result.rows} == {"mood@7"}


def test_slices_divide_the_whole(result: Scores) -> None:
    rows = rows_of(result)
    for name in ("language", "tier"):
        parts = [row for key, row in rows.items() if key.startswith(f"{name}=")]
        for field in ("n", "unparsed", "errors"):
            assert sum(getattr(row, field) for row in parts) == getattr(rows["all"], field)
    assert rows["language=zh"].n == 20


def test_values_are_those_of_the_metrics_on_the_slice() -> None:
    items = samples()
    answers = answered(items)
    result = score(TASK, items, answers, COUNT)
    for row in result.rows:
        name, _, value = row.slice.partition("=")
        chosen = [
            (item, answer)
            for item, answer in zip(items, answers, strict=True)
            if row.slice == "all" or (item.language if name == "language" else item.meta[name]) == value
        ]
        gold = [item.gold for item, _ in chosen if item.gold is not None]
        assert row.n == len(chosen)
        assert row.value == pytest.approx(
            METRICS[row.metric](gold, [a.value for _, a in chosen], TASK.answer), abs=1e-12
        )
        assert row.unparsed == sum(a.reason is not None for _, a in chosen)
        assert row.errors == sum(a.error is not None for _, a in chosen)


def test_the_headline_equals_scikit_learn() -> None:
    items = samples()
    answers = answered(items)
    result = score(TASK, items, answers, COUNT)
    gold = [item.gold["label"] for item in items if item.gold]
    told = [answer.value["label"] if answer.value else "none" for answer in answers]
    expected = f1_score(gold, told, labels=LABELS, average="macro")
    assert rows_of(result, "macro_f1")["all"].value == pytest.approx(expected, abs=1e-12)


def test_rows_hold_groups_and_intervals(result: Scores) -> None:
    for row in result.rows:
        assert row.low is not None
        assert row.high is not None
        assert 0 <= row.low <= row.value <= row.high <= 1
        assert row.low < row.high
    assert rows_of(result)["all"].groups == 12


@pytest.mark.parametrize("metric", TASK.metrics)
def test_missing_answers_lower_the_score_and_not_n(metric: str) -> None:
    items = samples()
    values = [Answer(item.id, dict(item.gold or {}), "schema") for item in items]
    before = 1.0
    for missing in (0, 1, 30, 59, 60):
        lost: list[Answer] = [
            Answer(item.id, reason="no_answer") if i % 2 else Answer(item.id, error="boom")
            for i, item in enumerate(items[:missing])
        ]
        row = rows_of(score(TASK, items, lost + values[missing:], COUNT), metric)["all"]
        assert row.n == 60
        assert row.unparsed + row.errors == missing
        assert row.value <= before
        before = row.value
    assert before == 0


def test_the_confusion_matrix_counts_every_sample(result: Scores) -> None:
    assert result.labels == LABELS
    assert [len(row) for row in result.confusion] == [4, 4, 4]
    whole = rows_of(result)["all"]
    assert sum(map(sum, result.confusion)) == whole.n == 60
    assert sum(row[-1] for row in result.confusion) == whole.unparsed + whole.errors
    hits = sum(result.confusion[i][i] for i in range(3))
    assert hits / 60 == pytest.approx(whole.value)


def test_the_per_class_table_fits_the_confusion_matrix(result: Scores) -> None:
    assert [row.label for row in result.classes] == list(LABELS)
    for i, row in enumerate(result.classes):
        column = sum(line[i] for line in result.confusion)
        assert (row.support, row.answered) == (sum(result.confusion[i]), column)
        assert row.recall == pytest.approx(result.confusion[i][i] / row.support)
        assert row.precision == pytest.approx(result.confusion[i][i] / column)
    mean = sum(row.f1 for row in result.classes) / 3
    assert rows_of(result, "macro_f1")["all"].value == pytest.approx(mean)


def with_meta(items: Sequence[Sample], **meta: object) -> list[Sample]:
    return [dataclasses.replace(item, meta={**item.meta, **meta}) for item in items]


@pytest.mark.parametrize("value", ["high", None, ""])
def test_a_slice_of_one_value_is_left_out(value: str | None) -> None:
    items = with_meta(samples(), tier=value)
    result = score(TASK, items, answered(items), COUNT)
    assert set(rows_of(result)) == {"all", "language=en", "language=zh"}


def test_samples_without_a_value_belong_to_no_value_of_that_slice() -> None:
    items = samples()
    items[:4] = [dataclasses.replace(item, meta={"speaker": item.meta["speaker"]}) for item in items[:4]]
    rows = rows_of(score(TASK, items, answered(items), COUNT))
    assert rows["tier=high"].n + rows["tier=low"].n == 56
    assert rows["all"].n == 60


def test_samples_without_gold_are_answered_but_not_scored() -> None:
    items = samples()
    answers = answered(items)
    hidden = [dataclasses.replace(item, gold=None) if i < 15 else item for i, item in enumerate(items)]
    result = score(TASK, hidden, answers, COUNT)
    assert result == score(TASK, items[15:], answers[15:], COUNT)
    assert rows_of(result)["all"].n == 45


def test_no_gold_at_all_is_refused() -> None:
    items = [dataclasses.replace(item, gold=None) for item in samples()]
    with pytest.raises(ValueError, match=r"mood@7.*gold"):
        score(TASK, items, [Answer(item.id, error="x") for item in items], COUNT)


def test_gold_outside_the_label_space_is_refused() -> None:
    items = samples()
    items[5] = dataclasses.replace(items[5], gold={"label": "bored"})
    with pytest.raises(ValueError, match=r"'bored' is not one of calm, happy, tense"):
        score(TASK, items, [Answer(item.id, error="x") for item in items], COUNT)


@pytest.mark.parametrize("gold", [{"emotion": "calm"}, {}, {"label": None}, {"label": ["calm"]}])
def test_gold_of_another_shape_is_refused_by_sample(gold: dict[str, object]) -> None:
    """A slip in an adapter of one's own; a KeyError would say nothing."""
    items = samples()
    items[5] = dataclasses.replace(items[5], gold=gold)
    with pytest.raises(ValueError, match=r"s5\b"):
        score(TASK, items, [Answer(item.id, error="x") for item in items], COUNT)


def test_a_different_number_of_answers_is_refused() -> None:
    items = samples()
    with pytest.raises(ValueError):  # noqa: PT011 - which of the two is shorter is all that can be said
        score(TASK, items, answered(items)[1:], COUNT)


# --- groups


def test_one_group_has_no_interval() -> None:
    items = with_meta(samples(), speaker="only")
    for row in score(TASK, items, answered(items), COUNT).rows:
        assert (row.groups, row.low, row.high) == (1, None, None)
        assert row.value == row.value


def test_groups_are_resampled_and_not_clips() -> None:
    """Outcomes equal inside a speaker: 15 speakers of 8 clips say no more than 15 clips."""
    items = [
        Sample(id=f"s{i}", gold={"label": LABELS[i % 3]}, meta={"speaker": f"p{i // 8}", "clip": f"c{i}"})
        for i in range(120)
    ]
    answers = [
        Answer(item.id, dict(item.gold or {}) if i // 8 % 2 else None, reason=None if i // 8 % 2 else "refusal")
        for i, item in enumerate(items)
    ]
    spans = {}
    for group in ("speaker", "clip"):
        row = rows_of(score(dataclasses.replace(TASK, group=group), items, answers, 2_000))["all"]
        assert row.low is not None
        assert row.high is not None
        assert row.groups == (15 if group == "speaker" else 120)
        spans[group] = row.high - row.low
    assert spans["speaker"] / spans["clip"] == pytest.approx(8**0.5, rel=0.15)


def test_the_same_seed_gives_the_same_rows_and_another_one_other_intervals() -> None:
    items = samples()
    answers = answered(items)
    first = score(TASK, items, answers, COUNT, seed=4)
    assert first == score(TASK, items, answers, COUNT, seed=4)
    other = score(TASK, items, answers, COUNT, seed=5)
    assert [row.value for row in first.rows] == [row.value for row in other.rows]
    assert [(row.low, row.high) for row in first.rows] != [(row.low, row.high) for row in other.rows]


def test_the_order_of_the_samples_does_not_change_the_scores() -> None:
    items = samples()
    answers = answered(items)
    backwards = score(TASK, items[::-1], answers[::-1], COUNT)
    forwards = score(TASK, items, answers, COUNT)
    assert backwards.confusion == forwards.confusion
    for one, other in zip(backwards.rows, forwards.rows, strict=True):
        assert (one.slice, one.metric, one.n, one.groups) == (other.slice, other.metric, other.n, other.groups)
        assert one.value == pytest.approx(other.value, abs=1e-12)


def gold_of(kind: AnswerKind) -> list[dict[str, Any]]:
    """Some gold values of a kind, no two alike."""
    if has_primary(kind):
        key, labels = primary(kind)
        return [{key: label, "goemotions": []} for label in labels]
    if has_open(kind):
        return [{"labels": [word], "description": None} for word in ("glad", "mad", "cheer", "proud")]
    if has_multiple(kind):
        key, labels = multiple(kind)
        return [{key: [{"label": label, "confidence": 1.0}]} for label in labels[:5]]
    if isinstance(kind, Dims):
        return [dict.fromkeys(kind.names, kind.low + (kind.high - kind.low) * i / 4) for i in range(5)]
    if isinstance(kind, Blend):
        return [{"emotions": [{"emotion": label, "salience": 100}]} for label in kind.labels]
    if isinstance(kind, Timeline):
        spoken = [
            {"start": 3.0 * i, "end": 3.0 * i + 2, "primary": label, "secondary": ["joy"], "intensity": 1 + i % 5}
            for i, label in enumerate(kind.primary.labels)
        ]
        return [{"utterances": spoken[i:]} for i in range(5)]
    raise AssertionError(f"no gold is known for {type(kind).__name__}")


@pytest.mark.parametrize("name", TASKS)
def test_every_task_can_be_scored(name: str, tmp_path: Path) -> None:
    """Gold of the task's own kind, half of it answered, and right; every metric of the task has its row."""
    task = TASKS[name]
    options = Options(wheel_folder=write_wheels(tmp_path / "wheels"), wheels_checked=False)
    items = [Sample(f"s{i}", gold) for i, gold in enumerate(gold_of(task.answer))]
    answers = [
        Answer(item.id, item.gold if i % 2 else None, error=None if i % 2 else "x") for i, item in enumerate(items)
    ]
    rows = [row for row in score(task, items, answers, 50, options=options).rows if row.slice == "all"]
    stated = {metric for metric in task.metrics if METRICS[metric].part in ("confidence", "distribution")}
    assert {row.metric for row in rows} == set(task.metrics) - stated
    for row in rows:
        metric = METRICS[row.metric]
        assert (row.n, row.errors) == (len(items), (len(items) + 1) // 2)
        assert math.isnan(row.value) or metric.low <= row.value <= metric.high + 1e-12
        if row.metric == "accuracy":
            assert row.value == pytest.approx(len(items) // 2 / len(items))


# --- replies to answers


def test_a_readable_reply_is_an_answer() -> None:
    answer = read_answer("s", Reply("s", "k", '{"label": "happy"}'), TASK.answer)
    assert answer.value is not None
    assert answer.value["label"] == "happy"
    assert answer.rule
    assert answer.error is None
    assert answer.reason is None


@pytest.mark.parametrize("text", ["", "I cannot tell.", '{"label": "bored"}', "calm or tense"])
def test_an_unreadable_reply_is_no_answer_with_a_reason(text: str) -> None:
    answer = read_answer("s", Reply("s", "k", text), TASK.answer)
    assert answer.value is None
    assert answer.reason
    assert answer.error is None
    assert answer.record() == {"id": "s", "value": None, "reason": answer.reason}


def test_a_failed_request_keeps_its_error() -> None:
    answer = read_answer("s", Reply("s", "k", None, error="media: 0 frames"), TASK.answer)
    assert answer.record() == {"id": "s", "value": None, "error": "media: 0 frames"}


def test_a_sample_that_was_never_asked_is_an_error() -> None:
    items = samples(3)
    answers = read_answers(items, [Reply("s1", "k", '{"label": "calm"}')], TASK.answer)
    assert [answer.id for answer in answers] == ["s0", "s1", "s2"]
    assert [answer.error for answer in answers] == [NEVER_ASKED, None, NEVER_ASKED]
    row = rows_of(score(TASK, items, answers, COUNT))["all"]
    assert (row.n, row.errors) == (3, 2)


def test_replies_without_a_sample_are_not_scored() -> None:
    items = samples(3)
    replies = [Reply(name, "k", '{"label": "calm"}') for name in ("other", "s2", "s0", "s1")]
    assert [answer.id for answer in read_answers(items, replies, TASK.answer)] == ["s0", "s1", "s2"]


CALM, HAPPY, PROSE, REFUSED = '{"label": "calm"}', '{"label": "happy"}', "Let me see.", ""


@pytest.mark.parametrize(
    ("texts", "expected", "attempt"),
    [
        pytest.param([CALM, HAPPY], "calm", 0, id="the first that can be read"),
        pytest.param([PROSE, HAPPY, CALM], "happy", 1, id="a re-ask that can be read"),
        pytest.param([PROSE, REFUSED], None, 1, id="none can be read: the last"),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_of_several_attempts_the_first_readable_one_counts(
    texts: list[str], expected: str | None, attempt: int, order: int
) -> None:
    replies = [Reply("s0", f"k{i}", text, attempt=i) for i, text in enumerate(texts)][::order]
    (answer,) = read_answers(samples(1), replies, TASK.answer)
    assert (answer.value or {}).get("label") == expected
    assert answer.attempt == attempt
    assert answer.error is None


def test_without_re_asks_only_the_first_attempt_counts() -> None:
    replies = [Reply("s0", "k0", PROSE), Reply("s0", "k1", HAPPY, attempt=1)]
    (answer,) = read_answers(samples(1), replies, TASK.answer, reask=False)
    assert answer.value is None
    assert answer.reason
    assert answer.attempt == 0


@pytest.mark.parametrize(("first", "second", "expected"), [(None, CALM, "calm"), (CALM, HAPPY, "happy")])
def test_of_two_replies_to_one_attempt_the_last_counts(first: str | None, second: str, expected: str) -> None:
    """A request that failed and was repeated, or a clip that was replaced."""
    replies = [Reply("s0", "k", first, error=None if first else "media: broken"), Reply("s0", "k", second)]
    (answer,) = read_answers(samples(1), replies, TASK.answer)
    assert answer.value is not None
    assert answer.value["label"] == expected
