"""What has to be measured in a process of its own: start-up, compilation, memory. Each probe prints one line of JSON.

``python -m benchmarks.probes NAME [ARGUMENT ...]`` runs one; `ask` does it from another process.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

__all__ = ["ask"]

ROOT = Path(__file__).resolve().parent.parent
Facts = dict[str, float]


def ask(probe: str, *arguments: object, environment: dict[str, str] | None = None) -> Facts:
    """Run a probe in a fresh process and return what it found.

    Parameters
    ----------
    probe : str
        Name of a function of this module.
    arguments : object
        Its arguments, passed as text.
    environment : dict, optional
        Variables set for the process.

    Raises
    ------
    RuntimeError
        If the process fails; the error it ended with is the message.
    """
    given = {**os.environ, **(environment or {}), "PKPD_BENCH_LAUNCH": repr(time.time())}
    command = [sys.executable, "-m", "benchmarks.probes", probe, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        # Notes follow the line that names the error, and the lines of the traceback before it are indented.
        named = [line for line in said if re.match(r"[\w.]+(Error|Exception)\b", line)]
        raise RuntimeError((named or said or [f"exit status {done.returncode}"])[-1])
    return json.loads(done.stdout.splitlines()[-1])


def _since_launch() -> float:
    return time.time() - float(os.environ["PKPD_BENCH_LAUNCH"])


def peak_memory() -> float:
    """Return the peak resident memory of this process in MB.

    Linux counts it per program in VmHWM; `resource` there also counts what the parent held at the fork.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)
        if found:
            return int(found[1]) / 1e3
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def importing() -> Facts:
    """Return the time of ``import pkpd`` (s)."""
    start = time.perf_counter()
    import pkpd  # noqa: F401

    return {"seconds": time.perf_counter() - start}


def first_curve(path: str) -> Facts:
    """Return the time from the start of the process to the first curve of a model file (s)."""
    import pkpd

    model = pkpd.models[Path(path)]
    regimen = pkpd.Regimen(amt=100, cmt="depot", ii=24, addl=6)
    sims = pkpd.simulate(model, regimen, times=pkpd.hours(0, 168))
    facts = {"seconds": _since_launch(), "cpu": time.process_time()}
    return {**facts, "last": float(sims["CP"].values[..., -1])}


def first_fit() -> Facts:
    """Return the time from the start of the process to the first fit, then those of fits by two other solvers (s)."""
    from benchmarks.estimation import theophylline, theophylline_model
    from pkpd.estimation.api import fit
    from pkpd.estimation.methods.focei import Focei

    table, _ = theophylline()
    found: Facts = {}
    for name in ("auto", "dop853", "rodas5p"):
        start = time.perf_counter()
        fit(theophylline_model(), table, Focei(), solver=name)
        found[name] = time.perf_counter() - start if found else _since_launch()
        found[f"cpu of {name}"] = time.process_time()  # since the start of the process
    return found


def loops_of_a_run() -> Facts:
    """Return how long the loops were compiled that the study of anakinra and its schedules need (s), and how many."""
    from pkpd.engine.machine import jit

    begun: list[float] = []
    seconds: list[float] = []
    jit.watchers.append(
        (lambda loop: begun.append(time.perf_counter()), lambda loop: seconds.append(time.perf_counter() - begun[-1]))
    )
    import numpy as np

    import pkpd

    study = pkpd.studies["anakinra_reports"]
    posterior = study.problem.posterior()
    posterior.logp_grad(posterior.draw(1, np.random.default_rng(0))[0])
    regimens = {"daily": "100 mg q24h x7", "twice daily": "100 mg q12h x14"}
    pkpd.simulate(pkpd.models["anakinra"], regimens, times=pkpd.hours(0, 168))
    return {"seconds": sum(seconds), "loops": len(seconds), "cpu": time.process_time()}


def first_curve_numbalsoda() -> Facts:
    """Return the time from the start of the process to the first curve of W1 with numbalsoda (s)."""
    from benchmarks.peers import numbalsoda_loop
    from benchmarks.workloads import w1

    numbalsoda_loop.prepare(w1(1), "dop853")()
    return {"seconds": _since_launch()}


