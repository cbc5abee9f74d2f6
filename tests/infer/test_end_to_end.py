"""`omnimer infer` whole, through the real engine: broken clips, kill -9 and resume, refusals, both model families."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from eval.run import EvalConfig
from eval.run import run as run_eval
from infer import run as infer_run
from infer.checkpoint import Checkpoint
from infer.engine import EngineError, Reply, Request, Sampling
from infer.media import load_clip
from infer.run import InferConfig
from infer.store import REPLIES, RunStore, StoreFullError
from infer.vllm_engine import VllmEngine, VllmOptions
from prompts.render import Messages
from tasks.synthetic import SYNTHETIC, generate
from tasks.task import Media, MediaOptions, Root
from tests.infer.clips import write_audio, write_video
from tests.infer.conftest import HAS_ENGINE, NO_ENGINE
from tests.infer.test_vllm_engine import load_thinker, request, thinker_logprobs

pytestmark = [pytest.mark.engine, pytest.mark.skipif(not HAS_ENGINE, reason=NO_ENGINE)]

SMALL = MediaOptions(min_pixels=168 * 168, max_pixels=168 * 168)
FLAGS = ["--min-pixels", "28224", "--max-pixels", "28224", "--max-model-len", "2048", "--kv-cache-gb", "1"]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def infer(
    monkeypatch: pytest.MonkeyPatch, engine: VllmEngine, tiny_folder: Path
) -> Callable[[InferConfig], tuple[int, int]]:
    """Runs the command in this process with the shared engine: (exit code, how often an engine was asked for)."""

    def run(config: InferConfig) -> tuple[int, int]:
        loads = []

        def load(*_: object) -> VllmEngine:
            loads.append(1)
            return engine

        monkeypatch.setattr(infer_run, "load_engine", load)
        return infer_run.run(dataclasses.replace(config, model=str(tiny_folder))), len(loads)

    return run


def lines(folder: Path) -> list[str]:
    return (folder / REPLIES).read_text(encoding="utf-8").splitlines()


def media_of(data: Path) -> list[Path]:
    return [sample.media[0].path for sample in SYNTHETIC.adapter(Root(data), "all")]


def break_clips(paths: list[Path]) -> dict[str, str]:
    """Breaks each file in another way; path -> a word that the reason has to hold."""

    def cut(path: Path, share: float) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    def as_folder(path: Path) -> None:
        path.unlink()
        path.mkdir()

    def as_pipe(path: Path) -> None:
        path.unlink()
        os.mkfifo(path)

    ways: list[tuple[str, Callable[[Path], object]]] = [
        ("no such file", lambda path: path.unlink()),
        ("is empty", lambda path: path.write_bytes(b"")),
        ("cannot be read", lambda path: path.write_text("this is no video\n" * 100)),
        ("cannot be read", lambda path: path.write_bytes(random.Random(0).randbytes(5000))),  # noqa: S311
        ("cannot be read", lambda path: cut(path, 0.5)),
        ("cannot be read", lambda path: cut(path, 0.02)),
        ("is a directory", as_folder),
        ("no picture track", lambda path: write_audio(path, seconds=1)),
        ("not a regular file", as_pipe),
        ("aspect", lambda path: write_video(path, size=(820, 4), seconds=1)),
    ]
    for index, path in enumerate(paths):
        ways[index % len(ways)][1](path)
    return {str(path): ways[index % len(ways)][0] for index, path in enumerate(paths)}


def test_fifty_good_and_twenty_broken_clips(
    infer: Callable[[InferConfig], tuple[int, int]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = generate(tmp_path / "data", clips=70, seed=9, size=84)
    broken = break_clips(media_of(data)[::3][:20])
    out = tmp_path / "run"
    config = InferConfig("synthetic", data, out=out, decode="label", clip=SMALL)
    code, _ = infer(config)
    assert code == 1
    assert "50 of 70 samples have a reply" in capsys.readouterr().err
    records = [json.loads(line) for line in lines(out)]
    assert len(records) == len({record["id"] for record in records}) == 70
    failed = [record for record in records if record["error"]]
    assert sum(record["text"] is not None for record in records) == 50
    for record in failed:
        path = next(path for path in broken if path in record["error"])
        assert broken[path] in record["error"], record["error"]
    assert {path for path in broken if any(path in record["error"] for record in failed)} == set(broken)
    assert run_eval(EvalConfig((out,), resamples=100)) == 1
    rows = json.loads((out / "scores.json").read_text())["rows"]
    assert {(row["n"], row["errors"]) for row in rows if row["slice"] == "all"} == {(70, 20)}

    # Again: the good ones are not asked a second time, the broken ones are looked at and stay one line each.
    assert infer(config) == (1, 0)
    assert len(lines(out)) == 70
    # One is repaired: only that one is asked.
    repaired = Path(next(path for path, why in broken.items() if why == "is empty"))
    shutil.copy(media_of(data)[1], repaired)
    assert infer(config) == (1, 1)
    assert len(lines(out)) == 71
    assert json.loads(lines(out)[-1])["text"] is not None


def command(data: Path, model: Path, out: Path) -> list[str]:
    words = ["infer", "--task", "synthetic", "--data", str(data), "--model", str(model)]
    return [*words, "--out", str(out), "--decode", "free", "--max-tokens", "12", *FLAGS]


# The command, which waits before its fortieth reply: however late the kill comes, it comes in the middle of the run.
PATIENT = """
if __name__ == "__main__":
    import sys, time
    from infer.store import RunStore
    from omnimer import main

    append = RunStore.append

    def patient(store, replies):
        if store.counts[0] == 40:
            time.sleep(800)
        return append(store, replies)

    RunStore.append = patient
    sys.exit(main(sys.argv[1:]))
