"""`[stream]` of a recipe, whole: an adapter learned from the utterances of long clips knows those of other speakers.

Utterances by themselves take six minutes of one core, whole clips fifteen: it runs where OMNIMER_LEARNS is set.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.finetune.conftest import needs_training
from tests.infer.conftest import HAS_ENGINE, NO_ENGINE

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(3600),
    needs_training,
    pytest.mark.skipif(not HAS_ENGINE, reason=NO_ENGINE),
    pytest.mark.skipif(not os.environ.get("OMNIMER_LEARNS"), reason="minutes of training; OMNIMER_LEARNS=full runs it"),
]

ROOT = Path(__file__).parents[2]
WANTED = {"given": 0.4, "whole": 0.2}


@pytest.fixture(scope="module", params=WANTED)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(mode: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stream")
    words = ["-m", "tests.finetune.stream_learns", str(folder), mode]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def score(folder: Path, run: str, metric: str) -> float:
    rows: list[dict[str, Any]] = json.loads((folder / run / "scores.json").read_text())["rows"]
    (row,) = [row for row in rows if row["metric"] == metric and row["slice"] == "all"]
    assert row["errors"] == 0
    return float(row["value"])


def utterances(folder: Path) -> int:
    return len((folder / "test" / "annotations.csv").read_text().splitlines()) - 1


def test_utterances_of_new_speakers_are_judged_far_better_than_before(folder: Path, mode: str) -> None:
    margin = 1.5 / utterances(folder) ** 0.5  # three standard errors of an accuracy, at its worst
    before, after = (score(folder, run, "tl_accuracy") for run in ("before", "after"))
    print(before, after, utterances(folder))
    assert before < 1 / 7 + margin
    assert after > WANTED[mode]
    assert after > before + 2**0.5 * margin


def test_the_answers_hold_what_was_asked_for(folder: Path) -> None:
    for line in (folder / "after" / "answers.jsonl").read_text().splitlines():
        answer = json.loads(line)
        assert not answer["dropped"]
        assert all(each["secondary"] and each["intensity"] for each in answer["value"]["utterances"])
