"""Puts the page together: assets and data in one file that loads nothing.

Replies, transcripts and file names are hostile. Three things hold them: they are embedded as JSON in which no character
can end or comment out a script element; the page writes them by `textContent` alone; and the Content-Security-Policy
names the page's own style and script by hash, so that nothing else runs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from eval.html.samples import columns, rows
from eval.html.summary import summary
from eval.html.timeline import timelines
from eval.report import RunResult

STYLES = ("page.css", "timeline.css")
SCRIPTS = (
    "dom.js",
    "charts.js",
    "summary.js",
    "samples.js",
    "values.js",
    "lanes.js",
    "moment.js",
    "timeline.js",
    "sample.js",
    "main.js",
)
# Inside a script element `<` and `>` (tags, comments) matter; the line separators are no line ends in JSON but were in
# JavaScript; lone surrogates cannot be written as UTF-8.
ESCAPED = re.compile("[<>&\u2028\u2029\ud800-\udfff]")
MEDIA = "file: 'self' http: https: blob: data:"


def build(results: Sequence[RunResult]) -> str:
    """The page of the first run, with the others beside its scores and answers. ValueError without any run."""
    if not results:
        raise ValueError("no run to report: build() takes one RunResult or several")
    drawn = timelines(results)
    style = "".join(map(_asset, STYLES))
    script = '(() => {\n"use strict";\n' + "\n".join(map(_asset, SCRIPTS)) + "})();\n"
    filled = {
        "csp": policy(style, script),
        "style": style,
        "script": script,
        "data": "\n".join(
            [
                _block("data-summary", summary(results)),
                _block("data-columns", columns(results, drawn)),
                *(_block(f"data-rows-{place}", chunk) for place, chunk in enumerate(rows(results[0], drawn))),
            ]
        ),
    }
    # One pass over the template: what is put in is never searched for marks.
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: filled[mark[1]], _asset("page.html"))


def policy(style: str, script: str) -> str:
    """The Content-Security-Policy of a page with this style and this script, and media from files and servers."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            f"media-src {MEDIA}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def embedded(value: Any) -> str:
    """JSON text that is safe inside a script element and as UTF-8, and means the same. NaN and infinity become null:
    JSON has no such numbers, though Python writes and reads them."""
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=str)
    except ValueError:
        return embedded(_finite(value))
    return ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _block(name: str, value: Any) -> str:
    return f'<script type="application/json" id="{name}">{embedded(value)}</script>'


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _asset(name: str) -> str:
    return resources.files("eval.html").joinpath("assets", name).read_text(encoding="utf-8")
