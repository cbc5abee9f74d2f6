"""`omnimer infer`: ask a model about every sample of a task. Stores raw replies and nothing else.

The way of a clip: adapter -> prompt -> media -> engine -> store. Repeating the command resumes the run.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import tyro

from infer.asking import now
from infer.checkpoint import Checkpoint
from infer.engine import Choice, Engine, EngineError, Sampling
from infer.feed import Question, digest
from infer.openai_engine import Endpoint, EndpointOptions, OpenAIEngine
from infer.second_stage import check_template, text_alone, with_replies
from infer.store import RunStore, StoreFullError
from infer.stream.ask import ask_stream
from infer.stream.modes import TEMPLATES, StreamOptions, Told, part_sample, plan, utterance_schema
from infer.stream.parts import ONE_UTTERANCE
from infer.versions import check_versions, code_revision, installed
from infer.vllm_engine import VllmEngine, VllmOptions
from prompts.render import Template, load_template
from prompts.schema import schema
from tasks.registry import task as task_named
from tasks.select import absolute_root, check_at_least, check_options, read_pairs, read_samples, take, with_ids
from tasks.task import AnswerKind, Blend, Media, MediaOptions, OneOf, Root, Sample, Task, Timeline
from tasks.validate import check_samples


@dataclass(frozen=True)
class InferConfig:
    """Ask a model about every sample of a task and store its replies. Repeat the same command to resume."""

    task: str
    """Name of the task (`omnimer tasks` lists them)."""
    data: Path
    """Folder of the annotations."""
    model: str = "Qwen/Qwen2.5-Omni-7B"
    """Checkpoint folder, or a name on the hub."""
    out: Path | None = None
    """Run directory; one run, one directory."""
    media: Path | None = None
    """Folder of the clips, where it is not the release's own place under --data."""
    engine: Literal["vllm", "openai"] = "vllm"
    """What runs the model: vLLM on this machine, or an OpenAI-compatible endpoint (--base-url)."""
    adapter: Path | None = None
    """Folder of a LoRA adapter."""
    split: str | None = None
    """Split of the task; the first of the task if not given."""
    language: str | None = None
    """Only samples of this language, such as zh or en."""
    tier: str | None = None
    """Only samples of this confidence tier, such as high, medium or low."""
    where: tuple[str, ...] = ()
    """Only samples whose slice has a value: name=value, repeatable."""
    ids: Path | None = None
    """Only the samples whose ids stand in this file, one a line."""
    option: tuple[str, ...] = ()
    """Named policies of the task: name=value (`omnimer tasks NAME` lists them)."""
    limit: int | None = None
    """Only so many samples, spread over the data; a larger limit later continues the run."""
    template: str | None = None
    """Name of a prompt template, or a text file of your own; the task's own if not given."""
    transcript: bool = True
    """Show the transcript to the model."""
    replies_of: Path | None = None
    """Second stage: the replies of this run, in place of its media, go into a template that prints {{ reply }}."""
    thinking: bool = False
    """Ask for reasoning before the answer; the reply is then not constrained."""
    system: str | None = None
    """A system turn of your own; if not given, the model family's official default stays."""
    decode: Literal["free", "schema", "label"] | None = None
    """free: no constraint. schema: constrained by the task's JSON Schema. label: the labels are scored by
    log-probability in one forward pass. If not given: schema for templates that ask for JSON, else free."""
    temperature: float = 0.0
    """0 is greedy."""
    max_tokens: int | None = None
    """Longest reply, in tokens; if not given 512, for timelines and with --thinking 4,096."""
    seed: int = 0
    """Seed of sampling and engine."""
    reask: int = 0
    """Ask again, at most so often, where a reply cannot be read; all replies are stored."""
    clip: tyro.conf.OmitArgPrefixes[MediaOptions] = field(default_factory=MediaOptions)
    stream: tyro.conf.OmitArgPrefixes[StreamOptions] = field(default_factory=StreamOptions)
    vllm: tyro.conf.OmitArgPrefixes[VllmOptions] = field(default_factory=VllmOptions)
    endpoint: tyro.conf.OmitArgPrefixes[EndpointOptions] = field(default_factory=EndpointOptions)
    threads: int = 2
    """Threads that decode clips ahead of the engine."""
    show_prompt: bool = False
    """Print exactly what the model gets for the first sample, and stop."""


# The longest reply in tokens: short, and with reasoning or a timeline.
LONGEST = {False: 512, True: 4096}


