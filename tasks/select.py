"""Which samples of a task are used: split, language, tier, any other slice, and a limit for smoke runs."""

from __future__ import annotations

import difflib
import hashlib
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from tasks.task import Root, Sample, Task

MAX_CANDIDATES = 5_000


def read_pairs(pairs: Iterable[str], flag: str) -> dict[str, str]:
    """`("a=1", "b=2")` as a dict; ValueError for an entry without `=` or a name given twice."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ValueError(f"{flag} {pair!r}: name=value was expected")
        if name in found:
            raise ValueError(f"{flag}: {name!r} is given twice")
        found[name] = value
    return found


def check_at_least(flag: str, value: int, lowest: int) -> None:
    """Raises ValueError, naming the flag, for a value below the lowest legal one."""
    if value < lowest:
        raise ValueError(f"{flag} is {value}; it has to be at least {lowest}")


def absolute_root(data: Path, media: Path | None, options: Mapping[str, str]) -> Root:
    """Where the data lies, as absolute paths: a run is resumed and reported from anywhere."""
    return Root(data.resolve(), media and media.resolve(), options)


def check_options(task: Task, options: Mapping[str, str]) -> dict[str, str]:
    """The task's named policies with their defaults filled in; ValueError for an unknown name or value."""
    for name, value in options.items():
        if name not in task.options:
            legal = ", ".join(task.options) or "it has none"
            raise ValueError(f"task {task.name} has no option {name!r}; legal: {legal}{_near(name, task.options)}")
        if value not in task.options[name]:
            legal = ", ".join(task.options[name]) + _near(value, task.options[name])
            raise ValueError(f"option {name}={value!r} of task {task.name}: legal are {legal}")
    return {name: options.get(name, values[0]) for name, values in task.options.items()}


def slice_value(sample: Sample, name: str) -> str:
    """The value of a slice of a sample as text: its language, or an entry of its meta; "" where it has none."""
    value = sample.language if name == "language" else sample.meta.get(name)
    return "" if value is None else str(value)


def read_samples(
    task: Task, root: Root, split: str | None = None, where: Mapping[str, str] | None = None
) -> list[Sample]:
    """The samples of a split whose slices have the values of `where`, in task order.

    Raises ValueError for an unknown split or slice, for ids that occur twice, and when nothing is left.
    """
    split = split or task.splits[0]
    if split not in task.splits:
        raise ValueError(
            f"task {task.name} has no split {split!r}; legal: {', '.join(task.splits)}{_near(split, task.splits)}"
        )
    samples = _adapted(task, root, split)
    twice, times = Counter(ids_of(samples)).most_common(1)[0] if samples else ("", 0)
    if times > 1:
        raise ValueError(f"task {task.name}: the id {twice!r} occurs {times} times; ids have to be unique")
    for name, wanted in (where or {}).items():
        legal = sorted({slice_value(sample, name) for sample in samples} - {""})
        kept = [sample for sample in samples if slice_value(sample, name) == wanted]
        if not kept:
            raise ValueError(
                f"no sample of {task.name}/{split} has {name}={wanted!r}; "
                + (f"values there: {_short(legal)}{_near(wanted, legal)}" if legal else _no_slice(samples, name))
            )
        samples = kept
    if not samples:
        raise ValueError(f"task {task.name}, split {split}: the data at {root.data} holds no sample")
    return samples


def _adapted(task: Task, root: Root, split: str) -> list[Sample]:
    """What the adapter yields. Errors of people (ValueError, OSError) pass; a slip in an adapter says where it is."""
    try:
        return list(task.adapter(root, split))
    except (FileNotFoundError, NotADirectoryError) as error:
        state = "" if root.data.is_dir() else " (no such folder)" if not root.data.exists() else " (that is a file)"
        raise ValueError(
            f"task {task.name}: {error.filename} was looked for; is --data {root.data}{state} right?"
        ) from None
    except (ValueError, OSError):
        raise
    except Exception as error:  # an adapter is a user's own code: what it raises is shown as a mistake in it
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}, line {place.lineno}"
        raise ValueError(f"task {task.name}: its adapter fails at {where}: {type(error).__name__}: {error}") from error


def with_ids(samples: Sequence[Sample], file: Path | None) -> list[Sample]:
    """The samples whose ids stand in `file`, one a line (None keeps all), in task order.

    Raises ValueError for an id that is not there, naming line and nearest legal one.
    """
    if file is None:
        return list(samples)
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{file}: is no UTF-8 text; ids, one a line, were expected") from None
    wanted = {line.strip(): number for number, line in enumerate(lines, 1) if line.strip()}
    if not wanted:
        raise ValueError(f"{file}: holds no id")
    unknown = wanted.keys() - set(ids_of(samples))
    if unknown:
        first = min(unknown, key=lambda name: wanted[name])
        raise ValueError(
            f"{file}, line {wanted[first]}: no sample has the id {first!r}{_near(first, ids_of(samples))}; "
            f"{len(unknown)} of {len(wanted)} ids are unknown"
        )
    return [sample for sample in samples if sample.id in wanted]


def take(samples: Sequence[Sample], limit: int | None) -> list[Sample]:
    """At most `limit` samples, chosen by a hash of their ids: the choice is spread over the data, the same every time,
    and a larger limit contains a smaller one. Task order is kept; None keeps all."""
    if limit is None:
        return list(samples)
    if limit < 1:
        raise ValueError(f"--limit is {limit}; it has to be at least 1")
    chosen = set(sorted(ids_of(samples), key=_hash)[:limit])
    return [sample for sample in samples if sample.id in chosen]


def ids_of(samples: Iterable[Sample]) -> list[str]:
    """The ids of samples, in order."""
    return [sample.id for sample in samples]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _near(name: str, legal: Iterable[str]) -> str:
    """` (did you mean …?)` in any case of letters, or "". Of very many candidates the first are tried."""
    folded = {candidate.casefold(): candidate for candidate in islice(legal, MAX_CANDIDATES)}
    near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
    return f" (did you mean {folded[near[0]]}?)" if near else ""


def _no_slice(samples: Sequence[Sample], name: str) -> str:
    names = ["language", *dict.fromkeys(key for sample in samples for key in sample.meta)]
    return f"they have no {name!r}; slices there: {_short(names)}{_near(name, names)}"


def _short(values: Sequence[str]) -> str:
    return ", ".join(values[:12]) + (", …" if len(values) > 12 else "")
