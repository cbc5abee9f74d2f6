"""Fixtures of the tests that look at report.html in a real Chromium, and a report for them to look at."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eval.report import RunResult
from tasks.synthetic import generate
from tasks.synthetic.long import generate_long
from tests.eval.html_runs import HOUR, LIMIT_S, WIDE, Opened, moved, run, streams, utterances, write

NAMES = ("chromium", "chromium-browser", "google-chrome")
# A closed network and no display: nothing that Chromium would fetch for itself.
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium of the system; skips where there is none, or no playwright."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright (the dev extra)")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"needs one of {', '.join(NAMES)} (scripts/setup_browser.sh)")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(FLAGS), timeout=1000 * LIMIT_S)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Opened]:
    """Opens a report: opened(file, "#samples?…", size=WIDE, scheme="light"). A dialog, an error, a violation of the
    policy or a request that leaves the machine fails the test at its end."""
    contexts: list[Any] = []
    trouble: list[str] = []

    def note(text: str, is_trouble: bool) -> None:  # a file that is not there is part of a test, not trouble
        if is_trouble and "ERR_FILE_NOT_FOUND" not in text:
            trouble.append(text)

    def on_dialog(dialog: Any) -> None:
        trouble.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def opener(file: Path | str, address: str = "", *, size: dict[str, int] = WIDE, scheme: str = "light") -> Any:
        # without motion a colour is what it is, not on its way to another
        context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
        context.set_default_timeout(1000 * LIMIT_S)
        contexts.append(context)
        page = context.new_page()
        page.on("dialog", on_dialog)
        page.on("pageerror", lambda error: trouble.append(f"error {error}"))
        page.on("console", lambda message: note(message.text, message.type in ("error", "warning")))
        page.on("request", lambda request: note(request.url, not re.match("file:|http://127.0.0.1:", request.url)))
        page.goto((file if isinstance(file, str) else file.as_uri()) + address)
        page.wait_for_selector("body.ready")
        return page

    yield opener
    for context in contexts:
        context.close()
    assert not trouble


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two clips that play; one has a name that means something in HTML, in URLs and to a shell."""
    folder = tmp_path_factory.mktemp("media")
    drawn = sorted(generate(folder / "data", clips=2, seed=1, size=64).rglob("*.mp4"))
    nasty = folder / "data" / "javascript:alert(1) 100% #1 'a\"<b>.mp4"
    shutil.copy(drawn[0], nasty)
    return [drawn[1], nasty]


@pytest.fixture(scope="module")
def result(clips: list[Path]) -> RunResult:
    """A run of 120 samples with these clips."""
    return run(clips[0].parents[3] / "runs" / "first", 120, clips=clips)


@pytest.fixture(scope="module")
def report(result: RunResult) -> Path:
    """Its page."""
    return write(result)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 20 s and a little that plays."""
    return next(generate_long(tmp_path_factory.mktemp("long") / "data", [20], size=64).rglob("*.mp4"))


@pytest.fixture(scope="module")
def talk(clip: Path) -> Path:
    """A page: a clip with gold and answer, without gold, with an empty answer, with none, with no media, and an hour;
    two other runs below."""
    gold, told = utterances(8, 20), moved(utterances(8, 20))
    hour = utterances(3000, HOUR)
    clips = [(clip, 20.0, gold, told), (clip, 20.0, None, told), (clip, 20.0, gold, []), (clip, 20.0, gold, None),
             (None, 20.0, gold, told), (None, float(HOUR), hour, moved(hour))]  # fmt: skip
    folder = clip.parents[2] / "runs"
    others = [streams(folder / name, [(None, 20.0, None, moved(gold, seed))]) for name, seed in (("b", 3), ("c", 4))]
    return write(streams(folder / "a", clips), *others)
