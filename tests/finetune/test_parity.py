"""transformers + peft, vLLM with the adapter and vLLM with the merged checkpoint give the same answers.

OMNIMER_PARITY_CLIPS=100 asks about a hundred clips instead of a few.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.synthetic import generate
from tests.finetune.conftest import both, needs_training
from tests.infer.conftest import HAS_ENGINE, NO_ENGINE

pytestmark = [pytest.mark.engine, needs_training, pytest.mark.skipif(not HAS_ENGINE, reason=NO_ENGINE)]

ROOT = Path(__file__).parents[2]
CLIPS = int(os.environ.get("OMNIMER_PARITY_CLIPS", "4"))
# In float32; the three ways add up in different orders. Where a router is undecided between two experts, rounding
# decides, and the answer of a few tokens is another expert's.
TOLERANCE, TIED_TOLERANCE = 1e-5, 1e-2


@both
def test_the_adapter_gives_the_same_answers_every_way(
    bases: dict[str, Path], data: Path, tmp_path: Path, family: str
) -> None:
    folder = data if CLIPS <= 12 else generate(tmp_path / "data", clips=CLIPS, seed=6, size=84)
    words = ["-m", "tests.finetune.parity", family, str(bases[family]), str(folder), str(tmp_path), str(CLIPS)]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    print(found)
    count = CLIPS + 2  # two of them in stretches too
    assert found["clips"] == count
    assert found["effect"] > 1e-2, "an adapter that changes nothing proves nothing"
    for way in ("adapter", "merged"):
        assert found[way]["same_tokens"] == found[way]["same_labels"] == found[way]["same_replies"] == count, found
        assert found[way]["apart"] < TOLERANCE, found
        assert found[way]["tied_apart"] < TIED_TOLERANCE, found
    assert found["tied"] <= (0 if family == "qwen2_5_omni" else max(1, CLIPS // 50)), found
