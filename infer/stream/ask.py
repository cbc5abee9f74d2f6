"""Asks about clips in parts. Parts that need earlier answers go in waves: part k of every clip, then part k + 1."""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

from infer.asking import Batch, ask, reask_of
from infer.engine import Engine, Reply
from infer.feed import Question, digest
from infer.media import content_hash
from infer.progress import Progress
from infer.store import RunStore, read_replies
from infer.stream.modes import StreamOptions, Told, divide, part_sample
from infer.stream.parts import Part
from infer.stream.told import Answered, around, read, told_of
from prompts.render import Messages
from tasks.task import Sample

LATENCY = "latency_s"


def ask_stream(
    samples: list[Sample],
    question: Question,
    store: RunStore,
    load: Callable[[int], Engine],
    threads: int,
    reask: int,
    options: StreamOptions,
    room: int | None,
) -> tuple[int, Counter[str]]:
    """Asks about clips, in parts or as wholes, as the options say (see infer.stream.modes.plan).

    `load` is told how many media of a kind one question has at most. `room`: tokens for prompt and media, None where it
    is not known. A clip that cannot be divided is a reply with the reason. Returns how many questions there were (one
    a part, one a whole clip), and the reasons of failures with counts.
    """
    plans, failures = _plans(samples, question, options, room, threads, store)
    wholes = [sample for sample in samples if plans.get(sample.id) == []]
    divided = [parts for parts in plans.values() if parts]
    pieces = max((len(part.stretches) for parts in divided for part in parts), default=1)
    loaded = cache(partial(load, max(1, pieces) * max(len(sample.media) for sample in samples)))
    if divided:
        count = sum(map(len, divided))
        print(f"{len(divided):,} clips in {count:,} parts ({divided[0][0].mode})", file=sys.stderr)
        with Progress(count, "parts") as progress:
            waves = Waves(Batch(question, store, loaded, threads, progress), options, reask)
            failures += waves.ask(divided)
        note = latency(read_replies(store.folder))
        if note:
            store.note({LATENCY: note})
            times = ", ".join(f"{name} {note[name]:.3f} s" for name in ("mean", "p50", "p95"))
            print(f"latency of {note['n']:,} utterances: {times}", file=sys.stderr)
    if wholes:
        failures += ask(wholes, question, store, loaded, threads, reask)
    return len(samples) - len(divided) + sum(map(len, divided)), failures


def _plans(
    samples: Sequence[Sample],
    question: Question,
    options: StreamOptions,
    room: int | None,
    threads: int,
    store: RunStore,
) -> tuple[dict[str, list[Part]], Counter[str]]:
    """Sample id -> its parts, none for a clip that is asked about as a whole; and why clips could not be divided."""

    plans: dict[str, list[Part]] = {}
    failures: Counter[str] = Counter()
    with ThreadPoolExecutor(threads) as pool:
        for sample, parts in zip(
            samples, pool.map(partial(divide, question=question, options=options, room=room), samples), strict=True
        ):
            if isinstance(parts, str):
                key = digest(["undivided", [content_hash(medium.path) for medium in sample.media]])
                store.append([Reply(sample.id, key, error=parts)])
                failures[parts] += 1
            else:
                plans[sample.id] = parts
    return plans, failures


@dataclasses.dataclass
class Waves:
    """The parts of many clips, asked so that each knows what it has to know."""

    batch: Batch
    options: StreamOptions
    reask: int

    def ask(self, divided: Sequence[Sequence[Part]]) -> Counter[str]:
        """Asks about all parts of all clips; the reasons of failures with counts."""
        question, recall = self.batch.question, self.options.recall
        stored = {(reply.id, reply.key): reply for reply in read_replies(self.batch.store.folder)}
        if divided[0][0].mode == "given":
            near = [(part, around(part, parts, question, recall)) for parts in divided for part in parts]
            return self._wave(near, stored)[1]
        past: dict[str, list[Answered]] = defaultdict(list)
        failures: Counter[str] = Counter()
        for number in range(max(map(len, divided))):
            wave = [parts[number] for parts in divided if number < len(parts)]
            told = [(part, told_of(past[part.clip.id], question, recall)) for part in wave]
            replies, failed = self._wave(told, stored)
            failures += failed
            for part in wave:
                found = replies.get(part.name)
                past[part.clip.id].append((part, read(found.text if found else None, question.task.answer)))
                del past[part.clip.id][: -max(1, recall)]  # told_of looks at no more
        return failures

    def _wave(
        self, wave: Sequence[tuple[Part, Told]], stored: Mapping[tuple[str, str], Reply]
    ) -> tuple[dict[str, Reply], Counter[str]]:
        """Asks about parts that do not depend on each other: part name -> its reply (read again if need be), and the
        reasons of failures. `stored`: the replies of earlier sittings."""
        parts = {part.name: part for part, _ in wave}
        replies: dict[str, Reply] = {}
        failures: Counter[str] = Counter()
        turns: dict[str, Messages] = {}
        told = wave
        for attempt in range(self.reask + 1):
            found: dict[str, Reply] = {}
            batch = dataclasses.replace(
                self.batch,
                is_done=partial(self._is_done, parts, stored, found),
                mark=partial(_mark, parts, found),
            )
            failures += batch.ask((part_sample(*each) for each in told), attempt, turns)
            replies |= found
            kind = self.batch.question.task.answer
            turns = {name: again for name, reply in found.items() if (again := reask_of(reply, kind)) is not None}
            told = [each for each in wave if each[0].name in turns]
            if not told:
                break
        return replies, failures

    def _is_done(
        self,
        parts: Mapping[str, Part],
        stored: Mapping[tuple[str, str], Reply],
        found: dict[str, Reply],
        name: str,
        key: str,
    ) -> bool:
        clip = parts[name].clip.id
        if not self.batch.store.is_done(clip, key):
            return False
        if (clip, key) in stored:
            found[name] = stored[clip, key]
        return True


def _mark(parts: Mapping[str, Part], found: dict[str, Reply], reply: Reply, seconds: float) -> Reply:
    """The reply under the id of its clip, with the place of its part; online also with the time that it took."""
    part = parts[reply.id]
    place = part.record() | ({LATENCY: round(seconds, 4)} if part.mode == "online" and reply.text is not None else {})
    found[reply.id] = dataclasses.replace(reply, id=part.clip.id, part=place)
    return found[reply.id]


def latency(replies: Iterable[Reply]) -> dict[str, float]:
    """Seconds from the submission of an utterance (its media decoded) to its reply, over all online replies: n, mean,
    median (p50) and 95th percentile; empty without any."""
    import numpy as np

    times = [float(reply.part[LATENCY]) for reply in replies if reply.part and LATENCY in reply.part]
    if not times:
        return {}
    p50, p95 = np.percentile(times, (50, 95)).tolist()
    return {"n": len(times), "mean": float(np.mean(times)), "p50": p50, "p95": p95}
