"""Several processes, with the whole model each (DDP) or a part of it (FSDP): the same training as one.

And configurations that accelerate reads.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from itertools import chain, takewhile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from finetune import train
from finetune.recipe import LoraPart, ModelPart, OptimiserPart, Recipe, ValidationPart
from finetune.run import fit
from finetune.session import open_session
from finetune.sharding import LEGAL, check_sharing, own_share
from finetune.validate import replies_to
from infer.adapters import CONFIG, WEIGHTS, check_adapter
from tests.finetune.conftest import MakeRecipe, needs_training
from tests.finetune.test_train import COMMAND, lines, records, timeless, toml

pytestmark = needs_training
ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / "finetune" / "launch"
# A run that writes down what each process holds of the frozen weights, may take another token for a reply's end, and
# may wait at a step in its second process, to be killed: however late that comes, it comes in the middle of the run.
LAUNCHED = """
import json, os, sys, time
from pathlib import Path
from torch.distributed.tensor import DTensor
from finetune import train
from finetune.run import FinetuneConfig, run

recipe, out, end, resume, wait = sys.argv[1:]
through, take = train.train, train._take

def told(session, *, resume):
    session.end = int(end) or session.end
    cut = {name: each for name, each in session.model.named_parameters() if isinstance(each, DTensor)}
    there = {name: [list(each.shape), list(each.to_local().shape)] for name, each in cut.items()}
    rank = os.environ["RANK"]
    (Path(out) / f"process-{rank}.json").write_text(json.dumps({"pid": os.getpid(), "cut": there}))
    return through(session, resume=resume)

def patient(session, module, optimiser, step, *more):
    if step.number == int(wait) and os.environ["RANK"] == "1":
        time.sleep(800)
    return take(session, module, optimiser, step, *more)

train.train, train._take = told, patient
sys.exit(run(FinetuneConfig(recipe, out=Path(out), resume=resume == "resume")))
"""


def free_port() -> int:
    """A port below those that the system hands out, or another process might be given it in the meantime."""
    for port in range(29_500, 29_600):
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("", port))
            return port
    pytest.fail("a hundred ports are taken")


def test_two_processes_learn_what_one_does(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    """9 samples in steps of 4: the last step leaves a process without one. Sums in another order differ a little."""
    recipe = make_recipe(validation=ValidationPart(share=0.2, max_tokens=4))
    recipe = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, limit=11))
    assert fit(recipe, tmp_path / "one") == 0
    own = tmp_path / "own.toml"
    own.write_text(toml(recipe), encoding="utf-8")
    words = [sys.executable, "-c", COMMAND, str(own), str(tmp_path / "two")]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
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


def launch(recipe: Path, out: Path, *, end: int = 0, resume: bool = False, wait: int = 0) -> subprocess.Popen[str]:
    """Two processes on the CPU, as a user starts them on GPUs."""
    script = recipe.with_name("launched.py")
    script.write_text(LAUNCHED, encoding="utf-8")
    words = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(LAUNCH / "fsdp.yaml")]
    words += ["--num_processes", "2", "--main_process_port", "0", str(script)]
    return subprocess.Popen(
        [*words, str(recipe), str(out), str(end), "resume" if resume else "fresh", str(wait)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "ACCELERATE_USE_CPU": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )


def ended(process: subprocess.Popen[str]) -> int:
    """The exit status; a process that waits for one that will not come fails the test instead of hanging."""
    try:
        said = process.communicate(timeout=700)[1]
    except subprocess.TimeoutExpired:
        process.terminate()
        pytest.fail(f"the processes wait for each other:\n{process.communicate()[1]}")
    print(said[-4000:])
    return process.returncode


def last_checkpoint(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    found: dict[str, Any] = load_file(str(sorted((folder / "checkpoints").iterdir())[-1]))
    return found


def apart(ours: Path, theirs: Path) -> float:
    """How far two runs' last adapters are apart, as a share of what was learned (B begins with zeros)."""
    one, other = last_checkpoint(ours), last_checkpoint(theirs)
    assert {name: each.shape for name, each in one.items()} == {name: each.shape for name, each in other.items()}
    names = [name for name in one if name.startswith("adapter.")]
    moved = [float(one[name].abs().mean()) for name in names if "lora_B" in name]
    differ = [float((one[name] - other[name]).abs().mean()) for name in names]
    return sum(differ) / len(differ) / (sum(moved) / len(moved))


