"""Every track of the challenges whole: data folder -> check -> infer (vLLM) -> eval -> submit -> validator."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from eval.blends import decode, distributions_of
from eval.submit.fitted import fitted_on
from infer import run as infer_run
from infer.store import read_replies
from infer.vllm_engine import VllmEngine
from omnimer import main
from tasks.blemore import BLEMORE, clip_name
from tests.infer.conftest import HAS_ENGINE, NO_ENGINE
from tests.tasks import blemore_folder, mer_folders

pytestmark = [pytest.mark.engine, pytest.mark.skipif(not HAS_ENGINE, reason=NO_ENGINE)]

WHEELS = Path(__file__).parents[2].parent / "shared" / "data" / "emotion_wheel"
# A reply of the tiny model is noise: it need not be long.
SMALL = ["--min-pixels", "3136", "--max-pixels", "3136", "--max-tokens", "24"]


def blemore(folder: Path) -> Path:
    """Some clips of train and four of test; the template of the organisers with the keys of test."""
    blemore_folder.write(folder, blemore_folder.rows(blemore_folder.names()[:6] + blemore_folder.names()[36:42]))
    for place, name in enumerate(blemore_folder.names()[:6] + blemore_folder.names()[36:42]):
        emotions = clip_name(name).emotions
        blemore_folder.draw(folder / "train" / f"{name}.mov", emotions, place)
    keys = [f"test_{number:04d}.mov" for number in range(1, 5)]
    for place, key in enumerate(keys):
        blemore_folder.draw(folder / "test" / key, {"ang": 100}, place)
    template = {"predictions": {key: [{"emotion": "sad", "salience": 100.0}] for key in keys}}
    (folder / "submission_template.json").write_text(json.dumps(template), encoding="utf-8")
    return folder


def personality(folder: Path) -> Path:
    mer_folders.write_personality(folder, subjects=4, files=1)
    mer_folders.table(folder / "candidates.csv", ["id"], [["001"], ["004"]])
    return folder


@dataclass(frozen=True)
class Track:
    """A track: how to write its data, the split to score, the split to submit, the organisers' list of names."""

    name: str
    write: Callable[[Path], Path]
    scored: str
    asked: str
    candidates: str
    out: str
    wheels: bool = False
    counts: bool = True


TRACKS = [
    Track("mer2025-semi", lambda f: mer_folders.write_mer2025(f, 6), "train", "candidates", "track_all_candidates.csv",
          "submission.csv"),
    Track("mer2025-fg", lambda f: mer_folders.write_mer2025(f, 6), "train-ovmerd", "candidates",
          "track_all_candidates.csv", "ours-openset.npz", wheels=True),
    Track("mer2025-des", lambda f: mer_folders.write_mer2025(f, 6), "train-ovmerd", "candidates",
          "track_all_candidates.csv", "ours.npz", wheels=True),
    Track("mer2025-pr", personality, "train", "val", "candidates.csv", "pr.csv", counts=False),
    Track("mer2026-cross", lambda f: mer_folders.write_mer2026(f, 6), "train", "candidates",
          "track1_track2_candidate.csv", "answer.zip"),
    Track("mer2026-fg", lambda f: mer_folders.write_mer2026(f, 6), "train-human", "candidates",
          "track1_track2_candidate.csv", "answer.zip", wheels=True),
    Track("mer2026-prefer", lambda f: mer_folders.write_mer2026(f, 6), "train-emoprefer", "stage2",
          "stage2_track3_candidate.csv", "answer.zip"),
    Track("mer2024-ov", lambda f: mer_folders.write_mer2024(f, 3), "test", "candidates", "track-ov-candidates.csv",
          "ov.csv", wheels=True),
    Track("blemore", blemore, "train", "test", "submission_template.json", "answer.zip"),
]  # fmt: skip


@pytest.fixture
def omnimer(monkeypatch: pytest.MonkeyPatch, engine: VllmEngine, tiny_folder: Path) -> Callable[..., int]:
    """The command line in this process; `infer` gets the shared engine."""
    monkeypatch.setattr(infer_run, "load_engine", lambda *_: engine)

    def run(*words: str | Path) -> int:
        extra = ["--model", str(tiny_folder), *SMALL] if words[0] == "infer" else []
        return main([*map(str, words), *extra])

    return run


