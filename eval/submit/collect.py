"""From runs to the rows of a submission: one content for each candidate, and why a fallback stands where it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from eval.answers import Answer, read_answers
from eval.submit.candidates import Candidate
from eval.submit.content import check_kind, content
from eval.submit.tracks import Content, Track
from infer.feed import digest
from infer.store import RUN, read_replies, read_run, read_samples
from tasks.registry import task as task_named
from tasks.task import Sample, Task

NO_SAMPLE = "no sample of the runs has this name"
NO_CONTENT = "the answer holds nothing that the track takes"
SWAPPED = {"a1": "a2", "a2": "a1", "same": "same"}
Key = tuple[str, ...]


class Answered(NamedTuple):
    """A run and its answers: run.json, the task, one answer a sample, and a digest of the keys of all its replies."""

    folder: Path
    facts: Mapping[str, Any]
    task: Task
    samples: list[Sample]
    answers: list[Answer]
    keys: str


@dataclass(frozen=True, slots=True)
class Collected:
    """The rows of a submission in the order of the candidates. `reasons`: why a row is the fallback, "" where it is
    not. `changes`: what rules changed. `repaired`: answers that the parser had to repair. `strangers`: samples whose
    name is no candidate. `again`: candidates that a further run holds as well; the first run with an answer counts."""

    contents: list[Content]
    reasons: list[str]
    changes: Counter[str] = field(default_factory=Counter)
    repaired: int = 0
    strangers: int = 0
    again: int = 0

    @property
    def fallbacks(self) -> Counter[str]:
        """Reasons of fallbacks with their counts."""
        return Counter(reason for reason in self.reasons if reason)


def answered(folder: Path) -> Answered:
    """Reads a run and the answers in its replies; ValueError when it is none, or of another version of its task."""
    facts = read_run(folder)
    name, _, version = str(facts["config"].get("task", "")).partition("@")
    if not name:
        raise ValueError(f"{folder / RUN}: names no task; it is damaged or was edited")
    task = task_named(name)
    if task.version != version:
        raise ValueError(f"{folder} is a run of {name}@{version}; {name} has version {task.version} here")
    samples, replies = list(read_samples(folder)), list(read_replies(folder))
    keys = digest(sorted({reply.key for reply in replies}))
    return Answered(folder, facts, task, samples, read_answers(samples, replies, task.answer), keys)


def collect(runs: Sequence[Answered], candidates: Sequence[Candidate], track: Track, spare: Content) -> Collected:
    """The rows of a submission. Candidates are matched by name (see `by_key`), rows of a preference track by name and
    both descriptions; `spare` stands for what is missing.

    Raises ValueError for a run of another kind of answers, and for two samples of one run that have one name.
    """
    tables = []
    for run in runs:
        check_kind(run.task.answer, track, str(run.folder))
        tables.append(by_key(run, track))
    wanted = [key_of(candidate.name, candidate.a1, candidate.a2, track) for candidate in candidates]
    seen: Counter[Key] = Counter()
    found = Collected([], [])
    again = strangers = repaired = 0
    for key in wanted:
        here = [table[key] for table in tables if key in table]
        again += len(here) > 1
        taken, row, reason = _row(here, seen[key], track, found.changes)
        seen[key] += 1
        repaired += any(answer.repairs or answer.dropped for answer in taken)
        found.contents.append(spare if row is None else row)
        found.reasons.append(reason)
    strangers = sum(len(answers) for table in tables for key, answers in table.items() if key not in seen)
    return Collected(found.contents, found.reasons, found.changes, repaired, strangers, again)


def by_key(run: Answered, track: Track) -> dict[Key, list[Answer]]:
    """The answers of a run by what matches them with candidates: the challenge's name of a sample is its
    `meta["name"]`, for traits its `meta["subject"]`, else its id. Descriptions that a run asked about in swapped places
    are put back, and the answer with them."""
    table: dict[Key, list[Answer]] = {}
    for sample, answer in zip(run.samples, run.answers, strict=True):
        meta = sample.meta
        name = str(meta.get("subject" if track.shape == "traits" else "name", sample.id))
        a1, a2 = str(meta.get("a1", "")), str(meta.get("a2", ""))
        own = answer
        if track.shape == "choice" and meta.get("swapped") == "yes":
            a1, a2 = a2, a1
            own = answer if answer.value is None else replace(answer, value={"choice": SWAPPED[answer.value["choice"]]})
        table.setdefault(key_of(name, a1, a2, track), []).append(own)
    if track.shape not in ("choice", "traits"):  # rows repeat there, or are means
        for key, answers in table.items():
            if len(answers) > 1:
                ids = ", ".join(repr(answer.id) for answer in answers[:3])
                raise ValueError(f"{run.folder}: samples {ids} have the name {key[0]!r}; track {track.name} takes one")
    return table


def key_of(name: str, a1: str, a2: str, track: Track) -> Key:
    """What matches a sample with a candidate. Blanks of descriptions do not count, since prompts change them, nor do
    zeros before the number of a subject, since folders have them."""
    if track.shape == "choice":
        return name, " ".join(a1.split()), " ".join(a2.split())
    return (name.lstrip("0") if track.shape == "traits" and name.isdecimal() else name,)


def _row(
    here: Sequence[list[Answer]], place: int, track: Track, changes: Counter[str]
) -> tuple[list[Answer], Content | None, str]:
    """The answers taken for a row, its content, and the reason where there is none. `place`: how many rows with the
    same key came before it (rows of a preference track that are equal in all)."""
    reason = NO_SAMPLE
    for answers in here:
        chosen = answers if track.shape == "traits" else answers[min(place, len(answers) - 1) :][:1]
        told = [answer for answer in chosen if answer.value is not None]
        row = content([answer.value for answer in told if answer.value is not None], track, changes) if told else None
        if row is not None:
            return told, row, ""
        if reason == NO_SAMPLE:
            reason = NO_CONTENT if told else _reason(chosen[0])
    return [], None, reason


def _reason(answer: Answer) -> str:
    """Why an answer has no value; of an error its first words, so that reasons can be counted."""
    if answer.error is not None:
        return f"the request failed: {answer.error.partition(':')[0][:80]}"
    return f"the reply cannot be read: {answer.reason}"
