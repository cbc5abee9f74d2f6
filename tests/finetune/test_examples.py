"""What the model learns from is what it is asked with: token by token, position by position, in both families."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from finetune.examples import Example, Maker, drop_of, make_question, positions, without
from finetune.inputs import Encoded, Processor, dropped
from finetune.recipe import OptionsPart, Recipe
from finetune.samples import choose
from finetune.session import Session
from infer.checkpoint import Checkpoint
from infer.engine import Request
from infer.feed import prepare
from infer.media import Clip, load_clip
from prompts.schema import dump
from tasks.task import MediaOptions, Sample
from tests.finetune.conftest import SMALL, MakeRecipe, both, needs_training

pytestmark = needs_training


def examples(session: Session, count: int = 3) -> list[tuple[Sample, Example]]:
    return [(sample, session.maker.make(session.maker.wait(sample))) for sample in session.chosen.train[:count]]


def processor_call(session: Session, request: Request) -> Any:
    """Whatever the family's own processor gives for a request, as transformers users call it (300 s of padding)."""
    from transformers import AutoProcessor

    (clip,) = request.clips
    processor = AutoProcessor.from_pretrained(session.recipe.model.path)
    return processor(
        text=[session.processor.checkpoint.prompt(request.messages)],
        videos=[clip.frames],
        audio=[clip.audio],
        fps=clip.fps,
        use_audio_in_video=request.options.audio_in_video,
        do_sample_frames=False,
        size={"shortest_edge": 1, "longest_edge": 1 << 40},
        return_tensors="pt",
    )


def request_of(session: Session, sample: Sample) -> Request:
    found = prepare(sample, session.maker._question, lambda *_: False)
    assert isinstance(found, Request)
    return found


@both
def test_the_question_has_the_tokens_of_the_processor(sessions: dict[str, Session], family: str) -> None:
    session = sessions[family]
    for sample, example in examples(session):
        request = request_of(session, sample)
        if family == "qwen3_omni_moe":  # as vLLM does, sound is filled up to whole mel frames
            clip = request.clips[0]
            assert clip.audio is not None
            audio = np.pad(clip.audio, (0, -len(clip.audio) % 160))
            request = dataclasses.replace(request, clips=(dataclasses.replace(clip, audio=audio),))
        found = processor_call(session, request)
        assert example.tokens[: -example.learned].tolist() == found["input_ids"][0].tolist()


@both
def test_the_positions_are_those_of_the_thinker(sessions: dict[str, Session], family: str) -> None:
    """Whole numbers: transformers gives Qwen3-Omni's frames fractions of a step, vLLM cuts them off."""
    import torch

    session = sessions[family]
    thinker = session.model.get_base_model()
    for sample, example in examples(session):
        found = processor_call(session, request_of(session, sample))
        ids = example.tokens[None]
        theirs, _ = thinker.get_rope_index(
            ids,
            None,
            found["video_grid_thw"],
            torch.ones_like(ids),
            False,
            torch.tensor([example.media[0].mels]),
            torch.as_tensor(found["video_second_per_grid"]),
        )
        assert example.positions.tolist() == theirs[:, 0].floor().long().tolist()
        assert example.positions.shape == (3, len(example))


@both
def test_the_loss_is_on_the_reply_and_its_end_alone(sessions: dict[str, Session], family: str) -> None:
    from finetune.rows import join

    session = sessions[family]
    tokenizer = session.processor.tokenizer
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    for sample, example in examples(session):
        assert sample.gold is not None
        said = example.tokens[-example.learned :].tolist()
        assert tokenizer.decode(said) == dump(sample.gold, session.chosen.task.answer).replace(" ", "") + "<|im_end|>"
        assert said[-1] == end == session.end
        asked = tokenizer.decode(example.tokens[: -example.learned].tolist())
        assert asked.endswith("<|im_start|>assistant\n")
        row = join([example])
        learned = [(place, token) for place, token in zip(row.places.tolist(), row.targets.tolist(), strict=True)]
        whole = example.tokens.tolist()
        # Token by token: the state at each place learns the token that follows it, for the reply and nothing else.
        expected = [(place, whole[place + 1]) for place in range(len(whole) - 1) if place + 1 >= len(whole) - len(said)]
        assert learned == expected
        assert row.weights.tolist() == [1.0] * len(said)


