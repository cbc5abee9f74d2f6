"""The tower cache: the same loss to the last bit, nothing decoded twice, files that are whole or not there."""

from __future__ import annotations

import dataclasses
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from finetune import towers as towers_module
from finetune.inputs import Encoded, Processor
from finetune.model import load_thinker
from finetune.recipe import RunPart
from finetune.rows import join, learner
from finetune.session import Session, open_session
from finetune.towers import Towers, ahead, read, weights_hash, write
from infer.checkpoint import Checkpoint
from tasks.task import Media
from tests.finetune.conftest import SMALL, MakeRecipe, both, needs_training

pytestmark = needs_training


def loaded(session: Session, folder: Path | None, **options: Any) -> Towers:
    """Towers of a session's base model before a cache folder."""
    checkpoint = session.processor.checkpoint
    thinker = load_thinker(checkpoint, session.recipe.model, "cpu")
    return Towers(thinker, session.processor, dataclasses.replace(SMALL, **options), folder)


def vectors(towers: Towers, medium: Media) -> Encoded:
    return towers.finish(towers.prepare(medium))


def same(one: Encoded, other: Encoded) -> bool:
    import torch

    numbers = (one.grid, one.seconds, one.mels) == (other.grid, other.seconds, other.mels)
    parts = [(getattr(one, name), getattr(other, name)) for name in ("video", "deepstack", "audio")]
    return numbers and all(a is b is None or torch.equal(a, b) for a, b in parts)


@both
def test_the_loss_of_every_step_is_the_same_with_and_without(
    make_recipe: MakeRecipe, family: str, tmp_path: Path
) -> None:
    losses: dict[bool, list[float]] = {}
    for cache in (True, False):
        run = RunPart(cache=cache, cache_folder=tmp_path / "towers", track=())
        session = open_session(make_recipe(family, run=run), tmp_path)
        module = learner(session.model)
        made = [session.maker.make(session.maker.wait(sample)) for sample in session.chosen.train[:4]]
        losses[cache] = [module(join([example])).item() for example in made]
    assert losses[True] == losses[False]
    assert len(set(losses[True])) == 4


