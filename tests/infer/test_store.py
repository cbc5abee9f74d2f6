"""The run directory under crashes, full disks, second processes and hand-made damage: no reply lost, none doubled."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infer.engine import Fed, Reply
from infer.store import (
    REPLIES,
    RUN,
    SAMPLES,
    RunStore,
    read_lines,
    read_replies,
    read_samples,
    to_line,
)
from tasks.task import Media, Sample

ROOT = Path(__file__).parents[2]


def reply(number: int, text: str | None = "Joy", error: str | None = None) -> Reply:
    return Reply(f"clip {number}", f"key{number}", None if error else text, None if error else "stop", error=error)


def stored(folder: Path) -> list[Reply]:
    return list(read_replies(folder))


def fill(folder: Path, count: int) -> list[Reply]:
    replies = [reply(number, f"Freude {number} 喜 \n") for number in range(count)]
    with RunStore(folder) as store:
        assert store.append(replies) == count
    return replies


# --- Append, read again, resume


def test_replies_come_back_as_they_were_in_their_order(tmp_path: Path) -> None:
    full = Reply(
        id="dia0_utt0",
        key="k" * 64,
        text='{"label":"Joy"}',
        finish="stop",
        usage={"prompt_tokens": 300, "completion_tokens": 7},
        fed=Fed(frames=4, fps=1.998, audio_s=2.5, audio_tokens=62, video_tokens=280, notes=("sound track is silent",)),
        label_logprobs={"Joy": -0.25, "Anger": -1.5},
    )
    with RunStore(tmp_path / "run") as store:
        assert store.append([full]) == 1
        assert store.append([reply(1), reply(2, error="media: no such file")]) == 2
        assert store.append([]) == 0
        assert stored(tmp_path / "run") == [full, reply(1), reply(2, error="media: no such file")], "on disk at once"
    assert stored(tmp_path / "run") == [full, reply(1), reply(2, error="media: no such file")]
    assert len((tmp_path / "run" / REPLIES).read_bytes().splitlines()) == 3


def test_resume_knows_what_is_done(tmp_path: Path) -> None:
    with RunStore(tmp_path) as store:
        store.append([reply(0), reply(1, error="media: broken")])
    with RunStore(tmp_path) as store:
        assert store.is_done("clip 0", "key0")
        assert not store.is_done("clip 1", "key1"), "an error is tried again"
        assert not store.is_done("clip 0", "key1"), "another key is another question"
        assert not store.is_done("clip 1", "key0"), "an equal question about another sample is another reply"
        assert store.counts == (2, 1)
        assert store.repaired_bytes == 0


def test_a_good_reply_is_never_doubled_nor_replaced(tmp_path: Path) -> None:
    for _ in range(2):  # in one sitting and in the next
        with RunStore(tmp_path) as store:
            store.append([reply(0)])
            assert store.append([reply(0), reply(0, "Anger"), reply(0, error="late failure")]) == 0
    assert stored(tmp_path) == [reply(0)]


def test_doubles_within_one_call_are_stored_once(tmp_path: Path) -> None:
    with RunStore(tmp_path) as store:
        assert store.append([reply(0), reply(0), reply(1, error="x"), reply(1, error="x")]) == 2
    assert stored(tmp_path) == [reply(0), reply(1, error="x")]


def test_the_same_error_is_not_doubled_and_a_good_reply_replaces_it(tmp_path: Path) -> None:
    with RunStore(tmp_path) as store:
        assert store.append([reply(0, error="engine: out of memory")]) == 1
    with RunStore(tmp_path) as store:
        assert store.append([reply(0, error="engine: out of memory")]) == 0
        assert store.append([reply(0, error="media: gone")]) == 1
        assert store.append([reply(0, "Joy")]) == 1
        assert store.is_done("clip 0", "key0")
        assert store.counts == (1, 0)
    with RunStore(tmp_path) as store:
        assert store.is_done("clip 0", "key0")
        assert store.counts == (1, 0)
    assert stored(tmp_path)[-1] == reply(0, "Joy")


AWKWARD = [
    "",
    "\0",
    "a\0b",
    "\ud800",
    "half of 🙂 is \ud83d, the other \ude42",
    "line\nfeed\r\nreturn\rtab\t",
    "\u2028\u2029\x85\x0b\x0c\x1c",
    "\x1b[31m",
    '{"label": "Joy"}\n{"id": "forged", "key": "forged"}\n',
    "喜怒哀乐" * 1000,
    "\ufeff\uffff\U0010ffff",
    "x" * 300_000,
]


@pytest.mark.parametrize("text", AWKWARD, ids=range(len(AWKWARD)))
def test_any_text_comes_back(tmp_path: Path, text: str) -> None:
    wanted = [Reply("a", "k", text), Reply(text, "k2", error=text or "?"), reply(3)]
    with RunStore(tmp_path) as store:
        store.append(wanted)
    with RunStore(tmp_path) as store:
        assert store.is_done("a", "k")
        assert store.repaired_bytes == 0
    assert stored(tmp_path) == wanted
    (tmp_path / REPLIES).read_text(encoding="utf-8")


anything = st.text(st.characters(exclude_categories=[]), max_size=40)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(texts=st.lists(anything, max_size=6))
def test_a_line_is_one_line(tmp_path: Path, texts: list[str]) -> None:
    line = to_line({"texts": texts})
    assert line.endswith("\n")
    assert len(line.encode().splitlines()) == 1
    assert json.loads(line) == {"texts": texts}


def test_samples_come_back(tmp_path: Path) -> None:
    samples = [
        Sample(
            id="a",
            gold={"label": "Joy"},
            text="你好 \ud800 \0",
            media=(Media("video", Path("clips/a b.mp4"), 0.5, 2.25), Media("audio", Path("/x/ü.wav"))),
            language="zh",
            context=("before", "that"),
            meta={"tier": "high", "speaker": 3, "ages": [1, 2]},
        ),
        Sample(id="b", gold=None),
    ]
    with RunStore(tmp_path) as store:
        store.begin({"task": "t"}, {}, samples)
    assert list(read_samples(tmp_path)) == samples


# --- Torn and dirty tails


def test_a_file_cut_at_any_byte_loses_no_complete_line_and_keeps_no_half(tmp_path: Path) -> None:
    replies = fill(tmp_path / "whole", 3)
    whole = (tmp_path / "whole" / REPLIES).read_bytes()
    ends = [index + 1 for index, byte in enumerate(whole) if byte == 10]
    assert len(ends) == 3
    folder = tmp_path / "cut"
    for length in range(len(whole) + 1):
        folder.mkdir(exist_ok=True)
        (folder / REPLIES).write_bytes(whole[:length])
        kept = sum(end <= length for end in ends)
        assert stored(folder) == replies[:kept], f"read before the repair, cut at byte {length}"
        with RunStore(folder) as store:
            assert store.counts == (kept, 0), f"cut at byte {length}"
            assert store.repaired_bytes == length - ([0, *ends])[kept]
            assert store.append(replies) == 3 - kept
        assert (folder / REPLIES).read_bytes() == whole


TAILS = {
    "NUL bytes": b"\0" * 4096,
    "NUL bytes and line feed": b"\0" * 100 + b"\n",
    "bytes that are no UTF-8": b"\xff\xfe\x80" * 30,
    "bytes that are no UTF-8, line feed": b"\xff\xfe\x80\n",
    "half a reply": b'{"id":"clip 9","key":"k',
    "half a character": '{"id":"喜'.encode()[:-1],
    "half a reply, line feed": b'{"id":"clip 9","key":"k\n',
    "NUL bytes after half a reply": b'{"id":"clip 9"' + b"\0" * 512,
    "long": b'{"id":"' + b"x" * 400_000,
    "long NUL": b"\0" * 400_000,
}


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("name", list(TAILS))
def test_a_dirty_tail_is_cut_off(tmp_path: Path, name: str, count: int) -> None:
    replies = fill(tmp_path, count)
    whole = (tmp_path / REPLIES).read_bytes()
    with (tmp_path / REPLIES).open("ab") as stream:
        stream.write(TAILS[name])
    with RunStore(tmp_path) as store:
        assert store.repaired_bytes == len(TAILS[name])
        assert store.counts == (count, 0)
        assert (tmp_path / REPLIES).read_bytes() == whole
        store.append([reply(77)])
    assert stored(tmp_path) == [*replies, reply(77)]


BAD_LINES = {
    "no JSON": b"hello\n",
    "half a reply": b'{"id":"clip 1","key"\n',
    "empty": b"\n",
    "NUL bytes": b"\0\0\0\n",
    "no UTF-8": b"\xff\xfe\n",
    "a number": b"12\n",
    "a list": b"[1,2]\n",
    "null": b"null\n",
    "an object that is no reply": b'{"label":"Joy"}\n',
    "a reply with a field too many": b'{"id":"a","key":"b","fed":{},"zzz":1}\n',
    "a reply whose fed is no object": b'{"id":"a","key":"b","fed":3}\n',
}


@pytest.mark.parametrize("name", list(BAD_LINES))
def test_a_bad_line_in_the_middle_names_file_and_line(tmp_path: Path, name: str) -> None:
    fill(tmp_path, 3)
    path = tmp_path / REPLIES
    lines = path.read_bytes().splitlines(keepends=True)
    dirty = b"".join([lines[0], BAD_LINES[name], *lines[1:]])
    path.write_bytes(dirty)
    with pytest.raises(ValueError, match="line 2") as caught:
        stored(tmp_path)
    assert str(path) in str(caught.value)
    with pytest.raises(ValueError, match="line 2") as caught, RunStore(tmp_path):
        pass
    assert str(path) in str(caught.value)
    assert path.read_bytes() == dirty, "nothing is thrown away for the user"


def test_a_refused_run_directory_is_not_left_locked(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    path = tmp_path / REPLIES
    good = path.read_bytes()
    path.write_bytes(b"hello\n" + good)
    kept = []
    try:
        RunStore(tmp_path)
    except ValueError as error:
        kept.append(error)  # as a debugger or a log keeps it
    path.write_bytes(good)
    with RunStore(tmp_path) as store:
        assert store.counts == (3, 0)
    assert kept


def test_a_file_that_is_no_run_is_not_emptied(tmp_path: Path) -> None:
    """--out on a folder where a replies.jsonl of someone else lies: pretty-printed, not one line of it a record."""
    path = tmp_path / REPLIES
    text = json.dumps([{"id": 1, "text": "hours of work"}] * 50, indent=2) + "\n"
    path.write_text(text, encoding="utf-8")
    with contextlib.suppress(ValueError), RunStore(tmp_path):
        pass
    assert path.read_text(encoding="utf-8") == text


def test_lines_of_another_file(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"a":1}\n{"a":2}\n{"a":')
    assert list(read_lines(path)) == [{"a": 1}, {"a": 2}]


# --- Another configuration

CONFIG = {
    "task": "emos@1",
    "model": {"model": "tiny", "content": "abc"},
    "sampling": {"temperature": 0.0, "seed": 0},
    "media": {"fps": 2.0, "max_pixels": None},
    "labels": ("Joy", "Anger"),
    "where": {},
}


def test_the_same_configuration_resumes(tmp_path: Path) -> None:
    for _ in range(2):
        with RunStore(tmp_path) as store:
            store.begin(CONFIG, {"versions": {"av": "1"}}, [Sample(id="a", gold=None)])
    assert json.loads((tmp_path / RUN).read_text(encoding="utf-8"))["versions"] == {"av": "1"}


def test_another_configuration_is_refused_with_each_difference(tmp_path: Path) -> None:
    with RunStore(tmp_path) as store:
        store.begin(CONFIG, {"started": "1"}, [Sample(id="a", gold=None)])
    before = {name: (tmp_path / name).read_bytes() for name in (RUN, SAMPLES)}
    other = {
        **CONFIG,
        "model": {"model": "tiny", "content": "xyz"},
        "sampling": {"temperature": 0.7, "seed": 0},
        "media": {"fps": 2.0, "max_pixels": 50_000},
        "labels": ("Joy", "Fear"),
        "where": {"tier": "high"},
        "adapter": "lora",
    }
    with RunStore(tmp_path) as store, pytest.raises(ValueError, match="another configuration") as caught:
        store.begin(other, {"started": "2"}, [Sample(id="b", gold=None)])
    message = str(caught.value)
    assert str(tmp_path) in message
    shown = [
        "model.content",
        "abc",
        "xyz",
        "sampling.temperature",
        "0.7",
        "max_pixels",
        "50000",
        "Fear",
        "tier",
        "high",
    ]
    assert all(word in message for word in [*shown, "adapter", "lora"]), message
    assert "seed" not in message, "what agrees is not shown"
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_facts_may_change(tmp_path: Path) -> None:
    for value in ("old", "a much longer value than before", "x"):
        with RunStore(tmp_path) as store:
            store.begin(CONFIG, {"hardware": value}, [])
            store.note({"finished": value})
        record = json.loads((tmp_path / RUN).read_text(encoding="utf-8"))
        assert record["hardware"] == record["finished"] == value
        assert record["config"] == json.loads(json.dumps(CONFIG))


def test_facts_of_a_system_that_is_not_utf8(tmp_path: Path) -> None:
    """Arguments and paths that are no UTF-8 reach Python as lone surrogates."""
    with RunStore(tmp_path) as store:
        store.begin({"system": "caf\udce9"}, {"command": ["--out", "caf\udce9"]}, [])
        store.note({"more": "\ud800"})
    record = json.loads((tmp_path / RUN).read_bytes())
    assert record["command"] == ["--out", "caf\udce9"]
    assert record["more"] == "\ud800"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "null", "\0\0"])
def test_a_run_json_that_is_none_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / RUN).write_text(content, encoding="utf-8")
    with RunStore(tmp_path) as store, pytest.raises(ValueError, match=RUN):
        store.begin(CONFIG, {}, [])


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.write_text("x", encoding="utf-8")
    # what the command line turns into a message: see omnimer.main
    with pytest.raises((ValueError, NotADirectoryError)):
        RunStore(path)
