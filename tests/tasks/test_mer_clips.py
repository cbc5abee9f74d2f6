"""Where clips are found: videos before sound, sub-folders, several folders, nothing at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks.mer_clips import find_clips
from tasks.task import Media


def touched(folder: Path, *files: str) -> Path:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    return folder


def test_a_video_is_preferred_to_its_sound_and_sound_is_used_alone(tmp_path: Path) -> None:
    touched(tmp_path, "video/a.mp4", "audio/a.wav", "audio/b.wav", "openface_face/a/a.npy", "video/other.mp4")
    assert find_clips(tmp_path, ["a", "b", "c"]) == {
        "a": Media("video", tmp_path / "video" / "a.mp4"),
        "b": Media("audio", tmp_path / "audio" / "b.wav"),
        "c": Media("video", tmp_path / "video" / "c.mp4"),
    }


def test_archives_unpack_into_sub_folders(tmp_path: Path) -> None:
    touched(
        tmp_path, "video/part1/a.mp4", "video/x/y/b.mp4", "video_7z/video_track2/c.mp4", "video/too/deep/by/one/d.mp4"
    )
    found = find_clips(tmp_path, ["a", "b", "c", "d"])
    assert [found[name].path.relative_to(tmp_path).as_posix() for name in "abcd"] == [
        *("video/part1/a.mp4", "video/x/y/b.mp4", "video_7z/video_track2/c.mp4", "video/d.mp4")
    ]
    assert not found["d"].path.exists()


def test_of_two_files_the_one_in_the_earlier_folder_then_the_mp4(tmp_path: Path) -> None:
    touched(tmp_path, "subvideo/a.mp4", "subvideo-tgt/a.avi", "subvideo/b.avi", "subvideo/b.mp4", "video/b.mp4")
    found = find_clips(tmp_path, ["a", "b"], videos=("subvideo-tgt", "subvideo"))
    assert found["a"].path == tmp_path / "subvideo-tgt" / "a.avi"
    assert found["b"].path == tmp_path / "subvideo" / "b.mp4"


def test_a_folder_that_is_given_may_be_the_folder_of_clips(tmp_path: Path) -> None:
    touched(tmp_path, "x/a.mp4", "b.wav")
    found = find_clips(tmp_path, ["a", "b"], told=True)
    assert {name: medium.kind for name, medium in found.items()} == {"a": "video", "b": "audio"}
    assert not find_clips(tmp_path, ["a", "b"])["a"].path.exists(), "else it is not searched"


def test_a_given_folder_without_any_clip_is_an_error(tmp_path: Path) -> None:
    touched(tmp_path, "video/other.mp4")
    with pytest.raises(ValueError, match=r"none of 2 clips is here; looked for files such as video/a\.mp4 and audio/a"):
        find_clips(tmp_path, ["a", "b"], told=True)
    assert find_clips(tmp_path, [], told=True) == {}


def test_a_link_that_leads_back_ends(tmp_path: Path) -> None:
    touched(tmp_path, "video/a.mp4")
    (tmp_path / "video" / "again").symlink_to(tmp_path / "video")
    assert find_clips(tmp_path, ["a"])["a"].path == tmp_path / "video" / "a.mp4"


def test_folders_are_looked_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"sample_{i:03d}" for i in range(200)]
    touched(tmp_path, *(f"video/{name}.mp4" for name in names))
    looked: list[str] = []
    real = os.scandir

    def counted(path: Path) -> object:
        looked.append(str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", counted)
    assert all(medium.path.is_file() for medium in find_clips(tmp_path, names).values())
    assert looked.count(str(tmp_path / "video")) == 1
    assert len(looked) <= 3
