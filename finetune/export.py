"""`omnimer export`: a task's training data in the formats of other trainers, one JSON line a sample.

Question and reply are those of omnimer's own LoRA stage, character by character: samples by finetune/samples.py, the
question by prompts/render.py, the reply by finetune/targets.py. What a file of paths cannot say is refused, not
approximated: a sample that is a part of a file, a reply that holds a media tag, and, where sound and frames are to be
interleaved, a clip without sound. A clip without sound is otherwise exported without an audio entry.

    FILE                the data (.jsonl)
    dataset_info.json   beside it, for LLaMA-Factory: the entry named like FILE; other entries stay

How sound reaches each trainer is told by finetune/export_formats.py and printed.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import tyro

from finetune.export_formats import FORMS, Form, Record, Row, dataset_info, holds_tag, in_columns
from finetune.recipe import DataPart, Recipe, ValidationPart
from finetune.samples import Chosen, choose
from finetune.towers import ahead
from infer.check import FACTOR
from infer.media import FrameError, MediaError, frame_count, load_clip, probe
from infer.progress import Progress
from infer.store import to_json, to_line, write_atomic
from prompts.render import Messages, render
from tasks.select import check_at_least, read_pairs
from tasks.task import Media, MediaOptions, Sample

INFO = "dataset_info.json"
# What finetune.targets says of a sample that nobody labelled; not a failure of the sample.
NO_GOLD = "no gold answer"


@dataclass(frozen=True)
class ExportConfig:
    """Write a task's training data for ms-swift, LLaMA-Factory or Hugging Face datasets."""

    task: str
    """Name of the task (`omnimer tasks` lists them)."""
    data: Path
    """Folder of the annotations."""
    format: Literal["swift", "llamafactory", "hf"]
    """Whose format: ms-swift, LLaMA-Factory (dataset_info.json is written beside it), or Hugging Face datasets."""
    out: Path
    """File to write, NAME.jsonl."""
    media: Path | None = None
    """Folder of the clips, where it is not the release's own place under --data."""
    split: str | None = None
    """Split of the task; the first of the task if not given."""
    language: str | None = None
    """Only samples of this language, such as zh or en."""
    tier: str | None = None
    """Only samples of this confidence tier, such as high, medium or low."""
    where: tuple[str, ...] = ()
    """Only samples whose slice has a value: name=value, repeatable."""
    option: tuple[str, ...] = ()
    """Named policies of the task: name=value (`omnimer tasks NAME` lists them)."""
    limit: int | None = None
    """Only so many samples, spread over the data."""
    template: str | None = None
    """Name of a prompt template, or a text file of your own; the task's own if not given."""
    transcript: bool = True
    """Show the transcript to the model."""
    system: str | None = None
    """A system turn of your own; if not given, the trainer puts in its default."""
    clip: tyro.conf.OmitArgPrefixes[MediaOptions] = field(default_factory=MediaOptions)
    threads: int = 2
    """Files looked at side by side."""


def run(config: ExportConfig) -> int:
    """Writes the file; 0 when it holds every sample with gold, 1 when others were left out too.

    Raises ValueError for an --out that cannot be written, and when no sample is left.
    """
    check_at_least("--threads", config.threads, 1)
    info = _check_out(config)
    form = FORMS[config.format]
    recipe = recipe_of(config)
    chosen = choose(recipe)
    records = in_columns(records_of(chosen, recipe, form, config.threads))
    config.out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(config.out, "".join(map(to_line, records)))
    if info is not None:
        entry = {config.out.stem: dataset_info(config.out, records)}
        write_atomic(config.out.with_name(INFO), to_json({**info, **entry}, indent=2) + "\n")
    print(f"{chosen.task.full_name}: {len(records):,} samples are in {config.out}", file=sys.stderr)
    if chosen.left_out:
        print(f"{len(chosen.left_out):,} left out:\n{chosen.summary()}", file=sys.stderr)
    for line in form.notes(recipe.clip, records, config.out.absolute()):
        print(line, file=sys.stderr)
    return int(any(reason != NO_GOLD for _, reason in chosen.left_out))


