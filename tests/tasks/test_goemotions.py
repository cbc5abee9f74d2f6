"""GoEmotions: numbers to labels, text as it is, no media."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.metrics.table import METRICS
from tasks.goemotions import GOEMOTIONS
from tasks.labels import label_space
from tasks.select import read_samples
from tasks.task import Sample
from tests.tasks.mer_folders import rooted, write_goemotions

NAMES = label_space("goemotions28").labels


def read(folder: Path, split: str = "test") -> list[Sample]:
    return read_samples(GOEMOTIONS, rooted(folder), split)


def test_published_sizes() -> None:
    assert GOEMOTIONS.sizes == {"test": 5_427, "dev": 5_426, "train": 43_410}


def test_numbers_are_labels_in_the_order_of_the_release(tmp_path: Path) -> None:
    samples = read(write_goemotions(tmp_path))
    assert samples[0].gold == {"labels": [{"label": name, "confidence": 1.0} for name in (NAMES[0], NAMES[27])]}
    assert samples[1].gold == {"labels": [{"label": NAMES[1], "confidence": 1.0}]}
    assert samples[0].text.startswith('That "one, [NAME] thing"'), "quotation marks mean nothing in these files"
    assert samples[0].media == ()
    assert (samples[0].id, samples[0].meta["comment"]) == ("etest0x000",) * 2


def test_gold_is_gold_for_the_metrics(tmp_path: Path) -> None:
    golds = [sample.gold or {} for sample in read(write_goemotions(tmp_path))]
    for name in ("set_exact", "set_sample_f1"):
        assert METRICS[name](golds, golds, GOEMOTIONS.answer) == 1.0


def test_the_tables_may_lie_in_the_folder_itself(tmp_path: Path) -> None:
    write_goemotions(tmp_path)
    assert read(tmp_path / "data") == read(tmp_path)


@pytest.mark.parametrize(
    "line", ["text\t28\tid", "text\t\tid", "text\t-1\tid", "text\tjoy\tid", "text\t3", "a\tb\t3\tid"]
)
def test_a_malformed_row_is_named(line: str, tmp_path: Path) -> None:
    (tmp_path / "test.tsv").write_text(f"fine\t3\tx\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"test\.tsv, row 2: text, numbers of labels and comment id were expected"):
        read(tmp_path)


def test_another_list_of_emotions_is_refused(tmp_path: Path) -> None:
    write_goemotions(tmp_path)
    (tmp_path / "data" / "emotions.txt").write_text("\n".join(sorted(NAMES)), encoding="utf-8")
    with pytest.raises(ValueError, match=r"emotions\.txt: another list of emotions"):
        read(tmp_path)
