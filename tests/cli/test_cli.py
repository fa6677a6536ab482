"""The command as users meet it: help that teaches, exit codes, messages without tracebacks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command import run
from typer.testing import CliRunner

from pkpd.cli import main
from pkpd.cli.app import app

COMMANDS = ("run", "simulate", "calibrate", "compare", "sensitivity", "validate", "models", "seeds")
HEAVY = {"numba", "llvmlite", "pint", "xarray", "pandas", "matplotlib", "scipy", "arviz", "nutpie", "numpy", "jinja2"}


def test_help_names_every_command_and_the_exit_codes():
    text = run("--help")
    for name in COMMANDS:
        assert f" {name} " in text
    assert "pkpd run anakinra_reports" in text
    assert "3 faults found by a validation" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_shows_examples_and_explains_every_option(command: str):
    text = run(command, "--help")
    assert f"pkpd {command} " in text.partition("Options")[0].partition("Usage:")[2].partition("]")[2]
    assert "--debug" in text


def test_nothing_given_shows_the_help():
    assert "Usage: pkpd" in run(code=2)
    assert "pkpd simulate pk1_oral" in run("simulate", code=2)


def test_version():
    from pkpd import __version__

    assert run("--version") == f"pkpd {__version__}"


def test_help_imports_nothing_heavy():
    code = "import sys; from pkpd.cli import main; main(['simulate', '--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {name.partition(".")[0] for name in done.stderr.split()} & HEAVY


def test_module_and_exit_status_of_the_process():
    done = subprocess.run(
        [sys.executable, "-m", "pkpd", "models", "anakira"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "did you mean 'anakinra'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_main_returns_the_status():
    assert main(["models"]) == 0
    assert main(["nonsense"]) == 2


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (["simulte"], 2, "Did you mean 'simulate'?"),
        (["simulate", "anakira", "-d", "100 mg"], 1, "did you mean 'anakinra'?"),
        (["simulate", "anakinra", "-d", "100 mg", "--set", "Cl=3"], 2, "did you mean 'CL'?"),
        (["simulate", "anakinra", "-d", "100 mg", "--set", "CL"], 2, "write NAME=VALUE"),
        (["simulate", "anakinra", "-d", "100 mg", "--set", "CL=x"], 2, "'x' is no number"),
        (["simulate", "anakinra", "-d", "100 mg", "--covariate", "WTT=3"], 2, "did you mean 'WT'?"),
        (["simulate", "anakinra", "-d", "100 mg", "--cmt", "deppot"], 2, "did you mean 'depot'?"),
        (["simulate", "anakinra", "-d", "100 mg evry day"], 1, "evry"),
        (["simulate", "anakinra", "-d", "a=100 mg", "-d", "a=50 mg"], 2, "two regimens are called 'a'"),
        (
            ["simulate", "anakinra", "-d", "100 mg", "--times", "0:x"],
            2,
            "'0:x' is neither a number nor START:STOP:STEP",
        ),
        (["simulate", "anakinra", "-d", "100 mg", "--times", "5:1"], 2, "START < STOP"),
        (["simulate", "anakinra", "-d", "100 mg", "--times", "0:1:1:1"], 2, "has 4 numbers"),
        (["simulate", "anakinra", "-d", "100 mg", "--out", "x.txt"], 2, "must be one of .csv, .nc"),
        (["simulate", "anakinra", "-d", "100 mg", "--figure", "x.gif"], 2, "must be one of .png, .svg, .pdf"),
        (["simulate", "anakinra", "--events", "none.csv"], 2, "'none.csv' does not exist"),
        (["simulate", "anakinra", "--events", "none.csv", "-d", "1 mg"], 2, "leave out --dose"),
        (["simulate", "anakinra", "--events", "none.csv", "--figure", "x.png"], 2, "--figure draws regimens"),
        (["simulate", "./none.py", "-d", "100 mg"], 1, "'./none.py' does not exist"),
        (["calibrate", "anakinra_report"], 1, "did you mean 'anakinra_reports'?"),
        (["calibrate", "anakinra_reports", "--engine", "nut"], 2, "did you mean 'nuts'?"),
        (["calibrate", "anakinra_reports", "--chains", "2"], 2, "are for --engine nuts"),
        (["compare", "anakinra_reprts"], 1, "did you mean 'anakinra_reports'?"),
        (["compare", "anakinra", "--schedule", "100 mg dayly"], 2, "did you mean '100 mg daily'?"),
        (["sensitivity", "anakinra", "--method", "sobl"], 2, "did you mean 'sobol'?"),
        (["sensitivity", "anakinra", "-d", "1 mg", "--vary", "Cl"], 2, "did you mean 'CL'?"),
        (["sensitivity", "anakinra", "-d", "1 mg", "--vary", "CL=1"], 2, "write NAME=LOW:HIGH"),
        (["sensitivity", "anakinra", "-d", "1 mg", "--vary", "CL=5:9", "--vary", "V"], 2, "V without a range"),
        (["validate", "strati"], 1, "did you mean 'strati2020'?"),
        (["models", "--document", "x.html"], 2, "needs a model"),
        (["models", "anakinra", "--document", "x.doc"], 2, "must be one of .html, .md, .tex"),
        (["seeds", "strati2002"], 1, "did you mean 'strati2020'?"),
        (["seeds", "--figure", "x.png"], 2, "needs a report"),
        (["run", "anakinra_report"], 1, "did you mean 'anakinra_reports'?"),
        (["run", "anakinra_reports", "--engine", "mod"], 2, "did you mean 'mode'?"),
    ],
)
def test_wrong_usage_names_the_culprit(
    args: list[str], code: int, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert text in run(*args, code=code)
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_the_traceback():
    done = CliRunner().invoke(app, ["models", "anakira", "--debug"])
    assert done.exit_code == 1
    assert "Traceback" in done.output


def test_fault_in_ones_own_file_says_which_file(tmp_path: Path):
    (tmp_path / "own.py").write_text("raise ZeroDivisionError('oops')\n", encoding="utf-8")
    text = run("models", str(tmp_path / "own.py"), code=1)
    assert "ZeroDivisionError: oops" in text
    assert "while loading the file" in text
    assert "--debug shows where" in text


def test_interruption_has_its_status(monkeypatch: pytest.MonkeyPatch):
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pkpd.library.load_model", interrupt)
    assert "interrupted" in run("models", "anakinra", code=130)
