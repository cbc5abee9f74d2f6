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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from infer.engine import Fed, Reply
from tasks.task import Media, Sample

RUN, SAMPLES, REPLIES, LOCK = "run.json", "samples.jsonl", "replies.jsonl", ".lock"


class StoreFullError(OSError):
    """The disk is full. Everything stored so far is whole; the run can be resumed."""


def write_atomic(path: Path, text: str) -> None:
    """Writes `text` so that a reader sees the old file or the new one, never a part; synced to disk."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _full(error, path) from None
    temporary.replace(path)
    _sync_folder(path.parent)


def _full(error: OSError, path: Path) -> OSError:
    """StoreFullError for an error that says that the disk is full, else the error itself."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFullError(error.errno, f"{path}: the disk is full")
    return error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON with readable Chinese. Lone surrogates (a broken reply, a path that is no UTF-8) are escaped, so that a file
    of it stays UTF-8."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(value, indent=indent, separators=separators)
    return text


def to_line(record: Mapping[str, Any]) -> str:
    """One JSON line."""
    return to_json(record) + "\n"


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a JSON-lines file. An unfinished last line is left out; any other bad line is a ValueError."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.endswith(b"\n"):
                return
            record = json_object(line)
            if record is None:
                raise ValueError(f"{path}, line {number}: is no JSON object; the file is damaged or was edited")
            yield record


def read_replies(folder: Path) -> Iterator[Reply]:
    """The stored replies of a run, in the order in which they came. Of several for one sample and attempt the last
    counts: the ones before it failed, or belong to a clip that was replaced."""
    path = folder / REPLIES
    for number, record in enumerate(read_lines(path) if path.exists() else (), 1):
        try:
            reply = _reply(record)
        except (TypeError, AttributeError) as error:
            raise ValueError(
                f"{path}, line {number}: is no reply ({error}); the file is damaged or was edited"
            ) from None
        yield reply


def _reply(record: dict[str, Any]) -> Reply:
    """A reply from its record; TypeError or AttributeError for anything else."""
    fed = record.pop("fed", {})
    reply = Reply(fed=Fed(**{**fed, "notes": tuple(fed.get("notes", ()))}), **record)
    for name in ("id", "key", "text", "error"):
        value = getattr(reply, name)
        if not isinstance(value, str) and (value is not None or name in ("id", "key")):
            raise TypeError(f"{name} is {value!r}")
    if reply.part is not None and not _is_part(reply.part):
        raise TypeError(f"part is {reply.part!r}")
    return reply


def _is_part(value: Any) -> bool:
    """Whether a value names a part of a clip: its mode, index of so many, times in seconds."""
    kinds: dict[str, Any] = {"mode": str, "index": int, "of": int, "start_s": int | float, "end_s": int | float}
    return isinstance(value, dict) and all(
        isinstance(value.get(name), kind) and not isinstance(value.get(name), bool) for name, kind in kinds.items()
    )


def read_samples(folder: Path) -> Iterator[Sample]:
    """The samples of a run, in task order."""
    path = folder / SAMPLES
    number = 0
    for number, record in enumerate(read_lines(path), 1):
        try:
            media = tuple(Media(m["kind"], Path(m["path"]), m["start_s"], m["end_s"]) for m in record.pop("media"))
            sample = Sample(media=media, context=tuple(record.pop("context")), **record)
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"{path}, line {number}: is no sample ({error}); the file is damaged or was edited"
            ) from None
        yield sample
    if number == 0:
        raise ValueError(f"{path}: holds no sample")


def sample_record(sample: Sample) -> dict[str, Any]:
    """A sample as a JSON record."""
    record = dataclasses.asdict(sample)
    record["media"] = [{**medium, "path": str(medium["path"])} for medium in record["media"]]
    return record


