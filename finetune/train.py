"""The training loop: steps of the plan, a checkpoint now and then, held-out samples asked after each epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from eval.metrics.table import METRICS
from finetune import state
from finetune.examples import Example, Waiting
from finetune.log import Log
from finetune.model import adapter_parameters
from finetune.plan import Step, plan, rate
from finetune.recipe import Recipe
from finetune.rows import Row, group, join, learner
from finetune.save import save_adapter
from finetune.session import Session
from finetune.sharding import anywhere, own_share, same_everywhere, sum_gradients, together
from finetune.stop import stopping
from finetune.towers import ahead
from finetune.validate import Validation, replies_to, validate
from infer.store import to_line, write_atomic
from tasks.task import Sample

ADAPTER, VALIDATION = "adapter", "validation"


def train(session: Session, *, resume: bool) -> state.Progress:
    """Trains to the end of the plan, or to an early stop; returns how far it came."""
    import torch

    recipe, accelerator, held_out = session.recipe, session.accelerator, session.chosen.held_out
    steps = plan(session.chosen.train, recipe, session.chosen.task.answer)
    parameters = adapter_parameters(session.model)
    adamw = torch.optim.AdamW(
        list(parameters.values()), lr=recipe.optimiser.rate, weight_decay=recipe.optimiser.weight_decay
    )
    module = learner(session.model, recipe.options.label_smoothing)
    progress = _progress(session, len(steps), parameters, adamw) if resume else state.Progress()
    same_everywhere(list(parameters.values()), accelerator)
    due = steps[progress.step - 1] if progress.step else None
    todo = [step for step in steps if step.number > progress.step]

    def save() -> None:
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            state.save(session.folder, progress, parameters, adamw)

    with (
        Log(session.folder, recipe, progress, len(steps), enabled=accelerator.is_main_process) as log,
        stopping() as stop,
    ):
        if due is not None and due.last and progress.validated <= due.epoch and held_out:
            _end_of_epoch(session, due, due.number == len(steps), progress, log)
            save()
        clock = time.monotonic()
        for step, examples in () if progress.finished else _fed(session, todo):
            numbers = _take(session, module, adamw, step, examples, rate(step.number, len(steps), recipe))
            log.step(step, {**numbers, "seconds": time.monotonic() - clock})
            progress.step = step.number
            progress.finished = step.number == len(steps) and not held_out
            stopped = anywhere(stop(), accelerator)
            if stopped or step.last or step.number % recipe.run.save_every == 0:
                save()  # before the validation, which may fail
            if stopped:
                raise KeyboardInterrupt
            if step.last and held_out:
                _end_of_epoch(session, step, step.number == len(steps), progress, log)
                save()
            if progress.finished:
                break
            clock = time.monotonic()
    if accelerator.is_main_process and not held_out:
        save_adapter(session.model, recipe, session.folder / ADAPTER)
    return progress


def _progress(session: Session, total: int, parameters: Mapping[str, Any], optimiser: Any) -> state.Progress:
    """How far the run came, with its weights put back."""
    found = state.latest(session.folder)
    if found is None:
        return state.Progress()
    progress = state.restore(found, parameters, optimiser)
    session.say(f"resumed after step {progress.step} of {total}")
    return progress


def _fed(session: Session, steps: Sequence[Step]) -> Iterator[tuple[Step, list[Example]]]:
    """Each step with this process's examples, read ahead by worker threads."""
    index, count = session.accelerator.process_index, session.accelerator.num_processes
    # A process that a small last step leaves without a sample computes one of another's, and counts it for nothing.
    shares = [(step, step.samples[index::count] or step.samples[:1]) for step in steps]
    pairs = [(step, sample) for step, share in shares for sample in share]

    def work(pair: tuple[Step, Sample]) -> Example | Waiting:
        waiting = session.maker.wait(pair[1], pair[0].epoch)
        # What is on disk needs no tower: the worker goes all the way.
        return session.maker.make(waiting) if all(one.encoded for one in waiting.media) else waiting

    threads = session.recipe.run.threads
    stream = ahead(pairs, work, threads, 2 * threads + session.recipe.step_examples)
    for step, share in shares:
        found = [next(stream) for _ in share]
        made = [session.maker.make(one) if isinstance(one, Waiting) else one for one in found]
        counted = index < len(step.samples)
        yield step, made if counted else [replace(one, weight=0.0) for one in made]


