"""What the static EmoS adapter refuses, and what the message says: a miniature release, damaged in one place a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tasks.emos import BASIC7, COMPACT, Expected
from tasks.task import Root
from tests.tasks import emos_fixture as mini
from tests.tasks.emos_fixture import EN_IDS, ZH_IDS, read


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mini.write(tmp_path_factory.mktemp("emos"), mini.release())


Damage = Callable[[dict[str, mini.Rows]], Any]


def swap(path: str) -> Damage:
    """Exchanges the first two data rows of a table."""

    def damage(tables: dict[str, mini.Rows]) -> None:
        rows = tables[path]
        rows[1], rows[2] = rows[2], rows[1]

    return damage


def put(path: str, row: int, column: str, value: object) -> Damage:
    """Puts a value into the cell of a spreadsheet row (the header is row 1)."""

    def damage(tables: dict[str, mini.Rows]) -> None:
        rows = tables[path]
        rows[row - 1][rows[0].index(column)] = value

    return damage


def drop_last(path: str) -> Damage:
    return lambda tables: tables[path].pop()


ZH_BOOK, EN_BOOK, CSQ = mini.ZH_BOOKS["latter"][2], mini.EN_BOOKS["last2000"][0], mini.EN_BOOKS["first3000"][1]
BASIC, ZH_SOFT = mini.FIRST_BASIC, mini.FIRST_SOFT
MEND = {"labels": "repaired"}
# (what is wrong, the damage, what the message says, policies)
REFUSED: list[tuple[str, Damage, str, dict[str, str]]] = [
    ("row order, labels", swap(BASIC), "annotated_with_ds.xlsx, row 2, column 'text': found '把门关上 '", {}),
    ("row order, soft", swap(mini.LATTER_SOFT), "after2500_training_data.xlsx, row 2, column 'text'", {}),
    ("row order, index", swap(mini.META), "annotated_with_ds.xlsx, row 2, .*meta.csv has video_0001/0002", {}),
    ("row order, zh book", swap(mini.ZH_BOOKS["first"][1]), "a2.xlsx, row 2, column 'clip_id'", MEND),
    ("row order, en book", swap(CSQ), "csq_train_sent_emo.xlsx, row 2, column 'Utterance_ID'", MEND),
    ("text in en book", put(EN_BOOK, 5, "Utterance", "Hm."), "a10.xlsx, row 5, column 'Utterance'", MEND),
    ("wrong id", put(mini.LATTER_BASIC, 3, "clip_id", 11), "column 'clip_id': found '11'.* has '00001_0'", {}),
    ("wrong video", put(ZH_SOFT, 4, "video_id", "video_0009"), "row 4, column 'video_id': found 'video_0009'", {}),
    ("short labels", drop_last(mini.LATTER_BASIC), "after2500_training_data.xlsx: 4 rows, but .* have 3", {}),
    ("short soft labels", drop_last(mini.LATTER_SOFT), "after2500_training_data.xlsx: 3 rows, but .* have 4", {}),
    ("short index", drop_last(mini.META), "annotated_with_ds.xlsx: 4 rows, but .* have 3", {}),
    ("short book", drop_last(EN_BOOK), "a10.xlsx: 4 rows, at least 5 expected", MEND),
    ("label", put(BASIC, 3, "ds_label", "Unsure"), "row 3, column 'ds_label': found 'Unsure', legal is one of A", {}),
    ("vote", put(mini.LAST_2000, 2, "basic_vote_a11", ""), "row 2, column 'basic_vote_a11': found ''", {}),
    ("original", put(mini.FIRST_3000, 2, "basic_orig", "happy"), "row 2, column 'basic_orig': found 'happy'", {}),
    ("above 1", put(BASIC, 2, "ds_confidence", 1.5), "found '1.5', legal is a number above 0 up to 1", {}),
    ("nan", put(BASIC, 2, "ds_confidence", "nan"), "found 'nan', legal is a number above 0 up to 1", {}),
    ("text", put(BASIC, 2, "ds_confidence", "high"), "row 2, column 'ds_confidence': found 'high'", {}),
    ("no third", put(ZH_SOFT, 2, "goemotion_prob_joy", 0.5), "found '0.5', legal is 0, 1/3, 2/3 or 1", {}),
    ("union", put(ZH_SOFT, 2, "goemotion_union_size", 5), "column 'goemotion_union_size': found '5', legal is 2", {}),
    ("no number", put(BASIC, 2, "unique_labels", -1), "row 2, column 'unique_labels': found '-1'", {}),
    ("dialogue", put(mini.LAST_2000, 2, "Dialogue_ID", "../../etc"), "found '../../etc', legal is a whole", {}),
    ("twice, en", put(mini.LAST_2000, 3, "Utterance_ID", 3), "row 3, .*dia638_utt3 occurs twice", {}),
    ("twice, zh", put(mini.META, 3, "clip_id", "0001"), "meta.csv, row 3: video_0001/0001 occurs twice", {}),
    ("zeros lost", put(mini.META, 2, "clip_id", "1"), "row 2, column 'clip_id': found '1', .*leading zeros", {}),
    ("a path as id", put(mini.META, 2, "video_id", "../../etc"), "found '../../etc', legal is letters", {}),
    ("no column", put(BASIC, 1, "ds_label", "label"), "no column 'ds_label'; its header has: video_id, ", {}),
    ("no index column", put(mini.META, 1, "clip_id", "clip"), "meta.csv: no rows, or no column 'clip_id'", {}),
    ("unknown word", put(EN_BOOK, 5, "go-emotion", "joy;blah"), "a10.xlsx, row 5, .*: 'blah' is no GoEmotions", MEND),
    ("text gone", put(CSQ, 4, "Utterance_ID", 9), "csq_train_sent_emo.xlsx: no row of dia337_utt1", {}),
]


@pytest.mark.parametrize(
    ("damage", "message", "options"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_damaged_release_is_refused(tmp_path: Path, damage: Damage, message: str, options: dict[str, str]) -> None:
    tables = mini.release()
    damage(tables)
    with pytest.raises(ValueError, match=message) as error:
        read(mini.write(tmp_path, tables), options)
    assert "commit 4fd2d8c" in str(error.value) or "labels=release" in str(error.value)


def test_damaged_books_do_not_matter_to_the_release_policy(tmp_path: Path) -> None:
    tables = mini.release()
    put(EN_BOOK, 5, "go-emotion", "joy;blah")(tables)
    drop_last(ZH_BOOK)(tables)
    assert len(read(mini.write(tmp_path, tables), {"labels": "release"})) == len(ZH_IDS) + len(EN_IDS)


def test_blank_last_rows_are_no_rows(tmp_path: Path) -> None:
    tables = mini.release()
    for rows in (tables[mini.FIRST_BASIC], tables[mini.LAST_2000]):
        rows.extend([[None] * 3, ["", ""]])
    assert list(read(mini.write(tmp_path, tables))) == [*ZH_IDS, *EN_IDS]


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        (Expected(rows={"latter": 5}), r"annotated_with_ds.xlsx: rows: expected 5 in all, found 4\."),
        (
            Expected(labels={"first": {"Joy": 2}}),
            r"annotated_with_ds.xlsx: column 'ds_label': expected 2 Joy, found 1\.",
        ),
        (
            Expected(labels={"last2000": {"Disgust": 1}}),
            r"ds_last2000.xlsx: column 'basic_corrected': expected 1 Disgust, found 0\.",
        ),
        (
            Expected(tiers={"first3000": {"low": 3}}),
            r"labels_first3000.xlsx: column 'basic_corrected_conf': expected 3 low, found 1\.",
        ),
    ],
)
def test_counts_are_held_against_the_expected_ones(data: Path, expected: Expected, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(data, expected=expected)


def test_the_public_adapters_expect_the_published_release(data: Path) -> None:
    for adapter in (BASIC7.adapter, COMPACT.adapter):
        with pytest.raises(ValueError, match=r"First-2500.*rows: expected 2499 in all, found 3"):
            adapter(Root(data), "all")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_a_workbook_that_is_none(tmp_path: Path, content: bytes) -> None:
    mini.write(tmp_path, mini.release())
    (tmp_path / "datasets/data-final" / mini.FIRST_SOFT).write_bytes(content)
    with pytest.raises(ValueError, match=r"front2500_training_data.xlsx: not a readable xlsx workbook"):
        read(tmp_path)


def test_a_truncated_workbook(tmp_path: Path) -> None:
    mini.write(tmp_path, mini.release())
    path = tmp_path / "datasets/data-final" / mini.LAST_2000
    whole = path.read_bytes()
    for size in range(0, len(whole), len(whole) // 7):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"annotated_with_ds_last2000.xlsx: not a readable xlsx workbook"):
            read(tmp_path)


def test_a_workbook_with_a_damaged_cell(tmp_path: Path) -> None:
    mini.write(tmp_path, mini.release())
    path = tmp_path / "datasets/data-final" / mini.FIRST_BASIC
    with ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    assert b"<v>0.99</v>" in parts[sheet]
    parts[sheet] = parts[sheet].replace(b"<v>0.99</v>", b"<v>0,99</v>")
    with ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match=r"annotated_with_ds.xlsx: not a readable xlsx workbook \(ValueError: .*0,99"):
        read(tmp_path)


def test_an_index_that_is_not_utf8(tmp_path: Path) -> None:
    mini.write(tmp_path, mini.release())
    path = tmp_path / "datasets/data-final" / mini.META
    path.write_bytes(path.read_text(encoding="utf-8").encode("gbk"))
    with pytest.raises(ValueError, match=r"meta.csv: not a readable UTF-8 csv file"):
        read(tmp_path)


def test_an_index_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    mini.write(tmp_path, mini.release())
    path = tmp_path / "datasets/data-final" / mini.META
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert list(read(tmp_path)) == [*ZH_IDS, *EN_IDS]


def test_a_wrong_data_folder_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no EmoS annotations here") as error:
        read(tmp_path)
    for place in ("datasets/data-final", "data-final", "."):
        assert str(tmp_path / place / mini.META) in str(error.value)


def test_an_incomplete_release_says_what_is_missing(tmp_path: Path) -> None:
    mini.write(tmp_path, mini.release())
    gone = [tmp_path / "datasets/data-final" / name for name in (mini.LATTER_BASIC, mini.FIRST_3000)]
    for path in gone:
        path.unlink()
    with pytest.raises(ValueError, match="the EmoS release is incomplete") as error:
        read(tmp_path)
    assert [str(path) in str(error.value) for path in gone] == [True, True]


def test_a_missing_annotator_book(tmp_path: Path) -> None:
    mini.write(tmp_path, mini.release())
    (tmp_path / "datasets/data-final" / ZH_BOOK).unlink()
    assert read(tmp_path, {"labels": "release"})
    with pytest.raises(ValueError, match=r"wangqifeng.xlsx: not a readable xlsx workbook \(FileNotFoundError"):
        read(tmp_path, {"labels": "repaired"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": "mended"}, "no option labels = 'mended'; legal: labels = release | repaired; transcripts"),
        ({"label": "release"}, "no option label = 'release'; legal: labels = release | repaired"),
    ],
)
def test_unknown_policies(data: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the message is compared below, with its bars
        read(data, options)
    assert message in str(error.value)


def test_an_unknown_split(data: Path) -> None:
    with pytest.raises(ValueError, match="EmoS has no split 'valid'; legal: all, train, test"):
        read(data, split="valid")