class RunStore:
    """An open run directory. Use it as a context manager; it holds the lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise ValueError(f"{folder}: is a file; --out is the directory of a run") from None
        self._lock = Lock(folder)
        try:
            self._replies = folder / REPLIES
            self.repaired_bytes = _cut_torn_tail(self._replies)
            # (id, key) -> the error stored, None for a good reply. The key alone is not enough: samples may be equal.
            self._outcomes: dict[tuple[str, str], str | None] = {}
            for reply in read_replies(folder):
                self._outcomes[reply.id, reply.key] = reply.error
            # Unbuffered: bytes that could not be written must not turn up later.
            self._stream = self._replies.open("ab", buffering=0)
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._lock.release()

    def begin(self, config: Mapping[str, Any], facts: Mapping[str, Any], samples: Iterable[Sample]) -> None:
        """Writes run.json and samples.jsonl, or checks that the run found here has the same configuration.

        `config` is what must agree for replies to belong together; `facts` (versions, hardware, times) may change.
        Raises ValueError that shows every difference.
        """
        path = self.folder / RUN
        samples = list(samples)
        if path.exists():
            check_config(self.folder, config)
            self._refuse_to_shrink(samples)
        write_atomic(path, to_json({"config": config, **facts}, indent=1) + "\n")
        write_atomic(self.folder / SAMPLES, "".join(to_line(sample_record(sample)) for sample in samples))

    def _refuse_to_shrink(self, samples: Sequence[Sample]) -> None:
        """Raises ValueError when the run was of samples that are not asked about now: n must not get smaller."""
        if not (self.folder / SAMPLES).exists():
            return
        now = {sample.id for sample in samples}
        gone = [record["id"] for record in read_lines(self.folder / SAMPLES) if record.get("id") not in now]
        if gone:
            raise ValueError(
                f"{self.folder} holds a run of {len(gone)} sample(s) that are not asked about now, such as {gone[0]!r} "
                "(a smaller --limit, or changed data): give another --out, or ask about all of them"
            )

    def note(self, facts: Mapping[str, Any]) -> None:
        """Adds facts to run.json."""
        write_atomic(self.folder / RUN, to_json({**read_run(self.folder), **facts}, indent=1) + "\n")

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
        fresh: dict[tuple[str, str], str | None] = {}
        for reply in replies:
            name = (reply.id, reply.key)
            old = fresh.get(name, self._outcomes.get(name, ""))
            if old is None or (old and old == reply.error):
                continue
            fresh[name] = reply.error
            lines.append(to_line(dataclasses.asdict(reply)))
        if not lines:
            return 0
        end = self._stream.seek(0, os.SEEK_END)
        rest = memoryview("".join(lines).encode())
        try:
            while rest:
                rest = rest[self._stream.write(rest) :]
            os.fsync(self._stream.fileno())
        except OSError as error:
            os.truncate(self._replies, end)
            raise _full(error, self._replies) from None
        self._outcomes.update(fresh)
        return len(lines)


class Lock:
    """One writer a run directory, across processes and inside one.

    A POSIX record lock: unlike flock it is not inherited by forked children, so an orphan of a killed run does not keep
    it. It does not see a second opening by the same process; the set does.
    """

    _held: ClassVar[set[Path]] = set()

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        if self._folder in self._held:
            raise ValueError(f"{folder}: this process ({os.getpid()}) is writing this run already")
        self._handle = (folder / LOCK).open("a+")
        try:
            fcntl.lockf(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._handle.seek(0)
            holder = self._handle.read().strip() or "unknown"
            self._handle.close()
            raise ValueError(
                f"{folder}: another process ({holder}) is writing this run; wait for it, or give another --out"
            ) from None
        self._handle.truncate(0)
        self._handle.write(f"pid {os.getpid()}")
        self._handle.flush()
        self._held.add(self._folder)

    def release(self) -> None:
        """Lets the next writer in."""
        self._handle.close()
        self._held.discard(self._folder)


def read_run(folder: Path) -> dict[str, Any]:
    """run.json of a run directory; ValueError when it is none."""
    path = folder / RUN
    if not path.is_file():
        raise ValueError(f"{folder}: no {RUN} there; a run directory of `omnimer infer` was expected")
    record = json_object(path.read_bytes())
    config = record.get("config") if record else None
    if record is None or not isinstance(config, dict) or not isinstance(config.get("task", ""), str):
        raise ValueError(f"{path}: is no record of a run; it is damaged or was edited")
    return record


def check_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Raises ValueError, with every difference, when the run in `folder` has another configuration."""
    changed = list(_differences(read_run(folder)["config"], json.loads(json.dumps(config))))
    if changed:
        shown = "\n".join(f"  {name}: there {old!r}, now {new!r}" for name, old, new in changed)
        raise ValueError(
            f"{folder} holds a run of another configuration:\n{shown}\n"
            "give another --out, or repeat the command of that run to resume it"
        )


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
            if line.endswith(b"\n") and json_object(line) is not None:
                break
            good = start
        if good == 0 and size and _lines(stream) > 1:
            raise ValueError(f"{path}: holds not one reply; it is another file, or damaged: move it away")
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


def _lines(stream: Any) -> int:
    stream.seek(0)
    return sum(1 for _ in stream)


def json_object(data: bytes) -> dict[str, Any] | None:
    """The JSON object in `data`, None for anything else."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
