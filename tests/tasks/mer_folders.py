"""Folders in the real layouts of the MER releases, MELD and GoEmotions, with invented rows and small drawn clips.

`write_mer2025(folder, clips=12, seed=0)` and its siblings give `folder` back. Gold is what the clips were drawn from,
so a model can learn it; the tables carry the traps of the real ones: commas, quotation marks and line breaks in cells,
the word "None", empty English subtitles, both syntaxes of label lists, repeated names. Counts are not the published
ones: read with the option counts=any.
"""

from __future__ import annotations

import csv
import wave
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.labels import label_space
from tasks.synthetic.clip import draw_clip, write_clip
from tasks.synthetic.sentences import neutral_sentence
from tasks.task import Root

ANY = {"counts": "any"}
SIX = label_space("mer6").labels
DRAWN = dict(zip(SIX, ("Neutral", "Anger", "Joy", "Sadness", "Fear", "Surprise"), strict=True))
WORDS = {
    "neutral": ["calm"],
    "angry": ["angry", "annoyed"],
    "happy": ["happy", "excited"],
    "sad": ["sad", "disappointed"],
    "worried": ["worried", "nervous", "anxious"],
    "surprise": ["surprised"],
}
CUES = {
    "neutral": "an even voice and a face at rest",
    "angry": 'a rough, loud voice and "knitted" brows',
    "happy": "a smile that grows",
    "sad": "a smile that fades",
    "worried": "a high, trembling voice",
    "surprise": "a voice that rises",
}


def rooted(folder: Path, **options: str) -> Root:
    """The root of a written folder, with counts=any."""
    return Root(folder, None, {**ANY, **options})


def table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    """Writes a csv file as pandas does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path


def clip(path: Path, label: str, seed: int, *, seconds: float = 0.6, language: str = "zh") -> None:
    """One small clip of a label of mer6: a video, or the sound alone where `path` is a .wav."""
    frames, sound = draw_clip(DRAWN[label], language, "你好，今天天气不错。", seed % 4, seed, 1.0, seconds, 64)
    if path.suffix != ".wav":
        write_clip(path, frames, sound)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((sound * 32_767).astype("<i2").tobytes())


def labels(count: int) -> list[str]:
    """The six labels in turn."""
    return [SIX[i % len(SIX)] for i in range(count)]


def subtitles(path: Path, names: Sequence[str], seed: int) -> None:
    """A table name,chinese,english: of every four clips the second has no English, the third says "None"."""
    rng = np.random.default_rng(seed)
    rows = [["someone_else", "没有人要的一行", 'A row that nobody asks for, "really".']]
    for i, name in enumerate(names):
        chinese, english = neutral_sentence("zh", rng), neutral_sentence("en", rng)
        english = {1: "", 2: "None", 3: f'He said: "{english}",\nand left.'}.get(i % 4, english)
        rows.append([name, chinese, english])
    table(path, ("name", "chinese", "english"), rows)


def bracketed(words: Sequence[str]) -> str:
    return "[" + ", ".join(words) + "]"


def reason(label: str) -> str:
    return f"One notices {CUES[label]}. Together with the words,\nthis says: {', '.join(WORDS[label])}."


def _release(
    folder: Path, clips: int, seed: int, audio_only: int, places: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Clips in `places` in turn, subtitles; gives the names and their labels."""
    names, truth = [f"sample_{seed:03d}{i:05d}" for i in range(clips)], labels(clips)
    for i, (name, label) in enumerate(zip(names, truth, strict=True)):
        if i >= clips - audio_only:
            clip(folder / "audio" / f"{name}.wav", label, seed * 1000 + i)
        else:
            clip(folder / places[i % len(places)] / f"{name}.mp4", label, seed * 1000 + i)
    subtitles(folder / "subtitle_chieng.csv", names, seed)
    return names, truth


