"""Recipes: the published numbers, the files that ship, and what a wrong file is answered."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from finetune.recipe import Recipe, check, find, load, record, shipped
from finetune.run import OVERRIDES, FinetuneConfig, resolve
from infer.stream.modes import StreamOptions
from prompts.render import load_template
from tasks.registry import TASKS


def write(folder: Path, text: str) -> Path:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_defaults_are_the_published_recipe() -> None:
    recipe = Recipe()
    assert (recipe.lora.r, recipe.lora.alpha, recipe.lora.dropout) == (16, 32, 0.0)
    assert set(recipe.lora.modules) == {f"{name}_proj" for name in ("q", "k", "v", "o", "gate", "up", "down")}
    assert (recipe.optimiser.rate, recipe.optimiser.warmup, recipe.optimiser.epochs) == (5e-5, 0.1, 3)
    assert (recipe.optimiser.batch, recipe.optimiser.accumulation, recipe.step_examples) == (1, 8, 8)


def test_every_option_is_off_by_default() -> None:
    options = dataclasses.asdict(Recipe().options)
    assert {name: value for name, value in options.items() if value} == {"confidence": "ds_confidence"}


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_recipe_that_ships_loads_and_fits_its_task(name: str) -> None:
    recipe = load(find(name))
    task = TASKS[recipe.data.task]
    splits = [split for split in (recipe.data.split, recipe.validation.split) if split]
    assert set(splits) <= set(task.splits)
    assert load_template(recipe.data.template or task.template).reply == "json"
    assert not recipe.data.mixture or recipe.data.mixture_by in task.slices
    assert find(f"recipes/{name}.toml") == find(f"{name}.toml") == find(name)


@pytest.mark.parametrize("name", ["emos_qwen2_5_omni_7b", "emos_qwen3_omni_30b_a3b"])
def test_the_emos_recipes_hold_the_published_numbers(name: str) -> None:
    recipe, published = load(find(name)), Recipe()
    assert recipe.optimiser == published.optimiser
    assert recipe.data.mixture == {"high": 1.0, "low": 1.0}
    assert dataclasses.replace(recipe.lora, modules=published.lora.modules) == published.lora


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[data]\ntask = 'synthetic'\n[optimizer]\nrate = 1.0", r"no key 'optimizer'.*did you mean optimiser"),
        ("[data]\ntask = 'synthetic'\nfoldr = 'x'", r"data: no key 'foldr'.*did you mean folder"),
        ("[data]\ntask = 'synthetic'\n[optimiser]\nepochs = '3'", r"optimiser, epochs: '3' is no int"),
        ("[data]\ntask = 'synthetic'\n[optimiser]\nepochs = true", r"epochs: True is no int"),
        ("[data]\ntask = 'synthetic'\n[optimiser]\nepochs = 0", r"optimiser.epochs is 0"),
        ("[data]\ntask = 'synthetic'\n[optimiser]\nrate = 0", r"optimiser.rate is 0"),
        ("[data]\ntask = 'synthetic'\n[optimiser]\nrate = inf", r"optimiser.rate is inf; legal are numbers above 0"),
        ("[data]\ntask = 'synthetic'\n[optimiser]\nrate = nan", r"optimiser.rate is nan"),
        ("[data]\ntask = 'synthetic'\n[optimiser]\nclip_norm = -1.0", r"clip_norm is -1.0; legal is 0 .off. and above"),
        ("[data]\ntask = 'synthetic'\n[optimiser]\nweight_decay = -0.1", r"weight_decay is -0.1"),
        ("[data]\ntask = 'synthetic'\n[optimiser]\nseed = -1", r"optimiser.seed is -1"),
        ("[data]\ntask = 'synthetic'\n[lora]\nalpha = 0", r"lora.alpha is 0; it has to be at least 1"),
        ("[data]\ntask = 'synthetic'\n[lora]\ndropout = 1.0", r"lora.dropout is 1; it leaves nothing"),
        ("[data]\ntask = 'synthetic'\n[options]\nlabel_smoothing = 1.0", r"label_smoothing is 1; it leaves nothing"),
        ("[data]\ntask = 'synthetic'\n[validation]\nmax_tokens = 0", r"validation.max_tokens is 0"),
        ("[data]\ntask = 'synthetic'\n[validation]\nlimit = 0", r"validation.limit is 0"),
        ("[data]\ntask = 'synthetic'\nlimit = 0", r"data.limit is 0"),
        ("[data]\ntask = 'synthetic'\n[model]\nquantise = 'nf5'", r"'nf5' is not one of none, nf4 .did you mean nf4"),
        ("[data]\ntask = 'synthetic'\nmixture = { high = 2.0 }", r"data.mixture.high is 2.0; legal is 0 to 1"),
        ("[data]\ntask = 'synthetic'\n[clip]\nfps = -1.0", r"--fps is -1.0"),
        ("[data]\ntask = 'synthetic'\n[lora]\nmodules = 'q_proj'", r"modules: 'q_proj' is no list"),
        ("[data]\ntask='synthetic-stream'\n[stream]\nmode='offline'", r"is not one of .*did you mean online"),
        ("[data]\ntask='synthetic-stream'\n[stream]\nwindow_s=2.0", r"--window-s is 2\.0; it has to be at least 4"),
        ("[data]\ntask='synthetic-stream'\n[stream]\nmax_model_len=0", r"stream\.max_model_len is 0"),
        ("data = 3", r"data: a table was expected"),
        ("[model]", r"names no task"),
        ("[data\n", r"is no TOML"),
        ("[data]\ntask='synthetic'\n[options]\nbalanced=true\ncurriculum=[0.5]", r"both choose the samples"),
    ],
)
def test_a_wrong_recipe_is_refused_with_the_reason(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        load(write(tmp_path, text))


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"no recipe 'emos_qwen2_5_omni_7'.*did you mean emos_qwen2_5_omni_7b"):
        find("emos_qwen2_5_omni_7")


def test_the_command_line_overrides_the_recipe(tmp_path: Path) -> None:
    path = write(tmp_path, "[data]\ntask = 'synthetic'\n[optimiser]\nepochs = 7\nseed = 3")
    found = resolve(FinetuneConfig(str(path), model="m", data=Path("d"), epochs=2, cache=False, pack_tokens=512))
    assert (found.model.path, found.data.folder, found.optimiser.epochs) == ("m", Path("d"), 2)
    assert (found.run.cache, found.options.pack_tokens, found.optimiser.seed) == (False, 512, 3)
    with pytest.raises(ValueError, match=r"optimiser\.epochs is 0"):
        resolve(FinetuneConfig(str(path), epochs=0))


def test_every_override_names_an_option_and_a_key() -> None:
    options = {field.name for field in dataclasses.fields(FinetuneConfig)}
    assert set(OVERRIDES) == options - {"recipe", "out", "resume", "merge"}
    for table, key in OVERRIDES.values():
        assert hasattr(getattr(Recipe(), table), key)


def test_clips_are_whole_unless_the_recipe_divides_them(tmp_path: Path) -> None:
    assert Recipe().stream.mode == "whole"
    assert load(write(tmp_path, "[data]\ntask = 'synthetic-stream'\n[stream]\nrecall = 1")).stream.mode == "whole"
    asked = {each.name: each.default for each in dataclasses.fields(StreamOptions)} | {"mode": "whole"}
    assert asked == {name: getattr(Recipe().stream, name) for name in asked}


def test_a_recipe_is_recorded_whole() -> None:
    found = record(Recipe())
    assert set(found) == {field.name for field in dataclasses.fields(Recipe)}
    assert found["lora"]["modules"][0] == "q_proj"


def test_a_plain_recipe_is_legal(tmp_path: Path) -> None:
    check(load(write(tmp_path, "[data]\ntask = 'synthetic'\nwhere = { tier = 'high' }\nfolder = '~/x'")))
