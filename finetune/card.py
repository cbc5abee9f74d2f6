"""The training card: what was trained on what, with which outcome, for people (card.md) and machines (card.json)."""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from finetune import log
from finetune.model import adapted_modules, adapter_parameters, describe_modules
from finetune.recipe import record
from finetune.session import Session
from finetune.state import Progress
from finetune.train import ADAPTER
from infer.adapters import WEIGHTS
from infer.feed import digest
from infer.store import to_json, write_atomic
from infer.versions import code_revision, installed
from tasks.task import Sample

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 60


def write_card(session: Session, progress: Progress, seconds: float) -> None:
    """Writes card.json and card.md of a finished run. `seconds`: what this sitting took."""
    facts = gather(session, progress, seconds)
    write_atomic(session.folder / "card.json", to_json(facts, indent=1) + "\n")
    write_atomic(session.folder / "card.md", markdown(facts))


def gather(session: Session, progress: Progress, seconds: float) -> dict[str, Any]:
    """Everything on the card, as JSON values."""
    chosen, folder = session.chosen, session.folder
    lines = log.curve(folder)
    steps = [line for line in lines if "loss" in line]
    return {
        "task": chosen.task.full_name,
        "template": {"name": chosen.template.name, "version": chosen.template.version},
        "data": {
            "learned_from": len(chosen.train),
            "held_out": len(chosen.held_out),
            "left_out": dict(Counter(reason for _, reason in chosen.left_out).most_common()),
            "hash_learned_from": data_hash(chosen.train, chosen.replies),
            "hash_held_out": data_hash(chosen.held_out, chosen.replies),
        },
        "model": session.maker.model_identity(),
        "adapter": {
            "sha256": hashlib.sha256((folder / ADAPTER / WEIGHTS).read_bytes()).hexdigest(),
            "parameters": sum(each.numel() for each in adapter_parameters(session.model).values()),
            "modules": adapted_modules(session.model),
        },
        "recipe": record(session.recipe),
        "steps": progress.step,
        "learned_tokens": sum(line["learned"] for line in steps),
        "loss": [line["loss"] for line in steps],
        "validation": [{"epoch": line["epoch"], **line["validation"]} for line in lines if "validation" in line],
        "best_epoch": progress.best_epoch,
        "tower_cache": {"media": session.cached[0], "bytes": session.cached[1]},
        "seconds_of_steps": round(sum(line["seconds"] for line in steps), 1),
        "seconds_of_this_sitting": round(seconds, 1),
        "code": code_revision() or f"omnimer {installed().get('omnimer', 'of unknown version')}",
        "versions": installed(),
        "hardware": _hardware(session),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def data_hash(samples: Iterable[Sample], replies: dict[str, str]) -> str:
    """SHA-256 over what is learned: ids, transcripts, languages and replies."""
    return digest([[sample.id, sample.text, sample.language, replies.get(sample.id)] for sample in samples])


def _hardware(session: Session) -> dict[str, Any]:
    import torch

    found: dict[str, Any] = {"machine": platform.machine(), "cores": os.cpu_count()}
    found |= {"processes": session.accelerator.num_processes, "device": "CPU"}
    if session.accelerator.device.type == "cuda":
        found["device"] = torch.cuda.get_device_name()
        found["peak_gpu_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    return found


def markdown(facts: dict[str, Any]) -> str:
    """The card for people."""
    data, recipe = facts["data"], facts["recipe"]
    lora, optimiser = recipe["lora"], recipe["optimiser"]
    losses = facts["loss"]
    lines = [
        f"# LoRA adapter: {facts['task']} on {facts['model']['model']}",
        "",
        f"- learned from {data['learned_from']:,} samples, {data['held_out']:,} held out",
        f"- LoRA r {lora['r']}, alpha {lora['alpha']}, dropout {lora['dropout']}; {facts['adapter']['parameters']:,} "
        "parameters",
        f"- AdamW, rate {optimiser['rate']:g}, cosine, warm-up {optimiser['warmup']:.0%}; "
        f"{optimiser['epochs']} epochs, batch {optimiser['batch']} x accumulation {optimiser['accumulation']}",
        f"- {facts['steps']:,} steps, {facts['learned_tokens']:,} learned tokens, {facts['seconds_of_steps']:,} s",
        f"- device {facts['hardware']['device']}, {facts['hardware']['processes']} process(es); code {facts['code']}",
        "",
        "Adapted modules:",
        "",
        *(f"    {line.strip()}" for line in describe_modules(facts["adapter"]["modules"]).splitlines()),
        "",
    ]
    if losses:
        ends = f"{losses[0]:.4f} at the first step, {losses[-1]:.4f} at the last"
        lines += [f"Loss a learned token: {ends}", "", f"    {sparkline(losses)}", ""]
    if facts["validation"]:
        lines += ["| epoch | metric | value | 95% interval | n | unparsed |", "|---|---|---|---|---|---|"]
        lines += [_row(each, facts["best_epoch"]) for each in facts["validation"]]
        lines += ["", "The adapter is that of the epoch in bold.", ""]
    if data["left_out"]:
        lines += ["Left out:", "", *(f"- {count} x {_plain(reason)}" for reason, count in data["left_out"].items()), ""]
    lines += ["Hashes (SHA-256)", ""]
    lines += [f"- {name}: `{data[name]}`" for name in ("hash_learned_from", "hash_held_out")]
    lines += [f"- adapter: `{facts['adapter']['sha256']}`", "", "The whole recipe and all versions: card.json.", ""]
    return "\n".join(lines)


def _row(found: dict[str, Any], best: int) -> str:
    mark = "**" if found["epoch"] == best else ""
    low, high = found["low"], found["high"]
    interval = "" if low is None or high is None else f"{low:.3f} to {high:.3f}"
    cells = (f"{mark}{found['epoch']}{mark}", found["metric"], f"{found['value']:.4f}", interval, found["n"])
    return "| " + " | ".join(map(str, (*cells, found["unparsed"]))) + " |"


def _plain(text: str) -> str:
    """Text of a file name or a data cell, without what Markdown or HTML would make of it."""
    return "".join(" " if char in "\r\n" else f"\\{char}" if char in "\\`*_<>[]|#" else char for char in text)


def sparkline(values: Sequence[float]) -> str:
    """A curve in one line of text: means of at most 60 stretches, lowest to highest."""
    size = max(1, -(-len(values) // WIDTH))
    means = [sum(part) / len(part) for start in range(0, len(values), size) if (part := values[start : start + size])]
    low, high = min(means), max(means)
    return "".join(BARS[round((each - low) / ((high - low) or 1) * (len(BARS) - 1))] for each in means)
