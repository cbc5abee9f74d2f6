"""The report: every number of the scores is in it, and no text of a model can break it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from eval.answers import Answer
from eval.report import (
    RunResult,
    cell,
    fed_counts,
    markdown,
    number,
    parse_counts,
    score_rows,
    table,
)
from eval.scores import score
from eval.terminal import print_scores
from infer.engine import Fed, Reply
from tasks.task import OneOf, Sample, Task

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
