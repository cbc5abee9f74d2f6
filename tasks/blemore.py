"""BLEMORE: short clips of actors who show one emotion, or a blend of two, without words; which, and in what proportion.

`Root.data` is the folder with train_metadata.csv; the clips (.mov, or .mp4 made of them) lie below it or below
`Root.media` (PLACES). The file name of a train clip is its label (`clip_name`); the csv gives the fold. The clips of
the test set have anonymous names and no gold: a server scores them.

Source: Lachmann et al., arXiv 2601.13225; data Zenodo 17787362, names and folds as github.com/BlEmoRe/blemore-common
(commit 98e6236) uses them.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tasks.emos_tables import short
from tasks.labels import label_space
from tasks.mer_release import OPTIONS
from tasks.task import Blend, Media, Root, Sample, Task

LABELS = label_space("blemore6").labels
NEUTRAL = "neu"
GRID = (30, 50, 70)
TABLE = "train_metadata.csv"
FOLDS = ("fold0", "fold1", "fold2", "fold3", "fold4")
SPLITS = ("train", *FOLDS, "test")
EXTENSIONS = (".mov", ".mp4")  # the release's own first
# Where the clips of a side (train or test) may lie below the media folder; the first place that holds one is taken.
PLACES = ("{side}", "videos/{side}", "{side}_videos", "data/{side}", "videos", ".")
CURE = "take the file from the release as published (Zenodo 17787362)"

_NAME = re.compile(
    r"(?P<actor>A[0-9]{1,6})_"
    r"(?:mix_(?P<first>[a-z]+)_(?P<second>[a-z]+)_(?P<share>30|50|70)_(?P<rest>30|50|70)"
    r"|neu_sit(?P<situation>[1-4])|(?P<single>[a-z]+)_int(?P<intensity>[1-4]))"
    r"_ver(?P<version>[0-9]{1,3})(?P<extension>\.[A-Za-z0-9]{1,5})?",
    re.ASCII,
)
LEGAL_NAMES = "A<id>_<emotion>_int<1-4>_ver<n>, A<id>_neu_sit<1-4>_ver<n>, A<id>_mix_<e1>_<e2>_<s1>_<s2>_ver<n>"


class ClipName(NamedTuple):
    """What the name of a train clip says. `emotions`: emotion -> share in percent, in label order; one has 100."""

    stem: str
    actor: str
    emotions: Mapping[str, int]
    intensity: int | None
    situation: int | None
    version: int

    @property
    def value(self) -> dict[str, Any]:
        """The gold: `{"emotions": [{"emotion": str, "salience": int}]}`."""
        return {"emotions": [{"emotion": name, "salience": share} for name, share in self.emotions.items()]}


def clip_name(name: str) -> ClipName:
    """Reads the name of a train clip, with or without an extension; ValueError, with what is legal, for any other."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"{short(name)} is no name of a labelled clip; legal are {LEGAL_NAMES}")
    if found["first"]:
        shares = {found["first"]: int(found["share"]), found["second"]: int(found["rest"])}
        legal = [label for label in LABELS if label != NEUTRAL]
        if len(shares) < 2 or sum(shares.values()) != 100:
            raise ValueError(f"{short(name)}: a blend has two emotions with shares 30_70, 50_50 or 70_30")
    else:
        shares = {found["single"] or NEUTRAL: 100}
        legal = [NEUTRAL] if found["situation"] else [label for label in LABELS if label != NEUTRAL]
    for emotion in shares:
        if emotion not in legal:
            raise ValueError(f"{short(name)}: emotion {emotion!r}; legal here: {', '.join(legal)}")
    return ClipName(
        name.removesuffix(found["extension"] or ""),
        found["actor"],
        {label: shares[label] for label in LABELS if label in shares},
        int(found["intensity"]) if found["intensity"] else None,
        int(found["situation"]) if found["situation"] else None,
        int(found["version"]),
    )


@dataclass(frozen=True, slots=True)
class Expected:
    """What a release must hold; an empty field is not checked. `folds`: (clips, blends, actors) of each fold. `singles`
    and `blends`: clips by emotion and by pair (`ang+hap`). `test`: number of test clips."""

    rows: int | None = None
    actors: int | None = None
    folds: Sequence[tuple[int, int, int]] = ()
    singles: Mapping[str, int] = field(default_factory=dict)
    blends: Mapping[str, int] = field(default_factory=dict)
    ratios: Mapping[str, int] = field(default_factory=dict)
    test: int = 0


