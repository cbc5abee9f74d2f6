"""`omnimer submit RUN --track T --candidates FILE --out FILE`: a challenge file, written, read back and validated.

Nothing is asked of a model. Every candidate is covered: where an answer is missing or cannot be read, the fallback of
the track stands, and is counted on the screen and on the card that is written beside the file. `omnimer submit
--validate FILE` says everything that is wrong with a file made elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from eval.submit.candidates import Candidate, placeholders, read_candidates
from eval.submit.card import card, markdown
from eval.submit.cells import check
from eval.submit.collect import Collected, answered, collect
from eval.submit.content import fallback
from eval.submit.findings import Findings, lines
from eval.submit.fitted import THRESHOLDS, decoded, fitted_on
from eval.submit.tracks import Track, track_named
from eval.submit.validate import validate
from eval.submit.write import encode
from infer.store import REPLIES, RUN, SAMPLES, to_json, write_atomic


@dataclass(frozen=True)
class SubmitConfig:
    """Write a challenge submission from the stored replies of a run, or validate a file made elsewhere."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Run directories. Several (shards) together have to cover the candidates; the first with an answer counts."""
    track: str = ""
    """One of mer2024-ov, mer2025-semi, mer2025-fg, mer2025-des, mer2025-pr, mer2026-cross, mer2026-fg, mer2026-prefer,
    blemore."""
    candidates: Path | None = None
    """The organisers' list of names (csv); of blemore their template (JSON or zip)."""
    out: Path | None = None
    """File to write; its card is written beside it."""
    fallback: str | None = None
    """What stands for an answer that is missing or cannot be read; the track's own if not given."""
    fit: Path | None = None
    """Of blemore: a run over train with --decode label. Two thresholds are fitted on it, and they decode the label
    probabilities of the runs that are submitted."""
    strict: bool = False
    """Refuse instead, when an answer is missing or cannot be read."""
    validate: Path | None = None
    """Say everything that is wrong with this file; no run is read and nothing is written."""


def run(config: SubmitConfig) -> int:
    """Writes or validates a submission. 0: all is well; 1: written with fallbacks, or the judged file is not valid."""
    if not config.track:
        raise ValueError("--track is missing: the track of the challenge, such as mer2025-fg")
    track = track_named(config.track)
    if config.candidates is None:
        raise ValueError("--candidates is missing: the organisers' list of names, which the submission has to cover")
    candidates = read_candidates(config.candidates, track)
    if track.size and len(candidates) != track.size:
        print(f"note: {len(candidates):,} candidates; the challenge has {track.size:,}", file=sys.stderr)
    if config.validate is not None:
        if config.runs or config.out:
            raise ValueError("--validate judges a file made elsewhere: give no run and no --out with it")
        return _judge(config.validate, track, candidates, config.candidates)
    if not config.runs or config.out is None:
        raise ValueError(
            "a run directory and --out are needed: omnimer submit RUN --track T --candidates FILE --out FILE"
        )
    return _submit(config, track, candidates, config.out)


def _judge(path: Path, track: Track, candidates: Sequence[Candidate], given: Path) -> int:
    verdict = validate(path, track, candidates)
    for line in lines(verdict.faults):
        print(line)
    if verdict.faults:
        print(f"{path}: faults: {len(verdict.faults):,}, rows: {verdict.rows:,}; this is no valid {track.name} file")
        return 1
    print(f"{path}: valid for {track.name}, {verdict.rows:,} rows")
    if track.shape == "blend":
        template = [check(value, track, "", Findings()) for value in placeholders(given).values()]
        if verdict.contents == template:
            print(f"note: all predictions are those of {given}: is this the organisers' template, not filled in?")
    return 0


