"""Whole runs: what is written, what is left out, and that a killed run ends where an uninterrupted one does."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from eval.answers import read_answer
from finetune import state, train
from finetune.card import sparkline
from finetune.recipe import OptimiserPart, OptionsPart, Recipe, RunPart, ValidationPart, record
from finetune.run import FinetuneConfig, fit, run
from finetune.save import save_adapter
from finetune.validate import Validation
from infer.adapters import check_adapter
from infer.engine import Reply
from tasks.registry import TASKS
from tests.finetune.conftest import MakeRecipe, needs_training

pytestmark = needs_training
ROOT = Path(__file__).parents[2]


def toml(recipe: Recipe) -> str:
    """A recipe as the TOML text that gives it."""

    def value(each: Any) -> str:
        if isinstance(each, dict):
            return "{ " + ", ".join(f"{key} = {value(item)}" for key, item in each.items()) + " }"
        if isinstance(each, list):
            return "[" + ", ".join(map(value, each)) + "]"
        return json.dumps(each)

    lines = []
    for table, part in record(recipe).items():
        lines.append(f"[{table}]")
        lines += [f"{key} = {value(each)}" for key, each in part.items() if each is not None]
    return "\n".join(lines)


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def lines(folder: Path) -> list[dict[str, Any]]:
    return records(folder / "train.jsonl")


def timeless(folder: Path) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines(folder)]


def weights(folder: Path) -> bytes:
    return (folder / "adapter" / "adapter_model.safetensors").read_bytes()


def test_a_run_learns_and_writes_everything_down(
    make_recipe: MakeRecipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = make_recipe(
        optimiser=OptimiserPart(rate=2e-3, epochs=4, accumulation=4),
        validation=ValidationPart(share=0.2, max_tokens=8, batch=2),
    )
    assert fit(recipe, tmp_path) == 0
    steps = [line for line in lines(tmp_path) if "loss" in line]
    assert steps[-1]["loss"] < steps[0]["loss"] - 0.3
    assert [line["step"] for line in steps] == list(range(1, len(steps) + 1))
    assert all(line["learned"] == 7 * line["examples"] for line in steps if line["examples"])
    check_adapter(tmp_path / "adapter")

    found = [line["validation"] for line in lines(tmp_path) if "validation" in line]
    assert len(found) == 4
    for epoch, line in enumerate(found, 1):
        replies = records(tmp_path / "validation" / f"epoch-{epoch}.jsonl")
        assert len(replies) == line["n"] > 0
        kind = TASKS["synthetic"].answer
        answers = [read_answer(each["id"], Reply(each["id"], "", each["text"]), kind) for each in replies]
        assert line["unparsed"] == sum(answer.value is None for answer in answers)
        assert line["metric"] == "macro_f1"

    said = capsys.readouterr().err
    assert "model.layers.*.self_attn.q_proj: 2" in said
    assert "tower cache: 12 media" in said
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["steps"] == len(steps)
    assert card["loss"] == [line["loss"] for line in steps]
    assert len(card["adapter"]["modules"]) == 14
    assert card["data"]["learned_from"] + card["data"]["held_out"] == 12
    text = (tmp_path / "card.md").read_text(encoding="utf-8")
    assert f"**{card['best_epoch']}**" in text
    assert card["adapter"]["sha256"] in text


KILLED: dict[str, Any] = {
    "optimiser": OptimiserPart(rate=1e-3, epochs=3, accumulation=2),
    "options": OptionsPart(drop_video=0.3, drop_transcript=0.3, pack_tokens=900),
    "validation": ValidationPart(share=0.2, max_tokens=4),
}
COMMAND = "import sys\nfrom finetune.run import *\nrun(FinetuneConfig(sys.argv[1], out=Path(sys.argv[2])))"
# Before a run: it waits at this step to be killed. However late the kill comes, it comes in the middle of the run.
PATIENT = """
import sys, time
from finetune import train

take = train._take

def patient(session, module, optimiser, step, *more):
    if step.number == {step}:
        time.sleep(800)
    return take(session, module, optimiser, step, *more)

