"""Adapter files: legal names, names of other tools, and adapters of another base model."""

from __future__ import annotations

import json
import os
import struct
from contextlib import nullcontext
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from infer import adapters
from infer.adapters import (
    CONFIG,
    WEIGHTS,
    base_model,
    check_adapter,
    check_config,
    check_fit,
    convert_adapter,
    legal_name,
    scale,
    weight_shapes,
)
from infer.cache import user_cache
from infer.checkpoint import Checkpoint
from infer.vllm_engine import VllmEngine, VllmOptions, check_cpu_adapter, lora_room
from tests.infer.conftest import HAS_ENGINE, NO_ENGINE

LEGAL = "base_model.model.thinker.model.layers.0.self_attn.q_proj.lora_A.weight"
TEXT = {
    "hidden_size": 8,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
}
EXPERTS = {**TEXT, "num_experts": 4, "moe_intermediate_size": 6}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "omnimer" / "adapters"


def adapter(folder: Path, shapes: dict[str, tuple[int, ...]], **config: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    save_file({name: random.normal(size=s).astype(np.float32) for name, s in shapes.items()}, str(folder / WEIGHTS))
    (folder / CONFIG).write_text(json.dumps({"r": 2, "lora_alpha": 4, "target_modules": "any", **config}))
    return folder


FULL = "base_model.model.thinker.model."


def module(name: str, inputs: int, outputs: int, prefix: str = FULL, rank: int = 2) -> dict[str, Any]:
    return {f"{prefix}{name}.lora_A.weight": (rank, inputs), f"{prefix}{name}.lora_B.weight": (outputs, rank)}


ONE = module("layers.0.self_attn.q_proj", 8, 8)
A, B = ONE


def raw(folder: Path, header: bytes, data: bytes = b"1234") -> Path:
    """An adapter with a weight file of any header."""
    made = adapter(folder, ONE)
    (made / WEIGHTS).write_bytes(struct.pack("<Q", len(header)) + header + data)
    return made


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
    check_fit(adapter(tmp_path / "a", layer(DENSE_LAYER)), "any", TEXT)
    fused = module("layers.0.mlp.experts.base_layer", 8, 12, rank=8) | module("layers.0.mlp.experts", 6, 8, rank=8)
    check_config(adapter(tmp_path / "b", fused))
    check_fit(tmp_path / "b", "any", EXPERTS)
    check_fit(adapter(tmp_path / "c", layer(DENSE_LAYER)), "any", {})


@pytest.mark.parametrize(
    ("shapes", "text", "said"),
    [
        (module("layers.2.self_attn.q_proj", 8, 8), TEXT, r"it adapts layer 2, and the model has 2 \(0 to 1\)"),
        (module("layers.0.self_attn.q_proj", 9, 8), TEXT, r"self_attn.q_proj takes 8 there, the adapter has 9"),
        (module("layers.0.mlp.up_proj", 8, 17), TEXT, r"mlp.up_proj takes 16 there, the adapter has 17"),
        (module("layers.0.mlp.up_proj", 8, 16), EXPERTS, r"it adapts 'mlp.up_proj', which the model does not have"),
        (module("layers.0.mlp.experts", 6, 8), TEXT, r"it adapts 'mlp.experts', which the model does not have"),
        (module("layers.0.mlp.experts", 6, 8, rank=6), EXPERTS, r"mlp.experts has 6 ranks, and r x 4 experts is 8"),
        (module("layers.0.mlp.experts", 6, 8), {}, r"it adapts 'mlp.experts', which the model does not have"),
        ({A: (2, 8, 1)}, TEXT, r".*q_proj.lora_A.weight' of shape \(2, 8, 1\) is no LoRA weight"),
    ],
)
def test_an_adapter_of_another_base_is_refused(
    shapes: dict[str, tuple[int, ...]], text: dict[str, Any], said: str, tmp_path: Path
) -> None:
    made = adapter(tmp_path / "a", shapes, base_model_name_or_path="Qwen/Other")
    with pytest.raises(ValueError, match=f"is no adapter for here: {said}; it was trained on 'Qwen/Other'"):
        check_fit(made, "here", text)


def test_another_hub_name_is_another_base(tmp_path: Path) -> None:
    made = adapter(tmp_path / "a", layer(DENSE_LAYER), base_model_name_or_path="Qwen/Qwen2.5-Omni-7B")
    check_fit(made, "Qwen/Qwen2.5-Omni-7B", TEXT)
    check_fit(made, "mirror/Qwen2.5-Omni-7B", TEXT)
    check_fit(made, str(tmp_path), TEXT)
    with pytest.raises(ValueError, match=r"is no adapter for Qwen/Qwen2\.5-Omni-3B: it was trained on 'Qwen/Qwen2\.5"):
        check_fit(made, "Qwen/Qwen2.5-Omni-3B", TEXT)


@pytest.mark.parametrize("key", ["hidden_size", "num_attention_heads", "intermediate_size", "num_hidden_layers"])
@pytest.mark.parametrize("value", [None, "16", -1, 1.5, [], 0])
def test_a_base_with_a_missing_or_damaged_size(key: str, value: object, tmp_path: Path) -> None:
    """What the configuration leaves out is not compared; what is no number is refused."""
    made = adapter(tmp_path / "a", layer(DENSE_LAYER))
    wrong = pytest.raises(ValueError, match=rf"{key} is .*; a whole number above 0 is legal")
    with nullcontext() if value is None else wrong:
        check_fit(made, "any", TEXT | {key: value})


@pytest.mark.parametrize("key", ["moe_intermediate_size", "intermediate_size"])
def test_a_base_that_does_not_say_its_inner_size(key: str, tmp_path: Path) -> None:
    text = {name: value for name, value in (EXPERTS if key[0] == "m" else TEXT).items() if name != key}
    check_fit(adapter(tmp_path / "a", ONE), "any", text)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"peft_type": "IA3"}, "peft_type is 'IA3'; LORA is legal"),
        ({"use_dora": True}, "use_dora is set; plain LoRA alone"),
        ({"lora_bias": True}, "lora_bias is set"),
        ({"rank_pattern": {"q_proj": 4}}, "rank_pattern is set"),
        ({"alpha_pattern": {"q_proj": 4}}, "alpha_pattern is set"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save is set"),
        ({"layer_replication": [[0, 2]]}, "layer_replication is set"),
        ({"alora_invocation_tokens": [1, 2]}, "alora_invocation_tokens is set"),
        ({"use_qalora": True}, "use_qalora is set"),
        ({"use_bdlora": {"nblocks": 2}}, "use_bdlora is set"),
        ({"arrow_config": {"top_k": 3}}, "arrow_config is set"),
        ({"kasa_config": {"beta": 1e-4}}, "kasa_config is set"),
        ({"trainable_token_indices": [3]}, "trainable_token_indices is set"),
        ({"bias": "all"}, "bias is 'all'; none is legal"),
        ({"bias": ["none"]}, "bias is .'none'.; none is legal"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights is 'pissa'.*path_initial_model_for_weight_conversion"),
        ({"init_lora_weights": "pissa_niter_16"}, "init_lora_weights is 'pissa_niter_16'"),
        ({"init_lora_weights": "olora"}, "init_lora_weights is 'olora'"),
        ({"init_lora_weights": "corda"}, "init_lora_weights is 'corda'"),
        ({"init_lora_weights": "loftq"}, "init_lora_weights is 'loftq'"),
        ({"init_lora_weights": "lora_ga"}, "init_lora_weights is 'lora_ga'"),
        ({"init_lora_weights": ["pissa"]}, "init_lora_weights is .'pissa'."),
        ({"r": None}, "r is None; a whole number above 0 is legal"),
        ({"r": 0}, "r is 0; a whole number above 0"),
        ({"r": -2}, "r is -2; a whole number above 0"),
        ({"r": "2"}, "r is '2'; a whole number above 0"),
        ({"r": 2.0}, "r is 2.0; a whole number above 0"),
        ({"r": True}, "r is True; a whole number above 0"),
        ({"lora_alpha": None}, "lora_alpha is None; a finite number is legal"),
        ({"lora_alpha": "4"}, "lora_alpha is '4'; a finite number"),
        ({"lora_alpha": float("nan")}, "lora_alpha is nan; a finite number"),
        ({"lora_alpha": float("-inf")}, "lora_alpha is -inf; a finite number"),
        ({"lora_alpha": 10**400}, "lora_alpha is 10{9,}.*; a finite number"),
        ({"lora_alpha": True}, "lora_alpha is True; a finite number"),
        ({"use_rslora": "false"}, "use_rslora is 'false'; true and false are legal"),
        ({"base_model_name_or_path": ["x"]}, "base_model_name_or_path is .'x'.; a name or a folder is legal"),
    ],
)
def test_a_configuration_that_no_place_applies_is_refused(config: dict[str, Any], said: str, tmp_path: Path) -> None:
    made = adapter(tmp_path / "a", ONE, **config)
    with pytest.raises(ValueError, match=rf"a/{CONFIG}: {said}"):
        check_config(made)
    with pytest.raises(ValueError, match=said):
        Checkpoint(str(base(tmp_path / "base")), made)


