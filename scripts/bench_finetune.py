"""Training beside the plain way: python scripts/bench_finetune.py [--shape tiny] [--clips 16] [--epochs 3] [--rounds 2]

The same clips in the same steps, with the same adapter, seed and rates, each way in processes of its own, in turns:

    plain   transformers' Trainer and peft's LoRA: each epoch decodes its clips, puts them through the checkpoint's
            processor as it comes (sound padded to 300 s) and through the towers, pads the batch, computes all logits
    ours    `omnimer finetune`: towers once with their output on disk, rows without padding, logits where something is
            learned, examples made ahead by threads

Both decode with infer.media.load_clip; public decoders are slower. Seconds run from the first request for data to the
end of training, with our first look at the clips and our checkpoints. --shape 7b, the shape of Qwen2.5-Omni-7B's
thinker with random weights, needs an NVIDIA GPU and 18 GB of disk. MFU counts the weights of the language layers alone,
as published figures do (0.13-0.15 with omni packing): 6 FLOPs a weight and token is their convention, 4 is what LoRA on
frozen weights needs. Exit code 1: the two did not learn the same.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import islice, pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1]))  # runs from anywhere, installed or not

from finetune import examples, session, train
from finetune.inputs import Processor
from finetune.log import curve
from finetune.model import adapter_parameters, load_thinker, target_regex, weight_type
from finetune.plan import Step, plan, rate
from finetune.recipe import DataPart, ModelPart, OptimiserPart, OptionsPart, Recipe, RunPart, ValidationPart
from finetune.samples import Chosen, choose
from finetune.towers import ahead
from infer.checkpoint import Checkpoint
from infer.media import load_clip
from infer.store import to_json
from infer.tiny import build_tiny
from tasks.select import check_at_least
from tasks.synthetic import generate
from tasks.task import Sample

NAME = "bench_finetune: "
ACCUMULATION = 2
WAYS = ("plain", "ours")
# Option -> default, least value, help.
COUNTS = (
    ("clips", 16, 1, "clips"),
    ("epochs", 3, 1, "passes over the clips"),
    ("rounds", 2, 1, "times that both are run"),
    ("batch", 4, 1, "examples that the plain way pads together, half of a step"),
    ("workers", 0, 0, "loader processes of the plain way; their memory is not counted"),
    ("pack", 4096, 1, "longest row of ours, in tokens"),
)
# Relative difference of the first loss that rounding explains, by the type of the weights.
TOLERANCE = {"float32": 1e-4, "bfloat16": 2e-2}
# Qwen2.5-Omni-7B, where its published thinker_config is not what transformers' classes have as defaults.
ROPE_7B = {"rope_type": "default", "rope_theta": 1_000_000.0, "mrope_section": [16, 24, 24]}
SHAPE_7B: dict[str, dict[str, Any]] = {
    "text_config": {"model_type": "qwen2_5_omni_text", "rope_parameters": ROPE_7B, "tie_word_embeddings": False},
    "vision_config": {"model_type": "qwen2_5_omni_vision_encoder", "hidden_size": 1280, "tokens_per_second": 25},
    "audio_config": {"model_type": "qwen2_5_omni_audio_encoder"},
}
# Dense bf16 peak in FLOP/s by the name of the card, from the makers' data sheets; the first that fits.
PEAKS = {"B200": 2250e12, "H200": 989e12, "H100 PCIe": 756e12, "H100 NVL": 835e12, "H100": 989e12, "A100": 312e12}


@dataclass(slots=True)
class Feed:
    """When data was asked for, and how long it took to come, in seconds."""

    asked: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)

    def watch(self, source: Iterable[Any]) -> Iterator[Any]:
        """The items of a source, each timed."""
        asked = time.perf_counter()
        for item in source:
            self.asked.append(asked)
            self.waited.append(time.perf_counter() - asked)
            yield item
            asked = time.perf_counter()

    def epochs(self, each: int, end: float) -> dict[str, list[float]]:
        """Seconds, and seconds of waiting, of each epoch of `each` requests; the last lasts until `end`."""
        return {
            "seconds": [later - start for start, later in pairwise([*self.asked[::each], end])],
            "waited": [sum(self.waited[at : at + each]) for at in range(0, len(self.waited), each)],
        }


def main() -> int:
    """The command line; 0 done, 1 when the two ways did not learn the same, 2 bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=("tiny", "7b"), default="tiny", help="of the model (default tiny)")
    parser.add_argument("--seconds", type=float, default=3.0, help="mean length; they vary by half of it (default 3)")
    for name, value, _, text in COUNTS:
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{text} (default {value})")
    parser.add_argument("--out", type=Path, help="new folder for clips, model, logs and results.json (default: none)")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    given = parser.parse_args()
    try:
        if given.part:
            found = {"prepare": prepare, "plain": plain, "ours": ours}[given.part.partition("-")[0]](given)
            (given.out / f"{given.part}.json").write_text(to_json(found))
            return 0
        for name, _, least, _ in COUNTS:
            check_at_least(f"--{name}", getattr(given, name), least)
        step = given.batch * ACCUMULATION
        if given.clips % step:
            raise ValueError(f"--clips {given.clips}: give a multiple of {step}, the clips of a step")
        if given.out is not None and given.out.exists():
            raise ValueError(f"--out {given.out}: is there already; give a new folder")
        with tempfile.TemporaryDirectory() as folder:
            return compare(given, given.out or Path(folder))
    except ValueError as error:
        print(f"{NAME}{error}", file=sys.stderr)
        return 2


