"""Published numbers: transcribed without a slip, shown beside a run's own, marked, never mixed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from eval import published
from eval.answers import Answer
from eval.layouts import LAYOUTS, Layout, half_up, layouts, ranking, slice_named
from eval.metrics.table import METRICS
from eval.published import MARK, PublishedTable, crosses_for, published_tables, tables_for
from eval.report import RunResult, markdown
from eval.scores import score
from tasks.labels import label_space
from tasks.registry import TASKS
from tasks.select import read_samples
from tasks.task import Root, Sample

EMOS = Path(__file__).parents[2].parent / "shared" / "data" / "emos"
BASIC = label_space("basic7").labels
FINE = label_space("goemotions28").labels
TABLES = {table.id: table for table in published_tables()}
every_table = pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))


def run(name: str = "emos-compact", **meta: str) -> RunResult:
    """Ten groups; tiers and languages in turn; the emotion right in two of three, one GoEmotions label found."""
    task = TASKS[name]
    items, answers = [], []
    for i in range(120):
        language = ("en", "zh")[i % 2]
        gold: dict[str, Any] = {"label": BASIC[i % 7]}
        sure = (0.9, 0.8, 0.6)[i // 2 % 3] - i % 5 / 20
        told: dict[str, Any] = {"label": BASIC[i % 7 if i % 3 else (i + 1) % 7], "confidence": sure}
        if name == "emos-compact":
            shares = [{"label": FINE[i % 28], "confidence": 1.0}, {"label": FINE[(i + 1) % 28], "confidence": 1 / 3}]
            gold = {"emotion": gold["label"], "goemotions": shares}
            told = {"emotion": told["label"], "confidence": told["confidence"], "goemotions": shares[:1]}
        details = {"group": f"g{i % 10}", "tier": ("high", "high", "low")[i // 2 % 3], "language": language, **meta}
        items.append(Sample(f"s{i}", gold, language=language, meta=details))
        answers.append(Answer(f"s{i}", told, "schema"))
    facts = {"config": {"task": task.full_name, "model": {"model": "tiny"}}}
    scores = score(task, items, answers, 200, crosses=crosses_for(task))
    return RunResult(Path("ours"), task, facts, items, scores, answers, {})


def layout(result: RunResult, name: str) -> Layout:
    return LAYOUTS[name](TABLES[name], result)


# --- the data


@every_table
def test_every_table_is_complete(table: PublishedTable) -> None:
    assert table.title
    assert table.source
    assert table.tasks
    assert table.rows
    assert table.notes
    for row in table.rows:
        assert row.scores or row.labels
        assert row.title == f"{row.system} {MARK}"
        numbers = [*row.scores.values(), *(number for numbers in row.labels.values() for number in numbers)]
        assert all(-1 <= number <= 1 for number in numbers)
        assert all(round(number, table.digits) == number for number in numbers), "as printed"


def test_the_tables_of_the_paper_have_its_layouts_and_the_others_are_rankings() -> None:
    paper = [table.id for table in TABLES.values() if "EmoS" in table.source]
    assert paper == ["table7", "table8", "table12", "table13", "streaming"]
    assert set(LAYOUTS) == {"table7", "table8", "table12", "table13"}


@pytest.mark.parametrize("row", TABLES["table7"].rows, ids=lambda row: row.system)
def test_f1_of_table_7_follows_from_precision_and_recall(row: published.PublishedRow) -> None:
    """A slip of the pen would show. Rounding leaves 0.002."""
    assert tuple(row.labels) == BASIC
    for precision, recall, f1 in row.labels.values():
        expected = 2 * precision * recall / (precision + recall) if precision + recall else 0
        assert f1 == pytest.approx(expected, abs=0.002)
    assert row.scores["macro_f1"] == pytest.approx(sum(f1 for _, _, f1 in row.labels.values()) / 7, abs=0.001)


def test_labels_of_table_12_are_goemotions() -> None:
    for row in TABLES["table12"].rows:
        assert set(row.labels) == set(FINE)


def test_differences_of_table_8_are_low_minus_high() -> None:
    for row in TABLES["table8"].rows:
        assert row.scores["difference"] == pytest.approx(row.scores["low"] - row.scores["high"], abs=1e-9)


@pytest.mark.parametrize(("system", "english"), [("Gemini", 0.504), ("Qwen-3 (base)", 0.498), ("EmotionLLaMA", 0.799)])
def test_table_13_fits_table_7_at_the_stated_share_of_english(system: str, english: float) -> None:
    split = next(row.labels for row in TABLES["table13"].rows if row.system == system)
    name = {"Gemini": "Gemini-3", "Qwen-3 (base)": "Qwen-3"}.get(system, system)
    whole = next(row for row in TABLES["table7"].rows if row.system == name)
    mixed = english * split["en"][0] + (1 - english) * split["zh"][0]
    assert mixed == pytest.approx(whole.scores["accuracy"], abs=0.002)


def test_the_impossible_column_implies_more_answers_than_clips() -> None:
    """Σ recall · share / precision is the number of answers a clip; one label a clip gives 1, or less."""
    shares = dict(zip(BASIC, (0.155, 0.044, 0.051, 0.260, 0.371, 0.087, 0.033), strict=True))
    answers = {
        row.system: sum(shares[label] * recall / precision for label, (precision, recall, _) in row.labels.items())
        for row in TABLES["table7"].rows
        if all(precision for precision, _, _ in row.labels.values())
    }
    assert answers["Qwen-3 (FT)"] > 1.08
    assert answers["Gemini-3"] == pytest.approx(1, abs=0.03)
    (caveat,) = [row.caveat for row in TABLES["table7"].rows if row.system == "Qwen-3 (FT)"]
    assert "impossible" in caveat


def test_supports_of_table_12_are_labels_of_any_annotator() -> None:
    """What its note says: 800 clips of the high tier, half of each language, drawn from the release."""
    if not EMOS.is_dir():
        pytest.skip("needs the EmoS annotations beside the checkout")
    high = [s for s in read_samples(TASKS["emos-compact"], Root(EMOS), "all") if s.meta["tier"] == "high"]
    sizes = {name: sum(s.language == name for s in high) for name in ("en", "zh")}
    expected: dict[str, list[float]] = {
        name: [0.0, 0.0] for name in ("approval", "gratitude", "embarrassment", "disappointment")
    }
    for sample in high:
        for item in (sample.gold or {})["goemotions"]:
            if item["label"] in expected:
                expected[item["label"]][0] += 400 / sizes[sample.language]
                expected[item["label"]][1] += 400 / sizes[sample.language] * (item["confidence"] > 0.5)
    rounded = {name: tuple(round(count) for count in pair) for name, pair in expected.items()}
    assert list(rounded.values()) == [(23, 4), (21, 11), (19, 4), (58, 13)]
    (note,) = TABLES["table12"].notes
    assert "(23, 21, 19, 58)" in note
    assert "(4, 11, 4, 13)" in note
    gemini = TABLES["table12"].rows[0].labels
    for name, support in (("approval", 25), ("gratitude", 16), ("embarrassment", 21), ("disappointment", 55)):
        assert round(round(gemini[name][1] * support) / support, 3) == gemini[name][1]


def test_tables_belong_to_tasks() -> None:
    assert [table.id for table in tables_for(TASKS["emos-basic7"])] == ["table7", "table8", "table13"]
    assert [table.id for table in tables_for(TASKS["emos-compact"])] == ["table7", "table8", "table12", "table13"]
    assert tables_for(TASKS["synthetic"]) == []
    assert crosses_for(TASKS["emos-basic7"]) == [("tier", "language")]
    assert crosses_for(TASKS["synthetic"]) == []


def test_a_row_of_the_wrong_length_is_refused() -> None:
    entry = {
        **{"id": "t", "title": "t", "source": "s", "tasks": [], "where": {}, "digits": 3, "columns": ["a", "b"]},
        **{"notes": [], "row": [{"system": "x", "labels": {"Joy": [0.1]}}]},
    }
    with pytest.raises(ValueError, match=r"t, x, Joy: 1 numbers for the columns a, b"):
        published._table(entry)


# --- the layouts


@pytest.mark.parametrize("name", LAYOUTS)
def test_published_numbers_stand_under_their_mark_and_ours_do_not(name: str) -> None:
    shown = layout(run(), name)
    assert len({len(row) for row in [shown.head, *shown.rows]}) == 1
    titles = [*shown.head, *(row[0] for row in shown.rows)]
    assert all(any(row.title == title for title in titles) for row in TABLES[name].rows)
    ours = [title for title in titles if "ours (this run)" in title]
    assert ours
    assert not any(MARK in title for title in ours)
    notes = "\n".join(shown.notes)
    assert TABLES[name].source in notes
    assert all(row.caveat in notes for row in TABLES[name].rows)


def ranked(task: str, table: str) -> Layout:
    """A ranking under another task's name, from the run above."""
    result = run("emos-basic7")
    return ranking(TABLES[table], dataclasses.replace(result, task=dataclasses.replace(result.task, name=task)))


