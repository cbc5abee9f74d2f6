"""scripts/standin_media.py: stand-in clips lie where the EmoS release would have the real ones."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tasks import emos
from tasks.synthetic.layout import CARRIERS
from tasks.task import Media, Root, Sample

SCRIPT = Path(__file__).parents[2] / "scripts" / "standin_media.py"
RELEASE = Path(__file__).parents[2].parent / "shared" / "data" / "emos"
LABELS = tuple(CARRIERS)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("standin_media", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fake(base: Path, count: int) -> list[Sample]:
    """Samples like those of tasks.emos: half zh, half en; Neutral is half of each."""
    found = []
    for index in range(count):
        language = ("zh", "en")[index % 2]
        label = LABELS[index // 4 % 7] if index // 2 % 2 else "Neutral"
        place = base / {"zh": "Chinese/Raw/video_1", "en": "English/train_splits"}[language] / f"{index:04d}.mp4"
        meta = {"group": f"g{index // 8}", "ds_confidence": 0.7}
        found.append(Sample(f"id{index}", {"label": label}, "你好。", (Media("video", place),), language, meta=meta))
    return found


@pytest.fixture
def release(tmp_path: Path, script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An annotation folder of 280 made-up samples."""
    data = tmp_path / "emos"
    base = data / "datasets" / "data-final"
    base.mkdir(parents=True)
    monkeypatch.setattr(script, "find_base", lambda _: base)
    monkeypatch.setattr(emos, "samples", lambda root, split: iter(fake(base, 280)))
    return data


@pytest.mark.parametrize("number", [1, 13, 14, 100, 280, 999])
def test_the_choice_is_stratified_and_seeded(script: ModuleType, number: int) -> None:
    found = fake(Path("base"), 280)
    chosen = script.choose(found, number, seed=1)
    assert len(chosen) == min(number, 280)
    assert [sample.id for sample in script.choose(found, number, seed=1)] == [sample.id for sample in chosen]
    assert [found.index(sample) for sample in chosen] == sorted(found.index(sample) for sample in chosen)
    if 14 <= number < 280:
        counts = Counter((sample.language, script.label_of(sample)) for sample in chosen)
        assert len(counts) == 14
        sizes = Counter((sample.language, script.label_of(sample)) for sample in found)
        assert all(
            abs(counts[key] - number * size / 280) <= (8 if number == 14 else 1.5) for key, size in sizes.items()
        )
        assert script.choose(found, number, seed=2) != chosen


def test_clips_are_written_once_below_the_media_folder(
    script: ModuleType, release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    media = tmp_path / "media"
    arguments = ["--data", str(release), "--media", str(media), "--n", "8", "--size", "64"]
    before = sorted(release.rglob("*"))
    assert script.main(arguments) == 0
    assert "8 clips written, 0 were there" in capsys.readouterr().out
    clips = {path: path.read_bytes() for path in media.rglob("*.mp4")}
    assert len(clips) == 8
    assert {path.relative_to(media).parts[0] for path in clips} == {"Chinese", "English"}
    assert len((media / script.IDS).read_text().split()) == 8
    gone, kept = list(clips)[:2]
    gone.unlink()
    kept.write_bytes(b"somebody's own clip")
    assert script.main(arguments) == 0
    assert "1 clips written, 7 were there" in capsys.readouterr().out
    assert gone.read_bytes() == clips[gone]
    assert kept.read_bytes() == b"somebody's own clip"
    assert sorted(release.rglob("*")) == before


@pytest.mark.parametrize("place", [".", "datasets/data-final", "datasets/new"])
def test_the_annotation_folder_is_never_written_to(
    script: ModuleType, release: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(release.rglob("*"))
    assert script.main(["--data", str(release), "--media", str(release / place), "--n", "2"]) == 2
    assert "lies in the annotation folder" in capsys.readouterr().err
    assert sorted(release.rglob("*")) == before


def test_a_clip_named_out_of_the_media_folder_is_refused(script: ModuleType, release: Path, tmp_path: Path) -> None:
    base = release / "datasets" / "data-final"
    sample = Sample("x", {"label": "Joy"}, "", (Media("video", base / "Chinese" / ".." / ".." / "out.mp4"),))
    with pytest.raises(ValueError, match=r"sample x: .* outside"):
        script.places([sample], release, tmp_path / "media")


def test_a_wrong_data_folder_is_exit_code_2(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["--data", str(tmp_path), "--media", str(tmp_path / "media")]) == 2
    assert "no EmoS annotations here" in capsys.readouterr().err
    assert not (tmp_path / "media").exists()


@pytest.mark.skipif(not RELEASE.is_dir(), reason="the EmoS annotations (../shared/data/emos) are not here")
def test_the_real_release_finds_its_stand_ins(script: ModuleType, tmp_path: Path) -> None:
    import av

    assert script.run(RELEASE, tmp_path, n=14, split="all", size=64, seed=3) == (14, 0)
    found = [sample for sample in emos.samples(Root(RELEASE, tmp_path), "all") if sample.media[0].path.exists()]
    assert sorted(sample.id for sample in found) == sorted((tmp_path / script.IDS).read_text().split())
    assert len({(sample.language, script.label_of(sample)) for sample in found}) == 14
    for sample in found[:3]:
        with av.open(str(sample.media[0].path)) as container:
            assert container.streams.audio
            assert np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)]).std() > 5
