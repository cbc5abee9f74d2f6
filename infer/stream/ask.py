"""Asks about clips in parts. Parts that need earlier answers go in waves: part k of every clip, then part k + 1."""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

from infer.asking import Batch, ask, reask_of
from infer.decode import MediaError
from infer.engine import Engine, Reply
from infer.feed import Question, digest
from infer.media import content_hash
from infer.progress import Progress
from infer.store import RunStore, read_replies
from infer.stream.modes import (
    SUMMARY_TOKENS,
    WORDS_TOKENS,
    StreamOptions,
    Told,
    part_sample,
    plan,
    shortened,
    spoken,
)
from infer.stream.parts import Part, utterances_of
from prompts.parsing import Parsed, parse
from prompts.render import Messages
from tasks.task import Sample

LATENCY = "latency_s"
NO_WORDS = "…"


def ask_stream(
    samples: list[Sample],
    question: Question,
    store: RunStore,
    load: Callable[[], Engine],
    threads: int,
    reask: int,
    options: StreamOptions,
    room: int | None,
) -> tuple[int, Counter[str]]:
    """Asks about clips, in parts or as wholes, as the options say (see infer.stream.modes.plan).

    `room`: tokens for prompt and media, None where it is not known. A clip that cannot be divided is a reply with the
    reason. Returns how many questions there were (one a part, one a whole clip), and the reasons of failures with
    counts.
    """
    loaded = cache(load)
    plans, failures = _plans(samples, question, options, room, threads, store)
    wholes = [sample for sample in samples if plans.get(sample.id) == []]
    divided = [parts for parts in plans.values() if parts]
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

    def divide(sample: Sample) -> list[Part] | str:
        try:
            return plan(sample, question, options, room)
        except MediaError as error:
            return f"media: {error}"
        except ValueError as error:
            return f"{sample.media[0].path}: {error}"

    plans: dict[str, list[Part]] = {}
    failures: Counter[str] = Counter()
    with ThreadPoolExecutor(threads) as pool:
        for sample, parts in zip(samples, pool.map(divide, samples), strict=True):
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
        stored = {(reply.id, reply.key): reply for reply in read_replies(self.batch.store.folder)}
        if divided[0][0].mode == "given":
            return self._wave([(part, self._around(part, parts)) for parts in divided for part in parts], stored)[1]
        past: dict[str, list[tuple[Part, dict[str, Any] | None]]] = defaultdict(list)
        failures: Counter[str] = Counter()
        for number in range(max(map(len, divided))):
            wave = [parts[number] for parts in divided if number < len(parts)]
            told = [(part, self._told(past[part.clip.id])) for part in wave]
            replies, failed = self._wave(told, stored)
            failures += failed
            for part in wave:
                past[part.clip.id].append((part, self._value(replies.get(part.name))))
                del past[part.clip.id][: -max(1, self.options.recall)]
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

    def _value(self, reply: Reply | None) -> dict[str, Any] | None:
        """The answer in a reply, None without one."""
        if reply is None or reply.text is None:
            return None
        outcome = parse(reply.text, self.batch.question.task.answer)
        return outcome.value if isinstance(outcome, Parsed) else None

    def _told(self, past: Iterable[tuple[Part, dict[str, Any] | None]]) -> Told:
        """What a part is told of those before it."""
        summary, lines = "", list[str]()
        for part, value in past:
            if value is None:
                lines += [f"{self._words(part)} — no answer"] if part.mode == "online" else []
                continue
            summary = shortened(value["summary"] or summary, SUMMARY_TOKENS)
            lines += [self._line(part, each) for each in utterances_of(value, part.record())[0]]
        recall = self.options.recall
        return Told(summary, tuple(lines[-recall:] if recall else ()))

    def _line(self, part: Part, utterance: Mapping[str, Any]) -> str:
        """An utterance and how it was judged, in one line."""
        words = self._words(part) if part.mode == "online" else spoken(utterance, part.clip.language) or NO_WORDS
        said = shortened(f"{utterance['speaker']}: {words}" if utterance["speaker"] else words, WORDS_TOKENS)
        judged = [utterance["primary"], *(utterance["secondary"] or ())]
        strength = f", intensity {utterance['intensity']}" if utterance["intensity"] is not None else ""
        return f"{said} — {', '.join(dict.fromkeys(judged))}{strength}"

    def _words(self, part: Part) -> str:
        """What the data says is spoken in a part, where that may be shown."""
        shown = part.text if self.batch.question.transcript else ""
        return shortened(shown, WORDS_TOKENS) or NO_WORDS

    def _around(self, part: Part, parts: Sequence[Part]) -> Told:
        """The words around a part whose times are given."""
        recall = self.options.recall
        near = parts[max(0, part.index - recall) : part.index + recall + 1]
        if not self.batch.question.transcript or not any(each.text for each in near):
            return Told()
        marks = {part.index: ">>"}
        return Told(lines=tuple(f"{marks.get(each.index, '  ')} {self._words(each)}" for each in near))


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
