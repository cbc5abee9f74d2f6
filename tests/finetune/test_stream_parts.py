"""Parts of clips as training samples: the questions that `omnimer infer --mode` asks, gold as the answers."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from eval.answers import read_answers
from eval.timeline.spans import spans
from finetune.examples import make_question
from finetune.inputs import question_for
from finetune.recipe import DataPart, OptimiserPart, OptionsPart, Recipe, StreamPart, ValidationPart, check
from finetune.run import fit
from finetune.samples import Chosen, choose
from finetune.session import open_session
from finetune.stream import NO_UTTERANCE, divide_clips
from finetune.validate import validate
from infer.checkpoint import Checkpoint
from infer.engine import Reply, Request, Sampling
from infer.feed import Question
from infer.run import InferConfig
from infer.run import make_question as question_of
from infer.store import RunStore, read_replies
from infer.stream.ask import ask_stream
from infer.stream.modes import StreamOptions
from prompts.parsing import Parsed, parse
from prompts.render import Messages
from tasks.emos_stream import KIND
from tasks.registry import TASKS
from tasks.synthetic.long import generate_long
from tasks.synthetic.stream import SYNTHETIC_STREAM, stream_samples
from tasks.task import Root, Sample
from tests.finetune.conftest import SMALL, MakeRecipe, needs_training

pytestmark = needs_training

STREAMS = {
    "windows": StreamPart(mode="windows", window_s=7.0, overlap_s=1.5, recall=2),
    "auto": StreamPart(mode="auto", window_s=9.0, overlap_s=0.0, recall=1),
    "marks": StreamPart(mode="auto", window_s=9.0, overlap_s=0.0, recall=1, marks=True),
    "given": StreamPart(mode="given", recall=1),
    "online": StreamPart(mode="online", horizon_s=6.0, recall=3),
}
# Room for the clips of 12 and 18 s as wholes, and not for that of 30 s.
ROOM = {"auto": 6145, "marks": 6400}
SEEN = OptionsPart(fields=("secondary", "intensity"))
every_mode = pytest.mark.parametrize("mode", STREAMS)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate_long(tmp_path_factory.mktemp("long") / "data", [30, 12, 18], seed=6, speakers=3, size=64)


@pytest.fixture(scope="module")
def clips(long: Path) -> list[Sample]:
    return list(SYNTHETIC_STREAM.adapter(Root(long), "all"))


def recipe_for(make_recipe: MakeRecipe, folder: Path, mode: str, **tables: Any) -> Recipe:
    stream = dataclasses.replace(STREAMS[mode], max_model_len=ROOM.get(mode, 16_384))
    return make_recipe(data=DataPart(task="synthetic-stream", folder=folder), stream=stream, **tables)


def divided(recipe: Recipe) -> tuple[Chosen, Question]:
    chosen = choose(recipe)
    question = make_question(recipe, chosen, Checkpoint(recipe.model.path))
    divide_clips(chosen, recipe, question)
    return chosen, question


class Pupil:
    """An engine that has learned its replies by heart, and keeps what it is asked."""

    factor = 28

    def __init__(self, replies: dict[str, str]) -> None:
        self.replies = replies
        self.asked: dict[str, Request] = {}

    def prompt(self, messages: Messages) -> str:
        return str(messages)

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Reply]:
        for request in requests:
            self.asked[request.id] = request
            yield Reply(request.id, request.key, self.replies[request.id], "stop")


def asked_by_infer(recipe: Recipe, clips: list[Sample], replies: dict[str, str], out: Path) -> Pupil:
    """The command line's own way, with the options of the recipe."""
    stream = StreamOptions(**{f.name: getattr(recipe.stream, f.name) for f in dataclasses.fields(StreamOptions)})
    config = InferConfig("synthetic-stream", Path(), stream=stream, clip=SMALL)
    question = question_of(config, SYNTHETIC_STREAM, Checkpoint(recipe.model.path))
    pupil = Pupil(replies)
    with RunStore(out) as store:
        store.begin({"task": SYNTHETIC_STREAM.full_name}, {}, clips)
        room = recipe.stream.max_model_len - question.sampling.max_tokens
        ask_stream(clips, question, store, lambda most: pupil, 2, 0, stream, room)
    return pupil