def compare(given: argparse.Namespace, folder: Path) -> int:
    """Runs everything in `folder` and prints the table; 1 when the first losses differ."""
    folder.mkdir(parents=True, exist_ok=True)
    start_part(given, folder, "prepare")
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for number in range(given.rounds):
        # The other one first in every second round: neither always meets the warmer machine.
        for way in WAYS if number % 2 == 0 else WAYS[::-1]:
            print(f"round {number + 1} of {given.rounds}: {way} …", file=sys.stderr, flush=True)
            found[way].append(start_part(given, folder, f"{way}-{number}"))
    (folder / "results.json").write_text(to_json({"command": sys.argv[1:], **found}, indent=1) + "\n")
    return print_table(given, found)


def start_part(given: argparse.Namespace, folder: Path, part: str) -> dict[str, Any]:
    """The result of a part that runs in a process of its own; ValueError with the end of its log when it fails."""
    options = {name: value for name, value in vars(given).items() if name not in ("out", "part")}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    log = folder / f"{part}.log"
    # One card: Trainer would split batches over all it sees.
    environment = {"CUDA_VISIBLE_DEVICES": "0", **os.environ, "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, __file__, *words, "--part", part, "--out", str(folder)]
    with log.open("w", encoding="utf-8") as stream:
        done = subprocess.run(command, stdout=stream, stderr=stream, env=environment, check=False)
    if done.returncode:
        end = "\n".join(log.read_text(encoding="utf-8").splitlines()[-20:])
        raise ValueError(
            end.removeprefix(NAME) if done.returncode == 2 else f"{part}: exit code {done.returncode}\n{end}"
        )
    return dict(json.loads(log.with_suffix(".json").read_text(encoding="utf-8")))


def recipe_of(given: argparse.Namespace) -> Recipe:
    """What both learn by; `given.out` is the folder of the run."""
    return Recipe(
        model=ModelPart(path=str(given.out / "model")),
        data=DataPart(task="synthetic", folder=given.out / "data"),
        optimiser=OptimiserPart(rate=1e-3, epochs=given.epochs, batch=given.batch, accumulation=ACCUMULATION),
        options=OptionsPart(pack_tokens=given.pack),
        validation=ValidationPart(share=0.0),
        run=RunPart(track=()),
    )


def prepare(given: argparse.Namespace) -> dict[str, Any]:
    """Draws the clips and the weights. Raises ValueError for a shape that this machine cannot run."""
    import torch

    if given.shape == "7b" and not torch.cuda.is_available():
        raise ValueError("--shape 7b needs an NVIDIA GPU, and torch finds none here; --shape tiny runs on any machine")
    with patch("tasks.synthetic.plan.DURATIONS", (0.5 * given.seconds, 1.5 * given.seconds)):
        generate(given.out / "data", clips=given.clips, seed=0)
    model = build_tiny(given.out / "model")
    if given.shape == "7b":
        grow(model, SHAPE_7B, "cuda")
    return {}


def grow(folder: Path, shape: dict[str, dict[str, Any]], device: str) -> None:
    """Gives a tiny checkpoint another shape, with random weights in bfloat16."""
    import torch
    from safetensors.torch import save_file
    from transformers import Qwen2_5OmniThinkerConfig, Qwen2_5OmniThinkerForConditionalGeneration

    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["thinker_config"] |= shape
    path.write_text(to_json(config, indent=1), encoding="utf-8")
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        model = Qwen2_5OmniThinkerForConditionalGeneration(Qwen2_5OmniThinkerConfig(**config["thinker_config"]))
    weights = {f"thinker.{name}": tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, str(folder / "model.safetensors"), metadata={"format": "pt"})


def ours(given: argparse.Namespace) -> dict[str, Any]:
    """`omnimer finetune`, by its own functions; the wait for its threads is timed."""
    begun = time.perf_counter()
    folder = given.out / given.part
    first, feed = Feed(), Feed()
    with patch.object(examples, "ahead", lambda *rest: first.watch(ahead(*rest))):
        opened = session.open_session(recipe_of(given), folder)
    ready, loaded = time.perf_counter(), facts(opened.model.get_base_model())["host_peak"]
    with patch.object(train, "ahead", lambda *rest: feed.watch(ahead(*rest))):
        train.train(opened, resume=False)
    spent = feed.epochs(given.clips, time.perf_counter())
    look = ready - first.asked[0]  # the first look at the clips: a part of the first epoch
    spent["seconds"][0] += look
    spent["waited"][0] += sum(first.waited)
    steps = curve(folder)
    tokens = sum(step["tokens"] for step in steps)
    own = {"setup": ready - begun - look, "loaded": loaded, "tokens": tokens, "computed": tokens}
    return {**spent, **own, "losses": [step["loss"] for step in steps], **facts(opened.model.get_base_model())}


def plain(given: argparse.Namespace) -> dict[str, Any]:
    """transformers' Trainer with peft's LoRA."""
    begun = time.perf_counter()
    import torch
    from peft import LoraConfig, get_peft_model

    recipe = recipe_of(given)
    checkpoint = Checkpoint(recipe.model.path)
    thinker = load_thinker(checkpoint, recipe.model, "cuda" if torch.cuda.is_available() else "cpu")
    lora = recipe.lora
    adapter = LoraConfig(r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=target_regex(lora))
    torch.manual_seed(recipe.optimiser.seed)
    model = get_peft_model(thinker, adapter)
    feed, chosen = Feed(), choose(recipe)
    trainer = plain_trainer(given, recipe, model, plan(chosen.train, recipe, chosen.task.answer), feed)
    trainer.data_collator = collator(recipe, chosen, checkpoint)
    ready, loaded = time.perf_counter(), facts(thinker)["host_peak"]
    trainer.train()
    spent = feed.epochs(given.clips // given.batch, time.perf_counter())
    own = {"setup": ready - begun, "loaded": loaded, "tokens": trainer.tokens, "computed": trainer.computed}
    losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    return {**spent, **own, "losses": losses, **facts(thinker)}


def collator(recipe: Recipe, chosen: Chosen, checkpoint: Checkpoint) -> Any:
    """What decodes the clips of some samples and makes a padded batch of them."""
    import torch
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(checkpoint.model)
    question, own = examples.make_question(recipe, chosen, checkpoint), Processor(checkpoint)

    def collate(samples: list[Sample]) -> Any:
        messages = [question.messages(sample) for sample in samples]
        replies = [own.reply(chosen.replies[one.id], said) for one, said in zip(samples, messages, strict=True)]
        clips = [load_clip(sample.media[0], recipe.clip, checkpoint.factor) for sample in samples]
        ends = [processor.tokenizer.decode(reply) for reply in replies]
        batch = processor(
            text=[checkpoint.prompt(said) + end for said, end in zip(messages, ends, strict=True)],
            videos=[clip.frames for clip in clips],
            audio=[clip.audio for clip in clips],
            do_sample_frames=False,
            size={"shortest_edge": 1, "longest_edge": 1 << 40},  # the frames have their size already
            padding=True,
            padding_side="right",
            return_tensors="pt",
        )
        # The processor knows one frame rate a batch.
        batch["video_second_per_grid"] = torch.tensor([2 / clip.fps for clip in clips])
        batch["labels"] = torch.full_like(batch["input_ids"], -100)
        for line, reply in enumerate(replies):
            end = int(batch["attention_mask"][line].sum())
            batch["labels"][line, end - len(reply) : end] = torch.tensor(reply)
        return batch

    return collate


def plain_trainer(given: argparse.Namespace, recipe: Recipe, model: Any, steps: list[Step], feed: Feed) -> Any:
    """A Trainer with our steps and rates. It counts `tokens`, and with the padding those that were `computed`."""
    import torch
    from transformers import Trainer, TrainingArguments

    class Samples(list[Sample]):
        def set_epoch(self, epoch: int) -> None:
            """Trainer calls it: the samples are those of an epoch, in its order."""
            self[:] = [sample for step in steps if step.epoch == epoch for sample in step.samples]

    class Watched(Trainer):  # type: ignore[misc]
        tokens = computed = 0

        def get_batch_samples(self, batches: Any, count: int, device: Any) -> Any:
            """The batches of a step, with the wait for them timed."""
            watched = list(feed.watch(islice(batches, count)))
            self.tokens += sum(int(batch["attention_mask"].sum()) for batch in watched)
            self.computed += sum(batch["attention_mask"].numel() for batch in watched)
            return super().get_batch_samples(iter(watched), count, device)

    settings = TrainingArguments(
        output_dir=str(given.out / given.part),
        num_train_epochs=given.epochs,
        train_sampling_strategy="sequential",
        per_device_train_batch_size=given.batch,
        gradient_accumulation_steps=ACCUMULATION,
        gradient_checkpointing=recipe.model.checkpointing,
        bf16=torch.cuda.is_available() and weight_type(recipe.model, "cuda") == torch.bfloat16,
        dataloader_num_workers=given.workers,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
    )
    best = recipe.optimiser.rate
    adamw = torch.optim.AdamW(adapter_parameters(model).values(), lr=best, weight_decay=recipe.optimiser.weight_decay)
    # Trainer's own cosine begins with a step at rate 0; these are the rates of ours.
    rates = torch.optim.lr_scheduler.LambdaLR(adamw, lambda done: rate(done + 1, len(steps), recipe) / best)
    samples = Samples(sample for step in steps if step.epoch == 0 for sample in step.samples)
    return Watched(model, settings, train_dataset=samples, optimizers=(adamw, rates))


def facts(thinker: Any) -> dict[str, Any]:
    """What was measured on, and the peaks of memory in bytes."""
    import torch

    weights = {name: each for name, each in thinker.model.layers.named_parameters() if "lora_" not in name}
    return {
        "card": torch.cuda.get_device_name() if torch.cuda.is_available() else "",
        "card_peak": torch.cuda.max_memory_allocated(),
        "host_peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,  # KiB on Linux
        "dtype": str(next(iter(weights.values())).dtype).removeprefix("torch."),
        "weights": sum(each.numel() for each in weights.values()),
        "attention": thinker.model.config._attn_implementation,
        "threads": torch.get_num_threads(),
    }


def numbers(given: argparse.Namespace, runs: list[dict[str, Any]]) -> dict[str, float]:
    """The rows of the table, over all rounds; what cannot be told is nan."""
    epochs = {"all epochs": slice(None), "first epoch": slice(0, 1), "later epochs": slice(1, None)}
    tokens, computed = (sum(run[name] for run in runs) for name in ("tokens", "computed"))
    first = runs[0]
    peak = next((value for name, value in PEAKS.items() if name in first["card"]), math.nan)
    rows: dict[str, float] = {}
    for name, part in epochs.items():
        seconds, waited = (sum(sum(run[what][part]) for run in runs) for what in ("seconds", "waited"))
        share = len(first["seconds"][part]) / given.epochs
        if not share:
            continue
        rows[f"samples/s, {name}"] = given.clips * given.epochs * len(runs) * share / seconds
        rows[f"tokens/s, {name}"] = tokens * share / seconds
        rows[f"waiting for data, {name}, %"] = 100 * waited / seconds
        for flops in (6, 4) if first["card"] else ():
            rows[f"MFU, {flops} FLOPs a weight, {name}"] = flops * first["weights"] * tokens * share / seconds / peak
    rows["padding among computed tokens, %"] = 100 * (1 - tokens / computed)
    kinds = {"host_peak": "peak host memory", "loaded": "  … before training", "card_peak": "peak GPU memory"}
    rows |= {f"{text}, MB": max(run[key] for run in runs) / 1e6 for key, text in kinds.items() if first[key]}
    rows["loading, s"] = sum(run["setup"] for run in runs) / len(runs)
    return rows


def print_table(given: argparse.Namespace, found: dict[str, list[dict[str, Any]]]) -> int:
    """Prints what was measured, and on what; 1 when the two did not learn the same, else 0."""
    one = found["ours"][0]
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "peft"))
    print(
        f"shape {given.shape}, {one['weights'] / 1e6:,.1f} M weights in the language layers, {one['dtype']}, "
        f"{one['attention']}\n{given.clips} clips of {given.seconds / 2:g} to {given.seconds * 1.5:g} s, "
        f"{given.epochs} epochs, {len(one['losses'])} steps, {given.rounds} rounds\nplain: batches of {given.batch}, "
        f"{given.workers} loader processes; ours: rows of at most {given.pack} tokens\n{one['card'] or 'no GPU'}, "
        f"{os.cpu_count()} cores, {one['threads']} threads; {packages}, Python {sys.version.split()[0]}\n"
    )
    theirs, own = (numbers(given, found[way]) for way in WAYS)
    print(f"{'':<42}{'plain':>12}{'ours':>12}{'ours/plain':>12}")
    for name, value in theirs.items():
        ratio = "" if "%" in name or not value else f"{own[name] / value:.2f}"
        print(f"{name:<42}{value:>12,.2f}{own[name]:>12,.2f}{ratio:>12}")
    pairs = list(zip(*found.values(), strict=True))
    by_round = [f"{sum(one['seconds']) / sum(other['seconds']):.2f}" for one, other in pairs]
    print(f"\ntimes as fast, round by round: {', '.join(by_round)}")
    if not one["card"]:
        print("no GPU: MFU and GPU memory were not measured")
    losses = {way: found[way][0]["losses"] for way in WAYS}
    for name, place in (("first", 0), ("last", -1)):
        print(f"loss of the {name} step:", ", ".join(f"{way} {each[place]:.6f}" for way, each in losses.items()))
    alike = all(
        math.isclose(one["losses"][0], other["losses"][0], rel_tol=TOLERANCE[one["dtype"]])
        and one["tokens"] == other["tokens"]
        for one, other in pairs
    )
    print("" if alike else "the two did not learn the same: the numbers above compare nothing")
    return int(not alike)


if __name__ == "__main__":
    sys.exit(main())
