"""The readers of tasks/mer_tables.py: cells stay text, names stay inside, pickles stay data, big tables stay small."""

from __future__ import annotations

import io
import json
import os
import pickle
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompts.parsing.official import mer_list
from tasks.mer_tables import (
    ADMITTED,
    check_name,
    header_of,
    named_rows,
    official_npz,
    one_of,
    openset,
    read_rows,
    read_subtitles,
)

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT.parent / "shared" / "spec" / "examples" / "ew.json"
WHEELS = ROOT.parent / "shared" / "data" / "emotion_wheel" / "mer2026" / "wheel_mapping.npz"


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


# --- csv


@pytest.mark.parametrize("word", ["None", "NA", "null", "nan", "N/A", "NULL", "-1.#IND", "0012", " spaced "])
def test_a_cell_is_the_text_that_stands_there(word: str, tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", f"name,english\nx,{word}\n")
    assert [row.cells["english"] for row in read_rows(path, ["english"])] == [word]


def test_commas_quotes_line_breaks_and_empty_cells(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", '\ufeffname, openset\n\nx,"a, ""b"", c"\ny,"two\nlines"\nz,\n')
    assert [tuple(row.cells.values()) for row in read_rows(path, ["name", "openset"])] == [
        ("x", 'a, "b", c'),
        ("y", "two\nlines"),
        ("z", ""),
    ]


def test_rows_are_counted_as_a_spreadsheet_does(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", 'name,discrete\nx,"a\nb"\ny,glad\n')
    *_, last = read_rows(path, ["discrete"])
    with pytest.raises(ValueError, match=r"t\.csv, row 3, column 'discrete': found 'glad', legal: happy, sad"):
        one_of(path, last, "discrete", ("happy", "sad"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name,discret\nx,sad\n", r"no column 'discrete'; its header has 'name', 'discret'; see there"),
        ("", r"its header has nothing"),
        ("name,discrete\nx,shocked,care\n", r"row 2: 3 cells, the header has 2.*quotation marks"),
        ("name,discrete\nx,sad\ny\n", r"row 3: 1 cells"),
        ('name,discrete\nx,"' + "a" * 200_000 + '"\n', r"not a readable UTF-8 csv"),
    ],
)
def test_a_malformed_table_is_named(text: str, told: str, tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", text)
    with pytest.raises(ValueError, match=rf"t\.csv.*{told}"):
        list(read_rows(path, ["name", "discrete"], source="see there"))


def test_a_file_that_is_none_or_of_another_encoding_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"t\.csv was looked for and is not there; see there"):
        list(read_rows(tmp_path / "t.csv", ["name"], source="see there"))
    with pytest.raises(ValueError, match="looked for"):
        header_of(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_bytes("name\n你好\n".encode("gb18030"))
    for reading in (lambda: list(read_rows(tmp_path / "t.csv", ["name"])), lambda: header_of(tmp_path / "t.csv")):
        with pytest.raises(ValueError, match="not a readable UTF-8 csv"):
            reading()


@pytest.mark.parametrize(
    "name",
    ["sample_00000000", "samplenew3_00089438", "dia0_utt1", "Ses05F_impro01_F000", "-3g5yACwYnA_0", "_dI--eQ_1", "a.b"],
)
def test_names_of_the_releases_are_names(name: str) -> None:
    assert check_name(name, "here") == name


@pytest.mark.parametrize(
    "name", ["", "..", ".hidden", "../../etc/passwd", "a/b", "a\\b", "C:x", "a\0b", "a b", "x" * 129, "名"]
)
def test_a_name_that_is_no_plain_file_name_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write(f'name,openset\nfirst,a\n"{name}",b\n')
    with pytest.raises(ValueError, match=r"row 3: the name .* is no plain file name"):
        named_rows(path, ["openset"])


def test_a_name_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "name\nx\ny\nx\n")
    with pytest.raises(ValueError, match="row 4: x is already in row 2"):
        named_rows(path, [])


# --- label lists


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("[concern, pessimism]", ["concern", "pessimism"]),
        ("shocked,care,serious", ["shocked", "care", "serious"]),
        ("['happy', 'at ease']", ["happy", "at ease"]),
        ("[]", []),
        ("", []),
        ("[", []),
        ("null", ["null"]),
        ("[None, NA]", ["None", "NA"]),
        ("can't wait", ["can", "t wait"]),
        ("[happy/content]", ["happy/content"]),
    ],
)
def test_both_syntaxes_of_an_open_set(cell: str, labels: list[str]) -> None:
    assert openset(cell) == labels


@given(st.text(alphabet="[]'\", ab\n/", max_size=20))
def test_an_open_set_is_read_as_the_official_reader_does(cell: str) -> None:
    if cell != "[":  # there the official reader crashes
        assert openset(cell) == mer_list(cell)


@pytest.mark.skipif(not EXAMPLES.is_file(), reason="needs the reference examples beside the checkout")
def test_the_official_examples() -> None:
    cases = json.loads(EXAMPLES.read_text(encoding="utf-8"))["string_to_list"]
    texts = [case for case in cases if isinstance(case["in"], str) and "out" in case]
    assert len(texts) >= 5
    for case in texts:
        assert openset(case["in"]) == case["out"]


# --- subtitles


def test_english_first_then_chinese_and_none_where_there_is_none(tmp_path: Path) -> None:
    path = written(tmp_path / "s.csv", 'name,chinese,english\na,你好,Hello\nb,你好, \nc,没,"None"\nd,,\ne,好,"a, b"\n')
    found = read_subtitles(path, ["a", "b", "c", "d"])
    assert {name: tuple(told) for name, told in found.items()} == {
        "a": ("Hello", "en"),
        "b": ("你好", "zh"),
        "c": ("None", "en"),
    }


def test_a_table_with_one_column_of_text(tmp_path: Path) -> None:
    both = written(tmp_path / "s.csv", "name,sentence\na,Hello\nb,你好 Tom\n")
    assert {name: told.language for name, told in read_subtitles(both, {"a", "b"}).items()} == {"a": "en", "b": "zh"}
    chinese = written(tmp_path / "c.csv", "name,chinese\na,OK\n")
    assert read_subtitles(chinese, {"a"})["a"].language == "zh"
    with pytest.raises(ValueError, match="none of the columns english, sentence, chinese"):
        read_subtitles(written(tmp_path / "n.csv", "name,text\na,b\n"), {"a"})


def test_the_whole_subtitle_table_is_read_in_little_memory(tmp_path: Path) -> None:
    """132,171 rows of about 200 bytes, of which 50 are wanted."""
    path = tmp_path / "subtitle_chieng.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("name,chinese,english\n")
        for i in range(132_171):
            file.write(f'sample_{i:08d},{"这是一句没有人要的话，" * 4},"{"A sentence, that nobody asked for. " * 3}"\n')
    names = [f"sample_{i * 2_000:08d}" for i in range(50)]
    size = path.stat().st_size
    assert size > 25_000_000
    tracemalloc.start()
    try:
        found = read_subtitles(path, names)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == 50
    assert peak < 2_000_000


# --- npz


def test_label_files_become_plain_python(tmp_path: Path) -> None:
    path = tmp_path / "label.npz"
    corpus = {"a": {"emo": np.str_("happy"), "val": np.float32(0.5)}, "b": {"emo": np.int64(3)}}
    arrays: dict[str, Any] = {
        "test_corpus": np.array(corpus),
        "filenames": np.array(["a", "b"]),
        "fileitems": np.array([["x", "y"], "[z]"], dtype=object),
        "number": np.array(3),
    }
    for save in (np.savez, np.savez_compressed):
        save(path, **arrays)
        found = official_npz(path)
        assert found == {
            "test_corpus": {"a": {"emo": "happy", "val": 0.5}, "b": {"emo": 3}},
            "filenames": ["a", "b"],
            "fileitems": [["x", "y"], "[z]"],
            "number": 3,
        }
        assert type(found["test_corpus"]["b"]["emo"]) is int
        json.dumps(found)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([["a", 1], [None, [2]]], dtype=object),
        np.asfortranarray(np.array([["a", 1], [None, (2,)]], dtype=object)),
        np.array([1, -2], dtype=">i4"),
        np.array([True, False]),
        np.array(["好", "b"]),
        np.array([b"x", b"yz"]),
        np.array([], dtype=np.float16),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays_within_a_dictionary_are_as_they_were(array: Any, tmp_path: Path) -> None:
    for protocol in (2, 3, 4):
        path = packed(tmp_path, pickle.dumps(np.array({"a": array, "b": {"c"}}), protocol=protocol))
        assert official_npz(path) == {"corpus": {"a": array.tolist(), "b": {"c"}}}


@pytest.mark.parametrize(
    "value", [np.array([1j]), np.array([(1, 2)], dtype="i4,i4"), np.array(["2026"], dtype="M8[Y]")]
)
def test_arrays_that_no_label_file_holds_are_refused(value: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only numbers and text are admitted"):
        official_npz(packed(tmp_path, pickle.dumps(np.array({"a": value}))))


def test_the_old_module_names_of_numpy_are_read(tmp_path: Path) -> None:
    inner = pickle.dumps(np.array({"a": np.float64(1)}), protocol=2).replace(b"numpy._core.", b"numpy.core.")
    path = packed(tmp_path, inner)
    assert official_npz(path) == {"corpus": {"a": 1.0}}


def packed(folder: Path, pickled: bytes) -> Path:
    """An npz file whose one array is an object array with this pickle."""
    head = io.BytesIO()
    npy: Any = np.lib.format
    npy.write_array_header_1_0(head, {"descr": "|O", "fortran_order": False, "shape": ()})
    path = folder / "label.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("corpus.npy", head.getvalue() + pickled)
    return path


class Calls:
    """Pickled, it calls what it was given."""

    def __init__(self, function: Any, *words: Any) -> None:
        self.call = (function, words)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


@pytest.mark.parametrize("function", [os.system, eval, exec, getattr, print, __import__, Path, np.load, np.fromfile])
def test_a_pickle_that_calls_anything_is_refused(
    function: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = packed(tmp_path, pickle.dumps({"a": Calls(function, "print('called')")}))
    with pytest.raises(ValueError, match=r"label\.npz: not a readable npz label file.*only arrays, text and numbers"):
        official_npz(path)
    assert "called" not in capsys.readouterr().out


@pytest.mark.parametrize(("module", "name"), list(ADMITTED), ids=str)
def test_a_pickle_changes_nothing_for_the_next_one(module: str, name: str, tmp_path: Path) -> None:
    """The opcode that sets state is tried on everything that a pickle can get hold of."""
    before = packed(
        tmp_path, pickle.dumps(np.array({"a": np.float64(1), "b": np.array(["x"])}), protocol=2)
    ).read_bytes()
    for state in ({"__doc__": "changed", "array": 1}, (None, {"__doc__": "changed", "__call__": 1, "code": 1})):
        held = pickle.PROTO + b"\x02" + pickle.GLOBAL + f"{module}\n{name}\n".encode()
        with suppress(ValueError):
            official_npz(packed(tmp_path, held + pickle.dumps(state, protocol=2)[2:-1] + pickle.BUILD + pickle.STOP))
    assert ADMITTED[module, name].__doc__ != "changed"
    (tmp_path / "label.npz").write_bytes(before)
    assert official_npz(tmp_path / "label.npz") == {"corpus": {"a": 1.0, "b": ["x"]}}


@pytest.mark.parametrize(
    "content",
    [b"", b"no zip", b"PK\x03\x04" + bytes(60), pickle.dumps({"a": 1})],
    ids=["empty", "text", "header", "pickle"],
)
def test_what_is_no_npz_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "label.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"label\.npz: not a readable npz label file .*; see there"):
        official_npz(path, source="see there")


def test_a_missing_npz_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"label\.npz was looked for and is not there; see there"):
        official_npz(tmp_path / "label.npz", source="see there")


def test_a_list_within_itself_is_refused(tmp_path: Path) -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="not a readable npz"):
        official_npz(packed(tmp_path, pickle.dumps(loop)))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=4), st.floats(0.5, 1))
