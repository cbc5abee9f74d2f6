"""The builder of tiny checkpoints: the same arguments give the same folder, and what is there is left alone."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import pytest

from infer.tiny import build_tiny
from infer.tiny_pretrain import BATCH, Budget

pytestmark = pytest.mark.skipif(
    not importlib.util.find_spec("transformers"), reason="transformers is not installed (base install)"
)

# As little as there is: one batch of portraits, seen, heard and described once.
LEAST = Budget(batches=1, eyes=1, ears=1, language=1)


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny(tmp_path_factory.mktemp("tiny") / "pretrained", pretraining=LEAST)


def test_the_same_arguments_give_the_same_random_folder(tmp_path: Path) -> None:
    first, again, other = (build_tiny(tmp_path / name, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    assert hashes(first) == hashes(again)
    changed = {name for name, value in hashes(first).items() if hashes(other)[name] != value}
    assert changed == {"model.safetensors", "tiny.json"}


def test_the_same_arguments_give_the_same_pretrained_folder(pretrained: Path, tmp_path: Path) -> None:
    assert hashes(build_tiny(tmp_path / "again", pretraining=LEAST)) == hashes(pretrained)


def test_pretraining_moves_every_part(pretrained: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    before = load_file(str(build_tiny(tmp_path / "random") / "model.safetensors"))
    after = load_file(str(pretrained / "model.safetensors"))
    assert before.keys() == after.keys()
    moved = {name for name in before if (before[name] != after[name]).any()}
    for part in ("visual.patch_embed", "visual.merger", "audio_tower.conv1", "audio_tower.proj", "lm_head"):
        assert any(name.startswith(f"thinker.{part}") for name in moved), part
    for layer in ("visual.blocks", "audio_tower.layers", "model.layers"):
        for number in (0, 1):
            assert any(name.startswith(f"thinker.{layer}.{number}.") for name in moved), (layer, number)


def test_what_is_there_is_left_alone(pretrained: Path) -> None:
    times = {path: path.stat().st_mtime_ns for path in pretrained.iterdir()}
    assert build_tiny(pretrained, pretraining=LEAST) == pretrained
    assert {path: path.stat().st_mtime_ns for path in pretrained.iterdir()} == times


def test_an_interrupted_build_is_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_tiny(tmp_path / "tiny", seed=1)

    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("infer.tiny._save_weights", interrupted)
        with pytest.raises(KeyboardInterrupt):
            build_tiny(tmp_path / "tiny")
    build_tiny(tmp_path / "tiny", seed=1)
    assert hashes(tmp_path / "tiny") == hashes(build_tiny(tmp_path / "fresh", seed=1))


def test_the_other_family_is_not_pretrained(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"qwen3_omni_moe cannot be pretrained; legal is qwen2_5_omni"):
        build_tiny(tmp_path, "qwen3_omni_moe", pretraining=LEAST)
    assert not list(tmp_path.iterdir())


def test_a_row_is_the_question_as_infer_asks_it_and_the_reply(pretrained: Path) -> None:
    import numpy as np
    import torch

    from infer.tiny_forms import named
    from infer.tiny_pretrain import Encoded, _batch, _frames, _pupil, _rows

    pupil = _pupil(pretrained)
    rng = np.random.default_rng(0)
    batch = _batch(pupil, rng)
    with torch.no_grad():
        encoded = Encoded(batch, pupil.see(_frames(batch)), pupil.hear(batch))
    pairs = [named(rng) for _ in range(BATCH)]
    tokens, positions, learned = _rows(pupil, encoded, pairs)
    tokenizer = pupil.processor.tokenizer
    for row, mask, place, (messages, reply) in zip(tokens, learned, positions.swapaxes(0, 1), pairs, strict=True):
        assert tokenizer.decode(row[mask]) == reply + tokenizer.eos_token
        portrait = batch.portraits[0]
        inputs = pupil.processor(
            text=[pupil.checkpoint.prompt(messages)],
            videos=[portrait.frames],
            audio=[portrait.sound],
            fps=portrait.fps,
            do_sample_frames=False,
            size={"shortest_edge": 1, "longest_edge": 1 << 40},
            return_tensors="pt",
        )
        asked = inputs["input_ids"][0]
        assert torch.equal(row[: len(asked)], asked)
        expected, _ = pupil.thinker.get_rope_index(
            asked[None],
            video_grid_thw=inputs["video_grid_thw"],
            attention_mask=inputs["attention_mask"],
            audio_seqlens=inputs["feature_attention_mask"].sum(1),
            second_per_grids=torch.tensor(inputs["video_second_per_grid"]),
        )
        assert torch.equal(place[:, : len(asked)], expected[:, 0])
