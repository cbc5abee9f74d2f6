"""From gold and predictions to a result: the official numbers first, then intervals and what stands beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eval.answers import Answer
from eval.metrics.metric import Options, primary
from eval.metrics.table import METRICS
from eval.score.families import (
    ROWS,
    Heads,
    as_task,
    constants,
    has_unanswered,
    heads_of,
    official,
    unanswered,
    value_of,
)
from eval.score.read import Family, plain_name, shown_name
from eval.scores import score
from eval.wheels.ew import read_labels, set_scores
from eval.wheels.floor import companions
from prompts.parsing import Parsed, parse
from tasks.task import AnswerKind, AnyOf, OneOf, Pick, Sample, Task

NO_PREDICTION = "no prediction"
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Result:
    """The score of a file. `metrics`: fractions by name; `intervals`: 95% intervals of some of them. `floor`: what
    constant answers score, in `heads.scale`. `coverage`: share of the gold names that have a prediction."""

    task: Task
    heads: Heads
    metrics: Mapping[str, float]
    n: int
    coverage: float
    companions: dict[str, Any] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """The headline as the official script prints it."""
        return self.heads.scale * self.metrics[self.heads.parts[-1][1]]


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are made: `count` seeded resamples (0: none) of samples, or of `groups`, name -> group."""

    count: int
    seed: int
    groups: Mapping[str, str] | None = None


def compute(
    task: Task,
    family: Family,
    gold: Mapping[str, Any],
    pred: Mapping[str, Any],
    resampling: Resampling,
    *,
    wheels: Path | None = None,
    empty: bool = False,
    synonyms: Mapping[str, Any] | None = None,
) -> Result:
    """The scores of predictions. Predictions of other names do not count.

    A gold name without a prediction makes the official scripts stop (that of BLEMORE leaves the clip out); it is
    refused here (ValueError, with the names), unless it is counted as an `empty` answer: an empty list, a word that is
    not positive, a preference that is not the gold one, and else an answer that is wrong. With `synonyms`, name ->
    groups of words (lists, or their text), `set_accuracy`, `set_recall` and `set_score` of MER2024-OV are added, over
    the names that have groups. Raises ValueError as well where an entry is not legal.
    """
    if not gold:
        raise ValueError("--gold holds no sample: there is nothing to score")
    missing = [name for name in gold if name not in pred]
    if missing and not empty:
        shown = ", ".join(map(shown_name, missing[:SHOWN])) + (", …" if missing[SHOWN:] else "")
        does = "scores the others alone, which is another score" if family == "blend" else "stops there"
        raise ValueError(
            f"{len(missing):,} of {len(gold):,} gold names have no prediction, such as {shown}; the official script "
            f"{does}. Give a complete file, or count them as empty answers: --missing empty"
        )
    told = {name: pred[name] if name in pred else unanswered(family, entry) for name, entry in gold.items()}
    exact = {} if missing and not has_unanswered(family) else official(family, gold, told, task, wheels)
    rows, intervals, groups = _rows(task, family, gold, told, resampling, wheels)
    metrics = exact or rows
    if synonyms is not None:
        sets = set_scores(gold, told, synonyms)
        metrics = {**metrics, **{f"set_{name}": sets[name] for name in ("accuracy", "recall", "score")}}
    found = Result(task, heads_of(task, family), metrics, len(gold), 1 - len(missing) / len(gold))
    found.companions.update(_companions(found, family, gold, told, wheels))
    found.companions["extra_predictions"] = len(pred) - (len(gold) - len(missing))
    if intervals:
        found.companions.update(intervals=intervals, resamples=resampling.count, groups=groups)
    return found