@every_mode
def test_what_is_learned_is_what_is_asked(
    mode: str, make_recipe: MakeRecipe, long: Path, clips: list[Sample], tmp_path: Path
) -> None:
    """Messages, media and token ids, whatever was told before included; and the learned replies make gold."""
    recipe = recipe_for(make_recipe, long, mode, options=SEEN)
    session = open_session(recipe, tmp_path)
    chosen = session.chosen
    pupil = asked_by_infer(recipe, clips, chosen.replies, tmp_path / "run")
    assert [sample.id for sample in chosen.train] == sorted(pupil.asked, key=_place)
    told = 0
    for sample in chosen.train:
        request = pupil.asked[sample.id]
        waiting = session.maker.wait(sample)
        media = session.maker.encoded(waiting)
        example = session.maker.make(waiting)
        assert question_for(session.maker._question, sample, media) == request.messages
        assert sample.media == request.media
        tokens = session.processor.tokens(request.messages, media, interleave=False)
        assert example.tokens[: -example.learned].tolist() == tokens
        told += len(sample.context)
    assert told > 0
    shapes = {
        "auto": {None, "windows"},
        "marks": {"whole", "windows"},
        "windows": {"windows"},
        "given": {"given"},
        "online": {"online"},
    }
    replies = list(read_replies(tmp_path / "run"))
    assert {reply.part["mode"] if reply.part else None for reply in replies} == shapes.get(mode, {mode})
    for clip, answer in zip(clips, read_answers(clips, replies, KIND), strict=True):
        wanted, found = spans(clip.gold, KIND), spans(answer.value, KIND)
        assert [each[2:] for each in found] == [each[2:] for each in wanted]
        assert not answer.dropped
        if mode in ("given", "online"):
            assert found == wanted
        else:
            assert all(abs(a.start - b.start) <= 1000 >= abs(a.end - b.end) for a, b in zip(found, wanted, strict=True))


def _place(name: str) -> tuple[str, int]:
    clip, _, number = name.partition("\0")
    return clip, int(number or 0)


@every_mode
def test_constrained_decoding_can_write_every_reply(mode: str, make_recipe: MakeRecipe, long: Path) -> None:
    xgrammar = pytest.importorskip("xgrammar")
    from transformers import AutoTokenizer

    recipe = recipe_for(make_recipe, long, mode)
    config = InferConfig("synthetic-stream", Path(), stream=recipe.stream, clip=SMALL)
    form = question_of(config, SYNTHETIC_STREAM, Checkpoint(recipe.model.path)).schema
    tokenizer = AutoTokenizer.from_pretrained(recipe.model.path)
    compiler = xgrammar.GrammarCompiler(xgrammar.TokenizerInfo.from_huggingface(tokenizer))
    grammar = compiler.compile_json_schema(json.dumps(form), any_whitespace=False, separators=(",", ":"))
    chosen, _ = divided(recipe)
    for sample in chosen.train:
        matcher = xgrammar.GrammarMatcher(grammar)
        tokens = (*tokenizer(chosen.replies[sample.id])["input_ids"], tokenizer.eos_token_id)
        assert all(matcher.accept_token(token) for token in tokens)
        outcome = parse(chosen.replies[sample.id], KIND)
        assert isinstance(outcome, Parsed)
        assert outcome.rule == "schema"
        assert not outcome.repairs


def test_the_reply_about_one_utterance(make_recipe: MakeRecipe, long: Path, clips: list[Sample]) -> None:
    chosen, _ = divided(recipe_for(make_recipe, long, "online"))
    sample = chosen.train[3]
    each = (clips[0].gold or {})["utterances"][3]
    assert chosen.replies[sample.id] == (
        '{"summary":null,"overall_emotion_trend":{"dominant":null,"trajectory":null},"utterances":[{"timestamp_range":"'
        f'{sample.meta["part_span"]}","primary_7class":"{each["primary"]}","secondary_Goemotions":["'
        f'{each["secondary"][0]}"],"intensity":{each["intensity"]}}}]}}'
    )
    assert chosen.parts[sample.id].mode == "online"


