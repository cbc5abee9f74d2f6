"""The static EmoS part as published: which tables there are, how their rows are joined, one `Row` a clip.

CH-SIMS v2 (Chinese) and MELD-Core (English) were each annotated in two parts. The tables are joined by row order,
never by clip id: half of them store the ids as numbers, which makes "00012_0" 120 and lets two clips share one id.
Every joined row is checked by its text. The tier files of the release are not read, since they leave out the medium
tier; its manifest.csv is not read either, since it names files that do not exist.
Source: github.com/NLP2CT/EmoS, commit 4fd2d8c.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tasks.emos_repair import labels_of, repair_transcript
from tasks.emos_tables import CURE, Clip, Table, check_joined, parse, read_index, read_table
from tasks.labels import label_space

UNSURE = "unsure"
ANNOTATORS = 3
INDEX = "datasets/ch-simsv2s/meta.csv"
# Where the annotations lie below the folder that the user names: the repository, its datasets/ or data-final itself.
PLACES = ("datasets/data-final", "data-final", ".")


class Part(NamedTuple):
    """One of the four parts that were annotated and aggregated separately. Paths are relative to data-final."""

    name: str
    language: str
    labels: str
    soft: str
    votes: tuple[str, ...]
    books: tuple[tuple[str, str], ...]  # annotator book, its GoEmotions column


def _books(folder: str, files: str, column: str = "goemotion") -> tuple[tuple[str, str], ...]:
    return tuple((f"datasets/{folder}/{file}.xlsx", column) for file in files.split())


_SIMS, _MELD = "datasets/ch-simsv2s", "datasets/newdataset-MELD"
_SOFT_3000 = f"{_MELD}/Annotations-3000/analysis_outputs/goemotion/goemotion_soft_labels_first3000.xlsx"
_ALL_2000 = f"{_MELD}/Annotations-last-2000/analysis_outputs/basic7/annotated_with_ds_last2000.xlsx"
PARTS = (
    Part(
        name="first",
        language="zh",
        labels=f"{_SIMS}/First-2500/analysis_outputs/basic7/annotated_with_ds.xlsx",
        soft="Chinese/goemotion/front2500_training_data.xlsx",
        votes=("a1", "a2", "a3"),
        books=_books("ch-simsv2s/First-2500", "a1 a2 a3"),
    ),
    Part(
        name="latter",
        language="zh",
        labels=f"{_SIMS}/Last-2500/analysis_outputs_after2500/basic7/annotated_with_ds.xlsx",
        soft="Chinese/goemotion/after2500_training_data.xlsx",
        votes=("cp", "ljx", "wqf"),
        books=(
            *_books("ch-simsv2s/Last-2500", "chenpengyu liangjingxi"),
            *_books("ch-simsv2s/Last-2500", "wangqifeng", "goemotion-wqf"),
        ),
    ),
    Part(
        name="first3000",
        language="en",
        labels=_SOFT_3000,
        soft=_SOFT_3000,
        votes=(),
        books=_books(
            "newdataset-MELD/Annotations-3000",
            "annotator_rff_train_sent_emo annotator_csq_train_sent_emo annotator_lyx_train_sent_emo",
            "go-emotion",
        ),
    ),
    Part(
        name="last2000",
        language="en",
        labels=_ALL_2000,
        soft=_ALL_2000,
        votes=("basic_vote_a10", "basic_vote_a11", "basic_vote_a12"),
        books=_books("newdataset-MELD/Annotations-last-2000", "a10 a11 a12", "go-emotion"),
    ),
)
# By language: the columns of the released basic emotion and of its confidence.
BASIC_COLUMNS = {"zh": ("ds_label", "ds_confidence"), "en": ("basic_corrected", "basic_corrected_conf")}
# One utterance of the tables and of its first annotator's book was overwritten with another clip's text; this
# annotator's book (the second of three, and the third) still has the spoken one.
OVERWRITTEN = {"dia337_utt1": f"{_MELD}/Annotations-3000/annotator_csq_train_sent_emo.xlsx"}


@dataclass(frozen=True, slots=True)
class Row:
    """One clip of the release. `soft` counts annotators (0 to 3) by GoEmotions label, unsure included; the published
    soft label is that count / 3. `clip` is the path of the mp4 below the folder of its language's clips."""

    id: str
    part: str
    group: str
    clip: str
    text: str
    label: str
    confidence: float
    soft: Mapping[str, int]
    unique: int | None = None
    votes: tuple[str, ...] = ()
    original: str | None = None
    reason: str | None = None
    speaker: str | None = None


