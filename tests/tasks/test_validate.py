"""Mistakes in a task or its data are said before a model is loaded. And: the README's example works as printed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tasks.registry import _table
from tasks.select import absolute_root, read_samples
from tasks.task import AnyOf, OneOf, Root, Sample, Task
from tasks.validate import check_samples

ROOT = Path(__file__).parents[2]
MOODS = OneOf(("calm", "happy"), (("relaxed", "calm"),))


def task(golds: list[Mapping[str, Any] | None] | None = None, **changes: Any) -> Task:
    def adapter(root: Root, split: str) -> Iterator[Sample]:
        for number, gold in enumerate(golds or [{"label": "calm"}]):
            yield Sample(f"s{number}", gold, meta={"speaker": "P1", "room": "a"})

    fields: dict[str, Any] = {
        "name": "mood",
        "version": "1",
        "source": "a test",
        "adapter": adapter,
        "answer": MOODS,
        "template": "oneof_json",
        "metrics": ("accuracy",),
        "group": "speaker",
    }
    return Task(**{**fields, **changes})


def complaint(one: Task) -> str:
    with pytest.raises(ValueError, match="do not agree") as caught:
        check_samples(one, read_samples(one, Root(ROOT)))
    return str(caught.value)


def test_good_data_passes() -> None:
    good = task([{"label": "calm"}, {"label": "happy", "confidence": None}, None], slices=("room", "language"))
    check_samples(good, read_samples(good, Root(ROOT)))


@pytest.mark.parametrize(
    ("gold", "words"),
    [
        ({"label": "angry"}, ["'angry' is not one of calm, happy"]),
        ({"label": "Happy"}, ["let the adapter write 'happy'"]),
        ({"label": "relaxed"}, ["let the adapter write 'calm'", "aliases are for replies"]),
        ({"label": "hapy"}, ["did you mean happy?"]),
        ({"label": ""}, ["is empty", "gold=None"]),
        ({"label": None}, ["is empty"]),
        ({"emotion": "calm"}, ["gold has no 'label'"]),
    ],
)
def test_gold_that_is_none_is_named_with_a_cure(gold: Mapping[str, Any], words: list[str]) -> None:
    said = complaint(task([{"label": "calm"}, gold, gold]))
    assert [word for word in words if word not in said] == []
    assert "(2: s1, s2)" in said


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"group": "speeker"}, ["group 'speeker'", "did you mean speaker?"]),
        ({"group": "film"}, ["there are: speaker, room"]),
        ({"slices": ("rom",)}, ["slices 'rom'", "did you mean room?"]),
    ],
)
def test_a_group_or_slice_that_no_sample_has(changes: dict[str, Any], words: list[str]) -> None:
    said = complaint(task(**changes))
    assert [word for word in words if word not in said] == []


@pytest.mark.parametrize(
    ("labels", "aliases", "word"),
    [
        (("calm",), (("relaxed", "clam"),), "'clam' is not one of"),
        (("calm",), ("relaxed", "calm"), "pairs were expected"),
        (("calm", "calm"), (), "twice"),
        ("calm", (), "tuple of words"),
    ],
)
def test_a_label_space_of_another_shape(labels: Any, aliases: Any, word: str) -> None:
    for kind in (OneOf, AnyOf):
        with pytest.raises(ValueError, match=word):
            kind(labels, aliases)


def test_the_table_of_tasks_refuses_what_is_no_task_and_names_that_are_taken() -> None:
    with pytest.raises(ValueError, match="is no Task"):
        _table(task(), re)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="two tasks are called 'mood'"):
        _table(task(), task())


def test_a_slip_in_an_adapter_says_where() -> None:
    def adapter(root: Root, split: str) -> Iterator[Sample]:
        row: dict[str, str] = {}
        yield Sample("a", {"label": row["no such column"]})

    with pytest.raises(ValueError, match=r"adapter fails at test_validate.py, line \d+: KeyError: 'no such column'"):
        read_samples(task(adapter=adapter), Root(ROOT))


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    def adapter(root: Root, split: str) -> Iterator[Sample]:
        (root.data / "labels.csv").read_text()
        yield Sample("a", None)

    for place, word in ((tmp_path / "nowhere", "no such folder"), (Path(__file__), "is a file"), (tmp_path, "right?")):
        with pytest.raises(ValueError, match="was looked for") as caught:
            read_samples(task(adapter=adapter), absolute_root(place, None, {}))
        assert str(place / "labels.csv") in str(caught.value)
        assert word in str(caught.value)


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The Python example of the README, as a file."""
    (text,) = re.findall(r"```python\n(# tasks/mood\.py\n.*?)```", (ROOT / "README.md").read_text(), re.S)
    path = tmp_path / "mood.py"
    path.write_text(text)
    return path


def test_the_example_of_the_readme_works(example: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    rows = "file,label,speaker,language,text\na.mp4,calm,P1,en,Hello.\nb.mp4,tense,P2,zh,\nc.mp4,,P2,zh,\n"
    (data / "labels.csv").write_text(rows)
    names: dict[str, Any] = {}
    exec(compile(example.read_text(), str(example), "exec"), names)  # noqa: S102  our own README
    found = read_samples(names["MOOD"], Root(data))
    check_samples(names["MOOD"], found)
    assert [(sample.id, sample.gold, sample.language) for sample in found] == [
        ("a.mp4", {"label": "calm"}, "en"),
        ("b.mp4", {"label": "tense"}, "zh"),
        ("c.mp4", None, "zh"),
    ]
    assert found[0].media[0].path == data / "clips" / "a.mp4"


def test_the_example_of_the_readme_is_in_our_style(example: Path) -> None:
    if shutil.which("ruff", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("ruff is not installed (base install)")
    for words in (["check", "--select", "E,F,W,I,D1,B,UP"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *words, "--config", str(ROOT / "pyproject.toml"), str(example)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stdout + done.stderr
