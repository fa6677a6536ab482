"""How far long work is, shown on standard error: bars, or a line of text, drawn by rich once the work takes a while."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

__all__ = ["Progress"]

PATIENCE = 2.0  # seconds of silence before anything appears
OFTEN = 5  # looks a second


class Progress:
    """What a terminal shows of one or several pieces of work. Nothing is shown where there is no terminal.

    Parameters
    ----------
    wanted : bool or None
        None: on a terminal only. True shows it wherever standard error goes.
    patience : float
        Seconds of silence.
    bars : bool
        Whether pieces of known length have bars; else there is a line of text, which is taken away at the end.
    detail : str
        What follows the bar, with a name in braces for each number that `update` is told: ``"{diverged} divergences"``.
    """

    def __init__(
        self, wanted: bool | None = None, *, patience: float | None = None, bars: bool = True, detail: str = ""
    ) -> None:
        self.terminal = sys.stderr.isatty()
        self.wanted = self.terminal if wanted is None else bool(wanted)
        self.patience, self.bars, self.detail = PATIENCE if patience is None else patience, bars, detail
        self.begin = time.monotonic()
        self._lock = threading.Lock()
        self._tasks: list[dict[str, Any]] = []
        self._drawn: Any = None
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def spent(self) -> float:
        """Seconds since it was begun."""
        return time.monotonic() - self.begin

    def start(self, total: int | None, text: str, done: int = 0, **told: Any) -> int:
        """Announce a piece of work, of so many steps or of unknown length, and return its number."""
        with self._lock:
            self._tasks.append({"description": text, "total": total, "completed": done, **told})
            if self._drawn is not None:
                self._drawn.add_task(**self._tasks[-1])
        self._look()
        return len(self._tasks) - 1

    def advance(self, steps: int = 1, number: int = 0) -> None:
        """Count finished steps; callable from any thread."""
        if self.wanted:
            with self._lock:
                self._tasks[number]["completed"] += steps
            self._redraw(number)

    def update(self, number: int = 0, *, done: int | None = None, text: str | None = None, **told: Any) -> None:
        """Say how far a piece of work is, what is being done, or what is to be shown beside."""
        if self.wanted:
            known = {"completed": done, "description": text} | told
            with self._lock:
                self._tasks[number].update({k: v for k, v in known.items() if v is not None})
            self._redraw(number)

    def close(self) -> None:
        """Show nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        with self._lock:
            if self._drawn is not None:
                self._drawn.stop()
            self.wanted, self._drawn = False, None

    def watch(self) -> Progress:
        """Appear when patience ends, also if nothing is told until then."""
        if self.wanted:
            self._timer = threading.Timer(self.patience, self._look)
            self._timer.daemon = True
            self._timer.start()
        return self

    def _look(self) -> None:
        """Appear if it is time."""
        with self._lock:
            if self.wanted and self._drawn is None and self._tasks and self.spent >= self.patience:
                self._drawn = self._bars()
                for task in self._tasks:
                    self._drawn.add_task(**task)
                self._drawn.start()

    def _redraw(self, number: int) -> None:
        self._look()
        with self._lock:
            if self._drawn is not None:
                self._drawn.update(self._drawn.task_ids[number], **self._tasks[number])

    def _bars(self) -> Any:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        console = Console(stderr=True, force_terminal=None if self.terminal else True)
        if not self.bars:
            # the time of the whole: what was done before anything appeared counts
            return Bars(_line(self), console=console, transient=True, refresh_per_second=OFTEN)
        told = self.detail.replace("{", "{task.fields[").replace("}", "]}")
        name, beside = (TextColumn(text, markup=False) for text in ("{task.description}", told))
        columns = (name, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), *([beside] if told else []))
        return Bars(*columns, console=console, refresh_per_second=OFTEN)


def _line(shown: Progress) -> Any:
    """Return a column that says what is being done, and for how long."""
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Line(ProgressColumn):
        """A line of text with the time since the work began."""

        def render(self, task: Task) -> Text:
            """Return the line."""
            return Text(f"{task.description}, {shown.spent:.0f} s")

    return Line()