def _take(
    session: Session, module: Any, optimiser: Any, step: Step, examples: list[Example], learning_rate: float
) -> dict[str, float]:
    """One step of the optimiser over the examples; what is to be logged."""
    import torch

    recipe, accelerator = session.recipe, session.accelerator
    module.train()
    rows = _rows(examples, recipe, accelerator)
    learned = torch.tensor(sum(one.learned for one in examples if one.weight), device=accelerator.device)
    total = max(int(accelerator.reduce(learned).item()), 1)
    summed = torch.zeros((), device=accelerator.device)
    for row in rows:
        with accelerator.autocast():
            loss = module(row.to(accelerator.device))
        (loss / total).backward()
        summed += loss.detach()
    parameters = optimiser.param_groups[0]["params"]
    sum_gradients(parameters, accelerator)
    norm = torch.nn.utils.clip_grad_norm_(parameters, recipe.optimiser.clip_norm or math.inf)
    found = float(accelerator.reduce(summed).item()) / total
    if not (math.isfinite(found) and math.isfinite(float(norm))):
        names = ", ".join(repr(one.id) for one in examples[:8])
        raise ValueError(
            f"step {step.number}: the loss is {found}, the norm of its gradient {float(norm)} (samples {names}): lower "
            "optimiser.rate, or look at these samples; --resume goes on from the last checkpoint"
        )
    for part in optimiser.param_groups:
        part["lr"] = learning_rate
    optimiser.step()
    optimiser.zero_grad()
    return {
        "loss": found,
        "rate": learning_rate,
        "norm": float(norm),
        "examples": len(step.samples),
        "learned": total,
        "tokens": sum(map(len, examples)),
        "rows": len(rows),
    }


def _rows(examples: Sequence[Example], recipe: Recipe, accelerator: Any) -> list[Row]:
    """The examples as rows; as many in every process, as a model that is cut up over processes demands."""
    import torch

    places = group([len(one) for one in examples], recipe.options.pack_tokens, recipe.optimiser.batch)
    rows = [join([examples[place] for place in row]) for row in places]
    if accelerator.num_processes > 1:
        count = torch.tensor([len(rows)], device=accelerator.device)
        most = int(accelerator.gather(count).max().item())
        rows += [replace(rows[0], weights=torch.zeros_like(rows[0].weights))] * (most - len(rows))
    return rows


def _end_of_epoch(session: Session, step: Step, over: bool, progress: state.Progress, log: Log) -> None:
    """Asks about the held-out samples, keeps the adapter if it is the best, and decides whether training is `over`."""
    accelerator = session.accelerator
    found = _ask(session)
    metric = METRICS[found.metric]
    # Scores are compared with the better one higher; what could not be measured is worst.
    score = -found.value if metric.best == metric.low else found.value
    score = -math.inf if math.isnan(score) else score
    better = progress.best is None or score > progress.best
    progress.validated = step.epoch + 1
    progress.worse = 0 if better else progress.worse + 1
    if better:
        progress.best, progress.best_epoch = score, step.epoch + 1
    patience = session.recipe.validation.patience
    early = bool(patience and progress.worse >= patience and not over)
    progress.finished = over or early
    if early:
        session.say(f"stopped: {patience} epoch(s) without a better {found.metric}")
    if not accelerator.is_main_process:
        return
    if better:
        save_adapter(session.model, session.recipe, session.folder / ADAPTER)
    folder = session.folder / VALIDATION
    folder.mkdir(exist_ok=True)
    lines = [to_line({"id": name, "text": text}) for name, text in found.replies.items()]
    write_atomic(folder / f"epoch-{step.epoch + 1}.jsonl", "".join(lines))
    numbers = {name: getattr(found, name) for name in ("metric", "value", "low", "high", "n", "unparsed")}
    log.validation(step, {**numbers, "best": better})
    session.say(f"epoch {step.epoch + 1}: {metric.title} {found.value:.4f} on {found.n} held-out samples")


def _ask(session: Session) -> Validation:
    """The model's replies to the held-out samples, each process its share, scored."""
    from accelerate.utils import gather_object

    accelerator, recipe, maker = session.accelerator, session.recipe, session.maker
    samples = session.chosen.held_out
    own = own_share(samples, accelerator)
    threads = recipe.run.threads
    questions = (maker.make(one, learn=False) for one in ahead(own, maker.wait, threads, 2 * threads))
    tokenizer = session.processor.tokenizer
    replies = replies_to(
        session.model,
        questions,
        lambda ids: str(tokenizer.decode(ids, skip_special_tokens=True)),
        session.end,
        recipe.validation.batch,
        recipe.validation.max_tokens,
        together(accelerator),
    )
    merged: dict[str, str] = {}
    for part in gather_object([replies]):
        merged = part | merged
    ordered = {sample.id: merged[sample.id] for sample in samples}
    return validate(session.chosen.task, samples, ordered, recipe.optimiser.seed, session.chosen.parts)
