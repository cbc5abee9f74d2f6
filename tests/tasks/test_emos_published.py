"""The static EmoS adapter on the real release, against the counts that were published and recomputed for it."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tasks.emos import (
    BASIC7,
    COMPACT,
    EN_PLACES,
    LANGUAGE,
    PUBLISHED,
    SIZES,
    ZH_PLACES,
    counts,
    find_clips,
    read_release,
)
from tasks.emos_release import OVERWRITTEN, PARTS, goemotions
from tasks.emos_repair import MISSPELT, tokens
from tasks.emos_split import digest
from tasks.emos_tables import Table, read_table
from tasks.labels import label_space
from tasks.task import Root, Sample

RELEASE = Path(__file__).parents[2].parent / "shared" / "data" / "emos"
BASE = RELEASE / "datasets/data-final"
SIMS, MELD = BASE / "datasets/ch-simsv2s", BASE / "datasets/newdataset-MELD"
pytestmark = pytest.mark.skipif(not BASE.is_dir(), reason="the EmoS release does not lie beside the checkout")

# Table 5 of the paper, in percent, recomputed on all 4,403 + 5,000 rows (the paper's English column covers 3,000).
TABLE_5 = """
            zh     en    both
Neutral   27.91  47.02  38.07
Joy       31.21  20.34  25.43
Anger     14.04  13.24  13.61
Sadness   10.42   7.08   8.65
Disgust    8.81   3.22   5.84
Surprise   3.27   6.00   4.72
Fear       4.34   3.10   3.68
"""


@pytest.fixture(scope="module")
def default() -> dict[str, Sample]:
    """Soft labels as released, transcripts repaired."""
    return {sample.id: sample for sample in COMPACT.adapter(Root(RELEASE), "all")}


@pytest.fixture(scope="module")
def other() -> dict[str, Sample]:
    """Soft labels repaired, transcripts as released."""
    options = {"labels": "repaired", "transcripts": "release"}
    return {sample.id: sample for sample in COMPACT.adapter(Root(RELEASE, None, options), "all")}


def label(sample: Sample) -> str:
    assert sample.gold is not None
    return str(sample.gold["emotion"])


def votes(sample: Sample) -> dict[str, int]:
    """Annotators by GoEmotions label, unsure included, from the gold and the meta of a sample."""
    assert sample.gold is not None
    shares = {share["label"]: share["confidence"] for share in sample.gold["goemotions"]}
    found = {name: shares.get(name, 0) * 3 for name in label_space("goemotions28").labels}
    return {name: round(count) for name, count in (found | {"unsure": sample.meta["unsure"] * 3}).items()}


def of_part(samples: dict[str, Sample], *parts: str) -> list[Sample]:
    return [sample for sample in samples.values() if sample.meta["part"] in parts]


def by(samples: Iterable[Sample], key: str) -> dict[Any, int]:
    return dict(Counter(sample.meta[key] for sample in samples))


# --- counts


def test_rows_groups_and_ids(default: dict[str, Sample]) -> None:
    table = counts(default.values())
    assert len(default) == 9403
    assert (table["zh"]["samples"], table["zh"]["groups"]) == (4403, 145)
    assert (table["en"]["samples"], table["en"]["groups"]) == (5000, 977)
    assert by(default.values(), "part") == {"first": 2499, "latter": 1904, "first3000": 3000, "last2000": 2000}
    assert by(default.values(), "source") == {"ch-sims-v2": 4403, "meld-core": 5000}
    assert [id_.startswith("dia") for id_ in default] == [False] * 4403 + [True] * 5000


def test_table_1(default: dict[str, Sample]) -> None:
    assert by(of_part(default, "first"), "tier") == {"high": 1702, "medium": 496, "low": 301}
    assert by(of_part(default, "latter"), "tier") == {"high": 1670, "medium": 122, "low": 112}
    assert by(of_part(default, "first"), "unique_labels") == {1: 1097, 2: 1119, 3: 283}
    assert by(of_part(default, "latter"), "unique_labels") == {1: 904, 2: 917, 3: 83}
    nobody = [sample for sample in of_part(default, "first") if label(sample) not in sample.meta["votes"]]
    assert len(nobody) == 6


def test_english_tiers_and_confidence_bands(default: dict[str, Sample]) -> None:
    for part, bands, tiers in (
        ("first3000", (1692, 1105, 203), {"high": 2797, "low": 203}),
        ("last2000", (1900, 64, 36), {"high": 1964, "low": 36}),
    ):
        confidences = [sample.meta["ds_confidence"] for sample in of_part(default, part)]
        high, middle = sum(c >= 0.7 for c in confidences), sum(0.5 <= c < 0.7 for c in confidences)
        assert (high, middle, len(confidences) - high - middle) == bands
        assert by(of_part(default, part), "tier") == tiers


@pytest.mark.parametrize("line", TABLE_5.strip().splitlines()[1:])
def test_table_5(default: dict[str, Sample], line: str) -> None:
    name, *shares = line.split()
    for parts, share in zip((("first", "latter"), ("first3000", "last2000"), tuple(LANGUAGE)), shares, strict=True):
        rows = of_part(default, *parts)
        assert f"{100 * sum(label(sample) == name for sample in rows) / len(rows):.2f}" == share


def test_english_corrections(default: dict[str, Sample]) -> None:
    for part, changed in (("first3000", 725), ("last2000", 381)):
        assert sum(label(s) != s.meta["original_label"] for s in of_part(default, part)) == changed
    assert by(of_part(default, "first3000"), "reason") == {
        "high_goemotion": 2797,
        "agree_orig": 77,
        "prefer_orig_second": 57,
        "prefer_orig_close": 19,
        "override_low_conf": 50,
    }
    assert by(of_part(default, "last2000"), "reason") == {"ds_high_conf": 1964, "ds_low_conf": 36}
    assert all(sample.meta["speaker"] for sample in of_part(default, "first3000", "last2000"))


# --- ids


def test_clips_with_an_underscore(default: dict[str, Sample], other: dict[str, Sample]) -> None:
    clips = [id_ for id_ in default if re.fullmatch(r".*/\d{5}_\d", id_)]
    assert clips == [
        *(f"aqgy4_0005/{clip}" for clip in ("00008_0", "00011_0", "00011_1", "00012_0", "00020_1")),
        *(f"aqgy4_0009/{clip}" for clip in ("00001_0", "00002_0", "00026_0")),
    ]
    first, second = "aqgy4_0009/00001_0", "aqgy4_0009/00010"
    assert default[first].text != default[second].text
    assert votes(default[first]) == votes(default[second])  # the release gave one clip the other's
    assert votes(other[first]) != votes(default[first])
    assert votes(other[second]) == votes(default[second])


def test_clips_of_the_manifest_are_found(default: dict[str, Sample], tmp_path: Path) -> None:
    with (RELEASE / "manifest.csv").open(encoding="utf-8", newline="") as file:
        listed = [row["release_path"] for row in csv.DictReader(file)]
    clips = [path for path in listed if "/Chinese/Raw/" in path or "/English/train_splits/" in path]
    assert len(clips) == 4479 + 5000
    for path in clips:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    rows, _ = read_release(RELEASE, {}, PUBLISHED)
    for media in (tmp_path, tmp_path / "datasets/data-final"):
        paths = find_clips(RELEASE, media, rows)
        assert list(paths) == list(default)
        assert all(path.is_file() for path in paths.values())
        assert len(set(paths.values())) == 9403
        assert paths["aqgy4_0009/00026_0"].name == "000260.mp4"
    with pytest.raises(ValueError, match=f"no EmoS clip here.*{ZH_PLACES[0]}.*{EN_PLACES[0]}"):
        find_clips(RELEASE, tmp_path / "datasets", rows)


# --- the release's other tables say the same


def soft_columns(table: Table) -> list[dict[str, float]]:
    columns = {name: [float(cell) for cell in table.columns[f"goemotion_prob_{name}"]] for name in goemotions()}
    return [{name: column[i] for name, column in columns.items()} for i in range(table.rows)]


@pytest.mark.parametrize(
    ("file", "parts", "text"),
    [
        ("Chinese/goemotion/training_data_merged.xlsx", ("first", "latter"), "text"),
        ("English/goemotion/goemotion_soft_labels_first3000.xlsx", ("first3000",), "Utterance"),
        ("English/goemotion/goemotion_soft_labels_last2000.xlsx", ("last2000",), "Utterance"),
    ],
)
def test_released_soft_labels_exactly(
    default: dict[str, Sample], other: dict[str, Sample], file: str, parts: tuple[str, ...], text: str
) -> None:
    names = [f"goemotion_prob_{name}" for name in goemotions()]
    table = read_table(BASE / file, [text, "goemotion_union_size", *names])
    rows = of_part(default, *parts)
    assert table.rows == len(rows)
    for i, (sample, shares) in enumerate(zip(rows, soft_columns(table), strict=True)):
        assert sample.meta["union_size"] == int(table.columns["goemotion_union_size"][i])
        for name, count in votes(sample).items():
            assert abs(count / 3 - shares[name]) < 1e-15  # printed with 15 digits
        assert other[sample.id].text == table.columns[text][i]


@pytest.mark.parametrize(("tier", "rows"), [("high", 3372), ("low", 413)])
def test_chinese_tier_files(default: dict[str, Sample], tier: str, rows: int) -> None:
    table = read_table(BASE / f"Chinese/basic7/basic7_ds_{tier}_confidence.xlsx", ["video_id", "text", "ds_label"])
    ours = [s for s in of_part(default, "first", "latter") if s.meta["tier"] == tier]
    assert table.rows == len(ours) == rows
    for i, sample in enumerate(ours):
        found = [table.columns[name][i].strip() for name in ("video_id", "text", "ds_label")]
        assert found == [sample.meta["group"], sample.text, label(sample)]


@pytest.mark.parametrize(("part", "prefix"), [("first3000", "3000"), ("last2000", "last2000")])
@pytest.mark.parametrize(("tier", "suffix"), [("high", "high_confidence_ge0.5"), ("low", "low_confidence_lt0.5")])
def test_english_tier_files(default: dict[str, Sample], part: str, prefix: str, tier: str, suffix: str) -> None:
    table = read_table(BASE / f"English/basic7/{prefix}_basic7_{suffix}.xlsx", ["uid", "video_path", "basic_corrected"])
    ours = {s.id: s for s in of_part(default, part) if s.meta["tier"] == tier}
    assert sorted(table.columns["uid"]) == sorted(ours)
    for uid, path, name in zip(*table.columns.values(), strict=True):
        assert (label(ours[uid]), ours[uid].media[0].path.name) == (name, path.rsplit("/", 1)[1])


# --- policies


def test_misspelt_labels_are_all_known_and_all_occur() -> None:
    unknown: Counter[str] = Counter()
    start = {"zh": 0, "en": 0}
    for part in PARTS:
        for file, column in part.books:
            cells = read_table(BASE / file, [column]).columns[column]
            own = cells[start[part.language] : start[part.language] + PUBLISHED.rows[part.name]]
            unknown.update(token for cell in own for token in set(tokens(cell)) - set(goemotions()))
        start[part.language] += PUBLISHED.rows[part.name]
    assert set(unknown) == set(MISSPELT)
    assert unknown.total() == 48


def test_what_repair_changes(default: dict[str, Sample], other: dict[str, Sample]) -> None:
    changed = [id_ for id_, sample in default.items() if votes(sample) != votes(other[id_])]
    assert Counter(default[id_].meta["part"] for id_ in changed) == {"latter": 1, "first3000": 36, "last2000": 10}
    for id_ in changed:
        if default[id_].language == "en":  # mending only adds votes
            before, after = votes(default[id_]), votes(other[id_])
            assert all(after[name] >= before[name] for name in before)
    for id_, sample in default.items():
        assert {**sample.meta, "union_size": 0, "unsure": 0} == {**other[id_].meta, "union_size": 0, "unsure": 0}
        assert label(sample) == label(other[id_])


def test_transcripts(default: dict[str, Sample], other: dict[str, Sample]) -> None:
    lost = re.compile(r"(?<=[A-Za-z])\?(?=[A-Za-z])")
    changed = [id_ for id_, sample in default.items() if sample.text != other[id_].text]
    assert sum(bool(lost.search(other[id_].text)) for id_ in other if default[id_].language == "en") == 1877
    # What is left between letters are lost dashes and ellipses.
    assert sum(bool(lost.search(sample.text)) for sample in default.values()) == 140
    assert Counter(default[id_].language for id_ in changed) == {"zh": 1, "en": 1876}
    assert sum(default[id_].text.count("?") < other[id_].text.count("?") for id_ in changed) == 1841
    assert all(default[id_].text.endswith("?") for id_ in other if other[id_].text.endswith("?"))
    for sample in default.values():
        assert sample.text == sample.text.strip() != ""
        assert not re.search("[隆篓][炉颅陋娄]", sample.text)
        assert not re.search(r"\b(?:I\?m|\w+n\?t|(?:it|that)\?s)\b", sample.text, re.IGNORECASE)


def test_the_overwritten_utterance(default: dict[str, Sample], other: dict[str, Sample]) -> None:
    (uid,) = OVERWRITTEN
    texts = [sample.text for sample in other.values()]
    assert texts.count(other[uid].text) == 2
    assert [sample.text for sample in default.values()].count(default[uid].text) == 1


# --- the split


def test_the_split_and_its_hash(default: dict[str, Sample]) -> None:
    test = [id_ for id_, sample in default.items() if sample.meta["split"] == "test"]
    assert digest(test) == PUBLISHED.test
    assert BASIC7.version == COMPACT.version == f"1+split.{digest(test)[:8]}"
    assert dict(SIZES) == {"all": len(default), "train": len(default) - len(test), "test": len(test)}
    groups = {
        side: {s.meta["group"] for s in default.values() if s.meta["split"] == side} for side in ("train", "test")
    }
    assert not groups["train"] & groups["test"]
    for language in ("zh", "en"):
        share = sum(default[id_].language == language for id_ in test) / counts(default.values())[language]["samples"]
        assert share == pytest.approx(0.2, abs=0.01)


# In percentage points. CH-SIMS has 145 groups, the largest of 188 rows; MELD-Core 977, the largest of 19.
@pytest.mark.parametrize(("language", "tolerance"), [("zh", 1.2), ("en", 0.2)])
def test_the_split_is_balanced(default: dict[str, Sample], language: str, tolerance: float) -> None:
    sides = {
        side: counts(s for s in default.values() if s.language == language and s.meta["split"] == side)[language]
        for side in ("train", "test")
    }
    strata = [key for key in sides["train"] if key.startswith(("label", "tier", "part"))]
    assert len(strata) >= 7 + 2 + 2
    for key in strata:
        shares = [100 * table[key] / table["samples"] for table in sides.values()]
        assert abs(shares[0] - shares[1]) < tolerance


@pytest.mark.parametrize("split", ["train", "test"])
def test_basic7_gives_the_split_in_order(default: dict[str, Sample], split: str) -> None:
    found = list(BASIC7.adapter(Root(RELEASE), split))
    assert [s.id for s in found] == [s.id for s in default.values() if s.meta["split"] == split]
    assert [s.gold for s in found] == [{"label": label(default[s.id])} for s in found]
    assert len(found) == SIZES[split]
