"""What a run directory takes: the run that it holds, over the same data and base, and nothing else."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finetune import state, train
from finetune.recipe import Recipe, ValidationPart
from finetune.run import configuration, fit
from finetune.save import save_adapter
from finetune.session import Session
from infer.adapters import weight_shapes
from tasks.synthetic.clip import write_clip
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


def test_what_came_later_does_not_make_it_another_run(own: Recipe) -> None:
    """Times between media (stream.marks) are written down where they are used."""
    assert "marks" not in configuration(own)["stream"]
    marked = dataclasses.replace(own, stream=dataclasses.replace(own.stream, marks=True))
    assert configuration(marked)["stream"]["marks"] is True


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


# --- checkpoints -------------------------------------------------------------------------------------------------


def trained() -> tuple[dict[str, Any], Any]:
    import torch

    parameters = {"a": torch.nn.Parameter(torch.ones(3))}
    optimiser = torch.optim.AdamW(parameters.values())
    parameters["a"].grad = torch.ones(3)
    optimiser.step()
    return parameters, optimiser


def steps(folder: Path) -> list[int]:
    return [int(path.stem.split("-")[1]) for path in sorted((folder / state.FOLDER).iterdir())]


def test_damaged_checkpoints_do_not_count_as_the_newest(tmp_path: Path) -> None:
    parameters, optimiser = trained()
    files = [state.save(tmp_path, state.Progress(step), parameters, optimiser) for step in (1, 2, 3, 4)]
    assert steps(tmp_path) == [3, 4]
    for file in files[2:]:
        file.write_bytes(b"torn")
    with pytest.raises(ValueError, match="none of its 2 checkpoints can be read; give another --out"):
        state.latest(tmp_path)
    state.save(tmp_path, state.Progress(1), parameters, optimiser)
    assert steps(tmp_path) == [1], "what was damaged gives way to what is new"
    state.save(tmp_path, state.Progress(2), parameters, optimiser)
    assert steps(tmp_path) == [1, 2]


def test_an_adapter_that_is_replaced_leaves_nothing_beside_it(
    sessions: dict[str, Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = sessions["qwen2_5_omni"]
    folder = tmp_path / "adapter"
    (tmp_path / ".adapter.0badcafe").mkdir()
    before = weight_shapes(save_adapter(session.model, session.recipe, folder))
    save_adapter(session.model, session.recipe, folder)
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]

    def refuse(_: Path) -> None:
        raise ValueError("an engine would leave a weight out")

    monkeypatch.setattr("finetune.save.check_adapter", refuse)
    with pytest.raises(ValueError, match="leave a weight out"):
        save_adapter(session.model, session.recipe, folder)
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]
    assert weight_shapes(folder) == before


# --- what may go wrong in the middle -----------------------------------------------------------------------------


def validating(recipe: Recipe, **options: Any) -> Recipe:
    return dataclasses.replace(
        recipe,
        optimiser=dataclasses.replace(recipe.optimiser, epochs=2),
        validation=ValidationPart(share=0.2, max_tokens=4),
        **options,
    )


def test_a_validation_that_fails_costs_no_step(
    own: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert fit(validating(own), whole) == 0

    def fail(*_: Any) -> Any:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(train, "replies_to", fail)
        with pytest.raises(RuntimeError, match="out of memory"):
            fit(validating(own), broken)
    capsys.readouterr()
    # What failed may be made smaller.
    smaller = dataclasses.replace(validating(own), validation=ValidationPart(share=0.2, max_tokens=4, batch=1))
    assert fit(smaller, broken, resume=True) == 0
    said = capsys.readouterr().err
    assert said.index("resumed after step") < said.index("epoch 1: ") < said.index("\nstep ")
    logs = [[json.loads(line) for line in (run / "train.jsonl").read_text().splitlines()] for run in (whole, broken)]
    losses = [[line["loss"] for line in log if "loss" in line] for log in logs]
    assert losses[0] == losses[1]
    asked = [[(line["epoch"], line["validation"]) for line in log if "validation" in line] for log in logs]
    assert asked[0] == asked[1]
    assert [epoch for epoch, _ in asked[0]] == [1, 2]
    weights = [(run / "adapter" / "adapter_model.safetensors").read_bytes() for run in (whole, broken)]
    assert weights[0] == weights[1]


def test_a_loss_that_is_no_number_stops_before_it_spoils_the_weights(own: Recipe, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    wild = dataclasses.replace(own, optimiser=dataclasses.replace(own.optimiser, rate=1e30))
    wild = dataclasses.replace(wild, run=dataclasses.replace(own.run, save_every=1))
    with pytest.raises(ValueError, match=r"step 2: the loss is nan, .*samples 'spk.*lower optimiser\.rate"):
        fit(wild, tmp_path / "run")
    newest = state.latest(tmp_path / "run")
    assert newest is not None
    kept = load_file(str(newest))
    assert all(torch.isfinite(value).all() for name, value in kept.items() if name.startswith("adapter."))


def test_the_first_ctrl_c_saves_the_step_under_way(
    own: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert fit(own, whole) == 0
    take = train._take

    def interrupted(*arguments: Any) -> dict[str, float]:
        os.kill(os.getpid(), signal.SIGINT)
        return take(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(train, "_take", interrupted)
        assert fit(own, stopped) == 3
    assert "stopping after this step" in capsys.readouterr().err
    assert steps(stopped) == [1]
    assert fit(own, stopped, resume=True) == 0
    weights = [(run / "adapter" / "adapter_model.safetensors").read_bytes() for run in (whole, stopped)]
    assert weights[0] == weights[1]


def test_what_cannot_be_measured_is_said_before_the_model_is_loaded(
    own: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: Any, **__: Any) -> Any:
        raise ValueError("the emotion wheel tables are not there")

    monkeypatch.setattr("finetune.validate.score", missing)
    monkeypatch.setattr("finetune.session.load_model", lambda *_: pytest.fail("the model is loaded"))
    with pytest.raises(ValueError, match="wheel tables are not there"):
        fit(validating(own), tmp_path / "run")


def test_clips_of_which_nothing_is_fed_are_left_out(own: Recipe, tmp_path: Path) -> None:
    data = own.data.folder
    assert data is not None
    silent = sorted((data / "clips").rglob("*.mp4"))[:2]
    for clip in silent:
        frames = np.zeros((25, 84, 84, 3), np.uint8)
        write_clip(clip, frames, None)
    heard = dataclasses.replace(own, clip=dataclasses.replace(own.clip, video=False))
    assert fit(heard, tmp_path / "run") == 1
    left = [json.loads(line) for line in (tmp_path / "run" / "left_out.jsonl").read_text().splitlines()]
    assert [each["reason"] for each in left] == [
        "media: nothing of it is fed (no sound track, and no pictures are asked for)"
    ] * 2