"""


def test_kill_and_resume_equals_an_uninterrupted_run(
    infer: Callable[[InferConfig], tuple[int, int]], tiny_folder: Path, tmp_path: Path
) -> None:
    data = generate(tmp_path / "data", clips=84, seed=5, size=84)
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    config = InferConfig("synthetic", data, out=whole, decode="free", max_tokens=12, clip=SMALL)
    assert infer(config) == (0, 1)

    script = tmp_path / "patient.py"  # a spawned engine imports the main module again, so that has to be a file
    script.write_text(PATIENT)
    words, environment = command(data, tiny_folder, killed), {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, script, *words], env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 600
            while not (killed / REPLIES).exists() or len(lines(killed)) < 5:
                assert process.poll() is None, "the run ended before it could be killed"
                assert time.monotonic() < deadline
                time.sleep(0.01)
        finally:
            process.kill()
    stored = len(lines(killed))
    assert 5 <= stored <= 40

    again = [sys.executable, "-m", "omnimer", *words]
    done = subprocess.run(again, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(lines(killed)) == 84
    assert sorted(lines(killed)) == sorted(lines(whole))
    assert lines(killed)[: stored - 1] == sorted(set(lines(killed)), key=lines(killed).index)[: stored - 1]


def test_another_configuration_is_refused_with_the_difference(
    infer: Callable[[InferConfig], tuple[int, int]], synthetic_data: Path, tmp_path: Path
) -> None:
    config = InferConfig("synthetic", synthetic_data, out=tmp_path, limit=4, decode="label", clip=SMALL)
    assert infer(config) == (0, 1)
    with pytest.raises(ValueError, match=r"sampling.seed: there 0, now 1"):
        infer(dataclasses.replace(config, seed=1))
    with pytest.raises(ValueError, match=r"media.fps: there 2.0, now 1.0"):
        infer(dataclasses.replace(config, clip=dataclasses.replace(SMALL, fps=1.0)))
    # A larger limit goes on; a finished run loads no engine.
    assert infer(dataclasses.replace(config, limit=6)) == (0, 1)
    assert infer(dataclasses.replace(config, limit=6)) == (0, 0)
    assert len(lines(tmp_path)) == 6


def test_a_full_disk_stops_cleanly_and_the_run_goes_on(
    infer: Callable[[InferConfig], tuple[int, int]],
    synthetic_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    append, calls = RunStore.append, []

    def full(self: RunStore, replies: object) -> int:
        calls.append(1)
        if len(calls) == 4:
            raise StoreFullError(28, "replies.jsonl: the disk is full")
        return append(self, replies)  # type: ignore[arg-type]

    config = InferConfig("synthetic", synthetic_data, out=tmp_path, limit=8, decode="label", clip=SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "append", full)
        assert infer(config) == (3, 1)
    assert "the disk is full" in capsys.readouterr().err
    assert len(lines(tmp_path)) == 3
    assert infer(config) == (0, 1)
    assert len(lines(tmp_path)) == len({json.loads(line)["id"] for line in lines(tmp_path)}) == 8


def test_what_cannot_be_read_is_asked_again(
    infer: Callable[[InferConfig], tuple[int, int]], synthetic_data: Path, tmp_path: Path
) -> None:
    config = InferConfig("synthetic", synthetic_data, out=tmp_path, limit=6, decode="free", max_tokens=8, clip=SMALL)
    assert infer(config) == (0, 1)
    first = lines(tmp_path)
    assert infer(dataclasses.replace(config, reask=2)) == (0, 1)
    again = lines(tmp_path)
    assert again[:6] == first, "what was paid for stays"
    records = [json.loads(line) for line in again]
    # Random weights never give an answer: every reply is asked again, and again where that gave another reply (the
    # same words a second time would be the same question).
    attempts = [record["attempt"] for record in records]
    assert attempts[:12] == [0] * 6 + [1] * 6
    assert set(attempts[12:]) == {2}
    assert len({record["key"] for record in records}) == len(records) > 12
    assert all(record["fed"]["audio_tokens"] > 0 for record in records)
    longer = [record["usage"]["prompt_tokens"] for record in records if record["attempt"] == 1]
    assert min(longer) > max(json.loads(line)["usage"]["prompt_tokens"] for line in first)
    # Repeating asks nothing; scoring works with and without the re-asks.
    assert infer(dataclasses.replace(config, reask=2)) == (0, 0)
    for reask, attempt in ((True, 2), (False, 0)):
        assert run_eval(EvalConfig((tmp_path,), resamples=50, reask=reask)) == 0
        answers = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
        assert max(answer.get("attempt", 0) for answer in answers) == attempt
        assert all(answer["reason"] for answer in answers)


def test_show_prompt(
    infer: Callable[[InferConfig], tuple[int, int]], synthetic_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert infer(InferConfig("synthetic", synthetic_data, show_prompt=True)) == (0, 0)
    shown = capsys.readouterr().out
    sample = next(iter(SYNTHETIC.adapter(Root(synthetic_data), "all")))
    assert str(sample.media[0].path) in shown
    assert sample.text in shown
    order = ["<|im_start|>system\nYou are a helpful assistant.", "<|VIDEO|>", "<|AUDIO|>", sample.text, "assistant\n"]
    assert [shown.index(mark) for mark in order] == sorted(shown.index(mark) for mark in order)


def test_demo_with_the_other_family(tmp_path: Path) -> None:
    """The whole demo in a process of its own, with the tiny Qwen3-Omni-MoE checkpoint."""
    words = ["demo", "--out", str(tmp_path), "--clips", "14", "--family", "qwen3_omni_moe"]
    done = subprocess.run(
        [sys.executable, "-m", "omnimer", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Macro-F1" in done.stdout
    run = tmp_path / "runs" / "tiny-qwen3_omni_moe-14"
    records = [json.loads(line) for line in lines(run)]
    assert len(records) == 14
    for record in records:
        assert record["error"] is None
        assert record["fed"]["audio_tokens"] > 0
        assert record["fed"]["video_tokens"] > 0
    assert "| all |" in (run / "report.md").read_text()


SAME_FRAMES = """
import dataclasses, json, sys
import numpy as np
from infer.checkpoint import Checkpoint
from infer.engine import Sampling
from infer.media import load_clip
from infer.vllm_engine import VllmEngine, VllmOptions
from tests.infer.test_vllm_engine import CHOICE, SMALL, interleaved, request
from tasks.task import Media
from pathlib import Path

