"""Every script of examples/ runs as a user would run it, and writes only where it is told to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples"
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.py"))
DAILY = {"01_simulate_schedules.py", "02_write_a_model.py", "05_compare_schedules.py", "13_monitor_a_patient.py"}
EACH = [name if name in DAILY else pytest.param(name, marks=pytest.mark.slow) for name in SCRIPTS]


@pytest.mark.parametrize("name", EACH)
def test_example_runs(name: str, tmp_path: Path):
    work, out = tmp_path / "work", tmp_path / "out"
    work.mkdir()
    before = {path.name for path in FOLDER.iterdir()}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(FOLDER / name), str(out)],
        cwd=work, capture_output=True, text=True, check=False, env={**os.environ, "MPLBACKEND": "Agg"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 3
    assert list(out.iterdir())
    assert list(work.iterdir()) == []
    assert {path.name for path in FOLDER.iterdir()} - before <= {"__pycache__"}


def test_readme_of_the_examples_names_each():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [name for name in SCRIPTS if f"`{name}`" not in text] == []
    assert len(SCRIPTS) >= 7