@pytest.mark.parametrize("init", [True, False, None, "gaussian", "Gaussian", "orthogonal", "eva", "mica"])
def test_a_start_that_leaves_the_base_as_it_is(init: object, tmp_path: Path) -> None:
    plain = {"peft_type": "LORA", "bias": "none", "use_dora": False, "rank_pattern": {}, "modules_to_save": None}
    check_config(adapter(tmp_path / "a", ONE, init_lora_weights=init, use_rslora=True, **plain))


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ({A: (2, 8)}, "'.*q_proj' has lora_A and no lora_B; the file is damaged"),
        ({B: (8, 2)}, "'.*q_proj' has lora_B and no lora_A; the file is damaged"),
        (
            {A: (4, 8), B: (8, 2)},
            r"'.*q_proj' has lora_A of shape \(4, 8\) and lora_B of \(8, 2\), and r is 2",
        ),
        ({A: (4, 8), B: (8, 4)}, r"lora_A of shape \(4, 8\) and lora_B of \(8, 4\), and r is 2"),
        ({A: (2,), B: (8, 2)}, r"lora_A of shape \(2,\) and lora_B of \(8, 2\), and r is 2"),
        (module("layers.0.mlp.experts", 8, 8, rank=7), r"experts' has lora_A of shape \(7, 8\) .* and r is 2"),
    ],
)
@pytest.mark.parametrize("prefix", [FULL, "model."])
def test_weights_that_are_no_pairs_of_the_rank_are_refused(
    shapes: dict[str, tuple[int, ...]], said: str, prefix: str, tmp_path: Path
) -> None:
    made = adapter(tmp_path / "a", {name.replace(FULL, prefix): shape for name, shape in shapes.items()})
    with pytest.raises(ValueError, match=f"a/{WEIGHTS}: .*{said}"):
        check_config(made)


