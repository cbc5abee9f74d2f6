"""A checkpoint as the engines share it: its family, chat template, pixel step, and identity for the run record."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from infer.adapters import check_config, check_fit, convert_adapter, shown
from infer.cache import user_cache
from infer.quiet import quiet
from infer.store import json_object
from prompts.render import Messages

# model_type of the full configuration -> name of the family for people. A further model is a further row.
FAMILIES = {
    "qwen2_5_omni": "Qwen2.5-Omni",
    "qwen3_omni_moe": "Qwen3-Omni",
}


# How converted adapters are written; a change of `convert_adapter` takes the next number, so that old copies rest.
LAYOUT = 1


@dataclass(frozen=True)
class Checkpoint:
    """A model folder or hub name, and an optional LoRA adapter folder."""

    model: str
    adapter: Path | None = None

    def __post_init__(self) -> None:
        if self.lora is not None:
            check_fit(self.lora, self.model, self.text)

    @cached_property
    def lora(self) -> Path | None:
        """The adapter's folder as the engines apply it; of an adapter with another tool's names, a copy with the legal
        ones in the user's cache. ValueError for an adapter or weights that no engine applies."""
        if self.adapter is None:
            return None
        found = self.adapter.resolve()
        if not os.path.isdir(found):  # noqa: PTH112  is_dir raises on long names
            raise ValueError(f"{shown(str(self.adapter))}: no such folder; --adapter takes a LoRA adapter's folder")
        check_config(found)
        return convert_adapter(found, user_cache("adapters") / f"{_folder_hash(found)[:32]}-{LAYOUT}")

    @cached_property
    def family(self) -> str:
        """The `model_type` of the configuration, one of FAMILIES; ValueError for any other."""
        kind = str(self.config.get("model_type"))
        if kind not in FAMILIES:
            raise ValueError(f"{self.model}: model_type {kind!r} is not supported; legal: {', '.join(FAMILIES)}")
        return kind

    @cached_property
    def factor(self) -> int:
        """Patch size x merge size of the vision tower, in pixels."""
        vision = self._part("vision_config")
        if vision is None:
            raise ValueError(f"{self._folder / 'config.json'}: has no thinker_config.vision_config")
        default = {"qwen2_5_omni": 14, "qwen3_omni_moe": 16}[self.family]
        return int(vision.get("patch_size", default)) * int(vision.get("spatial_merge_size", 2))

    def prompt(self, messages: Messages) -> str:
        """The messages through the checkpoint's own chat template, ending where the reply begins."""
        text: str = self._processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return text

    def identity(self) -> dict[str, Any]:
        """What says which weights answered: for a local folder the hashes of its configuration and weight index (or
        small weight files), for a hub name the commit that is in the cache."""
        record: dict[str, Any] = {"model": self.model, "family": self.family, "content": _folder_hash(self._folder)}
        if self.adapter is not None:
            record |= {"adapter": str(self.adapter), "adapter_content": _folder_hash(self.adapter)}
        return record

    @cached_property
    def config(self) -> dict[str, Any]:
        """The content of config.json; ValueError where there is none that can be read."""
        path = self._folder / "config.json"
        if not path.is_file():
            raise ValueError(f"{self._folder}: no config.json there; --model takes the folder of a checkpoint")
        config = json_object(path.read_bytes())
        if config is None:
            raise ValueError(f"{path}: is no JSON object; the checkpoint is damaged")
        return config

    @property
    def text(self) -> Mapping[str, Any]:
        """The language model's part of the configuration; empty where it has none."""
        return self._part("text_config") or {}

    def _part(self, name: str) -> Mapping[str, Any] | None:
        thinker = self.config.get("thinker_config")
        found = thinker.get(name) if isinstance(thinker, dict) else None
        return found if isinstance(found, dict) else None

    def whole(self) -> Path:
        """The folder with all files of the checkpoint, its weights among them; a hub name is downloaded, or found in
        the cache."""
        return self._fetch(None)

    @cached_property
    def _folder(self) -> Path:
        """The folder with all small files."""
        return self._fetch(["*.json", "*.jinja", "*.txt"])

    def _fetch(self, patterns: list[str] | None) -> Path:
        if os.path.isdir(self.model):  # noqa: PTH112  is_dir raises on long names
            return Path(self.model)
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

        try:
            return Path(snapshot_download(self.model, allow_patterns=patterns))
        except (HfHubHTTPError, LocalEntryNotFoundError, HFValidationError, OSError) as error:
            raise ValueError(
                f"model {shown(self.model)} is no local folder and cannot be had from the hub "
                f"({type(error).__name__}); give --model the path of a checkpoint folder or a name such as "
                "Qwen/Qwen2.5-Omni-7B"
            ) from None

    @cached_property
    def _processor(self) -> Any:
        quiet()
        from transformers import AutoProcessor

        return AutoProcessor.from_pretrained(self._folder)


# Files up to this size are hashed whole; of larger ones (weight shards) so many pieces, spread evenly: training again
# changes all of a shard, and hashing 60 GB whole would take longer than loading them.
HASHED_BYTES = 64 << 20
PIECES, PIECE_BYTES = 64, 64 << 10


def _folder_hash(folder: Path) -> str:
    """SHA-256 over names, sizes and contents (of large files: pieces) of a checkpoint folder's files, as hex.

    A hub snapshot folder is named by its commit, which covers the large files.
    """
    digest = hashlib.sha256()
    if folder.parent.name == "snapshots":
        digest.update(folder.name.encode())
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.name}\0{size}\0".encode())
        if size <= HASHED_BYTES:
            digest.update(path.read_bytes())
            continue
        with path.open("rb") as stream:
            for piece in range(PIECES):
                stream.seek(piece * (size - PIECE_BYTES) // (PIECES - 1))
                digest.update(stream.read(PIECE_BYTES))
    return digest.hexdigest()
