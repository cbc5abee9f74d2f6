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
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from finetune.log import check_trackers
from finetune.recipe import Recipe, check, find, load, record, shipped
from finetune.samples import IN_VALIDATION
from infer.store import RUN, Lock, check_config, read_run, to_json, to_line, write_atomic
from infer.versions import check_versions, installed

if TYPE_CHECKING:
    from finetune.session import Session

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


# What a resumed run may change: how it goes about it, not what is learned (a table, or keys of one).
FREE: dict[str, tuple[str, ...]] = {
    "run": (),
    "model": ("checkpointing", "attention"),
    "validation": ("batch", "max_tokens"),
}


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
        check_recipe(recipe, folder, resume=resume)
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
            begin(session)
        try:
            progress = train(session, resume=resume)
        except KeyboardInterrupt:
            session.say(f"stopped; go on with: omnimer finetune … --out {folder} --resume")
            return 3
        if is_main():
            write_card(session, progress, time.monotonic() - started)
            session.say(f"the adapter is in {folder / ADAPTER}, what was done in {folder / CARD}")
    return int(any(reason != IN_VALIDATION for _, reason in chosen.left_out))


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


def check_recipe(recipe: Recipe, folder: Path, *, resume: bool) -> None:
    """Whether the run directory can take this run; ValueError where it holds another one, with every difference, and
    where it is to be resumed or not."""
    if (folder / RUN).exists():
        check_config(folder, configuration(recipe))
        if not resume:
            raise ValueError(f"{folder} holds this run already; give --resume to go on with it, or another --out")
    elif resume and any(folder.glob("checkpoints/*")):
        raise ValueError(f"{folder}: has checkpoints but no {RUN}; it is damaged, give another --out")


def configuration(recipe: Recipe) -> dict[str, Any]:
    """What makes two runs the same one."""
    found: dict[str, Any] = {"stage": "finetune"}
    for table, part in record(recipe).items():
        if table == "stream" and not part["marks"]:  # as in runs from before there were any
            del part["marks"]
        free = FREE.get(table)
        if free is None or free:
            found[table] = {key: value for key, value in part.items() if key not in (free or ())}
    return found


def begin(session: Session) -> None:
    """Writes run.json and left_out.jsonl, once everything that they name was read.

    Raises ValueError when the run that is resumed learned from other samples, or on another base model.
    """
    from finetune.card import data_hash

    path, recipe, chosen = session.folder / RUN, session.recipe, session.chosen
    learned = {
        "learned_from": len(chosen.train),
        "held_out": len(chosen.held_out),
        "hash": data_hash([*chosen.train, *chosen.held_out], chosen.replies),
        "base": session.maker.model_identity()["content"],
    }
    if path.exists() and (before := read_run(session.folder).get("learned")) != learned:
        raise ValueError(
            f"{session.folder}: its data or its base model changed since it was begun (there {before}, now {learned}); "
            "bring them back to go on, or begin anew with another --out"
        )
    left = [to_line({"id": name, "reason": reason}) for name, reason in chosen.left_out]
    write_atomic(session.folder / LEFT_OUT, "".join(left))
    facts = {"run": record(recipe)["run"], "versions": installed(), "command": sys.argv[1:], "learned": learned}
    write_atomic(path, to_json({"config": configuration(recipe), **facts}, indent=1) + "\n")
