"""MER-UniBench: what the nine sets hold, where their clips lie, and which faults are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks import mer_unibench
from tasks.mer_unibench_sets import SETS
from tasks.select import read_samples
from tasks.task import AnyOf, OneOf, Root, Sample, Task
from tests.tasks.mer_folders import ANY, UNIBENCH, rooted, write_unibench

TASKS = {task.name.removeprefix("unibench-"): task for task in vars(mer_unibench).values() if isinstance(task, Task)}
HIT = ("mer2023", "mer2024", "meld", "iemocap")
POLARITY = ("mosi", "mosei", "sims", "simsv2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_unibench(tmp_path_factory.mktemp("unibench"))


def read(folder: Path, name: str) -> list[Sample]:
    return read_samples(TASKS[name], rooted(folder))


def golds(samples: list[Sample]) -> list[Any]:
    return [sample.gold for sample in samples]


def test_published_sizes_and_headlines() -> None:
    sizes = {name: task.sizes["test"] for name, task in TASKS.items()}
    assert sizes == {
        **{"mer2023": 411, "mer2024": 1_169, "meld": 2_610, "iemocap": 1_241, "mosi": 686, "mosei": 4_659},
        **{"sims": 457, "simsv2": 1_034, "ovmerd-plus": 532},
    }
    assert {TASKS[name].metrics[0] for name in HIT} == {"hitrate"}
    assert {TASKS[name].metrics[0] for name in POLARITY} == {"sentiment_waf"}
    assert TASKS["ovmerd-plus"].metrics[0] == "ew_l1_f"
    assert {task.wheels for name, task in TASKS.items() if name not in POLARITY} == {"mer2025"}
    assert {type(task.answer) for name, task in TASKS.items() if name in POLARITY} == {OneOf}
    assert {task.answer for name, task in TASKS.items() if name not in POLARITY} == {AnyOf()}


def test_gold_is_the_official_word_as_one_label(folder: Path) -> None:
    words = ["neutral", "angry", "happy", "sad", "worried", "surprise"]
    assert golds(read(folder, "mer2023")) == [{"labels": [word]} for word in words] == golds(read(folder, "mer2024"))
    words = ["neutral", "anger", "joy", "sadness", "fear", "surprise"]
    assert golds(read(folder, "meld")) == [{"labels": [word]} for word in words]
    words = ["neutral", "anger", "happy", "sad", "neutral", "neutral"]
    assert golds(read(folder, "iemocap")) == [{"labels": [word]} for word in words]


def test_only_the_fifth_session_of_iemocap_is_tested(folder: Path) -> None:
    assert all(sample.id.startswith("Ses05") for sample in read(folder, "iemocap"))


@pytest.mark.parametrize("name", POLARITY)
def test_polarity_is_the_sign_of_a_score_that_is_kept(name: str, folder: Path) -> None:
    samples = read(folder, name)
    signs = ["neutral", "negative", "positive", "negative", "negative", "positive"]
    assert golds(samples) == [{"label": word} for word in signs]
    assert [sample.meta["value"] for sample in samples] == pytest.approx([0, -1, 1, -0.8, -0.2, 0.4])


@pytest.mark.parametrize(("name", "groups"), [("meld", 2), ("iemocap", 2), ("mosi", 2), ("sims", 2), ("mer2023", 6)])
def test_clips_of_one_dialogue_or_video_are_a_group(name: str, groups: int, folder: Path) -> None:
    assert len({sample.meta["group"] for sample in read(folder, name)}) == groups


@pytest.mark.parametrize("name", UNIBENCH)
def test_clips_are_taken_from_the_folder_that_the_official_code_takes(name: str, folder: Path) -> None:
    for sample in read(folder, name):
        assert sample.media[0].path.parent == folder / UNIBENCH[name][0] / UNIBENCH[name][2]


@pytest.mark.parametrize("name", SETS)
def test_the_sets_own_folder_will_do_for_data_and_for_media(name: str, folder: Path, tmp_path: Path) -> None:
    own = folder / SETS[name].folder
    assert read(own, name) == read(folder, name)
    for file in own.glob("*.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    for media in (folder, own):
        samples = read_samples(TASKS[name], Root(tmp_path, media, ANY))
        assert [sample.media for sample in samples] == [sample.media for sample in read(folder, name)]


def test_ov_merd_plus_is_read_from_its_own_tables(folder: Path) -> None:
    samples = read(folder, "ovmerd-plus")
    assert samples[1].gold == {"labels": ["angry", "annoyed"]}
    assert {sample.language for sample in samples} == {"en"}
    assert all(sample.text for sample in samples)


def label_file(folder: Path, name: str, **arrays: Any) -> Path:
    (folder / SETS[name].folder).mkdir(parents=True)
    held = {key: np.array(value) for key, value in arrays.items()}
    np.savez_compressed(folder / SETS[name].folder / SETS[name].label, **held)  # type: ignore[arg-type]
    return folder


@pytest.mark.parametrize(
    ("name", "arrays", "told"),
    [
        (
            "meld",
            {"test_corpus": {"x": {"emo": 7}}},
            r"'x': found {'emo': 7}; the label is 7; legal: 0 to 6 for anger,",
        ),
        ("meld", {"test_corpus": {"x": {"emo": True}}}, r"the label is True"),
        ("meld", {"train_corpus": {}}, r"no dictionary 'test_corpus' in it"),
        ("meld", {"test_corpus": ["x"]}, r"no dictionary 'test_corpus' in it"),
        ("meld", {"test_corpus": {"x": {"val": 1}}}, r"found {'val': 1}; 'emo'"),
        ("meld", {"test_corpus": {"x": 3}}, r"'x': found 3"),
        ("meld", {"test_corpus": {"../x": {"emo": 1}}}, r"the name '\.\./x' is no plain file name"),
        ("mer2023", {"test1_corpus": {"x": {"emo": ""}}}, r"the label is ''; legal: a word"),
        ("mosi", {"test_corpus": {"x": {"val": float("nan")}}}, r"the score is nan"),
        ("mosi", {"test_corpus": {"x": {"val": "1"}}}, r"the score is '1'"),
    ],
)
def test_a_fault_of_a_label_file_is_named(name: str, arrays: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"label\S*\.npz.*{told}"):
        read(label_file(tmp_path, name, **arrays), name)
