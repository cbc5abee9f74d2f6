"""Training beside the plain way: python scripts/bench_finetune.py [--shape tiny] [--clips 16] [--epochs 3] [--rounds 2]

The same clips, in the same order, in the same steps of 8 examples, with the same adapter, seed and rates, twice:

    plain   transformers' Trainer and peft's LoRA; each epoch decodes its clips, puts them through the checkpoint's
            processor as it comes (sound padded to 300 s) and through the towers, pads the batch, computes all logits
    ours    `omnimer finetune`: towers once with their output on disk, rows without padding, logits where something is
            learned, examples made ahead by threads

Each runs in a process of its own, in turns, after another one has drawn the clips and the random weights. Both decode
with infer.media.load_clip, which is faster than the public decoders: the plain way is better here than it comes.
Seconds run from the first request for data to the end of training; ours with its first look at the clips, its
checkpoints and its adapter file; loading is a row of its own. Both wait for the loss at the end of each step.

--shape 7b has the shape of Qwen2.5-Omni-7B's thinker with random weights (18 GB under --out or the temporary folder)
and needs an NVIDIA GPU. MFU there counts the language layers' weights alone, as published figures do (0.13-0.15 with
omni packing): 6 FLOPs a weight and token is their convention; LoRA on frozen weights needs 4, the share that is
really computed. Exit code 1: the two did not learn the same.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1]))  # runs from anywhere, installed or not

from finetune.plan import Step, plan, rate
from finetune.recipe import DataPart, ModelPart, OptimiserPart, OptionsPart, Recipe, RunPart, ValidationPart
from finetune.samples import Chosen, choose
from infer.checkpoint import Checkpoint
from infer.store import to_json
from tasks.select import check_at_least

ACCUMULATION = 2
WAYS = ("plain", "ours")
SEED = 0
# Relative difference of the first loss that rounding explains, by the type of the weights.
TOLERANCE = {"float32": 1e-4, "bfloat16": 2e-2}
# Qwen2.5-Omni-7B, thinker_config of its published config.json; token ids stay those of the tiny tokenizer.
SHAPE_7B: dict[str, dict[str, Any]] = {
    "text_config": {
        "vocab_size": 152064,
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0, "mrope_section": [16, 24, 24]},
    },
    "vision_config": {
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "out_hidden_size": 3584,
        "fullatt_block_indexes": [7, 15, 23, 31],
    },
    "audio_config": {
        "encoder_layers": 32,
        "encoder_attention_heads": 20,
        "encoder_ffn_dim": 5120,
        "d_model": 1280,
        "output_dim": 3584,
        "n_window": 100,
    },
}
# Dense bf16 peak in FLOP/s by the name of the card, from the makers' data sheets; the first that fits.
PEAKS = {
    "B200": 2250e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "A100": 312e12,
    "A800": 312e12,
    "L40S": 362e12,
}


@dataclass(slots=True)
class Feed:
    """When data was asked for, and how long it took to come (seconds of `perf_counter`); `end`: when no more came."""

    asked: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    end: float = 0.0

    def take(self, ask: Callable[[], Any]) -> Any:
        """What `ask` gives, timed."""
        start = time.perf_counter()
        found = ask()
        self.asked.append(start)
        self.waited.append(time.perf_counter() - start)
        return found

    def watch(self, source: Iterable[Any]) -> Iterator[Any]:
        """The items of a source, each timed."""
        items = iter(source)
        with contextlib.suppress(StopIteration):
            while True:
                yield self.take(lambda: next(items))
        self.end = time.perf_counter()

    def epochs(self, each: int, end: float) -> dict[str, list[float]]:
        """Seconds, and seconds of waiting, of each epoch of `each` requests; the last lasts until `end`."""
        starts = [*self.asked[::each], end]
        return {
            "seconds": [later - start for start, later in pairwise(starts)],
            "waited": [sum(self.waited[at : at + each]) for at in range(0, len(self.waited), each)],
        }


def main() -> int:
    """The command line; 0 done, 1 when the two ways did not learn the same, 2 bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=("tiny", "7b"), default="tiny", help="of the model (default tiny)")
    parser.add_argument("--clips", type=int, default=16, help="clips (default 16)")
    parser.add_argument("--seconds", type=float, default=3.0, help="mean length; they vary by half of it (default 3)")
    parser.add_argument("--epochs", type=int, default=3, help="passes over the clips (default 3)")
    parser.add_argument("--rounds", type=int, default=2, help="times that both are run (default 2)")
    parser.add_argument("--batch", type=int, default=4, help="examples that the plain way pads together (default 4)")
    parser.add_argument("--workers", type=int, default=0, help="loader processes of the plain way (Trainer's 0)")
    parser.add_argument("--pack", type=int, default=4096, help="longest row of ours, in tokens (default 4096)")
    parser.add_argument("--threads", type=int, default=2, help="threads of ours that read ahead (default 2)")
    parser.add_argument("--out", type=Path, help="new folder for clips, model, logs and results.json (default: none)")
    parser.add_argument("--part", choices=("prepare", *WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--round", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    try:
        if given.part:
            part = {"prepare": prepare, "plain": plain, "ours": ours}[given.part]
            result_file(given.out, given.part, given.round).write_text(to_json(part(given)))
            return 0
        for name, least in (("clips", 1), ("epochs", 1), ("rounds", 1), ("batch", 1), ("workers", 0), ("threads", 1)):
            check_at_least(f"--{name}", getattr(given, name), least)
        if not 1 <= given.seconds <= 40:
            raise ValueError(f"--seconds is {given.seconds}; legal is 1 to 40")
        if given.out is not None:
            if given.out.exists() and (not given.out.is_dir() or any(given.out.iterdir())):
                raise ValueError(f"--out {given.out}: is there already; give a new folder")
            return compare(given, given.out)
        with tempfile.TemporaryDirectory() as folder:
            return compare(given, Path(folder))
    except ValueError as error:
        print(f"bench_finetune: {error}", file=sys.stderr)
        return 2


def compare(given: argparse.Namespace, folder: Path) -> int:
    """Runs everything in `folder` and prints the table; 1 when the first losses differ."""
    folder.mkdir(parents=True, exist_ok=True)
    start_part(given, folder, "prepare", 0)
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for number in range(given.rounds):
        # The other one first in every second round: neither always meets the warmer machine.
        for way in WAYS if number % 2 == 0 else WAYS[::-1]:
            print(f"round {number + 1} of {given.rounds}: {way} …", file=sys.stderr, flush=True)
            found[way].append(start_part(given, folder, way, number))
    (folder / "results.json").write_text(to_json({"command": sys.argv[1:], **found}, indent=1) + "\n")
    print_table(given, found)
    return 0 if same_losses(found) else 1


def start_part(given: argparse.Namespace, folder: Path, part: str, number: int) -> dict[str, Any]:
    """One part in a process of its own, so that its peak of memory is its own; its result.

    Raises ValueError with the end of its log when it fails.
    """
    options = {name: value for name, value in vars(given).items() if name not in ("out", "part", "round")}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    words += ["--part", part, "--round", str(number), "--out", str(folder)]
    log = folder / f"{part}-{number}.log"
    # One card: Trainer would split batches over all it sees.
    environment = {"CUDA_VISIBLE_DEVICES": "0", **os.environ, "TOKENIZERS_PARALLELISM": "false"}
    with log.open("w", encoding="utf-8") as stream:
        done = subprocess.run(
            [sys.executable, __file__, *words], stdout=stream, stderr=stream, env=environment, check=False
        )
    if done.returncode:
        end = "\n".join(log.read_text(encoding="utf-8").splitlines()[-20:])
        raise ValueError(f"the part {part!r} ended with exit code {done.returncode}:\n{end}")
    result: dict[str, Any] = json.loads(result_file(folder, part, number).read_text(encoding="utf-8"))
    return result


def result_file(folder: Path, part: str, number: int) -> Path:
    """Where a part leaves its result."""
    return folder / f"{part}-{number}.json"


def recipe_of(given: argparse.Namespace) -> Recipe:
    """What both learn by; `given.out` is the folder of the run."""
    return Recipe(
        model=ModelPart(path=str(given.out / "model"), dtype="auto"),
        data=DataPart(task="synthetic", folder=given.out / "data"),
        optimiser=OptimiserPart(
            rate=1e-3, epochs=given.epochs, batch=given.batch, accumulation=ACCUMULATION, seed=SEED
        ),
        options=OptionsPart(pack_tokens=given.pack),
        validation=ValidationPart(share=0.0),
        run=RunPart(threads=given.threads, track=()),
    )


def prepare(given: argparse.Namespace) -> dict[str, Any]:
    """Draws the clips and the weights. Raises ValueError for a shape that this machine cannot run."""
    import torch

    if given.shape == "7b" and not torch.cuda.is_available():
        raise ValueError(
            "--shape 7b needs an NVIDIA GPU (its weights alone take 18 GB), and torch finds none here; --shape tiny "
            "runs on any machine"
        )
    from infer.tiny import build_tiny
    from tasks.synthetic import generate

    shortest, longest = 0.5 * given.seconds, 1.5 * given.seconds
    with patch("tasks.synthetic.plan.DURATIONS", (shortest, longest)):
        generate(given.out / "data", clips=given.clips, seed=SEED)
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
    for part, values in shape.items():
        config["thinker_config"][part] |= values
    path.write_text(to_json(config, indent=1), encoding="utf-8")
    torch.manual_seed(SEED)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        model = Qwen2_5OmniThinkerForConditionalGeneration(Qwen2_5OmniThinkerConfig(**config["thinker_config"]))
    weights = {f"thinker.{name}": tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, str(folder / "model.safetensors"), metadata={"format": "pt"})


def ours(given: argparse.Namespace) -> dict[str, Any]:
    """`omnimer finetune`, by its own functions; the wait for its threads is timed."""
    from finetune import examples, session, train
    from finetune.log import curve
    from finetune.towers import ahead

    begun = time.perf_counter()
    folder = given.out / f"ours-{given.round}"
    folder.mkdir()
    first, feed = Feed(), Feed()
    with patch.object(examples, "ahead", lambda *rest: first.watch(ahead(*rest))):
        opened = session.open_session(recipe_of(given), folder)
    ready, loaded = time.perf_counter(), host_peak()
    with patch.object(train, "ahead", lambda *rest: feed.watch(ahead(*rest))):
        train.train(opened, resume=False)
    measured = feed.epochs(len(opened.chosen.train), time.perf_counter())
    # The first look at the clips belongs to the first epoch.
    look = first.end - first.asked[0]
    measured["seconds"][0] += look
    measured["waited"][0] += sum(first.waited)
    steps = curve(folder)
    tokens = sum(step["tokens"] for step in steps)
    return {
        **measured,
        "setup": ready - begun - look,
        "loaded": loaded,
        "tokens": tokens,
        "computed": tokens,
        "losses": [step["loss"] for step in steps],
        **facts(opened.model.get_base_model()),
    }


def plain(given: argparse.Namespace) -> dict[str, Any]:
    """transformers' Trainer with peft's LoRA."""
    import torch
    from peft import LoraConfig, get_peft_model

    from finetune.model import load_thinker, target_regex

    begun = time.perf_counter()
    recipe = recipe_of(given)
    checkpoint = Checkpoint(recipe.model.path)
    thinker = load_thinker(checkpoint, recipe.model, "cuda" if torch.cuda.is_available() else "cpu")
    lora = recipe.lora
    adapter = LoraConfig(r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=target_regex(lora))
    torch.manual_seed(SEED)
    model = get_peft_model(thinker, adapter)
    chosen = choose(recipe)
    data, collate = plain_data(recipe, chosen, checkpoint)
    feed = Feed()
    trainer = plain_trainer(given, recipe, plan(chosen.train, recipe, chosen.task.answer), model, feed)
    trainer.train_dataset, trainer.data_collator = data, collate
    ready, loaded = time.perf_counter(), host_peak()
    trainer.train()
    measured = feed.epochs(math.ceil(len(chosen.train) / recipe.step_examples), time.perf_counter())
    return {
        **measured,
        "setup": ready - begun,
        "loaded": loaded,
        "tokens": trainer.tokens,
        "computed": trainer.computed,
        "losses": [line["loss"] for line in trainer.state.log_history if "loss" in line],
        **facts(thinker),
    }


def plain_data(recipe: Recipe, chosen: Chosen, checkpoint: Checkpoint) -> tuple[Any, Any]:
    """A data set that decodes a clip each time it is asked for one, and the collator that makes padded batches."""
    import torch
    from transformers import AutoProcessor

    from finetune.examples import make_question
    from finetune.inputs import Processor
    from infer.media import load_clip

    processor = AutoProcessor.from_pretrained(checkpoint.model)
    question, own = make_question(recipe, chosen, checkpoint), Processor(checkpoint)
    samples = {sample.id: sample for sample in chosen.train}

    class Clips(torch.utils.data.Dataset[Any]):
        """Sample ids -> text with the reply, the reply's tokens, the clip."""

        def __len__(self) -> int:
            return len(samples)

        def __getitem__(self, name: str) -> tuple[str, list[int], Any]:
            sample = samples[name]
            messages = question.messages(sample)
            reply = own.reply(chosen.replies[name], messages)
            text = checkpoint.prompt(messages) + processor.tokenizer.decode(reply)
            return text, reply, load_clip(sample.media[0], recipe.clip, checkpoint.factor)

    def collate(items: list[tuple[str, list[int], Any]]) -> Any:
        texts, replies, clips = zip(*items, strict=True)
        batch = processor(
            text=list(texts),
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
        ends = batch["attention_mask"].sum(1).tolist()
        for line, (reply, end) in enumerate(zip(replies, ends, strict=True)):
            batch["labels"][line, end - len(reply) : end] = torch.tensor(reply)
        return batch

    return Clips(), collate


def plain_trainer(given: argparse.Namespace, recipe: Recipe, steps: list[Step], model: Any, feed: Feed) -> Any:
    """A Trainer that takes the samples in the order of the steps, at their rates. It counts `tokens`, and with the
    padding those that were `computed`."""
    import torch
    from transformers import Trainer, TrainingArguments

    from finetune.model import adapter_parameters, weight_type

    orders = [[one.id for step in steps if step.epoch == k for one in step.samples] for k in range(given.epochs)]
    waiting = iter(orders)

    class Order(torch.utils.data.Sampler[str]):
        """The sample ids of an epoch, of the next one each time."""

        def __len__(self) -> int:
            return len(orders[0])

        def __iter__(self) -> Iterator[str]:
            return iter(next(waiting))

    class Watched(Trainer):  # type: ignore[misc]
        """Trainer, timed where it asks for the batches of a step."""

        tokens = computed = 0

        def _get_train_sampler(self, *_: Any) -> Order:
            return Order()

        def get_batch_samples(self, *rest: Any) -> Any:
            found = feed.take(lambda: super(Watched, self).get_batch_samples(*rest))
            self.tokens += sum(int(batch["attention_mask"].sum()) for batch in found[0])
            self.computed += sum(batch["attention_mask"].numel() for batch in found[0])
            return found

    cuda = torch.cuda.is_available()
    settings = TrainingArguments(
        output_dir=str(given.out / f"plain-{given.round}"),
        num_train_epochs=given.epochs,
        per_device_train_batch_size=given.batch,
        gradient_accumulation_steps=ACCUMULATION,
        max_grad_norm=recipe.optimiser.clip_norm,
        gradient_checkpointing=recipe.model.checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        bf16=cuda and weight_type(recipe.model, "cuda") == torch.bfloat16,
        use_cpu=not cuda,
        dataloader_num_workers=given.workers,
        dataloader_pin_memory=cuda,
        remove_unused_columns=False,
        label_names=["labels"],
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        seed=SEED,
    )
    best = recipe.optimiser.rate
    adamw = torch.optim.AdamW(adapter_parameters(model).values(), lr=best, weight_decay=recipe.optimiser.weight_decay)
    # Trainer's own cosine begins with a step at rate 0; these are the rates of ours.
    rates = torch.optim.lr_scheduler.LambdaLR(adamw, lambda done: rate(done + 1, len(steps), recipe) / best)
    return Watched(model, settings, optimizers=(adamw, rates))


def facts(thinker: Any) -> dict[str, Any]:
    """What was measured on, and the peaks of memory in bytes."""
    import torch

    weights = {name: each for name, each in thinker.model.layers.named_parameters() if "lora_" not in name}
    cuda = torch.cuda.is_available()
    return {
        "card": torch.cuda.get_device_name() if cuda else "",
        "card_peak": torch.cuda.max_memory_allocated() if cuda else 0,
        "host_peak": host_peak(),
        "dtype": str(next(iter(weights.values())).dtype).removeprefix("torch."),
        "weights": sum(each.numel() for each in weights.values()),
        "attention": thinker.model.config._attn_implementation,
        "threads": torch.get_num_threads(),
    }


def host_peak() -> int:
    """The largest resident set of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # KiB on Linux


def same_losses(found: dict[str, list[dict[str, Any]]]) -> bool:
    """Whether the first losses agree in every round, and both took as many steps over as many tokens."""
    return all(
        math.isclose(one["losses"][0], other["losses"][0], rel_tol=TOLERANCE[one["dtype"]])
        and len(one["losses"]) == len(other["losses"])
        and one["tokens"] == other["tokens"]
        for one, other in zip(*found.values(), strict=True)
    )


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
    rows["peak host memory, MB"] = max(run["host_peak"] for run in runs) / 1e6
    rows["  … before training, MB"] = max(run["loaded"] for run in runs) / 1e6
    if first["card"]:
        rows["peak GPU memory, MB"] = max(run["card_peak"] for run in runs) / 1e6
    rows["loading, s"] = sum(run["setup"] for run in runs) / len(runs)
    return rows


def print_table(given: argparse.Namespace, found: dict[str, list[dict[str, Any]]]) -> None:
    """Prints what was measured, and on what."""
    one = found["ours"][0]
    print(
        f"shape {given.shape}, {one['weights'] / 1e6:,.1f} M weights in the language layers, {one['dtype']}, attention "
        f"{one['attention']}; {given.clips} clips of {given.seconds / 2:g} to {given.seconds * 1.5:g} s, {given.epochs} "
        f"epochs, {len(one['losses'])} steps, {given.rounds} rounds\nplain: batches of {given.batch}, {given.workers} "
        f"loader processes (their memory is not in the table); ours: rows of at most {given.pack} tokens, "
        f"{given.threads} threads\n{one['card'] or 'no GPU'}; {platform.machine()}, {os.cpu_count()} cores, torch on "
        f"{one['threads']} threads; torch {version('torch')}, transformers {version('transformers')}, peft "
        f"{version('peft')}, Python {platform.python_version()}\n"
    )
    plain, ours = (numbers(given, found[way]) for way in WAYS)
    print(f"{'':<42}{'plain':>12}{'ours':>12}{'ours/plain':>12}")
    for name, value in plain.items():
        ratio = "" if "%" in name or not value else f"{ours[name] / value:.2f}"
        print(f"{name:<42}{value:>12,.2f}{ours[name]:>12,.2f}{ratio:>12}")
    pairs = list(zip(*found.values(), strict=True))
    by_round = [f"{sum(one['seconds']) / sum(other['seconds']):.2f}" for one, other in pairs]
    print(f"\ntimes as fast, round by round: {', '.join(by_round)}")
    if not one["card"]:
        print("no GPU: MFU and GPU memory were not measured")
    for name, place in (("first", 0), ("last", -1)):
        print(f"loss of the {name} step: " + ", ".join(f"{way} {found[way][0]['losses'][place]:.6f}" for way in WAYS))
    if not same_losses(found):
        print("the two did not learn the same: the numbers above compare nothing")


if __name__ == "__main__":
    sys.exit(main())
