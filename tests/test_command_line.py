"""The command line from outside: exit codes, messages that name what is legal, never a traceback."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from eval.metrics.table import METRICS
from omnimer import COMMANDS, main
from tasks.registry import TASKS
from tasks.synthetic import generate
from tests.infer.clips import write_video

ROOT = Path(__file__).parents[1]
LABELS = ("Anger", "Joy", "Neutral", "Joy")


class Outcome(NamedTuple):
    """Exit code, standard output, and everything that was said in one line."""

    code: int
    out: str
    said: str


Run = Callable[..., Outcome]
Words = Callable[[str], list[str | Path]]


@pytest.fixture
def omnimer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in this process; an exception that gets out of `main` would be a traceback for the user."""
    monkeypatch.delenv("OMNIMER_DEBUG", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def run(*words: str | Path, stdin: str = "") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        said = " ".join(re.sub("[╭╮╰╯│─]", " ", captured.out + captured.err).split())
        assert "Traceback" not in said
        return Outcome(code, captured.out, said)

    return run


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic data set of three clips."""
    return generate(tmp_path_factory.mktemp("data") / "synthetic", clips=3, seed=1, size=96)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of a checkpoint, without weights: enough to get as far as the engine."""
    folder = tmp_path_factory.mktemp("checkpoint")
    config = {"model_type": "qwen2_5_omni", "thinker_config": {"vision_config": {}}}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def on_synthetic(data: Path, checkpoint: Path) -> Words:
    """The words of a command on the synthetic data set, with a model where it takes one."""

    def words(command: str) -> list[str | Path]:
        model: list[str | Path] = ["--model", checkpoint] if command == "infer" else []
        return [command, "--task", "synthetic", "--data", data, *model]

    return words


def write_run(folder: Path, replies: Sequence[str | None] = ('{"label": "Anger"}', "Joy", "Neutral", "Joy")) -> Path:
    """A run directory made by hand, as the README describes it: four samples of `synthetic`; None is a failed reply."""
    folder.mkdir(parents=True)
    config = {"task": f"synthetic@{TASKS['synthetic'].version}", "model": {"model": "by hand"}}
    (folder / "run.json").write_text(json.dumps({"config": config}))
    samples = [
        {"id": f"c{i}", "gold": {"label": label}, "text": "", "media": [], "language": "en", "context": [],
         "meta": {"speaker": f"p{i % 2}"}}
        for i, label in enumerate(LABELS)
    ]  # fmt: skip
    lines = [
        {"id": f"c{i}", "key": "k", "text": text, "error": None if text is not None else "media: no frames"}
        for i, text in enumerate(replies)
    ]
    for name, records in (("samples.jsonl", samples), ("replies.jsonl", lines)):
        (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def shown(value: object) -> str | None:
    """Words of a command line as the name of a test."""
    return " ".join(value) if isinstance(value, list) else None


# --- what is there


def test_help_names_every_command_and_the_exit_codes(omnimer: Run) -> None:
    for words in ([], ["--help"], ["-h"], ["help"]):
        found = omnimer(*words)
        assert found.code == 0
        assert all(f" {name} " in found.said for name in COMMANDS)
        assert re.search(r"0 done.*1 .*failed.*2 bad input.*3 ", found.said)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_explains_each_option(omnimer: Run, name: str) -> None:
    found = omnimer(name, "--help")
    assert found.code == 0
    assert f"omnimer {name}" in found.said
    for option in re.findall(r"│ +(--[a-z-]+)", found.out):
        explained = re.search(rf"{option}\b.*?[a-z]{{3,}}", found.said)
        assert explained, f"{option} has no help"


def test_tasks_lists_every_task(omnimer: Run) -> None:
    found = omnimer("tasks")
    assert found.code == 0
    assert all(name in found.said for name in TASKS)


@pytest.mark.parametrize("name", TASKS)
def test_tasks_shows_one_in_full(omnimer: Run, name: str) -> None:
    found = omnimer("tasks", name)
    task = TASKS[name]
    assert found.code == 0
    for text in (task.full_name, task.source, task.template, task.group, *task.metrics, *task.splits, *task.options):
        assert " ".join(text.split()) in found.said
    for policies in task.options.values():
        assert all(policy in found.said for policy in policies)


# --- names that are wrong


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("evl", "eval"), ("chek", "check"), ("taks", "tasks"), ("inferr", "infer"), ("Demo", "demo"), ("parser", "parse")],
)
def test_an_unknown_command_is_answered_with_the_nearest(omnimer: Run, wrong: str, near: str) -> None:
    found = omnimer(wrong)
    assert found.code == 2
    assert wrong in found.said
    assert re.search(rf"mean '?{near}\b", found.said)


