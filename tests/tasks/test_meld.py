"""MELD: dialogues, contexts, repaired transcripts, clips by split."""

from __future__ import annotations

from pathlib import Path

import pytest

from prompts.render import render
from tasks.meld import MELD, spoken
from tasks.select import read_samples
from tasks.task import MediaOptions, Root, Sample
from tests.tasks.mer_folders import ANY, MELD_CLIPS, MELD_HEADER, rooted, table, write_meld


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_meld(tmp_path_factory.mktemp("MELD.Raw"))


def read(folder: Path, split: str = "test") -> list[Sample]:
    return read_samples(MELD, rooted(folder), split)


def test_published_sizes() -> None:
    assert MELD.sizes == {"test": 2_610, "dev": 1_109, "train": 9_989}
    assert MELD.splits[0] == "test"


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("It\x92s here, I\x92m sure\x85", "It’s here, I’m sure…"),
        ("\x93Come in!\x94 \x97 said she", "“Come in!” — said she"),
        ("I?m late? No, I don?t think so.", "I'm late? No, I don't think so."),
        ("Isn't it?", "Isn't it?"),
        ("caf\u00e9 \x81", "café"),
    ],
)
def test_quotation_marks_are_put_back(cell: str, text: str) -> None:
    assert spoken(cell) == text


def test_ids_are_those_of_the_clips_of_the_split(folder: Path) -> None:
    for split, place in MELD_CLIPS.items():
        samples = read(folder, split)
        assert [sample.id for sample in samples[:4]] == ["dia0_utt0", "dia0_utt1", "dia0_utt2", "dia0_utt5"]
        for sample in samples:
            assert sample.media[0].path == folder / split / place / f"{sample.id}.mp4"


def test_the_context_is_what_was_said_before_in_the_dialogue(folder: Path) -> None:
    first, second, third, fourth, fifth = read(folder)[:5]
    assert first.context == ()
    assert second.context == (f"Ann: {first.text}",)
    assert fourth.context == (*third.context, "Ann: No.")
    assert (fifth.context, fifth.meta["dialogue"]) == ((), "dia1")
    assert first.text == "It’s here, I’m sure…"


def test_the_prompt_shows_the_last_utterances_unless_transcripts_are_left_out(folder: Path) -> None:
    sample = read(folder)[3]
    shown = render(MELD, sample, MediaOptions())[0]["content"][-1]["text"]
    assert all(line in shown for line in sample.context)
    hidden = render(MELD, sample, MediaOptions(), transcript=False)[0]["content"][-1]["text"]
    assert not any(line in hidden for line in sample.context)
    many = Sample("x", None, "Now.", context=tuple(f"Ann: line {i}." for i in range(20)))
    shown = render(MELD, many, MediaOptions())[0]["content"][-1]["text"]
    assert [i for i in range(20) if f"line {i}." in shown] == list(range(12, 20))


def test_emotions_are_the_seven_classes(folder: Path) -> None:
    labels = [(sample.gold or {})["label"] for sample in read(folder)]
    assert labels[:4] == ["Neutral", "Anger", "Joy", "Sadness"]


def test_tables_in_a_clone_and_clips_in_the_raw_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "MELD").mkdir(parents=True)
    for path in folder.glob("*.csv"):
        (tmp_path / "data" / "MELD" / path.name).write_bytes(path.read_bytes())
    for media in (folder, folder / "test", folder / "test" / MELD_CLIPS["test"]):
        samples = read_samples(MELD, Root(tmp_path, media, ANY))
        assert [sample.media for sample in samples] == [sample.media for sample in read(folder)]
    with pytest.raises(ValueError, match=r"none of 12 clips is here; looked for files such as output_repeated_splits"):
        read_samples(MELD, Root(tmp_path, tmp_path, ANY))


ROW = [1, "Hey.", "Ann", "joy", "positive", 0, 0, 8, 21, "0:0:0", "0:0:1"]


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (3, "happy", r"row 2, column 'Emotion': found 'happy', legal: anger, "),
        (5, "x", r"row 2: found 'x' where a whole number was expected"),
        (6, "-1", r"row 2: found '-1' where"),
        (5, "../0", r"row 2: found '\.\./0' where"),
    ],
)
def test_a_fault_is_named_with_its_row(place: int, value: str, told: str, tmp_path: Path) -> None:
    table(tmp_path / "test_sent_emo.csv", MELD_HEADER, [[*ROW[:place], value, *ROW[place + 1 :]]])
    with pytest.raises(ValueError, match=rf"test_sent_emo\.csv, {told}"):
        read(tmp_path)


def test_an_utterance_that_stands_twice_is_named(tmp_path: Path) -> None:
    table(tmp_path / "test_sent_emo.csv", MELD_HEADER, [ROW, ROW])
    with pytest.raises(ValueError, match=r"row 3: dia0_utt0 occurs twice"):
        read(tmp_path)
