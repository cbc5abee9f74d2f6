"""What holds for every MER task, MELD, GoEmotions and the personality track, on folders in the real layout."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from prompts.parsing import Parsed, parse
from prompts.render import render
from prompts.schema import dump
from tasks import goemotions, meld, mer2024, mer2025, mer2026, mer_personality, mer_unibench
from tasks.select import check_options, read_samples
from tasks.task import MediaOptions, Root, Sample, Task
from tasks.validate import check_samples
from tests.tasks.mer_folders import (
    ANY,
    write_goemotions,
    write_meld,
    write_mer2024,
    write_mer2025,
    write_mer2026,
    write_personality,
    write_unibench,
)

WRITERS: dict[str, Callable[[Path], Path]] = {
    "mer2024": write_mer2024,
    "mer2025": write_mer2025,
    "mer2026": write_mer2026,
    "unibench": write_unibench,
    "meld": write_meld,
    "goemotions": write_goemotions,
    "personality": write_personality,
}
OF = {
    "mer2024": (mer2024.OV,),
    "mer2025": (mer2025.SEMI, mer2025.FG, mer2025.DES, mer2025.OV_MERD),
    "mer2026": (mer2026.CROSS, mer2026.FG, mer2026.PREFER),
    "unibench": tuple(task for task in vars(mer_unibench).values() if isinstance(task, Task)),
    "meld": (meld.MELD,),
    "goemotions": (goemotions.GOEMOTIONS,),
    "personality": (mer_personality.PR,),
}
TASKS = {task.name: (family, task) for family, tasks in OF.items() for task in tasks}
WITHOUT_GOLD = ("candidates", "stage1", "stage2")
every_task = pytest.mark.parametrize("name", TASKS)
every_split = pytest.mark.parametrize(
    ("name", "split"), [(name, split) for name, (_, task) in TASKS.items() for split in task.splits]
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Writes a family's folder on first use."""
    base, there = tmp_path_factory.mktemp("mer"), set[str]()

    def folder(family: str) -> Path:
        if family not in there:
            WRITERS[family](base / family)
            there.add(family)
        return base / family

    return folder


def read(folders: Callable[[str], Path], name: str, split: str, **options: str) -> tuple[Task, list[Sample]]:
    family, task = TASKS[name]
    given = {**(ANY if "counts" in task.options else {}), **options}
    return task, read_samples(task, Root(folders(family), None, check_options(task, given)), split)


def test_all_agreed_names_are_there() -> None:
    assert set(TASKS) == {
        *("mer2025-semi", "mer2025-fg", "mer2025-des", "mer2025-pr", "ov-merd", "mer2024-ov"),
        *("mer2026-cross", "mer2026-fg", "mer2026-prefer", "meld", "goemotions"),
        *(f"unibench-{name}" for name in ("mer2023", "mer2024", "meld", "iemocap", "mosi", "mosei", "sims", "simsv2")),
        "unibench-ovmerd-plus",
    }


@every_split
def test_every_split_is_read_and_fits_its_task(name: str, split: str, folders: Callable[[str], Path]) -> None:
    task, samples = read(folders, name, split)
    check_samples(task, samples)
    assert len(samples) >= 2
    assert all((sample.gold is None) == (split in WITHOUT_GOLD) for sample in samples)
    for sample in samples:
        assert all(medium.path.is_file() for medium in sample.media)
        assert len(sample.media) == (name != "goemotions")
        assert {task.group, *task.slices} <= {"language", *sample.meta}
        json.dumps([sample.gold, dict(sample.meta)])


@every_split
def test_gold_is_an_answer_of_the_task(name: str, split: str, folders: Callable[[str], Path]) -> None:
    task, samples = read(folders, name, split)
    for sample in samples:
        if sample.gold is not None and sample.gold.get("labels") != []:
            value = {"confidence": None, **sample.gold} if "label" in sample.gold else sample.gold
            found = parse(dump(value, task.answer), task.answer)
            assert isinstance(found, Parsed)
            assert found.value == value


@every_task
def test_every_sample_is_asked_with_the_tasks_own_template(name: str, folders: Callable[[str], Path]) -> None:
    task, samples = read(folders, name, TASKS[name][1].splits[0])
    for sample in samples:
        (message,) = render(task, sample, MediaOptions())
        asked = message["content"][-1]["text"]
        assert sample.text in asked
        assert [item["type"] for item in message["content"]][:-1] == ["video", "audio"][: 2 * len(sample.media)]


@every_task
def test_reading_is_a_pure_function(name: str, folders: Callable[[str], Path]) -> None:
    split = TASKS[name][1].splits[-1]
    assert read(folders, name, split) == read(folders, name, split)


@pytest.mark.parametrize(
    ("name", "split"), [(name, split) for name, (_, task) in TASKS.items() for split in task.sizes]
)
def test_another_count_than_the_published_one_is_refused(name: str, split: str, folders: Callable[[str], Path]) -> None:
    family, task = TASKS[name]
    with pytest.raises(ValueError, match=rf"published number is {task.sizes[split]:,}.*counts=any"):
        read_samples(task, Root(folders(family), None, check_options(task, {})), split)


def test_a_count_that_is_let_pass_is_told(folders: Callable[[str], Path], capsys: pytest.CaptureFixture[str]) -> None:
    read(folders, "mer2025-semi", "train")
    assert "6 entries, the published number is 7,369" in capsys.readouterr().err


@every_task
def test_an_empty_folder_is_told_what_was_looked_for(name: str, tmp_path: Path) -> None:
    task = TASKS[name][1]
    for split in task.splits:
        with pytest.raises(ValueError, match=r"looked for") as caught:
            read_samples(task, Root(tmp_path, None, dict(ANY)), split)
        assert str(tmp_path) in str(caught.value)
        assert any(word in str(caught.value) for word in ("huggingface.co", "github.com")), "and where it is to be had"


@pytest.mark.parametrize("name", [name for name, (family, _) in TASKS.items() if family != "unibench"])
def test_an_unknown_split_is_refused_by_the_adapter_itself(name: str, folders: Callable[[str], Path]) -> None:
    family, task = TASKS[name]
    with pytest.raises(ValueError, match="no split 'tset'; legal"):
        task.adapter(Root(folders(family), None, dict(ANY)), "tset")


def test_a_parent_of_the_release_will_do(folders: Callable[[str], Path], tmp_path: Path) -> None:
    for family, inside in (
        ("mer2025", "mer2025-dataset"),
        ("mer2026", "mer2026-dataset"),
        ("mer2024", "mer2024-dataset"),
    ):
        (tmp_path / inside).symlink_to(folders(family))
        task = OF[family][0]
        direct, parent = (
            read_samples(task, Root(place, None, dict(ANY)), "candidates") for place in (folders(family), tmp_path)
        )
        assert [sample.id for sample in direct] == [sample.id for sample in parent]
        assert all(sample.media[0].path.is_file() for sample in parent)


def test_media_may_lie_elsewhere(folders: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "clips").symlink_to(folders("mer2025") / "video")
    root = Root(folders("mer2025"), tmp_path / "clips", dict(ANY))
    for sample in read_samples(mer2025.SEMI, root, "train"):
        assert sample.media[0].path.parent == tmp_path / "clips"
    with pytest.raises(ValueError, match=r"none of 6 clips is here; looked for files such as video/sample_\d+\.mp4"):
        read_samples(mer2025.SEMI, replace(root, media=tmp_path / "nothing"), "train")
