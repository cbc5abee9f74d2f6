"""`omnimer eval` on runs of challenges: no gold, the official reader, swapped texts, timelines as files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from eval.layouts import Layout
from eval.metrics.metric import Options
from eval.official_reading import official_reader, official_reading, read_officially
from eval.run import EvalConfig, evaluate, run
from eval.wheels.shown import open_vocabulary
from infer.engine import Reply
from omnimer import main
from prompts.schema import dump
from tasks.kinds import kind
from tasks.registry import TASKS
from tasks.task import Sample
from tests.eval.wheel_set import write_wheels

Row = tuple[str, Any, str | None, Mapping[str, Any]]


def write(folder: Path, task: str, rows: Sequence[Row]) -> Path:
    """A run directory from (id, gold, reply, meta)."""
    folder.mkdir(parents=True)
    config = {"task": TASKS[task].full_name, "model": {"model": "by hand"}}
    (folder / "run.json").write_text(json.dumps({"config": config}))
    samples = [
        {"id": name, "gold": gold, "text": "", "media": [], "language": "en", "context": [], "meta": meta}
        for name, gold, _, meta in rows
    ]
    replies = [{"id": name, "key": "k", "text": text} for name, _, text, _ in rows]
    for file, records in (("samples.jsonl", samples), ("replies.jsonl", replies)):
        (folder / file).write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def scores_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    return found


# --- no gold


def test_a_run_without_gold_gets_answers_and_a_report_without_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows: list[Row] = [(f"c{i}", None, '{"label": "happy"}', {"name": f"c{i}"}) for i in range(3)]
    folder = write(tmp_path / "run", "mer2025-semi", rows)
    assert main(["eval", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "No sample has gold" in said
    assert "3 valid" in said
    assert scores_of(folder)["rows"] == []
    assert "No sample has gold" in (folder / "report.md").read_text(encoding="utf-8")
    answers = (folder / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["value"]["label"] for line in answers] == ["happy"] * 3
    assert (folder / "report.html").stat().st_size > 10_000


def test_two_runs_without_gold_stand_side_by_side(tmp_path: Path) -> None:
    rows: list[Row] = [(f"c{i}", None, '{"label": "happy"}', {"name": f"c{i}"}) for i in range(3)]
    without = write(tmp_path / "without", "mer2025-semi", rows)
    other = write(tmp_path / "other", "mer2025-semi", rows)
    assert run(EvalConfig((without, other), resamples=20)) == 0


# --- the official reader


def test_tasks_with_an_official_reader() -> None:
    readers = {name: official_reader(task.answer) for name, task in TASKS.items()}
    assert readers["mer2025-fg"] == kind("Official:mer_list")
    assert readers["mer2025-des"] == kind("Official:mer_list")
    assert readers["mer2026-prefer"] == kind("Official:preference")
    assert readers["mer2025-semi"] is None
    assert readers["goemotions"] is None


def test_the_official_reader_gets_the_cleaned_first_reply() -> None:
    samples = [Sample("a", {"labels": ["glad"]}), Sample("b", {"labels": []}), Sample("c", {"labels": []})]
    replies = [
        Reply("a", "1", "Output: [glad, mad]"),
        Reply("a", "2", "[proud]", attempt=1),
        Reply("b", "3", None, error="media"),
        Reply("c", "4", "I think: glad/mad"),
    ]
    reader = official_reader(TASKS["mer2025-fg"].answer)
    assert reader is not None
    found = read_officially(samples, replies, reader)
    assert found == [{"labels": ["glad", "mad"]}, None, {"labels": ["I think: glad/mad"]}]


def test_both_readings_stand_side_by_side(tmp_path: Path) -> None:
    options = Options(wheel_folder=write_wheels(tmp_path), wheels_checked=False)
    samples = [Sample("a", {"labels": ["glad"]}), Sample("b", {"labels": ["mad"]})]
    ours = [{"labels": ["glad"]}, {"labels": ["mad"]}]
    replies = [Reply("a", "1", "[glad]"), Reply("b", "2", "mad/cross")]
    (found,) = official_reading(TASKS["mer2026-fg"], samples, ours, replies, options)
    cells = {row[0]: row[1:] for row in found.rows}
    first = next(iter(cells.values()))
    assert float(first[0]) > float(first[1]), "the official reader makes one unknown word of `mad/cross`"
    assert "1 of 2 replies" in found.notes[0]


def test_without_gold_or_reader_there_is_no_such_table() -> None:
    nothing = official_reading(TASKS["mer2026-fg"], [Sample("a", None)], [None], [], Options())
    closed = official_reading(TASKS["synthetic"], [Sample("a", {"label": "Joy"})], [None], [], Options())
    assert (nothing, closed) == ([], [])


# --- open vocabulary


def test_the_floor_and_what_is_lost_are_shown(tmp_path: Path) -> None:
    options = Options(wheel_folder=write_wheels(tmp_path), wheels_checked=False)
    samples = [Sample("a", {"labels": ["glad"]}), Sample("b", {"labels": ["glad", "mad"]}), Sample("c", None)]
    values = [{"labels": ["glad", "zzz"]}, None, {"labels": ["not counted"]}]
    floor, lost = open_vocabulary(TASKS["mer2026-fg"], samples, values, options)
    assert [row[0] for row in floor.rows][:1] == ["worried, angry, sad, happy"]
    assert all(0 <= float(row[1]) <= 1 for row in floor.rows)
    shown = dict(lost.rows)
    assert shown["words that no wheel knows"] == "50.0 %"
    assert shown["the most frequent of them"] == "zzz (1)"


# --- swapped texts


def preferred(folder: Path, choices: Sequence[str], swapped: str) -> Path:
    turned = {"a1": "a2", "a2": "a1", "same": "same"}
    gold = ["a1", "a2", "a1", "a2"]
    answer = kind("Pick:preference")
    rows: list[Row] = [
        (
            f"{i}-clip",
            {"choice": gold[i] if swapped == "no" else turned[gold[i]]},
            dump({"choice": choice}, answer),
            {"name": "clip", "row": i, "a1": "x", "a2": "y", "swapped": swapped},
        )
        for i, choice in enumerate(choices)
    ]
    return write(folder, "mer2026-prefer", rows)


def swap_table(folder: Path) -> Layout:
    return next(Layout(**part) for part in scores_of(folder)["sections"] if part["title"].startswith("Swap"))


@pytest.mark.parametrize(
    ("second", "cells"),
    [
        (["a2", "a1", "a2", "a1"], ["1.000", "0.000", "0.500"]),  # the same texts
        (["a1", "a2", "a1", "a2"], ["0.000", "1.000", "0.500"]),  # the same places
        (["a1", "a1", "a1", "a1"], ["0.500", "0.500", "0.750"]),  # always the first
    ],
)
def test_swap_consistency(tmp_path: Path, second: list[str], cells: list[str]) -> None:
    one = preferred(tmp_path / "one", ["a1", "a2", "a1", "a2"], "no")
    two = preferred(tmp_path / "two", second, "yes")
    assert run(EvalConfig((one, two), resamples=20)) == 0
    (row,) = swap_table(one).rows
    assert row == ["two", *cells, "4"]


def test_runs_in_the_same_order_are_compared_as_ever(tmp_path: Path) -> None:
    one = preferred(tmp_path / "one", ["a1", "a2", "a1", "a2"], "no")
    two = preferred(tmp_path / "two", ["a1", "a1", "a1", "a2"], "no")
    assert run(EvalConfig((one, two), resamples=20)) == 0
    assert scores_of(two)["comparison"]["first"] == "one"
    assert not any(part["title"].startswith("Swap") for part in scores_of(one).get("sections", []))


# --- timelines


def spoken(start: float, end: float, primary: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("speaker", "transcript_zh", "transcript_en", "audio_cues", "visual_cues", "evidence"))
    return {"start": start, "end": end, "primary": primary, "secondary": [], "intensity": 3, **nothing}


def test_timelines_are_scored_and_exported(tmp_path: Path) -> None:
    value = {
        "summary": "s",
        "trend": {"dominant": "Joy", "trajectory": None},
        "utterances": [spoken(0, 2, "Joy"), spoken(2, 5, "Anger")],
    }
    reply = dump(value, TASKS["emos-stream"].answer)
    rows: list[Row] = [("clip/../a", value, reply, {"film": "f"}), ("b", value, "nothing", {"film": "g"})]
    folder = write(tmp_path / "run", "emos-stream", rows)
    assert main(["eval", str(folder), "--timelines", str(tmp_path / "out"), "--resamples", "20"]) == 0
    first = scores_of(folder)["rows"][0]
    assert (first["metric"], first["value"], first["n"], first["unparsed"]) == ("tl_accuracy", 0.5, 2, 1)
    files = sorted((tmp_path / "out" / "run").iterdir())
    assert [path.suffix for path in files] == [".eaf", ".srt", ".vtt"]
    assert "Anger" in files[1].read_text(encoding="utf-8")


def test_a_run_without_timelines_cannot_export_them(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", "mer2025-semi", [("a", None, '{"label": "sad"}', {"name": "a"})])
    with pytest.raises(ValueError, match="has no timelines"):
        run(EvalConfig((folder,), timelines=tmp_path / "out"))


def test_what_parts_of_a_clip_were_fed_is_added_up(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", "emos-stream", [("a", None, None, {"film": "f"})])
    fed = {"frames": 4, "fps": 2.0, "audio_s": 3.0, "audio_tokens": 75, "video_tokens": 8}
    lines = [
        {"id": "a", "key": f"k{i}", "text": "x", "fed": fed}
        | {"part": {"mode": "windows", "index": i, "of": 2, "start_s": 3.0 * i, "end_s": 3.0 * i + 3, "media_s": 3.0}}
        for i in range(2)
    ]
    (folder / "replies.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = evaluate(folder, 20)
    assert result.replies["a"].fed.audio_tokens == 150
    assert result.replies["a"].fed.frames == 8