def _submit(config: SubmitConfig, track: Track, candidates: Sequence[Candidate], out: Path) -> int:
    if not out.name.endswith(track.suffix):
        raise ValueError(f"--out {out}: a file of track {track.name} has a name that ends with {track.suffix}")
    if not out.parent.is_dir():
        raise ValueError(f"--out {out}: there is no folder {out.parent}")
    _check_places(config, out)
    text = track.fallback if config.fallback is None else config.fallback
    spare = fallback(text, track)
    print(f"fallback for answers that are missing or cannot be read: {text}", file=sys.stderr)
    runs = [answered(folder) for folder in config.runs]
    if len({run.folder.resolve() for run in runs}) < len(runs):
        raise ValueError("one run is given twice")
    how = ""
    if config.fit is not None:
        thresholds = fitted_on(config.fit, runs[0].task.full_name)
        runs = [decoded(run, thresholds) for run in runs]
        how = f"alpha {thresholds.alpha:.4f}, beta {thresholds.beta:.4f}, fitted on {config.fit}"
    collected = collect(runs, candidates, track, spare)
    if how:
        told = sum(answer.rule == THRESHOLDS for run in runs for answer in run.answers)
        collected.changes[f"answers decoded from label probabilities: {how}"] = told
    if config.strict and collected.fallbacks:
        raise ValueError("--strict: answers are missing or cannot be read:\n" + "\n".join(_reasons(collected)))
    data = encode(track, candidates, collected.contents)
    _put(out, data, track, candidates, collected)
    record = card(track, out.name, data, runs, collected, text)
    for path, body in zip(_cards(out), (to_json(record, indent=1) + "\n", markdown(record)), strict=True):
        write_atomic(path, body)
    _summary(out, track, collected)
    return int(bool(collected.fallbacks))


def _temporary(out: Path) -> Path:
    return out.with_name(out.name + ".tmp")


def _cards(out: Path) -> tuple[Path, Path]:
    return out.with_name(out.name + ".card.json"), out.with_name(out.name + ".card.md")


def _check_places(config: SubmitConfig, out: Path) -> None:
    """Raises ValueError where what is written would take the place of what is read, by whatever name or link."""
    folders = [*config.runs, *([config.fit] if config.fit is not None else [])]
    read = [folder / name for folder in folders for name in (RUN, SAMPLES, REPLIES)]
    for written in (out, _temporary(out), *_cards(out)):
        for source in [*([config.candidates] if config.candidates is not None else []), *read]:
            same = written.resolve() == source.resolve()
            if same or (written.exists() and source.exists() and written.samefile(source)):
                raise ValueError(f"--out {out}: {written.name} is {source}, which is read; name another file")


def _put(out: Path, data: bytes, track: Track, candidates: Sequence[Candidate], collected: Collected) -> None:
    """Writes the file under another name, reads it back by the validator, and only then gives it its name."""
    temporary = _temporary(out)
    try:
        temporary.write_bytes(data)
        verdict = validate(temporary, track, candidates, out.name)
        shown = "\n".join([str(fault) for fault in verdict.faults[:10]])
        if verdict.faults:
            raise ValueError(f"{out} was not written: it would not be a valid {track.name} file:\n{shown}")
        different = [place for place, row in enumerate(collected.contents) if verdict.contents[place] != row]
        if different:
            name = candidates[different[0]].name
            raise ValueError(
                f"{out} was not written: {len(different):,} rows are read back as others, such as {name!r}"
            )
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)


def _reasons(collected: Collected) -> list[str]:
    return [f"  {count:>6,} x {reason}" for reason, count in collected.fallbacks.most_common()]


def _summary(out: Path, track: Track, collected: Collected) -> None:
    """What was written, and every count that is not zero."""
    rows = len(collected.contents)
    print(f"{out}: {rows:,} rows, written, read back and valid for {track.name}; card: {out.name}.card.json and .md")
    if not track.official:
        print("note: the official container of this track is not described in public; this is the natural form")
    if collected.fallbacks:
        total = collected.fallbacks.total()
        print(f"{total:,} of {rows:,} rows are the fallback:")
        print("\n".join(_reasons(collected)))
    for count, what in (
        (collected.repaired, "answers that the parser repaired"),
        *((count, name) for name, count in sorted(collected.changes.items())),
        (collected.again, "candidates in several runs (the first with an answer counts)"),
        (collected.strangers, "samples that are no candidate, left out"),
    ):
        if count:
            print(f"  {count:>6,} x {what}")
