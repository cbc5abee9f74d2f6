"""LoRA adapters as files: what they may say, whether engines apply their weights, and whether they belong to a model.

vLLM loads an adapter whose names match no module without a word and applies nothing. So names are checked before a
model is loaded, and names of other tools are turned into the legal ones. What is applied, by the engines and by a
merge, is plain LoRA, W + scale * B @ A; whatever says that it is more is refused. Only the header of the weight file is
read or rewritten, except by `read_weights`.
"""

from __future__ import annotations

import json
import math
import os
import re
import reprlib
import shutil
import struct
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infer.store import json_object

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
# As PEFT names a LoRA on the full model's thinker: its language layers are what the engines adapt.
LEGAL = re.compile(r"base_model\.model\.thinker\.model\.layers\.(\d{1,4})\.([\w.]+)\.lora_([AB])\.weight")

# Names by other tools: what stands before `layers`, and what stands after `lora_A`. A tool that trains the thinker
# alone leaves `thinker.` out (LLaMA-Factory, plain PEFT); transformers from 5.21 on puts `language_model.` in; some
# write no PEFT prefix, or keep the adapter's own name (`lora_A.default.weight`).
_FOREIGN = re.compile(
    r"(?:base_model\.model\.)?(?:thinker\.)?model\.(?:language_model\.)?(layers\.\d{1,4}\.[\w.]+\.lora_[AB])"
    r"(?:\.default)?\.weight"
)
# The two halves of an adapted module, under any tool's name, and the modules of fused experts.
_HALF = re.compile(r"(.+)\.lora_([AB])(?:\.default)?\.weight")
_FUSED = re.compile(r"(?:.*\.)?mlp\.experts(?:\.base_layer)?")

# Fields of PEFT 0.21 that make more, or something else, of B @ A. vLLM applies rank and alpha patterns; a merge would
# have to match them as PEFT does, and no tool for these models writes them, so both places refuse them.
FEATURES = (
    "use_dora", "lora_bias", "rank_pattern", "alpha_pattern", "modules_to_save", "layer_replication",
    "alora_invocation_tokens", "use_qalora", "use_bdlora", "arrow_config", "kasa_config", "monteclora_config",
    "trainable_token_indices",
)  # fmt: skip
# Ways in which training may start that leave the base model's weights as they are. pissa, olora, corda, loftq and
# lora_ga take the first B @ A out of them: the adapter is then one for other weights, until PEFT has converted it.
PLAIN_STARTS = ("gaussian", "orthogonal", "eva", "mica")
TYPES = ("F16", "BF16", "F32", "F64")

_short = reprlib.Repr()
_short.maxstring = 120


def shown(value: object) -> str:
    """A name or value out of a file as a message can hold it: quoted, escaped and short."""
    return _short.repr(value)