def recipe_of(config: ExportConfig) -> Recipe:
    """The plain recipe over the same data, with nothing held out."""
    named = {"language": config.language, "tier": config.tier}
    given = tuple(f"{name}={value}" for name, value in named.items() if value not in (None, "all", "both"))
    data = DataPart(
        task=config.task,
        folder=config.data,
        media=config.media,
        split=config.split or "",
        where=read_pairs((*given, *config.where), "--where"),
        options=read_pairs(config.option, "--option"),
        limit=config.limit,
        template=config.template or "",
        transcript=config.transcript,
        system=config.system,
    )
    return Recipe(data=data, clip=config.clip, validation=ValidationPart(share=0.0))


def records_of(chosen: Chosen, recipe: Recipe, form: Form, threads: int) -> list[Record]:
    """The records of the chosen samples, in task order; samples that cannot be exported are left out of `chosen`."""

    def attempt(sample: Sample) -> Record | str:
        try:
            return record_of(sample, chosen, recipe, form)
        except MediaError as error:
            return f"media: {error}"
        except ValueError as error:
            return str(error)

    records: list[Record] = []
    reasons: dict[str, str] = {}
    with Progress(len(chosen.train), "samples") as progress:
        for sample, found in zip(chosen.train, ahead(chosen.train, attempt, threads, 2 * threads), strict=True):
            progress.advance(failed=isinstance(found, str))
            if isinstance(found, str):
                reasons[sample.id] = found
            else:
                records.append(found)
    chosen.leave_out(reasons)
    return records


def record_of(sample: Sample, chosen: Chosen, recipe: Recipe, form: Form) -> Record:
    """One sample in its format. Raises ValueError (MediaError for its files) with the reason why it cannot be had."""
    reply = chosen.replies[sample.id]
    if tag := holds_tag(reply, form.tags):
        raise ValueError(f"the reply holds {tag}, which the trainer would take for a medium")
    options = recipe.clip
    fed = sample.media if options.video or options.audio else ()
    sounds = [_has_sound(medium, options) for medium in fed]
    messages = render(
        chosen.task,
        sample,
        dataclasses.replace(options, audio_in_video=False) if form.own_sound else options,
        template=chosen.template,
        transcript=recipe.data.transcript,
        system=recipe.data.system,
    )
    record = form.record(Row(sample.id, _heard(messages, sounds), sample.media, reply), form.tags)
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("text or path is no UTF-8 (half of a surrogate pair), which JSON readers refuse") from None
    return record


def _heard(messages: Messages, sounds: list[bool]) -> Messages:
    """The messages without the audio items of media that have no sound, as infer/feed.py presents them."""
    return [
        {**message, "content": [i for i in message["content"] if i["type"] != "audio" or sounds[i["media"]]]}
        for message in messages
    ]


def _has_sound(medium: Media, options: MediaOptions) -> bool:
    """Whether a medium has sound that can be fed and is wanted; its pictures are counted, not decoded.

    Raises MediaError for a file that a run could not use, and for what a path cannot say.
    """
    if medium.start_s is not None or medium.end_s is not None:
        raise MediaError("the sample is a part of a file, which a path cannot say; cut the clips to export them")
    clip = load_clip(medium, dataclasses.replace(options, video=False, audio_in_video=False), FACTOR)
    if options.video and medium.kind == "video":
        info = probe(medium.path)
        try:
            frame_count(info.frames, info.fps, options)
        except FrameError as error:
            raise MediaError(f"{medium.path}: {error}") from None
        if options.audio_in_video and clip.audio is None:
            raise MediaError("the clip has no sound that could be interleaved; without --audio-in-video it is exported")
    return clip.audio is not None


def _check_out(config: ExportConfig) -> dict[str, Any] | None:
    """What dataset_info.json holds so far, for the format that has one; ValueError for a file that cannot be --out."""
    out = config.out
    if out.suffix != ".jsonl" or out.is_dir():
        raise ValueError(f"--out is {out}; the name of a file that ends in .jsonl was expected")
    if config.format != "llamafactory":
        return None
    path = out.with_name(INFO)
    try:
        info = json.loads(path.read_bytes()) if path.exists() else {}
    except ValueError:
        info = None
    if not isinstance(info, dict):
        raise ValueError(f"{path}: is no JSON object; the entry of {out.name} cannot be put in: mend or move the file")
    there = info.get(out.stem)
    if there is not None and not (isinstance(there, dict) and there.get("file_name") == out.name):
        raise ValueError(f"{path}: has an entry {out.stem!r} of another file; take another name for --out")
    return info