def run(config: InferConfig) -> int:
    """Runs the command; 0 when every sample has a reply, 1 when some failed, 3 when stopped early."""
    check_versions()
    check_at_least("--threads", config.threads, 1)
    check_at_least("--seed", config.seed, 0)
    check_at_least("--reask", config.reask, 0)
    task = task_named(config.task)
    root = absolute_root(config.data, config.media, check_options(task, read_pairs(config.option, "--option")))
    everything = with_ids(read_samples(task, root, config.split, _slices(config)), config.ids)
    check_samples(task, everything)
    if config.replies_of is not None:
        everything = with_replies(everything, config.replies_of)
    samples = take(everything, config.limit)
    model = named_model(config)
    question = make_question(config, task, model)
    if config.show_prompt:
        parts = plan(samples[0], question, config.stream, _room(config, question))
        print(show_prompt(part_sample(parts[0], Told()) if parts else samples[0], question, model))
        return 0
    if config.out is None:
        raise ValueError("--out is missing: the run directory to write")
    print(f"{task.full_name}: {len(samples):,} samples", file=sys.stderr)
    with RunStore(config.out) as store:
        if store.repaired_bytes:
            print(f"cut off {store.repaired_bytes} bytes of a reply that a crash interrupted", file=sys.stderr)
        try:
            store.begin(_record(config, question, root), _facts(config, everything), samples)
            load = partial(load_engine, config, model)
            room = _room(config, question)
            asked, failed = ask_stream(
                samples, question, store, load, config.threads, config.reask, config.stream, room
            )
        except StoreFullError as error:
            return _stopped(store, f"{error.strerror}; make room")
        except KeyboardInterrupt:
            return _stopped(store, "interrupted")
        except EngineError as error:
            return _stopped(store, f"the engine died: {str(error).rstrip(chr(46))}")
    return _summary(config.out, asked, "samples" if asked == len(samples) else "parts", failed)


def named_model(config: InferConfig) -> Checkpoint | Endpoint:
    """The model that the configuration names; nothing is loaded."""
    if config.engine == "openai":
        if config.adapter is not None:
            raise ValueError("--adapter belongs to --engine vllm; an endpoint serves an adapter under a model name")
        return Endpoint(config.model, config.endpoint.base_url)
    return Checkpoint(config.model, config.adapter)


def make_question(config: InferConfig, task: Task, model: Checkpoint | Endpoint) -> Question:
    """What is the same for all samples of the run; ValueError where template, decoding and task do not fit."""
    mode = _mode(config, task)
    template = load_template(config.template or TEMPLATES.get(mode, task.template))
    if config.replies_of is not None:
        check_template(template)
    decode = config.decode or ("schema" if template.reply == "json" and not config.thinking else "free")
    if config.thinking and decode != "free":
        raise ValueError(f"--thinking lets the model reason in free text; --decode {decode} would not let it")
    if decode == "schema" and template.name == "oneof_label":
        raise ValueError("template oneof_label asks for a bare label; with it, --decode is free or label")
    kind = task.answer
    one = isinstance(kind, Timeline) and mode in ONE_UTTERANCE
    long = config.thinking or (isinstance(kind, Timeline) and not one)
    longest = LONGEST[long] if config.max_tokens is None else config.max_tokens
    form = utterance_schema(kind) if isinstance(kind, Timeline) and one else schema(kind)
    return Question(
        task=task,
        template=template,
        transcript=config.transcript,
        system=config.system,
        options=config.clip if config.replies_of is None else text_alone(config.clip),
        sampling=Sampling(decode, config.temperature, longest, config.seed),
        schema=form if decode == "schema" else None,
        choice=label_choice(task.answer, template) if decode == "label" else None,
        model=model.identity(),
        factor=model.factor,
        thinking=config.thinking,
        second_stage=config.replies_of is not None,
    )


def _mode(config: InferConfig, task: Task) -> str:
    """How clips are asked about; ValueError for a mode that divides them where that makes no sense."""
    mode = config.stream.mode
    if config.stream.marks and config.clip.audio_in_video:
        raise ValueError(
            "--marks and --audio-in-video do not go together: each stretch has its sound behind its pictures"
        )
    if mode in ("auto", "whole"):
        return mode
    if not isinstance(task.answer, Timeline):
        raise ValueError(f"--mode {mode} is for timelines; task {task.name} asks for a {type(task.answer).__name__}")
    return mode


def _room(config: InferConfig, question: Question) -> int | None:
    """Tokens for prompt and media, None where nobody knows."""
    return None if config.engine == "openai" else config.vllm.max_model_len - question.sampling.max_tokens