def read_tensors(folder: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Types and shapes of the tensors of an adapter folder, by name, in the order of names.

    Raises ValueError for a folder without an adapter, and for a file of another kind, a cut one, or one whose header
    does not agree with its content.
    """
    from safetensors import SafetensorError, safe_open

    _check_there(folder)
    try:
        with safe_open(str(folder / WEIGHTS), framework="numpy") as stream:
            parts = {name: stream.get_slice(name) for name in sorted(stream.keys())}
            return {name: (part.get_dtype(), tuple(part.get_shape())) for name, part in parts.items()}
    except SafetensorError as error:
        raise _damaged(folder, error) from None


def _check_there(folder: Path) -> None:
    if not all(os.path.isfile(folder / name) for name in (CONFIG, WEIGHTS)):  # noqa: PTH113  is_file raises on long names
        raise ValueError(
            f"{shown(str(folder))}: {CONFIG} and {WEIGHTS} were expected there; --adapter and --merge take a LoRA "
            "adapter's folder"
        )


def _damaged(folder: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{folder / WEIGHTS}: is no safetensors file, or is damaged ({shown(str(error))}); save the adapter again"
    )


def weight_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors of an adapter folder, by name; ValueError as `read_tensors`."""
    return {name: shape for name, (_, shape) in read_tensors(folder).items()}


def read_weights(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """The tensors of an adapter folder, one after the other, by name; ValueError for one with a value that is not
    finite."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(folder / WEIGHTS), framework="pt") as stream:
            for name in sorted(stream.keys()):
                tensor = stream.get_tensor(name)
                if not tensor.isfinite().all():
                    raise ValueError(
                        f"{folder / WEIGHTS}: {shown(name)} holds values that are not finite; the training diverged or "
                        "the file is damaged"
                    )
                yield name, tensor
    except SafetensorError as error:
        raise _damaged(folder, error) from None


def read_config(folder: Path) -> dict[str, Any]:
    """adapter_config.json of an adapter folder; ValueError when it is none."""
    _check_there(folder)
    path = folder / CONFIG
    config = json_object(path.read_bytes())
    if config is None:
        raise ValueError(f"{path}: is no JSON object; the adapter is damaged")
    return config


def base_model(folder: Path) -> str:
    """The base model that an adapter names, "" for none; ValueError for what is no name."""
    base = read_config(folder).get("base_model_name_or_path")
    if base is not None and not isinstance(base, str):
        raise ValueError(
            f"{folder / CONFIG}: base_model_name_or_path is {shown(base)}; a name or a folder is legal: correct it"
        )
    return base or ""


def scale(config: Mapping[str, Any]) -> float:
    """The factor of B @ A, of a configuration that `check_config` takes."""
    rank = config["r"]
    return float(config["lora_alpha"] / (math.sqrt(rank) if config.get("use_rslora") else rank))


def check_config(folder: Path) -> None:
    """Raises ValueError unless an adapter, under any tool's names, is plain LoRA: its configuration sets no feature
    that is more, its numbers are numbers, and its weights are pairs of A [r, in] and B [out, r] (of E fused experts
    [E * r, in] and [out, r * E])."""
    base_model(folder)
    config = read_config(folder)
    for problem in _odd_settings(config):
        raise ValueError(f"{folder / CONFIG}: {problem}")
    for problem in _odd_weights(read_tensors(folder), config["r"]):
        raise ValueError(f"{folder / WEIGHTS}: {problem}")


def _odd_settings(config: Mapping[str, Any]) -> Iterator[str]:
    """What a configuration says that is not plain LoRA."""
    kind, bias, start = config.get("peft_type"), config.get("bias"), config.get("init_lora_weights")
    rank, alpha, stabilised = config.get("r"), config.get("lora_alpha"), config.get("use_rslora")
    if kind not in (None, "LORA"):
        yield f"peft_type is {shown(kind)}; LORA is legal: no other kind can be applied or merged here, train a LoRA"
    for name in FEATURES:
        if config.get(name):
            yield f"{name} is set; plain LoRA alone can be applied or merged here: train without it"
    if bias not in (None, "none"):
        yield f"bias is {shown(bias)}; none is legal: trained biases are not applied; train without them"
    if not (start is None or isinstance(start, bool) or (isinstance(start, str) and start.lower() in PLAIN_STARTS)):
        yield (
            f"init_lora_weights is {shown(start)}; true, false, {', '.join(PLAIN_STARTS)} are legal. Others change the "
            "base model's weights: save the adapter with path_initial_model_for_weight_conversion (PEFT, "
            "save_pretrained)"
        )
    if not _is_whole(rank):
        yield f"r is {shown(rank)}; a whole number above 0 is legal: correct it, or save the adapter again"
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not abs(alpha) < 1e30:
        yield f"lora_alpha is {shown(alpha)}; a finite number is legal: correct it, or save the adapter again"
    if not (stabilised is None or isinstance(stabilised, bool)):
        yield f"use_rslora is {shown(stabilised)}; true and false are legal: correct it"


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _odd_weights(tensors: Mapping[str, tuple[str, tuple[int, ...]]], rank: int) -> Iterator[str]:
    """What is wrong with the pairs of A and B. Names that stand for neither are left to `convert_adapter`."""
    halves: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, (kind, shape) in tensors.items():
        if kind not in TYPES:
            yield f"{shown(name)} is of type {kind}; {', '.join(TYPES[:-1])} and {TYPES[-1]} are legal: save it so"
        if found := _HALF.fullmatch(name):
            halves.setdefault(found[1], {})[found[2]] = shape
    for module, pair in halves.items():
        if len(pair) < 2:
            there, missing = ("A", "B") if "A" in pair else ("B", "A")
            yield f"{shown(module)} has lora_{there} and no lora_{missing}; the file is damaged: save the adapter again"
            continue
        a, b = pair["A"], pair["B"]
        ranks = a[0] % rank == 0 if _FUSED.fullmatch(module) and a else a[:1] == (rank,)
        if len(a) != 2 or len(b) != 2 or not ranks or a[0] != b[1]:
            yield (
                f"{shown(module)} has lora_A of shape {a} and lora_B of {b}, and r is {shown(rank)} in {CONFIG}: "
                "correct r, or save the adapter again"
            )


def check_adapter(folder: Path) -> None:
    """Raises ValueError with the names that do not match, when an engine would leave weights of the adapter out."""
    names = list(read_tensors(folder))
    wrong = [name for name in names if not LEGAL.fullmatch(name)]
    if not names or wrong:
        raise ValueError(
            f"{folder / WEIGHTS}: {len(wrong)} of {len(names)} weights have names that the engine would silently leave "
            f"out, such as {shown(wrong[0] if wrong else 'none at all')}; legal is "
            "base_model.model.thinker.model.layers.N.….lora_A.weight (LoRA on the thinker's language layers, saved "
            "under the full model's names)"
        )


def legal_name(name: str) -> str | None:
    """The legal name of a weight as any of the known tools writes it; None for a weight that no engine applies."""
    found = _FOREIGN.fullmatch(name)
    return f"base_model.model.thinker.model.{found[1]}.weight" if found else None


def convert_adapter(folder: Path, out: Path) -> Path:
    """Writes the adapter in `folder` with legal names as the folder `out`, whole or not at all, and returns the folder
    to use: `folder` itself when vLLM takes it as it is, and `out` as it is when it is there already (also when another
    process has just made it).

    Raises ValueError with the names that cannot be converted (an adapted tower, another kind of adapter), and when
    `out` cannot be written.
    """
    names, config = list(read_tensors(folder)), read_config(folder)
    if names and all(LEGAL.fullmatch(name) for name in names) and "target_modules" in config:
        return folder
    wrong = [name for name in names if legal_name(name) is None]
    if not names or wrong:
        raise ValueError(
            f"{folder / WEIGHTS}: {len(wrong)} of {len(names)} weights cannot be applied, such as "
            f"{', '.join(map(shown, wrong[:3])) or 'none at all'}; a LoRA on the thinker's language layers alone can"
        )
    if len({legal_name(name) for name in names}) < len(names):
        raise ValueError(f"{folder / WEIGHTS}: two of its weights stand for the same one; it is damaged or was edited")
    if out.is_dir():
        return out
    work = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}")
    try:
        work.mkdir(parents=True)
        _write_renamed(folder, config, work)
        work.rename(out)
    except OSError as error:
        if not out.is_dir():  # else another process was faster
            raise ValueError(
                f"{out.parent}: cannot be written ({error.strerror}); a copy of {folder} with the engine's names "
                "belongs there: make room, or set XDG_CACHE_HOME to a folder that can be written"
            ) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return out


def _write_renamed(folder: Path, config: dict[str, Any], work: Path) -> None:
    """Writes the files of an adapter with legal names into the folder `work`."""
    with (folder / WEIGHTS).open("rb") as source, (work / WEIGHTS).open("wb") as target:
        (size,) = struct.unpack("<Q", source.read(8))
        header = {legal_name(name) or name: value for name, value in json.loads(source.read(size)).items()}
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        target.write(struct.pack("<Q", len(text)) + text)
        shutil.copyfileobj(source, target)
    modules = {found[2] for name in header if (found := LEGAL.fullmatch(name))}
    (work / CONFIG).write_text(json.dumps(config | {"target_modules": sorted(modules)}, indent=1), encoding="utf-8")


def check_fit(folder: Path, model: str, text: Mapping[str, Any]) -> None:
    """Raises ValueError when a (legally named) adapter belongs to another base model than `model`, whose language
    model's configuration is `text`: another hub name, more layers, or layers of other sizes."""
    base = base_model(folder)
    trained = f"it was trained on {shown(base) if base else 'an unnamed model'}; give that one as --model"
    if _hub_name(base) and _hub_name(model) and base.rpartition("/")[2] != model.rpartition("/")[2]:
        raise ValueError(
            f"{folder}: is no adapter for {model}: {trained}, or correct base_model_name_or_path in {CONFIG}"
        )
    for problem in _misfits(weight_shapes(folder), read_config(folder)["r"], text):
        raise ValueError(f"{folder}: is no adapter for {model}: {problem}; {trained}")


def _hub_name(name: str) -> bool:
    return bool(re.fullmatch(r"[\w.-]+/[\w.-]+", name)) and not os.path.exists(name)  # noqa: PTH110  as in _check_there


def _misfits(shapes: Mapping[str, tuple[int, ...]], rank: int, text: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with an adapter's weights beside the model's language configuration."""
    sizes = _sizes(text)
    layers, experts = _whole(text, "num_hidden_layers"), expert_count(text)
    for name, shape in shapes.items():
        found = LEGAL.fullmatch(name)
        if found is None or len(shape) != 2:
            yield f"{shown(name)} of shape {shape} is no LoRA weight"
            continue
        layer, module, part = int(found[1]), found[2], found[3]
        outer, ranks = (shape[1], shape[0]) if part == "A" else shape
        if layers is not None and layer >= layers:
            yield f"it adapts layer {layer}, and the model has {layers} (0 to {layers - 1})"
        fused = _FUSED.fullmatch(module)
        if (sizes and module not in sizes) or (fused and not experts):
            yield f"it adapts {shown(module)}, which the model does not have"
        elif sizes and sizes[module][part == "B"] != outer:
            yield f"{module} takes {sizes[module][part == 'B']} there, the adapter has {outer}"
        elif fused and ranks != rank * experts:
            yield f"{module} has {ranks} ranks, and r x {experts} experts is {rank * experts}"


def _whole(text: Mapping[str, Any], key: str) -> int | None:
    """A count or size of the language model; None where its configuration leaves it out."""
    value = text.get(key)
    if value is not None and not _is_whole(value):
        raise ValueError(
            f"config.json of the model: text_config.{key} is {shown(value)}; a whole number above 0 is legal; the "
            "checkpoint is damaged"
        )
    return value


def expert_count(text: Mapping[str, Any]) -> int:
    """Experts of a language model's layers, 0 where they have none; ValueError for what is no count."""
    return 0 if text.get("num_experts") == 0 else _whole(text, "num_experts") or 0


def _sizes(text: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Module of a language layer -> its inputs and outputs; empty where the configuration leaves a size out."""
    hidden, heads = _whole(text, "hidden_size"), _whole(text, "num_attention_heads")
    pairs, experts = _whole(text, "num_key_value_heads"), expert_count(text)
    inner = _whole(text, "moe_intermediate_size" if experts else "intermediate_size")
    if hidden is None or heads is None or pairs is None or inner is None:
        return {}
    width = _whole(text, "head_dim") or hidden // heads
    query, key = heads * width, pairs * width
    found = {"self_attn.q_proj": (hidden, query), "self_attn.o_proj": (query, hidden)}
    found |= {"self_attn.k_proj": (hidden, key), "self_attn.v_proj": (hidden, key)}
    if experts:
        # PEFT wraps the two fused parameters one in the other: gate and up inside, down outside.
        return found | {"mlp.experts.base_layer": (hidden, 2 * inner), "mlp.experts": (inner, hidden)}
    return found | {"mlp.gate_proj": (hidden, inner), "mlp.up_proj": (hidden, inner), "mlp.down_proj": (inner, hidden)}
