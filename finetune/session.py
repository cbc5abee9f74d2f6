"""A training session: the samples, the loaded model, and every clip put through the towers once."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.examples import Maker, make_question, media_failures
from finetune.inputs import Processor
from finetune.model import weight_type
from finetune.recipe import Recipe
from finetune.samples import Chosen, choose
from finetune.sharding import check_sharing, load_model
from finetune.stream import divide_clips
from finetune.towers import Towers
from finetune.validate import check_metric
from infer.checkpoint import Checkpoint
from infer.progress import Progress

CACHE = "towers"


@dataclass(slots=True)
class Session:
    """Everything that is loaded for a run. `model` is the PEFT model on the thinker; `end` the token that ends a
    reply; `cached` how many media are in the tower cache, and their bytes."""

    recipe: Recipe
    folder: Path
    chosen: Chosen
    processor: Processor
    model: Any
    maker: Maker
    towers: Towers
    accelerator: Any
    end: int
    cached: tuple[int, int] = (0, 0)

    def say(self, text: str) -> None:
        """Prints once, not once a process."""
        if self.accelerator.is_main_process:
            print(text, file=sys.stderr, flush=True)


def open_session(recipe: Recipe, folder: Path) -> Session:
    """Reads the samples, loads the model, and puts every clip through the towers; what fails is left out.

    Raises ValueError when nothing is left to learn from, and for a model that the recipe cannot be used with.
    """
    chosen = choose(recipe)
    checkpoint = Checkpoint(recipe.model.path)
    question = make_question(recipe, chosen, checkpoint)
    divide_clips(chosen, recipe, question)
    check_metric(chosen.task, chosen.held_out, chosen.parts)
    processor = Processor(checkpoint)
    end = processor.end_token(question.messages(chosen.train[0]))
    from accelerate import Accelerator

    accelerator = Accelerator(mixed_precision=_mixed_precision(recipe))
    check_sharing(accelerator, recipe)
    model = load_model(checkpoint, recipe, accelerator)
    thinker = model.get_base_model()
    cache = (recipe.run.cache_folder or folder / CACHE) if recipe.run.cache else None
    towers = Towers(thinker, processor, recipe.clip, cache)
    maker = Maker(recipe, chosen, question, processor, towers, thinker)
    session = Session(recipe, folder, chosen, processor, model, maker, towers, accelerator, end)
    _look_at_media(session)
    if recipe.model.checkpointing:
        thinker.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return session


def _mixed_precision(recipe: Recipe) -> str:
    """What accelerate computes in: bf16 on a GPU that holds the weights so, else as the weights are."""
    import torch

    on_gpu = torch.cuda.is_available()
    return "bf16" if on_gpu and weight_type(recipe.model, "cuda") == torch.bfloat16 else "no"


def _look_at_media(session: Session) -> None:
    """Puts all media through the towers, each process its share, and leaves out the samples whose media fail."""
    from accelerate.utils import gather_object

    accelerator, chosen = session.accelerator, session.chosen
    samples = [*chosen.train, *chosen.held_out]
    own = samples[accelerator.process_index :: accelerator.num_processes]
    with Progress(len(own)) as bar:
        failures = media_failures(
            own, session.maker, session.recipe.run.threads, lambda failed: bar.advance(failed=failed)
        )
    accelerator.wait_for_everyone()
    merged: dict[str, str] = {}
    for part in gather_object([failures]):
        merged |= part
    chosen.leave_out(merged)
    if session.recipe.run.cache:
        session.cached = session.towers.size(medium for sample in samples for medium in sample.media)
        session.say(f"tower cache: {session.cached[0]:,} media, {session.cached[1] / 1e6:,.1f} MB")
        session.towers.give_up()
