"""Parts of long clips, from nothing to an adapter that judges speakers it never met: asked through vLLM.

python -m tests.finetune.stream_learns FOLDER       what lies in FOLDER is used again; the scores are in the run folders
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
from infer.tiny_pretrain import Budget
from infer.vllm_engine import VllmOptions
from tasks.synthetic.long import generate_long

SPEAKERS, TEST_SPEAKERS, SECONDS = 24, 8, 60.0
# It sees, hears and knows the form of timelines, and no emotion.
BUDGET = Budget(batches=64, timelines=0.7)
EPOCHS = 6


def apart(work: Callable[..., int], *words: Any) -> None:
    """In a process of its own: one process holds one engine."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(work, *words).result() == 0


def main(folder: Path) -> None:
    data = generate_long(folder / "data", [SECONDS] * SPEAKERS, seed=31, speakers=SPEAKERS)
    test = generate_long(folder / "test", [SECONDS] * TEST_SPEAKERS, seed=32, speakers=TEST_SPEAKERS)
    model = build_tiny(folder / "tiny", pretraining=BUDGET)
    recipe = load(find("synthetic_stream"))
    recipe = dataclasses.replace(
        recipe,
        model=dataclasses.replace(recipe.model, path=str(model)),
        data=dataclasses.replace(recipe.data, folder=data),
        optimiser=dataclasses.replace(recipe.optimiser, epochs=EPOCHS),
    )
    adapter = folder / "training" / ADAPTER
    if not adapter.is_dir():
        assert fit(recipe, adapter.parent, resume=(adapter.parent / RUN).is_file()) == 0
    stream = StreamOptions(**{f.name: getattr(recipe.stream, f.name) for f in dataclasses.fields(StreamOptions)})
    asked = InferConfig("synthetic-stream", test, str(model), clip=recipe.clip, stream=stream)
    asked = dataclasses.replace(asked, vllm=VllmOptions(max_model_len=4096, kv_cache_gb=1))
    for name, own in (("before", None), ("after", adapter)):
        apart(run_infer, dataclasses.replace(asked, out=folder / name, adapter=own))
        assert run_eval(EvalConfig((folder / name,))) == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
