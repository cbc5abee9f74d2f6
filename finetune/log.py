"""What a run writes down as it goes: train.jsonl always, a progress bar, and the trackers that the recipe names."""

from __future__ import annotations

import importlib.util
import math
import sys
import time
from pathlib import Path
from typing import Any

from finetune.plan import Step
from finetune.recipe import Recipe, record
from finetune.state import Progress
from infer.progress import LOG_EVERY_S
from infer.store import read_lines, to_json, to_line, write_atomic

FILE = "train.jsonl"
# Tracker -> the package that it needs.
TRACKERS = {"tensorboard": "tensorboard", "wandb": "wandb", "trackio": "trackio"}


def check_trackers(names: tuple[str, ...]) -> list[str]:
    """The trackers that will run: TensorBoard where it is installed; ValueError for another one that is not."""
    found = []
    for name in names:
        if name not in TRACKERS:
            raise ValueError(f"run.track {name!r}: legal are {', '.join(TRACKERS)}")
        if importlib.util.find_spec(TRACKERS[name]) is not None:
            found.append(name)
        elif name != "tensorboard":
            raise ValueError(f"run.track {name!r}: the package {TRACKERS[name]} is not installed")
    return found


class Log:
    """The log of a run. Use it as a context manager. `done`: how far the run is; what was logged of later steps and
    validations is cut off, they will be done again."""

    def __init__(self, folder: Path, recipe: Recipe, done: Progress, total: int, *, enabled: bool) -> None:
        self._file = folder / FILE
        self._enabled = enabled
        self._total = total
        self._said = -math.inf
        self._trackers = check_trackers(recipe.run.track) if enabled else []
        self._handles: list[Any] = []
        if enabled:
            kept = (line for line in curve(folder) if line["step"] <= done.step)
            kept = (line for line in kept if "validation" not in line or line["epoch"] <= done.validated)
            write_atomic(self._file, "".join(map(to_line, kept)))
            self._handles = [_open(name, folder, recipe) for name in self._trackers]

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.finish()

    def step(self, step: Step, numbers: dict[str, float]) -> None:
        """A step of the optimiser."""
        self._write({"step": step.number, "epoch": step.epoch + 1, **numbers}, "train")
        now = time.monotonic()
        if self._enabled and (now - self._said > LOG_EVERY_S or step.number == self._total or step.last):
            self._said = now
            print(
                f"step {step.number}/{self._total}, epoch {step.epoch + 1}: loss {numbers['loss']:.4f}, "
                f"{numbers['seconds']:.2f} s/step",
                file=sys.stderr,
                flush=True,
            )

    def validation(self, step: Step, numbers: dict[str, Any]) -> None:
        """The scores after an epoch."""
        self._write({"step": step.number, "epoch": step.epoch + 1, "validation": numbers}, "validation")

    def _write(self, line: dict[str, Any], group: str) -> None:
        if not self._enabled:
            return
        with self._file.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(to_line(line))
        numbers = line.get("validation", line)
        scalars = {f"{group}/{name}": value for name, value in numbers.items() if isinstance(value, int | float)}
        for handle in self._handles:
            handle.log(scalars, line["step"])


def curve(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's train.jsonl."""
    path = folder / FILE
    return list(read_lines(path)) if path.exists() else []


def _open(name: str, folder: Path, recipe: Recipe) -> Any:
    """A tracker of accelerate, told the recipe."""
    from accelerate import tracking

    make = {
        "tensorboard": lambda: tracking.TensorBoardTracker("tensorboard", logging_dir=str(folder)),
        "wandb": lambda: tracking.WandBTracker("omnimer", name=folder.name),
        "trackio": lambda: tracking.TrackioTracker("omnimer", name=folder.name),
    }
    tracker = make[name]()
    tracker.start()
    settings = {f"{table}.{key}": each for table, part in record(recipe).items() for key, each in part.items()}
    tracker.store_init_configuration(
        {key: each if isinstance(each, int | float | str | None) else to_json(each) for key, each in settings.items()}
    )
    return tracker
