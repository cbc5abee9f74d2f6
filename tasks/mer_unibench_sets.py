"""The nine processed folders of MER-UniBench: where each keeps labels, transcripts and clips, and how they are read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.mer_release import Item, Table, build, check_count, items, open_gold, read_table
from tasks.mer_tables import check_name, official_npz
from tasks.task import Root, Sample

SOURCE = "the sets of MER-UniBench come by EULA, see github.com/zeroQiaoba/AffectGPT"


@dataclass(frozen=True, slots=True)
class Set:
    """One test set: its folder and published size, its label file and the dictionary in it, transcripts, clips.

    `words` are what the whole numbers of a label stand for (empty: a label is a word), `prefix` is what the names of
    test clips begin with. `grouped`: a name ends in the number of the clip within its dialogue or video.
    """

    folder: str
    rows: int
    label: str = "label.npz"
    corpus: str = "test_corpus"
    words: tuple[str, ...] = ()
    prefix: str = ""
    spoken: str = "transcription-engchi-polish.csv"
    videos: tuple[str, ...] = ("video",)
    sounds: tuple[str, ...] = ("audio",)
    grouped: bool = True


MELD_WORDS = ("anger", "joy", "sadness", "neutral", "disgust", "fear", "surprise")
IEMOCAP_WORDS = ("happy", "sad", "neutral", "anger")
_CUT: dict[str, Any] = {"videos": ("subvideo",), "sounds": ("subaudio",)}
# By the last part of the task's name. Where a set has its videos twice, the official configuration takes the first.
SETS = {
    "mer2023": Set("mer2023-dataset-process", 411, "label-6way.npz", "test1_corpus", grouped=False),
    "mer2024": Set(
        *("mer2024-dataset-process", 1_169, "label-6way.npz", "test1_corpus"),
        spoken="transcription_merge.csv",
        grouped=False,
    ),
    "meld": Set("meld-process", 2_610, words=MELD_WORDS, **_CUT),
    "iemocap": Set(
        *("iemocap-process", 1_241, "label_4way.npz", "whole_corpus", IEMOCAP_WORDS, "Ses05"),
        videos=("subvideo-tgt", "subvideo"),
        sounds=("subaudio",),
    ),
    "mosi": Set("cmumosi-process", 686, **_CUT),
    "mosei": Set("cmumosei-process", 4_659, videos=("subvideo_new", "subvideo"), sounds=("subaudio",)),
    "sims": Set("sims-process", 457),
    "simsv2": Set("simsv2-process", 1_034, videos=("video_new", "video")),
    "ovmerd-plus": Set("ovmerdplus-process", 532, "ovlabel.csv", spoken="subtitle_eng.csv", grouped=False),
}
Read = Callable[[Set, Mapping[str, Any]], tuple[dict[str, Any], dict[str, Any]]]


def hit_rate_set(root: Root, name: str) -> list[Sample]:
    """The test clips of a set of basic emotions; gold `{"labels": [word]}`, the official gold string as one label."""
    return _corpus_set(root, SETS[name], _emotion)


def polarity_set(root: Root, name: str) -> list[Sample]:
    """The test clips of a set of sentiment; gold `{"label": positive | negative | neutral}`, by the sign of the score,
    which `meta["value"]` holds (MOSI and MOSEI from -3 to 3, SIMS and SIMS v2 from -1 to 1)."""
    return _corpus_set(root, SETS[name], _polarity)


def wheel_set(root: Root, name: str) -> list[Sample]:
    """The clips of OV-MERD+; gold `{"labels": [word, …]}`."""
    chosen = SETS[name]
    tables = {"test": Table(chosen.label, ("openset",), chosen.rows)}
    _, rows = read_table(_folder(root.data, chosen), tables, "test", root, SOURCE)
    return _built(root, chosen, items(rows, open_gold))


def _emotion(chosen: Set, fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    label = fields["emo"]
    if chosen.words and type(label) is int and 0 <= label < len(chosen.words):
        label = chosen.words[label]
    if not isinstance(label, str) or not label.strip() or (chosen.words and label not in chosen.words):
        legal = f"0 to {len(chosen.words) - 1} for {', '.join(chosen.words)}" if chosen.words else "a word"
        raise ValueError(f"the label is {label!r}; legal: {legal}")
    return {"labels": [label]}, {}


def _polarity(_: Set, fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    value = fields["val"]
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"the score is {value!r}; a number was expected")
    return {"label": "positive" if value > 0 else "negative" if value < 0 else "neutral"}, {"value": float(value)}


def _corpus_set(root: Root, chosen: Set, read: Read) -> list[Sample]:
    """The clips of a label file in its order. Raises ValueError with the file and the clip for what does not fit."""
    path = _folder(root.data, chosen) / chosen.label
    corpus = official_npz(path, source=SOURCE).get(chosen.corpus)
    if not isinstance(corpus, dict):
        raise ValueError(f"{path}: no dictionary {chosen.corpus!r} in it; {SOURCE}")
    found = []
    for key, fields in corpus.items():
        name = str(key)
        if not name.startswith(chosen.prefix):
            continue
        place = f"{path}, {chosen.corpus}, {name[:80]!r}"
        check_name(name, place)
        try:
            gold, meta = read(chosen, fields)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{place}: found {str(fields)[:80]}; {error}") from error
        group = (name.rpartition("_")[0] if chosen.grouped else "") or name
        found.append(Item(name, gold, meta={"group": group, **meta}))
    check_count(path, len(found), chosen.rows, root.options)
    return _built(root, chosen, found)


def _folder(base: Path, chosen: Set) -> Path:
    """The set's own folder, where `base` holds it; else `base`, which then is taken for it."""
    return base / chosen.folder if (base / chosen.folder).is_dir() else base


def _built(root: Root, chosen: Set, found: list[Item]) -> list[Sample]:
    folder = _folder(root.data, chosen)
    return build(
        folder,
        found,
        Root(root.data, root.media and _folder(root.media, chosen), root.options),
        subtitles=folder / chosen.spoken,
        source=SOURCE,
        videos=chosen.videos,
        sounds=chosen.sounds,
    )