def test_a_ranking_by_task_shows_the_column_of_the_run_s_task_alone() -> None:
    shown = ranked("unibench-meld", table="unibench")
    headline = METRICS[TASKS["emos-basic7"].metrics[0]].title
    assert shown.head == ["", headline]
    assert shown.rows[0][0] == "ours (this run)"
    assert shown.rows[0][1] != "–"
    assert shown.rows[1] == [f"AffectGPT VT {MARK}", "0.5763"]
    values = [float(row[1]) for row in shown.rows[1:]]
    assert values == sorted(values, reverse=True)
    assert any("n = 120" in note for note in shown.notes)


def test_a_ranking_by_metric_leaves_open_what_was_not_printed_or_not_measured() -> None:
    shown = ranked("mer2025-semi", table="mer2025-semi")
    assert [row[0] for row in shown.rows[1:]] == [row.title for row in sorted(
        TABLES["mer2025-semi"].rows, key=lambda row: -row.scores["weighted_f1"])]  # fmt: skip
    blend = ranked("blemore", table="blemore")
    assert blend.rows[0] == ["ours (this run)", "–", "–", "–"]
    assert next(row for row in blend.rows if row[0].startswith("WavLM, test"))[3] == "–"
    assert any("2601.13225" in note for note in blend.notes)


