"""Every parser case of tests/prompts/parser_cases, as it is written there. Format: parser_cases/README.md."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from prompts.parsing import Parsed, parse
from prompts.schema import dump
from tasks.kinds import kind

FOLDER = Path(__file__).parent / "parser_cases"
GIVEN = Path(__file__).parents[2].parent / "shared" / "spec" / "parser-cases"

CASE = re.compile(
    r"^## (?P<title>[^\n]+)\n\n~~~~~reply(?P<json>-json)?\n(?P<reply>.*?)\n?~~~~~\n\n```json\n(?P<outcome>.*?)\n```$",
    re.M | re.S,
)


class Case(NamedTuple):
    name: str
    reply: str
    outcome: dict[str, Any]


def cases(folder: Path) -> list[Case]:
    found = []
    for path in sorted(folder.glob("[a-z]*.md")):
        text = path.read_text(encoding="utf-8")
        matches = list(CASE.finditer(text))
        if len(matches) != text.count("\n## "):
            raise ValueError(f"{path}: {text.count(chr(10) + '## ')} titles but {len(matches)} readable cases")
        for match in matches:
            reply = json.loads(match["reply"]) if match["json"] else match["reply"]
            found.append(Case(f"{path.stem}: {match['title']}", reply, json.loads(match["outcome"])))
    return found


OURS = cases(FOLDER)
THEIRS = cases(GIVEN)


def same(left: Any, right: Any) -> bool:
    """Equal, numbers within 1e-6."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, int | float) and isinstance(right, int | float) and not isinstance(left, bool):
        return abs(left - right) < 1e-6
    return bool(left == right)


def outcome_of(case: Case) -> dict[str, Any]:
    result = parse(case.reply, kind(case.outcome["task_kind"]))
    base: dict[str, Any] = {"value": None, "rule": None, "repairs": [], "dropped": [], "reason": None}
    if isinstance(result, Parsed):
        lists = {"repairs": list(result.repairs), "dropped": list(result.dropped)}
        base |= {"value": result.value, "rule": result.rule} | lists
    else:
        base["reason"] = result.reason
    return base | {"task_kind": case.outcome["task_kind"]}


@pytest.mark.parametrize("case", OURS, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    got = outcome_of(case)
    assert same(got, case.outcome), f"\n{case.reply}\n got    {got}\n wanted {case.outcome}"


@pytest.mark.parametrize("case", THEIRS, ids=lambda case: case.name)
def test_given_case(case: Case) -> None:
    got = outcome_of(case)
    assert same(got, case.outcome), f"\n{case.reply}\n got    {got}\n wanted {case.outcome}"


def test_the_given_cases_are_there() -> None:
    if not GIVEN.exists():
        pytest.skip("the given cases are not beside this checkout")
    assert len(THEIRS) > 150


@pytest.mark.parametrize("case", [case for case in OURS if case.outcome["value"]], ids=lambda case: case.name)
def test_canonical_reply_says_the_same(case: Case) -> None:
    answer_kind = kind(case.outcome["task_kind"])
    result = parse(dump(case.outcome["value"], answer_kind), answer_kind)
    rule = "official" if case.outcome["task_kind"].startswith("Official") else "schema"
    assert isinstance(result, Parsed)
    assert same(result.value, case.outcome["value"])
    assert (result.rule, result.repairs, result.dropped) == (rule, (), ())
