"""Tiny checkpoints of both families, a small synthetic data set, and recipes over them."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune.recipe import DataPart, ModelPart, OptimiserPart, Recipe, RunPart, ValidationPart
from finetune.session import Session, open_session
from infer.tiny import build_tiny
from tasks.synthetic import generate
from tasks.task import MediaOptions

FAMILIES = ("qwen2_5_omni", "qwen3_omni_moe")
SMALL = MediaOptions(min_pixels=84 * 84, max_pixels=112 * 112)
HAS_TRAINING = all(importlib.util.find_spec(name) for name in ("torch", "transformers", "peft", "accelerate"))
needs_training = pytest.mark.skipif(not HAS_TRAINING, reason="torch, peft and accelerate are not installed (base)")
both = pytest.mark.parametrize("family", FAMILIES)


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    if not HAS_TRAINING:
        pytest.skip("torch, peft and accelerate are not installed (base install)")
    folder = tmp_path_factory.mktemp("bases")
    return {family: build_tiny(folder / family, family) for family in ("qwen2_5_omni", "qwen3_omni_moe")}


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("data") / "synthetic", clips=12, seed=4, size=84)


@pytest.fixture(scope="session", autouse=True)
def two_threads() -> None:
    """Sums in one order on every machine."""
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    if HAS_TRAINING:
        import torch

        torch.set_num_threads(2)


MakeRecipe = Callable[..., Recipe]


@pytest.fixture(scope="session")
def make_recipe(bases: dict[str, Path], data: Path, tmp_path_factory: pytest.TempPathFactory) -> MakeRecipe:
    """A small recipe; keyword arguments are whole tables, `family` picks the base."""
    towers = tmp_path_factory.mktemp("towers")

    def make(family: str = "qwen2_5_omni", **tables: Any) -> Recipe:
        recipe = Recipe(
            model=ModelPart(path=str(bases[family])),
            data=DataPart(task="synthetic", folder=data),
            clip=SMALL,
            optimiser=OptimiserPart(rate=1e-3, epochs=1, accumulation=4),
            validation=ValidationPart(share=0.0),
            run=RunPart(cache_folder=towers, track=()),
        )
        return dataclasses.replace(recipe, **tables)

    return make


@pytest.fixture(scope="session")
def sessions(make_recipe: MakeRecipe, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Session]:
    """A loaded session a family, with every adapter weight random (a fresh adapter changes nothing). Not to be trained
    in place."""
    import torch

    found = {}
    for family in FAMILIES:
        session = open_session(make_recipe(family), tmp_path_factory.mktemp(family))
        torch.manual_seed(7)
        for name, parameter in session.model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.05)
        found[family] = session
    return found
