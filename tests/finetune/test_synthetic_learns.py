"""`omnimer demo`, shortened: a tiny model that guesses, an adapter, and right answers about speakers it never met.

OMNIMER_LEARNS=full takes the demo as it ships, about a quarter of an hour on two cores.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tasks.synthetic import IDEAL_ACCURACY
from tests.finetune.conftest import needs_training
from tests.infer.conftest import HAS_ENGINE, NO_ENGINE

pytestmark = [pytest.mark.engine, needs_training, pytest.mark.skipif(not HAS_ENGINE, reason=NO_ENGINE)]

ROOT = Path(__file__).parents[2]
FULL = os.environ.get("OMNIMER_LEARNS") == "full"
# Clips, portraits of the pretraining in batches, epochs, and the accuracy that is asked for; guessing gives 1/7.
CLIPS, BATCHES, EPOCHS, WANTED = (1400, 160, None, 0.85) if FULL else (420, 64, 8, 0.5)
DEMO = """
import dataclasses, sys
from pathlib import Path
from finetune import demo
folder, clips, batches, epochs = sys.argv[1:]
demo.BUDGET = dataclasses.replace(demo.BUDGET, batches=int(batches))
demo.EPOCHS = eval(epochs)
sys.exit(demo.run(demo.DemoConfig(Path(folder), clips=int(clips))))
"""


@dataclass(frozen=True, slots=True)
class Found:
    """Accuracies by run and slice, the number of test clips, and what the demo printed."""

    of: dict[tuple[str, str], float]
    n: int
    printed: str

    @property
    def margin(self) -> float:
        """Three standard errors of an accuracy, at its worst."""
        return float(1.5 / self.n**0.5)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder = tmp_path_factory.mktemp("learns")
    # A spawned engine imports the main module again, so that has to be a file.
    script = folder / "demo.py"
    script.write_text("if __name__ == '__main__':\n" + "".join(f"    {line}\n" for line in DEMO.strip().splitlines()))
    words = [str(script), str(folder / "out"), str(CLIPS), str(BATCHES), repr(EPOCHS)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    print(done.stderr, done.stdout)
    accuracies: dict[tuple[str, str], float] = {}
    n = 0
    for run in ("before", "after", "after-muted", "after-frozen", "after-shuffled"):
        stage, _, kind = run.partition("-")
        name = f"{stage}-{CLIPS}" + (f"-{kind}" if kind else "")
        scores = json.loads((folder / "out" / "runs" / name / "scores.json").read_text())
        for row in scores["rows"]:
            assert row["errors"] == 0
            if row["metric"] == "accuracy":
                accuracies[run, row["slice"]] = row["value"]
                n = max(n, row["n"])
    return Found(accuracies, n, done.stdout)


def test_before_it_guesses_and_after_it_knows_speakers_it_never_met(found: Found) -> None:
    before, after = found.of["before", "all"], found.of["after", "all"]
    assert before < 1 / 7 + found.margin
    assert after > WANTED
    assert after > before + 2 * found.margin


@pytest.mark.parametrize(("kind", "given"), [("muted", "vt"), ("frozen", "frozen"), ("shuffled", "shuffled")])
def test_what_a_clip_loses_costs_what_it_tells(kind: str, given: str, found: Found) -> None:
    assert found.of[f"after-{kind}", "all"] < IDEAL_ACCURACY[given] + found.margin
    assert found.of[f"after-{kind}", "all"] < found.of["after", "all"]


def test_a_transcript_that_contradicts_does_not_mislead(found: Found) -> None:
    """Emotional words of another emotion were in the training as well, and told nothing."""
    assert found.of["after", "transcript_kind=contradicts"] > WANTED - 0.2


def test_the_demo_prints_before_and_after(found: Found) -> None:
    for words in ("before", "after, transcript contradicts", "after, sound muted", "best possible", "0.857"):
        assert words in found.printed
