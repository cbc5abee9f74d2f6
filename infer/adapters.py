"""LoRA adapters as files: are their weights named so that the engines apply them, and do they belong to this model?

vLLM loads an adapter whose names match no module without a word and applies nothing. So names are checked before a
model is loaded, and names of other tools are turned into the legal ones. Only the header of the weight file is read or
rewritten; no torch is needed.
"""

from __future__ import annotations

import json
import re
import shutil
import struct
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
# As PEFT names a LoRA on the full model's thinker: its language layers are what the engines adapt.
LEGAL = re.compile(r"base_model\.model\.thinker\.model\.layers\.\d+\.[\w.]+\.lora_[AB]\.weight")
MAX_HEADER = 100 << 20

# Names by other tools: what stands before `layers`, and what stands after `lora_A`. A tool that trains the thinker
# alone leaves `thinker.` out (LLaMA-Factory, plain PEFT); transformers from 5.21 on puts `language_model.` in; some
# write no PEFT prefix, or keep the adapter's own name (`lora_A.default.weight`).
_FOREIGN = re.compile(
    r"(?:base_model\.model\.)?(?:thinker\.)?model\.(?:language_model\.)?(layers\.\d+\.[\w.]+\.lora_[AB])"
    r"(?:\.default)?\.weight"
)
_MODULE = re.compile(r"base_model\.model\.thinker\.model\.layers\.(\d+)\.([\w.]+)\.lora_([AB])\.weight")


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The header of a safetensors file (tensor name -> dtype, shape, data_offsets) and where its data begins.

    Raises ValueError for a file of another kind, or one that is cut off.
    """
    with path.open("rb") as stream:
        prefix = stream.read(8)
        size = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else 0
        if not 0 < size <= MAX_HEADER:
            raise ValueError(f"{path}: is no safetensors file")
        try:
            header = json.loads(stream.read(size))
        except ValueError:
            raise ValueError(f"{path}: is no safetensors file, or is cut off") from None
    if not isinstance(header, dict):
        raise ValueError(f"{path}: is no safetensors file")
    return header, 8 + size


def weight_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors of an adapter folder, by name; ValueError when it holds no readable file."""
    path = folder / WEIGHTS
    if not (folder / CONFIG).is_file() or not path.is_file():
        raise ValueError(
            f"{folder}: {CONFIG} and {WEIGHTS} were expected there; --adapter takes a LoRA adapter's folder"
        )
    header, _ = read_header(path)
    try:
        return {name: tuple(header[name]["shape"]) for name in sorted(header) if name != "__metadata__"}
    except (KeyError, TypeError):
        raise ValueError(f"{path}: is no safetensors file") from None


def weight_names(folder: Path) -> list[str]:
    """Names of the tensors of an adapter folder, sorted; ValueError when it holds no readable safetensors file."""
    return list(weight_shapes(folder))


def check_adapter(folder: Path) -> None:
    """Raises ValueError with the names that do not match, when an engine would leave weights of the adapter out."""
    names = weight_names(folder)
    wrong = [name for name in names if not LEGAL.fullmatch(name)]
    if not names or wrong:
        raise ValueError(
            f"{folder / WEIGHTS}: {len(wrong)} of {len(names)} weights have names that the engine would silently leave "
            f"out, such as {wrong[0] if wrong else 'none at all'!r}; legal is "
            "base_model.model.thinker.model.layers.N.….lora_A.weight (LoRA on the thinker's language layers, saved "
            "under the full model's names)"
        )


def legal_name(name: str) -> str | None:
    """The legal name of a weight as any of the known tools writes it; None for a weight that no engine applies."""
    found = _FOREIGN.fullmatch(name)
    return f"base_model.model.thinker.model.{found[1]}.weight" if found else None


