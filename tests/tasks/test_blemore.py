"""The BLEMORE adapter: what names say, what a sample carries, which faults are named, where clips are found."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.blemore import BLEMORE, FOLDS, LABELS, NEUTRAL, PUBLISHED, SIZES, SPLITS, TABLE, clip_name, read_release
from tasks.select import read_samples
from tasks.task import Blend, Root, Sample
from tasks.validate import check_samples
from tests.tasks.blemore_folder import COLUMNS, EXPECTED, draw, names, rows, write

TEMPLATE = Path(__file__).parents[2].parent / "shared" / "data" / "blemore" / "submission_template.json"
SMALL = dataclasses.replace(BLEMORE, adapter=lambda root, split: read_release(root, split, EXPECTED))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table, and one empty file of the test set."""
    found = write(tmp_path_factory.mktemp("blemore"))
    (found / "test").mkdir()
    (found / "test" / "test_0003.mov").touch()
    return found


def read(folder: Path, split: str = "train", media: Path | None = None) -> dict[str, Sample]:
    return {sample.id: sample for sample in read_samples(SMALL, Root(folder, media), split)}


# --- names


@pytest.mark.parametrize(
    ("name", "actor", "emotions", "intensity", "situation", "version"),
    [
        ("A303_neu_sit2_ver1", "A303", {"neu": 100}, None, 2, 1),
        ("A411_ang_int1_ver3", "A411", {"ang": 100}, 1, None, 3),
        ("A405_mix_ang_disg_70_30_ver1", "A405", {"ang": 70, "disg": 30}, None, None, 1),
        ("A427_mix_fea_sad_50_50_ver2.mov", "A427", {"fea": 50, "sad": 50}, None, None, 2),
        ("A1_mix_sad_fea_30_70_ver4.MP4", "A1", {"fea": 70, "sad": 30}, None, None, 4),
    ],
)
def test_a_name_says_the_label(
    name: str, actor: str, emotions: dict[str, int], intensity: int | None, situation: int | None, version: int
) -> None:
    found = clip_name(name)
    assert found[1:] == (actor, emotions, intensity, situation, version)
    assert found.stem == name.partition(".")[0]
    assert list(found.emotions) == [label for label in LABELS if label in emotions]
    assert found.value == {"emotions": [{"emotion": e, "salience": s} for e, s in found.emotions.items()]}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("test_0001.mov", "no name of a labelled clip"),
        ("", "no name of a labelled clip"),
        ("../A1_ang_int1_ver1", "no name of a labelled clip"),
        ("A1_ang_int1_ver1\n", "no name of a labelled clip"),
        ("A1_ang_int5_ver1", "no name of a labelled clip"),
        ("A1_ang_int1", "no name of a labelled clip"),
        ("A1_mix_ang_hap_60_40_ver1", "no name of a labelled clip"),
        ("A1_mix_ang_hap_70_50_ver1", "30_70, 50_50 or 70_30"),
        ("A1_mix_ang_ang_50_50_ver1", "30_70, 50_50 or 70_30"),
        ("A1_joy_int1_ver1", "emotion 'joy'"),
        ("A1_neu_int1_ver1", "emotion 'neu'"),
        ("A1_mix_ang_neu_50_50_ver1", "emotion 'neu'"),
        ("A1_sad_sit1_ver1", "no name of a labelled clip"),
        ("A" + "9" * 5000, "no name of a labelled clip"),
    ],
)
def test_other_names_are_refused(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as error:
        clip_name(name)
    assert len(str(error.value)) < 400


@given(
    st.integers(0, 999999),
    st.permutations([label for label in LABELS if label != NEUTRAL]),
    st.sampled_from((30, 50, 70)),
    st.sampled_from(("", ".mov", ".mp4")),
)
def test_every_blend_is_read_whatever_the_order(actor: int, order: list[str], share: int, extension: str) -> None:
    found = clip_name(f"A{actor}_mix_{order[0]}_{order[1]}_{share}_{100 - share}_ver1{extension}")
    assert found.emotions == {order[0]: share, order[1]: 100 - share}
    assert list(found.emotions) == sorted(order[:2])


# --- samples


def test_the_samples_of_train(folder: Path) -> None:
    found = read(folder)
    assert list(found) == names()
    assert len({sample.meta["actor"] for sample in found.values()}) == 6
    for sample in found.values():
        assert sample.gold is not None
        assert (sample.text, sample.context, len(sample.media)) == ("", (), 1)
        assert {BLEMORE.group, *BLEMORE.slices} <= sample.meta.keys()
        json.dumps(dict(sample.meta))
        assert (sample.meta["kind"] == "blend") == (len(sample.gold["emotions"]) == 2)
    check_samples(SMALL, list(found.values()))


def test_what_slices_say(folder: Path) -> None:
    found = read(folder)
    blend, single = found["A901_mix_hap_sad_30_70_ver1"], found["A903_neu_sit2_ver1"]
    keys = ("kind", "single", "blend", "ratio", "fold", "intensity", "situation", "version", "split")
    assert [blend.meta[key] for key in keys] == ["blend", None, "hap+sad", "30/70", 0, None, None, 1, "train"]
    assert [single.meta[key] for key in keys] == ["single", "neu", None, None, 2, None, 2, 1, "train"]
    assert blend.gold == {"emotions": [{"emotion": "hap", "salience": 30}, {"emotion": "sad", "salience": 70}]}
    assert single.gold == {"emotions": [{"emotion": "neu", "salience": 100}]}
    for key, wanted in (("ratio", EXPECTED.ratios), ("blend", EXPECTED.blends), ("single", EXPECTED.singles)):
        assert Counter(sample.meta[key] for sample in found.values() if sample.meta[key]) == wanted


def test_folds_divide_train_by_actor(folder: Path) -> None:
    whole = read(folder)
    parts = [read(folder, fold) for fold in FOLDS]
    assert sorted(name for part in parts for name in part) == sorted(whole)
    assert [len(part) for part in parts] == [fold[0] for fold in EXPECTED.folds]
    actors = [{sample.meta["actor"] for sample in part.values()} for part in parts]
    assert sum(map(len, actors)) == len(set().union(*actors))


def test_the_samples_of_test_have_no_gold_and_the_ids_of_a_submission(folder: Path) -> None:
    found = read(folder, "test")
    assert list(found) == ["test_0001.mov", "test_0002.mov", "test_0003.mov", "test_0004.mov"]
    assert all(sample.gold is None for sample in found.values())
    check_samples(SMALL, list(found.values()))


def test_the_ids_of_the_test_set_are_the_keys_of_the_submission_template(folder: Path) -> None:
    if not TEMPLATE.is_file():
        pytest.skip("needs the submission template beside the checkout")
    keys = json.loads(TEMPLATE.read_text(encoding="utf-8"))["predictions"]
    assert [sample.id for sample in read_samples(BLEMORE, Root(folder), "test")] == sorted(keys)
    assert len(keys) == SIZES["test"]


def test_the_published_numbers_agree_with_each_other() -> None:
    assert sum(fold[0] for fold in PUBLISHED.folds) == PUBLISHED.rows == SIZES["train"]
    assert sum(fold[2] for fold in PUBLISHED.folds) == PUBLISHED.actors
    blends = sum(PUBLISHED.blends.values())
    assert blends == sum(fold[1] for fold in PUBLISHED.folds) == sum(PUBLISHED.ratios.values()) == 1326
    assert sum(PUBLISHED.singles.values()) + blends == PUBLISHED.rows
    assert len(PUBLISHED.blends) == 10
    assert set(SIZES) == set(SPLITS)
    assert isinstance(BLEMORE.answer, Blend)
    assert BLEMORE.answer.labels == LABELS


def test_another_count_than_the_published_one_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"train_metadata.csv: clips in all: expected 2456, found 186"):
        read_samples(BLEMORE, Root(folder))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rows": 185}, "clips in all: expected 185, found 186"),
        ({"actors": 7}, "actors in all: expected 7, found 6"),
        ({"singles": {"ang": 5}}, "clips of one emotion ang: expected 5, found 6"),
        ({"blends": {"ang+neu": 1}}, r"clips of a blend ang\+neu: expected 1, found 0"),
        ({"ratios": {"50/50": 51}}, "blends 50/50: expected 51, found 50"),
        ({"folds": ((43, 30, 2),)}, "clips in fold 0: expected 43, found 42"),
        ({"folds": ((42, 31, 2),)}, "blends in fold 0: expected 31, found 30"),
        ({"folds": ((42, 30, 1),)}, "actors in fold 0: expected 1, found 2"),
    ],
)
def test_each_count_is_checked(folder: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_release(Root(folder), "train", dataclasses.replace(EXPECTED, **change))


def test_an_unknown_split_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="no split 'fold5'"):
        read_release(Root(folder), "fold5", EXPECTED)


