"""The run directory under kill -9, second processes and full disks: no reply lost, none doubled, no half line."""

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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infer.engine import Reply
from infer.store import REPLIES, RUN, SAMPLES, RunStore, StoreFullError, read_replies, write_atomic
from tasks.task import Sample

ROOT = Path(__file__).parents[2]


def reply(number: int, text: str | None = "Joy", error: str | None = None) -> Reply:
    return Reply(f"clip {number}", f"key{number}", None if error else text, None if error else "stop", error=error)


def stored(folder: Path) -> list[Reply]:
    return list(read_replies(folder))


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
    time.sleep(600)
if sys.argv[2] != "fork":
    print(os.getpid(), flush=True)
time.sleep(600)
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


# --- run.json is written whole or not at all


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / RUN
    write_atomic(path, "old")

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match=r"space|full"):
            write_atomic(path, "new" * 10_000)
    assert path.read_text(encoding="utf-8") == "old"
    write_atomic(path, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == [RUN]


def test_a_reader_sees_the_old_or_the_new_run_json(tmp_path: Path) -> None:
    with RunStore(tmp_path) as store:
        store.begin({"task": "emos@1"}, {"blob": "0" * 200_000}, [])
        stop, seen = threading.Event(), set()

        def read() -> None:
            while not stop.is_set():
                record = json.loads((tmp_path / RUN).read_text(encoding="utf-8"))
                seen.add(record["blob"][0])

        end, written = time.monotonic() + 300, 0
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(read)
            # as many as it takes until both have had their turns, on a slow disk and a busy machine too
            while (written < 100 or len(seen) < 5) and not reading.done() and time.monotonic() < end:
                written += 1
                store.note({"blob": str(written % 10) * 200_000})
            stop.set()
            reading.result()  # raises what the reader raised
    assert len(seen) >= 5


def test_what_is_synced_is_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut keeps what was synced: every reply when `append` returns, run.json before it takes its name."""
    synced: dict[int, int] = {}
    real = os.fsync

    def note(handle: int) -> None:
        real(handle)
        status = os.fstat(handle)
        synced[status.st_ino] = status.st_size

    monkeypatch.setattr(os, "fsync", note)
    with RunStore(tmp_path) as store:
        store.begin({"task": "emos@1"}, {}, [Sample(id="a", gold=None)])
        for number in range(3):
            store.append([reply(number)])
            status = (tmp_path / REPLIES).stat()
            assert synced[status.st_ino] == status.st_size > 0
        store.note({"finished": "now"})
    for name in (RUN, SAMPLES):
        status = (tmp_path / name).stat()
        assert synced[status.st_ino] == status.st_size > 0, name
    assert tmp_path.stat().st_ino in synced, "the folder, which holds the names"


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
