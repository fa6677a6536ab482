"""The command ``pkpd``: one verb a module, each of them thin; the work is done by the library."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process by default.

    Returns
    -------
    int
        0 all went well, 1 the work failed, 2 the command was misused, 3 a validation found faults, 130 interrupted.
    """
    from pkpd.cli.app import app

    try:
        app(args=None if argv is None else list(argv), prog_name="pkpd")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0