def write_mer2025(folder: Path, clips: int = 12, seed: int = 0, *, audio_only: int = 0) -> Path:
    """MER2025: the first half of the clips are training clips, the second are candidates and test."""
    names, truth = _release(folder, clips, seed, audio_only, ["video"])
    pairs = list(zip(names, truth, strict=True))
    train, test = pairs[: clips // 2], pairs[clips // 2 :]
    table(folder / "track_all_candidates.csv", ["name"], [[name] for name, _ in test])
    table(folder / "track1_train_disdim.csv", ["name", "discrete", "valence"], [[n, label, 0.5] for n, label in train])
    table(folder / "track1_test_dis.csv", ["name", "discrete"], test)
    for part in ("ovmerd", "mercaptionplus"):
        rows = [[name, bracketed(WORDS[label])] for name, label in train]
        table(folder / f"track2_train_{part}.csv", ["name", "openset"], rows)
        table(folder / f"track3_train_{part}.csv", ["name", "reason"], [[name, reason(label)] for name, label in train])
    table(folder / "track2_test.csv", ["name", "openset"], [[name, bracketed(WORDS[label])] for name, label in test])
    return folder


def write_mer2026(folder: Path, clips: int = 12, seed: int = 0, *, audio_only: int = 0) -> Path:
    """MER2026: as MER2025, in sub-folders as the archives unpack; in Prefer a1 and a2 are right in turn."""
    places = ["video/video_track1_train", "video/video_track2_train_human", "video"]
    names, truth = _release(folder, clips, seed, audio_only, places)
    pairs = list(zip(names, truth, strict=True))
    train, test = pairs[: clips // 2], pairs[clips // 2 :]
    table(folder / "track1_train.csv", ["name", "discrete"], train)
    table(folder / "track1_test.csv", ["name", "discrete"], test)
    table(folder / "track1_track2_candidate.csv", ["name"], [[name] for name, _ in test])
    plain = [[name, ",".join(WORDS[label])] for name, label in train]
    table(folder / "track2_train_human.csv", ["name", "openset"], plain)
    rows = [[name, bracketed(WORDS[label])] for name, label in train]
    table(folder / "track2_train_mercaptionplus.csv", ["name", "openset"], rows)
    table(folder / "track2_test.csv", ["name", "openset"], [[n, ",".join(WORDS[label])] for n, label in test])
    write_prefer(folder, pairs)
    return folder


def write_prefer(folder: Path, pairs: Sequence[tuple[str, str]]) -> None:
    """The tables of MER2026-Prefer; in the second stage every other clip occurs twice."""
    rows = [_judged(i, name, label) for i, (name, label) in enumerate(pairs)]
    half = len(rows) // 2
    again = [row for i, row in enumerate(rows[half:]) for _ in range(1 + i % 2)]
    header = ["name", "a1", "a2", "preference"]
    for file, kept in (
        ("track3_emoprefer.csv", rows[:half]),
        ("track3_emopreferv2.csv", rows[:half]),
        ("track3_test.csv", rows[half:]),
        ("stage2_track3_test.csv", again),
    ):
        table(folder / file, header, kept)
    table(folder / "track3_candidate.csv", header[:3], [row[:3] for row in rows[half:]])
    table(folder / "stage2_track3_candidate.csv", header[:3], [row[:3] for row in again])


def _judged(i: int, name: str, label: str) -> list[str]:
    right, wrong = reason(label), reason(SIX[(SIX.index(label) + 1 + i % 4) % len(SIX)])
    if i % 7 == 6:
        return [name, right, right.replace("\n", "\t"), "same"]
    return [name, right, wrong, "a1"] if i % 2 == 0 else [name, wrong, right, "a2"]


def write_mer2024(folder: Path, clips: int = 6, seed: int = 0) -> Path:
    """MER2024-OV: candidates in video-unlabeled, a transcript table with Chinese alone, checked labels."""
    names, truth = [f"samplenew_{seed:03d}{i:05d}" for i in range(clips)], labels(clips)
    for i, (name, label) in enumerate(zip(names, truth, strict=True)):
        clip(folder / "video-unlabeled" / f"{name}.mp4", label, seed * 1000 + i)
    table(folder / "track-ov-candidates.csv", ["name"], [[name] for name in names])
    rows = [[name, str(WORDS[label])] for name, label in zip(names, truth, strict=True)]
    table(folder / "check-openset.csv", ["name", "openset"], rows)
    rng = np.random.default_rng(seed)
    table(folder / "transcription_merge.csv", ["name", "chinese"], [[n, neutral_sentence("zh", rng)] for n in names])
    return folder


MELD_WORDS = ("anger", "joy", "sadness", "neutral", "disgust", "fear", "surprise")
IEMOCAP_WORDS = ("happy", "sad", "neutral", "anger")
_MELD_OF = {"angry": 0, "happy": 1, "sad": 2, "neutral": 3, "worried": 5, "surprise": 6}
_IEMOCAP_OF = {"happy": 0, "sad": 1, "neutral": 2, "worried": 2, "surprise": 2, "angry": 3}
_SIGN = {"happy": 1.0, "surprise": 0.4, "neutral": 0.0, "worried": -0.2, "sad": -0.8, "angry": -1.0}
# set -> folder, pattern of names, folder of videos, label file, dictionary, field
UNIBENCH = {
    "mer2023": ("mer2023-dataset-process", "sample_{i:08d}", "video", "label-6way.npz", "test1_corpus", "emo"),
    "mer2024": ("mer2024-dataset-process", "samplenew_{i:08d}", "video", "label-6way.npz", "test1_corpus", "emo"),
    "meld": ("meld-process", "test_dia{d}_utt{i}", "subvideo", "label.npz", "test_corpus", "emo"),
    "iemocap": ("iemocap-process", "Ses05F_impro{d}_F{i:03}", "subvideo-tgt", "label_4way.npz", "whole_corpus", "emo"),
    "mosi": ("cmumosi-process", "-{d}dI--eQ6q_{i}", "subvideo", "label.npz", "test_corpus", "val"),
    "mosei": ("cmumosei-process", "_{d}mkq1g_{i}", "subvideo_new", "label.npz", "test_corpus", "val"),
    "sims": ("sims-process", "video_{d:04d}_{i:04d}", "video", "label.npz", "test_corpus", "val"),
    "simsv2": ("simsv2-process", "aqgy3_{d:04d}_{i:05d}", "video_new", "label.npz", "test_corpus", "val"),
}  # fmt: skip


def write_unibench(folder: Path, clips: int = 6, seed: int = 0, *, sets: Sequence[str] = ()) -> Path:
    """The nine processed folders of MER-UniBench, or those of `sets` (names of UNIBENCH and ovmerd-plus)."""
    for chosen in sets or (*UNIBENCH, "ovmerd-plus"):
        if chosen == "ovmerd-plus":
            _ovmerd_plus(folder / "ovmerdplus-process", clips, seed)
        else:
            _corpus_set(folder, chosen, clips, seed)
    return folder


def _corpus_set(folder: Path, chosen: str, clips: int, seed: int) -> None:
    place, pattern, videos, file, corpus, key = UNIBENCH[chosen]
    truth = dict(zip((pattern.format(d=i // 3, i=i) for i in range(clips)), labels(clips), strict=True))
    for i, (name, label) in enumerate(truth.items()):
        ending = "avi" if chosen == "iemocap" else "mp4"
        clip(folder / place / videos / f"{name}.mp4", label, seed * 1000 + i)
        if ending == "avi":
            (folder / place / videos / f"{name}.mp4").rename(folder / place / videos / f"{name}.avi")
    if chosen == "meld":
        gold: dict[str, Any] = {name: {"emo": np.int64(_MELD_OF[label]), "val": -10} for name, label in truth.items()}
    elif chosen == "iemocap":
        gold = {name: {"emo": _IEMOCAP_OF[label]} for name, label in truth.items()}
        gold["Ses01F_impro01_F000"] = {"emo": 1}  # of another recording session, which is no test clip
    elif key == "val":
        gold = {name: {"emo": 0, "val": np.float32(_SIGN[label])} for name, label in truth.items()}
    else:
        gold = {name: {"emo": np.str_(label)} for name, label in truth.items()}
    arrays: dict[str, Any] = {"train_corpus": np.array({}), corpus: np.array(gold)}
    np.savez_compressed(folder / place / file, **arrays)
    spoken = "transcription_merge.csv" if chosen == "mer2024" else "transcription-engchi-polish.csv"
    subtitles(folder / place / spoken, list(truth), seed)


def _ovmerd_plus(folder: Path, clips: int, seed: int) -> None:
    names, truth = [f"sample_{i:08d}" for i in range(clips)], labels(clips)
    for i, (name, label) in enumerate(zip(names, truth, strict=True)):
        clip(folder / "video" / f"{name}.mp4", label, seed * 1000 + i)
    rows = [[name, bracketed(WORDS[label])] for name, label in zip(names, truth, strict=True)]
    table(folder / "ovlabel.csv", ["name", "openset"], rows)
    rng = np.random.default_rng(seed)
    table(folder / "subtitle_eng.csv", ["name", "sentence"], [[name, neutral_sentence("en", rng)] for name in names])


MELD_HEADER = ["Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID", "Season",
               "Episode", "StartTime", "EndTime"]  # fmt: skip
MELD_CLIPS = {"test": "output_repeated_splits_test", "dev": "dev_splits_complete", "train": "train_splits"}
_MELD_NAMES = {"angry": "anger", "happy": "joy", "sad": "sadness", "neutral": "neutral", "worried": "fear",
               "surprise": "surprise"}  # fmt: skip


def write_meld(folder: Path, dialogues: int = 3, seed: int = 0) -> Path:
    """MELD.Raw: three tables, and the clips of each split under SPLIT/; in each dialogue two utterances are missing."""
    for number, split in enumerate(MELD_CLIPS):
        rows: list[list[Any]] = []
        for dialogue in range(dialogues):
            for place, utterance in enumerate((0, 1, 2, 5)):
                label = SIX[(dialogue + place + number) % len(SIX)]
                text = ("It\x92s here, I\x92m sure\x85", 'She said, "\x93Come in!\x94"', "No.", "Isn't it?")[place]
                rows.append([len(rows) + 1, text, ("Ann", "Bob")[place % 2], _MELD_NAMES[label], "neutral", dialogue,
                             utterance, 8, 21, "00:16:16,059", "00:16:21,731"])  # fmt: skip
                path = folder / split / MELD_CLIPS[split] / f"dia{dialogue}_utt{utterance}.mp4"
                clip(path, label, seed * 1000 + number * 100 + len(rows), language="en")
        table(folder / f"{split}_sent_emo.csv", MELD_HEADER, rows)
    return folder


def write_goemotions(folder: Path, rows: int = 12, seed: int = 0) -> Path:
    """The three tsv files and emotions.txt, as the release has them below data/."""
    names = label_space("goemotions28").labels
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "data" / "emotions.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    for split in ("train", "dev", "test"):
        lines = [
            f'That "one, [NAME] thing" makes me feel {names[i % 28]}\t{i % 28}{f",{27 - i % 28}" if i % 3 == 0 else ""}'
            f"\te{split}{seed}x{i:03d}"
            for i in range(rows)
        ]
        (folder / "data" / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def write_personality(folder: Path, subjects: int = 6, files: int = 2, seed: int = 0) -> Path:
    """MER2025-PR: subjects 1, 2, … in turn train, val, and without a part (candidates), each with some clips."""
    rng = np.random.default_rng(seed)
    parts = [(number, ("train", "val", "")[number % 3]) for number in range(1, subjects + 1)]
    table(folder / "partition3.csv", ["id", "partition"], [row for row in parts if row[1]])
    header = ["id", "Extraversion", "Agreeableness", "Conscientiousnes", "Neuroticism", "Open Mindedness"]
    scores = [[number, *rng.uniform(0, 1, 5).round(4)] for number, _ in parts]
    table(folder / "label_personality_normalized3.csv", header, scores)
    for number, _ in parts:
        for i in range(files):
            clip(
                folder / "video" / f"{number:03d}" / f"{i + 1}.mp4",
                SIX[(number + i) % 6],
                seed * 1000 + number * 10 + i,
            )
    return folder