def label_choice(kind: AnswerKind, template: Template) -> Choice:
    """The candidates of label decoding, in the form of reply that the template asks for."""
    if isinstance(kind, Blend) and template.reply == "json":
        return Choice('{"emotions":[{"emotion":"', kind.labels, '","salience":100}]}')
    if not isinstance(kind, OneOf):
        raise ValueError(
            f"--decode label scores the labels of a OneOf or Blend task; this one is {type(kind).__name__}"
        )
    head, tail = ('{"label":"', '"}') if template.reply == "json" else ("", "")
    return Choice(head, kind.labels, tail)


def load_engine(config: InferConfig, model: Checkpoint | Endpoint, media_per_prompt: int) -> Engine:
    """Loads the model for questions with at most so many media of a kind. Slow; nothing heavy is imported before it."""
    if isinstance(model, Endpoint):
        return OpenAIEngine(model, config.endpoint)
    print(f"loading {config.model} …", file=sys.stderr)
    start = time.monotonic()
    engine = VllmEngine(model, config.vllm, config.seed, media_per_prompt=media_per_prompt)
    print(f"loaded in {time.monotonic() - start:.0f} s", file=sys.stderr)
    return engine


def show_prompt(sample: Sample, question: Question, model: Checkpoint | Endpoint) -> str:
    """What the model gets for one sample: its media, then the text through the chat template."""
    media = "\n".join(map(_shown, sample.media)) or "no media"
    head = question.choice.head if question.choice else ""
    return f"sample {sample.id}\n{media}\n\n{model.prompt(question.messages(sample))}{head}"


def _shown(medium: Media) -> str:
    """A medium in a line; of a part of a file, from when to when."""
    if medium.start_s is None and medium.end_s is None:
        return f"{medium.kind}: {medium.path}"
    end = "the end" if medium.end_s is None else f"{medium.end_s:g} s"
    return f"{medium.kind}: {medium.path}, {medium.start_s or 0:g} s to {end}"


def _slices(config: InferConfig) -> dict[str, str]:
    named = {"language": config.language, "tier": config.tier}
    given = {name: value for name, value in named.items() if value not in (None, "all", "both")}
    return {**{name: str(value) for name, value in given.items()}, **read_pairs(config.where, "--where")}


def _record(config: InferConfig, question: Question, root: Root) -> dict[str, Any]:
    """What has to agree for replies to belong to one run. The data may be mended: each reply is keyed by what it
    answers, so a corrected gold label or one replaced clip costs no other reply."""
    task = question.task
    return {
        "task": task.full_name,
        "split": config.split or task.splits[0],
        "where": _slices(config),
        "options": dict(root.options),
        "model": dict(question.model),
        "template": {"name": question.template.name, "version": question.template.version}
        | {"text": digest(question.template.body)},
        "transcript": question.transcript,
        "system": question.system,
        "media": dataclasses.asdict(question.options),
        "sampling": dataclasses.asdict(question.sampling),
        "engine": config.engine,
        # written where they are used, so that runs from before these options go on
        **({"thinking": True} if question.thinking else {}),
        **({"stream": _stream(config.stream)} if isinstance(task.answer, Timeline) else {}),
        **({"replies_of": str(config.replies_of.resolve())} if config.replies_of else {}),
    }


def _stream(options: StreamOptions) -> dict[str, Any]:
    """How clips are divided; marks where they are used, for runs from before there were any."""
    return {name: value for name, value in dataclasses.asdict(options).items() if name != "marks" or value}


def _facts(config: InferConfig, samples: list[Sample]) -> dict[str, Any]:
    """What may change between the sittings of one run."""
    return {
        "data": {
            "root": str(config.data.resolve()),
            "media": str(config.media.resolve()) if config.media else None,
            "fingerprint": digest([[sample.id, sample.gold, sample.text, sample.language] for sample in samples]),
        },
        "limit": config.limit,
        "command": sys.argv[1:],
        "versions": installed(),
        "revision": code_revision(),
        "hardware": {"machine": platform.machine(), "cores": os.cpu_count(), "system": platform.system()},
        "started": now(),
    }


def _stopped(store: RunStore, why: str) -> int:
    done, failed = store.counts
    print(f"stopped: {why}. {done - failed:,} replies are stored; repeat the command to go on", file=sys.stderr)
    return 3


def _summary(out: Path, total: int, unit: str, failures: Counter[str]) -> int:
    failed = sum(failures.values())
    print(f"{total - failed:,} of {total:,} {unit} have a reply; next: omnimer eval {out}", file=sys.stderr)
    for reason, count in failures.most_common(8):
        print(f"  {count:>5} x {reason}", file=sys.stderr)
    if failed:
        print("mend what can be mended and repeat the command: only what failed is asked again", file=sys.stderr)
    if len(failures) > 8:
        print(f"  and {len(failures) - 8} further reasons (in replies.jsonl)", file=sys.stderr)
    return 1 if failed else 0
