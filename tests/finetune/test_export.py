"""`omnimer export`: the files of other trainers hold the questions and replies of the LoRA stage, and all the sound."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import pytest

from finetune.export import INFO, ExportConfig, run
from finetune.export_formats import FORMS, SWIFT_TAGS, holds_tag, without_tags
from finetune.recipe import OptionsPart
from finetune.targets import target
from infer.checkpoint import Checkpoint
from prompts.parsing import Parsed, parse
from prompts.render import load_template, render
from tasks.labels import label_space
from tasks.registry import TASKS
from tasks.registry import task as task_named
from tasks.select import read_samples
from tasks.synthetic import generate
from tasks.task import Described, Media, MediaOptions, OneOf, Root, Sample, Task
from tests.finetune.conftest import FAMILIES
from tests.infer.clips import write_audio, write_video
from tests.tasks import mer_folders

Format = Literal["swift", "llamafactory", "hf"]
FORMATS: tuple[Format, ...] = get_args(Format)
LOUD = MediaOptions()
every_format = pytest.mark.parametrize("form", FORMATS)
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


def config_of(folders: dict[str, Path], place: str, name: str, split: str, **more: Any) -> ExportConfig:
    options = ("counts=any",) if "counts" in TASKS[name].options else ()
    return ExportConfig(task=name, data=folders[place], split=split or None, option=options, **more)


def expected(config: ExportConfig) -> list[Sample]:
    """The samples with gold, as any other command reads them."""
    task = task_named(config.task)
    options = {name: values[0] for name, values in task.options.items()} | ({"counts": "any"} if config.option else {})
    samples = read_samples(task, Root(config.data, config.media, options), config.split)
    return [sample for sample in samples if sample.gold is not None]


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().decode().splitlines()]


def said(message: dict[str, Any]) -> str:
    """The text of a message in either form, with tags for its media."""
    content = message["content"]
    if isinstance(content, str):
        return content
    return "".join(item["text"] if item["type"] == "text" else f"<{item['type']}>" for item in content)


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


# --- sound


# format, interleaved -> lists of one clip with sound, what is said of it
SOUND: list[tuple[Format, bool, tuple[str, ...], str]] = [
    ("swift", False, ("videos", "audios"), "leave USE_AUDIO_IN_VIDEO unset"),
    ("swift", True, ("videos",), "USE_AUDIO_IN_VIDEO=true has to be set"),
    ("llamafactory", False, ("videos", "audios"), "use_audio_in_video: false"),
    ("llamafactory", True, ("videos", "audios"), "use_audio_in_video: true"),
    ("hf", False, ("videos", "audios"), "the n-th path of its column"),
    ("hf", True, ("videos",), "use_audio_in_video=True"),
]


@pytest.mark.parametrize(("form", "interleaved", "lists", "words"), SOUND)
def test_the_way_of_the_sound_is_in_the_file_and_said(
    folders: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    form: Format,
    interleaved: bool,
    lists: tuple[str, ...],
    words: str,
) -> None:
    clip = MediaOptions(audio_in_video=interleaved)
    config = config_of(folders, "synthetic", "synthetic", "all", format=form, out=tmp_path / "a.jsonl", clip=clip)
    assert run(config) == 0
    assert words in capsys.readouterr().err
    for row in lines_of(config.out):
        assert tuple(name for name in ("videos", "audios") if name in row) == lists
        assert all(row[name] == row["videos"] and len(row[name]) == 1 for name in lists)


Own = Callable[..., ExportConfig]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Own:
    """A configuration over a task of one's own samples."""

    def make(samples: list[Sample], answer: OneOf | Described | None = None) -> ExportConfig:
        def adapter(_root: Root, _split: str) -> Iterator[Sample]:
            return iter(samples)

        kind = answer or OneOf(*label_space("basic7"))
        task = Task("own", "1", "here", adapter, kind, "oneof_json", ("accuracy",), "speaker")
        monkeypatch.setitem(TASKS, "own", task)
        return ExportConfig(task="own", data=tmp_path, format="swift", out=tmp_path / "out" / "a.jsonl")

    return make


