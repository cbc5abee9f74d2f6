"""MER2025-PR: subjects, their files and traits, and which faults are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.mer_personality import LABELS, PARTS, PR, TRAITS
from tasks.select import read_samples
from tasks.task import Root, Sample
from tests.tasks.mer_folders import SIX, clip, table, write_personality


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_personality(tmp_path)


def read(folder: Path, split: str) -> list[Sample]:
    return read_samples(PR, Root(folder), split)


def test_subjects_are_divided_by_the_partition(folder: Path) -> None:
    ids = {split: [sample.id for sample in read(folder, split)] for split in PR.splits}
    assert ids == {
        "candidates": ["002/1", "002/2", "005/1", "005/2"],
        "train": ["003/1", "003/2", "006/1", "006/2"],
        "val": ["001/1", "001/2", "004/1", "004/2"],
    }


def test_every_file_of_a_subject_has_the_subjects_traits(folder: Path) -> None:
    samples = read(folder, "train")
    assert samples[0].gold == samples[1].gold != samples[2].gold
    assert tuple(samples[0].gold or {}) == TRAITS
    row = (folder / LABELS).read_text().splitlines()[3].split(",")
    assert (int(row[0]), [float(cell) for cell in row[1:]]) == (3, list((samples[0].gold or {}).values()))
    assert {sample.meta["subject"] for sample in samples} == {"003", "006"}


def test_one_file_a_subject_and_sound_alone(folder: Path) -> None:
    clip(folder / "video" / "7.mp4", SIX[0], 1)
    clip(folder / "video" / "008" / "said.wav", SIX[1], 2)
    samples = {sample.id: sample.media[0].kind for sample in read(folder, "candidates")}
    assert samples == {"002/1": "video", "002/2": "video", "005/1": "video", "005/2": "video", "007": "video",
                       "008/said": "audio"}  # fmt: skip


def test_the_test_data_alone_are_candidates(folder: Path) -> None:
    (folder / PARTS).unlink()
    (folder / LABELS).unlink()
    assert len(read(folder, "candidates")) == 12


HEADER = ["id", "E", "A", "C", "N", "O"]


@pytest.mark.parametrize(
    ("file", "header", "rows", "told"),
    [
        (LABELS, HEADER[:5], [], r"5 columns; an id and extraversion, .* were expected"),
        (LABELS, HEADER, [[1, 0.1, 0.2, 1.3, 0.4, 0.5]], r"row 2: found 0\.1, 0\.2, 1\.3.*numbers from 0 to 1"),
        (LABELS, HEADER, [[1, 0.1, "", 0.3, 0.4, 0.5]], r"row 2: .*numbers from 0 to 1"),
        (LABELS, HEADER, [[1, 0.1, "nan", 0.3, 0.4, 0.5]], r"row 2: .*numbers from 0 to 1"),
        (LABELS, HEADER, [[99, 0.1, 0.2, 0.3, 0.4, 0.5]], r"no row of subject 003, which partition3\.csv has"),
        (PARTS, ["id", "part"], [[1, "test"]], r"row 2: found 'test'; legal: train, val"),
        (PARTS, ["id"], [[1]], r"no column ''"),
    ],
)
def test_a_fault_of_a_table_is_named(
    file: str, header: list[str], rows: list[list[object]], told: str, folder: Path
) -> None:
    table(folder / file, header, rows)
    with pytest.raises(ValueError, match=f"{file.replace('.', '[.]')}.*{told}"):
        read(folder, "train")
