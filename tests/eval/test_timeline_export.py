"""Timelines as subtitles and as ELAN documents: what is in them, and that hostile text and names do no harm."""

from __future__ import annotations

import html
import re
import sys
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.timeline.export import FORMATS, LAST_S, cues, eaf, file_stem, line, srt, vtt, write_exports
from tasks.task import Media
from tests.eval.test_timeline import said, timeline

HOSTILE = (
    "<b>&amp;</b> {\\an8} -->\n\n00:00:01,000 --> 00:00:02,000\r\n]]>\x00\x0b\u2028\ud800\u202e<script>\ufeff\uffff"
)
VALUE = timeline(
    {**said(0, 2.5, "Joy", ["joy", "love"], 3), "speaker": "Ann", "transcript_zh": "你好", "transcript_en": "Hello"},
    {**said(2.5, 3723.004, "Anger", [], None), "speaker": None, "transcript_zh": None, "transcript_en": "No!"},
    said(4000, 4000, None, None, 5),
)
SRT = """1
00:00:00,000 --> 00:00:02,500
Ann: 你好
Hello
[Joy 3/5] joy, love

2
00:00:02,500 --> 01:02:03,004
No!
[Anger]

3
01:06:40,000 --> 01:06:40,001
[? 5/5]
"""


def test_srt_by_hand() -> None:
    assert srt(VALUE) == SRT


def test_vtt_by_hand() -> None:
    assert vtt(VALUE) == "WEBVTT\n\n" + re.sub(r"(\d\d),(\d\d\d)", r"\1.\2", SRT)
    assert vtt(timeline()) == "WEBVTT\n\n"
    assert srt(timeline()) == ""


def test_utterances_are_shown_in_order_of_time() -> None:
    assert [cue.start for cue in cues(timeline(said(5, 6, "Joy"), said(1, 9, "Joy"), said(1, 2, "Fear")))] == [
        1000, 1000, 5000
    ]  # fmt: skip


def test_times_far_away_stay_writable() -> None:
    (cue,) = cues(timeline(said(-5, 1e300, "Joy")))
    assert (cue.start, cue.end) == (0, LAST_S * 1000)


def blocks(text: str, point: str) -> list[list[str]]:
    """The cues of a subtitle file as a player splits it: blocks between blank lines, each with its number and times."""
    clock = rf"\d\d+:[0-5]\d:[0-5]\d\{point}\d{{3}}"
    found = [block.split("\n") for block in re.split(r"\n\n+", text.strip("\n"))] if text.strip() else []
    for number, block in enumerate(found, start=1):
        assert block[0] == str(number)
        assert re.fullmatch(f"{clock} --> {clock}", block[1])
    return [block[2:] for block in found]


texts = st.text(st.sampled_from([*HOSTILE, *"abc 你😀é"]), max_size=25) | st.sampled_from([HOSTILE, "", "1", "NOTE x"])
hostile = st.builds(
    lambda start, length, *texts: {
        **said(start, start + length, texts[0], [texts[1]], 3),
        "speaker": texts[2], "transcript_zh": texts[3], "transcript_en": texts[4],
    },
    st.integers(0, 40), st.sampled_from((0, 0.0004, 1, 30, 1e12)), *[st.none() | texts] * 5,
)  # fmt: skip
timelines = st.lists(hostile, max_size=5).map(lambda items: timeline(*items))


@given(value=timelines)
@settings(max_examples=80, deadline=None)
def test_hostile_text_stays_inside_its_cue(value: Any) -> None:
    for text, point, head in ((srt(value), ",", ""), (vtt(value), ".", "WEBVTT\n\n")):
        assert text.startswith(head)
        found = blocks(text.removeprefix(head), point)
        assert len(found) == len(value["utterances"])
        for body in found:
            assert 1 <= len(body) <= 3
            assert not any("-->" in row or "<" in row or ">" in row for row in body)
            assert not any(unicodedata.category(sign) in ("Cc", "Cs") for row in body for sign in row)
        text.encode()
    for body in blocks(vtt(value).removeprefix("WEBVTT\n\n"), "."):
        assert all(html.escape(html.unescape(row), quote=False) == row for row in body), "escaped once"
    assert not re.search(r"[{}]", srt(value))


