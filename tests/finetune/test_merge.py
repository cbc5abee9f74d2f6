"""Adapters as plain PEFT loads them, and merged checkpoints: the same logits whichever way."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune.merge import Update, merge, update_of
from finetune.model import adapted_modules, load_thinker
from finetune.recipe import LoraPart, ModelPart
from finetune.rows import embed, join
from finetune.run import FinetuneConfig, run
from finetune.save import THINKER_KEYS, save_adapter
from finetune.session import Session, open_session
from infer.adapters import CONFIG, WEIGHTS
from infer.checkpoint import Checkpoint
from tests.finetune.conftest import FAMILIES, MakeRecipe, needs_training

pytestmark = needs_training
CASES = [("qwen2_5_omni", False), ("qwen3_omni_moe", False), ("qwen3_omni_moe", True)]
each_case = pytest.mark.parametrize("case", CASES, ids=["dense", "attention", "experts"])


@pytest.fixture(scope="module")
def saved(
    sessions: dict[str, Session], make_recipe: MakeRecipe, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, bool], tuple[Path, Session]]:
    """Adapters of random weights, by family and whether experts are adapted: the folder and the session of each."""
    import torch

    recipe = make_recipe("qwen3_omni_moe", lora=LoraPart(experts=True))
    experts = open_session(recipe, tmp_path_factory.mktemp("experts"))
    torch.manual_seed(8)
    for name, parameter in experts.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    found = {(family, False): sessions[family] for family in FAMILIES} | {("qwen3_omni_moe", True): experts}
    folder = tmp_path_factory.mktemp("adapters")
    return {
        case: (save_adapter(session.model, session.recipe, folder / f"{case[0]}-{case[1]}"), session)
        for case, session in found.items()
    }


def logits(thinker: Any, session: Session) -> Any:
    """Logits of a thinker at the end of one sample's question."""
    import torch

    question = session.maker.make(session.maker.wait(session.chosen.train[0]), learn=False)
    row = join([question])
    with torch.no_grad():
        vectors, extra = embed(thinker, row)
        out = thinker.model(inputs_embeds=vectors, position_ids=row.positions, use_cache=False, **extra)
        return thinker.lm_head(out.last_hidden_state[0, -1])


def adapted(session: Session) -> Any:
    session.model.eval()
    return logits(session.model.get_base_model(), session)


def plain(session: Session) -> Any:
    with session.model.disable_adapter():
        return logits(session.model.get_base_model(), session)


def base(session: Session) -> Any:
    return load_thinker(session.processor.checkpoint, session.recipe.model, "cpu")


@each_case
def test_plain_peft_loads_it_on_the_thinker(
    case: tuple[str, bool], saved: dict[tuple[str, bool], tuple[Path, Session]]
) -> None:
    import torch
    from peft import PeftModel

    folder, session = saved[case]
    loaded = PeftModel.from_pretrained(base(session), str(folder), key_mapping=THINKER_KEYS)
    assert set(adapted_modules(loaded)) == set(adapted_modules(session.model))
    found = logits(loaded.get_base_model(), session)
    assert torch.allclose(found, adapted(session), atol=1e-5)
    assert not torch.allclose(found, plain(session), atol=1e-2)


