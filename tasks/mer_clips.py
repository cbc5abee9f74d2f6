"""Where the clips of a MER release lie: folders of videos and of sound files are looked through once, not once a row.

The releases keep `video/NAME.mp4` and `audio/NAME.wav`; MER2026 comes as archives that unpack into sub-folders of
these, and the processed sets of MER-UniBench say `subvideo`, `video_new` and the like.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from tasks.task import Media

VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".webm")
SOUNDS = (".wav", ".flac", ".mp3", ".m4a")
DEPTH = 3  # sub-folders below a folder of clips, so that a link that leads back ends somewhere


def find_clips(
    base: Path,
    names: Collection[str],
    *,
    videos: Sequence[str] = ("video",),
    sounds: Sequence[str] = ("audio",),
    told: bool = False,
) -> dict[str, Media]:
    """The clip of every name: its video, or its sound file where there is no video.

    Looked through are the folders `videos` of `base` in this order, then others called video… or subvideo…, each with
    its sub-folders; then the same for `sounds`. A `base` without such a folder is itself the folder of clips where
    `told`, i.e. where it was given as one. A name without a file gets the place where its video should lie: a missing
    file is the business of a later stage. Raises ValueError if `told` and not one clip is there.
    """
    found = {
        kind: _index(_folders(base, preferred, kind), names, endings)
        for kind, preferred, endings in (("video", videos, VIDEOS), ("audio", sounds, SOUNDS))
    }
    if told and not any(found.values()):
        found = {"video": _index([base], names, VIDEOS), "audio": _index([base], names, SOUNDS)}
    if told and names and not any(found.values()):
        first = next(iter(names))
        raise ValueError(
            f"{base}: none of {len(names):,} clips is here; looked for files such as {videos[0]}/{first}.mp4 and "
            f"{sounds[0]}/{first}.wav, also in sub-folders. Give the folder that holds {videos[0]} or {sounds[0]}."
        )
    return {name: _medium(base / videos[0], name, found["video"].get(name), found["audio"].get(name)) for name in names}


def _medium(folder: Path, name: str, video: Path | None, sound: Path | None) -> Media:
    if video is None and sound is not None:
        return Media("audio", sound)
    return Media("video", video or folder / f"{name}.mp4")


def _folders(base: Path, preferred: Sequence[str], kind: str) -> list[Path]:
    """The folders below `base` that may hold clips of a kind, the preferred ones first."""
    others = sorted(entry.name for entry in _entries(base) if entry.name.startswith((kind, f"sub{kind}")))
    return [base / name for name in dict.fromkeys((*preferred, *others)) if (base / name).is_dir()]


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    if folder.is_dir():
        with os.scandir(folder) as entries:
            yield from entries


def _index(folders: Sequence[Path], names: Collection[str], endings: Sequence[str]) -> dict[str, Path]:
    """Name -> file: of several, the one in the earlier folder, then with the earlier ending."""
    wanted = names if isinstance(names, dict | set | frozenset) else set(names)
    found: dict[str, Path] = {}
    for folder in folders:
        _look(folder, wanted, endings, found, DEPTH)
    return found


def _look(folder: Path, wanted: Collection[str], endings: Sequence[str], found: dict[str, Path], depth: int) -> None:
    here, below = [], []
    for entry in _entries(folder):
        stem, ending = os.path.splitext(entry.name)  # noqa: PTH122 - a Path for each of 132,171 entries takes seconds
        if ending.lower() in endings and stem in wanted:
            here.append((endings.index(ending.lower()), entry.path, stem))
        elif depth and entry.is_dir():
            below.append(entry.path)
    for _, path, stem in sorted(here):
        found.setdefault(stem, Path(path))
    for path in sorted(below):
        _look(Path(path), wanted, endings, found, depth - 1)
