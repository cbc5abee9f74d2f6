"""LoRA adapters as files: are their weights named so that the engines apply them?

vLLM loads an adapter whose names match no module without a word and applies nothing. So names are checked before a
model is loaded. Only the header of the weight file is read; no torch is needed.
"""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
# As PEFT names a LoRA on the full model's thinker: its language layers are what the engines adapt.
LEGAL = re.compile(r"base_model\.model\.thinker\.model\.layers\.\d+\.[\w.]+\.lora_[AB]\.weight")
MAX_HEADER = 100 << 20


def weight_names(folder: Path) -> list[str]:
    """Names of the tensors of an adapter folder, sorted; ValueError when it holds no readable safetensors file."""
    path = folder / WEIGHTS
    if not (folder / CONFIG).is_file() or not path.is_file():
        raise ValueError(
            f"{folder}: {CONFIG} and {WEIGHTS} were expected there; --adapter takes a LoRA adapter's folder"
        )
    with path.open("rb") as stream:
        prefix = stream.read(8)
        size = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else 0
        if not 0 < size <= MAX_HEADER:
            raise ValueError(f"{path}: is no safetensors file")
        try:
            header = json.loads(stream.read(size))
        except ValueError:
            raise ValueError(f"{path}: is no safetensors file, or is cut off") from None
    return sorted(name for name in header if name != "__metadata__")


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
