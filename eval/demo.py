"""`omnimer demo`: the whole pipeline, small, on this machine: draw clips, build a tiny model, ask, score."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from eval.run import EvalConfig
from eval.run import run as run_eval
from infer.run import InferConfig
from infer.run import run as run_infer
from infer.tiny import build_tiny
from tasks.synthetic import generate
from tasks.task import MediaOptions

# 168 x 168: the size in which the synthetic clips are drawn, so no frame is scaled up.
PIXELS = 168 * 168


@dataclass(frozen=True)
class DemoConfig:
    """The whole pipeline, small, on this machine, CPU or GPU: synthetic clips, a tiny model with random weights (so
    its scores are those of guessing), vLLM, scores. Repeating it resumes."""

    out: Path = Path("demo")
    """Where everything goes."""
    clips: int = 140
    """How many clips are drawn."""
    model: str | None = None
    """A real checkpoint in place of the tiny one, such as Qwen/Qwen2.5-Omni-7B."""
    family: Literal["qwen2_5_omni", "qwen3_omni_moe"] = "qwen2_5_omni"
    """Which family the tiny model imitates."""


def run(config: DemoConfig) -> int:
    """Runs the pipeline and prints the score table and the time that each step took."""
    start = time.monotonic()
    data = config.out / f"synthetic-{config.clips}"
    _say(start, f"drawing {config.clips} talking heads into {data}")
    generate(data, clips=config.clips, seed=0)
    model = config.model
    if model is None:
        _say(start, f"building a tiny {config.family} checkpoint with random weights")
        model = str(build_tiny(config.out / f"tiny-{config.family}", config.family))
    runs = config.out / "runs" / f"{Path(model).name}-{config.clips}"
    _say(start, f"asking {Path(model).name} about each clip, through vLLM")
    pixels = MediaOptions(min_pixels=PIXELS, max_pixels=PIXELS)
    code = run_infer(InferConfig("synthetic", data, model=model, out=runs, clip=pixels))
    if code > 1:
        return code
    _say(start, "reading and scoring the replies")
    code = max(code, run_eval(EvalConfig((runs,))))
    if config.model is None:
        print("The tiny model's weights are random: its accuracy is that of guessing (1 of 7 labels).")
    _say(start, f"done; look at {runs / 'report.html'}")
    return code


def _say(start: float, what: str) -> None:
    print(f"[{time.monotonic() - start:5.1f} s] {what}", file=sys.stderr, flush=True)
