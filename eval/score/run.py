"""`omnimer score --task T --gold FILE --pred FILE [--wheels DIR] [--json]`: the official score of a prediction file.

No model, no run, no torch. Takes the files of the challenges and JSON lines on both sides, and a run directory for the
predictions. The official number comes first, computed by the official rules without repair; what the repair, the
splitter, unknown words and constant answers make of it stands beside it.
"""

from __future__ import annotations

import csv
import math
import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from eval.bootstrap import RESAMPLES
from eval.score.compute import Resampling, Result, compute, titled
from eval.score.families import family_of
from eval.score.read import Entry, Family, keyed, numbered, read_entries, read_groups
from eval.submit.collect import answered, by_key
from eval.submit.content import content
from eval.submit.tracks import TRACKS, TRAITS
from infer.store import to_json
from tasks.blemore import clip_name
from tasks.registry import task as task_named
from tasks.select import check_at_least
from tasks.task import Task

_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,5}$")
# The number of predictions that an official script asserts.
ASSERTED = {"mer2025-semi": 20_000, "mer2025-fg": 20_000}
SETS = "mer2024-ov"  # the task with a score over groups of synonyms
_MATCHED = {"preference": "mer2026-prefer", "traits": "mer2025-pr"}  # whose tracks match samples in their own way


@dataclass(frozen=True)
class ScoreConfig:
    """The official score of a prediction file, without a model."""

    task: str
    """Name of the task (`omnimer tasks` lists them)."""
    gold: Path
    """Gold: the organisers' csv or npz, or JSON lines {"id", "value"}. For blemore a list of clip names will do, one a
    line."""
    pred: Path
    """Predictions: a submission file (csv, npz, zip, json), JSON lines {"id", "value"}, or a run directory."""
    wheels: Path | None = None
    """Folder of the emotion wheel tables (format.csv, synonym.xlsx, wheel1.xlsx to wheel5.xlsx)."""
    missing: Literal["refuse", "empty"] = "refuse"
    """A gold name without prediction: refuse, as the official scripts stop there; or count an empty answer (of
    preferences a wrong one)."""
    groups: Path | None = None
    """Of mer2024-ov: groups of synonyms for set accuracy and recall, JSON lines {"id", "value"} of lists of lists (or
    their text)."""
    group: Path | None = None
    """csv with a name and its group (speaker, film) in the first two columns: groups are resampled, not samples."""
    resamples: int = RESAMPLES
    """Bootstrap resamples behind each interval; 0 for none."""
    seed: int = 0
    """Seed of the resampling."""
    json: bool = False
    """Print one JSON object instead of text."""


def run(config: ScoreConfig) -> int:
    """Prints the score; 0. Raises ValueError for files that cannot be read or scored."""
    check_at_least("--resamples", config.resamples, 0)
    check_at_least("--seed", config.seed, 0)
    task = task_named(config.task)
    family = family_of(task)
    notes: list[str] = []
    gold, pred = _both(config, task, family, notes)
    groups = _groups(config.group, family) if config.group is not None else None
    resampling = Resampling(config.resamples, config.seed, groups)
    synonyms = None
    if config.groups is not None:
        if task.name != SETS:
            raise ValueError(f"--groups: groups of synonyms are scored for {SETS}, not for {task.name}")
        synonyms = read_groups(config.groups)
    empty = config.missing == "empty"
    result = compute(task, family, gold, pred, resampling, wheels=config.wheels, empty=empty, synonyms=synonyms)
    asserted = ASSERTED.get(task.name, len(pred))
    if len(pred) != asserted:
        notes.append(f"the official script asserts {asserted:,} predictions; there are {len(pred):,}")
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    print(to_json(_plain(record(result))) if config.json else "\n".join(lines(result)))
    return 0


