"""What the frozen audio and vision towers give for a clip, computed once and kept on disk.

The towers are frozen, so from the second look at a clip on there is nothing to decode and nothing to encode: the
vectors are read back, the same to the last bit. A file is named by everything that decides its content (the clip's
bytes, its time range, the media options, the towers' weights and settings, the number type), so runs, machines and
processes may share a folder: whoever is first writes it, whole or not at all.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from finetune.inputs import Encoded, Processor
from infer.feed import digest
from infer.media import Clip, content_hash, load_clip
from tasks.task import Media, MediaOptions

# Raised when what a file holds changes.
FORMAT = 1
Item = TypeVar("Item")
Done = TypeVar("Done")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A medium on its way: `encoded` if it was on disk, else the `features` for the towers and the file to write."""

    encoded: Encoded | None
    features: dict[str, Any] | None
    seconds: float
    file: Path | None


class Towers:
    """The towers of a thinker, before a cache folder. Any thread may `prepare`; one thread encodes."""

    def __init__(self, thinker: Any, processor: Processor, options: MediaOptions, folder: Path | None) -> None:
        self._thinker = thinker
        self._processor = processor
        self._options = options
        self._factor = processor.checkpoint.factor
        self._folder = folder
        self._files: dict[Media, Path] = {}
        self._towers = digest([weights_hash(thinker), *_settings(thinker, processor)]) if folder else ""
        if folder:
            folder.mkdir(parents=True, exist_ok=True)

    def prepare(self, medium: Media) -> Prepared:
        """Reads a medium's vectors back, or decodes it for the towers. Raises MediaError for a clip that cannot be
        used; OSError when the disk fails."""
        file = self._file(medium)
        if file is not None and (encoded := read(file)) is not None:
            return Prepared(encoded, None, 0.0, None)
        clip = load_clip(medium, self._options, self._factor)
        return Prepared(None, self._processor.features(clip), _grid_seconds(clip), file)

    def finish(self, prepared: Prepared) -> Encoded:
        """The vectors of a prepared medium; computes and stores what was not on disk."""
        if prepared.encoded is not None:
            return prepared.encoded
        if self._thinker is None:
            raise ValueError(f"{prepared.file}: the tower cache lost a clip while it was in use; repeat with --resume")
        encoded = encode(self._thinker, prepared.features or {}, prepared.seconds)
        if prepared.file is not None:
            write(prepared.file, encoded)
        return encoded

    def give_up(self) -> None:
        """Frees the towers' weights; from now on everything has to be on disk."""
        self._thinker.audio_tower = self._thinker.visual = None
        self._thinker = None

    def size(self, media: Iterable[Media]) -> tuple[int, int]:
        """How many of these media are on disk, and their bytes."""
        sizes = [file.stat().st_size for medium in media if (file := self._file(medium)) and file.is_file()]
        return len(sizes), sum(sizes)

    def _file(self, medium: Media) -> Path | None:
        if self._folder is None or medium in self._files:
            return self._files.get(medium)
        # Interleaving changes where the vectors go, not what they are.
        options = dataclasses.asdict(dataclasses.replace(self._options, audio_in_video=False))
        content = [medium.kind, content_hash(medium.path), medium.start_s, medium.end_s]
        key = digest([FORMAT, content, options, self._factor, self._towers])
        self._files[medium] = self._folder / key[:2] / f"{key}.safetensors"
        return self._files[medium]


def _settings(thinker: Any, processor: Processor) -> list[Any]:
    """What shapes the towers' outputs beside their weights: family, configuration, and how features are made."""
    config = thinker.config
    parts = [config.vision_config.to_dict(), config.audio_config.to_dict(), *processor.settings()]
    # Names with an underscore say where and how it was loaded, not what it computes.
    aside = ("transformers_version", "dtype")
    kept = [{name: part[name] for name in part if name[0] != "_" and name not in aside} for part in parts]
    return [processor.checkpoint.family, *json.loads(json.dumps(kept, default=str))]


def _grid_seconds(clip: Clip) -> float:
    """Seconds of one step of the grid in time: two frames."""
    return 2 / clip.fps if clip.frames is not None else 0.0


def encode(thinker: Any, features: dict[str, Any], seconds: float) -> Encoded:
    """Runs the towers over the features of one medium; the vectors come back to the CPU."""
    import torch

    device = next(thinker.parameters()).device
    fed = {name: value.to(device) for name, value in features.items() if hasattr(value, "to")}
    found: dict[str, Any] = {}
    with torch.no_grad():
        if "pixel_values_videos" in fed:
            grid = fed["video_grid_thw"]
            out = thinker.get_video_features(fed["pixel_values_videos"], grid, return_dict=True)
            levels = getattr(out, "deepstack_features", None)
            found["video"] = torch.cat(list(out.pooler_output)).cpu()
            found["deepstack"] = torch.stack([torch.cat(list(level)) for level in levels]).cpu() if levels else None
            found["grid"] = tuple(grid[0].tolist())
            found["seconds"] = seconds
        if "input_features" in fed:
            mask = fed["feature_attention_mask"]
            kind = next(thinker.audio_tower.parameters()).dtype
            out = thinker.get_audio_features(fed["input_features"].to(kind), mask, return_dict=True)
            found["audio"] = out.last_hidden_state.cpu()
            found["mels"] = int(mask.sum())
    return Encoded(**found)


def write(file: Path, encoded: Encoded) -> None:
    """Stores the vectors of a medium so that a reader sees all of them or none."""
    from safetensors.torch import save_file

    tensors = {name: getattr(encoded, name) for name in ("video", "deepstack", "audio")}
    numbers = {"grid": " ".join(map(str, encoded.grid)), "seconds": repr(encoded.seconds), "mels": str(encoded.mels)}
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.{uuid.uuid4().hex}")
    try:
        held = {name: tensor.contiguous() for name, tensor in tensors.items() if tensor is not None}
        save_file(held, str(temporary), metadata=numbers)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def read(file: Path) -> Encoded | None:
    """The vectors in a cache file; None when there is none, or it is damaged (it is then written anew)."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        data = file.read_bytes()  # at once: another process may put its own in this place
        tensors = load(data)
        numbers = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
        time, height, width = (int(part) for part in numbers["grid"].split())
        return Encoded(
            grid=(time, height, width), seconds=float(numbers["seconds"]), mels=int(numbers["mels"]), **tensors
        )
    except (FileNotFoundError, SafetensorError, KeyError, ValueError, TypeError):
        return None


def weights_hash(thinker: Any) -> str:
    """SHA-256 of the towers' weights, names and number types, as hex."""
    import torch

    found = hashlib.sha256()
    for tower in ("audio_tower", "visual"):
        for name, tensor in sorted(getattr(thinker, tower).state_dict().items()):
            found.update(f"{tower}.{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
            found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def ahead(items: Iterable[Item], work: Callable[[Item], Done], threads: int, depth: int) -> Iterator[Done]:
    """`work` over the items, in their order, `threads` at a time and at most `depth` ahead of the reader."""
    with ThreadPoolExecutor(threads, thread_name_prefix="ahead") as pool:
        jobs: deque[Future[Done]] = deque()
        try:
            for item in items:
                jobs.append(pool.submit(work, item))
                if len(jobs) >= depth:
                    yield jobs.popleft().result()
            while jobs:
                yield jobs.popleft().result()
        finally:
            for job in jobs:
                job.cancel()
