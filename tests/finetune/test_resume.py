"""What a run directory takes: the run that it holds, over the same data and base, and nothing else."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from finetune.recipe import Recipe
from finetune.run import fit
from tests.finetune.conftest import MakeRecipe, needs_training

pytestmark = needs_training


def over(recipe: Recipe, data: Path) -> Recipe:
    return dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, folder=data))


@pytest.fixture
def own(make_recipe: MakeRecipe, data: Path, tmp_path: Path) -> Recipe:
    """A recipe over data of its own, which a test may change."""
    return over(make_recipe(), Path(shutil.copytree(data, tmp_path / "data")))


def test_a_wrong_path_does_not_cost_the_directory(own: Recipe, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"annotations\.csv is missing"):
        fit(over(own, tmp_path / "dta"), tmp_path / "run")
    assert not (tmp_path / "run" / "run.json").exists()
    assert fit(own, tmp_path / "run") == 0


def test_a_run_is_not_resumed_over_other_data(own: Recipe, tmp_path: Path) -> None:
    run, data = tmp_path / "run", own.data.folder
    assert data is not None
    assert fit(own, run) == 0
    assert fit(own, run, resume=True) == 0
    clip = next((data / "clips").rglob("*.mp4"))
    kept = clip.read_bytes()
    clip.unlink()
    with pytest.raises(ValueError, match="its data or its base model changed since it was begun"):
        fit(own, run, resume=True)
    clip.write_bytes(kept)
    assert fit(own, run, resume=True) == 0


def test_a_run_is_not_resumed_on_another_base(own: Recipe, tmp_path: Path) -> None:
    base = Path(shutil.copytree(own.model.path, tmp_path / "base"))
    own = dataclasses.replace(own, model=dataclasses.replace(own.model, path=str(base)))
    assert fit(own, tmp_path / "run") == 0
    card = json.loads((base / "tiny.json").read_text())
    (base / "tiny.json").write_text(json.dumps({**card, "seed": 9}))
    with pytest.raises(ValueError, match="its data or its base model changed"):
        fit(own, tmp_path / "run", resume=True)


def test_what_is_not_learned_may_change(own: Recipe, tmp_path: Path) -> None:
    assert fit(own, tmp_path / "run") == 0
    changed = dataclasses.replace(
        own,
        model=dataclasses.replace(own.model, checkpointing=not own.model.checkpointing, attention="eager"),
        validation=dataclasses.replace(own.validation, batch=own.validation.batch + 1, max_tokens=7),
        run=dataclasses.replace(own.run, threads=1),
    )
    assert fit(changed, tmp_path / "run", resume=True) == 0
    other = dataclasses.replace(own, optimiser=dataclasses.replace(own.optimiser, rate=1.0))
    with pytest.raises(ValueError, match=r"optimiser\.rate"):
        fit(other, tmp_path / "run", resume=True)
