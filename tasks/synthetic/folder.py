"""Writes a synthetic data set: annotations.csv in the manner of EmoS, clips/{video_id}/{clip_id}.mp4, manifest.json."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tasks.synthetic.layout import (
    ANNOTATIONS,
    CARRIERS,
    CLIPS,
    MANIFEST,
    VERSION,
    ClipPlan,
    Variant,
    annotation_columns,
)

PART = ".part"  # of a file that is being written, or whose writer was killed


def generate(
    out: Path,
    *,
    clips: int,
    seed: int,
    speakers: int = 40,
    size: int = 168,
    contradict: float = 0.2,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Generate a data set in the folder `out` and return the folder.

    `clips` clips (1 or more) of at most `speakers` speakers, `size` x `size` pixels, seeded by `seed` >= 0; the share
    `contradict` in [0, 1] of the transcripts contradicts the label. `progress` is called with (clips there, clips in
    all) after every clip.

    Called again with the same arguments it checks what is there and draws only what is missing, so an interrupted run
    is resumed. Raises ValueError for an illegal argument, for a folder that holds a data set of other arguments or
    another version, and for annotations that were changed since; OSError when a file cannot be written.
    """
    # numpy and the drawing are loaded here, so that naming the task costs nothing
    from tasks.synthetic.clip import check_size
    from tasks.synthetic.plan import plan

    _check(clips, seed, speakers, contradict)
    check_size(size)
    speakers = min(speakers, clips)
    plans = plan(clips, seed, speakers, contradict)
    text = annotation_table(plans)
    manifest = {
        "benchmark": "synthetic",
        "version": VERSION,
        "seed": seed,
        "clips": clips,
        "speakers": speakers,
        "size": size,
        "contradict": contradict,
        "annotations_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    out.mkdir(parents=True, exist_ok=True)
    claim(out, manifest, text)
    for number, item in enumerate(plans, start=1):
        path = out / CLIPS / item.video_id / f"{item.clip_id}.mp4"
        if not path.is_file() or path.stat().st_size == 0:
            _render(item, path, size)
        if progress is not None:
            progress(number, clips)
    return out


def generate_variant(data: Path, kind: Variant, split: str) -> Path:
    """Draw the clips of a split (train or test) of a generated data set again, without one thing (see
    `tasks.synthetic.clip.variant`), and return their folder: what is read instead of `data/clips`.

    Called again it draws only what is missing. Raises ValueError for a folder without a manifest of `generate`.
    """
    from tasks.synthetic.plan import plan

    path = data / MANIFEST
    if not path.is_file():
        raise ValueError(f"{path} is missing; give the folder of a generated data set")
    made = _read_manifest(path)
    try:
        plans = plan(*(made[name] for name in ("clips", "seed", "speakers", "contradict")))
        size = made["size"]
    except KeyError as error:
        raise ValueError(f"{path} does not say {error}; generate the data set again") from None
    out = data / f"{CLIPS}-{kind}"
    for number, item in enumerate(plans):
        clip = out / item.video_id / f"{item.clip_id}.mp4"
        if item.split == split and not clip.is_file():
            _render(item, clip, size, kind, number)
    return out


def annotation_table(plans: Sequence[ClipPlan]) -> str:
    """The text of annotations.csv."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(annotation_columns())
    for item in plans:
        writer.writerow(
            (
                *(item.uid, item.video_id, item.clip_id, item.text, item.language, item.speaker, item.label),
                *(f"{item.confidence:.6f}", len(set(item.votes)), item.tier, *item.votes),
                *(str(count / 3) for count in item.goemotions),
                *(CARRIERS[item.label], item.transcript_kind, f"{item.strength:.3f}", item.split),
            )
        )
    return buffer.getvalue()


def _render(item: ClipPlan, path: Path, size: int, kind: Variant | None = None, number: int = 0) -> None:
    from tasks.synthetic.clip import draw_clip, variant, write_clip

    frames, audio = draw_clip(
        item.label,
        item.language,
        item.text,
        item.speaker_seed,
        item.clip_seed,
        item.strength,
        item.seconds,
        size,
    )
    if kind is not None:
        frames, audio = variant(frames, audio, kind, seed=number)
    write_clip(path, frames, audio)


def _check(clips: int, seed: int, speakers: int, contradict: float) -> None:
    for name, value, least in (("clips", clips, 1), ("speakers", speakers, 1), ("seed", seed, 0)):
        if value < least:
            raise ValueError(f"synthetic data set: {name} is {value}; give {least} or more")
    if not 0 <= contradict <= 1:
        raise ValueError(f"synthetic data set: contradict is {contradict}; give a share in [0, 1]")


def claim(out: Path, manifest: dict[str, Any], annotations: str) -> None:
    """Write manifest and annotations into an empty folder, or verify that the folder holds exactly these.

    Raises ValueError where the folder holds something else. `manifest` names the SHA-256 of the annotations.
    """
    manifest_path, table_path = out / MANIFEST, out / ANNOTATIONS
    if manifest_path.exists():
        found = _read_manifest(manifest_path)
        differing = [name for name in manifest if name != "annotations_sha256" and found.get(name) != manifest[name]]
        if differing:
            there = ", ".join(f"{name} {found.get(name)!r} (asked for {manifest[name]!r})" for name in differing)
            raise ValueError(f"{out} holds a synthetic data set with {there}; choose another folder, or remove it")
    elif any(path.suffix != PART for path in out.iterdir()):
        raise ValueError(f"{out} is not empty and has no {MANIFEST}; choose an empty or absent folder")
    else:
        _write_whole(manifest_path, json.dumps(manifest, indent=2) + "\n")
    if not table_path.exists():
        _write_whole(table_path, annotations)
    digest = hashlib.sha256(table_path.read_bytes()).hexdigest()
    if digest != manifest["annotations_sha256"]:
        raise ValueError(
            f"{table_path} was changed: sha256 {digest[:12]}…, generated as {manifest['annotations_sha256'][:12]}…; "
            "remove the file to have it written again, or choose another folder"
        )


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON ({error}); remove the folder and generate it again") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no JSON object; remove the folder and generate it again")
    return found


def _write_whole(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}{PART}")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
