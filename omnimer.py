"""The command line: one table, subcommand -> stage. Arguments are parsed before anything heavy is imported."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple


class Command(NamedTuple):
    """Where a subcommand lives: a module with a configuration class and `run(config) -> int`."""

    module: str
    config: str
    help: str


COMMANDS = {
    "demo": Command("finetune.demo", "DemoConfig", "the whole pipeline, small, on this machine"),
    "tasks": Command("tasks.show", "TasksConfig", "what can be measured"),
    "check": Command("infer.check", "CheckConfig", "look at the data before a long run"),
    "infer": Command("infer.run", "InferConfig", "ask a model about every sample of a task"),
    "eval": Command("eval.run", "EvalConfig", "answers, scores and a report from runs"),
    "score": Command("eval.score.run", "ScoreConfig", "the official score of a prediction file; no model"),
    "submit": Command("eval.submit.run", "SubmitConfig", "a challenge file from a run, validated; or judge one"),
    "finetune": Command("finetune.run", "FinetuneConfig", "LoRA: train an adapter by a recipe, or merge one"),
    "export": Command("finetune.export", "ExportConfig", "training data for ms-swift, LLaMA-Factory or HF datasets"),
    "annotators": Command("eval.annotators.run", "AnnotatorsConfig", "agreement of annotators, and consensus labels"),
    "parse": Command("prompts.parse_command", "ParseConfig", "read replies from standard input"),
}

EXIT_CODES = """Exit codes: 0 done; 1 done, but some samples failed; 2 bad input; 3 stopped early, can be resumed.
OMNIMER_DEBUG=1 shows the traceback of an error."""


def usage() -> str:
    """The text of `omnimer --help`."""
    width = max(map(len, COMMANDS))
    rows = [f"  {name:<{width}}  {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: omnimer COMMAND [OPTIONS]",
            "",
            "Measure how well omni models recognise emotion.",
            "",
            *rows,
            "",
            "`omnimer COMMAND --help` explains each option.",
            EXIT_CODES,
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; a user's mistake is one message, never a traceback."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Threads that wait for each other soon give their core away: decoding and computing share the cores of a machine.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    try:
        code = _main(words)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as error:
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        # The reader has gone (`omnimer … | head`; rich turns that into SystemExit): nothing may be said at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _main(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    name = words[0]
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        print(f"omnimer: no command {name!r}.{hint} Commands: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        return _run(name, words[1:])
    except BrokenPipeError:
        raise
    except (ValueError, OSError) as error:
        if os.environ.get("OMNIMER_DEBUG"):
            raise
        print(f"omnimer {name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"omnimer {name}: stopped", file=sys.stderr)
        return 3


def _run(name: str, words: list[str]) -> int:
    import tyro

    command = COMMANDS[name]
    module: Any = importlib.import_module(command.module)
    try:
        config = tyro.cli(getattr(module, command.config), prog=f"omnimer {name}", args=words)
    except SystemExit as stop:
        return int(stop.code or 0)
    code: int = module.run(config)
    return code


if __name__ == "__main__":
    sys.exit(main())
