"""The provenance card of a submission: what a team is asked for in an audit, as JSON and for people.

Weights, adapter, code revision, configurations, prompts, seeds, the keys of all replies, counts of everything that was
repaired or filled in, the hash of the file and the commands that made it. It holds no time of its own: the same runs
and the same command give the same card.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from eval.submit.collect import Answered, Collected
from eval.submit.content import ONLY, SAME, UNBLENDED, UNTOLD
from eval.submit.tracks import Track
from infer.versions import code_revision, installed

_OF_ANSWERS = (SAME, UNTOLD, ONLY, UNBLENDED)


def card(
    track: Track, file: str, data: bytes, runs: Sequence[Answered], collected: Collected, spare: str
) -> dict[str, Any]:
    """The card as a JSON object. `spare`: the fallback as it was given."""
    changes = {name: count for name, count in sorted(collected.changes.items()) if count}
    rows, fallbacks = len(collected.contents), collected.fallbacks
    return {
        "submission": {
            "file": file,
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "track": track.name,
            "source": track.source,
            "container": "official" if track.official else "natural form: the official one is not described in public",
        },
        "counts": {
            "rows": rows,
            "answered": rows - fallbacks.total(),
            "answers repaired by the parser": collected.repaired,
            "fallbacks": fallbacks.total(),
            "fallbacks by reason": dict(sorted(fallbacks.items())),
            "samples that are no candidate": collected.strangers,
            "candidates in several runs (the first with an answer counts)": collected.again,
            "changes": changes,
            "labels changed": sum(count for name, count in changes.items() if name not in _OF_ANSWERS),
        },
        "fallback": spare,
        "runs": [_run(run) for run in runs],
        "code": {"revision": code_revision(), "versions": installed()},
        "command": ["omnimer", *sys.argv[1:]],
    }


def _run(run: Answered) -> dict[str, Any]:
    facts = run.facts
    config = facts["config"]
    model = config.get("model") or {}
    return {
        "folder": str(run.folder),
        "task": config.get("task"),
        "weights": {name: model.get(name) for name in ("model", "family", "content") if name in model},
        "adapter": {name: model[name] for name in ("adapter", "adapter_content") if name in model} or None,
        "prompt": {"template": config.get("template"), "first": facts.get("prompt_of_first_request")},
        "seed": (config.get("sampling") or {}).get("seed"),
        "config": config,
        "data": facts.get("data"),
        "versions": facts.get("versions"),
        "revision": facts.get("revision"),
        "command": facts.get("command"),
        "samples": len(run.samples),
        "sha256 of the sorted reply keys": run.keys,
    }


def markdown(record: Mapping[str, Any]) -> str:
    """The card for people."""
    told, counts = record["submission"], record["counts"]
    lines = [f"# Submission {_code(told['file'])}", "", f"Track {told['track']}: {told['source']}.", ""]
    lines += _table({"sha256": told["sha256"], "bytes": told["bytes"], "container": told["container"]})
    plain = {name: count for name, count in counts.items() if not isinstance(count, dict)}
    lines += ["", "## Counts", "", *_table(plain), "", f"The fallback is {_code(record['fallback'])}."]
    for title, table in (("Fallbacks by reason", counts["fallbacks by reason"]), ("Changes", counts["changes"])):
        if table:
            lines += ["", f"### {title}", "", *_table(table)]
    for run in record["runs"]:
        template = run["prompt"]["template"] or {}
        lines += ["", f"## Run {_code(run['folder'])}", ""]
        lines += _table(
            {
                "task": run["task"],
                **{f"weights: {name}": value for name, value in run["weights"].items()},
                **(run["adapter"] or {"adapter": "none"}),
                **{f"template: {name}": value for name, value in template.items()},
                "seed": run["seed"],
                "samples": run["samples"],
                "sha256 of the sorted reply keys": run["sha256 of the sorted reply keys"],
                "command": _words(run["command"]),
            }
        )
        if run["prompt"]["first"]:
            lines += ["", "The prompt of the first request:", "", *_block(str(run["prompt"]["first"]))]
    code = record["code"]
    lines += ["", "## Code", "", *_table({"revision": code["revision"] or "no checkout", **code["versions"]})]
    return "\n".join([*lines, "", f"Command: {_code(_words(record['command']))}", ""])


def _table(rows: Mapping[str, Any]) -> list[str]:
    return ["| | |", "|---|---|", *(f"| {_plain(name)} | {_code(value)} |" for name, value in rows.items())]


def _plain(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")


def _code(value: Any) -> str:
    """A value as inline code, which no markup in it can leave."""
    text = " ".join(str(value).split()).replace("`", "'").replace("|", "\\|")
    return f"`{text}`" if text else ""


def _block(text: str) -> list[str]:
    """A text as an indented block."""
    return [f"    {line}" for line in text.splitlines()]


def _words(command: Any) -> str:
    return " ".join(map(str, command)) if isinstance(command, list) else ""