def compiling(warm: str, path: str) -> Facts:
    """Return what a new model costs a process that has simulated another one: load, first and second simulation (s)."""
    import pkpd

    regimen = pkpd.Regimen(amt=100, cmt="depot", ii=24, addl=6)
    times = pkpd.hours(0, 168)
    pkpd.simulate(pkpd.models[Path(warm)], regimen, times=times)
    start = time.perf_counter()
    model = pkpd.models[Path(path)]
    loaded = time.perf_counter()
    pkpd.simulate(model, regimen, times=times)
    first = time.perf_counter()
    pkpd.simulate(model, regimen, times=times)
    second = time.perf_counter()
    return {"load": loaded - start, "compile": (first - loaded) - (second - first), "again": second - first}


def latency() -> Facts:
    """Return the time of one call for one subject of W1 (us): the median and the best of many."""
    import pkpd
    from benchmarks.peers.engine import arguments
    from benchmarks.workloads import ATOL, RTOL, w1

    workload = w1(1)
    model, regimen, _ = arguments(workload)

    def run() -> object:
        return pkpd.simulate(model, regimen, times=workload.times, rtol=RTOL, atol=ATOL, threads=1)

    return _calls(run)


def prepared() -> Facts:
    """Return the time of one call of what `pkpd.prepare` makes for one subject of W1, other numbers each time (us)."""
    import pkpd
    from benchmarks.peers.engine import arguments
    from benchmarks.workloads import ATOL, RTOL, w1

    workload = w1(1)
    model, regimen, _ = arguments(workload)
    run = pkpd.prepare(model, regimen, workload.times, rtol=RTOL, atol=ATOL)
    numbers = iter(range(10**9))
    return _calls(lambda: run(CL=5.0 + 1e-3 * next(numbers), V=50.0))


def latency_numbalsoda() -> Facts:
    """Return the time of one call for one subject of W1 with numbalsoda (us)."""
    from benchmarks.peers import numbalsoda_loop
    from benchmarks.workloads import w1

    return _calls(numbalsoda_loop.prepare(w1(1), "dop853"))


def _calls(run: Callable[[], object], count: int = 300) -> Facts:
    for _ in range(20):
        run()
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return {"median": 1e6 * median(seconds), "best": 1e6 * min(seconds)}


def memory(subjects: str) -> Facts:
    """Return the peak memory that W4 adds to an interpreter that has simulated a few people (MB), and its result's."""
    from benchmarks.peers.engine import prepare
    from benchmarks.workloads import w4

    prepare(w4(256))()
    before = peak_memory()
    curves = prepare(w4(int(subjects)))()
    return {"peak": peak_memory() - before, "result": sum(curve.nbytes for curve in curves.values()) / 1e6}


def stream(subjects: str, store: str) -> Facts:
    """Return the peak memory of the whole process (MB) and the time (s) of W4 streamed to a Zarr store."""
    import pkpd
    from benchmarks.peers.engine import arguments, prepare
    from benchmarks.workloads import ATOL, RTOL, w4

    prepare(w4(256))()
    workload = w4(int(subjects))
    model, regimen, people = arguments(workload)
    start, cpu = time.perf_counter(), time.process_time()
    options: dict[str, Any] = {"outputs": list(workload.outputs), "rtol": RTOL, "atol": ATOL, "threads": 1}
    sims = pkpd.simulate(model, regimen, people, times=workload.times, store=store, **options)
    facts = {"wall": time.perf_counter() - start, "cpu": time.process_time() - cpu, "peak": peak_memory()}
    return {**facts, "subjects": float(sims.sizes["subject"])}


PROBES: dict[str, Callable[..., Facts]] = {
    probe.__name__: probe
    for probe in (
        importing,
        first_curve,
        first_curve_numbalsoda,
        first_fit,
        loops_of_a_run,
        compiling,
        latency,
        latency_numbalsoda,
        prepared,
        memory,
        stream,
    )
}

if __name__ == "__main__":
    print(json.dumps(PROBES[sys.argv[1]](*sys.argv[2:])))
