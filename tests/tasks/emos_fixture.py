"""A miniature EmoS release with every defect of the real one planted. All sentences are invented.

`release()` gives the files as plain tables (path below data-final -> rows, header first), `write()` puts them on disk;
a test changes a table in between to plant one defect more.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openpyxl import Workbook

from tasks.emos import Expected, read_samples
from tasks.task import Root, Sample

Rows = list[list[Any]]
_GO29 = """
admiration amusement anger annoyance approval caring confusion curiosity desire disappointment disapproval disgust
embarrassment excitement fear gratitude grief joy love nervousness optimism pride realization relief remorse sadness
surprise neutral unsure
"""
GO29 = _GO29.split()

# video, clip, text, three basic votes, label, confidence, three GoEmotions cells
ZH_FIRST = (
    ("video_0001", "0001", "今天下雨了。", "Joy Joy Joy", "Joy", 0.99, "joy", "joy;love", "joy"),
    ("video_0001", "0002", "把门关上 ", "Anger Anger Neutral", "Anger", 0.85, "anger;annoyance", "anger", "unsure"),
    ("video_xjzw", "00003", "None", "Fear Joy Sadness", "Sadness", 0.4, "fear", "confusion", "sadness"),
)
# 00001_0 and 00010 both become the number 10; the release gave the first one the soft labels of the second.
ZH_LATTER = (
    ("aqgy4_0005", "00012_0", "茶已经凉了", "Neutral Neutral Neutral", "Neutral", 1.0, "neutral", "neutral", "neutral"),
    ("aqgy4_0009", "00001_0", "谁把灯关了", "Surprise Surprise Fear", "Surprise", 0.9, "surprise", "surprise", "fear"),
    ("aqgy4_0009", "00010", "我们走吧", "Joy Joy Neutral", "Joy", 0.8, "joy", "optimism;joy", "neutral"),
    (
        "aqgy4_0009",
        "00026_0",
        "路很长",
        "Sadness Sadness Sadness",
        "Sadness",
        0.79,
        "sadness;grief",
        "grief",
        "sadness",
    ),
)
SOFT_TAKEN_FROM = {("aqgy4_0009", "00001_0"): ("aqgy4_0009", "00010")}

# dialogue, utterance, text, speaker, MELD emotion, label, confidence, reason, three GoEmotions cells
EN_FIRST = (
    (
        0,
        0,
        "I?m late? No, I don?t think so.",
        "Ann",
        "neutral",
        "Neutral",
        1,
        "high_goemotion",
        "neutral",
        "jou;joy",
        "",
    ),
    (0, 1, "Is that the key?", "Bob", "surprise", "Anger", 0.5, "high_goemotion", "anoyance", "anger", "realization"),
    (337, 1, "Good morning, all!", "NA", "joy", "Joy", 0.45, "agree_orig", "lovedesire", "joy;", "disdust"),
)
OVERWRITTEN = {(337, 1): "We?re closing at six."}  # what two of the three books still have
# … and the basic votes of the three annotators
EN_LAST = (
    (638, 3, "It隆炉s fine隆颅", "Cy", "joy", "Joy", 0.99, "ds_high_conf", "joy", "joy", "love", "Joy Joy Joy"),
    (
        638,
        4,
        "You know? I can?t.",
        "Ann",
        "fear",
        "Fear",
        0.49,
        "ds_low_conf",
        "",
        "realization" + " " * 900 + "re",
        "fear",
        "Fear Neutral Fear",
    ),
)

SIMS, MELD = "datasets/ch-simsv2s", "datasets/newdataset-MELD"
FIRST_BASIC = f"{SIMS}/First-2500/analysis_outputs/basic7/annotated_with_ds.xlsx"
LATTER_BASIC = f"{SIMS}/Last-2500/analysis_outputs_after2500/basic7/annotated_with_ds.xlsx"
FIRST_SOFT = "Chinese/goemotion/front2500_training_data.xlsx"
LATTER_SOFT = "Chinese/goemotion/after2500_training_data.xlsx"
FIRST_3000 = f"{MELD}/Annotations-3000/analysis_outputs/goemotion/goemotion_soft_labels_first3000.xlsx"
LAST_2000 = f"{MELD}/Annotations-last-2000/analysis_outputs/basic7/annotated_with_ds_last2000.xlsx"
ZH_BOOKS = {
    "first": [f"{SIMS}/First-2500/a{n}.xlsx" for n in (1, 2, 3)],
    "latter": [f"{SIMS}/Last-2500/{name}.xlsx" for name in ("chenpengyu", "liangjingxi", "wangqifeng")],
}
EN_BOOKS = {
    "first3000": [f"{MELD}/Annotations-3000/annotator_{name}_train_sent_emo.xlsx" for name in ("rff", "csq", "lyx")],
    "last2000": [f"{MELD}/Annotations-last-2000/a{n}.xlsx" for n in (10, 11, 12)],
}
META = f"{SIMS}/meta.csv"

# What a reader must find in it.
ROWS = {"first": 3, "latter": 4, "first3000": 3, "last2000": 2}
LABELS = {
    "first": {"Joy": 1, "Anger": 1, "Sadness": 1, "Fear": 0},
    "latter": {"Neutral": 1, "Surprise": 1, "Joy": 1, "Sadness": 1},
    "first3000": {"Neutral": 1, "Anger": 1, "Joy": 1},
    "last2000": {"Joy": 1, "Fear": 1},
}
TIERS = {
    "first": {"high": 1, "medium": 1, "low": 1},
    "latter": {"high": 2, "medium": 1, "low": 1},
    "first3000": {"high": 2, "low": 1},
    "last2000": {"high": 1, "low": 1},
}


ZH_IDS = [f"{video}/{clip}" for video, clip, *_ in (*ZH_FIRST, *ZH_LATTER)]
EN_IDS = [f"dia{dialogue}_utt{utterance}" for dialogue, utterance, *_ in (*EN_FIRST, *EN_LAST)]
EXPECTED = Expected(ROWS, LABELS, TIERS)


def read(
    data: Path,
    options: Mapping[str, str] | None = None,
    *,
    split: str = "all",
    compact: bool = True,
    media: Path | None = None,
    expected: Expected = EXPECTED,
) -> dict[str, Sample]:
    """The samples of a miniature release by id, in their order."""
    found = read_samples(Root(data, media, options or {}), split, compact, expected)
    assert len({sample.id for sample in found}) == len(found)
    return {sample.id: sample for sample in found}


def _released(cells: tuple[str, ...]) -> list[float]:
    """The soft labels as the release counts them: exact words only, except that it took "anoyance" for annoyance."""
    sets = [{word.strip().replace("anoyance", "annoyance") for word in cell.split(";")} for cell in cells]
    return [sum(label in words for words in sets) / 3 for label in GO29]


def _number(clip: str) -> int:
    return int(clip)  # Python reads "00012_0" as 120; so did the release


def _zh_basic(rows: tuple[tuple[Any, ...], ...], names: str, as_number: bool) -> Rows:
    header = ["video_id", "clip_id", "text", *names.split(), "ds_label", "ds_confidence", "unique_labels"]
    return [
        header,
        *(
            [video, _number(clip) if as_number else clip, text, *votes.split(), label, conf, len(set(votes.split()))]
            for video, clip, text, votes, label, conf, *_ in rows
        ),
    ]


def _zh_soft(rows: tuple[tuple[Any, ...], ...]) -> Rows:
    cells = {row[:2]: row[6:9] for row in rows}
    table: Rows = [["video_id", "clip_id", "text", *[None] * 5, "goemotion_union_size", *[None] * 3, *_probs()]]
    for video, clip, text, *_ in rows:
        shares = _released(cells[SOFT_TAKEN_FROM.get((video, clip), (video, clip))])
        union = sum(share > 0 for share in shares)
        # The release prints thirds with 15 digits.
        table.append([video, _number(clip), text, *[None] * 5, union, *[None] * 3, *(round(x, 15) for x in shares)])
    return table


def _probs() -> list[str]:
    return [f"goemotion_prob_{label}" for label in GO29]


def _zh_book(part: str, which: int, go: str, basic: str) -> Rows:
    table: Rows = [["video_id", "clip_id", "text", "label", "annotation", "mode", go, basic]]
    for name, rows in (("first", ZH_FIRST), ("latter", ZH_LATTER)):
        for video, clip, text, votes, *rest in rows:
            own = name == part
            blank = " " if part == "first" and which == 1 else ""  # one book has a blank after a text
            labels = [rest[2 + which], votes.split()[which]] if own else [None, None]
            table.append([video, clip, text + blank, -0.2, "Negative", "train", *labels])
    return table


def _en_table(rows: tuple[tuple[Any, ...], ...], annotators: str, lower: bool) -> Rows:
    votes = [] if lower else [f"basic_vote_{name}" for name in annotators.split()]
    header = [
        *("Sr No.", "Dialogue_ID", "Utterance_ID", "Utterance", "Speaker", "Emotion", "Sentiment"),
        *(f"go_{name}" for name in annotators.split()),
        *votes,
        *("goemotion_union_size", *_probs(), "basic_corrected", "basic_corrected_conf", "basic_correction_reason"),
        *("basic_orig", "basic_changed"),
    ]
    table: Rows = [header]
    for number, (dialogue, utterance, text, speaker, emotion, label, conf, reason, *rest) in enumerate(rows):
        shares = _released(tuple(rest[:3]))
        original = emotion if lower else emotion.title()
        table.append(
            [
                *(number, dialogue, utterance, text, speaker, emotion, "neutral"),
                *(rest[:3] if lower else [None] * 3),
                *(rest[3].split() if votes else []),
                *(sum(share > 0 for share in shares), *shares, label, conf, reason, original, label != emotion.title()),
            ]
        )
    return table


def _en_book(part: str, which: int) -> Rows:
    extra = [None] if part == "last2000" and which == 0 else []  # a translation without a header
    table: Rows = [["Sr No.", "Utterance", *extra, "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID", "go-emotion"]]
    for name, rows in (("first3000", EN_FIRST), ("last2000", EN_LAST)):
        for dialogue, utterance, text, speaker, emotion, *rest in rows:
            spoken = text if which == 0 else OVERWRITTEN.get((dialogue, utterance), text)
            cell = rest[3 + which] or None if part in (name, "last2000") else None
            note = ["译文"] if extra else []
            table.append([7, spoken, *note, speaker, emotion, dialogue, utterance, cell])
    return table


def release() -> dict[str, Rows]:
    """Path below data-final -> rows with the header first; meta.csv and the stale manifest among them."""
    tables: dict[str, Rows] = {
        META: [
            ["video_id", "clip_id", "text", "label", "annotation", "mode"],
            *([video, clip, text, -0.2, "Negative", "train"] for video, clip, text, *_ in (*ZH_FIRST, *ZH_LATTER)),
        ],
        "manifest.csv": [["release_path", "size_bytes"], ["datasets/data-final/annotator_radar_filled.csv", 12]],
        FIRST_BASIC: _zh_basic(ZH_FIRST, "a1 a2 a3", as_number=False),
        LATTER_BASIC: _zh_basic(ZH_LATTER, "cp ljx wqf", as_number=True),
        FIRST_SOFT: _zh_soft(ZH_FIRST),
        LATTER_SOFT: _zh_soft(ZH_LATTER),
        FIRST_3000: _en_table(EN_FIRST, "ren chen liu", lower=True),
        LAST_2000: _en_table(EN_LAST, "a10 a11 a12", lower=False),
    }
    for part, paths in ZH_BOOKS.items():
        for which, path in enumerate(paths):
            other = path.endswith("wangqifeng.xlsx")
            columns = ("goemotion-wqf", "7-emotion-wqf") if other else ("goemotion", "basic-7-class")
            tables[path] = _zh_book(part, which, *columns)
    for part, paths in EN_BOOKS.items():
        for which, path in enumerate(paths):
            tables[path] = _en_book(part, which)
    return tables


def write(folder: Path, tables: dict[str, Rows]) -> Path:
    """Writes the tables below folder/datasets/data-final and gives `folder` back."""
    for name, rows in tables.items():
        path = folder / "datasets/data-final" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".csv":
            path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
            continue
        book = Workbook()
        for row in rows:
            book.worksheets[0].append(row)
        book.save(path)
    return folder