def test_table_7_holds_our_numbers_of_the_high_tier() -> None:
    result = run()
    shown = layout(result, "table7")
    detail = result.scores.details["tier=high"]
    assert [row[0] for row in shown.rows[:3]] == ["Accuracy", "Macro-F1", "Weighted-F1"]
    for title, metric in (("Accuracy", "accuracy"), ("Macro-F1", "macro_f1"), ("Weighted-F1", "weighted_f1")):
        row = result.scores.row(metric, "tier=high")
        assert row is not None
        assert next(line for line in shown.rows if line[0] == title)[1] == half_up(row.value)
    for line, found in zip(shown.rows[3:], detail.classes, strict=True):
        assert line[0] == f"{found.label} P / R / F1"
        assert line[1] == " / ".join(half_up(x) for x in (found.precision, found.recall, found.f1))
    gemini = shown.head.index(f"Gemini-3 {MARK}")
    assert shown.rows[0][gemini] == "0.611"
    assert shown.rows[8][gemini] == "0.533 / 0.721 / 0.613"
    assert any("n = 80" in note for note in shown.notes)


def test_table_8_holds_our_difference_with_its_interval() -> None:
    result = run()
    row = layout(result, "table8").rows[0]
    high, low = (result.scores.row("confidence", f"tier={tier}") for tier in ("high", "low"))
    assert high is not None
    assert low is not None
    assert row[:3] == ["ours (this run), stated", half_up(high.value), half_up(low.value)]
    difference, _, interval = row[3].partition(" ")
    assert float(difference) == pytest.approx(low.value - high.value, abs=0.0006)
    lower, upper = (float(end) for end in interval.strip("[]").split(", "))
    assert lower <= low.value - high.value <= upper


def test_table_12_shows_both_thresholds() -> None:
    result = run()
    shown = layout(result, "table12")
    assert [row[0] for row in shown.rows] == list(FINE)
    loose = {found.label: found for found in result.scores.details["tier=high"].any_annotator}
    for row in shown.rows:
        assert row[1] == f"{half_up(loose[row[0]].precision)} / {half_up(loose[row[0]].recall)}"
        assert int(row[3]) == loose[row[0]].support >= int(row[4])
    assert shown.rows[0][5:] == ["0.448 / 0.650", "0.320 / 0.780"]


def test_table_13_splits_the_high_tier_by_language() -> None:
    result = run()
    shown = layout(result, "table13")
    for place, language in ((1, "en"), (2, "zh")):
        found = [result.scores.row(name, f"tier=high,language={language}") for name in TABLES["table13"].columns]
        assert shown.rows[0][place] == " / ".join(half_up(row.value) for row in found if row is not None)
    assert "0.541 / 0.441 / 0.554" in shown.rows[4]


@pytest.mark.parametrize(
    ("meta", "where", "name"),
    [
        ({}, {"tier": "high"}, "tier=high"),
        ({}, {"tier": "high", "language": "zh"}, "tier=high,language=zh"),
        ({}, {}, "all"),
        ({}, {"tier": "medium"}, None),
        ({"tier": "high"}, {"tier": "high"}, "all"),
        ({"tier": "high"}, {"tier": "high", "language": "zh"}, "language=zh"),
        ({"tier": "low"}, {"tier": "high"}, None),
    ],
)
def test_slices_are_found_also_where_the_run_is_one(
    meta: dict[str, str], where: dict[str, str], name: str | None
) -> None:
    assert slice_named(run(**meta), where) == name


def test_a_run_without_the_tier_shows_no_numbers_and_says_so() -> None:
    result = run(tier="low")
    shown = layout(result, "table7")
    assert {row[1] for row in shown.rows} == {"–"}
    assert "The run has no samples with tier=high." in shown.notes
    assert layout(result, "table8").rows[0][1] == "–"
    assert layout(result, "table13").rows[0][1] == "– / – / –"
    assert len(layouts(result)) == 4


def test_basic_runs_have_the_tables_of_basic_emotions() -> None:
    assert len(layouts(run("emos-basic7"))) == 3
    assert layouts(dataclasses.replace(run("emos-basic7"), task=TASKS["synthetic"])) == []


def test_the_report_holds_the_layouts_and_their_notes() -> None:
    text = markdown(run())
    for shown in layouts(run()):
        assert f"## {shown.title}" in text
        assert all(MARK in text for _ in shown.rows)
    assert "impossible" in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.6125, "0.613"),
        (0.6124999999999999, "0.613"),
        (0.6124, "0.612"),
        (1.0, "1.000"),
        (0.0005, "0.001"),
        (None, "–"),
    ],
)
def test_numbers_are_rounded_half_up(value: float | None, shown: str) -> None:
    assert half_up(value) == shown
