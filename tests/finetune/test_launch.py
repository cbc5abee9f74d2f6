"""Several processes: the same training as one, and configurations that accelerate reads."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from finetune import session as session_module
from finetune.recipe import ValidationPart
from finetune.run import fit
from finetune.session import open_session
from tests.finetune.conftest import MakeRecipe, needs_training
from tests.finetune.test_train import COMMAND, timeless, toml

pytestmark = needs_training
ROOT = Path(__file__).parents[2]


def test_two_processes_learn_what_one_does(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    """9 samples in steps of 4: the last step leaves a process without one. Sums in another order differ a little."""
    recipe = make_recipe(validation=ValidationPart(share=0.2, max_tokens=4))
    recipe = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, limit=11))
    assert fit(recipe, tmp_path / "one") == 0
    own = tmp_path / "own.toml"
    own.write_text(toml(recipe), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    words = [sys.executable, "-c", COMMAND, str(own), str(tmp_path / "two")]
    started = [
        subprocess.Popen(
            words,
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **shared, "ACCELERATE_USE_CPU": "1", "OMP_NUM_THREADS": "1", "RANK": rank}
            | {"LOCAL_RANK": rank},
        )
        for rank in ("0", "1")
    ]
    said = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    one, two = (timeless(tmp_path / name) for name in ("one", "two"))
    assert [line["step"] for line in one] == [line["step"] for line in two] == [1, 2, 3, 3]
    for ours, theirs in zip(one[:3], two[:3], strict=True):
        assert (ours["examples"], ours["learned"]) == (theirs["examples"], theirs["learned"])
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
        assert ours["norm"] == pytest.approx(theirs["norm"], rel=1e-3)
    assert json.loads((tmp_path / "two" / "card.json").read_text())["hardware"]["processes"] == 2
    replies = [(tmp_path / name / "validation" / "epoch-1.jsonl").read_text() for name in ("one", "two")]
    assert replies[0].count("\n") == replies[1].count("\n")


@pytest.mark.parametrize("path", sorted((ROOT / "finetune" / "launch").glob("*.yaml")), ids=lambda path: path.stem)
def test_accelerate_reads_the_configurations_that_ship(path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    found = load_config_from_file(str(path))
    assert found.distributed_type.value in session_module.WHOLE


def test_cutting_the_model_up_is_refused(
    make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import accelerate

    class Cut:
        distributed_type = accelerate.DistributedType.FSDP

        def __init__(self, **_: Any) -> None:
            pass

    monkeypatch.setattr(accelerate, "Accelerator", Cut)
    with pytest.raises(ValueError, match=r"accelerate is set to FSDP.*each process holds it whole"):
        open_session(make_recipe(), tmp_path)
