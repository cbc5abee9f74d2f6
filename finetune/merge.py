"""`omnimer finetune --merge ADAPTER --out DIR`: the base model with an adapter added to its weights, as a checkpoint.

The weight files are rewritten one after the other, each tensor `W` of an adapted module as `W + scale * B @ A` in
float32; every other tensor and file is copied. So a model of any size merges in the memory of one weight file, and the
folder keeps the names, the towers, the talker and the processor of its base. In a 16-bit checkpoint the sum is rounded
to 16 bits, so its answers differ a little from those of base and adapter apart.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infer.adapters import WEIGHTS, check_adapter, check_fit, convert_adapter, read_config
from infer.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

PREFIX = "base_model.model."
# Features whose adapters are more than B @ A.
REFUSED = ("use_dora", "lora_bias", "rank_pattern", "alpha_pattern", "modules_to_save", "layer_replication")


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

    Raises ValueError for an adapter with names or features that cannot be merged, for another base model, for a base
    without safetensors files, and when `out` exists.
    """
    if out.exists():
        raise ValueError(f"{out} exists; give --out a folder that is not there yet")
    work = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}")
    work.mkdir(parents=True)
    try:
        legal = convert_adapter(adapter, work / "adapter")
        config = read_config(legal)
        odd = [name for name in REFUSED if config.get(name)]
        if odd:
            raise ValueError(f"{adapter}: {odd[0]} is set; plain LoRA alone can be merged here")
        name = model or str(config.get("base_model_name_or_path") or "")
        base = _weights_folder(name)
        settings = _config(base)
        check_fit(legal, name, settings)
        _write(base, work / "model", read_updates(legal), int(_text(settings).get("num_experts") or 0))
        (work / "model").replace(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return out


def read_updates(adapter: Path) -> dict[str, Update]:
    """Module name in the full model -> its update, of an adapter with legal names."""
    from safetensors.torch import load_file

    check_adapter(adapter)
    config = read_config(adapter)
    weights = load_file(str(adapter / WEIGHTS))
    updates = {}
    for name, a in weights.items():
        if name.endswith(".lora_A.weight"):
            module = name.removeprefix(PREFIX).removesuffix(".lora_A.weight")
            b = weights[name.replace(".lora_A.", ".lora_B.")]
            rank = config["r"]
            scale = config["lora_alpha"] / (math.sqrt(rank) if config.get("use_rslora") else rank)
            updates[module] = Update(a, b, scale)
    return updates


def _config(base: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((base / "config.json").read_bytes())
    except (ValueError, OSError):
        raise ValueError(f"{base}: no config.json that can be read there; a checkpoint folder was expected") from None
    return config


def _text(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The language model's part of config.json."""
    found: Mapping[str, Any] = (settings.get("thinker_config") or {}).get("text_config") or {}
    return found


def _write(base: Path, out: Path, updates: Mapping[str, Update], experts: int) -> None:
    """Copies a checkpoint folder, with the updates added to its weights; ValueError when one finds no weight."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    shards = sorted(base.glob("*.safetensors"))
    if not shards:
        raise ValueError(f"{base}: holds no .safetensors file; the weights to merge into were looked for there")
    out.mkdir()
    applied: set[str] = set()
    with Progress(len(shards), "files") as progress:
        for shard in shards:
            with safe_open(str(shard), framework="pt") as stream:
                metadata = stream.metadata()
                tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118  it is no mapping
            for name, tensor in tensors.items():
                found = update_of(name, updates, experts)
                if found is not None:
                    tensors[name] = (tensor.float() + found[1]).to(tensor.dtype).contiguous()
                    applied.add(found[0])
            save_file(tensors, str(out / shard.name), metadata=metadata)
            progress.advance()
    missing = sorted(set(updates) - applied)
    if missing:
        raise ValueError(f"{base}: has no weights for {len(missing)} adapted modules, such as {missing[0]}")
    for path in base.iterdir():
        if path.is_file() and path.suffix != ".safetensors":
            shutil.copy2(path, out / path.name)


_EXPERT = re.compile(r"(.*\.mlp\.experts)\.(\d+)\.(gate_proj|up_proj|down_proj)\.weight")
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
    delta = updates[module].of_experts(experts, int(found[2]))[0]
    half = delta.shape[0] // 2
    return module, {"gate_proj": delta[:half], "up_proj": delta[half:], "down_proj": delta}[found[3]]


def _weights_folder(model: str) -> Path:
    """The folder of a checkpoint with all its files; a hub name is downloaded, or found in the cache."""
    if model and Path(model).is_dir():
        return Path(model)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model))
    except (HfHubHTTPError, LocalEntryNotFoundError, HFValidationError, OSError) as error:
        raise ValueError(
            f"base model {model!r} is no local folder and cannot be had from the hub ({type(error).__name__}); "
            "give its folder with --model"
        ) from None
