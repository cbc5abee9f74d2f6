"""Summaries, checks and tables of the paper on the terminal. Text of files is printed as text, never as markup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eval.annotators.paper import DIFFERS, NOT_PRINTED, PaperTable, decimals
from eval.annotators.reproduce import Check

WIDTH = 120
# A confusion matrix of more labels, or a list of more pairs, does not fit; the JSON output has it.
MOST_SHOWN = 12


def figure(value: float | None, digits: int = 3) -> str:
    """A number for people: whole ones as they are, others with fixed digits, `–` where undefined."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.{digits}f}"


def _print(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    console.width = max(console.width, WIDTH)
    shown = Table(box=SIMPLE)
    for i, name in enumerate(head):
        shown.add_column(Text(name), justify="right" if i else "left", overflow="fold")
    for row in rows:
        shown.add_row(*map(Text, row))
    console.print(Text(title, style="bold"), shown, sep="")


def _say(*lines: str) -> None:
    for line in lines:
        print(line)


def show_summary(title: str, record: Mapping[str, Any]) -> None:
    """What `summarise` found, as tables."""
    names: list[str] = record["annotators"]
    several = ", ".join(f"{n} on {count:,}" for n, count in record["different_labels"].items())
    found = record["consensus"]
    steps = f" in {found['steps']} steps" if found["steps"] else ""
    _say(
        f"{title}: {record['items']:,} items, {len(names)} annotators, {record['kind']}, "
        f"{len(record['labels'])} labels",
        f"annotated by all {record['annotated_by_all']:,}, by nobody {record['annotated_by_none']:,}; "
        f"different labels: {several} items",
        f"consensus by {found['method']}{steps}: {found['items_with_a_label']:,} items with a label, mean confidence "
        f"{figure(found['mean_confidence'])}; against a majority {found['against_majority']:,}, a label that nobody "
        f"gave {found['from_nobody']:,}",
        *(f"note: {note}" for note in record["notes"]),
    )
    lines = [("all equal (share of items)", figure(record["exact_match"]))]
    if "fleiss_kappa" in record:
        lines.append(("Fleiss kappa", figure(record["fleiss_kappa"])))
    lines += [(f"Krippendorff alpha, {name}", figure(value)) for name, value in record["alpha"].items()]
    if "union_mean" in record:
        lines.append(("labels of an item from anyone (mean)", figure(record["union_mean"])))
    pairs = ("Cohen kappa", "cohen_kappa") if "cohen_kappa" in record else ("Jaccard", "jaccard")
    values = list(record[pairs[1]].items())
    lines += [(f"{pairs[0]}, {name}", figure(value)) for name, value in values[:MOST_SHOWN]]
    if len(values) > MOST_SHOWN:
        lines.append((f"{pairs[0]}, {len(values) - MOST_SHOWN} pairs more", "see --json"))
    _print("agreement", ["", "value"], lines)
    _show_annotators(record)
    _show_distribution(record)


def _show_annotators(record: Mapping[str, Any]) -> None:
    columns = [("annotated", "annotated")]
    if "cardinality" in record:
        columns.append(("labels an item", "cardinality"))
    else:
        columns.append(("agrees with the consensus", "agrees_with_consensus"))
    names = record["annotators"]
    _print(
        "annotators",
        ["annotator", *(title for title, _ in columns)],
        ([name, *(figure(record[key][name]) for _, key in columns)] for name in names),
    )
    labels = record["labels"]
    if "confusion" in record and len(labels) <= MOST_SHOWN:
        for name in names[:MOST_SHOWN]:
            rows = ([label, *map(str, row)] for label, row in zip(labels, record["confusion"][name], strict=True))
            _print(f"{name} (columns) against the consensus (rows)", ["", *labels], rows)
    elif "confusion" in record:
        _say(f"confusion of {len(labels)} labels: see --json")
    if "against_consensus" in record and len(names) <= MOST_SHOWN:
        rows = ([label, *("/".join(map(str, record["against_consensus"][name][label])) for name in names)]
                for label in labels)  # fmt: skip
        _print("labels against the consensus: in both / added by the annotator / missing", ["", *names], rows)


def _show_distribution(record: Mapping[str, Any]) -> None:
    columns = {name: record["distribution"][name] for name in [*record["annotators"][:MOST_SHOWN], "consensus"]}
    rows = ([label, *(str(own[label]) for own in columns.values())] for label in record["labels"])
    _print("items by label", ["", *columns], rows)


def show_checks(checks: Sequence[Check]) -> None:
    """The columns of the release beside their recomputation."""
    rows = []
    for check in checks:
        largest = "" if check.largest is None else f"{check.largest:.1e}"
        rows.append([f"{check.part}: {check.column}", f"{check.equal:,} of {check.rows:,}", largest])
    _print("the release recomputed from its annotators' books", ["column", "equal rows", "largest difference"], rows)
    _say(*(f"{check.part}: {check.column}: {note}" for check in checks for note in check.notes))
    _say("one misspelt label that the release counted is counted here too (anoyance, as annoyance)")


def show_paper(tables: Sequence[PaperTable], source: str) -> None:
    """Printed and recomputed numbers side by side, then how many of them agree."""
    for table in tables:
        head = ["", "paper", "recomputed"] + (["as counted"] if table.counted else []) + ["verdict"]
        rows = []
        for line in table.lines:
            digits = min(decimals(line.printed) + 1, 3) if line.printed and decimals(line.printed) else 2
            numbers = [line.value, line.counted] if table.counted else [line.value]
            shown = ["–" if value is None else _number(value, digits) for value in numbers]
            mark = "" if line.verdict == NOT_PRINTED else line.verdict
            rows.append([line.name, line.printed or "–", *shown, mark.upper() if mark == DIFFERS else mark])
        _print(f"Table {table.number}. {table.title}", head, rows)
        _say(f"  recomputed: {table.definition}")
        _say(
            *([f"  as counted: {table.counted}"] if table.counted else []), *(f"  note: {note}" for note in table.notes)
        )
        _say("")
    tallies = [(table, table.tally()) for table in tables]
    heads = list(tallies[0][1]) if tallies else []
    _print(
        f"printed numbers and how they are met ({source})",
        ["table", *heads],
        ([table.number, *map(str, tally.values())] for table, tally in tallies),
    )


def _number(value: float, digits: int) -> str:
    return f"{value:,.0f}" if float(value).is_integer() and value >= 10 else f"{value:.{digits}f}"
