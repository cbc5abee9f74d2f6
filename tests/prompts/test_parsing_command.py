"""`omnimer parse`: one line out for one line in, in order; a bad line is named and does not stop the rest."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest

from prompts.parse_command import ParseConfig, run, stream
from tasks.kinds import KINDS, kind


def answers(lines: str, name: str = "OneOf:basic7") -> tuple[list[dict[str, Any]], str, int]:
    out, err = io.StringIO(), io.StringIO()
    bad = stream(io.BytesIO(lines.encode("utf-8", "surrogatepass")), out, err, kind(name))
    return [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue(), bad


def test_one_row_for_each_reply_in_order() -> None:
    rows, err, bad = answers('{"id": "b", "text": "joy."}\n\n{"id": 1, "text": "hope", "usage": {}}\n')
    assert rows == [
        {"id": "b", "value": {"label": "Joy", "confidence": None}, "rule": "label", "repairs": ["label_form"]}
        | {"dropped": [], "reason": None},
        {"id": 1, "value": None, "rule": None, "repairs": [], "dropped": [], "reason": "outside_label_set"},
    ]
    assert (err, bad) == ("", 0)


@pytest.mark.parametrize(
    "line",
    ["not json", '["id", "text"]', '{"id": 1}', '{"text": "Joy"}', '{"id": 1, "text": 3}', "[" * 100_000, "\x00"],
)
def test_bad_line_is_named_and_skipped(line: str) -> None:
    rows, err, bad = answers('{"id": 1, "text": "Joy"}\n' + line + '\n{"id": 2, "text": "Fear"}\n')
    assert [row["id"] for row in rows] == [1, 2]
    assert bad == 1
    assert "line 2" in err
    assert "Traceback" not in err


def test_bytes_that_are_no_utf8() -> None:
    out, err = io.StringIO(), io.StringIO()
    assert (
        stream(io.BytesIO(b'{"id": 1, "text": "\xff"}\n{"id": 2, "text": "Joy"}\n'), out, err, kind("OneOf:mer6")) == 1
    )
    assert "line 1" in err.getvalue()


class Endless(io.BytesIO):
    """A stream that must not be read as a whole."""

    def read(self, size: int | None = -1) -> bytes:
        raise AssertionError("the whole input was asked for")

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        raise AssertionError("the whole input was asked for")


def test_reads_a_line_at_a_time() -> None:
    out = io.StringIO()
    assert stream(Endless(b'{"id": 1, "text": "Joy"}\n' * 50), out, io.StringIO(), kind("OneOf:basic7")) == 0
    assert out.getvalue().count("\n") == 50


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (ParseConfig(), "--task"),
        (ParseConfig(task="a", kind="b"), "--task"),
        (ParseConfig(kind="OneOf:basic8"), "'OneOf:basic7'"),
    ],
)
def test_bad_arguments(config: ParseConfig, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("text", "code"), [('{"id": 1, "text": "Joy"}\n', 0), ("{}\n", 1)])
def test_exit_code(text: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert run(ParseConfig(kind="OneOf:basic7")) == code
    assert capsys.readouterr().out.count("\n") == 1 - code


def test_every_kind_is_found_and_a_wrong_one_is_named() -> None:
    assert all(kind(name) is KINDS[name] for name in KINDS)
    assert len({*KINDS.values()}) == len(KINDS)
    with pytest.raises(ValueError, match="did you mean 'Timeline:emos'"):
        kind("timeline")
