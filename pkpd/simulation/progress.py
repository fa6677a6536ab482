"""A progress bar for long work, and a word about the one-time compilation."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from pkpd.cache import cache_directory
from pkpd.engine.machine.jit import watchers

__all__ = ["Progress"]

PATIENCE = 2.0  # seconds of silence before a bar appears


class Progress:
    """Show a bar on standard error once the work has taken two seconds.

    Parameters
    ----------
    wanted : bool or None
        None: only on a terminal.
    """

    def __init__(self, wanted: bool | None) -> None:
        self.wanted = sys.stderr.isatty() if wanted is None else wanted
        self.lock = threading.Lock()
        self.bar: Any = None
        self.task: Any = None
        self.total, self.done, self.text, self.begin = 0, 0, "", 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def start(self, total: int, text: str) -> None:
        """Announce the number of pieces of work."""
        self.total, self.done, self.text, self.begin = total, 0, text, time.monotonic()

    def advance(self, pieces: int) -> None:
        """Count finished pieces; callable from any thread."""
        if not self.wanted:
            return
        with self.lock:
            self.done += pieces
            if self.bar is None and time.monotonic() - self.begin > PATIENCE:
                self._open()
            if self.bar is not None:
                self.bar.update(self.task, completed=self.done)

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import Progress as Bar

        self.bar = Bar(console=Console(stderr=True))
        self.bar.start()
        self.task = self.bar.add_task(self.text, total=self.total)


class _Announcement:
    """Says on standard error that a loop is being compiled, once, if that takes longer than a moment."""

    def __init__(self) -> None:
        self.said = False
        self.timer: threading.Timer | None = None

    def begin(self, loop: str) -> None:
        """Wait for a moment, then say it."""
        if not self.said:
            self.timer = threading.Timer(PATIENCE, self._say)
            self.timer.daemon = True
            self.timer.start()

    def end(self, loop: str) -> None:
        """Say nothing of a loop that is done already."""
        if self.timer is not None:
            self.timer.cancel()

    def _say(self) -> None:
        self.said = True
        kept = "once for this machine" if cache_directory() else "which no folder can keep for the next time"
        sys.stderr.write(f"pkpd: compiling its solvers, {kept} (about half a minute) ...\n")


_announcement = _Announcement()
watchers.append((_announcement.begin, _announcement.end))
