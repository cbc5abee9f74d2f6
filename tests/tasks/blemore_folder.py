"""A BLEMORE folder in the layout of the release: train_metadata.csv, train/*.mov, test/*.mov. Actors are invented and
clips are drawn: that of a blend is the weighted mean of the clips of its two emotions, in picture and sound."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.blemore import LABELS, NEUTRAL, TABLE, Expected, clip_name
from tasks.synthetic.clip import draw_clip, write_clip

ACTORS = 6
SHARES = ((30, 70), (50, 50), (70, 30))
PAIRS = list(itertools.combinations([label for label in LABELS if label != NEUTRAL], 2))
COLUMNS = (
    *("filename", "video_id", "mix", "emotion_1", "emotion_2", "emotion_1_salience", "emotion_2_salience"),
    *("version", "intensity_level", "situation", "fold"),
)
# What the drawing calls the emotions.
DRAWN = {"ang": "Anger", "disg": "Disgust", "fea": "Fear", "hap": "Joy", "sad": "Sadness", "neu": "Neutral"}


def names(actors: int = ACTORS) -> list[str]:
    """36 clips an actor: each emotion once, each blend at each ratio; the last actor has no blends."""
    found = []
    for actor in range(901, 901 + actors):
        found += [f"A{actor}_{label}_int{1 + actor % 4}_ver1" for label in LABELS if label != NEUTRAL]
        found.append(f"A{actor}_neu_sit2_ver1")
        if actor < 900 + actors:
            found += [f"A{actor}_mix_{a}_{b}_{s}_{t}_ver{1 + (s == 50)}" for a, b in PAIRS for s, t in SHARES]
    return found


EXPECTED = Expected(
    rows=5 * 36 + 6,
    actors=6,
    folds=((36 + 6, 30, 2), *[(36, 30, 1)] * 4),
    singles=dict.fromkeys(LABELS, 6),
    blends={f"{a}+{b}": 15 for a, b in PAIRS},
    ratios={"30/70": 50, "50/50": 50, "70/30": 50},
    test=4,
)


def rows(clips: Iterable[str]) -> list[dict[str, Any]]:
    """The table's rows, as the release fills them; actors go round the folds."""
    found = []
    for text in clips:
        name = clip_name(text)
        shares = list(name.emotions.items())
        one, other = shares[0], shares[1] if len(shares) > 1 else ("", "")
        mix = len(shares) == 2
        fold = (int(name.actor[1:]) - 901) % 5
        cells = (text, name.actor, int(mix), one[0], other[0], one[1] if mix else "", other[1], name.version)
        found.append(dict(zip(COLUMNS, (*cells, name.intensity or "", name.situation or "", fold), strict=True)))
    return found


def write(folder: Path, table: Sequence[Mapping[str, Any]] | None = None, columns: Sequence[str] = COLUMNS) -> Path:
    """Writes the table into `folder` and returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / TABLE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows(names()) if table is None else table)
    return folder


def draw(path: Path, emotions: Mapping[str, int], seed: int = 0) -> Path:
    """Writes a clip of half a second, 64 pixels high, in which the emotions have their shares (percent)."""
    parts = [
        (share / 100, draw_clip(DRAWN[label], "en", "", 1, seed, 1.0, 0.5, 64)) for label, share in emotions.items()
    ]
    frames = sum(np.float32(share) * clip[0].astype(np.float32) for share, clip in parts)
    sound = sum(np.float32(share) * clip[1] for share, clip in parts)
    write_clip(path, np.asarray(frames).round().astype(np.uint8), np.asarray(sound, np.float32))
    return path
