"""Tables of tests/reference: results of other programs, each with its source in the README beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

REFERENCE = Path(__file__).resolve().parent.parent / "reference"
SIMULATION = REFERENCE / "simulation"
ESTIMATION = REFERENCE / "estimation"


@dataclass(frozen=True)
class Case:
    """One simulation of mrgsolve: which model, its parameters, its table of events and what came out at each row."""

    name: str
    model: str
    params: dict[str, float]

    @property
    def events(self) -> Path:
        return SIMULATION / f"{self.name}_events.csv"

    def expected(self) -> pd.DataFrame:
        return pd.read_csv(SIMULATION / f"{self.name}_output.csv")


def _cases() -> dict[str, Case]:
    known = json.loads((SIMULATION / "cases.json").read_text(encoding="utf-8"))["cases"]
    return {name: Case(name, entry["model"], entry["params"]) for name, entry in known.items()}


CASES = _cases()


def published(fit: str, file: str = "nlme_fits.csv", column: str = "value") -> dict[str, dict[str, float]]:
    """Return what another program found: {"fixed": {...}, "omega_sd": {...}, "sigma": {...}, "logLik": {...}}."""
    table = pd.read_csv(ESTIMATION / file)
    own = table[table["fit"] == fit]
    return {str(what): dict(zip(part["name"], part[column], strict=True)) for what, part in own.groupby("what")}
