"""Rows: the loss is that of the whole model, packed or not, and logits are computed where something is learned."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.examples import Example
from finetune.model import load_thinker
from finetune.rows import group, join, learner
from finetune.session import Session
from infer.media import load_clip
from tests.finetune.conftest import both, needs_training

pytestmark = needs_training


def made(session: Session, count: int) -> list[Example]:
    return [session.maker.make(session.maker.wait(sample)) for sample in session.chosen.train[:count]]


def plain_loss(session: Session, example: Example) -> Any:
    """The summed loss by transformers' own forward: raw pixels and mel frames in, logits for every token out."""
    import torch

    (sample,) = [each for each in session.chosen.train if each.id == example.id]
    (medium,) = sample.media
    clip = load_clip(medium, session.recipe.clip, session.processor.checkpoint.factor)
    features = session.processor.features(clip)
    thinker = session.model.get_base_model()
    labels = example.tokens.clone()
    labels[: -example.learned] = -100
    out = thinker(
        input_ids=example.tokens[None],
        attention_mask=torch.ones_like(example.tokens)[None],
        position_ids=example.positions[:, None],
        labels=labels[None],
        **features,
    )
    return out.loss * example.learned


@both
def test_the_loss_is_that_of_the_whole_forward(sessions: dict[str, Session], family: str) -> None:
    import torch

    session = sessions[family]
    thinker = session.model.get_base_model()
    fresh = load_thinker(session.processor.checkpoint, session.recipe.model, "cpu")
    thinker.audio_tower, thinker.visual = fresh.audio_tower, fresh.visual
    module = learner(session.model)
    with torch.no_grad():
        for example in made(session, 2):
            assert module(join([example])).item() == pytest.approx(plain_loss(session, example).item(), rel=1e-5)
    thinker.audio_tower = thinker.visual = None  # as the session had it


def gradients(session: Session, rows: list[Any]) -> tuple[float, dict[str, Any]]:
    module = learner(session.model)
    module.zero_grad()
    losses = [module(row) for row in rows]
    for loss in losses:
        loss.backward()
    found = {name: each.grad.clone() for name, each in session.model.named_parameters() if each.grad is not None}
    return sum(loss.item() for loss in losses), found


@both
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_packed_equals_unpacked(sessions: dict[str, Session], family: str, attention: str) -> None:
    import torch

    session = sessions[family]
    session.model.get_base_model().model.set_attn_implementation(attention)
    try:
        examples = made(session, 4)
        apart, theirs = gradients(session, [join([example]) for example in examples])
        packed, ours = gradients(session, [join(examples)])
        swapped, _ = gradients(session, [join(examples[::-1])])
    finally:
        session.model.get_base_model().model.set_attn_implementation("sdpa")
    assert packed == pytest.approx(apart, rel=1e-5)
    assert swapped == pytest.approx(apart, rel=1e-5)
    assert ours.keys() == theirs.keys()
    assert all(torch.allclose(ours[name], theirs[name], rtol=1e-3, atol=1e-5) for name in ours)
    assert sum(float(each.abs().sum()) for each in ours.values()) > 0


@both
def test_examples_in_a_row_do_not_see_each_other(sessions: dict[str, Session], family: str) -> None:
    import torch

    session = sessions[family]
    first, second = made(session, 2)
    other = dataclasses.replace(first, tokens=torch.where(first.tokens == first.tokens[5], 7, first.tokens))
    module = learner(session.model)
    last = dataclasses.replace(second, weight=1.0)
    mute = dataclasses.replace(first, weight=0.0), dataclasses.replace(other, weight=0.0)
    with torch.no_grad():
        losses = [module(join([each, last])).item() for each in mute]
    assert losses[0] == losses[1] != 0


@both
def test_logits_are_computed_where_something_is_learned(sessions: dict[str, Session], family: str) -> None:
    import torch

    session = sessions[family]
    examples = made(session, 2)
    seen: list[int] = []
    head = session.model.get_base_model().lm_head
    hook = head.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0].shape[0]))
    with torch.no_grad():
        learner(session.model)(join(examples))
    hook.remove()
    assert seen == [sum(example.learned for example in examples)]
    assert seen[0] < sum(map(len, examples)) / 10


def test_the_weight_of_a_sample_multiplies_its_loss(sessions: dict[str, Session]) -> None:
    import torch

    session = sessions["qwen2_5_omni"]
    module = learner(session.model)
    first, second = made(session, 2)
    with torch.no_grad():
        whole = [module(join([each])).item() for each in (first, second)]
        mixed = module(join([dataclasses.replace(first, weight=0.25), second])).item()
    assert mixed == pytest.approx(0.25 * whole[0] + whole[1], rel=1e-5)


def test_label_smoothing_mixes_in_the_uniform_distribution(sessions: dict[str, Session]) -> None:
    import torch

    session = sessions["qwen2_5_omni"]
    row = join(made(session, 1))
    logits: list[Any] = []
    head = session.model.get_base_model().lm_head
    hook = head.register_forward_hook(lambda _module, _inputs, output: logits.append(output))
    with torch.no_grad():
        found = learner(session.model, 0.2)(row).item()
    hook.remove()
    logprobs = torch.log_softmax(logits[0].float(), -1)
    exact = logprobs.gather(1, row.targets[:, None])[:, 0]
    assert found == pytest.approx(float((-0.8 * exact - 0.2 * logprobs.mean(-1)).sum()), rel=1e-5)


def test_placeholders_without_vectors_are_an_error(sessions: dict[str, Session]) -> None:
    session = sessions["qwen2_5_omni"]
    row = dataclasses.replace(join(made(session, 1)), audio=None)
    with pytest.raises(ValueError, match=r"\d+ audio placeholders for 0 vectors"):
        learner(session.model)(row)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.integers(1, 60))
def test_packing_loses_and_repeats_nothing(lengths: list[int], limit: int) -> None:
    rows = group(lengths, limit, 1)
    assert sorted(place for row in rows for place in row) == list(range(len(lengths)))
    assert all(sum(lengths[place] for place in row) <= limit or len(row) == 1 for row in rows)
    # First fit: no two rows could be one.
    loads = [sum(lengths[place] for place in row) for row in rows]
    fitting = [load for load in loads if load <= limit]
    assert all(a + b > limit for i, a in enumerate(fitting) for b in fitting[i + 1 :] if min(a, b) <= limit / 2)


def test_without_packing_a_row_holds_a_batch_in_order() -> None:
    lengths = [5, 1, 9, 2, 7]
    assert group(lengths, 0, 1) == [[0], [1], [2], [3], [4]]
    assert group(lengths, 0, 2) == [[0, 1], [2, 3], [4]]