def _both(config: ScoreConfig, task: Task, family: Family, notes: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Gold and predictions by names that match."""
    gold = read_entries(config.gold, task, family, "gold")
    pred = _of_run(config.pred, family) if config.pred.is_dir() else read_entries(config.pred, task, family, "pred")
    if family == "preference":
        pairs = all(entry.pair is not None for entry in (*gold, *pred))
        wanted, told = numbered(gold, pairs=pairs), numbered(pred, pairs=pairs)
        if pairs and not wanted.keys() & told.keys() and wanted.keys() & numbered(map(_exchanged, pred), pairs=True):
            raise ValueError(f"{config.pred}: a1 and a2 are exchanged in all rows; exchange them, and the preference")
    else:
        gold, pred = ([entry._replace(name=_own(entry.name, family)) for entry in side] for side in (gold, pred))
        wanted, told = keyed(gold, config.gold, notes), keyed(pred, config.pred, notes)
    if family not in ("wheels", "hits", "sentiment"):  # these read null as an answer
        told = {name: value for name, value in told.items() if value is not None}
    if family == "blend" and wanted:
        more = {name: None for name in told if name not in wanted and _is_labelled(name)}
        if more:
            notes.append(
                f"{len(more):,} predictions of labelled clips that {config.gold} does not name, such as "
                f"{next(iter(more))!r}, are scored as well: the official script scores all that is submitted"
            )
        wanted |= more
    return wanted, told


def _exchanged(entry: Entry) -> Entry:
    return entry._replace(pair=entry.pair and entry.pair[::-1])


def _own(name: str, family: Family) -> str:
    """A name in the form that both sides share: subjects 7 and 007 are one, and a clip has no extension."""
    if family == "traits":
        return name.lstrip("0") if name.isdecimal() else name
    return _EXTENSION.sub("", name) if family == "blend" else name


def _is_labelled(name: str) -> bool:
    try:
        clip_name(name)
    except ValueError:
        return False
    return True


def _of_run(folder: Path, family: Family) -> list[Entry]:
    """The answers of a run that could be read."""
    run_ = answered(folder)
    if family == "plain":
        return [Entry(answer.id, answer.value) for answer in run_.answers if answer.value is not None]
    track = TRACKS[_MATCHED.get(family, "mer2025-fg")]
    found = []
    for key, answers in by_key(run_, track).items():
        values = [answer.value for answer in answers if answer.value is not None]
        if not values:
            continue
        if family == "traits":
            means = content(values, track, Counter())
            found += [Entry(key[0], dict(zip(TRAITS, means, strict=True)))] if means is not None else []
        else:
            pair = (key[1], key[2]) if family == "preference" else None
            found += [Entry(key[0], _open(value, family, folder), pair) for value in values]
    return found


def _open(value: Mapping[str, Any], family: Family, folder: Path) -> Any:
    """What the scorer of a family takes of an answer."""
    key = {"wheels": "labels", "hits": "labels", "preference": "choice", "blend": "emotions"}.get(family, "label")
    if key not in value:
        raise ValueError(f"{folder}: its answers hold {', '.join(value)}; this task is scored over {key!r}")
    return value[key]


def _groups(path: Path, family: Family) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = [row for row in csv.reader(stream) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"--group {path}: is no readable csv ({error})") from None
    if any(len(row) < 2 for row in rows):
        raise ValueError(f"--group {path}: two columns were expected, a name and its group")
    return {_own(row[0], family): row[1] for row in rows[1:]}


# --- output


def record(result: Result) -> dict[str, Any]:
    """The object of --json."""
    return {
        "task": result.task.name,
        "score": result.score,
        "metrics": dict(result.metrics),
        "companions": result.companions,
        "n": result.n,
        "coverage": result.coverage,
    }


def _plain(value: Any) -> Any:
    """NaN as null, tuples as lists."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def lines(result: Result) -> list[str]:
    """The result for people: what the official script prints, the metrics with intervals, what stands beside them."""
    heads, beside = result.heads, result.companions
    unit = "percent" if heads.scale == 100 else "fractions"
    shown = [f"{title} {_number(heads.scale * result.metrics[name], heads.digits)}" for title, name in heads.parts]
    found = [
        f"{result.task.full_name}: " + "   ".join(shown),
        f"({unit}, n {result.n:,}, coverage {result.coverage:.1%})",
        "",
    ]
    intervals = beside.get("intervals", {})
    names = [name for name in result.metrics if not name.startswith(("ew_w", "ew_case")) or name in intervals]
    titles = titled(names)
    width = max(map(len, titles.values()))
    for name in names:
        low, high = intervals.get(name, (None, None))
        span = f"  [{_number(low, 4)}, {_number(high, 4)}]" if low is not None else ""
        found.append(f"  {titles[name]:<{width}}  {_number(result.metrics[name], 4)}{span}")
    if intervals:
        found.append(f"  95% intervals: {beside['resamples']:,} resamples of {beside['groups']:,} groups")
    return [*found, *_beside(result)]


def _beside(result: Result) -> list[str]:
    beside, digits = result.companions, result.heads.digits
    found = []
    if beside["extra_predictions"]:
        found.append(f"predictions of other names, not counted: {beside['extra_predictions']:,}")
    if "unknown" in beside:
        words = ", ".join(f"{word} ({count})" for word, count in beside["unknown_words"][:8])
        found.append(f"words no wheel knows: {_number(beside['unknown'], 4)}" + (f": {words}" if words else ""))
        found.append(f"words an answer: {_number(beside['list_length'], 2)}; empty answers: {beside['empty_lists']:,}")
        lost = beside["labels_lost_by_the_official_splitter"]
        if lost:
            found.append(f"labels that the official splitter tears apart: {', '.join(map(repr, list(lost)[:8]))}")
        changed = beside["lists_that_the_repair_changes"]
        score = _number(beside["score_with_repaired_reading"], digits)
        found.append(f"with repaired reading: {score} ({changed:,} lists are read differently)")
    if "constant_floor" in beside:
        found.append("constant answers score on this gold:")
        found += [f"  {_number(row['score'], digits):>8}  {row['answer']}" for row in beside["constant_floor"]]
    return ["", *found] if found else []


def _number(value: float, digits: int) -> str:
    return "undefined" if math.isnan(value) else f"{value:.{digits}f}"
