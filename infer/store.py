"""The run directory: what was asked, and every reply, safe against crashes.

    RUN/run.json       configuration, identities, versions, hardware, times
    RUN/samples.jsonl  the samples of the run: id, gold, text, language, media, meta; a run can be scored anywhere
    RUN/replies.jsonl  one line a request, appended and synced; never rewritten

Resume means: skip the keys that are there. Killing the process at any moment loses at most the replies in flight; a
torn last line is cut off; a second process on the same directory and a run of another configuration are refused.
"""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from infer.engine import Fed, Reply
from tasks.task import Media, Sample

RUN, SAMPLES, REPLIES, LOCK = "run.json", "samples.jsonl", "replies.jsonl", ".lock"


class StoreFullError(OSError):
    """The disk is full. Everything stored so far is whole; the run can be resumed."""


def write_atomic(path: Path, text: str) -> None:
    """Writes `text` so that a reader sees the old file or the new one, never a part; synced to disk."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def to_line(record: Mapping[str, Any]) -> str:
    """One JSON line. Lone surrogates of a broken reply are escaped, so that the file stays UTF-8."""
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(record, separators=(",", ":"))
    return text + "\n"


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a JSON-lines file. An unfinished last line is left out; any other bad line is a ValueError."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.endswith(b"\n"):
                return
            try:
                record = json.loads(line)
            except ValueError:
                raise ValueError(f"{path}, line {number}: is no JSON; the file is damaged or was edited") from None
            yield record


def read_replies(folder: Path) -> Iterator[Reply]:
    """The stored replies of a run, in the order in which they came; later ones of an id replace earlier ones."""
    path = folder / REPLIES
    for record in read_lines(path) if path.exists() else ():
        fed = record.pop("fed", {})
        fed["notes"] = tuple(fed.get("notes", ()))
        yield Reply(fed=Fed(**fed), **record)


def read_samples(folder: Path) -> Iterator[Sample]:
    """The samples of a run, in task order."""
    for record in read_lines(folder / SAMPLES):
        media = tuple(Media(m["kind"], Path(m["path"]), m["start_s"], m["end_s"]) for m in record.pop("media"))
        yield Sample(media=media, context=tuple(record.pop("context")), **record)


def sample_record(sample: Sample) -> dict[str, Any]:
    """A sample as a JSON record."""
    record = dataclasses.asdict(sample)
    record["media"] = [{**medium, "path": str(medium["path"])} for medium in record["media"]]
    return record


class RunStore:
    """An open run directory. Use it as a context manager; it holds the lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = self._take_lock()
        self._replies = folder / REPLIES
        self.repaired_bytes = _cut_torn_tail(self._replies)
        self._stream = self._replies.open("ab")
        # (id, key) -> the error stored, None for a good reply. The key alone is not enough: two samples may be equal.
        self._outcomes: dict[tuple[str, str], str | None] = {}
        for reply in read_replies(folder):
            self._outcomes[reply.id, reply.key] = reply.error

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._lock.close()

    def _take_lock(self) -> Any:
        handle = (self.folder / LOCK).open("a+")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            handle.close()
            raise ValueError(
                f"{self.folder}: another process ({holder}) is writing this run; wait for it, or give another --out"
            ) from None
        handle.truncate(0)
        handle.write(f"pid {os.getpid()}")
        handle.flush()
        return handle

    def begin(self, config: Mapping[str, Any], facts: Mapping[str, Any], samples: Iterable[Sample]) -> None:
        """Writes run.json and samples.jsonl, or checks that the run found here has the same configuration.

        `config` is what must agree for replies to belong together; `facts` (versions, hardware, times) may change.
        Raises ValueError that shows every difference.
        """
        path = self.folder / RUN
        if path.exists():
            stored = json.loads(path.read_text(encoding="utf-8"))
            differences = list(_differences(stored["config"], json.loads(json.dumps(config))))
            if differences:
                shown = "\n".join(f"  {name}: there {old!r}, now {new!r}" for name, old, new in differences)
                raise ValueError(
                    f"{self.folder} holds a run of another configuration:\n{shown}\n"
                    "give another --out, or repeat the command of that run to resume it"
                )
        write_atomic(path, json.dumps({"config": config, **facts}, indent=1, ensure_ascii=False) + "\n")
        write_atomic(self.folder / SAMPLES, "".join(to_line(sample_record(sample)) for sample in samples))

    def note(self, facts: Mapping[str, Any]) -> None:
        """Adds facts to run.json."""
        path = self.folder / RUN
        record = json.loads(path.read_text(encoding="utf-8"))
        write_atomic(path, json.dumps({**record, **facts}, indent=1, ensure_ascii=False) + "\n")

    def is_done(self, sample_id: str, key: str) -> bool:
        """Whether a reply without an error is stored for this sample under this key."""
        return self._outcomes.get((sample_id, key), "") is None

    @property
    def counts(self) -> tuple[int, int]:
        """How many (sample, key) pairs have a reply, and how many of them an error."""
        return len(self._outcomes), sum(error is not None for error in self._outcomes.values())

    def append(self, replies: Iterable[Reply]) -> int:
        """Stores replies, synced to disk when it returns; returns how many were written.

        A pair that is there is written again only where it turns an error into something else: nothing is doubled.
        Raises StoreFullError when the disk is full; what was half written is taken back.
        """
        lines = []
        for reply in replies:
            name = (reply.id, reply.key)
            old = self._outcomes.get(name, "")
            if old is None or (old and old == reply.error):
                continue
            self._outcomes[name] = reply.error
            lines.append(to_line(dataclasses.asdict(reply)))
        if not lines:
            return 0
        end = self._stream.tell()
        try:
            self._stream.write("".join(lines).encode())
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            os.truncate(self._replies, end)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreFullError(error.errno, f"{self._replies}: the disk is full") from None
            raise
        return len(lines)


def _differences(old: Any, new: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every leaf in which two configurations differ, as (dotted name, old, new)."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(key), new.get(key), f"{name}.{key}" if name else key)
    elif old != new:
        yield name, old, new


def _cut_torn_tail(path: Path) -> int:
    """Cuts off what follows the last complete, readable line (a write that a crash interrupted); bytes cut."""
    if not path.exists():
        return 0
    with path.open("rb+") as stream:
        size = stream.seek(0, os.SEEK_END)
        good = size
        while good:
            start = _line_start(stream, good)
            stream.seek(start)
            line = stream.read(good - start)
            if line.endswith(b"\n") and _is_json(line):
                break
            good = start
        if good < size:
            stream.truncate(good)
            stream.flush()
            os.fsync(stream.fileno())
        return size - good


def _line_start(stream: Any, end: int) -> int:
    """Where the line that ends at `end` (its line feed included) starts."""
    position = end - 1
    while position > 0:
        begin = max(0, position - 65_536)
        stream.seek(begin)
        found = stream.read(position - begin).rfind(b"\n")
        if found >= 0:
            return int(begin + found + 1)
        position = begin
    return 0


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
