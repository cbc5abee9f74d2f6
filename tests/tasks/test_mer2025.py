"""MER2025, MER2024-OV and OV-MERD: what samples carry, and which faults of a folder are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.mer2024 import OV
from tasks.mer2025 import DES, FG, OV_MERD, SEMI
from tasks.select import read_samples
from tests.tasks.mer_folders import WORDS, rooted, table, write_mer2024, write_mer2025


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mer2025(tmp_path_factory.mktemp("mer2025"), clips=16, audio_only=2)


def test_published_sizes() -> None:
    assert SEMI.sizes == {"candidates": 20_000, "train": 7_369, "test": 2_026}
    assert FG.sizes == {"candidates": 20_000, "train-ovmerd": 332, "train-mercaptionplus": 31_327, "test": 1_200}
    assert DES.sizes == FG.sizes
    assert OV_MERD.sizes == {"all": 332}
    assert (SEMI.splits[0], FG.splits[0], DES.splits[0], OV.splits[0]) == ("candidates",) * 4


def test_headlines_and_wheels() -> None:
    assert SEMI.metrics[:3] == ("weighted_f1", "accuracy", "macro_f1")
    assert (FG.metrics[0], DES.metrics[0], OV_MERD.metrics[0]) == ("ew_mean_f", "ew_mean_f", "ew_m_avg")
    assert {FG.wheels, DES.wheels, OV_MERD.wheels, OV.wheels} == {"mer2025"}
    assert SEMI.wheels == ""


def test_english_subtitles_and_chinese_where_they_lack(folder: Path) -> None:
    samples = read_samples(SEMI, rooted(folder), "train")
    assert [sample.language for sample in samples[:4]] == ["en", "zh", "en", "en"]
    assert samples[2].text == "None"
    assert samples[3].text.startswith('He said: "')
    assert "\n" in samples[3].text


def test_candidates_come_in_the_order_of_their_table_without_gold(folder: Path) -> None:
    names = (folder / "track_all_candidates.csv").read_text().split()[1:]
    for task in (SEMI, FG, DES):
        samples = read_samples(task, rooted(folder))
        assert [sample.id for sample in samples] == names
        assert all(sample.gold is None for sample in samples)


def test_a_clip_without_video_is_heard_alone(folder: Path) -> None:
    kinds = [sample.media[0].kind for sample in read_samples(SEMI, rooted(folder), "test")]
    assert kinds == ["video"] * 6 + ["audio"] * 2


def test_gold_of_the_tracks(folder: Path) -> None:
    labels = [(sample.gold or {})["label"] for sample in read_samples(SEMI, rooted(folder), "train")]
    assert labels[:6] == ["neutral", "angry", "happy", "sad", "worried", "surprise"]
    for split in ("train-ovmerd", "train-mercaptionplus"):
        open_ones = [(sample.gold or {})["labels"] for sample in read_samples(FG, rooted(folder), split)]
        assert open_ones == [WORDS[label] for label in labels]
        for sample in read_samples(DES, rooted(folder), split):
            assert sample.gold is not None
            assert ", ".join(sample.gold["labels"]) in sample.gold["description"]
    for sample in read_samples(DES, rooted(folder), "test"):
        assert sample.gold is not None
        assert sample.gold["description"] is None
        assert sample.gold["labels"]
    assert read_samples(OV_MERD, rooted(folder)) == read_samples(FG, rooted(folder), "train-ovmerd")


def copied(folder: Path, to: Path) -> Path:
    """The tables of a folder, without clips."""
    for path in folder.glob("*.csv"):
        (to / path.name).write_bytes(path.read_bytes())
    return to


def test_empty_and_odd_label_cells(folder: Path, tmp_path: Path) -> None:
    copied(folder, tmp_path)
    rows = [["a", ""], ["b", "[]"], ["c", "null"], ["d", "[None, NA]"], ["e", "x,y"], ["f", "['p', 'q r']"]]
    table(tmp_path / "track2_train_ovmerd.csv", ["name", "openset"], rows)
    golds = [(sample.gold or {})["labels"] for sample in read_samples(FG, rooted(tmp_path), "train-ovmerd")]
    assert golds == [[], [], ["null"], ["None", "NA"], ["x", "y"], ["p", "q r"]]


def test_a_clip_that_no_subtitle_names_has_no_text(folder: Path, tmp_path: Path) -> None:
    copied(folder, tmp_path)
    table(tmp_path / "track_all_candidates.csv", ["name"], [["nobody"], ["said"]])
    assert [sample.text for sample in read_samples(SEMI, rooted(tmp_path))] == ["", ""]


@pytest.mark.parametrize(
    ("file", "header", "rows", "told"),
    [
        ("track1_train_disdim.csv", ["name", "discrete"], [["x", "fearful"]], r"row 2, column 'discrete': found 'fear"),
        ("track1_train_disdim.csv", ["name", "label"], [["x", "sad"]], r"no column 'discrete'"),
        ("track1_train_disdim.csv", ["name", "discrete"], [["../x", "sad"]], r"row 2: the name '\.\./x' is no plain"),
        (
            "track1_train_disdim.csv",
            ["name", "discrete"],
            [["x", "sad"], ["x", "sad"]],
            r"row 3: x is already in row 2",
        ),
        ("subtitle_chieng.csv", ["name", "english", "chinese"], [["x", "a"]], r"row 2: 2 cells, the header has 3"),
    ],
)
def test_a_fault_is_named_with_file_and_row(
    file: str, header: list[str], rows: list[list[str]], told: str, folder: Path, tmp_path: Path
) -> None:
    copied(folder, tmp_path)
    table(tmp_path / file, header, rows)
    with pytest.raises(ValueError, match=f"{file.replace('.', '[.]')}.*{told}"):
        read_samples(SEMI, rooted(tmp_path), "train")


@pytest.mark.parametrize("file", ["subtitle_chieng.csv", "track1_test_dis.csv"])
def test_a_missing_file_is_named(file: str, folder: Path, tmp_path: Path) -> None:
    (copied(folder, tmp_path) / file).unlink()
    with pytest.raises(ValueError, match=rf"{file} was looked for and is not there; .*MERChallenge/MER2025"):
        read_samples(SEMI, rooted(tmp_path), "test")


def test_a_description_without_labels_is_named(folder: Path, tmp_path: Path) -> None:
    copied(folder, tmp_path)
    table(tmp_path / "track3_train_ovmerd.csv", ["name", "reason"], [["x", "who"]])
    with pytest.raises(ValueError, match=r"track3_train_ovmerd\.csv, row 2: x is not in .*track2_train_ovmerd\.csv"):
        read_samples(DES, rooted(tmp_path), "train-ovmerd")


# --- MER2024


def test_mer2024_has_chinese_transcripts_or_none(tmp_path: Path) -> None:
    samples = read_samples(OV, rooted(write_mer2024(tmp_path)), "test")
    assert {sample.language for sample in samples} == {"zh"}
    assert (samples[1].gold or {})["labels"] == ["angry", "annoyed"]
    assert samples[0].media[0].path.parent.name == "video-unlabeled"
    (tmp_path / "transcription_merge.csv").unlink()
    assert {sample.text for sample in read_samples(OV, rooted(tmp_path), "test")} == {""}


def test_mer2024_candidates_are_the_one_table_called_so(tmp_path: Path) -> None:
    write_mer2024(tmp_path)
    assert len(read_samples(OV, rooted(tmp_path))) == 6
    table(tmp_path / "more-candidates.csv", ["name"], [["x"]])
    with pytest.raises(ValueError, match=r"2 files \(more-candidates\.csv, track-ov-candidates\.csv\) found"):
        read_samples(OV, rooted(tmp_path))