PUBLISHED = Expected(
    rows=2456,
    actors=47,
    folds=((522, 280, 10), (486, 270, 9), (468, 240, 9), (472, 240, 9), (508, 296, 10)),
    singles={"ang": 182, "disg": 187, "fea": 192, "hap": 192, "sad": 189, "neu": 188},
    blends={
        **{"ang+disg": 135, "ang+fea": 140, "ang+hap": 140, "ang+sad": 136, "disg+fea": 136},
        **{"disg+hap": 126, "disg+sad": 129, "fea+hap": 128, "fea+sad": 126, "hap+sad": 130},
    },
    ratios={"30/70": 443, "50/50": 441, "70/30": 442},
    test=594,
)
SIZES = {
    "train": 2456,
    **{name: fold[0] for name, fold in zip(FOLDS, PUBLISHED.folds, strict=True)},
    "test": 594,
}


class Row(NamedTuple):
    """One row of the table: what the name says, and the fold, None where the table has no such column."""

    name: ClipName
    fold: int | None


def read_table(path: Path) -> list[Row]:
    """The rows of train_metadata.csv in order. Needed: `filename`; used: `fold`; other columns may be there or not.

    Raises ValueError, with file and row, for a missing file or column, a name that says no label, a clip that occurs
    twice, a fold that is none and an actor in two folds.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = list(csv.DictReader(file))
    except FileNotFoundError:
        raise ValueError(
            f"{path} was looked for; is --data right? Give the folder that holds {TABLE} of the release"
        ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a readable UTF-8 csv file ({error}); {CURE}") from error
    if not table or "filename" not in table[0]:
        raise ValueError(f"{path}: no rows, or no column 'filename'; {CURE}")
    rows: list[Row] = []
    lines: dict[str, int] = {}
    homes: dict[str, int | None] = {}
    for line, cells in enumerate(table, 2):  # row 1 is the header
        where = f"{path}, row {line}"
        try:
            row = Row(clip_name((cells["filename"] or "").strip()), _fold(cells.get("fold"), "fold" in cells))
        except ValueError as error:
            raise ValueError(f"{where}: {error}; {CURE}") from None
        if row.name.stem in lines:
            raise ValueError(f"{where}: {row.name.stem} is already in row {lines[row.name.stem]}; {CURE}")
        lines[row.name.stem] = line
        home = homes.setdefault(row.name.actor, row.fold)
        if home != row.fold:
            raise ValueError(f"{where}: actor {row.name.actor} is in fold {home} and in fold {row.fold}; {CURE}")
        rows.append(row)
    return rows


def _fold(cell: str | None, given: bool) -> int | None:
    """The number of a fold (a spreadsheet may have made 0 into 0.0), None where the table has no folds."""
    if not given:
        return None
    text = (cell or "").strip().removesuffix(".0")
    if text not in ("0", "1", "2", "3", "4"):
        raise ValueError(f"column 'fold': found {short(cell or '')}, legal are 0 to 4")
    return int(text)


def _compare(path: Path, expected: Expected, rows: Sequence[Row]) -> None:
    """Raises ValueError if the table does not hold what it should; names the file and what was counted."""
    blends = [row for row in rows if len(row.name.emotions) == 2]
    checks: list[tuple[str, Mapping[Any, int], Mapping[Any, int]]] = [
        ("clips", {"in all": expected.rows or len(rows)}, {"in all": len(rows)}),
        ("actors", {"in all": expected.actors or 0} if expected.actors else {}, {"in all": len(_actors(rows))}),
        ("clips of one emotion", expected.singles, Counter(_single(row.name) for row in rows)),
        ("clips of a blend", expected.blends, Counter(_blend(row.name) for row in rows)),
        ("blends", expected.ratios, Counter(_ratio(row.name) for row in rows)),
    ]
    if rows and rows[0].fold is not None and expected.folds:
        for place, what in enumerate(("clips in fold", "blends in fold")):
            found = Counter(row.fold for row in (rows, blends)[place])
            checks.append((what, {fold: counts[place] for fold, counts in enumerate(expected.folds)}, found))
        found = Counter({fold: len(_actors(rows, fold)) for fold in range(len(expected.folds))})
        checks.append(("actors in fold", {fold: counts[2] for fold, counts in enumerate(expected.folds)}, found))
    for what, wanted, counted in checks:
        for key, number in wanted.items():
            if counted.get(key, 0) != number:
                raise ValueError(f"{path}: {what} {key}: expected {number}, found {counted.get(key, 0)}. {CURE}.")


def _actors(rows: Sequence[Row], fold: int | None = None) -> set[str]:
    return {row.name.actor for row in rows if fold is None or row.fold == fold}


def _single(name: ClipName) -> str | None:
    return next(iter(name.emotions)) if len(name.emotions) == 1 else None


def _blend(name: ClipName) -> str | None:
    return "+".join(name.emotions) if len(name.emotions) == 2 else None


def _ratio(name: ClipName) -> str | None:
    """`70/30`: the share of the emotion that comes first in label order, then that of the other."""
    return "/".join(map(str, name.emotions.values())) if len(name.emotions) == 2 else None


def find_clips(root: Root, side: str, stems: Sequence[str]) -> dict[str, Path]:
    """Stem -> where its clip lies, or should lie (a missing file is the business of a later stage).

    `side` is train or test. The first of PLACES that holds any of the clips is taken. Raises ValueError if there is
    none and `root.media` was given, or the side is test, of which nothing but clips tells that the folder is right.
    """
    base, wanted = root.media or root.data, set(stems)
    places = [base / place.format(side=side) for place in PLACES]
    for folder in places:
        there: dict[str, Path] = {}
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.stem in wanted and path.suffix.lower() in EXTENSIONS:
                old = there.setdefault(path.stem, path)
                if EXTENSIONS.index(path.suffix.lower()) < EXTENSIONS.index(old.suffix.lower()):
                    there[path.stem] = path
        if there:
            return {stem: there.get(stem, folder / f"{stem}{EXTENSIONS[0]}") for stem in stems}
    if root.media is not None or side == "test":
        looked = ", ".join(str(folder) for folder in places)
        raise ValueError(
            f"{base}: no BLEMORE clip here; looked for {side} clips such as {stems[0]}{EXTENSIONS[0]} "
            f"(or {EXTENSIONS[1]}) in {looked}. Give the folder that holds them, or one that holds a folder {side}."
        )
    return {stem: places[0] / f"{stem}{EXTENSIONS[0]}" for stem in stems}


def _train_sample(row: Row, path: Path) -> Sample:
    name = row.name
    return Sample(
        id=name.stem,
        gold=name.value,
        media=(Media("video", path),),
        meta={
            "actor": name.actor,
            "kind": "single" if len(name.emotions) == 1 else "blend",
            "single": _single(name),
            "blend": _blend(name),
            "ratio": _ratio(name),
            "fold": row.fold,
            "split": "train",
            "intensity": name.intensity,
            "situation": name.situation,
            "version": name.version,
        },
    )


def _test_sample(stem: str, path: Path) -> Sample:
    """A clip of the test set; its id is its key in a submission."""
    nothing = dict.fromkeys(("actor", "kind", "single", "blend", "ratio", "fold"))
    return Sample(
        id=f"{stem}{EXTENSIONS[0]}", gold=None, media=(Media("video", path),), meta={**nothing, "split": "test"}
    )


def read_release(root: Root, split: str, expected: Expected) -> list[Sample]:
    """The samples of a split of a release that holds what `expected` says."""
    if split not in SPLITS:
        raise ValueError(f"BLEMORE has no split {split!r}; legal: {', '.join(SPLITS)}")
    if split == "test":
        stems = [f"test_{number:04d}" for number in range(1, expected.test + 1)]
        paths = find_clips(root, "test", stems)
        if root.options.get("counts") == "any":
            stems = [stem for stem in stems if paths[stem].is_file()]
        return [_test_sample(stem, paths[stem]) for stem in stems]
    path = root.data / TABLE
    rows = read_table(path)
    _compare(path, expected, rows)
    if split != "train":
        if rows[0].fold is None:
            raise ValueError(f"{path}: has no column 'fold', so there is no split {split}; {CURE}")
        rows = [row for row in rows if row.fold == FOLDS.index(split)]
    paths = find_clips(root, "train", [row.name.stem for row in rows])
    return [_train_sample(row, paths[row.name.stem]) for row in rows]


def samples(root: Root, split: str) -> Iterator[Sample]:
    """The clips of a split: train and fold0 … fold4 with gold, in the order of the table; test, without, by number.

    Gold is `{"emotions": [{"emotion", "salience"}]}` in label order, from the file name. `meta` (None where it does not
    apply): actor, kind (single | blend), single (the emotion), blend (`ang+hap`), ratio (`70/30`: the first of the
    blend's name has 70), fold (0 to 4), split, intensity, situation, version. The ids of test clips are the keys of a
    submission (`test_0001.mov`). No transcripts: nobody speaks.
    With the option counts=any a part of the release will do, of test the clips that are there.
    Raises ValueError for a changed release, an unknown split and a media folder (of test also a data folder) without a
    single clip.
    """
    expected = Expected(test=PUBLISHED.test) if root.options.get("counts") == "any" else PUBLISHED
    return iter(read_release(root, split, expected))


BLEMORE = Task(
    name="blemore",
    version="1",
    source="Lachmann et al., arXiv 2601.13225; Zenodo 17787362; scorer github.com/BlEmoRe/blemore-common@98e6236",
    adapter=samples,
    answer=Blend(*label_space("blemore6"), grid=GRID),
    template="blend_json",
    metrics=("blemore_score", "acc_presence", "acc_salience"),
    group="actor",
    slices=("kind", "blend", "single", "ratio", "fold"),
    sizes=SIZES,
    splits=SPLITS,
    options=OPTIONS,
)
