"""One real engine for all tests that need one: starting it is the slow part."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from infer.checkpoint import Checkpoint
from infer.tiny import build_tiny
from infer.vllm_engine import VllmEngine, VllmOptions
from tasks.synthetic import generate

NO_ENGINE = "vllm is not installed (base install); requirements/cpu.txt or cuda.txt brings it"
HAS_ENGINE = importlib.util.find_spec("vllm") is not None


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not HAS_ENGINE:
        pytest.skip(NO_ENGINE)
    return build_tiny(tmp_path_factory.mktemp("tiny") / "qwen2_5_omni")


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Checkpoint:
    return Checkpoint(str(tiny_folder))


@pytest.fixture(scope="session")
def engine(tiny: Checkpoint) -> VllmEngine:
    options = VllmOptions(max_model_len=2048, multiprocess=False, kv_cache_gb=1)
    return VllmEngine(tiny, options, seed=0, media_per_prompt=8)


@pytest.fixture(scope="session")
def synthetic_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("synthetic") / "data", clips=28, seed=3)
