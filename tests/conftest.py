"""Shared fixtures, and settings that hold before any test module is imported."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ["MPLBACKEND"] = "Agg"

# The first example of a model compiles it, so a deadline per example would measure the compiler.
settings.register_profile("dev", deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("dev"), max_examples=100, derandomize=True, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

#: read by type checkers, and not run
collect_ignore = ["ground/user_script.py"]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with data sets of others, named by the environment variable PKPD_SHARED."""
    named = os.environ.get("PKPD_SHARED")
    if not named:
        pytest.skip("PKPD_SHARED is not set: data sets of others are not part of this repository")
    folder = Path(named)
    if not folder.is_dir():
        raise FileNotFoundError(f"PKPD_SHARED names {named}, which is no folder")
    return folder


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Root of the working tree that these tests lie in."""
    return Path(__file__).resolve().parent.parent
