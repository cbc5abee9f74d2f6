"""`omnimer finetune --merge ADAPTER --out DIR`: the base model with an adapter added to its weights, as a checkpoint.

The weight files are rewritten one after the other, each tensor `W` of an adapted module as `W + scale * B @ A` in
float32; every other tensor and file is copied. So a model of any size merges in the memory of one weight file, and the
folder keeps the names, the towers, the talker and the processor of its base. In a 16-bit checkpoint the sum is rounded
to 16 bits, so its answers differ a little from those of base and adapter apart.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infer.adapters import (
    base_model,
    check_adapter,
    check_config,
    expert_count,
    read_config,
    read_weights,
    scale,
    shown,
)
from infer.checkpoint import Checkpoint
from infer.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

PREFIX = "base_model.model."


@dataclass(frozen=True, slots=True)
class Update:
    """What is added to a module's weight: scale * B @ A. `a` [r, in] and `b` [out, r]; of fused experts [E * r, in] and
    [out, r * E]."""

    a: Tensor
    b: Tensor
    scale: float

    def delta(self) -> Tensor:
        """The update of a linear layer, float32 [out, in]."""
        return self.scale * (self.b.float() @ self.a.float())

    def of_experts(self, count: int, one: int | None = None) -> Tensor:
        """The update of `count` fused experts, float32 [count, out, in], or of `one` of them [1, out, in]."""
        import torch

        # PEFT's order: a goes expert by expert, b rank by rank.
        a = self.a.float().reshape(count, -1, self.a.shape[1])
        b = self.b.float().reshape(self.b.shape[0], -1, count)
        chosen = slice(None) if one is None else slice(one, one + 1)
        return self.scale * torch.einsum("ore,eri->eoi", b[:, :, chosen], a[chosen])


def merge(adapter: Path, out: Path, model: str | None = None) -> Path:
    """Merges an adapter into its base model (`model`, or the one that the adapter names) and returns `out`.

    Raises ValueError for an adapter that is no plain LoRA or has names that cannot be converted, for another base
    model, for a base without safetensors files, or stored in fewer than 16 bits, and when `out` exists.
    """
    if out.exists():
        raise ValueError(f"{out} exists; give --out a folder that is not there yet")
    name = model or base_model(adapter)
    if not name:
        raise ValueError(f"{adapter}: names no base model; give its folder or hub name with --model")
    base = Checkpoint(name, adapter)
    updates = {} if base.lora is None else read_updates(base.lora)
    work = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}")
    work.mkdir(parents=True)
    try:
        _write(base.whole(), work, updates, expert_count(base.text))
        work.replace(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return out


def read_updates(adapter: Path) -> dict[str, Update]:
    """Module name in the full model -> its update, of an adapter with legal names; ValueError for one that is no plain
    LoRA, or has values that are not finite."""
    check_config(adapter)
    check_adapter(adapter)
    factor, weights = scale(read_config(adapter)), dict(read_weights(adapter))
    halves = {name: name.removesuffix(".lora_A.weight") for name in weights if name.endswith(".lora_A.weight")}
    return {
        module.removeprefix(PREFIX): Update(weights[a], weights[f"{module}.lora_B.weight"], factor)
        for a, module in halves.items()
    }


def _write(base: Path, out: Path, updates: Mapping[str, Update], experts: int) -> None:
    """Copies a checkpoint folder, with the updates added to its weights; ValueError when one finds no weight."""
    from safetensors.torch import save_file

    shards = sorted(base.glob("*.safetensors"))
    if not shards:
        raise ValueError(f"{base}: holds no .safetensors file; the weights to merge into were looked for there")
    applied: set[str] = set()
    with Progress(len(shards), "files") as progress:
        for shard in shards:
            tensors, metadata = _read_shard(shard)
            for name, tensor in tensors.items():
                found = update_of(name, updates, experts)
                if found is not None:
                    tensors[name] = _add(tensor, found[1], f"{shard}: {name}")
                    applied.add(found[0])
            save_file(tensors, str(out / shard.name), metadata=metadata)
            progress.advance()
    missing = sorted(set(updates) - applied)
    if missing:
        raise ValueError(f"{base}: has no weights for {len(missing)} adapted modules, such as {missing[0]}")
    for path in base.iterdir():
        if path.is_file() and path.suffix != ".safetensors":
            shutil.copy2(path, out / path.name)


def _read_shard(path: Path) -> tuple[dict[str, Tensor], dict[str, str] | None]:
    """The tensors of a weight file, by name, and what stands in its metadata."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as stream:
            return {name: stream.get_tensor(name) for name in stream.keys()}, stream.metadata()  # noqa: SIM118  no mapping
    except SafetensorError as error:
        raise ValueError(f"{path}: is damaged ({shown(str(error))}); get the checkpoint again") from None


def _add(tensor: Tensor, delta: Tensor, name: str) -> Tensor:
    """tensor + delta in the tensor's type; ValueError where it has another shape, holds packed numbers, or the sum
    leaves its type's range."""
    if tensor.shape != delta.shape or not tensor.is_floating_point() or tensor.element_size() < 2:
        raise ValueError(
            f"{name} is {tensor.dtype} of shape {tuple(tensor.shape)}; 16 or 32 bits and {tuple(delta.shape)} were "
            "expected: merge into the checkpoint that is not quantised"
        )
    total = (tensor.float() + delta).to(tensor.dtype).contiguous()
    if not total.isfinite().all():
        raise ValueError(
            f"{name}: with the adapter it is not finite in {tensor.dtype}; adapter or checkpoint is damaged"
        )
    return total


_EXPERT = re.compile(r"(.*\.mlp\.experts)\.(\d{1,4})\.(gate_proj|up_proj|down_proj)\.weight")
_FUSED = re.compile(r"(.*\.mlp\.experts)\.(gate_up_proj|down_proj)")


def update_of(name: str, updates: Mapping[str, Update], experts: int) -> tuple[str, Tensor] | None:
    """(module, what is added) for a checkpoint tensor: a linear layer, fused experts, or one expert of a checkpoint
    that holds them apart (as the published ones do). None for a tensor that is not adapted."""
    module = name.removesuffix(".weight")
    if name.endswith(".weight") and module in updates:
        return module, updates[module].delta()
    found = _FUSED.fullmatch(name) or _EXPERT.fullmatch(name)
    if found is None:
        return None
    module = found[1] + ("" if name.removesuffix(".weight").endswith(".down_proj") else ".base_layer")
    if module not in updates:
        return None
    if found.re is _FUSED:
        return module, updates[module].of_experts(experts)
    if int(found[2]) >= experts:
        raise ValueError(f"{name}: config.json of the model says num_experts {experts}; the checkpoint is damaged")
    delta = updates[module].of_experts(experts, int(found[2]))[0]
    half = delta.shape[0] // 2
    return module, {"gate_proj": delta[:half], "up_proj": delta[half:], "down_proj": delta}[found[3]]
