"""The files of other trainers, as JSON lines: ms-swift, LLaMA-Factory, and plain rows for Hugging Face datasets.

What is known of them (their public sources and documents, read in 2026; none of them is run by this project's tests):

- Both trainers read `<video>` and `<audio>` in any message as "the next medium of that kind" and count them against the
  lists `videos` and `audios`. A tag that data brought along would shift every clip behind it, so in a question it is
  taken apart; a reply is not changed: `Form.tags` says what a reply must not hold.
- ms-swift knows more tags (boxes, references). It takes the sound of a video file as an audio entry through librosa,
  whose reader for such containers needs ffmpeg. Its environment variable USE_AUDIO_IN_VIDEO adds the sound of every
  video by itself: with audio entries the sound would come twice, without them and without it there is none.
- LLaMA-Factory wants the audio entries in both ways; `use_audio_in_video: true` interleaves each with its video. It
  reads them with torchaudio (older versions: librosa), which for video containers needs FFmpeg. What its readers make
  of a container in a given installation is not known here.
- `datasets` fills keys that a row lacks with null, and tools take an item with the key `video` for a video: so items of
  the plain rows have `type` and `text` alone, and the paths stand in the columns `videos` and `audios`.
- How frames are picked and scaled is a setting of each trainer; the file cannot hold it. `Form.notes` says which
  settings come nearest to what `omnimer infer` feeds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infer.media import MAX_FRAME_TOKENS
from prompts.render import Message, Messages
from tasks.task import Media, MediaOptions

Record = dict[str, Any]
LISTS = ("videos", "audios")
MEDIA_TAGS = ("image", "video", "audio")


@dataclass(frozen=True, slots=True)
class Row:
    """One example before it has a form: the question as prompts/render.py made it (items of media refer to `media` by
    index), and the reply that is learned."""

    id: str
    messages: Messages
    media: tuple[Media, ...]
    reply: str


@dataclass(frozen=True, slots=True)
class Form:
    """A format. `tags`: names of tags that the trainer takes for media wherever they stand; `own_sound`: the sound of a
    video is an entry of its own also where it is interleaved; `notes(options, records, file)` tells people what the
    trainer has to be told."""

    record: Callable[[Row, tuple[str, ...]], Record]
    notes: Callable[[MediaOptions, Sequence[Record], Path], list[str]]
    tags: tuple[str, ...] = ()
    own_sound: bool = False


def holds_tag(text: str, tags: tuple[str, ...]) -> str:
    """The first such tag in a text, or ""."""
    found = re.search(rf"<(?:{'|'.join(tags)})>", text) if tags else None
    return found.group() if found else ""


def without_tags(text: str, tags: tuple[str, ...]) -> str:
    """The text with a space in each such tag, as `prompts.render.plain` takes special tokens apart."""
    return re.sub(rf"<(?=(?:{'|'.join(tags)})>)", "< ", text) if tags else text


def tagged(row: Row, tags: tuple[str, ...]) -> Record:
    """Messages of plain text in which tags stand for the media."""
    paths: dict[str, list[str]] = {"video": [], "audio": []}

    def text_of(message: Message) -> str:
        parts = []
        for item in message["content"]:
            if item["type"] == "text":
                parts.append(without_tags(item["text"], tags))
            else:
                paths[item["type"]].append(_path(row.media[item["media"]]))
                parts.append(f"<{item['type']}>")
        return "".join(parts)

    messages = [{"role": message["role"], "content": text_of(message)} for message in row.messages]
    messages.append({"role": "assistant", "content": row.reply})
    return {"id": row.id, "messages": messages, "videos": paths["video"], "audios": paths["audio"]}


def listed(row: Row, _tags: tuple[str, ...]) -> Record:
    """Messages of content lists; the n-th item of type video is the n-th path in `videos`, and so for audio."""
    paths: dict[str, list[str]] = {"video": [], "audio": []}
    messages: list[Record] = []
    for message in row.messages:
        content = []
        for item in message["content"]:
            if item["type"] == "text":
                content.append({"type": "text", "text": item["text"]})
            else:
                paths[item["type"]].append(_path(row.media[item["media"]]))
                content.append({"type": item["type"]})
        messages.append({"role": message["role"], "content": content})
    messages.append({"role": "assistant", "content": [{"type": "text", "text": row.reply}]})
    return {"id": row.id, "messages": messages, **dict(zip(LISTS, paths.values(), strict=True)), "target": row.reply}


def in_columns(records: Sequence[Record]) -> list[Record]:
    """The records as a table that `datasets` can type. It takes the type of a column from the first megabytes: so lists
    that are empty in all records are left out, and the first record that fills a list stands in front."""
    filled = {name: next((n for n, record in enumerate(records) if record[name]), None) for name in LISTS}
    front = sorted({place for place in filled.values() if place is not None})
    order = [*front, *(place for place in range(len(records)) if place not in front)]
    empty = {name for name, place in filled.items() if place is None}
    return [{key: value for key, value in records[place].items() if key not in empty} for place in order]


def dataset_info(file: Path, records: Sequence[Record]) -> Record:
    """The entry of LLaMA-Factory's dataset_info.json for a file of records."""
    there = [name for name in LISTS if name in records[0]]
    return {
        "file_name": file.name,
        "formatting": "sharegpt",
        "columns": {name: name for name in ("messages", *there)},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
            "system_tag": "system",
        },
    }


