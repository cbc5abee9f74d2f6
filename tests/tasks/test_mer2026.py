"""MER2026: plain label lists, sub-folders, and pairs of descriptions keyed by their row."""

from __future__ import annotations

from pathlib import Path

import pytest

from prompts.render import load_template, render
from tasks.mer2026 import CROSS, FG, PREFER
from tasks.select import check_options, read_samples
from tasks.task import MediaOptions, Root, Sample
from tests.tasks.mer_folders import ANY, WORDS, rooted, table, write_mer2026


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mer2026(tmp_path_factory.mktemp("mer2026"), clips=16)


def test_published_sizes_headlines_and_wheels() -> None:
    assert CROSS.sizes == {"candidates": 20_000, "train": 9_395}
    assert FG.sizes == {"candidates": 20_000, "train-human": 1_532, "train-mercaptionplus": 31_327}
    assert PREFER.sizes == {"stage1": 10_000, "train-emoprefer": 574, "train-emopreferv2": 2_096}
    assert (FG.metrics[0], FG.wheels) == ("ew_l1_f", "mer2026")
    assert CROSS.metrics[0] == "weighted_f1"
    assert PREFER.metrics[0] == "preference_waf"


def test_both_list_syntaxes_give_the_same_gold(folder: Path) -> None:
    assert '"angry,annoyed"' in (folder / "track2_train_human.csv").read_text()
    assert '"[angry, annoyed]"' in (folder / "track2_train_mercaptionplus.csv").read_text()
    plain, bracketed = (read_samples(FG, rooted(folder), f"train-{part}") for part in ("human", "mercaptionplus"))
    assert [sample.gold for sample in plain] == [sample.gold for sample in bracketed]
    assert plain[1].gold == {"labels": WORDS["angry"]}


def test_clips_are_found_in_sub_folders(folder: Path) -> None:
    parents = {sample.media[0].path.parent.name for sample in read_samples(CROSS, rooted(folder), "train")}
    assert parents == {"video", "video_track1_train", "video_track2_train_human"}


# --- Prefer


def pairs(folder: Path, split: str, swap: str = "no") -> list[Sample]:
    return read_samples(PREFER, Root(folder, None, check_options(PREFER, {**ANY, "swap": swap})), split)


def test_repeated_names_are_samples_of_their_own(folder: Path) -> None:
    samples = pairs(folder, "stage2")
    assert len(samples) == 12
    assert len({sample.meta["name"] for sample in samples}) == 8
    assert len({sample.id for sample in samples}) == 12
    for place, sample in enumerate(samples):
        assert sample.id == f"{place:05d}-{sample.meta['name']}"
        assert sample.meta["row"] == place


def test_descriptions_are_one_line_each_as_in_the_official_prompt(folder: Path) -> None:
    assert "\n" in (folder / "track3_emoprefer.csv").read_text().replace("\nsample", "")
    for split in PREFER.splits:
        for sample in pairs(folder, split):
            for key in ("a1", "a2"):
                assert not {"\n", "\t"} & set(sample.meta[key])
                assert sample.meta[key] == sample.meta[key].strip() != ""


def test_swapping_shows_the_descriptions_reversed_and_turns_the_gold_with_them(folder: Path) -> None:
    plain, swapped = pairs(folder, "train-emoprefer"), pairs(folder, "train-emoprefer", swap="yes")
    turned = {"a1": "a2", "a2": "a1", "same": "same"}
    assert {(sample.gold or {})["choice"] for sample in plain} == {"a1", "a2", "same"}
    for one, other in zip(plain, swapped, strict=True):
        assert one.id == other.id
        assert (one.meta["a1"], one.meta["a2"]) == (other.meta["a2"], other.meta["a1"])
        assert turned[(one.gold or {})["choice"]] == (other.gold or {})["choice"]
        assert (one.meta["swapped"], other.meta["swapped"]) == ("no", "yes")
    assert pairs(folder, "stage1", swap="yes")[0].gold is None


@pytest.mark.parametrize("name", ["prefer_json", "mer_prefer"])
def test_a_prompt_shows_both_descriptions_in_their_order(name: str, folder: Path) -> None:
    for sample in pairs(folder, "stage1"):
        (message,) = render(PREFER, sample, MediaOptions(), template=load_template(name))
        asked = message["content"][-1]["text"]
        assert 0 < asked.index(sample.meta["a1"]) < asked.rindex(sample.meta["a2"])


def test_a_preference_that_is_none_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "subtitle_chieng.csv").write_bytes((folder / "subtitle_chieng.csv").read_bytes())
    header = ["name", "a1", "a2", "preference"]
    table(tmp_path / "track3_emoprefer.csv", header, [["x", "p", "q", "a1"], ["x", "p", "q", "tie"]])
    with pytest.raises(ValueError, match=r"track3_emoprefer\.csv, row 3, column 'preference': found 'tie'"):
        pairs(tmp_path, "train-emoprefer")
    table(tmp_path / "track3_emoprefer.csv", header, [["../x", "p", "q", "a1"]])
    with pytest.raises(ValueError, match=r"row 2: the name '\.\./x' is no plain file name"):
        pairs(tmp_path, "train-emoprefer")