def find_base(data: Path) -> Path:
    """The folder `data-final` of the release, given the repository, its `datasets` folder or `data-final` itself.

    Raises ValueError with every place that was looked at, or with the tables that are missing.
    """
    tried = [data / place for place in PLACES]
    base = next((folder for folder in tried if (folder / INDEX).is_file()), None)
    if base is None:
        places = "\n  ".join(str(folder / INDEX) for folder in tried)
        raise ValueError(
            f"{data}: no EmoS annotations here; looked for\n  {places}\n"
            "Give the folder of the EmoS repository (the one that holds datasets/)."
        )
    wanted = dict.fromkeys(path for part in PARTS for path in (part.labels, part.soft))
    missing = [str(base / path) for path in wanted if not (base / path).is_file()]
    if missing:
        raise ValueError(f"{data}: the EmoS release is incomplete; missing:\n  " + "\n  ".join(missing) + f"\n{CURE}.")
    return base


@cache
def goemotions() -> tuple[str, ...]:
    """The 28 GoEmotions labels and unsure, as the tables name them."""
    return (*label_space("goemotions28").labels, UNSURE)


def _share(cell: str) -> float | None:
    value = float(cell)
    return value if 0 < value <= 1 else None


def _third(cell: str) -> int | None:
    # The tables print 1/3 with 15 or 16 digits; the count of annotators behind it is exact.
    thirds = float(cell) * ANNOTATORS
    count = round(thirds) if 0 <= thirds <= ANNOTATORS else -1
    return count if count >= 0 and abs(thirds - count) < 1e-6 else None


def _whole(cell: str) -> int | None:
    return int(cell) if cell.isascii() and cell.isdigit() else None


def _basic(table: Table, i: int, column: str) -> str:
    # The first 3,000 original MELD labels are in small letters, everything else in title case.
    legal = label_space("basic7").labels
    return parse(
        table, i, column, lambda cell: cell.title() if cell.title() in legal else None, f"one of {', '.join(legal)}"
    )


def _votes(table: Table, i: int, columns: Sequence[str]) -> tuple[str, ...]:
    return tuple(_basic(table, i, column) for column in columns)


UNION = "goemotion_union_size"


def _soft_columns() -> list[str]:
    return [UNION, *(f"goemotion_prob_{label}" for label in goemotions())]


def _soft(table: Table, i: int) -> dict[str, int]:
    """Annotators by GoEmotions label as released; the row's union size must agree."""
    soft = {label: parse(table, i, f"goemotion_prob_{label}", _third, "0, 1/3, 2/3 or 1") for label in goemotions()}
    union = sum(count > 0 for count in soft.values())
    parse(table, i, UNION, lambda cell: union if int(cell) == union else None, f"{union}, the labels of the row")
    return soft


def _counted(
    base: Path, part: Part, start: int, names: Sequence[str], keys: Sequence[Sequence[str]]
) -> list[dict[str, int]]:
    """Annotators by GoEmotions label, counted anew in the part's three books with misspelt labels mended.

    `names` are the columns that must agree with `keys`, row by row from book row `start`; the last one is the text.
    """
    soft: list[dict[str, int]] = [dict.fromkeys(goemotions(), 0) for _ in keys]
    for file, column in part.books:
        book = read_table(base / file, [*names, column])
        if book.rows < start + len(keys):
            raise ValueError(f"{book.path}: {book.rows} rows, at least {start + len(keys)} expected; {CURE}")
        for i, key in enumerate(keys):
            for name, value in zip(names, key, strict=True):
                if not (name == "Utterance" and f"dia{key[0]}_utt{key[1]}" in OVERWRITTEN):
                    check_joined(book, start + i, name, value, f"the row of part {part.name} it belongs to")
            try:
                found = labels_of(book.columns[column][start + i], goemotions())
            except ValueError as error:
                where = book.where(start + i, column)
                raise ValueError(
                    f"{where}: {error}; correct the cell, or read the release's own (labels=release)"
                ) from None
            for label in found:
                soft[i][label] += 1
    return soft


def _same_clip(cell: str, clip: Clip) -> bool:
    """Whether a table's id is the clip's, as text or as the number that Python reads in it ("00012_0" is 120)."""
    return cell == clip.clip or (cell != "" and cell.lstrip("0") == str(int(clip.clip)).lstrip("0"))


def _check_clip(table: Table, i: int, clip: Clip) -> None:
    origin = f"{Path(INDEX).name} has {clip.video}/{clip.clip} and"
    check_joined(table, i, "text", clip.text, origin)
    check_joined(table, i, "video_id", clip.video, origin)
    if not _same_clip(table.columns["clip_id"][i], clip):
        check_joined(table, i, "clip_id", clip.clip, origin)


