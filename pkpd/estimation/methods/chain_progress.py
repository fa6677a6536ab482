"""How far the chains of a sampler are, with their divergences: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["ChainProgress"]

LINE_EVERY = 30.0  # seconds between lines where there is no terminal
LOOK_EVERY = 2.0  # seconds between looks at the divergences, which copy the draws so far


class ChainProgress:
    """Show draws and divergences of chains on standard error.

    Parameters
    ----------
    chains, total : int
        Chains, and draws of each, those for tuning included.
    wanted : bool or None
        None: bars on a terminal, a line every half minute elsewhere. False: nothing.
    resumed : sequence of int
        Chains that were finished before.
    """

    def __init__(self, chains: int, total: int, wanted: bool | None, resumed: Sequence[int]) -> None:
        self.chains, self.total = chains, total
        self.silent = wanted is False
        self.tty = sys.stderr.isatty() and not self.silent
        self.drawn = {k: total if k in resumed else 0 for k in range(chains)}
        self.diverged = dict.fromkeys(range(chains), 0)
        self.begin = self.looked = self.line = time.monotonic()
        self.resumed = tuple(resumed)
        self.bar: Any = None
        self.tasks: dict[int, Any] = {}

    def __enter__(self) -> ChainProgress:
        if self.resumed and not self.silent:
            sys.stderr.write(f"pkpd: {len(self.resumed)} of {self.chains} chains were finished before\n")
        if self.tty:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            text, more = TextColumn("{task.description}"), TextColumn("{task.fields[diverged]} divergences")
            self.bar = Bar(text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), more,
                           console=Console(stderr=True))  # fmt: skip
            self.bar.start()
            for k in range(self.chains):
                self.tasks[k] = self.bar.add_task(
                    f"chain {k + 1}", total=self.total, completed=self.drawn[k], diverged=0
                )
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def tick(self, running: Mapping[int, tuple[int, Any]]) -> None:
        """Take note of how far the running chains are: draws so far, and the sampler to ask for divergences."""
        if self.silent:
            return
        now = time.monotonic()
        look = now - self.looked > LOOK_EVERY and (self.tty or now - self.line > LINE_EVERY)
        if look:
            self.looked = now
        for k, (drawn, sampler) in running.items():
            self.drawn[k] = drawn
            if look:
                self.diverged[k] = _divergences(sampler)
            if self.bar is not None:
                self.bar.update(self.tasks[k], completed=drawn, diverged=self.diverged[k])
        if not self.tty and now - self.line > LINE_EVERY:
            self.line = now
            self._write()

    def finished(self, k: int, diverged: int) -> None:
        """Take note of a finished chain."""
        self.drawn[k], self.diverged[k] = self.total, diverged
        if self.bar is not None:
            self.bar.update(self.tasks[k], completed=self.total, diverged=diverged)
        elif not self.silent:
            self._write()

    def _write(self) -> None:
        each = ", ".join(f"{self.drawn[k]}" for k in range(self.chains))
        spent = time.monotonic() - self.begin
        sys.stderr.write(
            f"pkpd: {spent:.0f} s, draws {each} of {self.total}, {sum(self.diverged.values())} divergences\n"
        )
        sys.stderr.flush()


def _divergences(sampler: Any) -> int:
    """Return the divergences so far of a chain at work, after tuning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="More chains")  # there are no draws yet while a chain is tuned
        trace = sampler.inspect()
    stats = getattr(trace, "sample_stats", None)
    return 0 if stats is None or "diverging" not in stats else int(stats["diverging"].sum())
