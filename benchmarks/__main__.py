"""Run the benchmarks: ``python -m benchmarks --help`` lists the options."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PARTS = (
    "W1", "W2", "W3", "W4", "latency", "startup", "threads", "memory", "sobol", "focei", "saem", "gradient",
    "posterior", "run",
)  # fmt: skip
PACKAGES = ("numpy", "numba", "scipy", "numbalsoda", "diffrax", "jax", "pynlme")


def main() -> None:
    """Race the contenders, measure start-up and memory, print the tables, write ``results/bench.json``."""
    options = _options()
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")
    if options.diffrax:
        os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    from rich.console import Console

    from benchmarks import report, targets

    console = Console(width=None if sys.stdout.isatty() else 140)
    kept: dict[str, Any] = {"versions": _versions(), "races": {}, "lines": []}
    judged = []
    for part in options.only:
        if part.startswith("W"):
            workload, results = _race(part, options)
            report.show_race(console, workload, results)
            kept["races"][part] = [asdict(result) for result in results]
            judged += targets.judge(part, results)
        else:
            lines = _measure(part, options)
            report.show_lines(console, part, lines)
            kept["lines"] += [asdict(line) for line in lines]
    if judged:
        report.show_targets(console, judged)
    kept["targets"] = [asdict(target) for target in judged]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(kept, indent=1) + "\n")
    console.print(f"written to {options.out}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Time pkpd beside its peers.")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to run (all)")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each contender (5)")
    parser.add_argument("--quick", action="store_true", help="fewer people and runs, no million; for a first look")
    parser.add_argument("--diffrax", action="store_true", help="race diffrax too, where it is installed")
    parser.add_argument("--out", type=Path, default=Path("results/bench.json"), help="where the numbers go")
    options = parser.parse_args()
    if options.quick:
        options.repeats = min(options.repeats, 3)
    return options


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _race(part: str, options: argparse.Namespace) -> tuple[Any, list[Any]]:
    """Run one workload through all that can simulate it; the yardstick comes first."""
    from benchmarks import workloads
    from benchmarks.peers import diffrax_scan, engine, numbalsoda_loop, solve_ivp
    from benchmarks.race import Contender, race

    make = {"W1": workloads.w1, "W2": workloads.w2, "W3": workloads.w3, "W4": workloads.w4}[part]
    workload = make(100) if options.quick and part != "W4" else make()
    if options.quick and part == "W4":
        workload = make(10_000)
    few = 10_000 if part == "W4" else None
    dop853 = Contender("numbalsoda DOP853", partial(numbalsoda_loop.prepare, method="dop853"), few)
    lsoda = Contender("numbalsoda LSODA", partial(numbalsoda_loop.prepare, method="lsoda"), few)
    contenders = [lsoda] if workload.stiff else [dop853, lsoda]
    if part == "W2":
        by_hand = workloads.w2(workload.subjects, by_hand=True)
        tuned = Contender("numbalsoda DOP853, powers taken out by hand", dop853.prepare, workload=by_hand)
        contenders.append(tuned)
    method = "LSODA" if workload.stiff else "DOP853"
    contenders.append(Contender(f"SciPy {method}", partial(solve_ivp.prepare, method=method), 2))
    if options.diffrax and not workload.stiff:
        contenders.append(Contender("diffrax Tsit5", diffrax_scan.prepare, few))
    own = ("auto", "rodas5p") if workload.stiff else ("auto", "tsit5", "dop853")
    for name in own[:1] if part == "W4" else own:
        title = "pkpd" if name == "auto" else f"pkpd, {name}"
        contenders.append(Contender(title, partial(engine.prepare, method=name)))
    tight = solve_ivp.tight(workload.first(8))
    return workload, race(workload, contenders, options.repeats, tight)


def _measure(part: str, options: argparse.Namespace) -> list[Any]:
    from benchmarks import startup

    if part in ("focei", "saem", "gradient"):
        from benchmarks import estimation

        return estimation.estimation_lines(part, options.repeats)
    if part in ("posterior", "run"):
        from benchmarks import study

        return study.posterior(options.repeats) if part == "posterior" else study.run(options.quick)
    if part == "startup":
        return startup.startup(options.repeats)
    if part == "latency":
        return startup.latencies()
    if part == "sobol":
        return startup.sobol(options.repeats)
    if part == "threads":
        return startup.threads(options.repeats)
    return startup.memory(10_000, 0) if options.quick else startup.memory()


if __name__ == "__main__":
    main()
