"""From nothing to an adapter that knows emotions, in a process of its own: accuracies before and after, through vLLM.

python -m tests.finetune.learns FOLDER CLIPS BATCHES EPOCHS      prints one JSON line; what lies in FOLDER is used again

Accuracies are those of label decoding on the test speakers, whom nothing was trained on; with the adapter also for
clips that lost something (`tasks.synthetic.clip.variant`), and apart for transcripts that contradict.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from finetune.recipe import find, load
from finetune.run import fit
from finetune.train import ADAPTER
from infer.checkpoint import Checkpoint
from infer.engine import Choice, Request, Sampling
from infer.feed import Question, prepare
from infer.tiny import build_tiny
from infer.tiny_pretrain import Budget
from infer.vllm_engine import VllmEngine, VllmOptions
from prompts.render import load_template
from tasks.labels import label_space
from tasks.synthetic import SYNTHETIC, generate
from tasks.synthetic.clip import VARIANTS, Variant, variant
from tasks.task import MediaOptions, Root, Sample

SIZE = MediaOptions(min_pixels=168 * 168, max_pixels=168 * 168)
LABELS = label_space("basic7").labels


def prepared(checkpoint: Checkpoint, samples: Sequence[Sample]) -> list[Request]:
    """The questions of `omnimer infer --decode label`."""
    template = load_template(SYNTHETIC.template)
    choice = Choice('{"label": "', LABELS, '"}')
    sampling = Sampling("label")
    question = Question(
        SYNTHETIC, template, True, None, SIZE, sampling, None, choice, checkpoint.identity(), checkpoint.factor
    )
    found = [prepare(sample, question, lambda _id, _key: False) for sample in samples]
    assert all(isinstance(one, Request) for one in found)
    return [one for one in found if isinstance(one, Request)]


def changed(requests: Sequence[Request], kind: Variant) -> Iterator[Request]:
    for number, one in enumerate(requests):
        (clip,) = one.clips
        assert clip.frames is not None
        assert clip.audio is not None
        frames, audio = variant(clip.frames, clip.audio, kind, seed=number)
        lost = dataclasses.replace(clip, frames=np.ascontiguousarray(frames), audio=audio)
        yield dataclasses.replace(one, clips=(lost,), media_key=f"{one.media_key}-{kind}")


def right(engine: VllmEngine, requests: Sequence[Request], gold: dict[str, str]) -> dict[str, bool]:
    """Which samples are answered with their label."""
    found = {}
    for reply in engine.generate(requests, Sampling("label")):
        assert reply.error is None, reply.error
        scores = reply.label_logprobs or {}
        found[reply.id] = max(scores, key=scores.__getitem__) == gold[reply.id]
    assert len(found) == len(requests)
    return found


def share(marks: Sequence[bool]) -> float:
    return sum(marks) / len(marks)


def main(folder: Path, clips: int, batches: int, epochs: int) -> None:
    seconds: dict[str, float] = {}
    clock = time.monotonic()

    def took(step: str) -> None:
        nonlocal clock
        seconds[step], clock = round(time.monotonic() - clock, 1), time.monotonic()

    data = generate(folder / "data", clips=clips, seed=21, speakers=clips // 14)
    took("draw")
    model = build_tiny(folder / "tiny", pretraining=dataclasses.replace(Budget(), batches=batches))
    took("pretrain")
    recipe = load(find("synthetic_tiny"))
    recipe = dataclasses.replace(
        recipe,
        model=dataclasses.replace(recipe.model, path=str(model)),
        data=dataclasses.replace(recipe.data, folder=data),
        optimiser=dataclasses.replace(recipe.optimiser, epochs=epochs),
    )
    adapter = folder / f"run-{epochs}" / ADAPTER
    if not adapter.is_dir():
        assert fit(recipe, adapter.parent) == 0
    took("finetune")
    samples = list(SYNTHETIC.adapter(Root(data), "test"))
    gold = {sample.id: str((sample.gold or {})["label"]) for sample in samples}
    checkpoint = Checkpoint(str(model), adapter)
    options = VllmOptions(max_model_len=2048, multiprocess=False, kv_cache_gb=1)
    engine = VllmEngine(checkpoint, options, seed=0)
    took("load")
    requests = prepared(checkpoint, samples)
    whole = right(engine, requests, gold)
    took("ask")
    found = {"whole": share(list(whole.values()))}
    for kind in VARIANTS:
        found[kind] = share(list(right(engine, list(changed(requests, kind)), gold).values()))
    took("variants")
    for words in ("neutral", "contradicts"):
        found[words] = share([whole[sample.id] for sample in samples if sample.meta["transcript_kind"] == words])
    for label in LABELS:
        found[label] = share([whole[sample.id] for sample in samples if gold[sample.id] == label])
    engine._adapter = None
    found["zero-shot"] = share(list(right(engine, requests, gold).values()))
    took("zero-shot")
    print(json.dumps({"n": len(samples), "accuracy": found, "seconds": seconds}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
