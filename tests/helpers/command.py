"""The command as its tests run it."""

from __future__ import annotations

import re

from typer.testing import CliRunner

from pkpd.cli.app import app


def run(*args: str, code: int = 0) -> str:
    """Run the command, check its exit code, and return what it wrote, in one line."""
    done = CliRunner().invoke(app, list(args), env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert done.exit_code == code, f"{done.output}\n{done.exception!r}"
    assert "Traceback" not in done.output
    return " ".join(re.sub("[│╭╮╰╯─]", " ", done.output).split())
