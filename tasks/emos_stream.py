"""EmoS, streaming part: 46 film clips, each with a timeline of utterances and their emotions; and clips of one's own.

`Root.data` is the EmoS repository (or a folder that `find_streaming` knows), `Root.media` a folder with the clips as
`TITLE/TITLE.mp4` or `TITLE.mp4`. Where no annotations are, every video below the folder is a sample without gold: so
long videos of one's own are annotated. Source: Guo et al., EmoS, ACL 2026; github.com/NLP2CT/EmoS, commit 4fd2d8c.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tasks.emos_stream_release import (
    CLIPS,
    Emotions,
    Sentences,
    Utterance,
    find_streaming,
    read_streaming,
    secondary_label,
    turning_points,
)
from tasks.emos_tables import CURE
from tasks.labels import label_space
from tasks.task import AnyOf, Media, OneOf, Root, Sample, Task, Timeline

# Named policies; the first value is the default. 73 of 1,044 secondary labels are no GoEmotions labels:
# drop leaves them out; null makes the whole set of such an utterance unknown.
OPTIONS = {"outside": ("drop", "null")}
VIDEOS = (".mp4", ".mkv", ".mov", ".webm", ".m4v", ".avi")
METRICS = (
    *("tl_accuracy", "tl_macro_f1", "tl_accuracy_matched", "tl_macro_f1_matched"),
    *("tl_secondary_micro_f1", "tl_secondary_macro_f1", "tl_intensity_mae", "tl_intensity_qwk"),
    *("tl_match_p", "tl_match_r", "tl_match_f1", "tl_iou50_f1", "tl_boundary_f1_1s"),
    *("tl_turn_p_1s", "tl_turn_r_1s", "tl_turn_f1_1s", "tl_turn_f1_2s", "tl_turn_type_1s", "tl_joint_f1_1s"),
    *("tl_time_agreement", "tl_time_macro_f1", "tl_time_weighted_f1", "tl_valence_dtw"),
)
KIND = Timeline(OneOf(*label_space("basic7")), AnyOf(*label_space("goemotions28")))


class Counts(NamedTuple):
    """How many clips, utterances and sentences a release holds."""

    clips: int
    utterances: int
    sentences: int


PUBLISHED = Counts(CLIPS, 447, 1694)


def samples(root: Root, split: str) -> Iterator[Sample]:
    """The clips by title, gold being their timelines (see `timeline`); or one's own videos, without gold.

    `meta`: film (the title), language, duration_s (annotated clips), source (the recording that the clip was cut from),
    sentences ([start, end, text] each, seconds from the start of the clip), turning_points, and outside (the secondary
    labels that are no GoEmotions labels, as written). Of one's own videos only film (the name) is known.
    `root.options`: see OPTIONS. Raises ValueError for a changed release, an unknown split, and folders without clips.
    """
    return iter(read_samples(root, split, PUBLISHED))


def read_samples(root: Root, split: str, expected: Counts | None) -> list[Sample]:
    """`samples` of a release that holds what `expected` says (None: anything)."""
    if split != "all":
        raise ValueError(f"EmoS streaming has no split {split!r}; legal: all")
    policy = root.options.get("outside", OPTIONS["outside"][0])
    if policy not in OPTIONS["outside"]:
        raise ValueError(f"EmoS streaming has no option outside = {policy!r}; legal: {', '.join(OPTIONS['outside'])}")
    try:
        base = find_streaming(root.data)
    except ValueError as error:
        own = own_videos(root.media or root.data)
        if not own:
            raise ValueError(f"{error}\nand no video of one's own ({', '.join(VIDEOS)}) lies there") from None
        return own
    clips = list(read_streaming(base, expected and expected.clips))
    if expected is not None:
        found = Counts(len(clips), sum(len(e.utterances) for e, _ in clips), sum(len(s.sentences) for _, s in clips))
        if found != expected:
            raise ValueError(f"{base}: {found} there, {expected} expected; {CURE}")
    paths = find_clips(root.media or base, [emotions.title for emotions, _ in clips], strict=root.media is not None)
    return [_sample(emotions, told, paths[emotions.title], policy) for emotions, told in clips]


def own_videos(folder: Path) -> list[Sample]:
    """Every video below `folder`, by path, without gold. The id is the path below the folder, without the suffix where
    that is unique."""
    if not folder.is_dir():
        return []
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEOS and path.is_file())
    names = [path.relative_to(folder).with_suffix("").as_posix() for path in found]
    ids = [
        name if names.count(name) == 1 else path.relative_to(folder).as_posix()
        for name, path in zip(names, found, strict=True)
    ]
    return [
        Sample(id=name, gold=None, media=(Media("video", path),), meta={"film": name})
        for name, path in zip(ids, found, strict=True)
    ]


def find_clips(folder: Path, titles: Iterable[str], strict: bool) -> dict[str, Path]:
    """Title -> where its mp4 should lie: `TITLE/TITLE.mp4`, or `TITLE.mp4` where only that is there.

    Raises ValueError, if `strict`, when not a single clip is there; a missing one is the business of a later stage.
    """
    paths, found = {}, False
    for title in titles:
        places = (folder / title / f"{title}.mp4", folder / f"{title}.mp4")
        there = [path for path in places if path.is_file()]
        paths[title] = there[0] if there else places[0]
        found = found or bool(there)
    if strict and not found:
        names = ", ".join(f"{title}/{title}.mp4" for title in list(paths)[:2])
        raise ValueError(f"{folder}: no streaming clip of EmoS here; looked for {names}, …, also without the folders")
    return paths


def timeline(emotions: Emotions, policy: str = "drop") -> dict[str, Any]:
    """A clip's annotations in the shape of an answer. Secondary labels are made plain ("grief 😢" is grief), each once;
    `policy` says what becomes of labels outside GoEmotions (see OPTIONS)."""
    return {
        "summary": emotions.summary,
        "trend": {"dominant": emotions.dominant, "trajectory": emotions.trajectory},
        "utterances": [_utterance(utterance, policy) for utterance in emotions.utterances],
    }


def _utterance(utterance: Utterance, policy: str) -> dict[str, Any]:
    known = [label for label in _plain(utterance) if label in KIND.secondary.labels]
    return {
        "start": float(utterance.start_s),
        "end": float(utterance.end_s),
        "speaker": utterance.speaker or None,
        "transcript_zh": utterance.transcript_zh or None,
        "transcript_en": utterance.transcript_en or None,
        "primary": utterance.primary,
        "secondary": None if policy == "null" and len(known) < len(_plain(utterance)) else known,
        "intensity": utterance.intensity,
        "audio_cues": utterance.audio_cues or None,
        "visual_cues": utterance.visual_cues or None,
        "evidence": utterance.evidence or None,
    }


def _plain(utterance: Utterance) -> list[str]:
    return list(dict.fromkeys(secondary_label(word) for word in utterance.secondary))


def _sample(emotions: Emotions, told: Sentences, path: Path, policy: str) -> Sample:
    outside = [word for one in emotions.utterances for word in _plain(one) if word not in KIND.secondary.labels]
    meta: Mapping[str, Any] = {
        "film": emotions.title,
        "language": told.language,
        "duration_s": round(told.duration_s, 3),
        "source": told.source,
        "turning_points": turning_points([utterance.primary for utterance in emotions.utterances]),
        "outside": outside,
        "sentences": [[one.start_s, one.end_s, one.text] for one in told.sentences],
    }
    return Sample(
        id=emotions.title,
        gold=timeline(emotions, policy),
        media=(Media("video", path),),
        language=told.language,
        meta=meta,
    )


EMOS_STREAM = Task(
    name="emos-stream",
    version="1",
    source="Guo et al., EmoS, ACL 2026; github.com/NLP2CT/EmoS@4fd2d8c",
    adapter=samples,
    answer=KIND,
    template="emos_stream_json",
    metrics=METRICS,
    group="film",
    slices=("language",),
    sizes={"all": CLIPS},
    options=OPTIONS,
)
