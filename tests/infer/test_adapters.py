"""Adapter files: legal names, names of other tools, and adapters of another base model."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from infer.adapters import CONFIG, WEIGHTS, check_adapter, check_fit, convert_adapter, legal_name, weight_shapes
from infer.checkpoint import Checkpoint
from infer.vllm_engine import check_cpu_adapter

LEGAL = "base_model.model.thinker.model.layers.0.self_attn.q_proj.lora_A.weight"
TEXT = {
    "hidden_size": 8,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
}
DENSE = {"thinker_config": {"text_config": TEXT}}
EXPERTS = {"thinker_config": {"text_config": {**TEXT, "num_experts": 4, "moe_intermediate_size": 6}}}


def adapter(folder: Path, shapes: dict[str, tuple[int, ...]], **config: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    save_file({name: random.normal(size=s).astype(np.float32) for name, s in shapes.items()}, str(folder / WEIGHTS))
    (folder / CONFIG).write_text(json.dumps({"r": 2, "lora_alpha": 4, "target_modules": "any", **config}))
    return folder


def module(name: str, inputs: int, outputs: int, prefix: str = "base_model.model.thinker.model.") -> dict[str, Any]:
    return {f"{prefix}{name}.lora_A.weight": (2, inputs), f"{prefix}{name}.lora_B.weight": (outputs, 2)}


@pytest.mark.parametrize(
    "name",
    [
        LEGAL,
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
        "base_model.model.thinker.model.language_model.layers.0.self_attn.q_proj.lora_A.weight",
        "base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.default.weight",
        "thinker.model.layers.0.self_attn.q_proj.lora_A.weight",
        "model.layers.0.self_attn.q_proj.lora_A.weight",
    ],
)
def test_names_of_other_tools_have_a_legal_one(name: str) -> None:
    assert legal_name(name) == LEGAL


@pytest.mark.parametrize(
    "name",
    [
        "base_model.model.thinker.audio_tower.layers.0.self_attn.q_proj.lora_A.weight",
        "base_model.model.thinker.visual.blocks.0.attn.q.lora_A.weight",
        "base_model.model.talker.model.layers.0.self_attn.q_proj.lora_A.weight",
        "base_model.model.thinker.model.layers.0.self_attn.q_proj.lora_magnitude_vector.weight",
        "base_model.model.thinker.lm_head.lora_A.weight",
        "base_model.model.thinker.model.layers.x.self_attn.q_proj.lora_A.weight",
        "",
    ],
)
def test_what_no_engine_applies_has_none(name: str) -> None:
    assert legal_name(name) is None


def test_a_foreign_adapter_is_converted_and_its_numbers_stay(tmp_path: Path) -> None:
    shapes = module("layers.0.self_attn.q_proj", 8, 8, "base_model.model.model.")
    shapes |= module("layers.11.mlp.down_proj", 16, 8, "base_model.model.model.language_model.")
    foreign = adapter(tmp_path / "foreign", shapes, base_model_name_or_path="x/y")
    with pytest.raises(ValueError, match="4 of 4 weights have names"):
        check_adapter(foreign)
    found = convert_adapter(foreign, tmp_path / "legal")
    assert found == tmp_path / "legal"
    check_adapter(found)
    before, after = load_file(str(foreign / WEIGHTS)), load_file(str(found / WEIGHTS))
    assert {legal_name(name) for name in before} == set(after)
    assert all(np.array_equal(value, after[str(legal_name(name))]) for name, value in before.items())
    config = json.loads((found / CONFIG).read_text())
    assert config["target_modules"] == ["mlp.down_proj", "self_attn.q_proj"]
    assert (config["lora_alpha"], config["base_model_name_or_path"]) == (4, "x/y")


def test_a_legal_adapter_is_taken_as_it_is(tmp_path: Path) -> None:
    legal = adapter(tmp_path / "a", module("layers.0.self_attn.q_proj", 8, 8))
    assert convert_adapter(legal, tmp_path / "b") == legal
    assert not (tmp_path / "b").exists()


def test_an_adapted_tower_is_refused_by_name(tmp_path: Path) -> None:
    shapes = module("layers.0.self_attn.q_proj", 8, 8) | module("layers.0.k_proj", 8, 8, "thinker.audio_tower.")
    with pytest.raises(ValueError, match=r"2 of 4 weights cannot be applied, such as 'thinker.audio_tower.layers.0"):
        convert_adapter(adapter(tmp_path / "a", shapes), tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_two_names_of_one_weight_are_refused(tmp_path: Path) -> None:
    shapes = module("layers.0.self_attn.q_proj", 8, 8) | module("layers.0.self_attn.q_proj", 8, 8, "model.")
    with pytest.raises(ValueError, match="two of its weights stand for the same one"):
        convert_adapter(adapter(tmp_path / "a", shapes), tmp_path / "b")


DENSE_LAYER = {
    "layers.1.self_attn.q_proj": (8, 8),
    "layers.1.self_attn.k_proj": (8, 4),
    "layers.1.self_attn.v_proj": (8, 4),
    "layers.1.self_attn.o_proj": (8, 8),
    "layers.1.mlp.gate_proj": (8, 16),
    "layers.1.mlp.up_proj": (8, 16),
    "layers.1.mlp.down_proj": (16, 8),
}


def layer(sizes: dict[str, tuple[int, int]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, size in sizes.items():
        found |= module(name, *size)
    return found


def test_an_adapter_fits_its_own_base(tmp_path: Path) -> None:
    check_fit(adapter(tmp_path / "a", layer(DENSE_LAYER)), "any", DENSE)
    fused = {"layers.0.mlp.experts.base_layer": (8, 12), "layers.0.mlp.experts": (6, 8)}
    check_fit(adapter(tmp_path / "b", layer(fused)), "any", EXPERTS)
    check_fit(adapter(tmp_path / "c", layer(DENSE_LAYER)), "any", {"thinker_config": {}})


@pytest.mark.parametrize(
    ("sizes", "config", "said"),
    [
        ({"layers.2.self_attn.q_proj": (8, 8)}, DENSE, r"it adapts layer 2, and the model has 2 \(0 to 1\)"),
        ({"layers.0.self_attn.q_proj": (9, 8)}, DENSE, r"self_attn.q_proj takes 8 there, the adapter has 9"),
        ({"layers.0.mlp.up_proj": (8, 17)}, DENSE, r"mlp.up_proj takes 16 there, the adapter has 17"),
        ({"layers.0.mlp.up_proj": (8, 16)}, EXPERTS, r"it adapts mlp.up_proj, which the model does not have"),
        ({"layers.0.mlp.experts": (6, 8)}, DENSE, r"it adapts mlp.experts, which the model does not have"),
    ],
)
def test_an_adapter_of_another_base_is_refused(
    sizes: dict[str, tuple[int, int]], config: dict[str, Any], said: str, tmp_path: Path
) -> None:
    made = adapter(tmp_path / "a", layer(sizes), base_model_name_or_path="Qwen/Other")
    with pytest.raises(ValueError, match=f"is no adapter for here: {said}; it was trained on Qwen/Other"):
        check_fit(made, "here", config)


def test_another_hub_name_is_another_base(tmp_path: Path) -> None:
    made = adapter(tmp_path / "a", layer(DENSE_LAYER), base_model_name_or_path="Qwen/Qwen2.5-Omni-7B")
    check_fit(made, "Qwen/Qwen2.5-Omni-7B", DENSE)
    check_fit(made, "mirror/Qwen2.5-Omni-7B", DENSE)
    check_fit(made, str(tmp_path), DENSE)
    with pytest.raises(ValueError, match=r"is no adapter for Qwen/Qwen2\.5-Omni-3B: it was trained on Qwen/Qwen2\.5"):
        check_fit(made, "Qwen/Qwen2.5-Omni-3B", DENSE)


@pytest.mark.parametrize("content", [b"", b"12345678", b"\xff" * 40, b"\x08" + bytes(7) + b"[1,2,3] ", b"{}" * 20])
def test_a_file_of_another_kind(content: bytes, tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_text("{}")
    (tmp_path / WEIGHTS).write_bytes(content)
    with pytest.raises(ValueError, match="is no safetensors file"):
        weight_shapes(tmp_path)


def test_a_damaged_configuration(tmp_path: Path) -> None:
    made = adapter(tmp_path, layer(DENSE_LAYER))
    (made / CONFIG).write_text("[]")
    with pytest.raises(ValueError, match="is no JSON object; the adapter is damaged"):
        check_fit(made, "any", DENSE)


def base(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2_5_omni", **DENSE}))
    return folder


def test_a_checkpoint_takes_an_adapter_of_another_tool(tmp_path: Path) -> None:
    model = base(tmp_path / "base")
    foreign = adapter(tmp_path / "foreign", module("layers.1.self_attn.q_proj", 8, 8, "base_model.model.model."))
    lora = Checkpoint(str(model), foreign).lora
    assert lora is not None
    assert lora.parent == tmp_path
    check_adapter(lora)
    times = {path: path.stat().st_mtime_ns for path in lora.iterdir()}
    assert Checkpoint(str(model), foreign).lora == lora
    assert {path: path.stat().st_mtime_ns for path in lora.iterdir()} == times, "a copy that is there is taken"
    adapter(foreign, module("layers.0.self_attn.q_proj", 8, 8, "base_model.model.model."))
    assert Checkpoint(str(model), foreign).lora != lora, "another content, another copy"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_checkpoint_takes_a_legal_adapter_as_it_is(tmp_path: Path) -> None:
    model, legal = base(tmp_path / "base"), adapter(tmp_path / "legal", layer(DENSE_LAYER))
    assert Checkpoint(str(model), legal).lora == legal
    assert Checkpoint(str(model)).lora is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "legal"]


def test_a_checkpoint_refuses_an_adapter_of_another_base_and_none_at_all(tmp_path: Path) -> None:
    model = str(base(tmp_path / "base"))
    with pytest.raises(ValueError, match=r"is no adapter for .*base: it adapts layer 2"):
        Checkpoint(model, adapter(tmp_path / "a", module("layers.2.self_attn.q_proj", 8, 8)))
    with pytest.raises(ValueError, match="cannot be applied, such as 'thinker"):
        Checkpoint(model, adapter(tmp_path / "b", {"thinker.visual.merger.lora_A.weight": (2, 8)}))
    with pytest.raises(ValueError, match="no such folder; --adapter takes a LoRA adapter's folder"):
        Checkpoint(model, tmp_path / "c")


def test_a_cpu_takes_no_adapter_beside_experts(monkeypatch: pytest.MonkeyPatch) -> None:
    for family, refused in (("qwen3_omni_moe", True), ("qwen2_5_omni", False)):
        checkpoint = Checkpoint("any")
        monkeypatch.setitem(vars(checkpoint), "family", family)
        with pytest.raises(ValueError, match="--merge") if refused else nullcontext():
            check_cpu_adapter(checkpoint)