def test_nothing_is_decoded_twice(
    sessions: dict[str, Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = sessions["qwen2_5_omni"]
    media = [sample.media[0] for sample in session.chosen.train[:3]]
    first = loaded(session, tmp_path)
    found = [vectors(first, medium) for medium in media]
    count, size = first.size(media)
    assert count == 3
    assert size == sum(file.stat().st_size for file in tmp_path.rglob("*.safetensors")) > 0

    def decoded(*_: object) -> None:
        raise AssertionError("a clip was decoded again")

    monkeypatch.setattr(towers_module, "load_clip", decoded)
    again = loaded(session, tmp_path)
    again.give_up()
    assert all(same(one, vectors(again, medium)) for one, medium in zip(found, media, strict=True))


def test_a_clip_that_is_not_there_any_more_says_so(sessions: dict[str, Session], tmp_path: Path) -> None:
    session = sessions["qwen2_5_omni"]
    towers = loaded(session, tmp_path)
    prepared = towers.prepare(session.chosen.train[0].media[0])
    towers.give_up()
    with pytest.raises(ValueError, match="lost a clip while it was in use"):
        towers.finish(prepared)


def test_the_key_names_everything_that_decides(sessions: dict[str, Session], tmp_path: Path) -> None:
    import torch

    session = sessions["qwen2_5_omni"]
    medium = session.chosen.train[0].media[0]
    plain = loaded(session, tmp_path)

    def name(towers: Towers, medium: Media) -> str:
        file = towers._file(medium)
        assert file is not None
        return file.name

    copy = tmp_path / "elsewhere.mp4"
    shutil.copy(medium.path, copy)
    assert name(plain, dataclasses.replace(medium, path=copy)) == name(plain, medium), "content, not path"
    assert name(loaded(session, tmp_path, audio_in_video=True), medium) == name(plain, medium), "places, not vectors"
    copy_of_another = dataclasses.replace(session.chosen.train[1].media[0])
    changed = loaded(session, tmp_path)
    with torch.no_grad():
        next(iter(changed._thinker.visual.parameters())).add_(1e-3)
    other = Towers(changed._thinker, session.processor, SMALL, tmp_path)
    names = [
        name(plain, medium),
        name(plain, copy_of_another),
        name(plain, dataclasses.replace(medium, end_s=0.5)),
        name(loaded(session, tmp_path, fps=1.0), medium),
        name(loaded(session, tmp_path, audio=False), medium),
        name(other, medium),
        name(loaded(sessions["qwen3_omni_moe"], tmp_path), medium),
    ]
    assert len(set(names)) == len(names)


def test_a_file_is_named_by_the_settings_of_the_towers_and_not_by_their_folder(
    sessions: dict[str, Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = sessions["qwen2_5_omni"]
    medium = session.chosen.train[0].media[0]
    copy = Path(shutil.copytree(session.processor.checkpoint.model, tmp_path / "copy"))
    moved = Checkpoint(str(copy))
    thinker = load_thinker(moved, session.recipe.model, "cpu")
    name = loaded(session, tmp_path)._file(medium)
    assert name == Towers(thinker, Processor(moved), SMALL, tmp_path)._file(medium)
    names = {name}
    settings = json.loads((copy / "processor_config.json").read_text())
    settings["video_processor"]["image_mean"] = [0.5, 0.5, 0.5]
    (copy / "processor_config.json").write_text(json.dumps(settings))
    names.add(Towers(thinker, Processor(Checkpoint(str(copy))), SMALL, tmp_path)._file(medium))
    monkeypatch.setattr(thinker.config.audio_config, "n_window", 100)
    names.add(Towers(thinker, Processor(moved), SMALL, tmp_path)._file(medium))
    assert len(names) == 3


def test_the_weights_of_the_towers_alone_are_hashed(sessions: dict[str, Session]) -> None:
    import torch

    session = sessions["qwen2_5_omni"]
    thinker = load_thinker(session.processor.checkpoint, session.recipe.model, "cpu")
    before = weights_hash(thinker)
    with torch.no_grad():
        thinker.lm_head.weight.add_(1.0)
    assert weights_hash(thinker) == before
    assert weights_hash(thinker.to(torch.bfloat16)) != before


def test_a_damaged_file_is_made_again(sessions: dict[str, Session], tmp_path: Path) -> None:
    session = sessions["qwen2_5_omni"]
    medium = session.chosen.train[0].media[0]
    towers = loaded(session, tmp_path)
    good = vectors(towers, medium)
    (file,) = tmp_path.rglob("*.safetensors")
    for damage in (b"", b"\x00" * 40, file.read_bytes()[:-7], b"\x08" + bytes(7) + b"{}      "):
        file.write_bytes(damage)
        assert read(file) is None
        assert same(vectors(towers, medium), good)
        assert same(read(file) or Encoded(), good)


def test_many_writers_of_one_file(sessions: dict[str, Session], tmp_path: Path) -> None:
    import torch

    file = tmp_path / "ab" / "one.safetensors"
    made = [Encoded(video=torch.full((50, 32), float(i)), grid=(1, 2, 3), seconds=i / 3) for i in range(16)]
    with ThreadPoolExecutor(16) as pool:
        jobs = [pool.submit(write, file, one) for one in made]
        seen = [found for _ in range(200) if (found := read(file)) is not None]
        for job in jobs:
            job.result()
    for found in [*seen, read(file)]:
        assert found is not None
        assert found.video is not None
        assert any(same(found, one) for one in made), "a mixture of two writers"
    assert [path.name for path in file.parent.iterdir()] == ["one.safetensors"], "nothing is left behind"


def test_reading_ahead_keeps_the_order_and_passes_errors_on() -> None:
    assert list(ahead(range(20), lambda each: each * each, 3, 4)) == [each * each for each in range(20)]

    def work(each: int) -> int:
        return 1 // (3 - each)

    stream = ahead(range(6), work, 2, 2)
    assert [next(stream) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(stream)


def test_a_sample_without_media_needs_no_towers(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe()
    checkpoint = Checkpoint(recipe.model.path)
    thinker = load_thinker(checkpoint, recipe.model, "cpu")
    towers = Towers(thinker, Processor(checkpoint), SMALL, None)
    assert towers.size([]) == (0, 0)
    assert towers.finish(towers_module.Prepared(Encoded(), None, 0.0, None)) == Encoded()