def chinese(base: Path, mend: bool) -> Iterator[Row]:
    """The CH-SIMS v2 clips in the order of meta.csv. `mend`: count the soft labels anew in the annotators' books."""
    clips, start = read_index(base / INDEX), 0
    ids = ["video_id", "clip_id", "text"]
    label, confidence = BASIC_COLUMNS["zh"]
    for part in (part for part in PARTS if part.language == "zh"):
        basic = read_table(base / part.labels, [*ids, *part.votes, label, confidence, "unique_labels"])
        shares = read_table(base / part.soft, [*ids, *_soft_columns()])
        window = clips[start : start + basic.rows]
        for i, clip in enumerate(window):
            _check_clip(basic, i, clip)
        for i, clip in enumerate(window[: shares.rows]):
            _check_clip(shares, i, clip)
        for table in (basic, shares):
            if table.rows != len(window):
                raise ValueError(
                    f"{table.path}: {table.rows} rows, but {INDEX} and its twin have {len(window)}; {CURE}"
                )
        counted = _counted(base, part, start, ids, window) if mend else [_soft(shares, i) for i in range(len(window))]
        for i, clip in enumerate(window):
            yield Row(
                id=f"{clip.video}/{clip.clip}",
                part=part.name,
                group=clip.video,
                clip=f"{clip.video}/{clip.clip}.mp4",
                text=clip.text,
                label=_basic(basic, i, label),
                confidence=parse(basic, i, confidence, _share, "a number above 0 up to 1"),
                soft=counted[i],
                unique=parse(basic, i, "unique_labels", _whole, "a whole number"),
                votes=_votes(basic, i, part.votes),
            )
        start += len(window)
    if start != len(clips):
        raise ValueError(f"{base / INDEX}: {len(clips)} rows, but the label tables have {start}; {CURE}")


def english(base: Path, mend: bool) -> Iterator[Row]:
    """The MELD-Core clips in the order of the release. `mend` as for `chinese`."""
    start, seen = 0, set[str]()
    ids = ["Dialogue_ID", "Utterance_ID", "Utterance"]
    label, confidence = BASIC_COLUMNS["en"]
    basic = [label, confidence, "basic_correction_reason", "basic_orig", "Speaker"]
    for part in (part for part in PARTS if part.language == "en"):
        table = read_table(base / part.labels, [*ids, *basic, *part.votes, *_soft_columns()])
        keys = list(zip(*(table.columns[name] for name in ids), strict=True))
        counted = _counted(base, part, start, ids, keys) if mend else [_soft(table, i) for i in range(table.rows)]
        for i, (_, _, text) in enumerate(keys):
            dialogue, utterance = (parse(table, i, name, _whole, "a whole number") for name in ids[:2])
            uid = f"dia{dialogue}_utt{utterance}"
            if uid in seen:
                raise ValueError(f"{table.where(i, ids[0])}: {uid} occurs twice; {CURE}")
            seen.add(uid)
            yield Row(
                id=uid,
                part=part.name,
                group=f"dia{dialogue}",
                clip=f"{uid}.mp4",
                text=text,
                label=_basic(table, i, label),
                confidence=parse(table, i, confidence, _share, "a number above 0 up to 1"),
                soft=counted[i],
                votes=_votes(table, i, part.votes),
                original=_basic(table, i, "basic_orig"),
                reason=table.columns["basic_correction_reason"][i],
                speaker=table.columns["Speaker"][i].strip() or None,
            )
        start += table.rows


def _spoken(base: Path, uid: str) -> str:
    """The text of an overwritten utterance, from the book that still has it."""
    ids = ("Dialogue_ID", "Utterance_ID", "Utterance")
    book = read_table(base / OVERWRITTEN[uid], ids)
    for i in range(book.rows):
        dialogue, utterance, text = (book.columns[name][i] for name in ids)
        if uid == f"dia{dialogue}_utt{utterance}":
            return text
    raise ValueError(f"{book.path}: no row of {uid}, whose text stands only there; {CURE}")


def transcript(base: Path, row: Row, language: str, mend: bool) -> str:
    """The transcript of a row: as released, or mended (overwritten text replaced, apostrophes back, blanks off)."""
    if not mend:
        return row.text
    if language == "zh":
        return row.text.strip()
    return repair_transcript(_spoken(base, row.id) if row.id in OVERWRITTEN else row.text)
