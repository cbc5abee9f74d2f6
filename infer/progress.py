"""Progress of a long run on stderr: a bar on a terminal, a line now and then in a log file."""

from __future__ import annotations

import sys
import time

LOG_EVERY_S = 30.0


class Progress:
    """Counts clips: done, failed, clips/s, time left. Use it as a context manager."""

    def __init__(self, total: int, unit: str = "clips") -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._total, self._unit = total, unit
        self._done = self._failed = self._skipped = 0
        self._start = self._logged = time.monotonic()
        self._live = sys.stderr.isatty()
        self._bar = Bar(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[failed]}"),
            console=Console(stderr=True),
            disable=not self._live,
        )
        self._task = self._bar.add_task("", total=total, rate="", failed="")

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        if not self._live and self._done:
            print(self.line(), file=sys.stderr)

    def restart(self) -> None:
        """Starts the clock: loading a model is not part of the rate."""
        self._start = time.monotonic()

    def advance(self, *, failed: bool = False, skipped: bool = False) -> None:
        """One clip is done: answered, failed, or stored already."""
        self._done += 1
        self._failed += failed
        self._skipped += skipped
        rate, trouble = self._words()
        self._bar.update(self._task, completed=self._done, rate=rate, failed=trouble)
        if not self._live and time.monotonic() - self._logged > LOG_EVERY_S:
            self._logged = time.monotonic()
            print(self.line(), file=sys.stderr, flush=True)

    def line(self) -> str:
        """The state in one line."""
        return ", ".join(filter(None, (f"{self._done}/{self._total} {self._unit}", *self._words())))

    def _words(self) -> tuple[str, str]:
        fresh = self._done - self._skipped
        seconds = max(time.monotonic() - self._start, 1e-9)
        parts = [f"{self._failed} failed"] if self._failed else []
        parts += [f"{self._skipped} stored before"] if self._skipped else []
        return f"{fresh / seconds:.2f} {self._unit}/s", ", ".join(parts)
