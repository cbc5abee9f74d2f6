"""`omnimer demo`: the whole pipeline, small, on this machine: draw clips, build a model, ask, fine-tune, ask again.

OUT/synthetic-N/                     the drawn benchmark, and its test clips without sound, movement or order
OUT/tiny-FAMILY[-pretrained]/        the tiny checkpoint; --model takes it
OUT/runs/MODEL-N/                    the one run of a model that is not fine-tuned: replies, answers, scores, report
OUT/runs/before-N/, after-N/         the runs before and after the training; the first one's report shows both
OUT/runs/after-N-VARIANT/            the runs over clips that lost something
OUT/runs/finetune-N/                 the training: log, adapter, card
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from eval.report import with_interval
from eval.run import EvalConfig, evaluate
from eval.run import run as run_eval
from eval.scores import ALL
from finetune.run import CARD, FinetuneConfig
from finetune.run import run as run_finetune
from finetune.train import ADAPTER
from infer.run import InferConfig
from infer.run import run as run_infer
from infer.store import RUN
from infer.tiny import build_tiny
from infer.tiny_pretrain import Budget
from tasks.synthetic import IDEAL_ACCURACY, generate, generate_variant
from tasks.synthetic.layout import Variant
from tasks.task import MediaOptions

# 168 x 168: the size in which the synthetic clips are drawn, so no frame is scaled up.
PIXELS = MediaOptions(min_pixels=168 * 168, max_pixels=168 * 168)
CLIPS = {False: 140, True: 1400}  # without fine-tuning, with it
CLIPS_A_SPEAKER = 14
RECIPE = "synthetic_tiny"
BUDGET = Budget()
EPOCHS: int | None = None  # as the recipe says
# What is taken from a clip, what is then left to go by (see IDEAL_ACCURACY), and how to say it.
LOSSES: dict[Variant, tuple[str, str]] = {
    "muted": ("vt", "after, sound muted"),
    "frozen": ("frozen", "after, frames frozen"),
    "shuffled": ("shuffled", "after, frames shuffled"),
}
GUESSES = "The tiny model's weights are random: its accuracy is that of guessing (1 of 7 labels)."


@dataclass(frozen=True)
class DemoConfig:
    """The whole pipeline, small, on this machine, CPU or GPU: synthetic clips, a tiny model that sees and hears and
    knows no emotion, vLLM, scores; then LoRA on the train speakers, and the same questions again. Repeating it resumes.
    """

    out: Path = Path("demo")
    """Where everything goes."""
    finetune: bool = True
    """Train an adapter and show the scores before and after, a quarter of an hour on two cores. Without, random weights
    are asked: a minute."""
    clips: int | None = None
    """How many clips are drawn; if not given, 1400 with fine-tuning and 140 without."""
    model: str | None = None
    """A real checkpoint in place of the tiny one, such as Qwen/Qwen2.5-Omni-7B; it is asked and not fine-tuned."""
    family: Literal["qwen2_5_omni", "qwen3_omni_moe"] = "qwen2_5_omni"
    """Which family the tiny model imitates; qwen3_omni_moe is asked and not fine-tuned."""


def run(config: DemoConfig) -> int:
    """Runs the pipeline, prints the score tables, and says when each step begins."""
    start = time.monotonic()

    def say(what: str) -> None:
        print(f"[{time.monotonic() - start:5.1f} s] {what}", file=sys.stderr, flush=True)

    trains = config.finetune and config.model is None and config.family == "qwen2_5_omni"
    clips = CLIPS[trains] if config.clips is None else config.clips
    data = config.out / f"synthetic-{clips}"
    say(f"drawing {clips} talking heads into {data}")
    generate(data, clips=clips, seed=0, speakers=max(40, clips // CLIPS_A_SPEAKER))
    model = config.model
    if model is None:
        say(f"building a tiny {config.family} checkpoint" + (" and teaching it to see and to hear" if trains else ""))
        name = f"tiny-{config.family}{'-pretrained' if trains else ''}"
        model = str(build_tiny(config.out / name, config.family, pretraining=BUDGET if trains else None))
    runs = config.out / "runs"
    split = "test" if trains else None
    say(f"asking {Path(model).name} about each clip{' of the test speakers' if trains else ''}, through vLLM")
    asked = InferConfig("synthetic", data, model=model, clip=PIXELS, split=split)
    if trains:
        return _before_and_after(asked, runs, str(clips), say)
    run = runs / f"{Path(model).name}-{clips}"
    code = _apart(replace(asked, out=run))
    if code <= 1:
        say("reading and scoring the replies")
        code = max(code, run_eval(EvalConfig((run,))))
        if config.model is None:
            print(GUESSES)
        say(f"done; look at {run / 'report.html'}")
    return code


def _before_and_after(asked: InferConfig, runs: Path, name: str, say: Callable[[str], None]) -> int:
    """Asks the model, fine-tunes it and asks again: the same clips, then clips that lost something."""
    before, after, training = (runs / f"{stage}-{name}" for stage in ("before", "after", "finetune"))
    code = _apart(replace(asked, out=before))
    if code > 1:
        return code
    say("training a LoRA adapter on the train speakers")
    if not (training / CARD).is_file():
        resume = (training / RUN).is_file()
        recipe = FinetuneConfig(RECIPE, training, resume, model=asked.model, data=asked.data, epochs=EPOCHS)
        code = max(code, run_finetune(recipe))
        if code > 1:
            return code
    tuned = replace(asked, adapter=training / ADAPTER)
    losses = {kind: after.with_name(f"{after.name}-{kind}") for kind in LOSSES}
    for kind, out in ((None, after), *losses.items()):
        say("asking again, with the adapter" + (f", clips {kind}" if kind else ""))
        media = generate_variant(asked.data, kind, "test") if kind else None
        code = max(code, _apart(replace(tuned, media=media, out=out)))
        if code > 1:
            return code
    say("reading and scoring the replies")
    table = _accuracies(before, after, losses)
    code = max(code, run_eval(EvalConfig((before, after))))
    Console().print(table)
    say(f"done; look at {before / 'report.html'}, which shows before and after")
    return code


def _accuracies(before: Path, after: Path, losses: dict[Variant, Path]) -> Table:
    """What the adapter taught, and what it goes by: accuracy beside the best that can be reached."""
    whole = evaluate(after).scores
    rows = [("before", evaluate(before).scores, ALL, 1.0), ("after", whole, ALL, 1.0)]
    rows += [("after, transcript contradicts", whole, "transcript_kind=contradicts", 1.0)]
    for kind, run in losses.items():
        given, name = LOSSES[kind]
        rows.append((name, evaluate(run).scores, ALL, IDEAL_ACCURACY[given]))
    table = Table(title="Accuracy on speakers it has never met (guessing: 0.143)")
    for name in ("", "accuracy", "best possible", "n"):
        table.add_column(name, justify="right" if name else "left")
    for name, scores, part, best in rows:
        row = scores.row("accuracy", part)
        if row is not None:
            table.add_row(name, with_interval(row), f"{best:.3f}", str(row.n))
    return table


def _apart(config: InferConfig) -> int:
    """`run_infer` in a process of its own, which leaves nothing behind: one process holds one engine."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(run_infer, config).result()