def _path(medium: Media) -> str:
    return str(medium.path.absolute())


def _count(records: Sequence[Record], name: str) -> int:
    return sum(len(record.get(name, ())) for record in records)


def _swift(options: MediaOptions, records: Sequence[Record], file: Path) -> list[str]:
    sounds = _count(records, "audios")
    lines = [f"train with: swift sft --dataset {file}"]
    if options.audio_in_video:
        lines.append(
            "sound: USE_AUDIO_IN_VIDEO=true has to be set in the environment; without it the model hears nothing of "
            "a video"
        )
    else:
        lines.append(f"sound: {_entries(sounds)}; leave USE_AUDIO_IN_VIDEO unset (it would feed the sound twice)")
    if _count(records, "videos"):
        pixels = {"VIDEO_MIN_PIXELS": options.min_pixels, "VIDEO_MAX_PIXELS": options.max_pixels}
        settings = {"FPS": options.fps, "FPS_MIN_FRAMES": options.min_frames, "FPS_MAX_FRAMES": options.max_frames}
        words = [f"{name}={value}" for name, value in {**settings, **pixels}.items() if value is not None]
        lines.append(f"frames: set {' '.join(words)} in the environment")
    return lines


def _llamafactory(options: MediaOptions, records: Sequence[Record], file: Path) -> list[str]:
    lines = [
        f"train with: dataset_dir: {file.parent}, dataset: {file.stem}, template: qwen2_omni or qwen3_omni_nothink "
        "(plain qwen3_omni puts an empty reasoning block before the reply)",
        f"sound: {_entries(_count(records, 'audios'))}; set use_audio_in_video: {str(options.audio_in_video).lower()}",
    ]
    if _count(records, "videos"):
        areas = [options.max_pixels] if options.max_pixels else [MAX_FRAME_TOKENS * step * step for step in (28, 32)]
        lines.append(
            f"frames: set video_fps: {options.fps}, video_maxlen: {options.max_frames}, video_max_pixels: "
            f"{' (Qwen2.5-Omni) or '.join(map(str, areas))}{' (Qwen3-Omni)' if len(areas) > 1 else ''}; its own "
            "defaults feed less than omnimer infer does"
        )
    return lines


def _hf(options: MediaOptions, records: Sequence[Record], file: Path) -> list[str]:
    lines = [
        f'read with: datasets.load_dataset("json", data_files="{file}")',
        f"sound: {_entries(_count(records, 'audios'))}; the n-th item of a type is the n-th path of its column",
    ]
    if options.audio_in_video:
        lines[1] += (
            "; of a video: give the processor use_audio_in_video=True and the sound of each file in `videos`, else "
            "the model hears nothing of it"
        )
    return lines


def _entries(count: int) -> str:
    if not count:
        return "no audio entry"
    return f"{count:,} audio entries, which name the clips' own files (to read the sound of a video needs FFmpeg)"


SWIFT_TAGS = (*MEDIA_TAGS, "bbox", "ref-object", "cot-process", "start-image")
FORMS = {
    "swift": Form(tagged, _swift, tags=SWIFT_TAGS),
    "llamafactory": Form(tagged, _llamafactory, tags=MEDIA_TAGS, own_sound=True),
    "hf": Form(listed, _hf),
}
