"""Loops compiled by a second process are those that this one asks for later."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pkpd.engine.machine import ahead

MODULE = "pkpd.estimation.methods.compile_loops"
FIT = """
from pkpd.engine.machine.jit import watchers
watchers.append((print, lambda loop: None))
import numpy as np, pandas as pd, pkpd
from pkpd.estimation.api import fit
times = np.tile([1.0, 4.0, 12.0], 4)
data = pd.DataFrame({"ID": np.repeat(range(4), 3), "TIME": times, "DV": np.exp(-0.1 * times) + 0.01 * np.arange(12)})
doses = pd.DataFrame({"ID": range(4), "TIME": 0.0, "AMT": 100.0, "EVID": 1})
table = pd.concat([doses, data.assign(EVID=0)]).sort_values(["ID", "TIME"], kind="stable")
fit(pkpd.models["pk1_oral"], table, pkpd.Focei(max_iterations=1))
"""


@pytest.mark.slow
def test_a_fit_finds_the_loops_of_the_objective_that_another_process_compiled(tmp_path: Path) -> None:
    env = os.environ | {"PKPD_CACHE_DIR": str(tmp_path)}
    subprocess.run(ahead.command(MODULE), env=env, check=True)
    done = subprocess.run([sys.executable, "-c", FIT], env=env, check=True, capture_output=True, text=True)
    compiled = done.stdout.split()
    assert "solve_linear" in compiled
    assert not {"inner_terms", "outer_terms"} & set(compiled)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Return the commands that would be started on a machine of two cores."""
    commands: list[list[str]] = []
    monkeypatch.setenv("PKPD_CACHE_DIR", str(tmp_path / "own"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
    monkeypatch.setattr(ahead, "_wanted", {})
    monkeypatch.setattr(ahead, "_running", [])
    monkeypatch.setattr(subprocess, "Popen", lambda command, **options: commands.append(command))
    ahead.wanted_soon(MODULE, ("last",))
    return commands


def test_a_second_process_is_started_once_and_for_another_loop(started: list[list[str]]) -> None:
    ahead._begin("first")
    ahead._begin("second")
    assert started == [ahead.command(MODULE)]


def test_no_process_is_started_for_the_loop_that_is_being_compiled(started: list[list[str]]) -> None:
    ahead._begin("last")
    ahead._begin("first")
    assert started == []


@pytest.mark.parametrize("lack", ["core", "interpreter", "folder"])
def test_no_process_is_started_where_it_is_of_no_use(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch, lack: str
) -> None:
    if lack == "core":
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0}, raising=False)
    elif lack == "interpreter":
        monkeypatch.setattr(sys, "executable", "/usr/bin/host")
    else:
        monkeypatch.setattr(ahead, "cache_directory", lambda: None)
    ahead._begin("first")
    assert started == []
