"""Files that cannot be used, and names that no one expects: each gives a MediaError with path and reason."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from infer.media import (
    MediaError,
    content_hash,
    probe,
)
from tests.infer.clips import (
    boxes,
    claim_size,
    cut_off,
    rename_codec,
    without_index,
    write_audio,
    write_coded_audio,
    write_few_frames,
    write_music_with_cover,
    write_no_frames,
    write_video,
)
from tests.infer.reading import harmless, media_error_at_most, sound, video

# Whatever a file holds, reading it comes to an end: the time limit in pyproject.toml holds it to that.


# --- Files that cannot be used: MediaError with path and reason


def _text(path: Path) -> Path:
    path.write_text("id,label\n1,Joy\n" * 200, encoding="utf-8")
    return path


def _page(path: Path) -> Path:
    path.write_text("<!DOCTYPE html><html><body>404 Not Found</body></html>\n" * 20, encoding="utf-8")
    return path


def _noise(path: Path) -> Path:
    path.write_bytes(random.Random(0).randbytes(50_000))  # noqa: S311
    return path


def _nothing(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def _link(path: Path, to: Path) -> Path:
    path.symlink_to(to)
    return path


def _link_to_fifo(path: Path) -> Path:
    return _link(path, _fifo(path.with_name("pipe")))


def _no_picture_data(path: Path) -> Path:
    """An mp4 whose index is whole and whose media data are gone."""
    write_video(path, faststart=True)
    data = path.read_bytes()
    path.write_bytes(data[: boxes(data)["mdat"][0] + 8])
    return path


def _concat_script(path: Path) -> Path:
    write_video(path.with_name("neighbour.mp4"))
    path.write_text("ffconcat version 1.0\nfile neighbour.mp4\n", encoding="utf-8")
    return path


def _playlist(path: Path) -> Path:
    write_video(path.with_name("neighbour.ts"))
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nneighbour.ts\n#EXT-X-ENDLIST\n", encoding="utf-8")
    return path


def _huge(path: Path) -> Path:
    """An avi that claims 60000 x 60000 raw pixels."""
    write_video(path, codec="rawvideo", pix_fmt="bgr24", seconds=0.4, audio_rate=None)
    data = bytearray(path.read_bytes())
    at = data.index(b"strf") + 8
    data[at + 4 : at + 12] = (60_000).to_bytes(4, "little") * 2
    path.write_bytes(data)
    return path


# name -> (file name, how it is written, a word of the reason)
BROKEN: dict[str, tuple[str, Callable[[Path], Path], str]] = {
    "missing": ("a.mp4", lambda path: path, "no such file"),
    "zero_byte": ("a.mp4", _nothing, "empty"),
    "one_byte": ("a.mp4", lambda path: cut_off(_text(path), 1 / 3000), ""),
    "text": ("a.mp4", _text, "media"),
    "web_page": ("a.mp4", _page, "media"),
    "noise": ("a.mp4", _noise, ""),
    "concat_script": ("a.mp4", _concat_script, ""),
    "playlist": ("a.m3u8", _playlist, ""),
    "folder": ("a.mp4", _folder, "directory"),
    "fifo": ("a.mp4", _fifo, "regular file"),
    "link_to_fifo": ("a.mp4", _link_to_fifo, "regular file"),
    "device": ("a.mp4", partial(_link, to=Path("/dev/zero")), "regular file"),
    "broken_link": ("a.mp4", partial(_link, to=Path("nowhere.mp4")), "no such file"),
    "link_to_itself": ("a.mp4", partial(_link, to=Path("a.mp4")), ""),
    "without_index": ("a.mp4", lambda path: without_index(write_video(path)), ""),
    "header_alone": ("a.mp4", _no_picture_data, ""),
    "no_frames": ("a.mp4", write_no_frames, "picture"),
    "one_frame": ("a.mp4", partial(write_few_frames, frames=1), "1 frame"),
    "sound_alone": ("a.mp4", partial(write_coded_audio, rate=16_000), "picture"),
    "wav_called_mp4": ("a.mp4", write_audio, "picture"),
    "cover_alone": ("a.mp4", write_music_with_cover, "picture"),
    "thin": ("a.mp4", partial(write_video, size=(1206, 2)), "1206x2"),
    "tall": ("a.mp4", partial(write_video, size=(2, 1206)), "2x1206"),
    "huge": ("a.avi", _huge, "pixels"),
    "unknown_picture_codec": ("a.mp4", lambda path: rename_codec(write_video(path), b"avc1"), ""),
    "unknown_codecs": ("a.mp4", lambda path: rename_codec(rename_codec(write_video(path), b"avc1"), b"mp4a"), ""),
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_a_broken_file_says_which_and_why(tmp_path: Path, name: str) -> None:
    file, write, reason = BROKEN[name]
    path = tmp_path / file
    write(path)
    with pytest.raises(MediaError) as caught:
        video(path)
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)
    assert len(str(caught.value)) > len(str(path)) + 10, "a path alone is no reason"


@pytest.mark.parametrize("name", list(BROKEN))
def test_probe_and_hash_survive_a_broken_file(tmp_path: Path, name: str) -> None:
    file, write, _ = BROKEN[name]
    path = tmp_path / file
    write(path)
    assert content_hash(path)
    with media_error_at_most(path):
        probe(path)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi", "webm"])
def test_a_truncated_video_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    how = {"webm": {"codec": "libvpx", "audio_codec": "libopus", "audio_rate": 48_000}}.get(suffix, {})
    path = write_video(tmp_path / f"a.{suffix}", seconds=4, faststart=suffix in ("mp4", "mov"), **how)  # type: ignore[arg-type]
    cut_off(path, share)
    with pytest.raises(MediaError) as caught:
        video(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
@pytest.mark.parametrize(("suffix", "codec"), [("m4a", "aac"), ("flac", "flac")])
def test_a_truncated_sound_is_refused(tmp_path: Path, suffix: str, codec: str, share: float) -> None:
    """Formats that say how long they are; mp4 with the index first, as downloads have it."""
    path = write_coded_audio(tmp_path / f"a.{suffix}", codec=codec, seconds=4, faststart=suffix == "m4a")
    assert sound(path).audio_s == pytest.approx(4.0, abs=0.1)
    cut_off(path, share)
    with pytest.raises(MediaError) as caught:
        sound(path)
    assert str(path) in str(caught.value)


def test_absurd_dimensions_in_the_index_alone(tmp_path: Path) -> None:
    """The index lies, the stream does not: a clip or an error, within the time limit."""
    for width, height in ((65_535, 65_535), (0, 0), (1, 65_535)):
        harmless(claim_size(write_video(tmp_path / "a.mp4"), width, height))


def test_one_picture_is_not_decoded_beyond_the_pixel_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infer.decode.MAX_SOURCE_PIXELS", 100 * 100)
    with pytest.raises(MediaError, match="200x100"):
        video(write_video(tmp_path / "a.mp4", size=(200, 100)))


def test_a_file_without_permission() -> None:
    folder, user = Path(tempfile.mkdtemp()), os.geteuid()
    try:
        folder.chmod(0o755)
        path = write_video(folder / "secret.mp4")
        path.chmod(0)
        if user == 0:
            os.seteuid(65534)  # root reads everything; nobody does not
        with pytest.raises(MediaError, match="ermi") as caught:
            video(path)
        assert str(path) in str(caught.value)
        assert content_hash(path).startswith("unreadable:")
    finally:
        os.seteuid(user)
        shutil.rmtree(folder)


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4")

    def refuse(self: Path, **_: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(MediaError, match="Permission denied"):
        video(path)
    assert content_hash(path).startswith("unreadable:")


# --- Names are hostile too

ODD_NAMES = [
    "a:1.mp4",
    "file:a.mp4",
    "http:a.mp4",
    "concat:a|b.mp4",
    "%d.mp4",
    "-i.mp4",
    "a b\n.mp4",
    "笑い🙂.mp4",
    "a\udcff.mp4",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_file_name_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    made = write_video(tmp_path / "plain.mp4")
    made.rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert video(Path(name)).frames is not None  # as a path beside the working folder
    assert video(tmp_path / name).frames is not None
    assert len(content_hash(Path(name))) == 64


@pytest.mark.parametrize("name", ["a\0b.mp4", "a\ud800.mp4", "missing\udcff.mp4", "a" * 5000, "a/" * 3000, ""])
def test_a_name_that_no_file_can_have_is_a_media_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(MediaError):
        video(path)
    assert content_hash(path)