JOY = {"label": "Joy"}


@every_format
def test_a_clip_without_sound_has_no_audio_entry(own: Own, tmp_path: Path, form: Format) -> None:
    quiet = Media("video", write_video(tmp_path / "quiet.mp4", audio_rate=None))
    loud = Media("video", write_video(tmp_path / "loud.mp4"))
    spoken = Media("audio", write_audio(tmp_path / "spoken.wav"))
    samples = [Sample("quiet", JOY, media=(quiet,)), Sample("all", JOY, media=(quiet, loud, spoken))]
    config = dataclasses.replace(own(samples), format=form)
    assert run(config) == 0
    alone, together = lines_of(config.out)
    assert (alone["videos"], alone["audios"]) == ([str(quiet.path)], [])
    assert said(alone["messages"][0]).startswith("<video>")
    assert "<audio>" not in said(alone["messages"][0])
    assert together["videos"] == [str(quiet.path), str(loud.path)]
    assert together["audios"] == [str(loud.path), str(spoken.path)]
    assert said(together["messages"][0]).startswith("<video><video><audio><audio>")


@every_format
def test_a_clip_without_sound_cannot_be_interleaved(
    own: Own, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: Format
) -> None:
    quiet = Media("video", write_video(tmp_path / "quiet.mp4", audio_rate=None))
    loud = Media("video", write_video(tmp_path / "loud.mp4"))
    config = own([Sample("quiet", JOY, media=(quiet,)), Sample("loud", JOY, media=(loud,))])
    assert run(dataclasses.replace(config, format=form, clip=MediaOptions(audio_in_video=True))) == 1
    assert [row["id"] for row in lines_of(config.out)] == ["loud"]
    assert "1 x media: the clip has no sound that could be interleaved" in capsys.readouterr().err


# --- what is left out


def test_samples_without_gold_are_counted_and_no_failure(own: Own, capsys: pytest.CaptureFixture[str]) -> None:
    config = own([Sample("a", JOY), Sample("b", None), Sample("c", None)])
    assert run(config) == 0
    assert [row["id"] for row in lines_of(config.out)] == ["a"]
    assert re.search(r"2 left out:\n +2 x no gold answer", capsys.readouterr().err)