def test_a_line_is_one_line_that_can_be_seen() -> None:
    assert line(" a\tb\r\n\nc\u2028d\x00e\x85f\u202eg\ufeff ") == "a b c d e fg"
    assert line("👩‍👧 é") == "👩‍👧 é"
    assert (line(None), line(3)) == ("", "3")


# --- ELAN


@pytest.fixture
def pympi() -> Any:
    return pytest.importorskip("pympi", reason="needs pympi-ling (the dev extra)")


ORDER = ["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "CONSTRAINT"]


def check(text: str) -> dict[str, list[tuple[int, int, str]]]:
    """The annotations by tier of an ELAN document, which has to keep to what the schema of EAF 3.0 asks for."""
    root = ET.fromstring(text.encode())  # noqa: S314 - our own document
    assert root.tag == "ANNOTATION_DOCUMENT"
    assert root.get("FORMAT") == root.get("VERSION") == "3.0"
    assert root.get("{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation", "").endswith("EAFv3.0.xsd")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", root.get("DATE", ""))
    places = [ORDER.index(child.tag) for child in root]
    assert places == sorted(places)
    assert [places.count(place) for place in (0, 1)] == [1, 1]
    slots = {slot.attrib["TIME_SLOT_ID"]: int(slot.attrib["TIME_VALUE"]) for slot in root.iter("TIME_SLOT")}
    assert all(0 <= time < 2**32 for time in slots.values())
    assert list(slots.values()) == sorted(slots.values())
    types = {kind.get("LINGUISTIC_TYPE_ID") for kind in root.iter("LINGUISTIC_TYPE")}
    names = [one.get("ANNOTATION_ID") for one in root.iter("ALIGNABLE_ANNOTATION")]
    assert len(set(names)) == len(names)
    found = {}
    for tier in root.iter("TIER"):
        assert tier.get("LINGUISTIC_TYPE_REF") in types
        rows = [
            (slots[one.attrib["TIME_SLOT_REF1"]], slots[one.attrib["TIME_SLOT_REF2"]], one[0].text or "")
            for one in tier.iter("ALIGNABLE_ANNOTATION")
        ]
        assert all(start < end for start, end, _ in rows)
        assert all(one[1] <= after[0] for one, after in pairwise(rows)), "a tier holds one at a time"
        found[tier.attrib["TIER_ID"]] = rows
    return found


@pytest.mark.usefixtures("pympi")
def test_eaf_by_hand() -> None:
    last = (4_000_000, 4_000_001)
    assert check(eaf(VALUE)) == {
        "transcript": [(0, 2500, "你好 / Hello"), (2500, 3_723_004, "No!")],
        "primary": [(0, 2500, "Joy"), (2500, 3_723_004, "Anger")],
        "secondary": [(0, 2500, "joy, love")],
        "intensity": [(0, 2500, "3"), (*last, "5")],
    }
    assert check(eaf(timeline())) == {"transcript": [], "primary": [], "secondary": [], "intensity": []}


@pytest.mark.usefixtures("pympi")
@given(value=timelines)
@settings(max_examples=60, deadline=None)
def test_hostile_text_makes_a_whole_document(value: Any) -> None:
    found = check(eaf(value))
    for key, tier in (("transcript_en", "transcript"), ("primary", "primary")):
        said_so = sum(bool(line(item[key])) for item in value["utterances"])
        assert said_so <= len(found[tier]) <= len(value["utterances"])


@pytest.mark.usefixtures("pympi")
def test_overlapping_utterances_are_set_apart() -> None:
    value = timeline(said(0, 10, "Joy"), said(5, 8, "Fear"), said(5, 9, "Anger"))
    assert check(eaf(value))["primary"] == [(0, 5000, "Joy"), (5000, 5001, "Fear"), (5001, 9000, "Anger")]


def test_the_media_file_is_linked_by_urls(pympi: Any, tmp_path: Path) -> None:
    media = Media("video", tmp_path / "film & <clip>" / 'a"b %1.mp4', start_s=61.5)
    text = eaf(VALUE, media, tmp_path / "out")
    (linked,) = ET.fromstring(text.encode()).iter("MEDIA_DESCRIPTOR")  # noqa: S314 - our own document
    assert linked.attrib == {
        "MEDIA_URL": f"{tmp_path.as_uri()}/film%20%26%20%3Cclip%3E/a%22b%20%251.mp4",
        "RELATIVE_MEDIA_URL": "./../film%20%26%20%3Cclip%3E/a%22b%20%251.mp4",
        "MIME_TYPE": "video/mp4",
        "TIME_ORIGIN": "61500",
    }
    (unknown,) = ET.fromstring(eaf(VALUE, Media("audio", Path("a.zzz"))).encode()).iter("MEDIA_DESCRIPTOR")  # noqa: S314
    assert (unknown.get("MIME_TYPE"), unknown.get("RELATIVE_MEDIA_URL")) == ("audio/x-wav", None)


def test_pympi_reads_the_file_as_it_was_meant(pympi: Any, tmp_path: Path) -> None:
    (path,) = write_exports(VALUE, "clip", None, tmp_path, ["eaf"])
    document = pympi.Eaf(str(path))
    assert set(document.get_tier_names()) == {"transcript", "primary", "secondary", "intensity"}
    assert sorted(document.get_annotation_data_for_tier("primary")) == [(0, 2500, "Joy"), (2500, 3_723_004, "Anger")]


def test_without_pympi_only_eaf_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pympi.Elan", None)
    with pytest.raises(ValueError, match="pip install pympi-ling"):
        write_exports(VALUE, "clip", None, tmp_path / "out")
    assert not (tmp_path / "out").exists(), "nothing is written"
    assert [path.name for path in write_exports(VALUE, "clip", None, tmp_path, ["srt", "vtt"])] == [
        "clip.srt", "clip.vtt"
    ]  # fmt: skip


# --- files


def test_all_formats_are_written_and_replaced(pympi: Any, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    for value in (timeline(), VALUE):
        paths = write_exports(value, "The Devil's Advocate", None, folder)
    assert paths == [folder / f"The Devil's Advocate.{name}" for name in FORMATS]
    assert sorted(folder.iterdir()) == sorted(paths), "and nothing beside"
    assert paths[0].read_text(encoding="utf-8") == SRT


@pytest.mark.parametrize("name", ["Any Given Sunday", "Good Morning, Vietnam", "Spider-Man 2", "黑冰", "dia1_utt2.x"])
def test_plain_names_stay(name: str) -> None:
    assert file_stem(name) == name


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "a/b", "a\\b", "..", ".", "", ".hidden", "-rf", "con", "NUL.txt", "a\x00b",
     "a\nb", "a.", "a ", " a", "x" * 300, "黑" * 100, "\ud800", "e\u0301", "C:x", "a*?|", "<script>", "~"],
)  # fmt: skip
def test_hostile_names_become_harmless_ones(name: str, tmp_path: Path) -> None:
    stem = file_stem(name)
    assert stem != name
    assert re.fullmatch(r"\w[\w-]*-[0-9a-f]{10}", stem)
    assert len(stem.encode()) <= 170
    (path,) = write_exports(VALUE, name, None, tmp_path, ["srt"])
    assert list(tmp_path.iterdir()) == [path]
    assert path.parent == tmp_path


def test_names_that_look_alike_stay_apart() -> None:
    names = ["a/b", "a\\b", "a_b", "a:b", "a/b ", "A/b", "/a/b"]
    assert len({file_stem(name).casefold() for name in names}) == len(names)


@given(name=st.text(max_size=40))
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    path = Path("folder") / f"{file_stem(name)}.srt"
    assert path.parent == Path("folder")
    assert not path.name.startswith(".")
    assert path.name == path.name.strip()


def test_a_folder_that_is_a_file_and_unknown_formats_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for folder in (file, file / "below"):
        with pytest.raises(ValueError, match="is a file"):
            write_exports(VALUE, "clip", None, folder, ["srt"])
    with pytest.raises(ValueError, match="no timeline format 'ass'; there are: srt, vtt, eaf"):
        write_exports(VALUE, "clip", None, tmp_path, ["ass"])
