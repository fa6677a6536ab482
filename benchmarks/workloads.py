"""Workloads W1 to W4: who, which doses, which outputs; the same random people for every contender."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.equations import one_compartment, pkpd_seven, pkpd_seven_by_hand, target_mediated

__all__ = ["ATOL", "RTOL", "Curves", "Workload", "w1", "w2", "w3", "w4"]

Curves = dict[str, NDArray[np.float64]]  # an output by name, (subjects, times)

RTOL, ATOL = 1e-6, 1e-8
MODELS = Path(__file__).parent / "models"

# W2: KIN (1/h), KOUT (1/h), IMAX, IC50 (mg/L), H of each turnover effect.
_EFFECTS = ((10.0, 0.1, 0.9, 0.5, 1.5), (5.0, 0.05, 0.8, 1.0, 2.0), (20.0, 0.3, 0.95, 0.3, 0.8))


@dataclass(frozen=True)
class Workload:
    """Describe people, doses and outputs of one benchmark.

    Attributes
    ----------
    name, title : str
        Short name and what it is.
    model : pathlib.Path
        The model file for pkpd.
    states : tuple of str
        State names; the first receives the doses.
    table : dict of str to array, (subjects,)
        Individual parameters under the names of the model file.
    constants : array, (subjects, constants)
        What `rhs` takes, one row a subject.
    initial : array, (states,)
        Initial state of every subject.
    rhs : callable
        Derivatives from states and constants, see `benchmarks.equations`.
    volume : array, (subjects,), or None
        Divides the second state into the concentration that is the last output (L); None where there is no such output.
    amt, every, count, step : float, float, int, float
        Amount, dose interval (h), number of doses, interval between outputs (h); `step` divides `every`.
    stiff : bool
        Whether explicit methods are out of place.
    """

    name: str
    title: str
    model: Path
    states: tuple[str, ...]
    table: dict[str, NDArray[np.float64]]
    constants: NDArray[np.float64]
    initial: NDArray[np.float64]
    rhs: Callable[[Any, Any], tuple[Any, ...]]
    volume: NDArray[np.float64] | None
    amt: float
    every: float
    count: int
    step: float
    stiff: bool = False

    @property
    def subjects(self) -> int:
        """Return the number of subjects."""
        return len(self.constants)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Return the output names: all states, and the concentration where there is one."""
        return (*(f"{name}_out" for name in self.states), *(() if self.volume is None else ("CP",)))

    @cached_property
    def times(self) -> NDArray[np.float64]:
        """Return the output times, (times,) in h, from 0 to the end of the last dose interval."""
        return self.step * np.arange(round(self.count * self.every / self.step) + 1.0)

    @cached_property
    def interval(self) -> NDArray[np.float64]:
        """Return the output times within one dose interval, both ends included, in h after the dose."""
        return self.step * np.arange(round(self.every / self.step) + 1.0)

    def named(self, out: NDArray[np.float64]) -> Curves:
        """Return the outputs by name, views of an array (subjects, times, outputs)."""
        return {name: out[:, :, number] for number, name in enumerate(self.outputs)}

    def first(self, subjects: int) -> Workload:
        """Return the same workload for its first subjects only."""
        if subjects >= self.subjects:
            return self
        return replace(
            self,
            table={name: column[:subjects] for name, column in self.table.items()},
            constants=self.constants[:subjects],
            volume=None if self.volume is None else self.volume[:subjects],
        )


def _lognormal(rng: np.random.Generator, typical: float, sd: float, n: int) -> NDArray[np.float64]:
    return typical * np.exp(rng.normal(0.0, sd, n))


def _oral_people(rng: np.random.Generator, n: int) -> dict[str, NDArray[np.float64]]:
    return {
        "CL": _lognormal(rng, 5.0, 0.3, n),
        "V": _lognormal(rng, 50.0, 0.3, n),
        "KA": _lognormal(rng, 1.0, 0.4, n),
    }


def w1(n: int = 1000, seed: int = 1, step: float = 1.0, name: str = "W1") -> Workload:
    """Return W1: one compartment, oral, 100 mg every 24 h for 7 days, outputs every `step` h."""
    table = _oral_people(np.random.default_rng(seed), n)
    return Workload(
        name=name,
        title=f"one compartment, oral, {n:,} subjects",
        model=MODELS / "w1.py",
        states=("depot", "central"),
        table=table,
        constants=np.column_stack([table["KA"], table["CL"] / table["V"]]),
        initial=np.zeros(2),
        rhs=one_compartment,
        volume=table["V"],
        amt=100.0,
        every=24.0,
        count=7,
        step=step,
    )


def w2(n: int = 1000, seed: int = 2, *, by_hand: bool = False) -> Workload:
    """Return W2: two compartments, an effect compartment and three turnover effects, 56 doses in 28 days.

    Parameters
    ----------
    n, seed : int
        Number of subjects, seed of their parameters.
    by_hand : bool
        Whether `rhs` has the powers of the IC50 taken beforehand and the common parameters as literals.
    """
    rng = np.random.default_rng(seed)
    table = _oral_people(rng, n)
    table["KA"] = 0.9 * table["KA"]
    for number, effect in enumerate(_EFFECTS, start=1):
        table[f"IC50_{number}"] = _lognormal(rng, effect[3], 0.3, n)
    volume, flow, peripheral, ke0 = table["V"], 8.0, 100.0, 0.2
    columns = [
        table["KA"],
        (table["CL"] + flow) / volume,
        flow / volume,
        np.full(n, flow / peripheral),
        ke0 / volume,
        np.full(n, ke0),
    ]
    for number, (kin, kout, imax, _, hill) in enumerate(_EFFECTS, start=1):
        ic50 = table[f"IC50_{number}"]
        common = [np.full(n, value) for value in (kin, kout, imax)]
        columns += [ic50**hill] if by_hand else [*common, ic50, np.full(n, hill)]
    return Workload(
        name="W2",
        title=f"PK/PD, seven states, 56 doses, {n:,} subjects",
        model=MODELS / "w2.py",
        states=("depot", "central", "peripheral", "effect", "M1", "M2", "M3"),
        table=table,
        constants=np.column_stack(columns),
        initial=np.array([0.0, 0.0, 0.0, 0.0, *(kin / kout for kin, kout, *_ in _EFFECTS)]),
        rhs=pkpd_seven_by_hand if by_hand else pkpd_seven,
        volume=volume,
        amt=100.0,
        every=12.0,
        count=56,
        step=4.0,
    )


def w3(n: int = 200, seed: int = 3) -> Workload:
    """Return W3: full target-mediated disposition, stiff, three weekly doses."""
    rng = np.random.default_rng(seed)
    table = {
        "KEL": _lognormal(rng, 0.1, 0.3, n),
        "VC": _lognormal(rng, 3.0, 0.3, n),
        "KA": _lognormal(rng, 0.3, 0.4, n),
    }
    return Workload(
        name="W3",
        title=f"target-mediated disposition, stiff, {n:,} subjects",
        model=MODELS / "w3.py",
        states=("depot", "ligand", "peripheral", "receptor", "complex"),
        table=table,
        constants=np.column_stack([table["KEL"], table["VC"], table["KA"]]),
        initial=np.array([0.0, 0.0, 0.0, 5.0, 0.0]),
        rhs=target_mediated,
        volume=None,
        amt=300.0,
        every=168.0,
        count=3,
        step=4.0,
        stiff=True,
    )


def w4(n: int = 100_000, seed: int = 4) -> Workload:
    """Return W4: many W1 subjects with outputs every 6 h."""
    return w1(n, seed, step=6.0, name="W4")
