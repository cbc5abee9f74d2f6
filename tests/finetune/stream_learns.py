"""Parts of long clips, from nothing to an adapter that judges speakers it never met: asked through vLLM.

python -m tests.finetune.stream_learns FOLDER MODE  what lies in FOLDER is used again; the scores are in the run folders
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from eval.run import EvalConfig
from eval.run import run as run_eval
from finetune.recipe import find, load
from finetune.run import fit
from finetune.train import ADAPTER
from infer.run import InferConfig
from infer.run import run as run_infer
from infer.store import RUN
from infer.stream.modes import StreamOptions
from infer.tiny import build_tiny
from infer.tiny_forms import ASKED
from infer.tiny_pretrain import Budget
from infer.vllm_engine import VllmOptions
from tasks.synthetic.long import generate_long

# It sees, hears and knows the form of timelines, and no emotion.
BUDGET = Budget(batches=64, timelines=0.7)
# The question that the base was pretrained with.
TEMPLATE = f"name: short\nversion: 1\nlanguages: any\nreply: json\nsource: this test\n---\n{ASKED}\n"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is learned: how clips are asked about, lengths of the clips (s) and of those of the test, speakers of both,
    and epochs."""

    stream: dict[str, Any]
    lengths: list[float]
    test_lengths: list[float]
    speakers: tuple[int, int]
    epochs: int
    template: bool = False


# Clips of one utterance to four: on long ones alone a tiny model does not begin to learn.
SHORT = [4.0 + 7 * number % 10 for number in range(560)]
PLANS = {
    "given": Plan({"mode": "given"}, [60.0] * 24, [60.0] * 8, (24, 8), 6),
    "whole": Plan({"mode": "whole", "marks": True}, SHORT, SHORT[:60], (28, 10), 12, template=True),
}


def apart(work: Callable[..., int], *words: Any) -> None:
    """In a process of its own: one process holds one engine."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(work, *words).result() == 0


def main(folder: Path, plan: Plan) -> None:
    speakers, test_speakers = plan.speakers
    data = generate_long(folder / "data", plan.lengths, seed=31, speakers=speakers)
    test = generate_long(folder / "test", plan.test_lengths, seed=32, speakers=test_speakers)
    model = build_tiny(folder / "tiny", pretraining=BUDGET)
    recipe = load(find("synthetic_stream"))
    template = folder / "short.txt"
    template.write_text(TEMPLATE, encoding="utf-8")
    named = str(template) if plan.template else ""
    recipe = dataclasses.replace(
        recipe,
        model=dataclasses.replace(recipe.model, path=str(model)),
        data=dataclasses.replace(recipe.data, folder=data, template=named),
        stream=dataclasses.replace(recipe.stream, **plan.stream),
        optimiser=dataclasses.replace(recipe.optimiser, epochs=plan.epochs),
    )
    adapter = folder / "training" / ADAPTER
    if not adapter.is_dir():
        assert fit(recipe, adapter.parent, resume=(adapter.parent / RUN).is_file()) == 0
    stream = StreamOptions(**{f.name: getattr(recipe.stream, f.name) for f in dataclasses.fields(StreamOptions)})
    asked = InferConfig("synthetic-stream", test, str(model), clip=recipe.clip, stream=stream, template=named or None)
    asked = dataclasses.replace(asked, max_tokens=500, vllm=VllmOptions(max_model_len=4096, kv_cache_gb=1))
    for name, own in (("before", None), ("after", adapter)):
        apart(run_infer, dataclasses.replace(asked, out=folder / name, adapter=own))
        assert run_eval(EvalConfig((folder / name,))) == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), PLANS[sys.argv[2]])
