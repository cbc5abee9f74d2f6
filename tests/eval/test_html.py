"""The report page before a browser sees it: data that cannot break out, URLs of clips, columns that add up."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.answers import Answer
from eval.html import build
from eval.html.charts import histogram
from eval.html.media import absolute, place_of, roots_of, tail_of, url_path
from eval.html.page import SCRIPTS, STYLES, embedded
from eval.html.samples import CHUNK, columns, error_group, labels_in, outcome, rows
from eval.html.summary import TITLES, outcomes, summary
from eval.metrics.table import METRICS
from eval.report import parse_counts
from eval.run import EvalConfig
from eval.run import run as run_eval
from infer.engine import Reply
from tasks.kinds import KINDS
from tasks.task import AnyOf, Blend, Described, Dims, Media, OneOf, Sample
from tests.eval.html_runs import run
from tests.test_command_line import write_run

ASSETS = Path(__file__).parents[2] / "eval" / "html" / "assets"
HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]>",
    "&lt;b&gt;",
    "\u2028\u2029",
    "\ud800",
    "\x00\x7f",
    "{{data}}",
]


class Page(HTMLParser):
    """The elements of a page, and the text of its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[int, str] = {}
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside = True

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside and self.elements[-1][0] in ("script", "style"):
            self.texts[len(self.elements) - 1] = self.texts.get(len(self.elements) - 1, "") + data

    def block(self, name: str) -> Any:
        """The data of a JSON block."""
        (place,) = [i for i, (_, attributes) in enumerate(self.elements) if attributes.get("id") == name]
        return json.loads(self.texts[place])


@pytest.fixture(scope="module")
def hostile() -> str:
    return build([run(Path("r"), 40, texts=HOSTILE)])


def test_hostile_text_adds_no_element(hostile: str) -> None:
    plain, bad = Page(build([run(Path("r"), 40)])), Page(hostile)
    assert [tag for tag, _ in bad.elements] == [tag for tag, _ in plain.elements]
    texts = {row.get("text") for row in bad.block("data-rows-0")}
    assert texts == set(HOSTILE)


def test_the_page_is_utf8_whatever_a_reply_holds(hostile: str) -> None:
    assert hostile.encode().decode() == hostile


