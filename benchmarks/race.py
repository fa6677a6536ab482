"""Time contenders in turns, and measure how wrong each one is."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.workloads import Curves, Workload
from pkpd.errors import PkpdError

__all__ = ["Contender", "Result", "cpu_seconds", "errors", "race"]

REFUSALS = (ImportError, NotImplementedError, PkpdError, RuntimeError)


@dataclass(frozen=True)
class Contender:
    """Name a way to simulate a workload.

    Attributes
    ----------
    name : str
        What the table calls it.
    prepare : callable
        Takes the workload and returns the function that is timed.
    subjects : int or None
        How many subjects it is given, all by default; the time is per subject.
    workload : Workload or None
        What it simulates instead of the common workload: the same one written differently.
    """

    name: str
    prepare: Callable[[Workload], Callable[[], Curves]]
    subjects: int | None = None
    workload: Workload | None = None


@dataclass
class Result:
    """Hold what one contender took and how wrong it was.

    Attributes
    ----------
    name : str
        The contender.
    subjects : int
        How many it simulated in each run.
    micros : list of float
        CPU time of each run (us per subject).
    errors : dict of str to float
        By output, the largest difference from the tight solution over the largest value of the subject's curve.
    absent : str
        Why there is no time; empty where there is one.
    """

    name: str
    subjects: int = 0
    micros: list[float] = field(default_factory=list)
    errors: dict[str, float] = field(default_factory=dict)
    absent: str = ""

    @property
    def median(self) -> float:
        """Return the median time in us per subject, NaN where there is none."""
        return statistics.median(self.micros) if self.micros else float("nan")

    @property
    def best(self) -> float:
        """Return the shortest time in us per subject, NaN where there is none."""
        return min(self.micros, default=float("nan"))

    @property
    def worst_error(self) -> tuple[float, str]:
        """Return the largest error and the output that has it."""
        return max(((error, name) for name, error in self.errors.items()), default=(float("nan"), ""))


def errors(workload: Workload, curves: Curves, tight: Curves) -> Curves:
    """Return by output the error of each subject's curve relative to its largest value, (subjects,).

    Solvers disagree about whether the value at the time of a dose is the one before or after it, so the dosed state is
    not compared there; its largest value is at least the dose.

    Parameters
    ----------
    workload : Workload
        What was simulated.
    curves : dict of str to array, (subjects, times)
        The outputs to judge.
    tight : dict of str to array, (fewer subjects, times)
        The solution for the first subjects.
    """
    dosed = workload.outputs[0]
    between = np.abs(np.mod(workload.times + 1e-9, workload.every)) > 1e-6
    found = {}
    for name, reference in tight.items():
        keep = between if name == dosed else np.ones_like(between)
        few = min(len(curves[name]), len(reference))
        difference = np.abs(curves[name][:few] - reference[:few])[:, keep].max(axis=1)
        largest = np.abs(reference[:few]).max(axis=1)
        found[name] = difference / (np.maximum(largest, workload.amt) if name == dosed else largest)
    return found


def race(workload: Workload, contenders: list[Contender], repeats: int, tight: Curves) -> list[Result]:
    """Return the times of all contenders, run in turns so that drift of the machine meets all alike.

    Parameters
    ----------
    workload : Workload
        What to simulate.
    contenders : list of Contender
        Who simulates it; one that is not installed or refuses is noted and left out.
    repeats : int
        Number of timed runs of each, after one that warms up and is checked against `tight`.
    tight : dict of str to array, (some subjects, times)
        The solution to compare with.
    """
    results, runs = [], []
    for contender in contenders:
        share = contender.workload or workload
        share = share.first(contender.subjects or share.subjects)
        result = Result(contender.name, share.subjects)
        results.append(result)
        try:
            run = contender.prepare(share)
            worst = errors(share, run(), tight)
        except REFUSALS as error:
            result.absent = _reason(error)
            continue
        result.errors = {name: float(np.nan_to_num(error, nan=np.inf).max()) for name, error in worst.items()}
        runs.append((run, result))
    for turn in range(repeats):
        for run, result in runs if turn % 2 == 0 else reversed(runs):
            result.micros.append(1e6 * cpu_seconds(run) / result.subjects)
    return results


def cpu_seconds(run: Callable[[], Any]) -> float:
    """Return the CPU time of one call, of all its threads, with the garbage collector at rest."""
    gc.collect()
    gc.disable()
    try:
        start = time.process_time()
        run()
        return time.process_time() - start
    finally:
        gc.enable()


def _reason(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"not installed ({error.name})"
    return f"{type(error).__name__}: {error}".splitlines()[0]
