"""The adapters of the synthetic benchmark: what a sample carries, and which faults of a data folder are named."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.labels import label_space
from tasks.synthetic import SYNTHETIC, SYNTHETIC_COMPACT, compact_samples, generate, samples
from tasks.synthetic.layout import CARRIERS, annotation_columns, go29
from tasks.task import OneOf, Record, Root, Sample

LABELS = label_space("basic7").labels
CLIPS = 21
# the columns of the EmoS release, in order
GO29 = """
    admiration amusement anger annoyance approval caring confusion curiosity desire disappointment disapproval
    disgust embarrassment excitement fear gratitude grief joy love nervousness optimism pride realization relief
    remorse sadness surprise neutral unsure
""".split()  # noqa: SIM905


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("synthetic"), clips=CLIPS, seed=1, speakers=6, size=64)


def copy_table(folder: Path, to: Path, change: Callable[[list[dict[str, str]]], None]) -> Path:
    """A data folder without clips and without a manifest, whose rows were changed."""
    with (folder / "annotations.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    change(rows)
    with (to / "annotations.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return to


def test_samples_carry_what_scores_need(folder: Path) -> None:
    found = list(samples(Root(folder), "all"))
    assert [sample.id for sample in found] == sorted(sample.id for sample in found)
    assert len(found) == CLIPS
    for sample in found:
        assert sample.gold is not None
        assert sample.gold["label"] in LABELS
        assert sample.media[0].path.is_file()
        assert {SYNTHETIC.group, *SYNTHETIC.slices} <= set(sample.meta)
        assert sample.meta["carrier"] == CARRIERS[sample.gold["label"]]
        json.dumps(dict(sample.meta))
    parts = [{sample.id for sample in samples(Root(folder), split)} for split in ("train", "test")]
    assert parts[0] | parts[1] == {sample.id for sample in found}
    assert not parts[0] & parts[1]
    assert parts[1]


def test_media_need_not_exist_and_may_lie_elsewhere(folder: Path) -> None:
    sample = next(iter(samples(Root(folder, media=Path("elsewhere")), "all")))
    assert sample.media[0].path == Path("elsewhere", sample.meta["video_id"], f"{sample.meta['clip_id']}.mp4")


def test_the_compact_gold_lists_soft_labels_by_confidence(folder: Path) -> None:
    plain: dict[str, Sample] = {sample.id: sample for sample in samples(Root(folder), "all")}
    order = go29()
    for sample in compact_samples(Root(folder), "all"):
        assert sample.gold is not None
        assert set(sample.gold) == {"emotion", "goemotions"}
        assert sample.gold["emotion"] == (plain[sample.id].gold or {})["label"]
        pairs = [(item["label"], item["confidence"]) for item in sample.gold["goemotions"]]
        assert pairs == sorted(pairs, key=lambda pair: (-pair[1], order.index(pair[0])))
        assert all(value in (1 / 3, 2 / 3, 1.0) and name != "unsure" for name, value in pairs)
        assert pairs
        assert sample.media == plain[sample.id].media


def test_the_tasks_name_their_parts() -> None:
    assert SYNTHETIC.answer == OneOf(*label_space("basic7"))
    assert isinstance(SYNTHETIC_COMPACT.answer, Record)
    assert SYNTHETIC_COMPACT.answer.goemotions.labels == tuple(GO29[:-1])
    assert (SYNTHETIC.name, SYNTHETIC_COMPACT.name) == ("synthetic", "synthetic-compact")
    assert list(go29()) == GO29
    assert len(annotation_columns()) == 13 + 29 + 4


def put(row: int, name: str, value: str) -> Callable[[list[dict[str, str]]], None]:
    def change(rows: list[dict[str, str]]) -> None:
        rows[row][name] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put(0, "ds_label", "Happy"), "row 2: ds_label is 'Happy'; legal are Anger"),
        (put(3, "split", "dev"), "row 5: split is 'dev'"),
        (put(1, "basic_vote_2", ""), "row 3: basic_vote_2 is ''"),
        (put(1, "ds_confidence", "nan"), "row 3: ds_confidence is 'nan'"),
        (put(1, "goemotion_prob_joy", "2"), "row 3: goemotion_prob_joy is '2'"),
        (put(1, "unique_labels", "4"), "row 3: unique_labels is '4'"),
        (put(1, "carrier", "smell"), "row 3: carrier is 'smell'"),
        (put(1, "clip_id", "../../secret"), "row 3: clip_id is '../../secret'"),
        (lambda rows: rows[4].update(uid=rows[2]["uid"]), "row 6: uid .* is already in row 4"),
        (lambda rows: [row.pop("speaker") for row in rows] and None, "columns are missing: speaker"),
    ],
)
def test_a_bad_row_is_named(
    folder: Path, tmp_path: Path, change: Callable[[list[dict[str, str]]], None], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        list(samples(Root(copy_table(folder, tmp_path, change)), "all"))


def test_other_faults_of_a_data_folder_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"annotations\.csv is missing"):
        list(samples(Root(tmp_path), "all"))
    with pytest.raises(ValueError, match=r"no split 'dev'.*all, train, test"):
        list(samples(Root(folder), "dev"))
    copy_table(folder, tmp_path, lambda rows: rows.__delitem__(-1))
    assert len(list(samples(Root(tmp_path), "all"))) == CLIPS - 1
    (tmp_path / "manifest.json").write_bytes((folder / "manifest.json").read_bytes())
    with pytest.raises(ValueError, match=r"has 20 rows, manifest\.json says 21"):
        list(samples(Root(tmp_path), "all"))
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ValueError, match="does not name its clips"):
        list(samples(Root(tmp_path), "all"))
    (tmp_path / "annotations.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="no CSV in UTF-8"):
        list(samples(Root(tmp_path), "all"))
    table = (folder / "annotations.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "annotations.csv").write_text("\n".join([*table[:3], table[3][:40]]), encoding="utf-8")
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(ValueError, match="row 4: it has more or fewer cells"):
        list(samples(Root(tmp_path), "all"))
