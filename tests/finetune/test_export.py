"""`omnimer export`: the files of other trainers hold the questions and replies of the LoRA stage, and all the sound."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from finetune.export import INFO, ExportConfig, run
from finetune.export_formats import FORMS
from finetune.recipe import OptionsPart
from finetune.targets import target
from infer.checkpoint import Checkpoint
from prompts.parsing import Parsed, parse
from prompts.render import load_template, render
from tasks.registry import TASKS
from tasks.registry import task as task_named
from tasks.select import read_samples
from tasks.synthetic import generate
from tasks.task import Media, MediaOptions, Root, Sample
from tests.finetune.conftest import FAMILIES
from tests.finetune.exported import FORMATS, JOY, LOUD, Format, Own, config_of, every_format, lines_of, own_task, said
from tests.infer.clips import write_audio, write_video
from tests.tasks import mer_folders

# name of the folder, task, split
TASKED = (
    ("synthetic", "synthetic", "train"),
    ("synthetic", "synthetic-compact", "all"),
    ("mer", "mer2025-semi", "test"),
    ("mer", "mer2025-fg", "train-ovmerd"),
    ("mer", "mer2025-des", "train-ovmerd"),
    ("words", "goemotions", ""),
)
every_task = pytest.mark.parametrize(("place", "name", "split"), TASKED, ids=[name for _, name, _ in TASKED])


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("export")
    return {
        "synthetic": generate(base / "synthetic", clips=8, seed=5, size=84),
        "mer": mer_folders.write_mer2025(base / "mer", 8, audio_only=2),
        "words": mer_folders.write_goemotions(base / "words"),
    }


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Own:
    return own_task(tmp_path, monkeypatch)


def expected(config: ExportConfig) -> list[Sample]:
    """The samples with gold, as any other command reads them."""
    task = task_named(config.task)
    options = {name: values[0] for name, values in task.options.items()} | ({"counts": "any"} if config.option else {})
    samples = read_samples(task, Root(config.data, config.media, options), config.split)
    return [sample for sample in samples if sample.gold is not None]


# --- question and reply


@every_format
@every_task
def test_question_and_reply_are_those_of_the_lora_stage(
    folders: dict[str, Path], tmp_path: Path, place: str, name: str, split: str, form: Format
) -> None:
    config = config_of(folders, place, name, split, format=form, out=tmp_path / "train.jsonl")
    assert run(config) == 0
    task, samples, rows = TASKS[name], expected(config), lines_of(config.out)
    template = load_template(task.template)
    assert [row["id"] for row in rows] == [sample.id for sample in samples]
    for row, sample in zip(rows, samples, strict=True):
        asked, reply = row["messages"]
        (question,) = render(task, sample, LOUD)
        tags = "".join(f"<{item['type']}>" for item in question["content"] if item["type"] != "text")
        assert (asked["role"], reply["role"]) == ("user", "assistant")
        assert said(asked) == tags + question["content"][-1]["text"]
        assert said(reply) == target(sample, task, template, OptionsPart())
        found = parse(said(reply), task.answer)
        assert isinstance(found, Parsed)
        assert found.rule == "schema"
        for key in ("label", "emotion", "description"):
            assert found.value.get(key) == (sample.gold or {}).get(key)
        if form == "hf":
            assert row["target"] == said(reply)


@every_format
@every_task
def test_tags_and_files_agree_and_the_files_are_there(
    folders: dict[str, Path], tmp_path: Path, place: str, name: str, split: str, form: Format
) -> None:
    config = config_of(folders, place, name, split, format=form, out=tmp_path / "train.jsonl")
    run(config)
    for row, sample in zip(lines_of(config.out), expected(config), strict=True):
        text = "".join(map(said, row["messages"]))
        for kind in ("video", "audio"):
            paths = row.get(f"{kind}s", [])
            assert text.count(f"<{kind}>") == len(paths)
            assert all(Path(path).is_absolute() and Path(path).is_file() for path in paths)
        assert len(row.get("audios", [])) == len(sample.media), "every clip here has sound"


@every_format
def test_the_bytes_are_the_same_every_time(folders: dict[str, Path], tmp_path: Path, form: Format) -> None:
    for number in (1, 2):
        config = config_of(folders, "mer", "mer2025-fg", "train-ovmerd", format=form, out=tmp_path / f"{number}.jsonl")
        run(dataclasses.replace(config, threads=number))
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "2.jsonl").read_bytes()
    assert b"\r" not in (tmp_path / "1.jsonl").read_bytes()
    assert (tmp_path / "1.jsonl").read_bytes().endswith(b"}\n")


def test_choices_of_samples_prompt_and_modalities(folders: dict[str, Path], tmp_path: Path) -> None:
    base = config_of(folders, "synthetic", "synthetic", "all", format="swift", out=tmp_path / "a.jsonl")
    few = dataclasses.replace(base, limit=2, language="zh", system="Be brief.", transcript=False)
    assert run(dataclasses.replace(few, template="oneof_label", clip=MediaOptions(audio=False))) == 0
    rows = lines_of(base.out)
    chosen = {sample.id: sample for sample in expected(base)}
    assert len(rows) == 2
    for row in rows:
        system, asked, reply = row["messages"]
        assert chosen[row["id"]].language == "zh"
        assert system == {"role": "system", "content": "Be brief."}
        assert chosen[row["id"]].text not in asked["content"]
        assert reply["content"] == (chosen[row["id"]].gold or {})["label"]
        assert "audios" not in row
    with pytest.raises(ValueError, match="'language' is given twice"):
        run(dataclasses.replace(few, where=("language=en",)))


# --- the readers of other projects


@every_format
@every_task
def test_datasets_reads_every_file(
    folders: dict[str, Path], tmp_path: Path, place: str, name: str, split: str, form: Format
) -> None:
    datasets = pytest.importorskip("datasets")
    config = config_of(folders, place, name, split, format=form, out=tmp_path / "train.jsonl")
    run(config)
    loaded = datasets.load_dataset("json", data_files=str(config.out), split="train", cache_dir=str(tmp_path / "cache"))
    rows = lines_of(config.out)
    assert len(loaded) == len(rows)
    for found, row in zip(loaded, rows, strict=True):
        assert [said(message) for message in found["messages"]] == [said(message) for message in row["messages"]]
        assert {key: value for key, value in found.items() if key != "messages"} == {
            key: value for key, value in row.items() if key != "messages"
        }


@pytest.mark.parametrize("family", FAMILIES)
def test_the_chat_template_makes_the_same_prompt_of_rows_that_datasets_read(
    folders: dict[str, Path], tmp_path: Path, bases: dict[str, Path], family: str
) -> None:
    datasets = pytest.importorskip("datasets")
    config = config_of(folders, "mer", "mer2025-semi", "test", format="hf", out=tmp_path / "train.jsonl")
    run(config)
    checkpoint = Checkpoint(str(bases[family]))
    loaded = datasets.load_dataset("json", data_files=str(config.out), split="train", cache_dir=str(tmp_path / "cache"))
    for row, sample in zip(loaded, expected(config), strict=True):
        asked = checkpoint.prompt(render(TASKS["mer2025-semi"], sample, LOUD))
        assert checkpoint.prompt(row["messages"][:-1]) == asked


def test_llamafactory_finds_the_file_by_its_entry(folders: dict[str, Path], tmp_path: Path) -> None:
    other = {"file_name": "hf.json"}
    (tmp_path / INFO).write_text(json.dumps({"other": other}), encoding="utf-8")
    config = config_of(folders, "synthetic", "synthetic", "all", format="llamafactory", out=tmp_path / "own.jsonl")
    for _ in range(2):
        run(config)
        info = json.loads((tmp_path / INFO).read_text(encoding="utf-8"))
        assert info["other"] == other
        entry = info["own"]
        assert entry["formatting"] == "sharegpt"
        assert entry["columns"] == {"messages": "messages", "videos": "videos", "audios": "audios"}
    rows = lines_of(tmp_path / entry["file_name"])
    tags = entry["tags"]
    roles = [tags["user_tag"], tags["assistant_tag"]]
    for row in rows:
        assert set(entry["columns"].values()) <= set(row)
        assert [message[tags["role_tag"]] for message in row["messages"]] == roles
        assert all(message[tags["content_tag"]] for message in row["messages"])


def test_a_task_of_text_alone_names_no_media_columns(folders: dict[str, Path], tmp_path: Path) -> None:
    config = config_of(folders, "words", "goemotions", "", format="llamafactory", out=tmp_path / "own.jsonl")
    run(config)
    assert all(set(row) == {"id", "messages"} for row in lines_of(config.out))
    assert json.loads((tmp_path / INFO).read_text())["own"]["columns"] == {"messages": "messages"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [("[]", "is no JSON object"), ("{", "is no JSON object"), ('{"own": {"file_name": "b.json"}}', "another file")],
)
def test_a_dataset_info_that_cannot_be_added_to_stays(
    folders: dict[str, Path], tmp_path: Path, text: str, problem: str
) -> None:
    (tmp_path / INFO).write_text(text, encoding="utf-8")
    config = config_of(folders, "synthetic", "synthetic", "all", format="llamafactory", out=tmp_path / "own.jsonl")
    with pytest.raises(ValueError, match=problem):
        run(config)
    assert (tmp_path / INFO).read_text(encoding="utf-8") == text
    assert not config.out.exists()


@every_format
def test_a_list_that_is_empty_for_long_is_still_a_list_of_paths(own: Own, tmp_path: Path, form: Format) -> None:
    datasets = pytest.importorskip("datasets")
    spoken = Media("audio", write_audio(tmp_path / "spoken.wav"))
    quiet = Media("video", write_video(tmp_path / "quiet.mp4", audio_rate=None))
    media = [()] * 40 + [(spoken,)] * 40 + [(quiet,)] * 2
    config = own([Sample(str(number), JOY, "word " * 50, one) for number, one in enumerate(media)])
    assert run(dataclasses.replace(config, format=form)) == 0
    loaded = datasets.load_dataset(
        "json", data_files=str(config.out), split="train", cache_dir=str(tmp_path / "cache"), chunksize=5_000
    )
    assert [row["id"] for row in loaded] == ["40", "80", *(str(n) for n in range(82) if n not in (40, 80))]
    for row in loaded:
        paths = [str(medium.path) for medium in media[int(row["id"])]]
        assert row["videos"] + row["audios"] == paths


# --- the command


def test_every_format_has_its_row() -> None:
    assert set(get_args(get_type_hints(ExportConfig)["format"])) == set(FORMS) == set(FORMATS)


def test_help_needs_no_heavy_package() -> None:
    code = (
        "import sys, tyro; from finetune.export import ExportConfig\n"
        "try: tyro.cli(ExportConfig, args=['--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'transformers', 'datasets', 'av', 'vllm') if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert "--format" in done.stdout
    assert done.stdout.endswith("[]\n")