def test_an_unknown_command_far_from_all_gets_the_list(omnimer: Run) -> None:
    found = omnimer("xyzzy")
    assert found.code == 2
    assert all(name in found.said for name in COMMANDS)


@pytest.mark.parametrize(
    ("words", "wrong", "near"),
    [
        (["check", "--task", "synthetic", "--data", ".", "--lmit", "3"], "--lmit", "--limit"),
        (["check", "--task", "synthetic", "--data", ".", "--spilt", "test"], "--spilt", "--split"),
        (["infer", "--task", "synthetic", "--data", ".", "--modle", "m"], "--modle", "--model"),
        (["infer", "--task", "synthetic", "--data", ".", "--max-token", "9"], "--max-token", "--max-tokens"),
        (["infer", "--task", "synthetic", "--data", ".", "--no-adio"], "--no-adio", "--no-audio"),
        (["eval", ".", "--resample", "3"], "--resample", "--resamples"),
        (["demo", "--clip", "3"], "--clip", "--clips"),
        (["parse", "--knd", "OneOf:basic7"], "--knd", "--kind"),
        (["check", "--tsk", "synthetic", "--data", "."], "--tsk", "--task"),
    ],
    ids=shown,
)
def test_an_unknown_flag_is_answered_with_the_nearest(
    omnimer: Run, words: list[str], wrong: str, near: str, tmp_path: Path
) -> None:
    found = omnimer(*[str(tmp_path) if word == "." else word for word in words])
    assert found.code == 2
    assert wrong in found.said
    assert re.search(rf"{near}(?![\w-])", found.said)


WITH_TASK = {
    "tasks": ["tasks"],
    "check": ["check", "--data", ".", "--task"],
    "infer": ["infer", "--data", ".", "--task"],
    "parse": ["parse", "--task"],
}


@pytest.mark.parametrize("command", WITH_TASK)
@pytest.mark.parametrize(("wrong", "near"), [("synthtic", "synthetic"), ("emos-basic", "emos-basic7"), ("", None)])
def test_an_unknown_task_is_answered_with_the_nearest(
    omnimer: Run, command: str, wrong: str, near: str | None, tmp_path: Path
) -> None:
    if command == "tasks" and not wrong:
        pytest.skip("without a name all tasks are listed")
    found = omnimer(*[str(tmp_path) if word == "." else word for word in WITH_TASK[command]], wrong)
    assert found.code == 2
    assert f"'{wrong}'" in found.said
    assert all(name in found.said for name in TASKS), "what is legal"
    if near:
        assert re.search(rf"mean {near}\b", found.said)


@pytest.mark.parametrize("command", ["check", "infer"])
@pytest.mark.parametrize(
    ("words", "legal"),
    [
        (["--split", "tset"], ["'tset'", "train", "test", "all"]),
        (["--option", "label=release"], ["'label'", "labels"]),
        (["--option", "labels=relase"], ["'relase'", "release", "repaired"]),
        (["--option", "labels"], ["'labels'", "name=value"]),
    ],
    ids=shown,
)
def test_split_and_policies_of_a_task_are_checked(
    omnimer: Run, command: str, words: list[str], legal: list[str], tmp_path: Path
) -> None:
    found = omnimer(command, "--task", "emos-basic7", "--data", tmp_path, *words)
    assert found.code == 2
    assert all(word in found.said for word in legal)