@each_case
def test_plain_peft_loads_it_on_the_full_model(
    case: tuple[str, bool], saved: dict[tuple[str, bool], tuple[Path, Session]]
) -> None:
    """A module with the thinker where the full model has it; the tiny checkpoints have no talker to build one from."""
    import torch
    from peft import PeftModel

    folder, session = saved[case]

    class Full(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.thinker = base(session)

    loaded = PeftModel.from_pretrained(Full(), str(folder))
    found = logits(loaded.get_base_model().thinker, session)
    assert torch.allclose(found, adapted(session), atol=1e-5)


@each_case
def test_merged_weights_give_the_same_logits(
    case: tuple[str, bool], saved: dict[tuple[str, bool], tuple[Path, Session]], tmp_path: Path
) -> None:
    import torch
    from safetensors import safe_open

    folder, session = saved[case]
    out = merge(folder, tmp_path / "merged")
    thinker = load_thinker(Checkpoint(str(out)), ModelPart(path=str(out)), "cpu")
    assert torch.allclose(logits(thinker, session), adapted(session), atol=1e-5)
    source = Path(session.recipe.model.path)
    assert {path.name for path in out.iterdir()} == {path.name for path in source.iterdir()}
    with (
        safe_open(str(out / "model.safetensors"), "pt") as ours,
        safe_open(str(source / "model.safetensors"), "pt") as theirs,
    ):
        names = set(theirs.keys())
        assert set(ours.keys()) == names
        changed = {name for name in names if not torch.equal(ours.get_tensor(name), theirs.get_tensor(name))}
    assert len(changed) == 2 * {CASES[0]: 7, CASES[1]: 4, CASES[2]: 6}[case]
    assert all(".model.layers." in name for name in changed)


def test_experts_that_a_checkpoint_holds_apart(
    saved: dict[tuple[str, bool], tuple[Path, Session]], tmp_path: Path
) -> None:
    """As the published checkpoints of Qwen3-Omni do: gate, up and down of each expert by itself, over two files."""
    import torch
    from safetensors.torch import load_file, save_file

    folder, session = saved["qwen3_omni_moe", True]
    source = Path(session.recipe.model.path)
    apart = tmp_path / "apart"
    shutil.copytree(source, apart)
    weights = load_file(str(source / "model.safetensors"))
    split: dict[str, Any] = {}
    for name, tensor in weights.items():
        parent, _, leaf = name.rpartition(".")
        for number, each in enumerate(tensor if leaf in ("gate_up_proj", "down_proj") and tensor.dim() == 3 else ()):
            gate, up = each.chunk(2) if leaf == "gate_up_proj" else (None, None)
            parts = {"gate_proj": gate, "up_proj": up, "down_proj": each if leaf == "down_proj" else None}
            split |= {f"{parent}.{number}.{k}.weight": v.clone() for k, v in parts.items() if v is not None}
        if not (leaf in ("gate_up_proj", "down_proj") and tensor.dim() == 3):
            split[name] = tensor
    names = sorted(split)
    (apart / "model.safetensors").unlink()
    files = {"a.safetensors": names[: len(names) // 2], "b.safetensors": names[len(names) // 2 :]}
    for file, part in files.items():
        save_file({name: split[name] for name in part}, str(apart / file), metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": {name: file for file, part in files.items() for name in part}}
    (apart / "model.safetensors.index.json").write_text(json.dumps(index))
    out = merge(folder, tmp_path / "merged", str(apart))
    thinker = load_thinker(Checkpoint(str(out)), ModelPart(path=str(out)), "cpu")
    assert torch.allclose(logits(thinker, session), adapted(session), atol=1e-5)


def test_the_command_merges(saved: dict[tuple[str, bool], tuple[Path, Session]], tmp_path: Path) -> None:
    folder, _ = saved["qwen2_5_omni", False]
    assert run(FinetuneConfig(merge=folder, out=tmp_path / "merged")) == 0
    with pytest.raises(ValueError, match="exists; give --out a folder that is not there yet"):
        run(FinetuneConfig(merge=folder, out=tmp_path / "merged"))
    assert [path.name for path in tmp_path.iterdir()] == ["merged"], "nothing is left behind"


def changed(folder: Path, out: Path, **config: Any) -> Path:
    shutil.copytree(folder, out)
    whole = json.loads((out / CONFIG).read_text())
    (out / CONFIG).write_text(json.dumps(whole | config))
    return out


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"use_dora": True}, "use_dora is set; plain LoRA alone can be applied or merged"),
        ({"alora_invocation_tokens": [1, 2]}, "alora_invocation_tokens is set"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights is 'pissa'"),
        ({"peft_type": "IA3"}, "peft_type is 'IA3'"),
        ({"bias": "all"}, "bias is 'all'"),
        ({"r": 8}, r"lora_A of shape \(16, \d+\) and lora_B of \(\d+, 16\), and r is 8"),
        ({"r": None}, "r is None; a whole number above 0 is legal"),
        ({"lora_alpha": float("nan")}, "lora_alpha is nan; a finite number is legal"),
        ({"base_model_name_or_path": ""}, "names no base model; give its folder or hub name with --model"),
        ({"base_model_name_or_path": None}, "names no base model"),
        ({"base_model_name_or_path": "a" * 5000 + "/b"}, r"model 'a+\.\.\.a+/b' is no local folder"),
        ({"base_model_name_or_path": "qwen3"}, "it adapts 'mlp.down_proj', which the model does not have"),
    ],
)
def test_what_cannot_be_merged_is_refused(
    config: dict[str, Any],
    said: str,
    saved: dict[tuple[str, bool], tuple[Path, Session]],
    bases: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder, _ = saved["qwen2_5_omni", False]
    named = {key: str(bases["qwen3_omni_moe"]) if value == "qwen3" else value for key, value in config.items()}
    odd = changed(folder, tmp_path / "odd", **named)
    with pytest.raises(ValueError, match=said) as caught:
        merge(odd, tmp_path / "merged")
    assert len(str(caught.value)) < 600
    assert [path.name for path in tmp_path.iterdir()] == ["odd"]


def without(weights: dict[str, Any], half: str) -> dict[str, Any]:
    gone = next(name for name in sorted(weights) if half in name)
    return {name: tensor for name, tensor in weights.items() if name != gone}


DEFECTS: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = {
    "lone A": (lambda weights: without(weights, "lora_B"), "has lora_A and no lora_B"),
    "lone B": (lambda weights: without(weights, "lora_A"), "has lora_B and no lora_A"),
    "nan": (lambda weights: {name: tensor * float("nan") for name, tensor in weights.items()}, "are not finite"),
    "overflow": (lambda weights: {name: tensor * 0 + 1e30 for name, tensor in weights.items()}, "not finite in torch"),
    "whole numbers": (lambda weights: {name: tensor.char() for name, tensor in weights.items()}, "of type I8"),
    "ranks": (lambda weights: {n: t[:4].clone() if "lora_A" in n else t for n, t in weights.items()}, "and r is 16"),
    "nothing": (lambda _: {}, "0 of 0 weights cannot be applied"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_damaged_weights_are_refused(
    defect: str, saved: dict[tuple[str, bool], tuple[Path, Session]], tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    change, said = DEFECTS[defect]
    odd = changed(saved["qwen2_5_omni", False][0], tmp_path / "odd")
    save_file(change(load_file(odd / WEIGHTS)), odd / WEIGHTS)
    with pytest.raises(ValueError, match=said):
        merge(odd, tmp_path / "merged")
    assert [path.name for path in tmp_path.iterdir()] == ["odd"]


def test_an_expert_that_the_configuration_does_not_count() -> None:
    import torch

    update = Update(torch.ones(4, 8), torch.ones(6, 4), 1.0)
    with pytest.raises(ValueError, match=r"m.mlp.experts.2.down_proj.weight: config.json .* num_experts 2"):
        update_of("m.mlp.experts.2.down_proj.weight", {"m.mlp.experts": update}, 2)


def test_a_foreign_adapter_merges_as_the_legal_one(
    saved: dict[tuple[str, bool], tuple[Path, Session]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file, save_file

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder, _ = saved["qwen2_5_omni", False]
    foreign = changed(folder, tmp_path / "foreign")
    weights = load_file(folder / WEIGHTS)
    save_file({name.replace("thinker.", ""): tensor for name, tensor in weights.items()}, foreign / WEIGHTS)
    ours, theirs = merge(folder, tmp_path / "ours"), merge(foreign, tmp_path / "theirs")
    assert (ours / "model.safetensors").read_bytes() == (theirs / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (lambda tensor: tensor.char(), r"is torch.int8 of shape .* the checkpoint that is not quantised"),
        (lambda tensor: tensor.flatten(), r"is torch.float32 of shape \(\d+,\); 16 or 32 bits and \(\d+, \d+\) were"),
        (None, "model.safetensors: is damaged"),
    ],
)
def test_a_base_that_cannot_be_added_to(
    stored: Callable[[Any], Any] | None,
    said: str,
    saved: dict[tuple[str, bool], tuple[Path, Session]],
    tmp_path: Path,
) -> None:
    from safetensors.torch import load_file, save_file

    folder, session = saved["qwen2_5_omni", False]
    base = tmp_path / "base"
    shutil.copytree(session.recipe.model.path, base)
    weights = base / "model.safetensors"
    if stored is None:
        weights.write_bytes(weights.read_bytes()[:-100])
    else:
        save_file({n: stored(t) if "q_proj.weight" in n else t for n, t in load_file(weights).items()}, weights)
    with pytest.raises(ValueError, match=said):
        merge(folder, tmp_path / "merged", str(base))
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def test_rank_stabilised_scaling_is_understood(
    saved: dict[tuple[str, bool], tuple[Path, Session]], tmp_path: Path
) -> None:
    """alpha / sqrt(r) with alpha 8 is what alpha / r is with alpha 32, at r 16: 2."""
    folder, _ = saved["qwen2_5_omni", False]
    one = merge(folder, tmp_path / "one")
    other = merge(changed(folder, tmp_path / "rs", use_rslora=True, lora_alpha=8), tmp_path / "other")
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()


def test_saving_is_whole_or_not_at_all(sessions: dict[str, Session], tmp_path: Path) -> None:
    session = sessions["qwen2_5_omni"]
    folder = save_adapter(session.model, session.recipe, tmp_path / "adapter")
    first = (folder / WEIGHTS).read_bytes()
    odd = dataclasses.replace(session.recipe, lora=LoraPart(modules=("nothing",)))
    with pytest.raises(ValueError, match=r"lora.modules"):
        save_adapter(session.model, odd, tmp_path / "adapter")
    assert (folder / WEIGHTS).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]
