"""The run directory under crashes, full disks, second processes and hand-made damage: no reply lost, none doubled."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
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
    StoreFullError,
    read_lines,
    read_replies,
    read_samples,
    to_line,
    write_atomic,
)
from tasks.task import Media, Sample

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(120)


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


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


# --- kill -9

APPENDER = """
import sys
from pathlib import Path
from infer.engine import Reply
from infer.store import RunStore
with RunStore(Path(sys.argv[1])) as store:
    for number in range(int(sys.argv[2]), 10**9):
        if store.append([Reply(f"clip {number}", f"key{number}", "x" * (number % 3000))]):
            print(number, flush=True)
"""


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_kill_9_loses_nothing_that_was_reported(tmp_path: Path) -> None:
    reported: list[int] = []
    for sitting in range(6):
        child = start(APPENDER, tmp_path, sitting * 100_000)
        assert child.stdout is not None
        first = child.stdout.readline()
        timer = threading.Timer(0.02 + 0.037 * sitting, child.kill)
        timer.start()
        words = (first + child.stdout.read()).split("\n")
        assert child.wait() == -signal.SIGKILL
        assert words[0], "the child stored nothing"
        reported += [int(word) for word in words[:-1]]  # what follows the last line feed is half a number
        with RunStore(tmp_path):
            pass
        ids = [reply.id for reply in read_replies(tmp_path)]
        assert len(ids) == len(set(ids)), "a reply is there twice"
        missing = {f"clip {number}" for number in reported} - set(ids)
        assert not missing
        assert len(ids) <= len(reported) + sitting + 1, "at most one unreported reply a sitting"
    for found in read_replies(tmp_path):
        assert found.text == "x" * (int(found.id.split()[1]) % 3000)


HOLDER = """
import os, sys, time
from pathlib import Path
from infer.store import RunStore
store = RunStore(Path(sys.argv[1]))
if sys.argv[2] == "fork" and os.fork() == 0:
    print(os.getpid(), flush=True)
    time.sleep(60)
if sys.argv[2] != "fork":
    print(os.getpid(), flush=True)