# --- what is left out


def changed(monkeypatch: pytest.MonkeyPatch, number: int, **fields: Any) -> None:
    """One of the clips is other than it was."""

    def adapter(root: Root, split: str) -> list[Sample]:
        found = list(stream_samples(root, split))
        found[number] = dataclasses.replace(found[number], **fields)
        return found

    monkeypatch.setitem(TASKS, "synthetic-stream", dataclasses.replace(SYNTHETIC_STREAM, adapter=adapter))


def test_a_segment_that_gold_does_not_know_is_left_out_and_told_as_unanswered(
    make_recipe: MakeRecipe, long: Path, clips: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    gold = clips[0].gold or {}
    changed(monkeypatch, 0, gold={**gold, "utterances": gold["utterances"][1:]})
    chosen, _ = divided(recipe_for(make_recipe, long, "online"))
    assert chosen.left_out == [("long000\0" + "0", NO_UTTERANCE)]
    assert "    1 x gold has no utterance" in chosen.summary()
    second = chosen.train[0]
    assert second.id == "long000\0" + "1"
    assert second.context == (f"{clips[0].meta['sentences'][0][2]} — no answer",)


def test_held_out_parts_without_gold_are_asked_about(
    make_recipe: MakeRecipe, long: Path, clips: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_for(make_recipe, long, "given", validation=ValidationPart(share=0.34))
    (held,) = {sample.meta["film"] for sample in choose(recipe).held_out}
    number = next(place for place, clip in enumerate(clips) if clip.id == held)
    gold = clips[number].gold or {}
    changed(monkeypatch, number, gold={**gold, "utterances": gold["utterances"][1:]})
    chosen, _ = divided(recipe)
    assert not chosen.left_out
    assert len(chosen.held_out) == len(gold["utterances"])
    replies = {sample.id: chosen.replies.get(sample.id, "?") for sample in chosen.held_out}
    found = validate(SYNTHETIC_STREAM, chosen.held_out, replies, 0, chosen.parts)
    assert (found.metric, found.value, found.n) == ("tl_accuracy", 1.0, 1), "a clip is one answer, as in omnimer eval"
    wrong = {name: text.replace("Joy", "Fear") for name, text in replies.items()}
    joys = [each["primary"] for each in gold["utterances"][1:]].count("Joy")
    share = 1 - joys / (len(gold["utterances"]) - 1)
    assert validate(SYNTHETIC_STREAM, chosen.held_out, wrong, 0, chosen.parts).value == pytest.approx(share)


def test_a_clip_that_cannot_be_read_or_divided_is_left_out_with_the_reason(
    make_recipe: MakeRecipe, long: Path, clips: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(long, folder)
    path = folder / "clips" / "long001.mp4"
    path.write_bytes(b"")
    chosen, _ = divided(recipe_for(make_recipe, folder, "given"))
    ((name, reason),) = chosen.left_out
    assert name == "long001"
    assert reason == f"media: {path}: is empty (0 bytes)"
    changed(monkeypatch, 1, gold={"utterances": []}, meta={**clips[1].meta, "sentences": []})
    shutil.copy(long / "clips" / "long001.mp4", path)
    recipe = recipe_for(make_recipe, folder, "given")
    recipe = dataclasses.replace(recipe, stream=dataclasses.replace(recipe.stream, segments="sentences"))
    chosen, _ = divided(recipe)
    assert [reason for _, reason in chosen.left_out] == [
        f"{path}: no utterance is known or heard in it; --mode given needs their times"
    ]


def test_speakers_are_held_out_with_all_their_parts(make_recipe: MakeRecipe, long: Path) -> None:
    recipe = recipe_for(make_recipe, long, "windows", validation=ValidationPart(share=0.3))
    chosen, _ = divided(recipe)
    learned, held = ({chosen.parts[s.id].clip.id for s in found} for found in (chosen.train, chosen.held_out))
    assert len(held) == 1
    assert not learned & held
    assert len(learned | held) == 3
    limited, _ = divided(
        dataclasses.replace(recipe, validation=ValidationPart(share=0.9, limit=1), stream=STREAMS["given"])
    )
    assert len({limited.parts[sample.id].clip.id for sample in limited.held_out}) == 1
    assert len(limited.held_out) > 1


# --- the recipe


def test_whole_clips_stay_whole(make_recipe: MakeRecipe, long: Path, clips: list[Sample]) -> None:
    recipe = make_recipe(data=DataPart(task="synthetic-stream", folder=long))
    chosen, question = divided(recipe)
    assert chosen.train == clips
    assert not chosen.parts
    assert question.template.name == SYNTHETIC_STREAM.template


def test_fields_that_are_not_named_say_null(make_recipe: MakeRecipe, long: Path) -> None:
    recipe = recipe_for(make_recipe, long, "windows", options=OptionsPart(fields=("intensity", "dominant")))
    chosen, _ = divided(recipe)
    reply = next(found for sample in chosen.train if (found := json.loads(chosen.replies[sample.id]))["utterances"])
    assert reply["overall_emotion_trend"]["dominant"]
    utterance = reply["utterances"][0]
    filled = {name for name, value in utterance.items() if value is not None}
    assert filled == {"timestamp_range", "primary_7class", "intensity"}


def test_a_field_that_the_task_does_not_have_is_refused(make_recipe: MakeRecipe, long: Path, data: Path) -> None:
    with pytest.raises(
        ValueError, match=r"'transcript' is no optional field of a reply to synthetic-stream; legal: su"
    ):
        choose(recipe_for(make_recipe, long, "given", options=OptionsPart(fields=("transcript",))))
    with pytest.raises(ValueError, match=r"'label' is no optional field of a reply to synthetic; legal: none"):
        choose(make_recipe(options=OptionsPart(fields=("label",))))


def test_parts_of_a_task_without_timeline_are_refused(make_recipe: MakeRecipe) -> None:
    with pytest.raises(ValueError, match="--mode given is for timelines; task synthetic asks for a OneOf"):
        divided(make_recipe(stream=StreamPart(mode="given")))


def test_words_around_an_utterance_cannot_be_dropped_by_chance() -> None:
    recipe = Recipe(data=DataPart(task="x"), stream=StreamPart(mode="given"), options=OptionsPart(drop_transcript=0.1))
    with pytest.raises(ValueError, match=r"drop_transcript does not go with stream\.mode given"):
        check(recipe)


# --- a run


def test_a_run_on_parts_validates_and_resumes_to_the_same_adapter(
    make_recipe: MakeRecipe, long: Path, tmp_path: Path
) -> None:
    """Bit by bit on a CPU: a run that lost its last steps makes them again."""
    recipe = recipe_for(
        make_recipe,
        long,
        "given",
        optimiser=OptimiserPart(rate=1e-3, epochs=2, accumulation=4),
        validation=ValidationPart(share=0.2, max_tokens=8),
        options=SEEN,
    )
    recipe = dataclasses.replace(recipe, run=dataclasses.replace(recipe.run, save_every=2))
    assert fit(recipe, tmp_path / "run") == 0
    again = tmp_path / "again"
    shutil.copytree(tmp_path / "run", again)
    last = _last_checkpoint(again)
    last.unlink()
    assert fit(recipe, again, resume=True) == 0
    assert _last_checkpoint(again) == last
    assert last.read_bytes() == _last_checkpoint(tmp_path / "run").read_bytes()
    lines = [json.loads(line) for line in (tmp_path / "run" / "train.jsonl").read_text().splitlines()]
    found = [line["validation"] for line in lines if "validation" in line]
    assert [(each["metric"], each["n"]) for each in found] == [("tl_accuracy", 1)] * 2


def _last_checkpoint(run: Path) -> Path:
    return max((run / "checkpoints").iterdir())
