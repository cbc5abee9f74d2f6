"""Checkpoints of a run: the adapter, the optimiser, the random numbers and the place in the plan, in one file.

A file is written beside its name and renamed, so a kill at any moment leaves the last whole one. Nothing is pickled.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FOLDER = "checkpoints"
KEPT = 2
MOMENTS = ("exp_avg", "exp_avg_sq", "step")


@dataclass(slots=True)
class Progress:
    """How far a run is: steps done, epochs validated, the best validation score with its epoch, epochs since then, and
    whether training is over."""

    step: int = 0
    validated: int = 0
    best: float | None = None
    best_epoch: int = 0
    worse: int = 0
    finished: bool = False


def save(folder: Path, progress: Progress, parameters: Mapping[str, Any], optimiser: Any) -> Path:
    """Writes the checkpoint of a step and removes the oldest ones, and those of later steps (damaged ones, which were
    passed over); returns its file."""
    import torch
    from safetensors.torch import save_file

    tensors = {"random.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    for name, parameter in parameters.items():
        tensors[f"adapter.{name}"] = parameter.detach()
        for moment in MOMENTS:
            if parameter in optimiser.state:
                tensors[f"{moment}.{name}"] = optimiser.state[parameter][moment]
    place = folder / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    file = place / f"step-{progress.step:07d}.safetensors"
    temporary = file.with_suffix(".tmp")
    copies = {name: tensor.to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    save_file(copies, str(temporary), metadata={"progress": json.dumps(asdict(progress))})
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    temporary.replace(file)
    found = sorted(place.glob("step-*.safetensors"))
    until = found.index(file) + 1
    for other in (*found[: max(0, until - KEPT)], *found[until:]):
        other.unlink()
    return file


def latest(folder: Path) -> Path | None:
    """The newest checkpoint that can be read, None when there is none; ValueError when none of several can."""
    from safetensors import SafetensorError, safe_open

    found = sorted((folder / FOLDER).glob("step-*.safetensors"), reverse=True)
    for file in found:
        try:
            with safe_open(str(file), framework="pt"):
                return file
        except (SafetensorError, OSError):
            continue
    if found:
        raise ValueError(f"{folder / FOLDER}: none of its {len(found)} checkpoints can be read; give another --out")
    return None


def restore(file: Path, parameters: Mapping[str, Any], optimiser: Any) -> Progress:
    """Puts a checkpoint back into parameters and optimiser; ValueError when it belongs to another adapter."""
    import torch
    from safetensors import safe_open

    with safe_open(str(file), framework="pt") as stream:
        progress = Progress(**json.loads(stream.metadata()["progress"]))
        tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118  it is no mapping
    wrong = next(_differing(tensors, parameters), None)
    if wrong is not None:
        raise ValueError(f"{file}: is the checkpoint of another adapter: {wrong}")
    for name, parameter in parameters.items():
        with torch.no_grad():
            parameter.copy_(tensors[f"adapter.{name}"])
        if f"step.{name}" in tensors:
            device = parameter.device
            moments = {moment: tensors[f"{moment}.{name}"].clone() for moment in MOMENTS}
            optimiser.state[parameter] = {
                moment: value if moment == "step" else value.to(device) for moment, value in moments.items()
            }
    torch.set_rng_state(tensors["random.cpu"])
    if "random.cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random.cuda"])
    return progress


def _differing(tensors: Mapping[str, Any], parameters: Mapping[str, Any]) -> Iterator[str]:
    there = {name.removeprefix("adapter.") for name in tensors if name.startswith("adapter.")}
    for name in sorted(there ^ set(parameters)):
        yield f"{name} is in one of them alone"
    for name in sorted(there & set(parameters)):
        if tensors[f"adapter.{name}"].shape != parameters[name].shape:
            yield f"{name} has {tuple(tensors[f'adapter.{name}'].shape)} there, {tuple(parameters[name].shape)} here"
