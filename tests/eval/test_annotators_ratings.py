"""Reading a CSV of items x annotators: what is taken, and what is refused with which words."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.annotators.ratings import MISSING, MOST_LABELS, Ratings, ratings_of, read_csv


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "votes.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_single_labels_with_gaps(tmp_path: Path) -> None:
    found = read_csv(write(tmp_path, "id,ann,bob\n1, Joy ,Sad\n\n2,,Joy\n3,,\n"))
    assert (found.ids, found.annotators, found.labels) == (("1", "2", "3"), ("ann", "bob"), ("Joy", "Sad"))
    assert found.single
    assert found.votes.tolist() == [[0, 1], [MISSING, 0], [MISSING, MISSING]]


def test_one_cell_with_two_labels_makes_all_cells_sets(tmp_path: Path) -> None:
    found = read_csv(write(tmp_path, "id,ann,bob\n1,joy;fear;joy,fear;\n2,joy,\n"))
    assert not found.single
    assert found.labels == ("fear", "joy")
    assert found.chosen.tolist() == [[[True, True], [True, False]], [[False, True], [False, False]]]
    assert found.rated.tolist() == [[True, True], [True, False]]
    with pytest.raises(ValueError, match="label sets"):
        _ = found.votes


def test_labels_that_are_given_fix_the_order(tmp_path: Path) -> None:
    path = write(tmp_path, "id,ann\n1,Joy\n")
    assert read_csv(path, ("Sad", "Joy")).votes.tolist() == [[1]]
    with pytest.raises(ValueError, match=r"line 2, column 'ann': found 'Joy', legal is joy, sad"):
        read_csv(path, ("joy", "sad"))


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffid,ann,bob\n1,Joy,Sad\n",
        "id,ann,bob\r\n1,Joy,Sad\r\n",
        'id,"ann","bob"\n"1","Joy","Sad"\n',
        "id,ann,bob\n1,Joy,Sad",
    ],
    ids=["byte order mark", "carriage returns", "quotes", "no last line break"],
)
def test_dialects_of_one_file(tmp_path: Path, text: str) -> None:
    found = read_csv(write(tmp_path, text))
    assert (found.ids, found.annotators, found.votes.tolist()) == (("1",), ("ann", "bob"), [[0, 1]])


REFUSED = {
    "": "empty; a header and one row an item",
    "\n\n": "empty; a header",
    "id,ann\n": "no rows after the header",
    "id\n1\n": "one column, 'id'",
    "id;ann\n1;Joy\n": "one column, 'id;ann'",
    "id,ann,ann\n1,Joy,Sad\n": "two columns are named 'ann'",
    "id,ann,\n1,Joy,Sad\n": "the name of an annotator is ''",
    "id,ann\n1,Joy,Sad\n": "line 2: 3 cells, but the header has 2",
    "id,ann,bob\n1,Joy\n": "line 2: 2 cells, but the header has 3",
    "id,ann\n1,Joy\n2,Sad\n1,Sad\n": "line 4: the id '1' stands in line 2 already",
    "id,ann\n1,Joy\n 1,Sad\n": "the id '1' stands in line 2 already",
    "id,ann\n,Joy\n": "line 2: the id is ''",
    "id,ann\n1,\n2,\n": "no cell holds a label",
    "id,ann\n1, ; ;\n": "line 2, column 'ann': found '; ;', separators without a label",
    "id,ann\n1,Jo\x1b[31my\n": "without control characters",
    "id,a\x07nn\n1,Joy\n": "without control characters",
    'id,ann\n1,"Joy\nful"\n': "without control characters",
    'id,ann\n1,"Joy\n': "not a readable UTF-8 CSV file",
    "id,ann\n1," + "x" * 200_000 + "\n": "not a readable UTF-8 CSV file",
    "id,ann\n" + "".join(f"{i},l{i}\n" for i in range(MOST_LABELS + 1)): "501 different labels",
}


@pytest.mark.parametrize("text", REFUSED, ids=[said[:40] for said in REFUSED.values()])
def test_what_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=re.escape(REFUSED[text])) as caught:
        read_csv(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 700
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("data", [b"id,ann\n1,\xff\xfe\n", "id,ann\n1,Joy\n".encode("utf-16")], ids=["bytes", "utf-16"])
def test_other_encodings_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ValueError, match="UTF-8"):
        read_csv(write(tmp_path, data))


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text("id,ann,bob\n" + text, encoding="utf-8", errors="surrogatepass", newline="")
    try:
        found = read_csv(path)
    except ValueError as error:
        assert str(path) in str(error)  # noqa: PT017  (both outcomes are legal)
    else:
        assert found.chosen.any()
        assert len(set(found.ids)) == len(found.ids)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file"):
        read_csv(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="no such file"):
        read_csv(tmp_path)


def test_ratings_refuse_labels_outside_and_ragged_rows() -> None:
    with pytest.raises(ValueError, match="found 'Joyy', legal is Joy, Sad; did you mean Joy"):
        ratings_of(["1"], ["ann"], ["Joy", "Sad"], [[{"Joyy"}]])
    with pytest.raises(ValueError, match="2 cells, but 1 annotators"):
        ratings_of(["1"], ["ann"], ["Joy", "Sad"], [[{"Joy"}, None]])
    with pytest.raises(ValueError, match="not annotated"):
        Ratings(("1",), ("ann",), ("Joy",), np.ones((1, 1, 1), dtype=bool), np.zeros((1, 1), dtype=bool))
    with pytest.raises(ValueError, match="was expected"):
        Ratings(("1",), ("ann",), ("Joy",), np.ones((1, 1, 2), dtype=bool), np.ones((1, 1), dtype=bool))