# --- the table


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table[3].update(filename="A1_joy_int1_ver1"), r"row 5: 'A1_joy_int1_ver1': emotion 'joy'"),
        (lambda table: table[0].update(filename="test_0001"), "row 2: 'test_0001' is no name of a labelled clip"),
        (lambda table: table[9].update(filename=table[2]["filename"] + ".mov"), "row 11: .* is already in row 4"),
        (lambda table: table[5].update(fold="5"), "row 7: column 'fold': found '5', legal are 0 to 4"),
        (lambda table: table[5].update(fold=""), "row 7: column 'fold': found ''"),
        (lambda table: table[1].update(fold=3), "row 3: actor A901 is in fold 0 and in fold 3"),
        (lambda table: table.clear(), "no rows"),
    ],
)
def test_a_fault_is_named_with_file_and_row(
    tmp_path: Path, change: Callable[[list[dict[str, Any]]], None], said: str
) -> None:
    table = rows(names())
    change(table)
    write(tmp_path, table)
    with pytest.raises(ValueError, match=said) as error:
        read(tmp_path)
    assert TABLE in str(error.value)


def test_columns_may_lack_be_more_and_have_extensions(tmp_path: Path) -> None:
    table = [
        {**row, "filename": row["filename"] + ".mov", "fold": f"{row['fold']}.0", "camera": 1} for row in rows(names())
    ]
    write(tmp_path, table, ("camera", "fold", "filename"))
    text = (tmp_path / TABLE).read_text(encoding="utf-8")
    (tmp_path / TABLE).write_text("\ufeff" + text, encoding="utf-8")
    assert list(read(tmp_path)) == names()
    assert len(read(tmp_path, "fold3")) == 36