@pytest.mark.parametrize("command", ["check", "infer"])
@pytest.mark.parametrize(
    ("words", "legal"),
    [
        (["--split", "dev"], ["train", "test", "all"]),
        (["--where", "language=fr"], ["en", "zh"]),
        (["--where", "tier=hihg"], ["high"]),
        (["--where", "colour=red"], ["colour"]),
        (["--where", "language"], ["name=value"]),
        (["--where", "language=en", "language=zh"], ["language", "twice"]),
        (["--limit", "0"], ["--limit"]),
        (["--limit", "-3"], ["--limit"]),
        (["--limit", "ten"], ["--limit"]),
        (["--option", "labels=release"], ["labels"]),
        (["--threads", "0"], ["threads"]),
        (["--threads", "-1"], ["threads"]),
        (["--fps", "0"], ["fps"]),
        (["--fps", "nan"], ["fps"]),
        (["--min-frames", "9", "--max-frames", "4"], ["min_frames", "max_frames"]),
        (["--audio-in-video", "--no-audio"], ["audio_in_video"]),
    ],
    ids=shown,
)
def test_values_are_checked(
    omnimer: Run, on_synthetic: Words, command: str, words: list[str], legal: list[str]
) -> None:
    found = omnimer(*on_synthetic(command), *words)
    assert found.code == 2
    assert all(word in found.said.replace("-frames", "_frames").replace("-in-video", "_in_video") for word in legal)


@pytest.mark.parametrize(
    ("words", "legal"),
    [
        (["--engine", "vlm"], ["vllm"]),
        (["--decode", "jsn"], ["free", "schema", "label"]),
        (["--template", "oneof_jsn"], ["oneof_json"]),
        (["--temperature", "-1"], ["temperature"]),
        (["--max-tokens", "0"], ["max_tokens"]),
        (["--adapter", "."], ["adapter_config.json"]),
        (["--ids", "no-such-file.txt"], ["no-such-file.txt"]),
        (["--language", "fr"], ["en", "zh"]),
        (["--tier", "hihg"], ["high"]),
        (["--template", "emos_compact_json", "--show-prompt"], ["goemotions"]),
        ([], ["--out"]),
    ],
    ids=shown,
)
def test_options_of_infer_are_checked(
    omnimer: Run, on_synthetic: Words, words: list[str], legal: list[str], tmp_path: Path
) -> None:
    words = [str(tmp_path) if word == "." else word for word in words]
    found = omnimer(*on_synthetic("infer"), *words)
    assert found.code == 2
    assert all(word in found.said.replace("max-tokens", "max_tokens") for word in legal)


