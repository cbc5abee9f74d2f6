"""The report: every number of the scores is in it, and no text of a model can break it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.answers import Answer
from eval.calibrate import calibrate
from eval.compare import Difference, compare
from eval.metrics.table import METRICS, Options
from eval.report import (
    FAMILIES,
    RunResult,
    cell,
    difference,
    fed_counts,
    markdown,
    number,
    parse_counts,
    print_scores,
    score_rows,
    table,
    with_interval,
)
from eval.scores import score
from infer.engine import Fed, Reply
from tasks.task import AnyOf, OneOf, Record, Sample, Task

LABELS = ("calm", "happy", "tense")
TASK = Task("mood", "7", "test", lambda root, split: (), OneOf(LABELS), "oneof_json", ("macro_f1", "accuracy"),
            "speaker", ("language",))  # fmt: skip
HOSTILE = [
    "a | b",
    "||",
    "\\|",
    "\\",
    "<script>alert(1)</script>",
    "</td><img src=x onerror=alert(1)>",
    "`code`",
    "```\nfence\n```",
    "line\nbreak",
    "line\r\nbreak\r\ttab",
    "line\x0bbreak\x0cfeed\x85next\u2028line\u2029paragraph",
    "| --- |\n| x |",
    "# heading",
]


def run(name: str = "first", texts: Sequence[str] = (), **config: Any) -> RunResult:
    """Twelve samples of four speakers: eight right, one wrong, one repaired, one unparsed, one failed."""
    items = [
        Sample(f"s{i}", {"label": LABELS[i % 3]}, language=("en", "zh")[i % 2], meta={"speaker": f"p{i % 4}"})
        for i in range(12)
    ]
    answers = [Answer(item.id, dict(item.gold or {}), "schema") for item in items]
    answers[0] = Answer("s0", {"label": "happy"}, "schema")
    answers[1] = Answer("s1", {"label": "happy"}, "json", repairs=("fence", "prose"))
    answers[2] = Answer("s2", reason="refusal")
    answers[3] = Answer("s3", error=texts[0] if texts else "media: no frames")
    replies = {
        item.id: Reply(item.id, "k", "x", fed=Fed(8, 2.0, 4.0 + i, 100 + i, 200, tuple(texts[1:])))
        for i, item in enumerate(items)
    }
    replies["s3"] = Reply("s3", "k", error=answers[3].error)
    facts = {
        "config": {"task": TASK.full_name, "model": {"model": "tiny", "family": "f"}, "split": "test", **config},
        "versions": {"python": "3.11.9"},
    }
    return RunResult(Path(name), TASK, facts, items, score(TASK, items, answers, 200), answers, replies)


def cells(line: str) -> list[str]:
    """The cells of a row of a Markdown table."""
    assert line.startswith("| ")
    assert line.endswith(" |")
    return [part.strip() for part in re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1]]


def tables(text: str) -> dict[str, list[list[str]]]:
    """Heading -> rows of the table below it, its head included."""
    found: dict[str, list[list[str]]] = {}
    title = ""
    for line in text.splitlines():
        if line.startswith("#"):
            title = line.lstrip("# ")
        elif line.startswith("|") and not re.fullmatch(r"\|(---\|)+", line):
            found.setdefault(title, []).append(cells(line))
    return found


def test_the_report_holds_every_score_with_its_interval_and_counts() -> None:
    result = run()
    head, *rows = tables(markdown(result))["mood@7: tiny"]
    assert head == ["slice", "Macro-F1", "Accuracy", "n", "unparsed", "errors"]
    assert [row[0] for row in rows] == ["all", "language=en", "language=zh"]
    assert rows[0][-3:] == ["12", "1", "1"]
    for row in result.scores.rows:
        shown = rows[[line[0] for line in rows].index(row.slice)]
        text = shown[TASK.metrics.index(row.metric) + 1]
        assert re.fullmatch(r"\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]", text)
        numbers = [float(part) for part in re.findall(r"[\d.]+", text)]
        assert numbers == pytest.approx([row.value, row.low, row.high], abs=0.0005)
        assert shown[3:] == [str(row.n), str(row.unparsed), str(row.errors)]


def test_the_report_says_what_intervals_and_n_are() -> None:
    text = markdown(run())
    assert "95%" in text
    assert "bootstrap" in text
    assert re.search("unparsed.*errors.*wrong", text, re.DOTALL)


def test_the_per_class_table_is_complete() -> None:
    result = run()
    head, *rows = tables(markdown(result))["Per class"]
    assert head == ["class", "precision", "recall", "F1", "gold", "answered"]
    assert [row[0] for row in rows] == list(LABELS)
    assert sum(int(row[4]) for row in rows) == 12
    assert sum(int(row[5]) for row in rows) == 10
    for row, expected in zip(rows, result.scores.classes, strict=True):
        assert row[1:4] == [number(expected.precision), number(expected.recall), number(expected.f1)]


def test_the_confusion_table_counts_every_sample() -> None:
    (title,) = [name for name in tables(markdown(run())) if name.startswith("Confusion")]
    head, *rows = tables(markdown(run()))[title]
    assert head == ["", *LABELS, "no answer"]
    assert [row[0] for row in rows] == list(LABELS)
    assert sum(int(count) for row in rows for count in row[1:]) == 12
    assert sum(int(row[-1]) for row in rows) == 2


def test_the_report_says_how_replies_were_read_and_what_failed() -> None:
    found = tables(markdown(run()))
    outcomes = {row[0]: row[1:] for row in found["How the replies were read"][1:]}
    assert outcomes["valid as they stood"] == ["9", "75.0%"]
    assert outcomes["repaired"] == ["1", "8.3%"]
    assert outcomes["unreadable: refusal"] == ["1", "8.3%"]
    assert outcomes["failed requests"] == ["1", "8.3%"]
    assert found["Repairs"][1:] == [["fence", "1"], ["prose", "1"]]
    assert found["Errors"][1:] == [["media: no frames", "1"]]


def test_outcomes_add_up_to_the_replies() -> None:
    assert sum(count for _, count in parse_counts(run().answers)) == 12


def test_the_report_says_what_was_fed_and_how_it_was_run() -> None:
    found = tables(markdown(run(split="dev", media={"fps": 2.0})))
    fed = {row[0]: row[1] for row in found["What was fed"][1:]}
    assert fed["frames"] == "8 (8 to 8)"
    assert fed["audio tokens"].endswith("(100 to 111)")
    assert fed["clips without audio tokens"] == "0"
    settings = {row[0]: row[1] for row in found["Run"][1:]}
    assert settings["split"] == "dev"
    assert settings["media.fps"] == "2.0"
    assert settings["python"] == "3.11.9"


def test_clips_without_sound_are_counted() -> None:
    replies = [Reply(str(i), "k", "x", fed=Fed(audio_tokens=i % 2, video_tokens=1)) for i in range(5)]
    assert dict(fed_counts(replies))["clips without audio tokens"] == "3"


def test_a_run_in_which_everything_failed_has_a_report() -> None:
    items = [Sample(f"s{i}", {"label": "calm"}, meta={"speaker": f"p{i}"}) for i in range(3)]
    answers = [Answer(item.id, error="media: broken") for item in items]
    replies = {item.id: Reply(item.id, "k", error="media: broken") for item in items}
    text = markdown(RunResult(Path("r"), TASK, run().facts, items, score(TASK, items, answers, 50), answers, replies))
    first = tables(text)["mood@7: tiny"][1]
    assert first[-3:] == ["3", "0", "3"]
    assert first[1].startswith("0.000")
    assert "nan" not in text.lower()


def test_one_group_is_shown_without_an_interval() -> None:
    items = [Sample(f"s{i}", {"label": "calm"}, meta={"speaker": "one"}) for i in range(3)]
    answers = [Answer(item.id, {"label": "calm"}, "schema") for item in items]
    text = markdown(RunResult(Path("r"), TASK, run().facts, items, score(TASK, items, answers, 50), answers, {}))
    assert tables(text)["mood@7: tiny"][1][1:3] == ["1.000", "1.000"]
    assert "None" not in text


@pytest.mark.parametrize(("value", "shown"), [(None, "–"), (float("nan"), "–"), (0.5, "0.500"), (1, "1.000")])
def test_numbers(value: float | None, shown: str) -> None:
    assert number(value) == shown


# --- families of metrics, comparison, calibration


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


def test_every_metric_has_its_row_with_every_slice_and_what_is_lacking() -> None:
    result = rich_run()
    found = tables(markdown(result))
    shown = {row[0]: row for title in list(FAMILIES.values())[1:] for row in found[title][1:]}
    for metric in METRICS.values():
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
    assert [row[0] for row in rows] == [metric.title for metric in METRICS.values()]
    for row, metric in zip(rows, METRICS, strict=True):
        assert row[1:] == [difference(comparison.of(metric, name)) for name in head[1:]]
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
    assert "Minus first" in shown
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


# --- hostile text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_cell_cannot_break_the_table(text: str) -> None:
    (head, rule, *rows, end) = table(["a", "b"], [[text, "z"], ["y", text]])
    assert rule == "|---|---|"
    assert end == ""
    for line in (head, *rows):
        assert len(line.splitlines()) == 1
        assert len(cells(line)) == 2
    assert cells(rows[0])[1] == "z"
    assert cells(rows[1])[0] == "y"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_cell_holds_no_html_and_no_code(text: str) -> None:
    shown = cell(text)
    assert "<" not in shown
    assert ">" not in shown
    assert "`" not in shown
    assert not re.search(r"(?<!\\)(?:\\\\)*\|", shown), "a pipe that is not escaped"


def test_words_of_a_cell_stay_readable() -> None:
    assert cell("plain words, 100% of 5") == "plain words, 100% of 5"
    assert cell("你好 – é") == "你好 – é"
    assert cell(7) == "7"
    assert cell("a\nb") == "a b"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_leaves_the_report_whole(text: str) -> None:
    plain, hostile = markdown(run()), markdown(run(texts=[text, text], split=text, system=text))
    assert "<script" not in hostile
    assert "<img" not in hostile
    assert "```" not in hostile
    titles = [name for name in tables(hostile) if name in tables(plain)]
    assert titles == list(tables(plain)), "the same sections"
    for title, rows in tables(hostile).items():
        assert len({len(row) for row in rows}) == 1, f"rows of {title} of the same length"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_model_name_leaves_the_heading_one_line(text: str) -> None:
    report = markdown(run(model={"model": text}))
    assert report.splitlines()[0].startswith("# mood@7: ")
    assert report.splitlines()[1] == ""
    assert "<script" not in report


# --- several runs, the terminal


def test_several_runs_stand_side_by_side() -> None:
    head, rows = score_rows([run("first"), run("second")])
    assert head == ["run", "slice", "Macro-F1", "Accuracy", "n", "unparsed", "errors"]
    assert [row[:2] for row in rows[:2]] == [["first", "all"], ["second", "all"]]
    assert len(rows) == 6
    assert all(len(row) == len(head) for row in rows)


def test_the_terminal_shows_the_same_numbers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    result = run()
    print_scores([result])
    shown = capsys.readouterr().out
    for row in score_rows([result])[1]:
        for text in row:
            assert text in shown
    assert "1 unreadable: refusal" in shown
    assert "1 failed requests" in shown


def test_the_terminal_shows_markup_as_text(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    print_scores([run("[bold]run"), run("[nonsense]"), run("[link=x]y")])
    shown = capsys.readouterr().out
    for name in ("[bold]run", "[nonsense]", "[link=x]y"):
        assert shown.count(name) > 1, "in the table and below it"


def test_a_terminal_of_usual_width_shows_every_number(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """80 columns, which is also what a log file or a pipe gets; a score, an interval or an n cut off is none."""
    monkeypatch.setenv("COLUMNS", "80")
    result = run()
    print_scores([result])
    shown = capsys.readouterr().out
    for row in result.scores.rows:
        for value in (row.value, row.low, row.high):
            assert number(value) in shown
        assert re.search(rf"\b{row.n}\b", shown)
        assert row.slice in shown
    assert "…" not in shown
