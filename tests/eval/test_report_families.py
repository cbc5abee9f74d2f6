"""The report beyond the main table: families of metrics, comparison with another run, temperature scaling."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from eval.answers import Answer
from eval.calibrate import calibrate
from eval.compare import Difference, compare
from eval.metrics.metric import Metric, possible
from eval.metrics.table import METRICS, Options
from eval.report import FAMILIES, RunResult, difference, markdown, number, score_rows, with_interval
from eval.scores import score
from eval.terminal import print_scores
from tasks.task import AnyOf, OneOf, Record, Sample
from tests.eval.test_report import LABELS, TASK, run, tables

FINE = ("joy", "love", "grief")


def rich_run(name: str = "rich", seed: int = 0, right: float = 0.5) -> RunResult:
    """Records with labels and confidences, and probabilities of labels."""
    rng = np.random.default_rng(seed)
    task = dataclasses.replace(TASK, answer=Record(OneOf(LABELS), AnyOf(FINE)), metrics=tuple(METRICS))
    items, answers, logs = [], [], {}
    for i in range(80):
        gold = {"emotion": LABELS[i % 3], "goemotions": [{"label": FINE[i % 3], "confidence": (1.0, 1 / 3)[i % 2]}]}
        split = "train" if i % 8 < 4 else "test"
        items.append(Sample(f"s{i}", gold, language=("en", "zh")[i % 2], meta={"speaker": f"p{i % 8}", "split": split}))
        told = LABELS[i % 3] if rng.random() < right else LABELS[rng.integers(3)]
        value = {
            "emotion": told,
            "confidence": rng.integers(5, 10) / 10,
            "goemotions": gold["goemotions"] if i % 4 else None,
        }
        answers.append(Answer(f"s{i}", value, "schema"))
        weights = rng.dirichlet([9.0 if label == told else 0.2 for label in LABELS])
        logs[f"s{i}"] = dict(zip(LABELS, np.log(weights).tolist(), strict=True))
    facts = {"config": {"task": task.full_name, "model": {"model": "tiny"}}}
    scores = score(task, items, answers, 200, logprobs=logs)
    fitted = calibrate(task, items, answers, logs, Options())
    return RunResult(Path(name), task, facts, items, scores, answers, {}, calibration=fitted)


def measured(result: RunResult) -> list[Metric]:
    """The metrics that answers of the run's kind have, in table order."""
    return [metric for metric in METRICS.values() if possible(metric, result.task.answer)]


def test_every_metric_has_its_row_with_every_slice_and_what_is_lacking() -> None:
    result = rich_run()
    found = tables(markdown(result))
    shown = {row[0]: row for title in list(FAMILIES.values())[1:] for row in found.get(title, [])[1:]}
    for metric in measured(result):
        if metric.part == "label":
            continue
        row = shown[metric.title]
        for place, name in enumerate(("all", "language=en", "language=zh"), 1):
            expected = result.scores.row(metric.name, name)
            assert expected is not None
            assert row[place] == with_interval(expected)
        assert row[4] == ("20" if metric.part == "labels" else "0")


def test_the_report_says_what_is_gold_and_how_unsure_counts() -> None:
    text = markdown(rich_run())
    assert "at least a share of 0.5 of the annotators" in text
    assert "(40 samples have no such label)" in text
    assert "Unsure votes are no label" in text


def test_the_reliability_table_is_in_the_report() -> None:
    result = rich_run()
    rows = [row for title in ("Stated confidence", "Label probability") for row in tables(markdown(result))[title]]
    for part in ("confidence", "distribution"):
        for found in result.scores.details["all"].reliability[part]:
            line = [
                f"{found.low:.2f} to {found.high:.2f}",
                str(found.count),
                number(found.confidence),
                number(found.accuracy),
            ]
            assert (line in rows) == (found.count > 0)