def test_weights_of_whole_numbers_are_refused(tmp_path: Path) -> None:
    made = adapter(tmp_path / "a", ONE)
    save_file({A: np.ones((2, 8), np.int8), B: np.ones((8, 2), np.float32)}, str(made / WEIGHTS))
    with pytest.raises(ValueError, match=r"lora_A.weight' is of type I8; F16, BF16, F32 and F64 are legal"):
        check_config(made)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(value: float, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    made = adapter(tmp_path / "a", ONE)
    assert [name for name, _ in adapters.read_weights(made)] == [A, B]
    save_file({A: np.full((2, 8), value, np.float32), B: np.ones((8, 2), np.float32)}, str(made / WEIGHTS))
    with pytest.raises(ValueError, match=r"lora_A.weight' holds values that are not finite"):
        list(adapters.read_weights(made))


def test_the_factor_of_the_update() -> None:
    assert scale({"r": 16, "lora_alpha": 32}) == 2
    assert scale({"r": 16, "lora_alpha": 8, "use_rslora": True}) == 2


def test_names_for_people_are_short_and_plain(tmp_path: Path) -> None:
    """A name out of a file is neither a page of text nor a terminal's command."""
    made = adapter(tmp_path / "a", layer(DENSE_LAYER), base_model_name_or_path="a" * 5000 + "/b\x1b[2J")
    with pytest.raises(ValueError, match="is no adapter for here") as caught:
        check_fit(made, "here", EXPERTS)
    assert len(str(caught.value)) < 600
    assert "\x1b" not in str(caught.value)
    odd = adapter(tmp_path / "b", {"\x1b[2J" * 1000: (2, 8)})
    with pytest.raises(ValueError, match="cannot be applied, such as") as caught:
        convert_adapter(odd, tmp_path / "c")
    assert len(str(caught.value)) < 600
    assert "\x1b" not in str(caught.value)


def entry(shape: object, dtype: str = "F32", offsets: object = (0, 4)) -> bytes:
    return json.dumps({A: {"dtype": dtype, "shape": shape, "data_offsets": offsets}}).encode()


@pytest.mark.parametrize("content", [b"", b"12345678", b"\xff" * 40, b"\x08" + bytes(7) + b"[1,2,3] ", b"{}" * 20])
def test_a_file_of_another_kind(content: bytes, tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_text("{}")
    (tmp_path / WEIGHTS).write_bytes(content)
    with pytest.raises(ValueError, match="is no safetensors file"):
        weight_shapes(tmp_path)


@pytest.mark.parametrize(
    "header",
    [
        entry([2, 8]),
        entry([1], offsets=(0, 8)),
        entry("ab"),
        entry([True, None]),
        entry([16, 10**30]),
        entry([1], dtype="??"),
        entry("\x1b[2J" * 1000),
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 50_000,
    ],
    ids=["shape", "offsets", "word", "none", "huge", "dtype", "long", "deep list", "deep object"],
)
def test_a_header_that_lies(header: bytes, tmp_path: Path) -> None:
    made = raw(tmp_path / "a", header)
    for check in (check_adapter, check_config, lambda folder: convert_adapter(folder, tmp_path / "out")):
        with pytest.raises(ValueError, match="is no safetensors file") as caught:
            check(made)
        assert len(str(caught.value)) < 400
        assert "\x1b" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", ["[]", "{", "\xff", '"r"', "[" * 100_000 + "]" * 100_000])
def test_a_damaged_configuration(content: str, tmp_path: Path) -> None:
    made = adapter(tmp_path, layer(DENSE_LAYER))
    (made / CONFIG).write_text(content, encoding="latin-1")
    for check in (check_config, base_model):
        with pytest.raises(ValueError, match="is no JSON object; the adapter is damaged"):
            check(made)


@pytest.mark.parametrize("missing", [CONFIG, WEIGHTS])
def test_a_folder_without_an_adapter(missing: str, tmp_path: Path) -> None:
    made = adapter(tmp_path, ONE)
    (made / missing).unlink()
    with pytest.raises(ValueError, match=f"{CONFIG} and {WEIGHTS} were expected there"):
        check_config(made)


def base(folder: Path, text: dict[str, Any] = TEXT) -> Path:
    folder.mkdir(exist_ok=True)
    config = {"model_type": "qwen2_5_omni", "thinker_config": {"text_config": text}}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


FOREIGN = module("layers.1.self_attn.q_proj", 8, 8, "base_model.model.model.")


def test_a_checkpoint_takes_an_adapter_of_another_tool(tmp_path: Path, cache: Path) -> None:
    model = base(tmp_path / "base")
    foreign = adapter(tmp_path / "foreign", FOREIGN)
    lora = Checkpoint(str(model), foreign).lora
    assert lora is not None
    assert lora.parent == cache
    check_adapter(lora)
    times = {path: path.stat().st_mtime_ns for path in lora.iterdir()}
    assert Checkpoint(str(model), foreign).lora == lora
    assert {path: path.stat().st_mtime_ns for path in lora.iterdir()} == times, "a copy that is there is taken"
    adapter(foreign, module("layers.0.self_attn.q_proj", 8, 8, "base_model.model.model."))
    assert Checkpoint(str(model), foreign).lora != lora, "another content, another copy"
    assert len(list(cache.iterdir())) == 2, "nothing else is left there"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "foreign"]


def test_an_adapter_that_names_no_modules_gets_them(tmp_path: Path) -> None:
    """vLLM wants the field, whatever it holds."""
    made = adapter(tmp_path / "a", ONE)
    (made / CONFIG).write_text(json.dumps({"r": 2, "lora_alpha": 4}))
    found = convert_adapter(made, tmp_path / "b")
    assert json.loads((found / CONFIG).read_text())["target_modules"] == ["self_attn.q_proj"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_adapter_folder(tmp_path: Path) -> None:
    made = adapter(tmp_path / "shared" / "a", FOREIGN)
    made.chmod(0o500)
    made.parent.chmod(0o500)
    try:
        assert Checkpoint(str(base(tmp_path / "base")), made).lora is not None
    finally:
        made.parent.chmod(0o700)
        made.chmod(0o700)


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ValueError, match=r"cannot be written \(.*\); .* set XDG_CACHE_HOME"):
        Checkpoint(str(base(tmp_path / "base")), adapter(tmp_path / "a", FOREIGN))


def test_two_processes_convert_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one is done between this one's writing and its renaming."""
    made, rename = adapter(tmp_path / "a", FOREIGN), Path.rename
    others: list[Path] = []

    def late(self: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "rename", rename)
        others.append(convert_adapter(made, Path(target)))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", late)
    assert [convert_adapter(made, tmp_path / "b")] == others == [tmp_path / "b"]
    check_adapter(tmp_path / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_the_cache_is_where_the_user_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache("x") == tmp_path / "omnimer" / "x"
    for odd in ("", "relative/folder"):
        monkeypatch.setenv("XDG_CACHE_HOME", odd)
        assert user_cache("x") == Path.home() / ".cache" / "omnimer" / "x"


def test_a_checkpoint_takes_a_legal_adapter_as_it_is(tmp_path: Path, cache: Path) -> None:
    model, legal = base(tmp_path / "base"), adapter(tmp_path / "legal", layer(DENSE_LAYER))
    assert Checkpoint(str(model), legal).lora == legal
    assert Checkpoint(str(model)).lora is None
    assert not cache.exists()


def test_a_checkpoint_refuses_an_adapter_of_another_base_and_none_at_all(tmp_path: Path) -> None:
    model = str(base(tmp_path / "base"))
    with pytest.raises(ValueError, match=r"is no adapter for .*base: it adapts layer 2"):
        Checkpoint(model, adapter(tmp_path / "a", module("layers.2.self_attn.q_proj", 8, 8)))
    with pytest.raises(ValueError, match="cannot be applied, such as 'thinker"):
        Checkpoint(model, adapter(tmp_path / "b", module("merger", 8, 8, "thinker.visual.")))
    for missing in (tmp_path / "c", tmp_path / ("c" * 5000)):
        with pytest.raises(ValueError, match="no such folder; --adapter takes a LoRA adapter's folder"):
            Checkpoint(model, missing)


@pytest.mark.parametrize("name", ["a" * 5000 + "/b", "\0", "no such name"])
def test_a_model_that_is_not_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="is no local folder and cannot be had from the hub") as caught:
        Checkpoint(name).family  # noqa: B018
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("content", ["[]", "{", "3", "[" * 100_000 + "]" * 100_000])
def test_a_model_with_a_damaged_configuration(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"config.json: is no JSON object; the checkpoint is damaged"):
        Checkpoint(str(tmp_path)).family  # noqa: B018


@pytest.mark.parametrize("odd", [{"thinker_config": 3}, {"thinker_config": {"text_config": [1]}}, {}])
def test_a_model_that_says_nothing_of_its_language_model(odd: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2_5_omni"} | odd))
    assert Checkpoint(str(tmp_path)).text == {}


LEGAL_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


@pytest.mark.skipif(not HAS_ENGINE, reason=NO_ENGINE)
def test_the_ranks_of_vllm() -> None:
    from vllm.config.lora import MaxLoRARanks

    assert tuple(sorted(get_args(MaxLoRARanks))) == LEGAL_RANKS


@pytest.mark.parametrize(
    ("rank", "room"), [(1, 1), (2, 8), (8, 8), (9, 16), (64, 64), (65, 128), (257, 320), (512, 512)]
)
def test_the_room_for_an_adapter_follows_its_rank(rank: int, room: int) -> None:
    assert lora_room(rank, None, LEGAL_RANKS) == room
    assert lora_room(rank, 512, LEGAL_RANKS) == 512


@pytest.mark.parametrize(
    ("rank", "asked", "said"),
    [
        (128, 64, "--lora-rank 64 is below the adapter's rank, 128; leave it out, or give 128 or more"),
        (16, 48, "--lora-rank 48: vLLM takes 1, 8, 16, 32, 64, 128, 256, 320, 512; leave it out"),
        (513, None, "the adapter has rank 513, and vLLM takes at most 512; merge it: omnimer finetune --merge"),
    ],
)
def test_a_rank_that_vllm_does_not_take(rank: int, asked: int | None, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        lora_room(rank, asked, LEGAL_RANKS)


@pytest.mark.skipif(not HAS_ENGINE, reason=NO_ENGINE)
@pytest.mark.parametrize("defect", ["rank", "nan"])
def test_no_model_is_loaded_for_an_adapter_that_vllm_refuses(
    defect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import vllm

    monkeypatch.setattr(vllm, "LLM", lambda *_, **__: pytest.fail("a model is loaded"))
    made = adapter(tmp_path / "a", module("layers.0.self_attn.q_proj", 8, 8, rank=16), r=16)
    if defect == "nan":
        save_file({name: np.full_like(w, np.nan) for name, w in load_file(made / WEIGHTS).items()}, made / WEIGHTS)
    config = {"model_type": "qwen2_5_omni", "thinker_config": {"text_config": TEXT, "vision_config": {}}}
    (base(tmp_path / "base") / "config.json").write_text(json.dumps(config))
    checkpoint = Checkpoint(str(tmp_path / "base"), made)
    with pytest.raises(ValueError, match="--lora-rank 8" if defect == "rank" else "not finite"):
        VllmEngine(checkpoint, VllmOptions(lora_rank=8 if defect == "rank" else None), 0)


def test_a_cpu_takes_no_adapter_beside_experts(monkeypatch: pytest.MonkeyPatch) -> None:
    for family, refused in (("qwen3_omni_moe", True), ("qwen2_5_omni", False)):
        checkpoint = Checkpoint("any")
        monkeypatch.setitem(vars(checkpoint), "family", family)
        with pytest.raises(ValueError, match="--merge") if refused else nullcontext():
            check_cpu_adapter(checkpoint)
