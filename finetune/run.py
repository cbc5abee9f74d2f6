"""`omnimer finetune RECIPE.toml`: a LoRA adapter from a recipe. `--resume` goes on; `--merge` makes a checkpoint of it.

The way of a sample: adapter of the task -> prompt and reply -> towers (once) -> rows -> loss on the reply's tokens.

    OUT/run.json           the recipe as it was resolved, versions, the command
    OUT/left_out.jsonl     samples that are not learned from, with the reason
    OUT/train.jsonl        one line a step (loss, rate, norm of the gradient, tokens, seconds), one line a validation
    OUT/validation/        the replies of each validation
    OUT/checkpoints/       what --resume goes on from
    OUT/towers/            what the audio and vision towers gave for each clip
    OUT/adapter/           the adapter: the best by validation; without validation the last
    OUT/card.md, card.json the training card
"""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from finetune.log import check_trackers
from finetune.recipe import Recipe, check, find, load, record, shipped
from infer.store import RUN, Lock, check_config, to_json, to_line, write_atomic
from infer.versions import check_versions, installed

LEFT_OUT, CARD = "left_out.jsonl", "card.md"


@dataclass(frozen=True)
class FinetuneConfig:
    """Train a LoRA adapter by a recipe, or merge one into its base model. What is given here overrides the recipe."""

    recipe: Annotated[str, tyro.conf.Positional] = ""
    """Recipe file, or the name of one that ships (finetune/recipes)."""
    out: Path | None = None
    """Run directory; with --merge, the folder of the new checkpoint."""
    resume: bool = False
    """Go on from the newest checkpoint in --out."""
    merge: Path | None = None
    """Folder of an adapter: write its base model with the adapter merged in to --out, and train nothing."""
    model: str | None = None
    """Checkpoint folder, or a name on the hub."""
    data: Path | None = None
    """Folder of the annotations."""
    media: Path | None = None
    """Folder of the clips."""
    split: str | None = None
    """Split of the task."""
    limit: int | None = None
    """Only so many samples, spread over the data."""
    epochs: int | None = None
    """Passes over the data."""
    rate: float | None = None
    """Highest learning rate."""
    seed: int | None = None
    """Seed of the adapter, of the order of the data and of every draw."""
    pack_tokens: int | None = None
    """Longest row of packed examples, in tokens; 0 packs nothing."""
    save_every: int | None = None
    """Steps between checkpoints."""
    cache: bool | None = None
    """Keep what the audio and vision towers give on disk."""
    threads: int | None = None
    """Threads that decode or read ahead."""


# Option of the command line -> (table, key) of the recipe.
OVERRIDES = {
    "model": ("model", "path"),
    "data": ("data", "folder"),
    "media": ("data", "media"),
    "split": ("data", "split"),
    "limit": ("data", "limit"),
    "epochs": ("optimiser", "epochs"),
    "rate": ("optimiser", "rate"),
    "seed": ("optimiser", "seed"),
    "pack_tokens": ("options", "pack_tokens"),
    "save_every": ("run", "save_every"),
    "cache": ("run", "cache"),
    "threads": ("run", "threads"),
}


# What a resumed run may change: how it goes about it, not what is learned.
FREE = ("run",)


def run(config: FinetuneConfig) -> int:
    """Runs the command; 0 when done, 1 when done with samples left out, 3 when stopped and able to go on."""
    check_versions()
    if config.out is None:
        raise ValueError("--out is missing: the folder to write")
    if config.merge is not None:
        from finetune.merge import merge

        if config.recipe:
            raise ValueError("--merge takes an adapter's folder; give no recipe beside it")
        print(f"merged into {merge(config.merge, config.out, config.model)}", file=sys.stderr)
        return 0
    if not config.recipe:
        raise ValueError(f"no recipe given: omnimer finetune RECIPE.toml --out RUN; shipped: {', '.join(shipped())}")
    return fit(resolve(config), config.out, resume=config.resume)


def resolve(config: FinetuneConfig) -> Recipe:
    """The recipe with the overrides of the command line."""
    recipe = load(find(config.recipe))
    for option, (table, key) in OVERRIDES.items():
        value = getattr(config, option)
        if value is not None:
            changed = dataclasses.replace(getattr(recipe, table), **{key: value})
            recipe = dataclasses.replace(recipe, **{table: changed})
    check(recipe)
    return recipe


def fit(recipe: Recipe, folder: Path, *, resume: bool = False) -> int:
    """Trains by a recipe into a run directory; 0 when done, 1 when done with samples left out, 3 when stopped.

    Raises ValueError for a recipe that does not fit its data or model, and for a directory that holds another run.
    """
    with held(folder):
        check_trackers(recipe.run.track)
        begin(recipe, folder, resume=resume)
        from finetune.card import write_card
        from finetune.model import adapted_modules, describe_modules
        from finetune.session import open_session
        from finetune.train import ADAPTER, train

        started = time.monotonic()
        session = open_session(recipe, folder)
        chosen = session.chosen
        session.say(
            f"{chosen.task.full_name}: {len(chosen.train):,} samples to learn from, {len(chosen.held_out):,} held out, "
            f"{len(chosen.left_out):,} left out" + (f":\n{chosen.summary()}" if chosen.left_out else "")
        )
        session.say(f"adapted modules:\n{describe_modules(adapted_modules(session.model))}")
        if is_main():
            left = [to_line({"id": name, "reason": reason}) for name, reason in chosen.left_out]
            write_atomic(folder / LEFT_OUT, "".join(left))
        try:
            progress = train(session, resume=resume)
        except KeyboardInterrupt:
            session.say(f"stopped; go on with: omnimer finetune … --out {folder} --resume")
            return 3
        if is_main():
            write_card(session, progress, time.monotonic() - started)
            session.say(f"the adapter is in {folder / ADAPTER}, what was done in {folder / CARD}")
    return int(bool(chosen.left_out))


def is_main() -> bool:
    """Whether this is the process that writes (of several under `accelerate launch`)."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds the run directory against a second run; ValueError when there is one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ValueError(f"{folder}: is a file; --out is the directory of a run") from None
    lock = Lock(folder) if is_main() else None
    try:
        yield
    finally:
        if lock:
            lock.release()


def begin(recipe: Recipe, folder: Path, *, resume: bool) -> None:
    """Writes run.json, or checks that the run found there has the same recipe; ValueError shows every difference."""
    path = folder / RUN
    config = {"stage": "finetune", **{name: part for name, part in record(recipe).items() if name not in FREE}}
    if not is_main():
        return
    if path.exists():
        check_config(folder, config)
        if not resume:
            raise ValueError(f"{folder} holds this run already; give --resume to go on with it, or another --out")
    elif resume and any(folder.glob("checkpoints/*")):
        raise ValueError(f"{folder}: has checkpoints but no {RUN}; it is damaged, give another --out")
    facts = {"run": record(recipe)["run"], "versions": installed(), "command": sys.argv[1:]}
    write_atomic(path, to_json({"config": config, **facts}, indent=1) + "\n")