train._take = patient
"""


def kill_at(lines_wanted: int, step: int, out: Path, recipe: Path) -> None:
    """Starts a run and kills it, hard, when it has logged so many lines; at this step it waits for it."""
    words = [sys.executable, "-c", PATIENT.format(step=step) + COMMAND]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    log = out / "train.jsonl"
    with subprocess.Popen(
        [*words, str(recipe), str(out)], cwd=ROOT, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        try:
            deadline = time.monotonic() + 600
            while not log.exists() or log.read_bytes().count(b"\n") < lines_wanted:
                assert process.poll() is None, "the run ended before it could be killed"
                assert time.monotonic() < deadline
                time.sleep(0.005)
        finally:
            process.kill()


def test_kill_and_resume_equals_an_uninterrupted_run(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    """Bit by bit on a CPU in float32: adapter, loss curve, validations; with dropout, so that random numbers count."""
    recipe = make_recipe(**KILLED)
    recipe = dataclasses.replace(
        recipe,
        lora=dataclasses.replace(recipe.lora, dropout=0.2),
        run=dataclasses.replace(recipe.run, save_every=2),
    )
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert fit(recipe, whole) == 0
    (tmp_path / "own.toml").write_text(toml(recipe), encoding="utf-8")
    kill_at(6, 9, killed, tmp_path / "own.toml")
    done = len([line for line in lines(killed) if "loss" in line])
    assert 5 <= done < 9 < len([line for line in lines(whole) if "loss" in line])
    assert not (killed / "card.json").exists()

    assert run(FinetuneConfig(str(tmp_path / "own.toml"), out=killed, resume=True)) == 0
    assert weights(killed) == weights(whole)
    assert timeless(killed) == timeless(whole)
    assert len(list((killed / "checkpoints").iterdir())) == state.KEPT
    # Once more: nothing is left to do, and nothing changes.
    assert run(FinetuneConfig(str(tmp_path / "own.toml"), out=killed, resume=True)) == 0
    assert weights(killed) == weights(whole)
    assert timeless(killed) == timeless(whole)


def test_a_torn_checkpoint_is_passed_over(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(run=dataclasses.replace(make_recipe().run, save_every=1))
    assert fit(recipe, tmp_path) == 0
    first, second = sorted((tmp_path / "checkpoints").iterdir())
    second.write_bytes(second.read_bytes()[:-100])
    assert state.latest(tmp_path) == first
    before = weights(tmp_path)
    assert fit(recipe, tmp_path, resume=True) == 0
    assert weights(tmp_path) == before


def test_packing_changes_the_rows_and_not_the_result(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    found = {}
    for tokens in (0, 1500):
        assert fit(make_recipe(options=OptionsPart(pack_tokens=tokens)), tmp_path / str(tokens)) == 0
        found[tokens] = load_file(str(tmp_path / str(tokens) / "adapter" / "adapter_model.safetensors"))
    rows = {tokens: [line["rows"] for line in lines(tmp_path / str(tokens))] for tokens in found}
    assert rows[0] == [4, 4, 4]
    assert max(rows[1500]) < 4
    losses = {tokens: [line["loss"] for line in lines(tmp_path / str(tokens))] for tokens in found}
    assert losses[1500] == pytest.approx(losses[0], rel=1e-4)
    # AdamW divides by the gradient's own size: where that is nearly zero, rounding decides.
    apart = [float((found[0][name] - found[1500][name]).abs().mean()) for name in found[0]]
    moved = [float(each.abs().mean()) for name, each in found[0].items() if "lora_B" in name]
    assert sum(apart) / len(apart) < 0.05 * sum(moved) / len(moved)
    assert all(torch.isfinite(each).all() for each in found[1500].values())


def test_clips_that_cannot_be_used_are_left_out_before_training(
    make_recipe: MakeRecipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tasks.synthetic import generate

    folder = generate(tmp_path / "data", clips=6, seed=2, size=84)
    clips = sorted((folder / "clips").rglob("*.mp4"))
    clips[0].write_bytes(b"no clip")
    clips[1].unlink()
    recipe = make_recipe(data=dataclasses.replace(make_recipe().data, folder=folder))
    assert fit(recipe, tmp_path / "run") == 1
    left = records(tmp_path / "run" / "left_out.jsonl")
    assert len(left) == 2
    assert all(str(clip) in " ".join(each["reason"] for each in left) for clip in clips[:2])
    said = capsys.readouterr().err
    assert "4 samples to learn from, 0 held out, 2 left out" in said
    assert said.index("2 left out") < said.index("step 1/")
    assert sum(line["examples"] for line in lines(tmp_path / "run")) == 4
    assert sum(json.loads((tmp_path / "run" / "card.json").read_text())["data"]["left_out"].values()) == 2

    for clip in clips[2:]:
        clip.write_bytes(b"")
    with pytest.raises(ValueError, match="no sample is left to learn from"):
        fit(recipe, tmp_path / "none")
    assert not (tmp_path / "none" / "checkpoints").exists()


def test_a_directory_belongs_to_one_recipe(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe()
    assert fit(recipe, tmp_path) == 0
    with pytest.raises(ValueError, match="holds this run already; give --resume"):
        fit(recipe, tmp_path)
    other = dataclasses.replace(recipe, lora=dataclasses.replace(recipe.lora, r=8))
    with pytest.raises(ValueError, match=r"lora.r: there 16, now 8"):
        fit(other, tmp_path, resume=True)
    # How a run goes about it may change.
    assert fit(dataclasses.replace(recipe, run=dataclasses.replace(recipe.run, threads=1)), tmp_path, resume=True) == 0
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file"):
        fit(recipe, tmp_path / "file")


def scored(value: float) -> Validation:
    return Validation("macro_f1", value, None, None, 3, 0, {"a": "{}"})


def test_the_best_epoch_is_kept_and_patience_ends_a_run(
    make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = iter([0.2, 0.6, 0.5, 0.6])
    saved: list[Any] = []
    monkeypatch.setattr(train, "_ask", lambda _session: scored(next(scores)))

    def save(*arguments: Any) -> Path:
        saved.append(arguments[0])
        return save_adapter(*arguments)

    monkeypatch.setattr(train, "save_adapter", save)
    recipe = make_recipe(
        optimiser=OptimiserPart(rate=1e-3, epochs=9, accumulation=8),
        validation=ValidationPart(share=0.2, patience=2),
    )
    assert fit(recipe, tmp_path) == 0
    assert [line["validation"]["value"] for line in lines(tmp_path) if "validation" in line] == [0.2, 0.6, 0.5, 0.6]
    assert len(saved) == 2, "saved when it was better, and then alone"
    card = json.loads((tmp_path / "card.json").read_text())
    assert (card["best_epoch"], len(card["validation"])) == (2, 4)
    assert "2 epoch(s) without a better macro_f1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (FinetuneConfig("synthetic"), "--out is missing"),
        (FinetuneConfig(out=Path("x")), "no recipe given: .*shipped: blemore"),
        (FinetuneConfig("a", out=Path("x"), merge=Path("b")), "give no recipe beside it"),
        (FinetuneConfig("nothing", out=Path("x")), "no recipe 'nothing'"),
    ],
)
def test_a_command_that_lacks_something(config: FinetuneConfig, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        run(config)


@pytest.mark.parametrize(("track", "said"), [("wandbb", "legal are tensorboard"), ("trackio", "is not installed")])
def test_a_tracker_that_is_not_there(make_recipe: MakeRecipe, tmp_path: Path, track: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fit(make_recipe(run=RunPart(track=(track,), cache=False)), tmp_path)


TRACKER = """
SEEN = []
class config:
    update = staticmethod(lambda values, **_: SEEN.append(("config", values)))
def init(**settings):
    SEEN.append(("init", settings["project"]))
    class Run:
        def log(self, values, **_): SEEN.append(("log", values))
        def finish(self): SEEN.append(("finish", None))
    return Run()
"""


def test_a_tracker_sees_what_the_log_sees(
    make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module in the place of trackio, which is not installed here, behind accelerate's own tracker."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "trackio.py").write_text(TRACKER)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    recipe = make_recipe(run=dataclasses.replace(make_recipe().run, track=("tensorboard", "trackio")))
    assert fit(recipe, tmp_path / "run") == 0
    seen = sys.modules["trackio"].SEEN
    assert seen[0] == ("init", "omnimer")
    assert seen[1][1]["lora.r"] == 16
    assert seen[-1] == ("finish", None)
    losses = [values["train/loss"] for kind, values in seen if kind == "log"]
    assert losses == [line["loss"] for line in lines(tmp_path / "run")]


def test_the_curve_in_one_line() -> None:
    assert sparkline([3.0, 2.0, 1.0]) == "█▄▁" or sparkline([3.0, 2.0, 1.0]) == "█▅▁"
    assert len(sparkline([float(i) for i in range(1000)])) <= 60
    assert sparkline([1.0]) == "▁"
