"""EmoS, static part: 9,403 clips with one basic emotion and several GoEmotions labels each.

Two tasks: emos-basic7 asks for the basic emotion alone, emos-compact for both layers.

Annotations and clips lie in different places, since the release holds no media: `Root.data` is the EmoS repository (or
its `datasets` or `data-final` folder); `Root.media` a folder in which CH-SIMS v2 and MELD lie (ZH_PLACES, EN_PLACES).
Source: Guo et al., EmoS, ACL 2026; github.com/NLP2CT/EmoS, commit 4fd2d8c.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tasks.emos_release import ANNOTATORS, BASIC_COLUMNS, PARTS, UNSURE, Row, chinese, english, find_base, transcript
from tasks.emos_split import Item, digest, pick_test
from tasks.emos_tables import CURE
from tasks.labels import label_space
from tasks.task import AnyOf, Media, OneOf, Record, Root, Sample, Task

LANGUAGE = {part.name: part.language for part in PARTS}
SOURCE = {"zh": "ch-sims-v2", "en": "meld-core"}
# Tier -> lowest confidence, highest tier first. The two halves of MELD-Core mean different things by confidence (a
# share of soft labels, a posterior), yet the release cuts both at one half.
TIERS = {"zh": (("high", 0.9), ("medium", 0.8), ("low", 0.0)), "en": (("high", 0.5), ("low", 0.0))}
# Named policies; the first value is the default.
OPTIONS = {"labels": ("release", "repaired"), "transcripts": ("repaired", "release")}
SPLITS = ("all", "train", "test")

# Where clips may lie below the media folder; the first place that holds any of the expected clips is taken.
ZH_PLACES = ("Raw", "Chinese/Raw", "ch-simsv2s/Raw", "datasets/data-final/Chinese/Raw")
EN_PLACES = ("train_splits", "English/train_splits", "MELD/train_splits", "datasets/data-final/English/train_splits")
OWN_PLACE = {"zh": "Chinese/Raw", "en": "English/train_splits"}
# Clips that the release stores under another name: its tools read the id as the number that int() makes of it.
OTHER_NAMES = {"aqgy4_0009/00026_0.mp4": "aqgy4_0009/000260.mp4"}


@dataclass(frozen=True, slots=True)
class Expected:
    """What a release must hold, by part; an empty field is not checked. `test` is the SHA-256 of the test ids."""

    rows: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    tiers: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    test: str = ""


def _counts(names: str, numbers: str) -> dict[str, int]:
    return dict(zip(names.split(), map(int, numbers.split()), strict=True))


_B7, _ZH, _EN = "Anger Disgust Fear Joy Neutral Sadness Surprise", "high medium low", "high low"
PUBLISHED = Expected(
    rows={"first": 2499, "latter": 1904, "first3000": 3000, "last2000": 2000},
    labels={
        "first": _counts(_B7, "346 263 118 644 756 269 103"),
        "latter": _counts(_B7, "272 125 73 730 473 190 41"),
        "first3000": _counts(_B7, "401 94 101 641 1393 207 163"),
        "last2000": _counts(_B7, "261 67 54 376 958 147 137"),
    },
    tiers={
        "first": _counts(_ZH, "1702 496 301"),
        "latter": _counts(_ZH, "1670 122 112"),
        "first3000": _counts(_EN, "2797 203"),
        "last2000": _counts(_EN, "1964 36"),
    },
    test="1cd3ce069917117fd0c30586d3c681ca154976c240f57edc1a1eda4ac7dd8dc5",
)
SIZES = {"all": 9403, "train": 7521, "test": 1882}
VERSION = f"1+split.{PUBLISHED.test[:8]}"


def tier(language: str, confidence: float) -> str:
    """The confidence tier of a clip, as the release cuts it: zh high >= .9, medium >= .8, low; en high >= .5, low."""
    return next(name for name, lowest in TIERS[language] if confidence >= lowest)


def _policies(options: Mapping[str, str]) -> dict[str, str]:
    chosen = {name: values[0] for name, values in OPTIONS.items()}
    for name, value in options.items():
        if value not in OPTIONS.get(name, ()):
            legal = "; ".join(f"{name} = {' | '.join(values)}" for name, values in OPTIONS.items())
            raise ValueError(f"EmoS has no option {name} = {value!r}; legal: {legal}")
        chosen[name] = value
    return chosen


def _compare(base: Path, expected: Expected, rows: Sequence[Row]) -> None:
    """Raises ValueError if the counts of a part are not the expected ones; names the file and what was counted."""
    for part in PARTS:
        own = [row for row in rows if row.part == part.name]
        tiers = Counter(tier(part.language, row.confidence) for row in own)
        label, confidence = BASIC_COLUMNS[part.language]
        for what, wanted, found in (
            ("rows", {"in all": expected.rows.get(part.name, len(own))}, {"in all": len(own)}),
            (f"column {label!r}", expected.labels.get(part.name, {}), Counter(row.label for row in own)),
            (f"column {confidence!r}", expected.tiers.get(part.name, {}), tiers),
        ):
            for key, number in wanted.items():
                if found[key] != number:
                    raise ValueError(
                        f"{base / part.labels}: {what}: expected {number} {key}, found {found[key]}. {CURE}."
                    )


def _test_set(base: Path, expected: Expected, rows: Sequence[Row]) -> frozenset[str]:
    """The ids of the test set: split by language, over parts, labels, tiers and labels within tiers."""
    chosen: set[str] = set()
    for language in SOURCE:
        items = []
        for row in rows:
            if LANGUAGE[row.part] == language:
                level = tier(language, row.confidence)
                strata = ("rows", row.part, row.label, level, f"{row.label} {level}")
                items.append(Item(row.id, row.group, strata))
        chosen |= pick_test(items)
    if expected.test and digest(chosen) != expected.test:
        raise ValueError(
            f"{base}: the test split of these rows has the SHA-256 {digest(chosen)[:8]}…, expected "
            f"{expected.test[:8]}…: ids, groups, labels or confidences differ from the release. {CURE}."
        )
    return frozenset(chosen)


def read_release(data: Path, options: Mapping[str, str], expected: Expected) -> tuple[list[Row], frozenset[str]]:
    """Every row, zh then en, under the policies in `options`, checked against `expected`; and the ids of the test set.

    Takes 3 s for the whole release, 6 s with labels=repaired, which reads twelve annotator books more.
    """
    chosen, base = _policies(options), find_base(data)
    mend_labels, mend_text = chosen["labels"] == "repaired", chosen["transcripts"] == "repaired"
    rows = [*chinese(base, mend_labels), *english(base, mend_labels)]
    _compare(base, expected, rows)
    rows = [replace(row, text=transcript(base, row, LANGUAGE[row.part], mend_text)) for row in rows]
    return rows, _test_set(base, expected, rows)


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # no permission, a dead network drive: as good as missing, and reported as missing later
        return False


def _folder(media: Path, places: Sequence[str], clips: Sequence[str]) -> tuple[Path, bool]:
    """The first place below `media` that holds one of the clips, and True; else the likeliest place, and False."""
    folders = [media / place for place in places if _there(media / place)]
    for folder in folders:
        if any(_there(folder / clip) for clip in clips):
            return folder, True
    return (folders[0] if folders else media / places[0]), False


def find_clips(data: Path, media: Path | None, rows: Sequence[Row]) -> dict[str, Path]:
    """Sample id -> where its mp4 should lie; a missing file is the business of a later stage.

    Without `media`: the release's own places. With it: for each language the first of ZH_PLACES or EN_PLACES that
    holds a clip. Raises ValueError if `media` holds no clip of either language.
    """
    clips = {lang: [row.clip for row in rows if LANGUAGE[row.part] == lang] for lang in SOURCE}
    if media is None:
        folders = {lang: find_base(data) / place for lang, place in OWN_PLACE.items()}
    else:
        picked = {lang: _folder(media, places, clips[lang]) for lang, places in (("zh", ZH_PLACES), ("en", EN_PLACES))}
        if not any(found for _, found in picked.values()):
            raise ValueError(
                f"{media}: no EmoS clip here; looked for CH-SIMS v2 clips such as {clips['zh'][0]} in "
                f"{', '.join(ZH_PLACES)} and for MELD clips such as {clips['en'][0]} in {', '.join(EN_PLACES)}. "
                "Give the folder that holds one of these (both data sets may lie in it)."
            )
        folders = {lang: folder for lang, (folder, _) in picked.items()}
    paths = {row.id: folders[LANGUAGE[row.part]] / row.clip for row in rows}
    for row in rows:
        other = OTHER_NAMES.get(row.clip)
        if other and not _there(paths[row.id]) and _there(folders[LANGUAGE[row.part]] / other):
            paths[row.id] = folders[LANGUAGE[row.part]] / other
    return paths


def _goemotions(row: Row) -> list[dict[str, Any]]:
    """The soft labels above 0 without unsure: highest confidence first, then label order."""
    labels = label_space("goemotions28").labels
    shares = [{"label": label, "confidence": row.soft[label] / ANNOTATORS} for label in labels if row.soft[label]]
    return sorted(shares, key=lambda share: -row.soft[str(share["label"])])


def _sample(row: Row, path: Path, split: str, compact: bool) -> Sample:
    language = LANGUAGE[row.part]
    return Sample(
        id=row.id,
        gold={"emotion": row.label, "goemotions": _goemotions(row)} if compact else {"label": row.label},
        text=row.text,
        media=(Media("video", path),),
        language=language,
        meta={
            "language": language,
            "tier": tier(language, row.confidence),
            "source": SOURCE[language],
            "part": row.part,
            "group": row.group,
            "split": split,
            "ds_confidence": row.confidence,
            "unique_labels": row.unique,
            "votes": list(row.votes) or None,
            "original_label": row.original,
            "reason": row.reason,
            "union_size": sum(count > 0 for count in row.soft.values()),
            "unsure": row.soft[UNSURE] / ANNOTATORS,
            "speaker": row.speaker,
        },
    )


def read_samples(root: Root, split: str, compact: bool, expected: Expected) -> list[Sample]:
    """The samples of a split (all, train, test) of a release that holds what `expected` says."""
    if split not in SPLITS:
        raise ValueError(f"EmoS has no split {split!r}; legal: {', '.join(SPLITS)}")
    rows, test = read_release(root.data, root.options, expected)
    paths = find_clips(root.data, root.media, rows)
    sides = {row.id: "test" if row.id in test else "train" for row in rows}
    return [_sample(row, paths[row.id], sides[row.id], compact) for row in rows if split in ("all", sides[row.id])]


def samples(root: Root, split: str) -> Iterator[Sample]:
    """The clips with their basic emotion (gold `{"label": …}`): zh in the order of meta.csv, then en as released.

    The basic emotion is the released one under every policy: for zh Dawid-Skene over three votes, for en the
    corrected MELD label. The policies in `root.options`, the first value being the default:
    - labels = release | repaired: the GoEmotions soft labels as released, or counted anew in the annotators' books
      with misspelt labels mended, which also puts right the one clip that was given another clip's labels. A vote
      that was left blank stays no vote; shares are always out of three.
    - transcripts = repaired | release: apostrophes that became "?" put back, double decoding undone, one overwritten
      utterance replaced; or the text as released.

    `meta`: language, tier, source, part, group, split, ds_confidence, unique_labels, votes (basic emotions of the
    three annotators), original_label and reason (en), union_size (GoEmotions labels that anyone gave, unsure
    included), unsure (its soft label), speaker. What the release does not give is None.
    Raises ValueError for a changed release, an unknown split or policy, and a media folder without a single clip.
    """
    return iter(read_samples(root, split, compact=False, expected=PUBLISHED))


def compact_samples(root: Root, split: str) -> Iterator[Sample]:
    """As `samples`, with both layers as gold: `{"emotion": …, "goemotions": [{"label", "confidence"}, …]}`.

    The GoEmotions are the soft labels above 0 (1/3, 2/3 or 1) without unsure, highest first, ties in label order.
    """
    return iter(read_samples(root, split, compact=True, expected=PUBLISHED))


def counts(items: Iterable[Sample]) -> dict[str, dict[str, int]]:
    """What there is, by language: samples, groups, and samples by part, split, tier and label, in a fixed order.

    Keys of the inner tables: "samples", "groups", "part first", …, "split test", "tier high", …, "label Joy", ….
    """
    found: dict[str, Counter[str]] = {}
    groups: dict[str, set[str]] = {}
    for item in items:
        gold = item.gold or {}
        kinds = [f"{key} {item.meta[key]}" for key in ("part", "split", "tier")]
        found.setdefault(item.language, Counter()).update(
            ["samples", *kinds, f"label {gold.get('label', gold.get('emotion'))}"]
        )
        groups.setdefault(item.language, set()).add(item.meta["group"])
    order = [
        *(f"part {part.name}" for part in PARTS),
        *(f"split {split}" for split in SPLITS[1:]),
        *(f"tier {name}" for name, _ in TIERS["zh"]),
        *(f"label {label}" for label in label_space("basic7").labels),
    ]
    return {
        language: {
            "samples": tally["samples"],
            "groups": len(groups[language]),
            **{key: tally[key] for key in order if tally[key]},
        }
        for language, tally in found.items()
    }


# Confidence is scored where answers state it, or where label decoding gives probabilities.
BASIC_METRICS = (
    *("macro_f1", "accuracy", "weighted_f1"),
    *("confidence", "ece", "ece_mass", "brier", "aurc"),
    *("logprob_confidence", "logprob_ece", "logprob_ece_mass", "logprob_brier", "logprob_aurc"),
)
FINE_METRICS = (
    *("set_micro_f1", "set_macro_f1", "set_sample_f1", "set_exact", "set_jaccard", "set_hamming", "label_map"),
    *("soft_kl", "soft_ce", "soft_js"),
)
_COMMON: dict[str, Any] = {
    "version": VERSION,
    "source": "Guo et al., EmoS, ACL 2026; github.com/NLP2CT/EmoS@4fd2d8c",
    "metrics": BASIC_METRICS,
    "group": "group",
    "slices": ("language", "tier", "source"),
    "sizes": SIZES,
    "splits": SPLITS,
    "options": OPTIONS,
}
BASIC7 = Task(
    name="emos-basic7",
    adapter=samples,
    answer=OneOf(*label_space("basic7")),
    template="oneof_json",
    **_COMMON,
)
COMPACT = Task(
    name="emos-compact",
    adapter=compact_samples,
    answer=Record(emotion=OneOf(*label_space("basic7")), goemotions=AnyOf(*label_space("goemotions28"))),
    template="emos_compact_json",
    **{**_COMMON, "metrics": (*BASIC_METRICS, *FINE_METRICS)},
)