def convert_adapter(folder: Path, out: Path) -> Path:
    """Writes the adapter in `folder` with legal names as the folder `out`, whole or not at all, and returns the folder
    to use: `folder` itself when its names are legal as they are, and `out` as it is when it is there already.

    Raises ValueError with the names that cannot be converted (an adapted tower, another kind of adapter).
    """
    names = weight_names(folder)
    if names and all(LEGAL.fullmatch(name) for name in names):
        return folder
    wrong = [name for name in names if legal_name(name) is None]
    if not names or wrong:
        raise ValueError(
            f"{folder / WEIGHTS}: {len(wrong)} of {len(names)} weights cannot be applied, such as "
            f"{', '.join(map(repr, wrong[:3])) or 'none at all'}; a LoRA on the thinker's language layers alone can"
        )
    if out.is_dir():
        return out
    header, start = read_header(folder / WEIGHTS)
    renamed = {legal_name(name) or name: value for name, value in header.items()}
    if len(renamed) < len(header):
        raise ValueError(f"{folder / WEIGHTS}: two of its weights stand for the same one; it is damaged or was edited")
    text = json.dumps(renamed, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    config = read_config(folder)
    config["target_modules"] = sorted({found[2] for name in renamed if (found := _MODULE.fullmatch(name))})
    work = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}")
    work.mkdir(parents=True)
    try:
        with (folder / WEIGHTS).open("rb") as source, (work / WEIGHTS).open("wb") as target:
            source.seek(start)
            target.write(struct.pack("<Q", len(text)) + text)
            shutil.copyfileobj(source, target)
        (work / CONFIG).write_text(json.dumps(config, indent=1), encoding="utf-8")
        work.rename(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return out


def read_config(folder: Path) -> dict[str, Any]:
    """adapter_config.json of an adapter folder; ValueError when it is none."""
    path = folder / CONFIG
    try:
        config = json.loads(path.read_bytes())
    except (ValueError, OSError):
        config = None
    if not isinstance(config, dict):
        raise ValueError(f"{path}: is no JSON object; the adapter is damaged")
    return config


def check_fit(folder: Path, model: str, config: Mapping[str, Any]) -> None:
    """Raises ValueError when a (legally named) adapter belongs to another base model than `model`, whose config.json
    holds `config`: another hub name, more layers, or layers of other sizes."""
    base = str(read_config(folder).get("base_model_name_or_path") or "")
    text = (config.get("thinker_config") or {}).get("text_config") or {}
    trained = f"it was trained on {base or 'an unnamed model'}; give that one as --model"
    if _hub_name(base) and _hub_name(model) and base.rpartition("/")[2] != model.rpartition("/")[2]:
        raise ValueError(
            f"{folder}: is no adapter for {model}: {trained}, or correct base_model_name_or_path in {CONFIG}"
        )
    for problem in _misfits(weight_shapes(folder), text):
        raise ValueError(f"{folder}: is no adapter for {model}: {problem}; {trained}")


def _hub_name(name: str) -> bool:
    return bool(re.fullmatch(r"[\w.-]+/[\w.-]+", name)) and not Path(name).exists()


def _misfits(shapes: Mapping[str, tuple[int, ...]], text: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with an adapter's weights beside the model's language configuration."""
    sizes = _sizes(text)
    layers = text.get("num_hidden_layers")
    for name, shape in shapes.items():
        found = _MODULE.fullmatch(name)
        if found is None or len(shape) != 2:
            yield f"{name} of shape {shape} is no LoRA weight"
            continue
        layer, module, part = int(found[1]), found[2], found[3]
        if layers is not None and layer >= layers:
            yield f"it adapts layer {layer}, and the model has {layers} (0 to {layers - 1})"
        if sizes and module not in sizes:
            yield f"it adapts {module}, which the model does not have"
        elif sizes and sizes[module][part == "B"] != (there := shape[1] if part == "A" else shape[0]):
            yield f"{module} takes {sizes[module][part == 'B']} there, the adapter has {there}"


def _sizes(text: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Module of a language layer -> its inputs and outputs."""
    try:
        hidden, heads = text["hidden_size"], text["num_attention_heads"]
        width = text.get("head_dim") or hidden // heads
        query, key = heads * width, text["num_key_value_heads"] * width
    except (KeyError, TypeError):
        return {}
    found = {"self_attn.q_proj": (hidden, query), "self_attn.o_proj": (query, hidden)}
    found |= {"self_attn.k_proj": (hidden, key), "self_attn.v_proj": (hidden, key)}
    if text.get("num_experts"):
        inner = text["moe_intermediate_size"]
        # PEFT wraps the two fused parameters one in the other: gate and up inside, down outside.
        found |= {"mlp.experts.base_layer": (hidden, 2 * inner), "mlp.experts": (inner, hidden)}
    else:
        inner = text["intermediate_size"]
        found |= {"mlp.gate_proj": (hidden, inner), "mlp.up_proj": (hidden, inner), "mlp.down_proj": (inner, hidden)}
    return found
