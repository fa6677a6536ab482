"""What the command says, and how it fails: texts without tracebacks, exit codes that scripts can rely on."""

from __future__ import annotations

import functools
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from pkpd.errors import PkpdError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["FAULTS", "Debug", "console", "failed", "guarded", "messages", "noted", "print_table", "wrote"]

FAULTS = 3
"""Exit status of a validation that found faults."""

INTERRUPTED = 130

Debug = Annotated[bool, typer.Option("--debug", help="Show the whole traceback when something fails.")]

_Command = TypeVar("_Command", bound=Callable[..., Any])
_WIDTH = 120


def console(*, stderr: bool = False) -> Console:
    """Return a console on the standard output or error; as wide as a page where it is no terminal."""
    from rich.console import Console

    found = Console(highlight=False, stderr=stderr)
    return found if found.is_terminal else Console(highlight=False, stderr=stderr, width=_WIDTH)


def messages() -> Console:
    """Return the console of progress, warnings and errors; results go to the standard output."""
    return console(stderr=True)


def failed(text: str) -> None:
    """Say what failed."""
    from rich.text import Text

    messages().print(Text.assemble(("pkpd: ", "bold red"), text), soft_wrap=True)


def noted(*notes: str) -> None:
    """Say what was found and taken care of."""
    for note in notes:
        messages().print(f"note: {note}", soft_wrap=True, markup=False)


def wrote(*paths: object) -> None:
    """Say which files were written."""
    for path in paths:
        console().print(f"wrote {path}", soft_wrap=True, markup=False)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], note: str = "") -> None:
    """Print a table of texts and numbers; numbers to four digits, to the right."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    rows = [list(row) for row in rows]
    shown = Table(
        box=box.SIMPLE_HEAD,
        title=escape(title),
        title_justify="left",
        caption=escape(note) or None,
        caption_justify="left",
    )
    for k, name in enumerate(columns):
        right = any(isinstance(row[k], (int, float)) for row in rows)
        shown.add_column(escape(name), justify="right" if right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(escape(_cell(value)) for value in row))
    console().print(shown)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.4g}"
    return "" if value is None else str(value)


@contextmanager
def _spoken_warnings() -> Iterator[None]:
    """Show the library's warnings as messages, without the line of code that they came from."""

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        from rich.text import Text

        if not issubclass(category, (DeprecationWarning, PendingDeprecationWarning, FutureWarning)):
            messages().print(Text.assemble(("warning: ", "yellow"), str(message)), soft_wrap=True)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def guarded(command: _Command) -> _Command:
    """Let a command end with a text and an exit status instead of a traceback, unless ``--debug`` is given."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            with _spoken_warnings():
                return command(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except KeyboardInterrupt:
            failed("interrupted; nothing that existed before was changed")
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if _is_usage(error):
                raise
            if kwargs.get("debug"):
                traceback.print_exc(file=sys.stderr)
            failed(_text(error))
            raise typer.Exit(1) from None

    return run  # pyright: ignore[reportReturnType]


def _is_usage(error: Exception) -> bool:
    """Tell whether it is one of the command parser's own errors, which it reports itself."""
    return hasattr(error, "exit_code") and hasattr(error, "format_message")


def _text(error: Exception) -> str:
    notes = "".join(f"\n  {note}" for note in getattr(error, "__notes__", ()))
    if isinstance(error, PkpdError):
        return f"{error}{notes}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}{notes}" if error.filename else f"{error.strerror}{notes}"
    return f"{type(error).__name__}: {error}{notes}\n  --debug shows where"
