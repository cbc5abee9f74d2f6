"""From samples to requests: broken clips beside good ones, and keys that name everything a reply depends on."""

from __future__ import annotations

import dataclasses
import itertools
import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import infer.feed
from infer.checkpoint import Checkpoint
from infer.engine import Choice, Reply, Request, Sampling
from infer.feed import Question, digest, prepare, prepared
from infer.media import Clip, load_clip
from infer.store import RunStore
from prompts.render import load_template
from prompts.schema import schema
from tasks.task import Media, MediaOptions, OneOf, Root, Sample, Task
from tests.infer.clips import cut_off, without_index, write_audio, write_video

ANSWER = OneOf(("Joy", "Anger"))
SAMPLING = Sampling("schema", 0.0, 64, 0)


def no_samples(_root: Root, _split: str) -> Iterator[Sample]:
    return iter(())


TASK = Task("mood", "1", "here", no_samples, ANSWER, "oneof_json", ("accuracy",), "speaker")
QUESTION = Question(
    task=TASK,
    template=load_template("oneof_json"),
    transcript=True,
    system=None,
    options=MediaOptions(),
    sampling=SAMPLING,
    schema=schema(ANSWER),
    choice=None,
    model={"model": "tiny", "family": "qwen2_5_omni", "content": "abc"},
    factor=28,
)


def nothing_done(_id: str, _key: str) -> bool:
    return False


def ask(sample: Sample, **changes: Any) -> Request:
    found = prepare(sample, dataclasses.replace(QUESTION, **changes), nothing_done)
    assert isinstance(found, Request), found
    return found


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "a.mp4", seconds=1)


def sample_of(path: Path, name: str = "a", **fields: Any) -> Sample:
    return Sample(id=name, gold=None, text="hello", media=(Media("video", path),), **fields)


# --- Broken clips


def test_broken_clips_become_errors_in_order_and_leave_their_neighbours(tmp_path: Path) -> None:
    write_video(tmp_path / "good.mp4", seconds=1)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "text.mp4").write_text("no media", encoding="utf-8")
    without_index(write_video(tmp_path / "noindex.mp4"))
    cut_off(write_video(tmp_path / "half.mp4", faststart=True), 0.5)
    names = ["good", "missing", "good", "empty", "folder", "good", "good", "text", "noindex", "half", "good", "missing"]
    samples = [sample_of(tmp_path / f"{name}.mp4", f"{number} {name}") for number, name in enumerate(names)]
    found = list(prepared(samples, QUESTION, nothing_done))
    assert [item.id for item in found if item is not None] == [sample.id for sample in samples]
    for sample, item in zip(samples, found, strict=True):
        if "good" in sample.id:
            assert isinstance(item, Request)
            assert item.clips[0].frames is not None
        else:
            assert isinstance(item, Reply)
            assert item.text is None
            assert item.error is not None
            assert item.error.startswith("media: ")
            assert str(sample.media[0].path) in item.error
            assert item.key


@pytest.mark.parametrize("name", ["a\0b.mp4", "a\ud800.mp4", "missing\udcff.mp4", "x" * 5000])
def test_a_hostile_file_name_is_an_error_of_its_sample_alone(tmp_path: Path, clip: Path, name: str) -> None:
    samples = [sample_of(clip, "first"), sample_of(tmp_path / name, "bad"), sample_of(clip, "last")]
    first, bad, last = prepared(samples, QUESTION, nothing_done)
    assert isinstance(first, Request)
    assert isinstance(bad, Reply)
    assert bad.error
    assert isinstance(last, Request)
    with RunStore(tmp_path / "run") as store:
        store.append([bad])


@pytest.mark.parametrize("start_s", [float("nan"), float("inf"), 1e300])
def test_a_hostile_time_is_an_error_of_its_sample_alone(clip: Path, start_s: float) -> None:
    odd = Sample(id="bad", gold=None, media=(Media("video", clip, start_s, None),))
    found = list(prepared([sample_of(clip, "first"), odd, sample_of(clip, "last")], QUESTION, nothing_done))
    assert isinstance(found[0], Request)
    assert isinstance(found[1], Reply)
    assert isinstance(found[2], Request)


