"""The base model with a LoRA adapter on the language layers of its thinker. Everything else is frozen.

The modules are chosen by a regular expression that is anchored on the language layers: bare names such as `q_proj`
would adapt the audio tower too. PEFT 0.21 turns a regular expression into such bare names for Qwen3-Omni (it believes
to see a checkpoint of before the experts were fused), so it is given the full names. The experts of that family are
fused 3-D parameters, no layers: they are adapted through PEFT's `target_parameters`, where the recipe asks for it.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from finetune.recipe import LoraPart, ModelPart, Recipe
from infer.checkpoint import Checkpoint
from infer.quiet import quiet

if TYPE_CHECKING:
    import torch
    from torch import nn

# model_type -> (configuration class, thinker class) of transformers.
CLASSES = {
    "qwen2_5_omni": ("Qwen2_5OmniThinkerConfig", "Qwen2_5OmniThinkerForConditionalGeneration"),
    "qwen3_omni_moe": ("Qwen3OmniMoeThinkerConfig", "Qwen3OmniMoeThinkerForConditionalGeneration"),
}
LAYERS = r"^(thinker\.)?model\.layers\.\d+\."
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
FEED_FORWARD = ("gate_proj", "up_proj", "down_proj")
# The outer wrapper is the last: PEFT and vLLM agree that `experts.base_layer` is gate_up_proj and `experts` down_proj.
EXPERTS = ("mlp.experts.gate_up_proj", "mlp.experts.down_proj")


def load_thinker(checkpoint: Checkpoint, part: ModelPart, device: str | torch.device) -> Any:
    """The frozen thinker of a checkpoint on `device`, in evaluation mode.

    Raises ValueError for 4-bit weights of a mixture of experts: its fused experts would stay as they are.
    """
    quiet()
    import torch
    import transformers

    device = torch.device(device)
    if part.quantise == "nf4" and checkpoint.family == "qwen3_omni_moe":
        raise ValueError(
            "model.quantise nf4: bitsandbytes packs linear layers, and the experts of this family, nearly all of its "
            "weights, are fused parameters: they would stay as they are and nothing would be saved. Take quantise = "
            "'none', or a dense model"
        )
    config_name, class_name = CLASSES[checkpoint.family]
    config = getattr(transformers, config_name).from_pretrained(checkpoint.model)
    options: dict[str, Any] = {
        "dtype": weight_type(part, device.type),
        "attn_implementation": attention(part, device.type),
    }
    if part.quantise == "nf4":
        options["quantization_config"] = _nf4(options["dtype"])
    if part.quantise == "nf4" or device.type != "cpu":
        options["device_map"] = {"": device}  # straight to where it is used, past the memory of the machine
    transformers.utils.logging.disable_progress_bar()
    thinker = getattr(transformers, class_name).from_pretrained(checkpoint.model, config=config, **options)
    thinker.requires_grad_(False)
    return thinker.eval()


def weight_type(part: ModelPart, device: str) -> torch.dtype:
    """The type of the frozen weights on a kind of device (cpu, cuda)."""
    import torch

    if part.dtype == "auto":
        return torch.float32 if device == "cpu" else torch.bfloat16
    return torch.float32 if part.dtype == "float32" else torch.bfloat16


def attention(part: ModelPart, device: str) -> str:
    """The attention implementation that `auto` stands for on a kind of device (cpu, cuda)."""
    if part.attention != "auto":
        return part.attention
    import importlib.util

    has_flash = device != "cpu" and importlib.util.find_spec("flash_attn") is not None
    return "flash_attention_2" if has_flash else "sdpa"


def _nf4(kind: torch.dtype) -> Any:
    from transformers import BitsAndBytesConfig

    # The towers run once and are read from the cache afterwards; only the language layers are packed.
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=kind,
        llm_int8_skip_modules=["audio_tower", "visual", "lm_head"],
    )


def target_regex(part: LoraPart) -> str:
    """The modules that are adapted, as PEFT matches names: on the thinker, and on the full model."""
    inner = [
        f"{parent}\\.({'|'.join(names)})"
        for parent, legal in (("self_attn", ATTENTION), ("mlp", FEED_FORWARD))
        if (names := [name for name in legal if name in part.modules])
    ]
    unknown = [name for name in part.modules if name not in ATTENTION + FEED_FORWARD]
    if unknown or not inner:
        raise ValueError(f"lora.modules {list(part.modules)}: legal are {', '.join(ATTENTION + FEED_FORWARD)}")
    return f"{LAYERS}({'|'.join(inner)})$"


def add_lora(thinker: Any, recipe: Recipe) -> Any:
    """Wraps the thinker in PEFT with a fresh adapter, initialised from the recipe's seed.

    Raises ValueError when the adapter would touch anything but the language layers, or nothing, and for experts that
    the model does not have.
    """
    import torch

    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # peft imports it: it speaks of kernels that no CPU has
    from peft import LoraConfig, get_peft_model

    fused = _has_experts(thinker)
    if recipe.lora.experts and not fused:
        raise ValueError("lora.experts: this model has no experts; its gate, up and down are adapted as they are")
    if recipe.lora.experts and recipe.lora.dropout:
        raise ValueError("lora.experts takes lora.dropout = 0: an update of a fused parameter has no input to drop")
    wanted = re.compile(target_regex(recipe.lora))
    modules = [name for name, _ in thinker.named_modules() if wanted.match(name)]
    if not modules and not recipe.lora.experts:
        raise ValueError(
            f"lora.modules {list(recipe.lora.modules)} would touch nothing in this model"
            + ("; its gate, up and down are fused experts: lora.experts = true" if fused else "")
        )
    config = LoraConfig(
        r=recipe.lora.r,
        lora_alpha=recipe.lora.alpha,
        lora_dropout=recipe.lora.dropout,
        target_modules=modules,
        target_parameters=list(EXPERTS) if recipe.lora.experts else None,
    )
    torch.manual_seed(recipe.optimiser.seed)
    model = get_peft_model(thinker, config)
    stray = [name for name in adapted_modules(model) if not re.match(LAYERS, name)]
    if stray:
        raise ValueError(f"the adapter would touch {stray[0]}: language layers alone are legal")
    return model


def adapted_modules(model: Any) -> list[str]:
    """Names of the adapted modules and parameters in the thinker, in its order."""
    found: list[str] = []
    for name, module in model.get_base_model().named_modules():
        if hasattr(module, "lora_A"):
            parameter = getattr(module, "parameter_name", None)
            bare = name.replace(".base_layer", "")
            found.append(f"{bare}.{parameter}" if parameter else bare)
    return found


def adapter_parameters(model: Any) -> dict[str, nn.Parameter]:
    """The trained parameters by name, in the model's order."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def _has_experts(thinker: Any) -> bool:
    return any(name.endswith(EXPERTS) for name, _ in thinker.named_parameters())


def describe_modules(names: list[str]) -> str:
    """The adapted modules in one line a kind: how many layers have it."""
    kinds: dict[str, int] = {}
    for name in names:
        kind = re.sub(LAYERS, "", name)
        kinds[kind] = kinds.get(kind, 0) + 1
    return "\n".join(f"  model.layers.*.{kind}: {count}" for kind, count in kinds.items())
