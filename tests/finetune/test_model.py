"""Which modules are adapted, and that nothing else is; 4-bit weights and their refusal."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from finetune.model import adapted_modules, adapter_parameters, add_lora, attention, describe_modules, load_thinker
from finetune.recipe import LoraPart, ModelPart, OptimiserPart, Recipe
from finetune.rows import join, learner
from finetune.session import Session
from infer.checkpoint import Checkpoint
from tests.finetune.conftest import both, needs_training

pytestmark = needs_training

ATTENTION = [f"self_attn.{name}_proj" for name in "qkvo"]
FEED_FORWARD = [f"mlp.{name}_proj" for name in ("gate", "up", "down")]
FUSED = ["mlp.experts.down_proj", "mlp.experts.gate_up_proj"]


def adapted(bases: dict[str, Path], family: str, **lora: Any) -> Any:
    part = ModelPart(path=str(bases[family]))
    thinker = load_thinker(Checkpoint(part.path), part, "cpu")
    return add_lora(thinker, Recipe(model=part, lora=LoraPart(**lora)))


def names(kinds: list[str]) -> set[str]:
    return {f"model.layers.{layer}.{kind}" for layer in range(2) for kind in kinds}


@pytest.mark.parametrize(
    ("family", "lora", "kinds"),
    [
        ("qwen2_5_omni", {}, [*ATTENTION, *FEED_FORWARD]),
        ("qwen2_5_omni", {"modules": ("q_proj", "down_proj")}, ["self_attn.q_proj", "mlp.down_proj"]),
        ("qwen3_omni_moe", {}, ATTENTION),
        ("qwen3_omni_moe", {"experts": True}, [*ATTENTION, *FUSED]),
    ],
)
def test_the_language_layers_alone_are_adapted(
    bases: dict[str, Path], family: str, lora: dict[str, Any], kinds: list[str]
) -> None:
    model = adapted(bases, family, **lora)
    found = adapted_modules(model)
    assert set(found) == names(kinds)
    assert len(found) == len(set(found))
    trained = set(adapter_parameters(model))
    assert trained
    assert all(".lora_" in name and ".model.layers." in name for name in trained)
    frozen = [name for name, each in model.named_parameters() if not each.requires_grad]
    assert any("audio_tower" in name for name in frozen)
    assert any("visual" in name for name in frozen)
    for kind in kinds:
        assert f"  model.layers.*.{kind}: 2" in describe_modules(found)


@pytest.mark.parametrize(
    ("family", "lora", "said"),
    [
        ("qwen2_5_omni", {"experts": True}, "this model has no experts"),
        ("qwen2_5_omni", {"modules": ("q",)}, "legal are q_proj, k_proj"),
        ("qwen2_5_omni", {"modules": ()}, "legal are q_proj, k_proj"),
        ("qwen3_omni_moe", {"modules": ("gate_proj",)}, "would touch nothing"),
        ("qwen3_omni_moe", {"experts": True, "dropout": 0.1}, "takes lora.dropout = 0"),
    ],
)
def test_an_adapter_that_cannot_be_is_refused(
    bases: dict[str, Path], family: str, lora: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        adapted(bases, family, **lora)


def test_the_seed_decides_the_first_weights(bases: dict[str, Path]) -> None:
    import torch

    part = ModelPart(path=str(bases["qwen2_5_omni"]))

    def first(seed: int) -> Any:
        thinker = load_thinker(Checkpoint(part.path), part, "cpu")
        model = add_lora(thinker, Recipe(model=part, optimiser=OptimiserPart(seed=seed)))
        return torch.cat([each.flatten() for each in adapter_parameters(model).values()])

    assert torch.equal(first(0), first(0))
    assert not torch.equal(first(0), first(1))


def test_a_4_bit_model_takes_a_step(bases: dict[str, Path], sessions: dict[str, Session]) -> None:
    """QLoRA on the dense family: packed language layers, whole towers, gradients in the adapter alone."""
    import torch

    bitsandbytes = pytest.importorskip("bitsandbytes")
    part = ModelPart(path=str(bases["qwen2_5_omni"]), quantise="nf4")
    thinker = load_thinker(Checkpoint(part.path), part, "cpu")
    packed = {name for name, each in thinker.named_modules() if isinstance(each, bitsandbytes.nn.Linear4bit)}
    assert packed == names([*ATTENTION, *FEED_FORWARD])
    model = add_lora(thinker, Recipe(model=part))
    assert set(adapted_modules(model)) == packed
    session = sessions["qwen2_5_omni"]
    example = session.maker.make(session.maker.wait(session.chosen.train[0]))
    module, parameters = learner(model), adapter_parameters(model)
    optimiser = torch.optim.AdamW(parameters.values(), lr=1e-2)
    losses = []
    for _ in range(4):
        loss = module(join([example]))
        loss.backward()
        assert all(each.grad is None for each in model.parameters() if not each.requires_grad)
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_4_bit_experts_are_refused_with_the_reason(bases: dict[str, Path]) -> None:
    part = ModelPart(path=str(bases["qwen3_omni_moe"]), quantise="nf4")
    with pytest.raises(ValueError, match="fused parameters: they would stay as they are and nothing would be saved"):
        load_thinker(Checkpoint(part.path), part, "cpu")


@both
def test_weights_are_those_of_the_checkpoint(bases: dict[str, Path], family: str) -> None:
    import torch
    from safetensors.torch import load_file

    part = ModelPart(path=str(bases[family]))
    thinker = load_thinker(Checkpoint(part.path), part, "cpu")
    stored = load_file(str(bases[family] / "model.safetensors"))
    state = {f"thinker.{name}": tensor for name, tensor in thinker.state_dict().items()}
    assert state.keys() == stored.keys()
    assert all(torch.equal(state[name], stored[name]) for name in stored)
    half = load_thinker(Checkpoint(part.path), dataclasses.replace(part, dtype="bfloat16"), "cpu")
    assert {each.dtype for each in half.parameters()} == {torch.bfloat16}


def test_attention_is_what_was_asked_for() -> None:
    assert attention(ModelPart(attention="eager"), "cuda") == "eager"
    assert attention(ModelPart(), "cpu") == "sdpa"
