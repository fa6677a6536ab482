"""Reports that a reader without a modeller at hand can use, and the folder of results that they belong to."""

from __future__ import annotations

from pkpd.report.run import run_study

__all__ = ["run_study"]