@pytest.mark.parametrize("track", TRACKS, ids=[track.name for track in TRACKS])
def test_a_track_from_data_to_an_accepted_submission(
    track: Track, omnimer: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if track.wheels:
        if not WHEELS.is_dir():
            pytest.skip("needs the emotion wheel tables beside the checkout")
        monkeypatch.setenv("OMNIMER_WHEELS", str(WHEELS))
    data = track.write(tmp_path / "data")
    place = ["--task", track.name, "--data", data, *(["--option", "counts=any"] if track.counts else [])]
    for split in (track.scored, track.asked):
        assert omnimer("check", *place, "--split", split, "--decode") == 0, capsys.readouterr().out
        assert omnimer("infer", *place, "--split", split, "--out", tmp_path / split) == 0, capsys.readouterr().err
    capsys.readouterr()

    assert omnimer("eval", tmp_path / track.scored, "--resamples", "50") == 0
    scores = json.loads((tmp_path / track.scored / "scores.json").read_text(encoding="utf-8"))
    assert scores["rows"][0]["metric"]
    assert (tmp_path / track.scored / "report.html").stat().st_size > 10_000
    assert omnimer("eval", tmp_path / track.asked) == 0
    capsys.readouterr()

    candidates, out = data / track.candidates, tmp_path / track.out
    code = omnimer("submit", tmp_path / track.asked, "--track", track.name, "--candidates", candidates, "--out", out)
    said = capsys.readouterr()
    assert code in (0, 1), said.err  # 1: some replies of noise could not be read, and the fallback stands
    assert out.is_file()
    assert Path(f"{out}.card.json").is_file()
    judged = ["--validate", out, "--track", track.name, "--candidates", candidates]
    assert omnimer("submit", *judged) == 0, capsys.readouterr().out
    assert "valid" in capsys.readouterr().out


def test_two_stages_describe_and_extract(
    omnimer: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not WHEELS.is_dir():
        pytest.skip("needs the emotion wheel tables beside the checkout")
    monkeypatch.setenv("OMNIMER_WHEELS", str(WHEELS))
    data = mer_folders.write_mer2025(tmp_path / "data", 6)
    place = ["--task", "mer2025-fg", "--data", data, "--option", "counts=any", "--split", "train-ovmerd"]
    first, second = tmp_path / "described", tmp_path / "extracted"
    assert omnimer("infer", *place, "--template", "mer_describe", "--out", first) == 0
    assert omnimer("infer", *place, "--template", "ov_extract", "--replies-of", first, "--out", second) == 0
    told = [json.loads(line) for line in (second / "replies.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(told) == 3
    assert all(line["fed"]["frames"] == 0 and line["fed"]["audio_tokens"] == 0 for line in told)
    assert omnimer("eval", second, "--resamples", "50") == 0
    with (data / "track2_train_ovmerd.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 3


def test_blends_are_decoded_by_thresholds_that_are_fitted_on_train(
    omnimer: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = blemore(tmp_path / "data")
    place = ["--task", "blemore", "--data", data, "--option", "counts=any", "--decode", "label"]
    for split in ("train", "test"):
        words = [*place, "--split", split, "--out", tmp_path / split]
        assert omnimer("infer", *words) == 0, capsys.readouterr().err
    lines = [json.loads(line) for line in (tmp_path / "train" / "replies.jsonl").read_text().splitlines()]
    assert all(set(line["label_logprobs"]) == {"ang", "disg", "fea", "hap", "sad", "neu"} for line in lines)
    assert omnimer("eval", tmp_path / "train", "--resamples", "50") == 0
    assert "thresholds" in (tmp_path / "train" / "report.md").read_text(encoding="utf-8")

    candidates, out = data / "submission_template.json", tmp_path / "answer.zip"
    words = ["--track", "blemore", "--candidates", candidates, "--out", out, "--fit"]
    assert omnimer("submit", tmp_path / "test", *words, tmp_path / "train") == 0, capsys.readouterr().err
    told = json.loads(zipfile.ZipFile(out).read("submission_template.json"))["predictions"]
    fitted = fitted_on(tmp_path / "train", BLEMORE.full_name)
    spreads = distributions_of(read_replies(tmp_path / "test"))
    assert told == {name: decode(spread, fitted)["emotions"] for name, spread in spreads.items()}
    card = json.loads(Path(f"{out}.card.json").read_text(encoding="utf-8"))
    assert any("alpha" in name and count == 4 for name, count in card["counts"]["changes"].items())
    assert omnimer("submit", tmp_path / "test", *words, tmp_path / "test") == 2
    assert "gold" in capsys.readouterr().err
