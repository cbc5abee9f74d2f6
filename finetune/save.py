"""Adapters on disk, as PEFT and vLLM load them.

The weights are named as on the full model (`base_model.model.thinker.model.layers…`): vLLM applies those and leaves
others out without a word. Plain PEFT loads the folder both ways:

    PeftModel.from_pretrained(full_model, folder)
    PeftModel.from_pretrained(thinker, folder, key_mapping=THINKER_KEYS)
"""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Any

from finetune.model import EXPERTS, target_regex
from finetune.recipe import Recipe
from infer.adapters import CONFIG, WEIGHTS, check_adapter
from infer.store import to_json, write_atomic

THINKER_KEYS = {r"^thinker\.": ""}
# What is never adapted. PEFT 0.21 makes bare names of `target_modules` for Qwen3-Omni, which the towers have too.
OTHER_PARTS = r"(.*\.)?(audio_tower|visual|talker|token2wav|code2wav)\..*"
BARE, FULL = "base_model.model.model.layers.", "base_model.model.thinker.model.layers."


def save_adapter(model: Any, recipe: Recipe, folder: Path) -> Path:
    """Writes the adapter of a PEFT model on a thinker into `folder`, whole or not at all, and returns `folder`.

    What stood there is replaced. Raises ValueError when an engine would leave a weight out.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    state = get_peft_model_state_dict(model)
    named = {name.replace(BARE, FULL, 1): tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    for rest in folder.parent.glob(f".{folder.name}.*"):  # of a run that was killed here
        shutil.rmtree(rest, ignore_errors=True)
    fresh, old = (folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}") for _ in range(2))
    fresh.mkdir(parents=True)
    try:
        save_file(named, str(fresh / WEIGHTS), metadata={"format": "pt"})
        write_atomic(fresh / CONFIG, to_json(adapter_config(recipe), indent=1) + "\n")
        check_adapter(fresh)
        if folder.exists():
            folder.replace(old)
        fresh.replace(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return folder


def adapter_config(recipe: Recipe) -> dict[str, Any]:
    """adapter_config.json of a recipe's adapter, with the fields that PEFT and vLLM read."""
    lora = recipe.lora
    return {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": recipe.model.path,
        "r": lora.r,
        "lora_alpha": lora.alpha,
        "lora_dropout": lora.dropout,
        "bias": "none",
        "target_modules": target_regex(lora),
        "exclude_modules": OTHER_PARTS,
        "target_parameters": list(EXPERTS) if lora.experts else None,
        "inference_mode": True,
    }