def _rows(
    task: Task,
    family: Family,
    gold: Mapping[str, Any],
    told: Mapping[str, Any],
    resampling: Resampling,
    wheels: Path | None,
) -> tuple[dict[str, float], dict[str, tuple[float, float]], int]:
    """The task's own metrics by the metrics table, with intervals, and the number of resampled groups."""
    scored = replace(as_task(task, family, gold, told), slices=(), group="group", options={})
    samples, answers = [], []
    for name, entry in gold.items():
        meta = {"group": _group(name, resampling.groups)}
        if family == "plain":
            samples.append(Sample(name, _plain_gold(name, entry, task.answer), meta=meta))
            answers.append(_plain_answer(name, told[name], task.answer))
        else:
            samples.append(Sample(name, value_of(family, name, entry, gold=True), meta=meta))
            value = value_of(family, name, told[name], gold=False)
            answers.append(Answer(name, value) if value is not None else Answer(name, error=NO_PREDICTION))
    options = Options(wheels=task.wheels, wheel_folder=wheels)
    rows = score(scored, samples, answers, max(resampling.count, 1), resampling.seed, options=options).rows
    names = {row: name for name, row in ROWS.get(family, {}).items()}
    values = {names.get(row.metric, row.metric): row.value for row in rows}
    intervals = {
        names.get(row.metric, row.metric): (row.low, row.high)
        for row in rows
        if resampling.count and row.low is not None and row.high is not None
    }
    return values, intervals, rows[0].groups


def _group(name: str, groups: Mapping[str, str] | None) -> str:
    if groups is None:
        return name
    plain = plain_name(name)
    if plain not in groups:
        raise ValueError(f"--group: no group for {plain!r}; a row for every gold name was expected")
    return groups[plain]


def _plain_gold(name: str, entry: Any, kind: AnswerKind) -> Mapping[str, Any]:
    """Gold in the shape of the kind: a word for a single label, a list of words for a set of labels."""
    if isinstance(entry, Mapping):
        return entry
    if isinstance(entry, str) and entry and isinstance(kind, OneOf | Pick):
        return {primary(kind)[0]: entry}
    if isinstance(entry, list) and isinstance(kind, AnyOf) and all(isinstance(label, str) for label in entry):
        return {"labels": [{"label": label, "confidence": None} for label in entry]}
    raise ValueError(f"the gold of {name} is {entry!r}; a value in the shape of {type(kind).__name__} is legal")


def _plain_answer(name: str, entry: Any, kind: AnswerKind) -> Answer:
    """A prediction, read as a reply is: text as it stands, anything else as JSON."""
    if entry is None:
        return Answer(name, error=NO_PREDICTION)
    outcome = parse(entry if isinstance(entry, str) else json.dumps(entry), kind)
    return Answer(name, outcome.value) if isinstance(outcome, Parsed) else Answer(name, reason=outcome.reason)


# --- companions


def _companions(
    found: Result, family: Family, gold: Mapping[str, Any], told: Mapping[str, Any], wheels: Path | None
) -> dict[str, Any]:
    heads, edition = found.heads, found.task.wheels or "mer2025"
    metric = heads.parts[-1][1]
    floor = constants(family, gold, found.task, wheels, metric)
    record: dict[str, Any] = {}
    if floor:
        record["constant_floor"] = [{"answer": title, "score": heads.scale * value} for title, value in floor]
    if family in ("wheels", "hits"):
        seen = companions(told, edition, wheels)
        record |= {
            "unknown": seen.unknown,
            "unknown_words": seen.unknown_words,
            "list_length": seen.list_length,
            "empty_lists": sum(not read_labels(entry, name) for name, entry in told.items()),
            "labels_lost_by_the_official_splitter": seen.lost,
        }
        repaired = {name: _repaired(name, entry) for name, entry in told.items()}
        exact = official(family, gold, repaired, found.task, wheels)
        record["score_with_repaired_reading"] = heads.scale * exact[metric]
        record["lists_that_the_repair_changes"] = sum(
            repaired[name] != read_labels(entry, name) for name, entry in told.items()
        )
    return record


def _repaired(name: str, entry: Any) -> list[str]:
    """An entry as the project's own parser reads it; as the official one where that finds no list."""
    plain = read_labels(entry, f"the prediction of {name}")
    text = entry if isinstance(entry, str) else json.dumps({"labels": plain})
    outcome = parse(text, AnyOf())
    return list(outcome.value["labels"]) if isinstance(outcome, Parsed) else plain


def titled(names: Sequence[str]) -> dict[str, str]:
    """Names of metrics with their titles."""
    own = {"waf": "Weighted-F1 (WAF)", "acc": "Accuracy"}
    own |= {"set_accuracy": "Set accuracy", "set_recall": "Set recall", "set_score": "Set score (mean of both)"}
    return {name: METRICS[name].title if name in METRICS else own.get(name, name) for name in names}