def test_temperature_scaling_is_in_the_report() -> None:
    result = rich_run()
    assert result.calibration is not None
    found = tables(markdown(result))["Temperature scaling"]
    assert found[0] == ["", "as it is", f"T = {result.calibration.temperature:.3f}"]
    assert ["NLL (nats)", number(result.calibration.before["nll"]), number(result.calibration.after["nll"])] in found
    assert "Fitted on 40 train samples of 4 groups, judged on 40 others." in markdown(result)
    assert "Temperature scaling" not in markdown(dataclasses.replace(result, calibration=None))


def compared() -> tuple[RunResult, RunResult]:
    first, other = rich_run("first"), rich_run("other", seed=1, right=0.95)
    return first, dataclasses.replace(other, comparison=compare(first, other))


def test_the_comparison_is_in_the_report() -> None:
    _, other = compared()
    comparison = other.comparison
    assert comparison is not None
    head, *rows = tables(markdown(other))["Compared with first"]
    assert head == ["", "all", "language=en", "language=zh"]
    metrics = measured(other)
    assert [row[0] for row in rows] == [metric.title for metric in metrics]
    for row, metric in zip(rows, metrics, strict=True):
        assert row[1:] == [difference(comparison.of(metric.name, name)) for name in head[1:]]
    found = comparison.of("accuracy", "all")
    assert found is not None
    assert found.mark == "▲"
    assert f"p = {found.p:.2g}" in markdown(other)


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        (None, "–"),
        (Difference("all", "accuracy", 0.02, 0.004, 0.04, "▲"), "+0.020 [+0.004, +0.040] ▲"),
        (Difference("all", "accuracy", -0.0001, -0.02, 0.02, ""), "+0.000 [-0.020, +0.020]"),
        (Difference("all", "accuracy", -0.1, None, None, ""), "-0.100"),
        (Difference("all", "accuracy", float("nan"), None, None, ""), "–"),
    ],
)
def test_differences(row: Difference | None, shown: str) -> None:
    assert difference(row) == shown


def test_the_terminal_is_compact_and_shows_differences(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "130")
    first, other = compared()
    print_scores([first, other])
    shown = capsys.readouterr().out
    assert "Difference to first" in shown
    assert "McNemar" in shown
    for name in ("macro_f1", "set_macro_f1", "ece"):
        assert other.comparison is not None
        assert difference(other.comparison.of(name, "all")) in shown
    assert METRICS["set_hamming"].title not in shown, "is in the report"
    assert len(shown.splitlines()) < 60
    assert f"temperature {first.calibration.temperature:.3f}" in shown if first.calibration else False


def test_slices_of_several_keys_are_not_in_the_main_table() -> None:
    result = rich_run()
    crossed = score(result.task, result.samples, result.answers, 50, crosses=[("language", "split")])
    assert any(row.slice == "language=en,split=test" for row in crossed.rows)
    result = dataclasses.replace(result, scores=crossed)
    assert [row[0] for row in score_rows([result])[1]] == ["all", "language=en", "language=zh"]
    assert "language=en,split=test" not in markdown(result)


def test_a_task_without_a_single_label_has_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    task = dataclasses.replace(TASK, answer=AnyOf(FINE), metrics=("set_micro_f1", "label_map"))
    items = [Sample(f"s{i}", {"labels": [{"label": FINE[i % 3], "confidence": 1.0}]}) for i in range(9)]
    answers = [Answer(item.id, item.gold, "schema") for item in items]
    result = RunResult(Path("r"), task, run().facts, items, score(task, items, answers, 50), answers, {})
    found = tables(markdown(result))
    assert found["mood@7: tiny"][0] == ["slice", "Label micro-F1", "mAP", "n", "unparsed", "errors"]
    assert found["mood@7: tiny"][1][1].startswith("1.000")
    assert "Per class" not in found
    assert "at least a share of 0.5 of the annotators" in markdown(result)
    print_scores([result])
    assert "1.000" in capsys.readouterr().out
