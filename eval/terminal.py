"""The numbers of report.md for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from eval.metrics.table import METRICS
from eval.report import (
    NO_GOLD,
    RunResult,
    difference,
    families,
    mcnemar_lines,
    number,
    parse_counts,
    score_rows,
    with_interval,
)
from eval.scores import ALL

# Narrower than this rich would cut numbers off; a narrow terminal wraps the lines instead.
TABLE_WIDTH = 130
# What is shown of the families beside the main table's.
BRIEF = ("set_micro_f1", "set_macro_f1", "label_map", "soft_js", "confidence", "ece", "aurc", "logprob_ece")
# Tables of a challenge with more rows stand in the report alone.
ROWS = 8


def print_scores(results: Sequence[RunResult]) -> None:
    """The main table, the other headline numbers, differences to the first run, what a challenge asks for, and the
    outcome of reading."""
    console = Console()
    console.width = max(console.width, TABLE_WIDTH)
    scored = [result for result in results if result.scores.rows]
    for result in results:
        if not result.scores.rows:
            console.print(Text(f"{result.name}: {NO_GOLD}"))
    if scored:
        _show_scores(console, scored)
    for result in results:
        for layout in result.sections:
            if len(layout.rows) <= ROWS:
                _show(console, f"{result.name}: {layout.title}", layout.head, layout.rows, left=1)
    for result in results:
        if (fitted := result.calibration) is not None:
            ece = f"{number(fitted.before['logprob_ece'])} to {number(fitted.after['logprob_ece'])}"
            console.print(Text(f"{result.name}: temperature {fitted.temperature:.3f}, ECE outside of train {ece}"))
        parts = [f"{count} {name}" for name, count in parse_counts(result.answers) if count]
        console.print(Text(f"{result.name}: {', '.join(parts)}"))


def _show_scores(console: Console, results: Sequence[RunResult]) -> None:
    """Scores, and differences to the first run, as tables."""
    head, lines = score_rows(results)
    title = ", ".join(dict.fromkeys(str(result.facts["config"]["task"]) for result in results))
    _show(console, title, head, lines, left=1 + (len(results) > 1))
    names = [name for group in list(families(results).values())[1:] for name in group if name in BRIEF]
    if names:
        found = [[result.scores.row(name) for result in results] for name in names]
        cells = [["–" if row is None else with_interval(row) for row in rows] for rows in found]
        lines = [[METRICS[name].title, *row] for name, row in zip(names, cells, strict=True)]
        _show(console, "Labels and confidence", ["", *(result.name for result in results)], lines, left=1)
    compared = [result for result in results if result.comparison is not None]
    if compared:
        names = [*next(iter(families(results).values()), []), *names]
        of = [[result.comparison.of(name, ALL) for result in compared if result.comparison] for name in names]
        lines = [[METRICS[name].title, *map(difference, row)] for name, row in zip(names, of, strict=True)]
        _show(console, f"Difference to {results[0].name}", ["", *(result.name for result in compared)], lines, left=1)
        for result in compared:
            for line in mcnemar_lines(result.comparison) if result.comparison else ():
                console.print(Text(f"{result.name}: {line}"))


def _show(console: Console, title: str, head: Sequence[str], lines: Sequence[Sequence[str]], left: int) -> None:
    shown = Table(title=Text(title))
    for place, name in enumerate(head):
        shown.add_column(Text(name), justify="left" if place < left else "right", no_wrap=place >= left)
    for line in lines:
        shown.add_row(*map(Text, line), style="bold" if ALL in line[:2] else "")
    console.print(shown)