def test_one_broken_medium_of_two_is_an_error(clip: Path, tmp_path: Path) -> None:
    both = (Media("video", clip), Media("audio", tmp_path / "missing.wav"))
    found = prepare(Sample(id="a", gold=None, media=both), QUESTION, nothing_done)
    assert isinstance(found, Reply)
    assert found.error is not None
    assert "missing.wav" in found.error


# --- What a request carries


def test_a_request_carries_its_clips_and_the_question(clip: Path) -> None:
    request = ask(sample_of(clip))
    assert request.id == "a"
    assert request.options == QUESTION.options
    assert request.schema == QUESTION.schema
    (read,) = request.clips
    assert read.frames is not None
    assert read.frames.shape[1] % 28 == 0
    assert read.has_audio
    kinds = [item["type"] for item in request.messages[-1]["content"]]
    assert kinds == ["video", "audio", "text"], "media first, question last"
    assert "hello" in request.messages[-1]["content"][-1]["text"]
    assert len(request.key) == 64


def test_a_clip_without_sound_asks_without_sound_and_says_so(tmp_path: Path) -> None:
    request = ask(sample_of(write_video(tmp_path / "mute.mp4", audio_rate=None)))
    assert [item["type"] for item in request.messages[-1]["content"]] == ["video", "text"]
    assert request.clips[0].notes == ("no sound track",)


def test_a_sample_without_media_is_text_alone() -> None:
    request = ask(Sample(id="a", gold=None, text="hello"))
    assert request.clips == ()
    assert [item["type"] for item in request.messages[-1]["content"]] == ["text"]


# --- Keys