def test_any_damage_is_a_message(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[float, int]], kept: float
) -> None:
    folder = tmp_path_factory.mktemp("damage")
    whole = packed(folder, pickle.dumps(np.array({"a": {"emo": np.int64(1)}, "b": np.arange(3)}))).read_bytes()
    damaged = bytearray(whole)
    for place, byte in changes:
        damaged[int(place * len(whole))] = byte
    (folder / "label.npz").write_bytes(bytes(damaged[: int(kept * len(whole))]))
    try:
        assert isinstance(official_npz(folder / "label.npz"), dict)
    except ValueError as error:
        assert "label.npz: not a readable npz label file" in str(error)  # noqa: PT017 - most damage is seen, not all


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=4))
def test_any_damage_to_a_pickle_is_a_message(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[float, int]]
) -> None:
    """As above, with check sums that agree with the damage."""
    inner = bytearray(pickle.dumps(np.array({"a": {"emo": np.int64(1)}, "b": np.arange(3)})))
    for place, byte in changes:
        inner[int(place * len(inner))] = byte
    try:
        assert isinstance(official_npz(packed(tmp_path_factory.mktemp("damage"), bytes(inner))), dict)
    except ValueError as error:
        assert "label.npz: not a readable npz label file" in str(error)  # noqa: PT017


@pytest.mark.skipif(not WHEELS.is_file(), reason="needs the wheel tables beside the checkout")
def test_a_real_file_of_the_organisers_is_read() -> None:
    found = official_npz(WHEELS)
    assert len(found["format_mapping"]) == 7_356
    assert len(found["raw_mapping"]) == 1_255
