"""`omnimer eval` over run directories made by hand: what is written, several runs, options, calibration."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from eval.run import PAGE, REPORT, SCORES, EvalConfig, evaluate, run
from tasks.labels import label_space
from tasks.registry import TASKS

LABELS = label_space("basic7").labels


def write_run(folder: Path, task: str = "synthetic", wrong: int = 3, n: int = 42, *, logprobs: bool = False) -> Path:
    """Every `wrong`-th reply is wrong; half of the speakers are train."""
    folder.mkdir(parents=True)
    config = {"task": TASKS[task].full_name, "model": {"model": folder.name}}
    (folder / "run.json").write_text(json.dumps({"config": config}))
    samples, replies = [], []
    for i in range(n):
        meta = {"speaker": f"p{i % 6}", "split": ("train", "test")[i % 2], "tier": ("high", "low")[i % 2]}
        gold: dict[str, Any] = {"label": LABELS[i % 7]}
        told: dict[str, Any] = {"label": LABELS[(i + (i % wrong == 0)) % 7], "confidence": 0.5 + i % 5 / 10}
        if task == "synthetic-compact":
            shares = [{"label": "joy", "confidence": 1 / 3}, {"label": "love", "confidence": 2 / 3}]
            gold = {"emotion": gold["label"], "goemotions": shares}
            told = {"emotion": told["label"], "confidence": told["confidence"], "goemotions": shares[1:]}
        samples.append(
            {"id": f"c{i}", "gold": gold, "text": "", "media": [], "language": ("zh", "en")[i % 2], "context": [],
             "meta": meta}
        )  # fmt: skip
        line: dict[str, Any] = {"id": f"c{i}", "key": "k", "text": json.dumps(told)}
        if logprobs:
            line["label_logprobs"] = {name: math.log(0.64 if name == told["label"] else 0.06) for name in LABELS}
        replies.append(line)
    for name, records in (("samples.jsonl", samples), ("replies.jsonl", replies)):
        (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def scores_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (folder / SCORES).read_text(encoding="utf-8"), parse_constant=lambda word: pytest.fail(f"{word} is no JSON")
    )
    return found


def values_of(folder: Path) -> dict[str, float]:
    return {row["metric"]: row["value"] for row in scores_of(folder)["rows"] if row["slice"] == "all"}


def test_scores_hold_rows_details_and_options(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", "synthetic-compact")
    assert run(EvalConfig((folder,), resamples=50)) == 0
    found = scores_of(folder)
    assert found.keys() == {"rows", "labels", "confusion", "classes", "details", "options", "silent"}
    defaults = {"threshold": 0.5, "answer_threshold": 0.0, "smoothing": 0.01, "bins": 10, "wheels": ""}
    assert found["options"] == defaults
    assert set(found["details"]) == {"all", "language=en", "language=zh", "tier=high", "tier=low"}
    whole = found["details"]["all"]
    assert sum(bins["count"] for bins in whole["reliability"]["confidence"]) == 42
    assert whole["risk_coverage"]["confidence"][-1][0] == 1
    assert len(whole["label_scores"]) == 28
    assert (folder / PAGE).is_file()


def test_the_same_seed_writes_the_same_scores(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", "synthetic-compact")
    texts = []
    for seed in (3, 3, 4):
        evaluate(folder, 100, seed)
        texts.append((folder / SCORES).read_text())
    assert texts[0] == texts[1] != texts[2]


def test_the_thresholds_are_options(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", "synthetic-compact")
    found = {}
    for name, gold, answered in (("two", 0.5, 0.0), ("any", 0.3, 0.0), ("strict", 0.5, 0.7)):
        run(EvalConfig((folder,), resamples=20, threshold=gold, answer_threshold=answered))
        found[name] = values_of(folder)["set_micro_f1"]
    assert found == {"two": 1.0, "any": pytest.approx(2 / 3), "strict": 0.0}


def test_bins_and_smoothing_are_options(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", "synthetic-compact")
    run(EvalConfig((folder,), resamples=20, bins=4, smoothing=0.2))
    found = scores_of(folder)
    assert len(found["details"]["all"]["reliability"]["confidence"]) == 4
    coarse = values_of(folder)["soft_kl"]
    run(EvalConfig((folder,), resamples=20))
    assert coarse < values_of(folder)["soft_kl"]


def test_an_option_out_of_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="threshold is 0"):
        run(EvalConfig((write_run(tmp_path / "a"),), threshold=0))


def test_several_runs_are_compared_with_the_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, better, worse = (
        write_run(tmp_path / name, wrong=k) for name, k in (("first", 5), ("better", 99), ("worse", 1))
    )
    run(EvalConfig((first, better, worse), resamples=200))
    shown = capsys.readouterr().out
    assert "Difference to first" in shown
    assert "comparison" not in scores_of(first)
    marks = {}
    for folder in (better, worse):
        comparison = scores_of(folder)["comparison"]
        assert comparison["first"] == "first"
        (row,) = [r for r in comparison["differences"] if (r["slice"], r["metric"]) == ("all", "accuracy")]
        marks[folder.name] = row["mark"]
        assert row["p"] < 0.05
        assert "## Compared with first" in (folder / REPORT).read_text(encoding="utf-8")
    assert marks == {"better": "▲", "worse": "▼"}
    evaluate(better, 50)
    assert "comparison" not in scores_of(better), "alone again"


def test_runs_over_other_samples_are_refused(tmp_path: Path) -> None:
    first, other = write_run(tmp_path / "first"), write_run(tmp_path / "other", n=40)
    with pytest.raises(ValueError, match=r"2 only in first \(c40, c41\)"):
        run(EvalConfig((first, other), resamples=20))


def test_label_probabilities_are_read_from_the_replies(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", logprobs=True)
    run(EvalConfig((folder,), resamples=20))
    found = values_of(folder)
    assert found["logprob_confidence"] == pytest.approx(0.64)
    assert found["logprob_ece"] == pytest.approx(abs(found["accuracy"] - 0.64))
    assert set(scores_of(folder)["details"]["all"]["reliability"]) == {"confidence", "distribution"}
    plain = write_run(tmp_path / "b")
    run(EvalConfig((plain,), resamples=20))
    assert not any(name.startswith("logprob") for name in values_of(plain))


def test_probabilities_of_replies_that_were_not_taken_do_not_count(tmp_path: Path) -> None:
    """A reply that could not be read, and was asked again without probabilities."""
    folder = write_run(tmp_path / "a", logprobs=True)
    lines = [json.loads(line) for line in (folder / "replies.jsonl").read_text().splitlines()]
    again = [{"id": line["id"], "key": "k2", "text": line["text"], "attempt": 1} for line in lines]
    text = "".join(json.dumps(line) + "\n" for line in [*({**line, "text": "no idea"} for line in lines), *again])
    (folder / "replies.jsonl").write_text(text)
    run(EvalConfig((folder,), resamples=20))
    assert values_of(folder)["accuracy"] > 0.6
    assert not any(name.startswith("logprob") for name in values_of(folder))


def test_calibration_is_written_where_it_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_run(tmp_path / "a", logprobs=True)
    run(EvalConfig((folder,), resamples=20, calibrate=True))
    found = scores_of(folder)["calibration"]
    assert (found["fitted"], found["judged"], found["groups"]) == (21, 21, 3)
    assert found["after"]["accuracy"] == found["before"]["accuracy"]
    assert f"temperature {found['temperature']:.3f}" in capsys.readouterr().out


def test_calibration_without_probabilities_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--decode label"):
        run(EvalConfig((write_run(tmp_path / "a"),), resamples=20, calibrate=True))
