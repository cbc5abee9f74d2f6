"""`omnimer demo`: the whole pipeline, small, on this machine: draw clips, build a model, ask, fine-tune, ask again.

OUT/synthetic-N/                     the drawn benchmark
OUT/tiny-FAMILY[-pretrained]/        the tiny checkpoint; --model takes it
OUT/runs/MODEL-N[-lora]/             the runs: replies, answers, scores, report
OUT/runs/MODEL-N-finetune/           the training: log, adapter, card
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

from eval.run import EvalConfig
from eval.run import run as run_eval
from finetune.run import FinetuneConfig
from finetune.run import run as run_finetune
from finetune.train import ADAPTER
from infer.run import InferConfig
from infer.run import run as run_infer
from infer.store import RUN
from infer.tiny import build_tiny
from infer.tiny_pretrain import Budget
from tasks.synthetic import generate
from tasks.task import MediaOptions

# 168 x 168: the size in which the synthetic clips are drawn, so no frame is scaled up.
PIXELS = MediaOptions(min_pixels=168 * 168, max_pixels=168 * 168)
CLIPS = {False: 140, True: 1400}  # without fine-tuning, with it
CLIPS_A_SPEAKER = 14
RECIPE = "synthetic_tiny"


@dataclass(frozen=True)
class DemoConfig:
    """The whole pipeline, small, on this machine, CPU or GPU: synthetic clips, a tiny model that can see and hear and
    knows no emotion, vLLM, scores; then LoRA on the train speakers and the same questions again. Repeating it resumes.
    """

    out: Path = Path("demo")
    """Where everything goes."""
    finetune: bool = True
    """Train an adapter and show the scores before and after. Without, random weights are asked: a minute in all."""
    clips: int | None = None
    """How many clips are drawn; if not given, 1400 with fine-tuning and 140 without."""
    model: str | None = None
    """A real checkpoint in place of the tiny one, such as Qwen/Qwen2.5-Omni-7B; it is asked and not fine-tuned."""
    family: Literal["qwen2_5_omni", "qwen3_omni_moe"] = "qwen2_5_omni"
    """Which family the tiny model imitates; qwen3_omni_moe is asked and not fine-tuned."""


def run(config: DemoConfig) -> int:
    """Runs the pipeline and prints the score tables and when each step began."""
    start = time.monotonic()
    trains = config.finetune and config.model is None and config.family == "qwen2_5_omni"
    clips = CLIPS[trains] if config.clips is None else config.clips
    data = config.out / f"synthetic-{clips}"
    _say(start, f"drawing {clips} talking heads into {data}")
    generate(data, clips=clips, seed=0, speakers=max(40, clips // CLIPS_A_SPEAKER))
    model = config.model or _build(config, start, pretrained=trains)
    runs = config.out / "runs" / f"{Path(model).name}-{clips}"
    split = "test" if trains else None
    before = InferConfig("synthetic", data, model=model, out=runs, clip=PIXELS, split=split)
    _say(start, f"asking {Path(model).name} about each clip{' of the test speakers' if trains else ''}, through vLLM")
    code = _apart(before)
    folders = [runs]
    if trains and code <= 1:
        training = runs.with_name(f"{runs.name}-finetune")
        _say(start, "training an adapter on the train speakers")
        code = max(code, _train(model, data, training))
        if code <= 1:
            after = runs.with_name(f"{runs.name}-lora")
            _say(start, "asking again, with the adapter")
            code = max(code, _apart(replace(before, adapter=training / ADAPTER, out=after)))
            folders.append(after)
    if code > 1:
        return code
    _say(start, "reading and scoring the replies")
    code = max(code, run_eval(EvalConfig(tuple(folders))))
    if config.model is None:
        print(GUESSES if not trains else LEARNED)
    _say(start, f"done; look at {folders[-1] / 'report.html'}")
    return code


GUESSES = "The tiny model's weights are random: its accuracy is that of guessing (1 of 7 labels)."
LEARNED = (
    "Before, the tiny model sees and hears but knows no emotion: it guesses (1 of 7 labels). After, it is asked about "
    "speakers it has never met."
)


def _build(config: DemoConfig, start: float, *, pretrained: bool) -> str:
    name = f"tiny-{config.family}{'-pretrained' if pretrained else ''}"
    what = "pretraining a" if pretrained else "building a random"
    _say(start, f"{what} tiny {config.family} checkpoint")
    return str(build_tiny(config.out / name, config.family, pretraining=Budget() if pretrained else None))


def _apart(config: InferConfig) -> int:
    """`run_infer` in a process of its own, which leaves nothing behind: one process holds one engine."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(run_infer, config).result()


def _train(model: str, data: Path, out: Path) -> int:
    """Fine-tunes by the shipped recipe; goes on where an earlier demo was stopped."""
    if (out / ADAPTER).is_dir():
        return 0
    return run_finetune(FinetuneConfig(RECIPE, out=out, model=model, data=data, resume=(out / RUN).is_file()))


def _say(start: float, what: str) -> None:
    print(f"[{time.monotonic() - start:5.1f} s] {what}", file=sys.stderr, flush=True)
