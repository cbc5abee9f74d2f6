"""Requests through an engine into the store: one batch, and the re-asks that follow it."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from infer.engine import Engine, Reply, Request
from infer.feed import Question, prepared
from infer.progress import Progress
from infer.store import RunStore, read_replies, read_run
from prompts.parsing import Unparsed, parse
from prompts.reask import reask as reask_turns
from prompts.render import Messages
from tasks.task import AnswerKind, Sample


def ask(
    samples: list[Sample], question: Question, store: RunStore, load: Callable[[], Engine], threads: int, reask: int = 0
) -> Counter[str]:
    """Sends what has no reply yet through the engine into the store; returns the reasons of failures with counts.

    `load()` is called when the first request needs an engine, so a finished run repeats in seconds. Each reply is on
    disk before the next one is asked for. Replies that cannot be read are asked again up to `reask` times; a re-ask
    that would repeat an earlier one word for word is not made.
    """
    loaded = cache(load)
    failures: Counter[str] = Counter()
    turns: dict[str, Messages] = {}
    again = samples
    for attempt in range(reask + 1):
        if attempt:
            turns = unread(store.folder, attempt - 1, question.task.answer)
            again = [sample for sample in samples if sample.id in turns]
            if not again:
                break
            print(f"{len(again):,} replies cannot be read: asking again ({attempt} of {reask})", file=sys.stderr)
        with Progress(len(again)) as progress:
            batch = Batch(question, store, loaded, threads, progress)
            failures += batch.ask(again, attempt, turns)
    return failures


def unread(folder: Path, attempt: int, kind: AnswerKind) -> dict[str, Messages]:
    """Sample id -> the turns of a re-ask, for the replies of an attempt that the parser cannot read."""
    turns: dict[str, Messages] = {}
    for reply in read_replies(folder):
        if reply.attempt == attempt:
            turns.pop(reply.id, None)
            again = reask_of(reply, kind)
            if again is not None:
                turns[reply.id] = again
    return turns


def reask_of(reply: Reply, kind: AnswerKind) -> Messages | None:
    """The turns of a re-ask after a reply that the parser cannot read; None for a readable or failed one."""
    outcome = parse(reply.text, kind) if reply.text is not None else None
    if reply.text is None or not isinstance(outcome, Unparsed):
        return None
    return reask_turns(reply.text, outcome.reason, kind)


# What run.json calls the text of the first request of a sitting.
PROMPT = "prompt_of_first_request"
Mark = Callable[[Reply, float], Reply]


@dataclasses.dataclass(frozen=True)
class Batch:
    """What a batch of requests needs. `is_done` says whether a reply is there (the store's own if not given); `mark`
    makes of a reply, which took so many seconds from its submission, the one that is stored."""

    question: Question
    store: RunStore
    load: Callable[[], Engine]
    threads: int
    progress: Progress
    is_done: Callable[[str, str], bool] | None = None
    mark: Mark | None = None

    def ask(self, samples: Iterable[Sample], attempt: int, turns: Mapping[str, Messages]) -> Counter[str]:
        """Asks about the samples that have no reply yet; the reasons of failures with counts."""
        failures: Counter[str] = Counter()
        sent: dict[str, float] = {}

        def keep(reply: Reply) -> None:
            seconds = time.monotonic() - sent.pop(reply.id, time.monotonic())
            marked = self.mark(reply, seconds) if self.mark else reply
            self.store.append([dataclasses.replace(marked, attempt=attempt)])
            if reply.error:
                failures[reply.error] += 1
            self.progress.advance(failed=reply.error is not None)

        def requests() -> Iterator[Request]:
            is_done = self.is_done or self.store.is_done
            for item in prepared(samples, self.question, is_done, self.threads, turns):
                if item is None:
                    self.progress.advance(skipped=True)
                elif isinstance(item, Reply):
                    keep(item)
                else:
                    sent[item.id] = time.monotonic()
                    yield item

        stream = requests()
        first = next(stream, None)
        if first is None:
            return failures
        engine = self.load()
        if PROMPT not in read_run(self.store.folder):
            self.store.note({PROMPT: engine.prompt(first.messages), "device": device()})
            self.progress.restart()  # loading a model is not part of the rate
        sent[first.id] = time.monotonic()
        for reply in engine.generate(chain([first], stream), self.question.sampling):
            keep(reply)
        self.store.note({"finished": now(), "sitting": self.progress.line()})
        return failures


def device() -> str:
    """What the engine runs on, as far as this process knows; nothing is imported for it."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return "unknown"
    return str(torch.cuda.get_device_name()) if torch.cuda.is_available() else "CPU"


def now() -> str:
    """The time as run.json writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
