"""report.html: a run as one page that needs no network and no server. `build(results) -> str`.

page.py      puts assets and data together: one file, a strict Content-Security-Policy, data that cannot break out
summary.py   the numbers: headline, comparison, confusion, classes, calibration, slices, reading, errors, settings
beside.py    … differences to other runs, published tables
charts.py    … bars of histograms
samples.py   the sample browser: columns to filter by, and rows that are read when they are looked at
timeline.py  … timelines: lanes, turning points, who found what, where gold and answer agree
brief.py     … answers in a few words, and what the page has to know of a kind
media.py     where the clips lie, as URLs relative to the report
assets/      the page itself: HTML, CSS and plain JavaScript, inlined at build
"""

from __future__ import annotations

from eval.html.page import build

__all__ = ["build"]
