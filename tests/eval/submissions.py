"""Runs and candidate files of every track, made by hand, for the tests of `omnimer submit`."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.submit.candidates import Candidate
from eval.submit.run import SubmitConfig, run
from eval.submit.tracks import TRACKS, TRAITS, Content
from tasks.registry import TASKS
from tasks.task import Task

TASKS_BY_TRACK: dict[str, Task] = {name: TASKS[name] for name in TRACKS}  # the tasks have the tracks' names
NAMES = ("clip_b", "clip_a", "clip_d", "clip_c", "clip_e")
# Two rows ask the same of the same clip, and descriptions hold all that a csv can hold.
PAIRS = (
    Candidate("clip_b", "He smiles, then he \"laughs\".", "He frowns.\nHe turns away."),
    Candidate("clip_a", "She cries; it's loud.", "She sings\tsoftly"),
    Candidate("clip_b", "They argue", "They agree"),
    Candidate("clip_b", "They argue", "They agree"),
    Candidate("clip_c", "他很高兴，", "He is sad"),
)  # fmt: skip
SUBJECTS = ("001", "007", "012", "103", "104")


def candidates_of(track: str) -> list[Candidate]:
    if track == "mer2026-prefer":
        return list(PAIRS)
    names = {"mer2025-pr": SUBJECTS, "blemore": [f"test_{i:04d}.mov" for i in range(1, 6)]}.get(track, NAMES)
    return [Candidate(name) for name in names]


def write_candidates(folder: Path, track: str) -> Path:
    """The organisers' file of a track."""
    found = candidates_of(track)
    if track == "blemore":
        path = folder / "template.json"
        values = [{"emotion": "sad", "salience": 100.0}]
        path.write_text(json.dumps({"predictions": {candidate.name: values for candidate in found}}))
        return path
    path = folder / "candidates.csv"
    rows: list[Sequence[str]] = [["id" if track == "mer2025-pr" else "name"], *([one.name] for one in found)]
    if track == "mer2026-prefer":
        rows = [["name", "a1", "a2"], *found]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    path.write_bytes(text.getvalue().encode())
    return path


# Replies in the order of the candidates, and the content that they come to.
REPLIES: dict[str, Sequence[Any]] = {
    "label": [{"label": name} for name in ("angry", "happy", "neutral", "surprise", "worried")],
    "labels": [{"labels": words} for words in (["happy", "calm"], ["sad"], [], ["not sure"], ["none", "surprised"])],
    "text": [
        {"description": "He smiles.", "labels": ["happy"]},
        {"description": "她在哭", "labels": ["sad", "hurt"]},
        {"description": None, "labels": ["angry"]},
        {"description": "Nothing moves", "labels": []},
        {"description": "A\nB", "labels": ["calm"]},
    ],
    "traits": [dict(zip(TRAITS, (0.1, 0.25, 0.5, 1, k / 10), strict=True)) for k in range(5)],
    "choice": [{"choice": name} for name in ("a1", "a2", "a2", "a1", "same")],
    "blend": [
        {"emotions": [{"emotion": "ang", "salience": 100}]},
        {"emotions": [{"emotion": "hap", "salience": 70}, {"emotion": "sad", "salience": 30}]},
        {"emotions": [{"emotion": "neu", "salience": 100}]},
        {"emotions": [{"emotion": "disg", "salience": 50}, {"emotion": "fea", "salience": 50}]},
        {"emotions": [{"emotion": "neu", "salience": 30}, {"emotion": "fea", "salience": 70}]},
    ],
}
CONTENTS: dict[str, list[Content]] = {
    "label": ["angry", "happy", "neutral", "surprise", "worried"],
    "labels": [("happy", "calm"), ("sad",), (), ("not sure",), ("surprised",)],
    "text": [
        "He smiles. Emotional state: happy.",
        "她在哭. Emotional state: sad, hurt.",
        "Emotional state: angry.",
        "Nothing moves.",
        "A B. Emotional state: calm.",
    ],
    "traits": [(0.1, 0.25, 0.5, 1.0, k / 10) for k in range(5)],
    "choice": ["a1", "a2", "a2", "a1", "a1"],
    "blend": [
        (("ang", 100),),
        (("hap", 70), ("sad", 30)),
        (("neu", 100),),
        (("disg", 50), ("fea", 50)),
        (("fea", 100),),
    ],
}


def samples_of(track: str) -> list[dict[str, Any]]:
    """Sample records of the candidates, with what their adapters put into meta."""
    found = []
    for place, candidate in enumerate(candidates_of(track)):
        meta: dict[str, Any] = {"name": candidate.name}
        sample_id = candidate.name
        if track == "mer2025-pr":
            meta = {"subject": candidate.name, "name": "clip1"}
        elif track == "blemore":
            meta = {"split": "test"}
        elif track == "mer2026-prefer":
            sample_id = f"{place:05d}-{candidate.name}"
            shown = {key: value.replace("\n", " ").replace("\t", " ") for key, value in candidate._asdict().items()}
            meta = {**shown, "row": place, "swapped": "no"}
        found.append(sample(sample_id, meta))
    return found


def sample(sample_id: str, meta: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": sample_id, "gold": None, "text": "", "media": [], "language": "en", "context": [], "meta": meta}


def write_run(
    folder: Path,
    track: str,
    replies: Sequence[Any] | None = None,
    samples: Sequence[dict[str, Any]] | None = None,
    task: Task | None = None,
) -> Path:
    """A run of a track. A reply is a value to be written as JSON, a text, None for a failed request, or Ellipsis for
    one that was never made."""
    records = samples_of(track) if samples is None else list(samples)
    told = REPLIES[TRACKS[track].shape] if replies is None else replies
    folder.mkdir(parents=True)
    config = {
        "task": (task or TASKS_BY_TRACK[track]).full_name,
        "model": {"model": "tiny", "family": "qwen2_5_omni", "content": "ab" * 32, "adapter": "lora|x"},
        "template": {"name": "ov_list_json", "version": "1", "text": "cd" * 32},
        "sampling": {"seed": 3, "temperature": 0.0},
    }
    facts = {
        "config": config,
        "prompt_of_first_request": "<|im_start|>user\nWhat?",
        "command": ["infer", "--task", "x"],
    }
    (folder / "run.json").write_text(json.dumps(facts))
    lines = []
    for record, reply in zip(records, told, strict=True):
        if reply is not ...:
            text = reply if reply is None or isinstance(reply, str) else json.dumps(reply)
            error = "media: no frames: clip.mp4" if reply is None else None
            lines.append({"id": record["id"], "key": f"key of {record['id']}", "text": text, "error": error})
    for name, rows in (("samples.jsonl", records), ("replies.jsonl", lines)):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


# --- the command


def submitted(folder: Path, name: str, *runs: Path, code: int = 0, **options: Any) -> Path:
    """The file that the command writes from runs; its name is the track's."""
    out = folder / ("out" + TRACKS[name].suffix)
    config = SubmitConfig(runs, name, write_candidates(folder, name), out, **options)
    assert run(config) == code
    return out


def card_of(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(out.with_name(out.name + ".card.json").read_text(encoding="utf-8"))
    return found


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def table(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))
