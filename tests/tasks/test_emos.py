"""The static EmoS adapter on a miniature release that has every defect of the real one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.emos import BASIC7, COMPACT, EN_PLACES, PUBLISHED, SIZES, ZH_PLACES, Expected, counts, samples
from tasks.emos_split import digest
from tasks.labels import label_space
from tasks.task import Sample
from tests.tasks import emos_fixture as mini
from tests.tasks.emos_fixture import EN_IDS, ZH_IDS, read


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mini.write(tmp_path_factory.mktemp("emos"), mini.release())


def soft(sample: Sample) -> dict[str, float]:
    assert sample.gold is not None
    return {share["label"]: round(share["confidence"], 3) for share in sample.gold["goemotions"]}


# --- what is read


def test_order_is_zh_by_index_then_en_by_release(data: Path) -> None:
    assert list(read(data)) == [*ZH_IDS, *EN_IDS]


def test_a_chinese_sample_in_full(data: Path) -> None:
    sample = read(data)["video_0001/0002"]
    assert sample.text == "把门关上"
    assert sample.language == "zh"
    assert sample.gold == {
        "emotion": "Anger",
        "goemotions": [{"label": "anger", "confidence": 2 / 3}, {"label": "annoyance", "confidence": 1 / 3}],
    }
    assert dict(sample.meta) | {"split": "?"} == {
        "language": "zh",
        "tier": "medium",
        "source": "ch-sims-v2",
        "part": "first",
        "group": "video_0001",
        "split": "?",
        "ds_confidence": 0.85,
        "unique_labels": 2,
        "votes": ["Anger", "Anger", "Neutral"],
        "original_label": None,
        "reason": None,
        "union_size": 3,
        "unsure": 1 / 3,
        "speaker": None,
    }


def test_an_english_sample_in_full(data: Path) -> None:
    sample = read(data)["dia638_utt4"]
    assert sample.text == "You know? I can't."
    assert sample.language == "en"
    assert sample.gold == {"emotion": "Fear", "goemotions": [{"label": "fear", "confidence": 1 / 3}]}
    assert dict(sample.meta) | {"split": "?"} == {
        "language": "en",
        "tier": "low",
        "source": "meld-core",
        "part": "last2000",
        "group": "dia638",
        "split": "?",
        "ds_confidence": 0.49,
        "unique_labels": None,
        "votes": ["Fear", "Neutral", "Fear"],
        "original_label": "Fear",
        "reason": "ds_low_conf",
        "union_size": 1,
        "unsure": 0.0,
        "speaker": "Ann",
    }


def test_basic7_gold_is_the_label_alone(data: Path) -> None:
    both, one = read(data), read(data, compact=False)
    assert list(one) == list(both)
    for id_, sample in one.items():
        gold = both[id_].gold
        assert gold is not None
        assert sample.gold == {"label": gold["emotion"]}
        assert sample.meta == both[id_].meta


def test_meta_is_json(data: Path) -> None:
    for sample in read(data).values():
        assert json.loads(json.dumps(dict(sample.meta))) == dict(sample.meta)


def test_every_tier_is_there_the_medium_one_too(data: Path) -> None:
    tiers = {id_: sample.meta["tier"] for id_, sample in read(data).items()}
    assert [tiers[id_] for id_ in ZH_IDS] == ["high", "medium", "low", "high", "high", "medium", "low"]
    assert [tiers[id_] for id_ in EN_IDS] == ["high", "high", "low", "high", "low"]


def test_text_that_looks_like_nothing_stays_text(data: Path) -> None:
    found = read(data)
    assert found["video_xjzw/00003"].text == "None"
    assert found["dia337_utt1"].meta["speaker"] == "NA"


def test_original_labels_are_one_spelling(data: Path) -> None:
    found = read(data)
    assert [found[id_].meta["original_label"] for id_ in EN_IDS] == ["Neutral", "Surprise", "Joy", "Joy", "Fear"]


def test_votes_stand_where_the_release_has_them(data: Path) -> None:
    found = read(data)
    assert [found[id_].meta["votes"] is None for id_ in EN_IDS] == [True, True, True, False, False]
    assert all(len(found[id_].meta["votes"]) == 3 for id_ in ZH_IDS)


def test_goemotions_are_sorted_by_share_then_label_order(data: Path) -> None:
    order = label_space("goemotions28").labels
    for sample in read(data, {"labels": "repaired"}).values():
        assert sample.gold is not None
        shares = [(-share["confidence"], order.index(share["label"])) for share in sample.gold["goemotions"]]
        assert shares == sorted(shares)
    assert list(soft(read(data)["video_0001/0001"])) == ["joy", "love"]


def test_the_stale_manifest_is_not_read(data: Path, tmp_path: Path) -> None:
    tables = mini.release()
    tables["manifest.csv"] = [["nothing"], ["of", "use"]]
    assert list(read(mini.write(tmp_path, tables))) == list(read(data))


@pytest.mark.parametrize("place", ["", "datasets", "datasets/data-final"])
def test_the_data_folder_may_be_any_of_three(data: Path, place: str) -> None:
    found = read(data / place)
    assert list(found) == [*ZH_IDS, *EN_IDS]
    assert found["dia0_utt0"].media[0].path == data / "datasets/data-final/English/train_splits/dia0_utt0.mp4"


# --- ids that became numbers


def test_clips_that_share_a_number_keep_their_own_labels(data: Path) -> None:
    found = read(data)
    assert found["aqgy4_0009/00001_0"].text == "谁把灯关了"
    assert found["aqgy4_0009/00010"].text == "我们走吧"
    assert found["aqgy4_0009/00001_0"].meta["votes"] == ["Surprise", "Surprise", "Fear"]
    assert found["aqgy4_0005/00012_0"].meta["unique_labels"] == 1


def test_release_policy_keeps_the_soft_labels_of_the_wrong_clip(data: Path) -> None:
    found = read(data, {"labels": "release"})
    assert soft(found["aqgy4_0009/00001_0"]) == {"joy": 0.667, "optimism": 0.333, "neutral": 0.333}
    assert soft(found["aqgy4_0009/00010"]) == soft(found["aqgy4_0009/00001_0"])


def test_repaired_policy_gives_the_clip_its_own_soft_labels(data: Path) -> None:
    found = read(data, {"labels": "repaired"})
    assert soft(found["aqgy4_0009/00001_0"]) == {"surprise": 0.667, "fear": 0.333}
    assert soft(found["aqgy4_0009/00010"]) == {"joy": 0.667, "optimism": 0.333, "neutral": 0.333}


# --- misspelt labels


@pytest.mark.parametrize(
    ("id_", "release", "repaired"),
    [
        ("dia0_utt0", {"neutral": 0.333, "joy": 0.333}, {"neutral": 0.333, "joy": 0.333}),
        ("dia0_utt1", dict.fromkeys(("anger", "annoyance", "realization"), 0.333), None),
        ("dia337_utt1", {"joy": 0.333}, dict.fromkeys(("desire", "disgust", "joy", "love"), 0.333)),
        ("dia638_utt3", {"joy": 0.667, "love": 0.333}, None),
        ("dia638_utt4", {"fear": 0.333}, {"fear": 0.333, "realization": 0.333}),
    ],
)
def test_misspelt_labels(data: Path, id_: str, release: dict[str, float], repaired: dict[str, float] | None) -> None:
    assert soft(read(data, {"labels": "release"})[id_]) == release
    assert soft(read(data, {"labels": "repaired"})[id_]) == (repaired or release)


def test_repair_changes_no_basic_label_tier_or_split(data: Path) -> None:
    release, repaired = read(data, {"labels": "release"}), read(data, {"labels": "repaired"})
    for id_, sample in release.items():
        assert sample.gold is not None
        assert repaired[id_].gold is not None
        assert sample.gold["emotion"] == repaired[id_].gold["emotion"]  # type: ignore[index]
        assert [sample.meta[key] for key in ("tier", "split")] == [repaired[id_].meta[key] for key in ("tier", "split")]


# --- transcripts


@pytest.mark.parametrize(
    ("id_", "release", "repaired"),
    [
        ("video_0001/0002", "把门关上 ", "把门关上"),
        ("dia0_utt0", "I?m late? No, I don?t think so.", "I'm late? No, I don't think so."),
        ("dia0_utt1", "Is that the key?", "Is that the key?"),
        ("dia337_utt1", "Good morning, all!", "We're closing at six."),
        ("dia638_utt3", "It隆炉s fine隆颅", "It's fine…"),
        ("dia638_utt4", "You know? I can?t.", "You know? I can't."),
    ],
)
def test_transcripts(data: Path, id_: str, release: str, repaired: str) -> None:
    assert read(data, {"transcripts": "release"})[id_].text == release
    assert read(data, {"transcripts": "repaired"})[id_].text == repaired
    assert read(data)[id_].text == repaired


# --- splits


def test_splits_divide_the_rows_and_no_group(data: Path) -> None:
    everything, train, test = (read(data, split=split) for split in ("all", "train", "test"))
    assert [id_ for id_ in everything if id_ in train or id_ in test] == list(everything)
    assert not train.keys() & test.keys()
    assert not {s.meta["group"] for s in train.values()} & {s.meta["group"] for s in test.values()}
    assert {s.meta["split"] for s in train.values()} == {"train"}
    assert all(s.meta["split"] == "test" for s in test.values())


def test_the_split_is_checked_by_its_hash(data: Path) -> None:
    right = digest(read(data, split="test"))
    assert read(data, expected=Expected(test=right))
    with pytest.raises(
        ValueError, match=f"the test split of these rows has the SHA-256 {right[:8]}…, expected ffffffff…"
    ):
        read(data, expected=Expected(test="f" * 64))


# --- clips


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize("zh", ZH_PLACES)
@pytest.mark.parametrize("en", EN_PLACES)
def test_accepted_media_places(data: Path, tmp_path: Path, zh: str, en: str) -> None:
    touch(tmp_path / zh / "video_0001/0001.mp4", tmp_path / en / "dia0_utt1.mp4")
    found = read(data, media=tmp_path)
    assert found["video_0001/0001"].media[0].path == tmp_path / zh / "video_0001/0001.mp4"
    assert found["video_xjzw/00003"].media[0].path == tmp_path / zh / "video_xjzw/00003.mp4"
    assert found["dia638_utt4"].media[0].path == tmp_path / en / "dia638_utt4.mp4"
    assert {media.kind for sample in found.values() for media in sample.media} == {"video"}


def test_an_empty_place_does_not_hide_the_filled_one(data: Path, tmp_path: Path) -> None:
    (tmp_path / "Raw").mkdir()
    touch(tmp_path / "Chinese/Raw/video_0001/0002.mp4")
    assert read(data, media=tmp_path)["video_0001/0001"].media[0].path == tmp_path / "Chinese/Raw/video_0001/0001.mp4"


def test_media_of_one_language_will_do(data: Path, tmp_path: Path) -> None:
    touch(tmp_path / "MELD/train_splits/dia0_utt0.mp4")
    found = read(data, media=tmp_path)
    assert found["dia0_utt0"].media[0].path.exists()
    assert found["video_0001/0001"].media[0].path == tmp_path / "Raw/video_0001/0001.mp4"


def test_the_clip_under_another_name(data: Path, tmp_path: Path) -> None:
    touch(tmp_path / "Raw/aqgy4_0009/000260.mp4", tmp_path / "Raw/aqgy4_0009/00001_0.mp4")
    found = read(data, media=tmp_path)
    assert found["aqgy4_0009/00026_0"].media[0].path.name == "000260.mp4"
    assert found["aqgy4_0009/00001_0"].media[0].path.name == "00001_0.mp4"
    touch(tmp_path / "Raw/aqgy4_0009/00026_0.mp4")
    assert read(data, media=tmp_path)["aqgy4_0009/00026_0"].media[0].path.name == "00026_0.mp4"


@pytest.mark.parametrize("there", [(), ("Raw/video_0001/9999.mp4",), ("video_0001/0001.mp4",)])
def test_media_without_a_single_clip_is_refused(data: Path, tmp_path: Path, there: tuple[str, ...]) -> None:
    touch(*(tmp_path / name for name in there))
    with pytest.raises(ValueError, match="no EmoS clip here") as error:
        read(data, media=tmp_path)
    for place in (*ZH_PLACES, *EN_PLACES, "video_0001/0001.mp4", "dia0_utt0.mp4"):
        assert place in str(error.value)


# --- counts and tasks


@pytest.mark.parametrize("compact", [True, False])
def test_counts(data: Path, compact: bool) -> None:
    table = counts(read(data, compact=compact).values())
    assert list(table) == ["zh", "en"]
    assert {key: number for key, number in table["zh"].items() if not key.startswith("split")} == {
        "samples": 7,
        "groups": 4,
        "part first": 3,
        "part latter": 4,
        "tier high": 3,
        "tier medium": 2,
        "tier low": 2,
        "label Anger": 1,
        "label Joy": 2,
        "label Neutral": 1,
        "label Sadness": 2,
        "label Surprise": 1,
    }
    assert sum(number for key, number in table["en"].items() if key.startswith("split")) == table["en"]["samples"] == 5
    assert counts([]) == {}


def test_the_tasks() -> None:
    assert BASIC7.full_name == f"emos-basic7@1+split.{PUBLISHED.test[:8]}"
    assert COMPACT.full_name == f"emos-compact@1+split.{PUBLISHED.test[:8]}"
    assert SIZES["all"] == SIZES["train"] + SIZES["test"] == sum(PUBLISHED.rows.values()) == 9403
    assert BASIC7.adapter is samples
    for task in (BASIC7, COMPACT):
        assert set(task.sizes) == set(task.splits)
        assert {values[0] for values in task.options.values()} == {"release", "repaired"}


def test_the_published_numbers_add_up() -> None:
    for part, rows in PUBLISHED.rows.items():
        assert sum(PUBLISHED.labels[part].values()) == sum(PUBLISHED.tiers[part].values()) == rows
