"""Two streaming clips in the layout of the EmoS release, fences and all. All sentences are invented."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def utterance(span: str, primary: str, secondary: list[str], **other: Any) -> dict[str, Any]:
    """One utterance of an emotion.json."""
    words = dict.fromkeys(("speaker_guess", "transcript_zh", "transcript_en", "audio_cues", "visual_cues"), "x")
    return {"timestamp_range": span, **words, "emotion_primary": primary, "emotion_secondary": secondary,
            "intensity": 3, "evidence": "x", **other}  # fmt: skip


def clips() -> dict[str, dict[str, Any]]:
    """Title -> emotion.json of two clips: five utterances, two emotion changes."""
    one = [
        utterance("00:00-00:04", "Anger/愤怒", ["anger 😠", "annoyance"]),
        utterance("00:05-00:09", "Anger", ["anger"]),
        utterance("00:09-01:12", "Joy", ["joy", "determination"]),
    ]
    two = [utterance("00:00-00:02", "Fear", ["fear"]), utterance("00:02-00:03", "Joy", ["joy"])]
    del two[0]["speaker_guess"]
    trend = {"dominant": "Joy/喜悦", "trajectory": "up"}
    return {
        title: {"summary": "s", "overall_emotion_trend": trend, "utterances": items}
        for title, items in (("A Clip's Title", one), ("Another", two))
    }


def sentences(title: str) -> dict[str, Any]:
    """A sentence_level_timestamps.json with two sentences."""
    segments = [
        {"index": 1, "start": 0.0, "end": 1.5, "text": "Yes.", "filename": "segment001.mp4"},
        {"index": 2, "start": 1.5, "end": 72.25, "text": "No.", "filename": "segment002.mp4"},
    ]
    return {"lang": "en", "film": title, "source_rel": "all/all.mp4", "t_start_global": 10.5, "t_end_global": 83.0,
            "duration": 72.5, "clip": f"{title}.mp4", "segments": segments}  # fmt: skip


def write_clips(folder: Path, files: dict[str, dict[str, Any]]) -> Path:
    """Writes clips below folder/datasets/streaming-finalsplit, fenced as published, and gives that folder back."""
    base = folder / "datasets/streaming-finalsplit"
    for title, record in files.items():
        (base / title).mkdir(parents=True)
        text = f"```json\n{json.dumps(record, ensure_ascii=False, indent=2)}\n```"
        (base / title / f"{title}.emotion.json").write_text(text, encoding="utf-8")
        times = json.dumps(sentences(title), ensure_ascii=False)
        (base / title / "sentence_level_timestamps.json").write_text(times, encoding="utf-8")
    return base
