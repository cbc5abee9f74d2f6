"""MELD: one of seven emotions for each utterance of a dialogue (scenes of a television series, in English).

`Root.data` is a clone of github.com/declare-lab/MELD, the unpacked MELD.Raw, or the folder with `test_sent_emo.csv`;
`Root.media` a folder that holds `output_repeated_splits_test/`, `dev_splits_complete/` and `train_splits/` (unpacked
MELD.Raw), where it is another one. Transcripts were written in one code page and read in another; the quotation marks
that this cost are put back.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tasks.emos_repair import repair_transcript
from tasks.labels import label_space
from tasks.mer_clips import find_clips
from tasks.mer_release import CLASS_METRICS, OPTIONS, check_count, home
from tasks.mer_tables import one_of, read_rows
from tasks.task import Media, OneOf, Root, Sample, Task

SOURCE = "it comes with github.com/declare-lab/MELD, the clips with MELD.Raw"
SIZES = {"test": 2_610, "dev": 1_109, "train": 9_989}
TABLES = ("data/MELD", "MELD.Raw", "data", "MELD/data/MELD")
CLIPS = {"test": "output_repeated_splits_test", "dev": "dev_splits_complete", "train": "train_splits"}
EMOTIONS = {label.lower(): label for label in label_space("basic7").labels}
COLUMNS = ("Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")
# The control characters U+0080 to U+009F are bytes of Windows-1252 that were taken for Latin-1.
LATIN = {code: bytes([code]).decode("cp1252", "ignore") for code in range(0x80, 0xA0)}


def spoken(cell: str) -> str:
    """The text of an utterance with its quotation marks, dashes and dots back."""
    return repair_transcript(cell.translate(LATIN))


def _whole(path: Path, number: int, cell: str) -> int:
    if not (cell.isascii() and cell.isdigit()):
        raise ValueError(f"{path}, row {number}: found {cell[:40]!r} where a whole number was expected; {SOURCE}")
    return int(cell)


def _clips(root: Root, split: str, names: Sequence[str]) -> dict[str, Media]:
    """The clips of a split, which has a folder of its own: the same names occur in every split."""
    base = root.media or root.data
    places = [base / name for name in ("", split, "MELD.Raw", f"MELD.Raw/{split}", "MELD")]
    folder = next((place for place in places if (place / CLIPS[split]).is_dir()), base)
    return find_clips(folder, dict.fromkeys(names), videos=(CLIPS[split],), told=root.media is not None)


def utterances(root: Root, split: str) -> list[Sample]:
    """The utterances of a split (test, dev, train) in the order of the table; gold `{"label": …}`.

    Ids are `diaD_uttU`, as the clips are called. `context` holds what was said before in the dialogue, `Speaker: text`.
    Raises ValueError for a missing or malformed table, an unknown emotion and an utterance that stands twice.
    """
    if split not in SIZES:
        raise ValueError(f"no split {split!r}; legal: {', '.join(SIZES)}")
    file = f"{split}_sent_emo.csv"
    path = home(root.data, TABLES, file) / file
    rows = list(read_rows(path, COLUMNS, source=SOURCE))
    check_count(path, len(rows), SIZES[split], root.options)
    said: dict[int, list[str]] = {}
    found: dict[str, Sample] = {}
    for row in rows:
        dialogue, number = (_whole(path, row.number, row.cells[name]) for name in COLUMNS[-2:])
        name, text = f"dia{dialogue}_utt{number}", spoken(row.cells["Utterance"])
        speaker = spoken(row.cells["Speaker"])
        if name in found:
            raise ValueError(f"{path}, row {row.number}: {name} occurs twice; {SOURCE}")
        found[name] = Sample(
            id=name,
            gold={"label": EMOTIONS[one_of(path, row, "Emotion", EMOTIONS)]},
            text=text,
            context=tuple(said.setdefault(dialogue, [])),
            meta={"dialogue": f"dia{dialogue}", "speaker": speaker, "sentiment": row.cells["Sentiment"]},
        )
        said[dialogue].append(f"{speaker}: {text}")
    clips = _clips(root, split, list(found))
    return [
        Sample(one.id, one.gold, one.text, (clips[one.id],), one.language, one.context, one.meta)
        for one in found.values()
    ]


MELD = Task(
    name="meld",
    version="1",
    source="Poria et al., MELD, ACL 2019; github.com/declare-lab/MELD@2d2011b",
    adapter=utterances,
    answer=OneOf(*label_space("basic7")),
    template="oneof_dialogue_json",
    metrics=CLASS_METRICS,
    group="dialogue",
    slices=("sentiment",),
    sizes=SIZES,
    splits=tuple(SIZES),
    options=OPTIONS,
)