def fit_without_end(recipe: Recipe, out: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, list[int]]]:
    """Trains in this process; no token ends a reply. The tokens of the replies of each epoch, by sample id."""
    heard: list[list[int]] = []

    def endless(model: Any, questions: Any, decode: Any, _: int, *more: Any) -> dict[str, str]:
        def note(tokens: list[int]) -> str:
            heard.append(tokens)
            return str(decode(tokens))

        return replies_to(model, questions, note, -1, *more)

    with monkeypatch.context() as patch:
        patch.setattr(train, "replies_to", endless)
        assert fit(recipe, out) == 0
    tokens = iter(heard)
    files = sorted((out / "validation").iterdir())
    return [{each["id"]: next(tokens) for each in records(file)} for file in files]


def test_a_model_in_two_parts_learns_what_a_whole_one_does(
    make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3 samples are held out for 2 processes, and a token that only some replies have is made to end them: without
    care one process would ask for weights when the other no longer answers."""
    from transformers import AutoTokenizer

    recipe = make_recipe(
        optimiser=OptimiserPart(rate=1e-3, epochs=2, accumulation=4),
        validation=ValidationPart(share=0.25, max_tokens=8, batch=1),
    )
    recipe = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, limit=11))
    one, two, own = tmp_path / "one", tmp_path / "two", tmp_path / "own.toml"
    epochs = fit_without_end(recipe, one, monkeypatch)
    own.write_text(toml(recipe), encoding="utf-8")
    first = list(epochs[0].values())
    end = next(token for token in sorted({*chain(*first)}) if 0 < sum(token in said for said in first) < len(first))
    assert ended(launch(own, two, end=end)) == 0

    assert [line["step"] for line in timeless(one)] == [line["step"] for line in timeless(two)] == [1, 2, 2, 3, 4, 4]
    for ours, theirs in zip(lines(one), lines(two), strict=True):
        if "loss" in ours:
            assert (ours["examples"], ours["learned"]) == (theirs["examples"], theirs["learned"])
            assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
            assert ours["norm"] == pytest.approx(theirs["norm"], rel=1e-4)
            assert ours["norm"] > recipe.optimiser.clip_norm, "nothing was clipped"
    assert apart(one, two) < 1e-3
    tokenizer = AutoTokenizer.from_pretrained(recipe.model.path)
    for number, said in enumerate(epochs, 1):
        replies = records(two / "validation" / f"epoch-{number}.jsonl")
        cut = {name: [*takewhile(lambda token: token != end, tokens)] for name, tokens in said.items()}
        texts = {name: tokenizer.decode(tokens, skip_special_tokens=True) for name, tokens in cut.items()}
        assert {each["id"]: each["text"] for each in replies} == texts

    check_adapter(two / "adapter")
    assert (two / "adapter" / CONFIG).read_bytes() == (one / "adapter" / CONFIG).read_bytes()
    assert shapes(two / "adapter" / WEIGHTS) == shapes(one / "adapter" / WEIGHTS)
    held = [json.loads((two / f"process-{rank}.json").read_text())["cut"] for rank in (0, 1)]
    assert {name.rsplit(".", 2)[-2] for name in held[0]} >= {"base_layer", "input_layernorm"}
    assert not any("lora" in name or "embed" in name for name in held[0])
    for name, (shape, part) in held[0].items():
        assert part[0] + held[1][name][1][0] == shape[0]
        assert part[0] == -(-shape[0] // 2)


def shapes(file: Path) -> dict[str, tuple[int, ...]]:
    from safetensors.torch import load_file

    return {name: tuple(each.shape) for name, each in load_file(str(file)).items()}


def test_a_process_that_dies_ends_the_run_and_it_goes_on(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    """With a base in bfloat16 below an adapter in float32, and fused experts; once more in two parts, once in one."""
    recipe = make_recipe(
        "qwen3_omni_moe",
        optimiser=OptimiserPart(rate=1e-3, epochs=3, accumulation=4),
        lora=LoraPart(experts=True),
        validation=ValidationPart(share=0.25, max_tokens=3),
    )
    recipe = dataclasses.replace(
        recipe,
        model=ModelPart(path=recipe.model.path, dtype="bfloat16"),
        run=dataclasses.replace(recipe.run, save_every=1),
    )
    whole, cut, joined, own = (tmp_path / name for name in ("whole", "cut", "joined", "own.toml"))
    own.write_text(toml(recipe), encoding="utf-8")
    assert fit(recipe, whole) == 0
    process = launch(own, cut, wait=6)
    deadline = time.monotonic() + 600
    while not (cut / "checkpoints" / "step-0000002.safetensors").exists():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(json.loads((cut / "process-1.json").read_text())["pid"], signal.SIGKILL)
    assert ended(process) != 0
    assert 2 <= len([line for line in lines(cut) if "loss" in line]) < 6 < len([x for x in lines(whole) if "loss" in x])
    assert not (cut / "card.json").exists()
    shutil.copytree(cut, joined)

    assert ended(launch(own, cut, resume=True)) == 0
    assert fit(recipe, joined, resume=True) == 0
    for folder in (cut, joined):
        for ours, theirs in zip(lines(whole), lines(folder), strict=True):
            assert ours["step"] == theirs["step"]
            assert ours.get("loss", 0) == pytest.approx(theirs.get("loss", 0), rel=5e-3)
        assert apart(whole, folder) < 0.05


def test_a_reply_goes_on_while_another_process_needs_it(sessions: dict[str, Any]) -> None:
    """The further forwards change nothing in the replies that have ended."""
    session = sessions["qwen2_5_omni"]
    sample = session.chosen.train[0]

    def ask(end: int, together: Any) -> dict[str, str]:
        question = session.maker.make(session.maker.wait(sample), learn=False)
        return replies_to(session.model, iter([question]), repr, end, 1, 6, together)

    tokens = json.loads(ask(-1, bool)[sample.id])
    assert len(tokens) == 6
    asked: list[bool] = []

    def others(unfinished: bool) -> bool:
        asked.append(unfinished)
        return True

    expected = tokens[: tokens.index(tokens[2])]
    assert json.loads(ask(tokens[2], others)[sample.id]) == expected
    assert asked == [True] * len(expected) + [False] * (5 - len(expected))


@pytest.mark.parametrize(("count", "processes"), [(5, 2), (4, 2), (1, 3), (7, 3), (2, 5)])
def test_parts_of_a_model_are_asked_equally_often(count: int, processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def shares() -> list[list[int]]:
        given = [SimpleNamespace(process_index=each, num_processes=processes) for each in range(processes)]
        return [own_share(range(count), each) for each in given]

    monkeypatch.delenv("ACCELERATE_USE_FSDP", raising=False)
    assert sorted(item for share in shares() for item in share) == list(range(count))
    whole = shares()
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert {len(share) for share in shares()} == {-(-count // processes)}
    assert all(share[: len(own)] == own for share, own in zip(shares(), whole, strict=True))


@pytest.mark.parametrize("path", sorted(LAUNCH.glob("*.yaml")), ids=lambda path: path.stem)
def test_accelerate_reads_the_configurations_that_ship(path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    found = load_config_from_file(str(path))
    assert found.distributed_type.value in LEGAL
    assert found.distributed_type.value != "FSDP" or found.fsdp_config["fsdp_version"] == 2


def test_deepspeed_is_refused(make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import accelerate

    class Cut:
        distributed_type = accelerate.DistributedType.DEEPSPEED

        def __init__(self, **_: Any) -> None:
            pass

    monkeypatch.setattr(accelerate, "Accelerator", Cut)
    with pytest.raises(ValueError, match=r"accelerate is set to DEEPSPEED.*ddp\.yaml.*fsdp\.yaml"):
        open_session(make_recipe(), tmp_path)


@pytest.mark.parametrize(
    ("environment", "quantise", "said"),
    [
        ({"FSDP_VERSION": "1"}, "none", r"fsdp_version 1 or fsdp_offload_params.*fsdp\.yaml"),
        ({}, "none", r"fsdp_version 1"),
        ({"FSDP_VERSION": "2", "FSDP_OFFLOAD_PARAMS": "true"}, "none", "fsdp_offload_params"),
        ({"FSDP_VERSION": "2"}, "nf4", r"model\.quantise 'nf4': packed weights cannot be cut up.*ddp\.yaml"),
    ],
)
def test_settings_of_fsdp_that_do_not_work_are_refused(
    make_recipe: MakeRecipe,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    quantise: Any,
    said: str,
) -> None:
    for name in ("FSDP_VERSION", "FSDP_OFFLOAD_PARAMS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"ACCELERATE_USE_FSDP": "true", **environment}.items():
        monkeypatch.setenv(name, value)
    recipe = make_recipe()
    recipe = dataclasses.replace(recipe, model=dataclasses.replace(recipe.model, quantise=quantise))
    way = SimpleNamespace(value="FSDP")
    with pytest.raises(ValueError, match=said):
        check_sharing(SimpleNamespace(distributed_type=way, num_processes=2), recipe)
    check_sharing(SimpleNamespace(distributed_type=way, num_processes=1), recipe)