@both
def test_every_placeholder_has_its_vector(sessions: dict[str, Session], family: str) -> None:
    session = sessions[family]
    config = session.model.get_base_model().config
    for _, example in examples(session):
        (medium,) = example.media
        assert medium.video is not None
        assert medium.audio is not None
        assert int((example.tokens == config.video_token_id).sum()) == len(medium.video) > 0
        assert int((example.tokens == config.audio_token_id).sum()) == len(medium.audio) > 0
        levels = {"qwen2_5_omni": None, "qwen3_omni_moe": (1, *medium.video.shape)}[family]
        assert (None if medium.deepstack is None else tuple(medium.deepstack.shape)) == levels


@both
def test_sound_between_the_frames(make_recipe: MakeRecipe, sessions: dict[str, Session], family: str) -> None:
    session = sessions[family]
    recipe = make_recipe(family, clip=dataclasses.replace(SMALL, audio_in_video=True))
    question = make_question(recipe, session.chosen, session.processor.checkpoint)
    for sample in session.chosen.train[:2]:
        request = prepare(sample, question, lambda *_: False)
        assert isinstance(request, Request)
        media = session.maker.encoded(session.maker.wait(sample))
        tokens = session.processor.tokens(request.messages, media, interleave=True)
        assert tokens == processor_call(session, request)["input_ids"][0].tolist()