@pytest.mark.parametrize(
    ("config", "legal"),
    [
        (None, ["config.json"]),
        ({"model_type": "llama"}, ["llama", "qwen2_5_omni", "qwen3_omni_moe"]),
        ({}, ["qwen2_5_omni"]),
        ("not json", ["config.json"]),
        ({"model_type": "qwen2_5_omni"}, ["config.json"]),
    ],
)
def test_a_folder_that_is_no_known_model_is_refused(
    omnimer: Run, config: object, legal: list[str], data: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    if config is not None:
        (model / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    found = omnimer("infer", "--task", "synthetic", "--data", data, "--model", model, "--out", tmp_path / "run")
    assert found.code == 2
    assert all(word in found.said for word in legal)


@pytest.mark.parametrize("command", ["check", "infer", "parse", "eval"])
def test_nothing_given_is_bad_input(omnimer: Run, command: str) -> None:
    found = omnimer(command)
    assert found.code == 2
    assert len(found.said) > 20


# --- data that is not there

FIRST_FILE = {"synthetic": "annotations.csv", "emos-basic7": "meta.csv"}


@pytest.mark.parametrize("command", ["check", "infer"])
@pytest.mark.parametrize("task", FIRST_FILE)
@pytest.mark.parametrize("root", ["empty", "absent", "file"])
def test_a_wrong_data_root_is_told_what_was_looked_for(
    omnimer: Run, command: str, task: str, root: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("I am a file")
    found = omnimer(command, "--task", task, "--data", tmp_path / root)
    assert found.code == 2
    assert str(tmp_path / root) in found.said
    assert FIRST_FILE[task] in found.said


def test_a_wrong_media_root_is_named(omnimer: Run, data: Path, tmp_path: Path) -> None:
    found = omnimer("check", "--task", "synthetic", "--data", data, "--media", tmp_path / "nowhere")
    assert found.code == 1, "every sample fails, each with its reason"
    assert str(tmp_path / "nowhere") in found.said
    assert "0 usable, 3 not" in found.said


# --- exit codes


def test_check_of_good_data_is_0(omnimer: Run, data: Path) -> None:
    found = omnimer("check", "--task", "synthetic", "--data", data, "--decode")
    assert found.code == 0
    assert "3 samples" in found.said
    assert "3 usable, 0 not" in found.said


def test_check_counts_what_cannot_be_used_and_is_1(omnimer: Run, data: Path, tmp_path: Path) -> None:
    clips = sorted(path.relative_to(data / "clips") for path in (data / "clips").rglob("*.mp4"))
    for path in clips:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        write_video(tmp_path / path, seconds=1)
    (tmp_path / clips[1]).write_bytes(b"")
    found = omnimer("check", "--task", "synthetic", "--data", data, "--media", tmp_path)
    assert found.code == 1
    assert "2 usable, 1 not" in found.said
    assert clips[1].stem in found.said


def test_eval_of_a_whole_run_is_0_and_writes_what_the_readme_names(omnimer: Run, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    found = omnimer("eval", run, "--resamples", "100")
    assert found.code == 0
    assert "1.000" in found.said
    scores = json.loads((run / "scores.json").read_text())
    keys = {"task", "slice", "metric", "value", "low", "high", "n", "groups", "unparsed", "errors"}
    assert all(row.keys() >= keys for row in scores["rows"])
    # The replies hold no confidence and no log-probabilities, so the metrics of those have no row.
    wanted = [name for name in TASKS["synthetic"].metrics if METRICS[name].part == "label"]
    assert [row["metric"] for row in scores["rows"]] == wanted
    assert sum(map(sum, scores["confusion"])) == 4
    answers = [json.loads(line) for line in (run / "answers.jsonl").read_text().splitlines()]
    assert [answer["id"] for answer in answers] == ["c0", "c1", "c2", "c3"]
    assert all(answer.keys() == {"id", "value", "rule", "repairs", "dropped"} for answer in answers)
    assert (run / "report.md").read_text().startswith("# synthetic@")


def test_eval_changes_no_reply_and_repeats_to_the_same(omnimer: Run, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ["Joy", "```json\n{}\n```", "no idea", "Joy"])
    kept = ("run.json", "samples.jsonl", "replies.jsonl")
    before = [(run / name).read_bytes() for name in kept]
    made = ("answers.jsonl", "scores.json", "report.md")
    versions = []
    for _ in range(2):
        assert omnimer("eval", run, "--resamples", "100").code == 0
        versions.append([(run / name).read_bytes() for name in made])
    assert [(run / name).read_bytes() for name in kept] == before
    assert versions[0] == versions[1]


def test_eval_of_unreadable_replies_is_0(omnimer: Run, tmp_path: Path) -> None:
    """A reply without an answer is a result, not a failure."""
    run = write_run(tmp_path / "run", ["", "what?", "Neutral", "Joy"])
    found = omnimer("eval", run, "--resamples", "100")
    assert found.code == 0
    row = json.loads((run / "scores.json").read_text())["rows"][0]
    assert (row["n"], row["unparsed"], row["errors"]) == (4, 2, 0)
    assert "unreadable" in found.said


@pytest.mark.parametrize("replies", [["Anger", None, "Neutral", "Joy"], ["Anger", "Joy"], []])
def test_eval_of_a_run_with_failed_or_missing_samples_is_1(
    omnimer: Run, tmp_path: Path, replies: list[str | None]
) -> None:
    run = write_run(tmp_path / "run", replies)
    assert omnimer("eval", run, "--resamples", "100").code == 1
    row = json.loads((run / "scores.json").read_text())["rows"][0]
    assert (row["n"], row["errors"]) == (4, 4 - sum(reply is not None for reply in replies))


def test_eval_of_several_runs_takes_the_worst_code(omnimer: Run, tmp_path: Path) -> None:
    good, bad = write_run(tmp_path / "good"), write_run(tmp_path / "bad", ["Joy", None, "Joy", "Joy"])
    found = omnimer("eval", good, bad, "--resamples", "100")
    assert found.code == 1
    assert " good " in found.said
    assert " bad " in found.said


@pytest.mark.parametrize("kind", ["empty folder", "absent", "file"])
def test_eval_of_what_is_no_run_is_2(omnimer: Run, tmp_path: Path, kind: str) -> None:
    place = tmp_path / "place"
    if kind == "empty folder":
        place.mkdir()
    elif kind == "file":
        place.write_text("{}")
    found = omnimer("eval", place)
    assert found.code == 2
    assert str(place) in found.said
    assert "run.json" in found.said
    assert "Errno" not in found.said, "in words"


def test_one_bad_run_among_several_is_2(omnimer: Run, tmp_path: Path) -> None:
    found = omnimer("eval", write_run(tmp_path / "run"), tmp_path / "nothing", "--resamples", "10")
    assert found.code == 2
    assert "nothing" in found.said


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run.json", "{ not json"),
        ("run.json", ""),
        ("run.json", "[]"),
        ("run.json", "{}"),
        ("run.json", '{"config": {}}'),
        ("run.json", '{"config": {"task": 7, "model": {"model": "m"}}}'),
        ("run.json", '{"config": {"task": "synthetic@1"}}'),
        ("samples.jsonl", None),
        ("samples.jsonl", ""),
        ("samples.jsonl", "{ not json\n"),
        ("samples.jsonl", "[1]\n"),
        ("samples.jsonl", '{"id": "c0"}\n'),
        ("samples.jsonl", '{"id": "c0", "media": [], "context": [], "gold": {"emotion": "Joy"}}\n'),
        ("replies.jsonl", "{ not json\n{}\n"),
        ("replies.jsonl", "[1]\n"),
        ("replies.jsonl", "7\n"),
        ("replies.jsonl", '{"id": "c0"}\n'),
        ("replies.jsonl", '{"id": "c0", "key": "k", "text": "Joy", "colour": "red"}\n'),
        ("replies.jsonl", '{"id": "c0", "key": "k", "text": "Joy", "fed": 7}\n'),
        ("replies.jsonl", '{"id": "c0", "key": "k", "text": 7}\n'),
    ],
)
def test_a_damaged_run_is_2_and_names_the_file(omnimer: Run, tmp_path: Path, name: str, text: str | None) -> None:
    run = write_run(tmp_path / "run")
    (run / name).unlink()
    if text is not None:
        (run / name).write_text(text)
    found = omnimer("eval", run, "--resamples", "10")
    assert found.code == 2
    assert name in found.said


def test_a_torn_last_reply_is_left_out(omnimer: Run, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    with (run / "replies.jsonl").open("a") as stream:
        stream.write('{"id": "c0", "key": "k", "te')
    assert omnimer("eval", run, "--resamples", "10").code == 0


@pytest.mark.parametrize(
    ("task", "said"), [("synthetic@0", "version"), ("synthtic@1", "synthetic"), ("synthetic", "version"), ("", "task")]
)
def test_a_run_of_another_task_or_version_is_refused(omnimer: Run, tmp_path: Path, task: str, said: str) -> None:
    run = write_run(tmp_path / "run")
    (run / "run.json").write_text(json.dumps({"config": {"task": task, "model": {"model": "m"}}}))
    found = omnimer("eval", run)
    assert found.code == 2
    assert said in found.said


@pytest.mark.parametrize("words", [["--resamples", "-5"], ["--resamples", "many"], ["--seed", "-1"]], ids=shown)
def test_options_of_eval_are_checked(omnimer: Run, tmp_path: Path, words: list[str]) -> None:
    found = omnimer("eval", write_run(tmp_path / "run"), *words)
    assert found.code == 2
    assert words[0].strip("-") in found.said


# --- infer, as far as it goes without an engine


def test_infer_of_broken_clips_alone_is_1_and_eval_reads_the_run(
    omnimer: Run, on_synthetic: Words, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = [*on_synthetic("infer"), "--media", tmp_path, "--out", run]
    found = omnimer(*words)
    assert found.code == 1
    assert "0 of 3 samples have a reply" in found.said
    lines = [json.loads(line) for line in (run / "replies.jsonl").read_text().splitlines()]
    assert len(lines) == 3
    assert all(line["text"] is None and line["error"].startswith("media: ") for line in lines)
    assert omnimer(*words).code == 1, "nothing is doubled"
    assert len((run / "replies.jsonl").read_text().splitlines()) == 3
    assert omnimer("eval", run, "--resamples", "10").code == 1
    row = json.loads((run / "scores.json").read_text())["rows"][0]
    assert (row["n"], row["errors"], row["value"]) == (3, 3, 0)


def test_a_run_directory_of_another_configuration_is_refused_with_the_difference(
    omnimer: Run, on_synthetic: Words, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = [*on_synthetic("infer"), "--media", tmp_path, "--out", run]
    omnimer(*words)
    before = (run / "replies.jsonl").read_bytes()
    found = omnimer(*words, "--fps", "3", "--no-transcript")
    assert found.code == 2
    assert re.search(r"media\.fps: there 2\.0, now 3\.0", found.said)
    assert re.search(r"transcript: there True, now False", found.said)
    assert (run / "replies.jsonl").read_bytes() == before


# --- parse


def test_parse_reads_replies_from_standard_input(omnimer: Run) -> None:
    lines = [{"id": "a", "text": '{"label": "Joy"}'}, {"id": "b", "text": "hm", "key": "k"}]
    stdin = "".join(json.dumps(line) + "\n" for line in lines)
    for words in (["--task", "synthetic"], ["--kind", "OneOf:basic7"]):
        found = omnimer("parse", *words, stdin=stdin)
        assert found.code == 0
        first, second = (json.loads(line) for line in found.out.splitlines())
        assert (first["id"], first["value"]["label"]) == ("a", "Joy")
        assert (second["id"], second["value"]) == ("b", None)
        assert second["reason"]


def test_parse_reads_the_replies_of_a_run(omnimer: Run, tmp_path: Path) -> None:
    """`omnimer parse --task T < RUN/replies.jsonl`, failed requests included."""
    run = write_run(tmp_path / "run", ["Anger", None, "Neutral", "Joy"])
    found = omnimer("parse", "--task", "synthetic", stdin=(run / "replies.jsonl").read_text())
    assert found.code in (0, 1)
    read = {row["id"]: row["value"]["label"] for row in map(json.loads, found.out.splitlines()) if row["value"]}
    assert read == {"c0": "Anger", "c2": "Neutral", "c3": "Joy"}


@pytest.mark.parametrize(
    "line", ["{ not json", "[1]", '{"text": "Joy"}', '{"id": "a"}', '{"id": "a", "text": 7}', "\xff"]
)
def test_parse_names_a_bad_line_and_goes_on(omnimer: Run, line: str) -> None:
    good = '{"id": "z", "text": "Joy"}\n'
    found = omnimer("parse", "--kind", "OneOf:basic7", stdin=f"{good}{line}\n{good}")
    assert found.code == 1
    assert "line 2" in found.said
    assert found.out.count('"Joy"') == 2


@pytest.mark.parametrize(
    ("words", "legal"),
    [
        ([], ["--task", "--kind"]),
        (["--task", "synthetic", "--kind", "OneOf:basic7"], ["--task", "--kind"]),
        (["--kind", "OneOf:basic8"], ["OneOf:basic7"]),
        (["--kind", ""], ["OneOf:basic7"]),
    ],
    ids=shown,
)
def test_parse_wants_one_task_or_kind(omnimer: Run, words: list[str], legal: list[str]) -> None:
    found = omnimer("parse", *words)
    assert found.code == 2
    assert all(word in found.said for word in legal)


# --- the process


def process(*words: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "omnimer.py", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, cwd="/", **more)


def test_the_exit_code_of_the_process_is_that_of_the_command(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ["Anger", None, "Neutral", "Joy"])
    codes = [process("tasks").returncode, process("eval", run).returncode, process("tasks", "synthtic").returncode]
    assert codes == [0, 1, 2]


def test_messages_go_to_stderr_and_results_to_stdout() -> None:
    assert process("tasks").stderr == ""
    bad = process("tasks", "synthtic")
    assert bad.stdout == ""
    assert bad.stderr.startswith("omnimer tasks: no task 'synthtic'")
    assert len(bad.stderr.splitlines()) == 1


def test_the_traceback_of_a_mistake_is_there_on_demand() -> None:
    bad = process("tasks", "synthtic", env={**os.environ, "OMNIMER_DEBUG": "1"})
    assert "Traceback" in bad.stderr


@pytest.mark.parametrize("words", [["tasks"], ["tasks", "synthetic"], ["infer", "--help"], ["--help"]], ids=shown)
def test_a_reader_that_goes_away_is_no_failure(words: list[str]) -> None:
    """`omnimer tasks | head -1`"""
    read, write = os.pipe()
    os.close(read)
    try:
        with subprocess.Popen(
            [sys.executable, str(ROOT / "omnimer.py"), *words], stdout=write, stderr=subprocess.PIPE, text=True
        ) as child:
            _, errors = child.communicate(timeout=600)
    finally:
        os.close(write)
    assert errors == ""
    assert child.returncode == 0