time.sleep(60)
"""


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    child = start(HOLDER, tmp_path, "alone")
    assert child.stdout is not None
    child.stdout.readline()
    try:
        with pytest.raises(ValueError, match=f"(?s){tmp_path}.*{child.pid}"):
            RunStore(tmp_path)
        with pytest.raises(ValueError, match=str(child.pid)):
            RunStore(tmp_path)
    finally:
        child.kill()
        child.wait()
    with RunStore(tmp_path) as store:
        assert store.append([reply(0)]) == 1


def test_an_orphan_of_the_killed_holder_does_not_keep_the_lock(tmp_path: Path) -> None:
    """An engine forks workers. When the parent is killed, one may live on for a while; the run can be resumed."""
    child = start(HOLDER, tmp_path, "fork")
    assert child.stdout is not None
    orphan = int(child.stdout.readline())
    try:
        child.kill()
        child.wait()
        with RunStore(tmp_path) as store:
            assert store.append([reply(0)]) == 1
    finally:
        os.kill(orphan, signal.SIGKILL)


def test_two_stores_of_one_process(tmp_path: Path) -> None:
    with RunStore(tmp_path), pytest.raises(ValueError, match=str(os.getpid())):
        RunStore(tmp_path)
    with RunStore(tmp_path):
        pass


def test_reading_needs_no_lock(tmp_path: Path) -> None:
    with RunStore(tmp_path) as store:
        store.append([reply(0)])
        with (tmp_path / REPLIES).open("ab") as stream:
            stream.write(b'{"id":"half')  # as seen by `omnimer eval` while a run writes
        assert stored(tmp_path) == [reply(0)]


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


# --- run.json is written whole or not at all


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / RUN
    write_atomic(path, "old")

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="space"):
            write_atomic(path, "new" * 10_000)
    assert path.read_text(encoding="utf-8") == "old"
    write_atomic(path, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == [RUN]


def test_a_reader_sees_the_old_or_the_new_run_json(tmp_path: Path) -> None:
    with RunStore(tmp_path) as store:
        store.begin(CONFIG, {"blob": "0" * 200_000}, [])
        stop, seen = threading.Event(), set()

        def read() -> None:
            while not stop.is_set():
                record = json.loads((tmp_path / RUN).read_text(encoding="utf-8"))
                seen.add(record["blob"][0])

        reader = threading.Thread(target=read)
        reader.start()
        until = time.monotonic() + 0.5
        digit = 0
        while time.monotonic() < until:
            digit = (digit + 1) % 10
            store.note({"blob": str(digit) * 200_000})
        stop.set()
        reader.join()
    assert len(seen) > 1, "the reader must have read without an error"


# --- Disk full


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB; skips where this process may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        made = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        pytest.skip("there is no mount program")
    if made.returncode:
        pytest.skip("a small disk cannot be mounted here (not root)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


def use_up(disk: Path) -> Path:
    """A file that takes all room that is left."""
    ballast = disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as stream:
        while True:
            stream.write(b"x" * 4096)
    return ballast


LONG = "y" * 5000  # more than the page that the disk may have given to the file already


def test_disk_full_stops_cleanly_and_goes_on_later(small_disk: Path) -> None:
    run = small_disk / "run"
    with RunStore(run) as store:
        store.append([reply(0)])
        ballast = use_up(small_disk)
        with pytest.raises(StoreFullError, match="full") as caught:
            store.append([reply(1, LONG), reply(2, LONG)])
        assert str(run / REPLIES) in str(caught.value)
        assert stored(run) == [reply(0)]
        assert not store.is_done("clip 1", "key1"), "what is not on disk is not done"
        assert store.counts == (1, 0)
        ballast.unlink()
        assert store.append([reply(1, LONG), reply(2, LONG)]) == 2, "the same store goes on when there is room again"
    assert stored(run) == [reply(0), reply(1, LONG), reply(2, LONG)]


def test_disk_full_and_the_store_is_closed(small_disk: Path) -> None:
    """What `omnimer infer` does: the error leaves the `with`, which closes the store on the full disk."""
    run = small_disk / "run"
    with pytest.raises(StoreFullError), RunStore(run) as store:  # noqa: PT012
        store.append([reply(0)])
        ballast = use_up(small_disk)
        store.append([reply(1, LONG)])
    assert stored(run) == [reply(0)]
    ballast.unlink()
    with RunStore(run) as store:
        assert store.repaired_bytes == 0
        assert store.append([reply(1, LONG), reply(2)]) == 2
    assert stored(run) == [reply(0), reply(1, LONG), reply(2)]


@pytest.mark.parametrize("length", [10, 300, 7000, 20_000])
@pytest.mark.parametrize("room", [0, 50])
def test_a_write_that_fails_halfway_is_taken_back(tmp_path: Path, length: int, room: int) -> None:
    """The kernel stops a write in the middle of a line (a limit of file size stands for the disk)."""
    path = tmp_path / REPLIES
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    wanted = [reply(number, "x" * length) for number in (1, 2, 3)]
    try:
        with RunStore(tmp_path) as store:
            store.append([reply(0)])
            before = path.read_bytes()
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + room, hard))
            try:
                with pytest.raises(OSError, match=r"arge|full"):
                    store.append(wanted)
                assert path.read_bytes() == before
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            store.append([reply(4), *wanted])
    finally:
        signal.signal(signal.SIGXFSZ, old)
    assert stored(tmp_path) == [reply(0), reply(4), *wanted]


def test_fsync_that_fails_is_not_a_stored_reply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with RunStore(tmp_path) as store:
        store.append([reply(0)])
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            with pytest.raises(StoreFullError):
                store.append([reply(1)])
        assert stored(tmp_path) == [reply(0)]
        assert store.append([reply(1)]) == 1
    assert stored(tmp_path) == [reply(0), reply(1)]


def test_a_real_full_disk(small_disk: Path) -> None:
    """Several runs into a full disk, each with a different last line, and room made in between."""
    run = small_disk / "run"
    done = 0
    for sitting in range(4):
        ballast = small_disk / "ballast"
        ballast.write_bytes(b"x" * (30_000 - 4096 * sitting))
        with pytest.raises(StoreFullError), RunStore(run) as store:  # noqa: PT012
            while True:
                store.append([reply(done, "y" * (1500 + 321 * sitting))])
                done += 1
        data = (run / REPLIES).read_bytes()
        assert data.endswith(b"\n")
        assert len(stored(run)) == done
        ballast.unlink()
        with RunStore(run) as store:
            assert store.repaired_bytes == 0
            assert store.counts == (done, 0)
    assert [found.id for found in read_replies(run)] == [f"clip {number}" for number in range(done)]
    assert done > 10


def test_a_full_disk_at_the_start_is_a_full_store(small_disk: Path) -> None:
    run = small_disk / "run"
    with RunStore(run) as store:
        use_up(small_disk)
        with pytest.raises(StoreFullError):
            store.begin({"task": "x" * 5000}, {}, [Sample(id="a" * 5000, gold=None)])