def test_the_page_names_its_own_style_and_script_and_nothing_else(hostile: str) -> None:
    page = Page(hostile)
    (policy,) = [a["content"] for tag, a in page.elements if tag == "meta" and a.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for kind in ("style", "script"):
        places = [i for i, (tag, a) in enumerate(page.elements) if tag == kind and "type" not in a]
        assert len(places) == 1
        digest = base64.b64encode(hashlib.sha256(page.texts[places[0]].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def test_the_page_loads_nothing(hostile: str) -> None:
    for tag, attributes in Page(hostile).elements:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base")
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
        assert not any(name.startswith("on") or name == "style" for name in attributes)
    for asset in ASSETS.iterdir():
        text = (
            asset.read_text(encoding="utf-8")
            .replace("http://www.w3.org/2000/svg", "")
            .replace("http://localhost:8000/", "")
        )
        assert not re.search(r"https?://\w|@import|url\(", text), asset


def test_no_asset_writes_markup_from_text() -> None:
    for asset in ASSETS.glob("*.js"):
        code = re.sub(r"(?m)^\s*(//|\*|/\*).*", "", asset.read_text(encoding="utf-8"))
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "srcdoc",
            "DOMParser",
        ):
            assert word not in code, (asset, word)


def test_every_asset_is_in_the_page() -> None:
    assert {asset.name for asset in ASSETS.iterdir()} == {*SCRIPTS, *STYLES, "page.html"}


@given(
    st.recursive(
        st.text() | st.integers() | st.booleans() | st.none(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_embedded_data_means_the_same_and_cannot_end_its_element(value: Any) -> None:
    text = embedded(value)
    assert json.loads(text) == value
    assert not re.search("[<>&\u2028\u2029\ud800-\udfff]", text)


def test_numbers_that_json_does_not_have_become_null() -> None:
    assert json.loads(embedded({"a": [math.nan, 1.5], "b": (math.inf, {"c": -math.inf})})) == {
        "a": [None, 1.5],
        "b": [None, {"c": None}],
    }


def test_no_run_is_refused() -> None:
    with pytest.raises(ValueError, match="no run"):
        build([])


# --- clips


@pytest.mark.parametrize(
    "name",
    [
        "a.mp4",
        'we"ird <b>.mp4',
        "100%.mp4",
        "a#b?c.mp4",
        "javascript:alert(1).mp4",
        "中 文.mp4",
        "a\\b.mp4",
        os.fsdecode(b"\xff\xfe.mp4"),
    ],
)
def test_a_clip_address_is_a_plain_relative_path_to_the_file(name: str, tmp_path: Path) -> None:
    clip = tmp_path / "data" / "clips" / name
    sample = Sample(
        "s", None, media=(Media("video", clip), Media("video", tmp_path / "data" / "clips" / "x" / "y.mp4"))
    )
    place = place_of([sample], [], tmp_path / "runs" / "r")
    assert place is not None
    tail = tail_of(sample.media[0], [], place)
    assert re.fullmatch(r"[\w.~/%-]+", place.base + tail, re.ASCII)
    assert os.path.normpath(
        os.fsencode(tmp_path / "runs" / "r") + b"/" + unquote_to_bytes(place.base + tail)
    ) == os.fsencode(clip)


def test_clips_beside_the_report_need_no_step_up(tmp_path: Path) -> None:
    sample = Sample("s", None, media=(Media("video", tmp_path / "clips" / "a.mp4"),))
    place = place_of([sample], [], tmp_path)
    assert place is not None
    assert place.base + tail_of(sample.media[0], [], place) == "clips/a.mp4"


def test_clips_in_several_folders_share_one_place(tmp_path: Path) -> None:
    samples = [Sample(n, None, media=(Media("video", tmp_path / n / "a.mp4"),)) for n in ("x", "y")]
    place = place_of(samples, [], tmp_path / "run")
    assert place is not None
    assert (place.base, place.folder) == ("../", str(tmp_path))
    assert [tail_of(sample.media[0], [], place) for sample in samples] == ["x/a.mp4", "y/a.mp4"]


def test_without_clips_there_is_no_place() -> None:
    assert place_of([Sample("s", None)], [], Path("r")) is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("demo/data/clips/a.mp4", "/x/demo/data/clips/a.mp4"),
        ("data/clips/a.mp4", "/x/demo/data/clips/a.mp4"),
        ("../demo/data/clips/a.mp4", "/x/demo/data/clips/a.mp4"),
        ("/y/a.mp4", "/y/a.mp4"),
        ("/y/../z/a.mp4", "/z/a.mp4"),
    ],
)
def test_a_relative_clip_is_found_from_the_data_folder_on_record(path: str, expected: str) -> None:
    assert absolute(Path(path), roots_of({"data": {"root": "/x/demo/data", "media": None}})) == expected


def test_a_relative_clip_without_a_record_is_taken_from_here() -> None:
    assert absolute(Path("clips/a.mp4"), roots_of({})) == str(Path.cwd() / "clips" / "a.mp4")


def test_url_paths_are_ascii() -> None:
    assert url_path("a b/中.mp4") == "a%20b/%E4%B8%AD.mp4"


# --- samples and summary


def test_columns_and_rows_tell_of_every_sample() -> None:
    result = run(Path("r"), CHUNK + 40)
    table, chunks = columns([result]), list(rows(result))
    assert [len(chunk) for chunk in chunks] == [CHUNK, 40]
    found = [row for chunk in chunks for row in chunk]
    for i, (sample, answer) in enumerate(zip(result.samples, result.answers, strict=True)):
        assert table["ids"][i] == sample.id
        assert sample.gold is not None
        assert table["labels"][table["gold"][i]] == sample.gold["label"]
        assert table["given"][i] == (-1 if answer.value is None else table["labels"].index(answer.value["label"]))
        assert found[i]["text"] == sample.text
        assert found[i].get("answer") == answer.value
        reply = result.replies[sample.id]
        assert found[i].get("reply") == reply.text
        assert dict(found[i].get("logprobs", [])) == (reply.label_logprobs or {})
        assert found[i]["meta"]["votes"] == sample.meta["votes"]
        (code,) = [code for code in table["tags"][i] if table["tagTable"][code][0] == "outcome"]
        assert table["tagTable"][code][1] == outcome(answer)


def test_outcomes_are_those_of_the_report() -> None:
    result = run(Path("r"), 120)
    shown = {name: count for name, count, _ in outcomes(result)}
    counted = dict(parse_counts(result.answers))
    assert sum(shown.values()) == 120
    assert shown["valid as it stood"] == counted["valid as they stood"]
    assert shown["repaired"] == counted["repaired"] == 10
    assert shown["failed request"] == counted["failed requests"] == 10
    assert shown["unreadable"] == sum(count for name, count in counted.items() if name.startswith("unreadable")) == 10


def test_every_part_that_metrics_measure_has_a_title() -> None:
    assert {metric.part for metric in METRICS.values()} <= TITLES.keys()


def test_tags_count_the_samples_that_have_them() -> None:
    table = columns([run(Path("r"), 60)])
    counts = Counter(code for codes in table["tags"] for code in codes)
    assert [count for _, _, count in table["tagTable"]] == [counts[code] for code in range(len(table["tagTable"]))]


def test_an_answer_read_from_a_reask_shows_that_reply(tmp_path: Path) -> None:
    result = run(tmp_path, 12)
    name = result.samples[9].id
    answers = list(result.answers)
    answers[9] = Answer(name, {"label": "calm"}, "schema", attempt=1)
    line = {"id": name, "key": "k", "text": '{"label": "calm"}', "attempt": 1}
    (tmp_path / "replies.jsonl").write_text(json.dumps(line) + "\n")
    changed = type(result)(tmp_path, result.task, result.facts, result.samples, result.scores, answers, result.replies)
    row = next(rows(changed))[9]
    assert row["attempt"] == 1
    assert row["later"] == ['{"label": "calm"}']
    assert row["reply"].startswith("I cannot")


def test_other_runs_stand_beside_by_sample() -> None:
    first, other = run(Path("a"), 24), run(Path("b"), 12, seed=5)
    (column,) = columns([first, other])["others"]
    assert column["name"] == "b"
    assert column["given"][12:] == [None] * 12
    assert None not in column["given"][:12]
    assert [row["name"] for row in summary([first, other])["runs"]] == ["a", "b"]


def test_runs_over_other_samples_have_no_difference_and_say_why() -> None:
    found = summary([run(Path("a"), 24), run(Path("b"), 12)])["differences"]
    assert found["rows"] == []
    assert "cannot be compared" in found["problems"][0]


def test_runs_over_the_same_samples_have_differences() -> None:
    found = summary([run(Path("a"), 24), run(Path("b"), 24)])["differences"]
    assert [row["metric"] for row in found["rows"]] == ["macro_f1", "accuracy"]
    assert all(row["value"][0] == 0 for row in found["rows"])


def test_errors_of_one_cause_are_one_group() -> None:
    sample = Sample("clip_7", None, media=(Media("video", Path("/d/clip_7.mp4")),))
    assert error_group("media: /d/clip_7.mp4: 12 bytes at 0.5 s", sample) == "media: FILE: N bytes at N s"
    found = summary([run(Path("r"), 60)])["errors"]
    assert [row["count"] for row in found] == [5]


@pytest.mark.parametrize(
    ("value", "kind", "labels"),
    [
        (None, OneOf(("a",)), []),
        ({"label": "a"}, OneOf(("a",)), ["a"]),
        ({"labels": [{"label": "a", "confidence": None}, {"label": "b"}]}, AnyOf(("a", "b")), ["a", "b"]),
        ({"labels": ["wistful"]}, Described(), ["wistful"]),
        (
            {"utterances": [{"primary": "Sadness"}, {"primary": "Joy"}, {"primary": "Sadness"}]},
            KINDS["Timeline:emos"],
            ["Joy", "Sadness"],
        ),
        ({"emotions": [{"emotion": "a", "salience": 70}]}, Blend(("a",)), ["a"]),
        ({"emotions": None}, Blend(("a",)), []),
        ({"valence": 1.0}, Dims(("valence",), -1, 1), []),
    ],
)
def test_labels_of_every_kind(value: Any, kind: Any, labels: list[str]) -> None:
    assert labels_in(value, kind) == labels


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_a_histogram_counts_every_value(values: list[float]) -> None:
    chart = histogram("x", values, 1)
    assert sum(count for _, _, count in chart["bars"]) == len(values)
    assert chart["low"] <= chart["middle"] <= chart["high"]


def test_eval_writes_a_page_for_every_run_and_the_first_shows_the_others(tmp_path: Path) -> None:
    folders = (write_run(tmp_path / "one"), write_run(tmp_path / "two", ("Joy", "Joy", "Joy", None)))
    assert run_eval(EvalConfig(folders, resamples=50)) == 1
    first, second = (Page((folder / "report.html").read_text(encoding="utf-8")) for folder in folders)
    assert [row["name"] for row in first.block("data-summary")["runs"]] == ["one", "two"]
    assert [row["name"] for row in second.block("data-summary")["runs"]] == ["two"]
    assert first.block("data-summary")["differences"]["rows"]


def test_a_run_in_which_everything_failed_has_a_page() -> None:
    result = run(Path("r"), 12)
    answers = [Answer(sample.id, error="media: broken") for sample in result.samples]
    replies = {sample.id: Reply(sample.id, "k", error="media: broken") for sample in result.samples}
    failed = type(result)(Path("r"), result.task, result.facts, result.samples, result.scores, answers, replies)
    assert Page(build([failed])).block("data-summary")["fed"]["n"] == 0