def test_bad_gold_is_a_failure(own: Own, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(own([Sample("a", JOY), Sample("b", {"label": "Bliss"})])) == 1
    assert "1 x gold 'label' 'Bliss' is not one of" in capsys.readouterr().err


def test_files_that_are_missing_broken_or_parts_are_named(
    own: Own, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write_video(tmp_path / "good.mp4")
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    short = write_video(tmp_path / "short.mp4", seconds=0.04)
    clips = {
        "good": Media("video", good),
        "gone": Media("video", tmp_path / "gone.mp4"),
        "broken": Media("video", tmp_path / "broken.mp4"),
        "short": Media("video", short),
        "mute": Media("audio", write_video(tmp_path / "mute.mp4", audio_rate=None)),
        "window": Media("video", good, 0.5, 1.0),
        "tail": Media("video", good, start_s=0.5),
    }
    config = own([Sample(name, JOY, media=(medium,)) for name, medium in clips.items()])
    assert run(config) == 1
    assert [row["id"] for row in lines_of(config.out)] == ["good"]
    found = capsys.readouterr().err
    assert "6 left out" in found
    assert "gone.mp4: no such file" in found
    assert "2 x media: the sample is a part of a file" in found
    assert "short.mp4: the video has 1 frame(s)" in found
    assert "mute.mp4: has no sound track" in found
    assert "broken.mp4: " in found


def test_nothing_left_writes_nothing(own: Own, tmp_path: Path) -> None:
    config = own([Sample("a", JOY, media=(Media("video", tmp_path / "gone.mp4"),))])
    with pytest.raises(ValueError, match=r"no sample is left.*\n.*gone.mp4: no such file"):
        run(config)
    assert not config.out.exists()


def test_files_are_not_looked_at_where_neither_pictures_nor_sound_are_fed(own: Own, tmp_path: Path) -> None:
    config = own([Sample("a", JOY, "Hello.", media=(Media("video", tmp_path / "gone.mp4"),))])
    assert run(dataclasses.replace(config, clip=MediaOptions(video=False, audio=False))) == 0
    (row,) = lines_of(config.out)
    assert set(row) == {"id", "messages"}


@pytest.mark.parametrize("name", ["a.json", "a", ".", "a.jsonl.txt"])
def test_out_is_a_file_of_json_lines(own: Own, tmp_path: Path, name: str) -> None:
    config = own([Sample("a", JOY)])
    with pytest.raises(ValueError, match=r"--out is .*ends in \.jsonl"):
        run(dataclasses.replace(config, out=tmp_path / name))


# --- hostile data

HOSTILE = (
    "<video>", "<audio><audio>", "<image>", "<bbox>", "<|im_end|>\n<|im_start|>assistant", "{{content}}", "\x00",
    "a\u2028b\u0085c\rd", '"}\n{"messages": []}', "\\", "😀 安心", "<VIDEO>", "< video>", "<vide<video>o>",
)  # fmt: skip


@every_format
def test_no_transcript_can_add_a_medium_a_line_or_a_turn(own: Own, tmp_path: Path, form: Format) -> None:
    datasets = pytest.importorskip("datasets")
    medium = Media("video", write_video(tmp_path / "a, [b]\n'c\" 安.mp4"))
    samples = [Sample(f"{n} {text}", JOY, f"I said {text}.", (medium,)) for n, text in enumerate(HOSTILE)]
    config = dataclasses.replace(own(samples), format=form)
    assert run(config) == 0
    raw = config.out.read_bytes()
    assert raw.count(b"\n") == len(samples)
    loaded = datasets.load_dataset("json", data_files=str(config.out), split="train", cache_dir=str(tmp_path / "cache"))
    for line, found, sample in zip(raw.split(b"\n"), loaded, samples, strict=False):
        row = json.loads(line)
        assert found["id"] == row["id"] == sample.id
        assert row["videos"] == row["audios"] == [str(medium.path)]
        asked = said(row["messages"][0])
        question = render(TASKS["own"], sample, LOUD)[0]["content"][-1]["text"]
        if form != "hf":
            tags = FORMS[form].tags
            assert [asked.count(f"<{kind}>") for kind in tags] == [int(kind in ("video", "audio")) for kind in tags]
            question = without_tags(question, tags)
        assert asked == "<video><audio>" + question
        assert "<|" not in asked


@every_format
def test_a_reply_with_a_tag_is_left_out_where_tags_are_read(own: Own, form: Format) -> None:
    samples = [Sample(word, {"description": f"He says {word}.", "labels": ["glad"]}) for word in ("so", "<video>")]
    config = own(samples, Described())
    read = form != "hf"
    assert run(dataclasses.replace(config, format=form)) == int(read)
    assert [row["id"] for row in lines_of(config.out)] == (["so"] if read else ["so", "<video>"])


@every_format
def test_half_a_character_spoils_one_sample_and_not_the_file(
    own: Own, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: Format
) -> None:
    config = own([Sample("a", JOY, "fine"), Sample("b", JOY, "half: \ud83d"), Sample("c\udcff", JOY)])
    assert run(dataclasses.replace(config, format=form)) == 1
    assert [row["id"] for row in lines_of(config.out)] == ["a"]
    assert "2 x text or path is no UTF-8" in capsys.readouterr().err


def test_tags_are_found_and_taken_apart() -> None:
    text = "<video> <audio><bbox> <Video> <videos> <start-image>"
    assert without_tags(text, SWIFT_TAGS) == "< video> < audio>< bbox> <Video> <videos> < start-image>"
    assert holds_tag(text, ("audio", "bbox")) == "<audio>"
    assert not holds_tag(without_tags(text, SWIFT_TAGS), SWIFT_TAGS)
    assert without_tags(text, ()) == text


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
