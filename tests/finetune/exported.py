"""What the tests of `omnimer export` share: configurations, tasks of one's own samples, reading what was written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

from finetune.export import ExportConfig
from tasks.labels import label_space
from tasks.registry import TASKS
from tasks.task import Described, MediaOptions, OneOf, Root, Sample, Task

Format = Literal["swift", "llamafactory", "hf"]
FORMATS: tuple[Format, ...] = get_args(Format)
LOUD = MediaOptions()
JOY = {"label": "Joy"}
every_format = pytest.mark.parametrize("form", FORMATS)


def config_of(folders: dict[str, Path], place: str, name: str, split: str, **more: Any) -> ExportConfig:
    options = ("counts=any",) if "counts" in TASKS[name].options else ()
    return ExportConfig(task=name, data=folders[place], split=split or None, option=options, **more)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().decode().splitlines()]


def said(message: dict[str, Any]) -> str:
    """The text of a message in either form, with tags for its media."""
    content = message["content"]
    if isinstance(content, str):
        return content
    return "".join(item["text"] if item["type"] == "text" else f"<{item['type']}>" for item in content)


Own = Callable[..., ExportConfig]


def own_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Own:
    """Makes a configuration over a task of one's own samples."""

    def make(samples: list[Sample], answer: OneOf | Described | None = None) -> ExportConfig:
        def adapter(_root: Root, _split: str) -> Iterator[Sample]:
            return iter(samples)

        kind = answer or OneOf(*label_space("basic7"))
        task = Task("own", "1", "here", adapter, kind, "oneof_json", ("accuracy",), "speaker")
        monkeypatch.setitem(TASKS, "own", task)
        return ExportConfig(task="own", data=tmp_path, format="swift", out=tmp_path / "out" / "a.jsonl")

    return make