def test_the_key_does_not_depend_on_path_id_or_gold(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere" / "b.mp4"
    other.write_bytes(clip.read_bytes())
    link = tmp_path / "link.mp4"
    link.symlink_to(clip)
    one = ask(sample_of(clip))
    for path in (other, link, clip.parent / "." / clip.name):
        two = ask(sample_of(path, "another id", meta={"tier": "high"}))
        assert two.key == one.key
        assert two.media_key == one.media_key
    assert ask(dataclasses.replace(sample_of(clip), gold={"label": "Joy"})).key == one.key


def test_the_key_is_the_same_in_every_process() -> None:
    """A fixed value: a change of it means that no run on disk can be resumed."""
    assert digest({"b": [1, 2.5, None], "a": "喜"}) == digest(json.loads('{"a":"\\u559c","b":[1,2.5,null]}'))
    assert digest([1]) != digest([1.5])
    assert digest(["a", "b"]) != digest(["b", "a"])
    assert digest("a") == "ac8d8342bbb2362d13f0a559a3621bb407011368895164b628a54f7fc33fc43c"


KEY_CHANGES: dict[str, dict[str, Any]] = {
    "fps": {"options": MediaOptions(fps=1.0)},
    "min_frames": {"options": MediaOptions(min_frames=6)},
    "max_frames": {"options": MediaOptions(max_frames=100)},
    "min_pixels": {"options": MediaOptions(min_pixels=1000)},
    "max_pixels": {"options": MediaOptions(max_pixels=100_000)},
    "no sound": {"options": MediaOptions(audio=False)},
    "no pictures": {"options": MediaOptions(video=False)},
    "audio in video": {"options": MediaOptions(audio_in_video=True)},
    "patch size": {"factor": 32},
    "model": {"model": {**QUESTION.model, "model": "other"}},
    "weights": {"model": {**QUESTION.model, "content": "abd"}},
    "adapter": {"model": {**QUESTION.model, "adapter": "lora", "adapter_content": "1"}},
    "another adapter": {"model": {**QUESTION.model, "adapter": "lora", "adapter_content": "2"}},
    "temperature": {"sampling": dataclasses.replace(SAMPLING, temperature=0.5)},
    "max_tokens": {"sampling": dataclasses.replace(SAMPLING, max_tokens=65)},
    "seed": {"sampling": dataclasses.replace(SAMPLING, seed=1)},
    "decode": {"sampling": dataclasses.replace(SAMPLING, decode="free")},
    "schema": {"schema": schema(OneOf(("Joy",)))},
    "no schema": {"schema": None},
    "choice": {"choice": Choice("", ("Joy", "Anger"), "")},
    "no transcript": {"transcript": False},
    "system turn": {"system": "You are kind."},
    "template": {"template": dataclasses.replace(QUESTION.template, body="What now?")},
}


def test_the_key_changes_with_everything_that_shapes_the_reply(clip: Path) -> None:
    keys = {"as it is": ask(sample_of(clip)).key}
    keys |= {name: ask(sample_of(clip), **change).key for name, change in KEY_CHANGES.items()}
    same = [(a, b) for a, b in itertools.combinations(keys, 2) if keys[a] == keys[b]]
    assert not same


def test_every_media_option_is_in_both_keys(clip: Path) -> None:
    """Whoever adds an option has it in the key without thinking of it."""
    one = ask(sample_of(clip))
    others = {"min_pixels": 999, "max_pixels": 90_000, "fps": 3.0, "min_frames": 2, "max_frames": 9}
    for field in dataclasses.fields(MediaOptions):
        change: dict[str, Any] = {field.name: others.get(field.name, not getattr(MediaOptions(), field.name))}
        two = ask(sample_of(clip), options=dataclasses.replace(MediaOptions(), **change))
        assert two.key != one.key, field.name
        assert two.media_key != one.media_key, field.name


def test_the_key_changes_with_the_text(clip: Path) -> None:
    one = ask(sample_of(clip))
    two = ask(dataclasses.replace(sample_of(clip), text="hello!"))
    assert one.key != two.key
    assert one.media_key == two.media_key


def test_both_keys_change_with_the_media(clip: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.mp4"
    data = bytearray(clip.read_bytes())
    data[-1] ^= 1
    other.write_bytes(data)
    wav = write_audio(tmp_path / "a.wav", seconds=1)
    media: dict[str, tuple[Media, ...]] = {
        "whole": (Media("video", clip),),
        "one bit": (Media("video", other),),
        "from": (Media("video", clip, 0.2, None),),
        "to": (Media("video", clip, None, 0.8),),
        "from to": (Media("video", clip, 0.2, 0.8),),
        "kind": (Media("audio", clip),),
        "two": (Media("video", clip), Media("audio", wav)),
        "two, turned": (Media("audio", wav), Media("video", clip)),
    }
    found = {name: ask(Sample(id="a", gold=None, text="hello", media=these)) for name, these in media.items()}
    for one, two in itertools.combinations(found, 2):
        assert found[one].key != found[two].key, (one, two)
        assert found[one].media_key != found[two].media_key, (one, two)


def test_still_pictures_with_another_sound_have_other_media_keys(tmp_path: Path) -> None:
    """Engines cache by this key; equal frames with different sound must not meet there."""
    loud = write_video(tmp_path / "a.mp4", tone_hz=220, seconds=1)
    high = write_video(tmp_path / "b.mp4", tone_hz=440, seconds=1)
    mute = write_video(tmp_path / "c.mp4", audio_rate=None, seconds=1)
    keys = {ask(sample_of(path)).media_key for path in (loud, high, mute)}
    assert len(keys) == 3
    assert ask(sample_of(loud), options=MediaOptions(audio=False)).media_key not in keys


def test_an_error_is_tried_again_under_the_key_of_the_good_reply(tmp_path: Path) -> None:
    """The engine fails on a good clip today and answers it tomorrow: one pair in the store, not two."""
    path = write_video(tmp_path / "a.mp4", seconds=1)
    request = ask(sample_of(path))
    with RunStore(tmp_path / "run") as store:
        store.append([Reply("a", request.key, error="out of memory")])
        again = prepare(sample_of(path), QUESTION, store.is_done)
        assert isinstance(again, Request)
        assert again.key == request.key


# --- The identity of a checkpoint


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "qwen2_5_omni"}', encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"weights 1")
    return folder


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text('{"r": 1, "lora_alpha": 16, "target_modules": []}', encoding="utf-8")
    (folder / "adapter_model.safetensors").write_bytes(lora_weights(1.0))
    return folder


def lora_weights(value: float) -> bytes:
    """A safetensors file with one LoRA pair of the thinker's language model."""
    module = "base_model.model.thinker.model.layers.0.self_attn.q_proj"
    places = {f"{module}.lora_A.weight": [0, 4], f"{module}.lora_B.weight": [4, 8]}
    header = {name: {"dtype": "F32", "shape": [1, 1], "data_offsets": place} for name, place in places.items()}
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + struct.pack("<2f", value, value)


def test_the_identity_changes_with_weights_and_adapter(checkpoint: Path, adapter: Path) -> None:
    seen = [Checkpoint(str(checkpoint)).identity()]
    assert seen[0] == Checkpoint(str(checkpoint)).identity()
    (checkpoint / "model.safetensors").write_bytes(b"weights 2")
    seen.append(Checkpoint(str(checkpoint)).identity())
    seen.append(Checkpoint(str(checkpoint), adapter).identity())
    (adapter / "adapter_model.safetensors").write_bytes(lora_weights(2.0))
    seen.append(Checkpoint(str(checkpoint), adapter).identity())
    (adapter / "adapter_config.json").write_text('{"r": 1, "lora_alpha": 8, "target_modules": []}', encoding="utf-8")
    seen.append(Checkpoint(str(checkpoint), adapter).identity())
    assert all(one != two for one, two in itertools.combinations(seen, 2))
    assert len({digest(one) for one in seen}) == len(seen)


def test_large_weights_that_change_change_the_identity(checkpoint: Path) -> None:
    """A shard of a 7B model is gigabytes large; trained again it has the same name and size."""
    shard = checkpoint / "model-00001-of-00002.safetensors"
    with shard.open("wb") as stream:
        stream.truncate(70 << 20)
    before = Checkpoint(str(checkpoint)).identity()
    with shard.open("r+b") as stream:
        stream.seek(100)
        stream.write(b"trained" * 1_000_000)
    assert Checkpoint(str(checkpoint)).identity() != before


# --- Order, laziness, skipping


def test_stored_keys_are_skipped_without_decoding(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [sample_of(clip, name) for name in "abc"]
    key = ask(samples[0]).key
    read: list[Path] = []
    real = load_clip

    def load(media: Media, options: MediaOptions, factor: int) -> Clip:
        read.append(media.path)
        return real(media, options, factor)

    monkeypatch.setattr(infer.feed, "load_clip", load)
    with RunStore(tmp_path / "run") as store:
        store.append([Reply("a", key, "Joy"), Reply("b", key, error="engine: broke"), Reply("c", "another key", "Joy")])
        found = list(prepared(samples, QUESTION, store.is_done))
    assert found[0] is None
    assert isinstance(found[1], Request), "an error is asked again"
    assert isinstance(found[2], Request), "a reply under another key does not count"
    assert len(read) == 2


def test_a_stored_reply_is_skipped_after_the_clip_moved(clip: Path, tmp_path: Path) -> None:
    done = {("a", ask(sample_of(clip)).key)}
    moved = clip.rename(tmp_path / "moved.mp4")
    assert prepare(sample_of(moved), QUESTION, lambda *pair: pair in done) is None


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_order_is_kept_whatever_takes_longer(clip: Path, monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    real = load_clip
    turns = itertools.count()

    def slow(media: Media, options: MediaOptions, factor: int) -> Clip:
        time.sleep(0.03 if next(turns) % 3 == 0 else 0.0)
        return real(media, options, factor)

    monkeypatch.setattr(infer.feed, "load_clip", slow)
    samples = [sample_of(clip, str(number)) for number in range(20)]
    found = list(prepared(samples, QUESTION, nothing_done, threads))
    assert [item.id for item in found if item is not None] == [sample.id for sample in samples]


def test_only_a_few_clips_are_read_ahead(clip: Path) -> None:
    drawn = 0

    def endless() -> Iterator[Sample]:
        nonlocal drawn
        for number in itertools.count():
            drawn += 1
            yield sample_of(clip, str(number))

    stream = prepared(endless(), QUESTION, nothing_done, threads=2)
    for asked in range(1, 6):
        next(stream)
        assert drawn <= asked + 5
    stream.close()  # type: ignore[attr-defined]  # as when the engine dies: it comes to an end
    assert drawn < 20


def test_nothing_comes_of_nothing() -> None:
    assert list(prepared([], QUESTION, nothing_done)) == []
