"""`omnimer annotators`: agreement of annotators and consensus labels.

omnimer annotators --csv FILE [--out FILE] [--json]       any CSV of items x annotators
omnimer annotators --data DIR [--out FILE] [--json]       the EmoS release: agreement, and all it derived, recomputed
omnimer annotators --data DIR --paper [--json]            the tables of its paper, printed and recomputed
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from eval.annotators.books import Annotated, goemotion_sets, read_books
from eval.annotators.consensus import Line, consensus, consensus_lines, to_csv
from eval.annotators.dawid_skene import STEPS, TOLERANCE
from eval.annotators.paper import PUBLISHED, PaperTable, paper_tables
from eval.annotators.paper_static import static
from eval.annotators.ratings import read_csv
from eval.annotators.reproduce import Check, release_lines, reproduce, unexplained, votes
from eval.annotators.show import show_checks, show_paper, show_summary
from eval.annotators.summary import summarise
from infer.store import write_atomic
from tasks.emos_release import find_base
from tasks.emos_stream_release import find_streaming, read_streaming
from tasks.labels import label_space, label_space_names


@dataclass(frozen=True)
class AnnotatorsConfig:
    """Agreement of annotators and consensus labels: of a CSV of items x annotators, or of the EmoS release."""

    csv: Path | None = None
    """CSV file: first column the id, one column an annotator; a cell holds one label, or several separated by `;`;
    empty = not annotated."""
    data: Path | None = None
    """Folder of the EmoS release: recomputes from the annotators' books what the release derived from them."""
    paper: bool = False
    """With --data: the tables of the EmoS paper, printed and recomputed side by side."""
    labels: tuple[str, ...] = ()
    """With --csv: the legal labels in their order, or the name of a label space; otherwise those that occur, sorted."""
    consensus: Literal["auto", "dawid-skene", "share"] = "auto"
    """With --csv: Dawid-Skene, or the share of annotators behind a label; auto: shares for label sets only."""
    steps: int = STEPS
    """With --csv: most steps of Dawid-Skene."""
    tolerance: float = TOLERANCE
    """With --csv: Dawid-Skene stops when its probabilities change by less than this in the mean."""
    out: Path | None = None
    """Writes the consensus as CSV: id, label, confidence, votes."""
    json: bool = False
    """Prints everything as JSON instead of tables."""


def run(config: AnnotatorsConfig) -> int:
    """Prints tables or JSON; 1 when something of the release is not reproduced that should be."""
    if (config.csv is None) == (config.data is None):
        raise ValueError("give either --csv FILE (any annotations) or --data DIR (the EmoS release)")
    if config.out is not None:
        _check_out(config.out, config.csv)
    if config.csv is not None:
        return _csv(config, config.csv)
    assert config.data is not None  # noqa: S101  (one of the two is given)
    if config.labels or (config.consensus, config.steps, config.tolerance) != ("auto", STEPS, TOLERANCE):
        raise ValueError("--labels, --consensus, --steps and --tolerance belong to --csv; the release has its own")
    return _release(config, config.data)


def _csv(config: AnnotatorsConfig, path: Path) -> int:
    if config.paper:
        raise ValueError("--paper belongs to --data DIR, the EmoS release")
    if config.steps < 1 or not 0 <= config.tolerance < 1:
        raise ValueError(f"--steps {config.steps} --tolerance {config.tolerance}: at least 1 step and a tolerance "
                         "from 0 to below 1 were expected")  # fmt: skip
    ratings = read_csv(path, _labels(config.labels))
    method = None if config.consensus == "auto" else config.consensus
    found = consensus(ratings, method, config.steps, config.tolerance)
    lines = list(consensus_lines(ratings, found))
    _write(config.out, lines)
    record = summarise(ratings, found)
    if config.json:
        _print_json({"source": str(path), **record, "rows": [line._asdict() for line in lines]})
    else:
        show_summary(path.name if path.name.isprintable() else repr(path.name), record)
    return 0


def _labels(words: Sequence[str]) -> tuple[str, ...]:
    labels = label_space(words[0]).labels if len(words) == 1 and words[0] in label_space_names() else tuple(words)
    if len(set(labels)) < len(labels) or len(labels) == 1:
        raise ValueError(f"--labels {' '.join(words)}: at least two different labels, or the name of a label space "
                         f"({', '.join(label_space_names())}), were expected")  # fmt: skip
    return labels


def _release(config: AnnotatorsConfig, data: Path) -> int:
    base = find_base(data)
    clips = [emotions for emotions, _ in read_streaming(find_streaming(data))] if config.paper else []
    parts = read_books(base)
    _write(config.out, list(release_lines(parts)) if config.out else [])
    checks = reproduce(base, parts)
    tables = paper_tables(static(parts), clips) if config.paper else []
    source = tomllib.loads(PUBLISHED.read_text(encoding="utf-8"))["source"]
    if config.json:
        _print_json(_release_record(data, parts, checks, tables, source))
    elif config.paper:
        show_paper(tables, source)
    else:
        for title, record in _summaries(parts).items():
            show_summary(title, record)
        show_checks(checks)
    wrong = unexplained(checks)
    for check in wrong:
        print(f"not reproduced: {check.part}, {check.column}: {'; '.join(check.notes)}", file=sys.stderr)
    return int(bool(wrong))


def _summaries(parts: dict[str, Annotated]) -> dict[str, dict[str, Any]]:
    """Agreement by part, of the basic emotions (where the annotators gave or implied them) and of the GoEmotions."""
    found = {}
    for name, annotated in parts.items():
        basic = votes(annotated)
        if basic is not None:
            found[f"{name}, basic emotions"] = summarise(basic)
        found[f"{name}, GoEmotions"] = summarise(goemotion_sets(annotated))
    return found


def _release_record(
    data: Path, parts: dict[str, Annotated], checks: Sequence[Check], tables: Sequence[PaperTable], source: str
) -> dict[str, Any]:
    record: dict[str, Any] = {
        "source": str(data),
        "agreement": _summaries(parts),
        "checks": [{**dataclasses.asdict(check), "notes": check.notes} for check in checks],
        "rows": [line._asdict() for line in release_lines(parts)],
    }
    if tables:
        record["paper"] = {
            "source": source,
            "tables": [{**dataclasses.asdict(table), "tally": table.tally()} for table in tables],
        }
    return record


def _plain(value: Any) -> Any:
    """NaN has no place in JSON: null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _print_json(record: dict[str, Any]) -> None:
    print(json.dumps(_plain(record), ensure_ascii=False, indent=1))


def _check_out(path: Path, source: Path | None) -> None:
    if not path.parent.is_dir() or path.is_dir():
        raise ValueError(f"--out {path}: the name of a file in a folder that exists was expected")
    if source is not None and path.exists() and source.exists() and path.samefile(source):
        raise ValueError(f"--out {path}: this is the file that is read; give another name")


def _write(path: Path | None, lines: Sequence[Line]) -> None:
    if path is not None:
        write_atomic(path, to_csv(lines))
        print(f"{path}: {len(lines):,} rows", file=sys.stderr)