def test_without_folds_there_is_train_alone(tmp_path: Path) -> None:
    write(tmp_path, columns=[name for name in COLUMNS if name != "fold"])
    found = read(tmp_path)
    assert len(found) == 186
    assert {sample.meta["fold"] for sample in found.values()} == {None}
    with pytest.raises(ValueError, match="has no column 'fold', so there is no split fold1"):
        read(tmp_path, "fold1")


@pytest.mark.parametrize("text", ["", "video_id,fold\nA1,0\n"])
def test_a_table_without_names_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / TABLE).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="no rows, or no column 'filename'"):
        read(tmp_path)


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"train_metadata.csv was looked for; is --data right\?"):
        read(tmp_path)
    (tmp_path / TABLE).write_bytes(b"\xff\xfe\x00\x00")
    with pytest.raises(ValueError, match="not a readable UTF-8 csv"):
        read(tmp_path)


# --- clips


def test_clips_are_found_beside_the_table_and_can_be_played(tmp_path: Path) -> None:
    write(tmp_path)
    name = clip_name("A901_mix_ang_sad_70_30_ver1")
    draw(tmp_path / "train" / f"{name.stem}.mov", name.emotions)
    draw(tmp_path / "test" / "test_0002.mov", {"hap": 100})
    for path in (
        read(tmp_path)[name.stem].media[0].path,
        read(tmp_path, "test")["test_0002.mov"].media[0].path,
    ):
        with av.open(str(path)) as container:
            assert container.streams.video[0].frames == 13
            assert len(container.streams.audio) == 1


@pytest.mark.parametrize("place", ["train", "videos/train", "train_videos", "data/train", "videos", "."])
def test_clips_are_found_in_each_place(tmp_path: Path, folder: Path, place: str) -> None:
    clip = tmp_path / "media" / place / "A902_hap_int3_ver1.mov"
    clip.parent.mkdir(parents=True)
    clip.touch()
    found = read(folder, media=tmp_path / "media")
    assert found["A902_hap_int3_ver1"].media[0].path == clip
    assert found["A901_hap_int2_ver1"].media[0].path == clip.with_name("A901_hap_int2_ver1.mov")  # missing, and named
    assert shutil.copytree(tmp_path / "media", tmp_path / "whole", dirs_exist_ok=True)
    write(tmp_path / "whole")
    assert read(tmp_path / "whole")["A902_hap_int3_ver1"].media[0].path.is_file()


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        (["A902_hap_int3_ver1.mp4"], "A902_hap_int3_ver1.mp4"),
        (["A902_hap_int3_ver1.MOV"], "A902_hap_int3_ver1.MOV"),
        (["A902_hap_int3_ver1.mov", "A902_hap_int3_ver1.mp4"], "A902_hap_int3_ver1.mov"),
    ],
)
def test_extensions(tmp_path: Path, folder: Path, there: list[str], taken: str) -> None:
    for name in there:
        (tmp_path / name).touch()
    assert read(folder, media=tmp_path)["A902_hap_int3_ver1"].media[0].path == tmp_path / taken


def test_a_media_folder_without_a_clip_says_what_was_looked_for(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "A902_hap_int3_ver1.txt").touch()
    with pytest.raises(
        ValueError, match=r"looked for train clips such as A901_ang_int2_ver1.mov \(or .mp4\) in .*videos"
    ):
        read(folder, media=tmp_path)
    with pytest.raises(ValueError, match=r"looked for test clips such as test_0001\.mov"):
        read(folder, "test", tmp_path)


def test_without_clips_the_place_of_the_release_is_named(folder: Path) -> None:
    assert read(folder)["A901_ang_int2_ver1"].media[0].path == folder / "train" / "A901_ang_int2_ver1.mov"
    assert read(folder, "test")["test_0001.mov"].media[0].path == folder / "test" / "test_0001.mov"


def test_the_test_set_is_its_clips(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(ValueError, match=f"{tmp_path}: no BLEMORE clip here; looked for test clips"):
        read(tmp_path, "test")