@pytest.mark.parametrize("gone", ["video", "audio"])
def test_what_is_dropped_is_neither_fed_nor_spoken_of(
    sessions: dict[str, Session], gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = sessions["qwen2_5_omni"]
    sample = session.chosen.train[0]
    waiting = session.maker.wait(sample)
    whole = session.maker.make(waiting)
    monkeypatch.setattr("finetune.examples.drop_of", lambda *_: frozenset({gone, "transcript"}))
    less = session.maker.make(session.maker.wait(sample, epoch=0))
    decode = session.processor.tokenizer.decode
    (medium,) = less.media
    assert getattr(medium, gone) is None
    assert sample.text in decode(whole.tokens.tolist())
    assert sample.text not in decode(less.tokens.tolist())
    words = {"video": "there are no pictures", "audio": "there is no sound"}
    assert words[gone] in decode(less.tokens.tolist())
    assert less.tokens[-less.learned :].tolist() == whole.tokens[-whole.learned :].tolist()
    # The same as if the task had been run without that modality.
    options = dataclasses.replace(SMALL, **{gone: False})
    question = dataclasses.replace(session.maker._question, options=options, transcript=False)
    request = prepare(sample, question, lambda *_: False)
    assert isinstance(request, Request)
    tokens = session.processor.tokens(request.messages, less.media, interleave=False)
    assert less.tokens[: -less.learned].tolist() == tokens


def test_a_clip_without_sound_is_learned_without_sound(sessions: dict[str, Session]) -> None:
    session = sessions["qwen2_5_omni"]
    sample = session.chosen.train[0]
    waiting = session.maker.wait(sample)
    silent = dropped(session.maker.encoded(waiting)[0], video=True, audio=False)
    ready = dataclasses.replace(waiting.media[0], encoded=silent)
    example = session.maker.make(dataclasses.replace(waiting, media=(ready,)))
    assert "<|AUDIO|>" not in session.processor.tokenizer.decode(example.tokens.tolist())


def dropping(make_recipe: MakeRecipe, seed: int = 0, **chances: float) -> Recipe:
    recipe = make_recipe(options=OptionsPart(**chances))  # type: ignore[arg-type]
    return dataclasses.replace(recipe, optimiser=dataclasses.replace(recipe.optimiser, seed=seed))


def test_drops_are_drawn_by_seed_epoch_and_id(make_recipe: MakeRecipe, sessions: dict[str, Session]) -> None:
    sample = sessions["qwen2_5_omni"].chosen.train[0]
    recipe = dropping(make_recipe, drop_video=0.5, drop_audio=0.5, drop_transcript=0.5)
    media = sessions["qwen2_5_omni"].maker.encoded(sessions["qwen2_5_omni"].maker.wait(sample))
    other = dropping(make_recipe, 1, drop_video=0.5, drop_audio=0.5, drop_transcript=0.5)
    draws = [drop_of(sample, epoch, recipe, media) for epoch in range(400)]
    assert draws == [drop_of(sample, epoch, recipe, media) for epoch in range(400)]
    assert draws != [drop_of(sample, epoch, other, media) for epoch in range(400)]
    assert len(set(draws)) == 7, "every combination but all three"
    share = sum("video" in draw for draw in draws) / len(draws)
    assert 0.3 < share < 0.5, "1/2 less the 1/8 in which nothing would be left"


def test_nothing_is_dropped_where_nothing_would_be_left(make_recipe: MakeRecipe, sessions: dict[str, Session]) -> None:
    sample = sessions["qwen2_5_omni"].chosen.train[0]
    media = sessions["qwen2_5_omni"].maker.encoded(sessions["qwen2_5_omni"].maker.wait(sample))
    recipe = dropping(make_recipe, drop_video=1.0, drop_audio=1.0, drop_transcript=1.0)
    assert drop_of(sample, 0, recipe, media) == frozenset()
    assert drop_of(sample, 0, dropping(make_recipe, drop_video=1.0), media) == {"video"}
    assert drop_of(sample, 0, dropping(make_recipe), media) == frozenset()
    silent = [dropped(one, video=True, audio=False) for one in media]
    unspoken = dataclasses.replace(sample, text="")
    assert drop_of(unspoken, 0, dropping(make_recipe, drop_video=1.0), silent) == frozenset(), "it has no sound"


def test_a_question_without_a_modality_is_not_interleaved(sessions: dict[str, Session]) -> None:
    question = sessions["qwen2_5_omni"].maker._question
    question = dataclasses.replace(question, options=MediaOptions(audio_in_video=True))
    assert without(question, frozenset({"audio"})).options == MediaOptions(audio=False)
    assert without(question, frozenset({"transcript"})).options.audio_in_video
    assert without(question, frozenset()) is question


@both
def test_positions_without_media_count_up(sessions: dict[str, Session], family: str) -> None:
    import torch

    found = positions(sessions[family].model.get_base_model(), torch.arange(5), (), interleave=False)
    assert found.tolist() == [[0, 1, 2, 3, 4]] * 3


def test_a_sample_is_weighed_by_its_confidence(make_recipe: MakeRecipe, sessions: dict[str, Session]) -> None:
    session = sessions["qwen2_5_omni"]
    sample = dataclasses.replace(session.chosen.train[0], meta={"ds_confidence": 0.75})
    recipe = make_recipe(options=OptionsPart(weight_by_confidence=True))
    maker = Maker(
        recipe, session.chosen, session.maker._question, session.processor, session.towers, session.maker._thinker
    )
    assert maker.make(maker.wait(sample)).weight == 0.75
    assert session.maker.make(session.maker.wait(sample)).weight == 1.0


def test_a_template_that_never_ends_a_reply_is_refused(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe()
    processor = Processor(Checkpoint(recipe.model.path))
    bare = "{% for m in messages %}{% for item in m['content'] %}{{ item['text'] }}{% endfor %}{% endfor %}"
    processor._processor.chat_template = bare
    sample = choose(recipe).train[0]
    question = make_question(recipe, choose(recipe), processor.checkpoint)
    text = dataclasses.replace(question, options=MediaOptions(video=False, audio=False))
    with pytest.raises(ValueError, match="would never learn to stop"):
        processor.end_token(text.messages(sample))


def test_features_are_those_of_the_padded_processor(sessions: dict[str, Session]) -> None:
    """The 300 s of padding change the last two mel frames, whose windows reach over the end, and the time it takes."""
    session = sessions["qwen2_5_omni"]
    sample = session.chosen.train[0]
    request = request_of(session, sample)
    ours, theirs = session.processor.features(request.clips[0]), processor_call(session, request)
    count = int(ours["feature_attention_mask"].sum())
    assert count == int(theirs["feature_attention_mask"].sum())
    whole = slice(0, count - 2)
    assert np.allclose(ours["input_features"][..., whole], theirs["input_features"][..., whole], atol=1e-6)
    assert np.array_equal(ours["pixel_values_videos"], theirs["pixel_values_videos"])
    assert ours["input_features"].shape[-1] < theirs["input_features"].shape[-1] / 10


def test_a_medium_without_a_part_has_none_of_its_features(sessions: dict[str, Session]) -> None:
    session = sessions["qwen2_5_omni"]
    clip = load_clip(session.chosen.train[0].media[0], SMALL, 28)
    assert set(session.processor.features(dataclasses.replace(clip, audio=None))) == {
        "pixel_values_videos",
        "video_grid_thw",
    }
    sound = Clip(None, 0.0, clip.audio, has_audio=True)
    assert set(session.processor.features(sound)) == {"input_features", "feature_attention_mask"}
    assert Encoded().video is None