clip = load_clip(Media("video", Path(sys.argv[2])), SMALL, 28)
sounds = [clip.audio, np.zeros_like(clip.audio), clip.audio[: len(clip.audio) // 2], clip.audio[::-1].copy()] * 2
clips = [dataclasses.replace(clip, audio=sound) for sound in sounds]
options = VllmOptions(max_model_len=2048, multiprocess=True, kv_cache_gb=1)
engine = VllmEngine(Checkpoint(sys.argv[1], Path(sys.argv[3])), options, 0)
for make in (interleaved, request):
    asked = [make(f"{make.__name__}{i}", one) for i, one in enumerate(clips)]
    replies = list(engine.generate(asked, Sampling("free", max_tokens=4)))
    print(len(replies), "replies,", sum(reply.error is not None for reply in replies), "errors")
(reply,) = engine.generate([dataclasses.replace(request("adapted", clip), choice=CHOICE)], Sampling("label"))
print(json.dumps(reply.label_logprobs))
"""


def adapted_logprobs(checkpoint: Checkpoint, clip_path: Path, out: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Saves a random LoRA adapter into `out`, under the full model's names; label log-probabilities by transformers
    without it and with it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from safetensors.torch import load_file, save_file

    one = request("reference", load_clip(Media("video", clip_path), SMALL, 28))
    torch.manual_seed(1)
    thinker = load_thinker(checkpoint)
    layers = r"^model\.layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)$"
    adapted = get_peft_model(thinker, LoraConfig(r=16, lora_alpha=32, target_modules=layers, init_lora_weights=False))
    adapted.save_pretrained(str(out))
    weights = load_file(str(out / "adapter_model.safetensors"))
    renamed = {name.replace("base_model.model.", "base_model.model.thinker."): weights[name] for name in weights}
    save_file(renamed, str(out / "adapter_model.safetensors"))
    with adapted.disable_adapter():
        plain = thinker_logprobs(adapted, checkpoint, one)
    return plain, thinker_logprobs(adapted, checkpoint, one)


def test_engine_in_a_process_of_its_own(tiny_folder: Path, synthetic_data: Path, tmp_path: Path) -> None:
    """Clips with equal frames and different sound once killed this engine (its media cache went by frames alone); and
    an adapter has to change its answers exactly as it does in transformers."""
    clip = media_of(synthetic_data)[0]
    plain, adapted = adapted_logprobs(Checkpoint(str(tiny_folder)), clip, tmp_path)
    words = ["-c", SAME_FRAMES, str(tiny_folder), str(clip), str(tmp_path)]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[:-1] == ["8 replies, 0 errors"] * 2, done.stderr
    ours = json.loads(done.stdout.splitlines()[-1])
    assert ours == pytest.approx(adapted, abs=1e-4)
    assert max(abs(plain[label] - adapted[label]) for label in plain) > 0.01


class DyingEngine:
    """Answers two requests, then its process is gone."""

    factor = 28

    def prompt(self, messages: Messages) -> str:
        return str(messages)

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Reply]:
        for number, one in enumerate(requests):
            if number == 2:
                raise EngineError("gone")
            yield Reply(one.id, one.key, "{}")


def test_a_dead_engine_keeps_what_was_paid_for(
    infer: Callable[[InferConfig], tuple[int, int]],
    synthetic_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = InferConfig("synthetic", synthetic_data, out=tmp_path, limit=5, decode="label", clip=SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(infer_run, "load_engine", lambda *_: DyingEngine())
        assert infer_run.run(dataclasses.replace(config, model=str(tiny_folder))) == 3
    assert "the engine died: gone. 2 replies are stored" in capsys.readouterr().err
    assert infer(config) == (0, 1)
    assert len(lines(tmp_path)) == 5


def test_options_of_the_engine_reach_it(engine: VllmEngine) -> None:
    assert engine._options == VllmOptions(max_model_len=2048, multiprocess=False, kv_cache_gb=1)
    assert engine.factor == 28
