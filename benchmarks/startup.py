"""How soon there is a curve, and what memory and threads cost: one line of a table each."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.peers import engine
from benchmarks.probes import ask
from benchmarks.race import REFUSALS, cpu_seconds
from benchmarks.workloads import MODELS, Workload, w1, w2

__all__ = ["Line", "latencies", "memory", "sobol", "startup", "threads"]


@dataclass(frozen=True)
class Line:
    """Hold one measurement that is not a race.

    Attributes
    ----------
    what : str
        What was measured.
    value : float
        The number, NaN where it could not be measured.
    unit : str
        Its unit.
    note : str
        More numbers, or why there is none.
    limit : float or None
        What the value must stay below, where there is a target.
    """

    what: str
    value: float
    unit: str
    note: str = ""
    limit: float | None = None


def _line(what: str, unit: str, limit: float | None, measure: Callable[[], tuple[float, str]]) -> Line:
    try:
        value, note = measure()
    except REFUSALS as error:
        return Line(what, float("nan"), unit, str(error).splitlines()[0], limit)
    return Line(what, value, unit, note, limit)


def _median_of(count: int, probe: str, *arguments: object, key: str = "seconds") -> tuple[float, str]:
    found = [ask(probe, *arguments)[key] for _ in range(count)]
    return statistics.median(found), f"best {min(found):.3g}"


def _new_models(folder: Path) -> Iterator[Path]:
    """Yield copies of the ten-state model, each with an exponent that no cache has seen."""
    text = (MODELS / "ten_states.py").read_text()
    rng = np.random.default_rng(time.time_ns())
    number = 0
    while True:
        number += 1
        path = folder / f"new_{number}.py"
        path.write_text(text.replace("1.2345", repr(float(rng.uniform(1.1, 1.4)))))
        yield path


def startup(repeats: int = 5) -> list[Line]:
    """Return the times of import, first curve, first fit and compilation.

    Parameters
    ----------
    repeats : int
        Number of fresh processes for each; the median counts.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = _new_models(folder)

        def curve() -> tuple[float, str]:
            ask("first_curve", MODELS / "ten_states.py")  # the solver may not be in the cache yet
            found = [ask("first_curve", next(models))["seconds"] for _ in range(repeats)]
            return statistics.median(found), f"best {min(found):.3g}; new file, fresh process, interpreter included"

        def compilation() -> tuple[float, str]:
            found = [ask("compiling", MODELS / "w1.py", next(models)) for _ in range(repeats)]
            load, again = (statistics.median(one[key] for one in found) for key in ("load", "again"))
            note = f"and {load:.3f} s to load and trace it; simulated again in {1e3 * again:.2f} ms"
            return statistics.median(one["compile"] for one in found), note

        def empty(name: str) -> dict[str, str]:
            return {"PKPD_CACHE_DIR": str(folder / name)}

        def from_nothing() -> tuple[float, str]:
            first = ask("first_curve", MODELS / "w1.py", environment=empty("curve"))
            second = ask("first_curve", MODELS / "w1.py", environment=empty("curve"))["seconds"]
            return first["seconds"], f"CPU {first['cpu']:.1f} s; a second process: {second:.2f} s"

        def run() -> tuple[float, str]:
            found = ask("loops_of_a_run", environment=empty("run"))
            return found["seconds"], f"{found['loops']:.0f} loops; CPU of the whole process {found['cpu']:.1f} s"

        fits: dict[str, float] = {}

        def fit() -> tuple[float, str]:
            fits.update(ask("first_fit", environment=empty("fit")))
            again = ask("first_fit", environment=empty("fit"))["auto"]
            return fits[
                "auto"
            ], f"linear model, FOCEI; CPU {fits['cpu of auto']:.1f} s; a second process: {again:.2f} s"

        def another() -> tuple[float, str]:
            return fits.get("dop853", float("nan")), f"DOP853; then Rodas5P: {fits.get('rodas5p', float('nan')):.2f} s"

        return [
            _line("import pkpd", "s", 0.5, lambda: _median_of(repeats, "importing")),
            _line("model file to first curve", "s", 1.5, curve),
            _line("compile ten states", "s", 0.3, compilation),
            _line("first run ever, empty cache", "s", 8.0, from_nothing),
            _line("loops of `make run`, empty cache", "s", 20.0, run),
            _line("first fit ever, empty cache", "s", 12.0, fit),
            _line("first fit by another solver", "s", 5.0, another),
            _line("numbalsoda: W1 to first curve", "s", None, lambda: _median_of(1, "first_curve_numbalsoda")),
        ]


def latencies() -> list[Line]:
    """Return the time of one call for one subject."""

    def of(probe: str) -> Callable[[], tuple[float, str]]:
        def measure() -> tuple[float, str]:
            found = ask(probe)
            return found["median"], f"best {found['best']:.0f}"

        return measure

    return [
        _line("one call, one subject of W1, labelled: pkpd", "us", 300.0, of("latency")),
        _line("the same through pkpd.prepare, other numbers each time", "us", 20.0, of("prepared")),
        _line("one call, one subject of W1: numbalsoda, arrays only", "us", None, of("latency_numbalsoda")),
    ]


def memory(many: int = 100_000, million: int = 1_000_000) -> list[Line]:
    """Return the peak memory of W4 in memory and streamed.

    Parameters
    ----------
    many, million : int
        Subjects in memory and streamed; no streaming where `million` is 0.
    """

    def held() -> tuple[float, str]:
        found = ask("memory", many)
        return found["peak"], f"of which the result {found['result']:.0f} MB"

    found: dict[str, float] = {}

    def streamed() -> tuple[float, str]:
        with tempfile.TemporaryDirectory() as folder:
            found.update(ask("stream", million, Path(folder) / "million.zarr"))
        return found["wall"], f"all cores; {1e6 * found['cpu'] / million:.1f} us CPU per subject with writing"

    lines = [_line(f"W4, {many:,} subjects: memory above the interpreter", "MB", 300.0, held)]
    if million:
        lines.append(_line(f"W4, {million:,} subjects to Zarr", "s", 8.0, streamed))
        lines.append(_line("the same: peak memory of the process", "MB", 450.0, lambda: (found["peak"], "")))
    return lines


def sobol(repeats: int = 5) -> list[Line]:
    """Return the time of a Sobol analysis of the area under anakinra's curve, as a user would ask for it.

    Parameters
    ----------
    repeats : int
        Number of times; the median counts.
    """
    import pkpd

    model, times = pkpd.models["anakinra"], pkpd.hours(0, 168, 2)
    method = pkpd.Sobol(n=8192)
    runs = method.n * (len(model.parameters) + 2)

    def measure() -> tuple[float, str]:
        wall, cpu = [], []
        for _ in range(repeats + 1):
            begun, used = time.perf_counter(), time.process_time()
            pkpd.sensitivity(model, "100 mg SC q24h x7", times=times, of="Cc.AUC", method=method)
            wall.append(time.perf_counter() - begun)
            cpu.append(time.process_time() - used)
        return statistics.median(wall[1:]), f"all cores; CPU time {statistics.median(cpu[1:]):.2f} s"

    return [_line(f"Sobol, {runs:,} runs of anakinra", "s", 0.8, measure)]


def threads(repeats: int = 5) -> list[Line]:
    """Return the throughput per core with two threads relative to one, for W1 and W2."""

    def of(workload: Workload) -> Callable[[], tuple[float, str]]:
        def measure() -> tuple[float, str]:
            runs = {count: engine.prepare(workload, threads=count) for count in (1, 2)}
            wall: dict[int, list[float]] = {1: [], 2: []}
            cpu: dict[int, list[float]] = {1: [], 2: []}
            for run in runs.values():
                run()
            for _ in range(repeats):
                for count, run in runs.items():
                    start = time.perf_counter()
                    cpu[count].append(cpu_seconds(run))
                    wall[count].append(time.perf_counter() - start)
            busy = statistics.median(cpu[2]) / statistics.median(cpu[1])
            loss = 2 * min(wall[2]) / min(wall[1]) - 1
            return 100 * loss, f"by wall clock, best of {repeats}; CPU time x{busy:.2f}"

        return measure

    people = (w1(50_000), w2(4_000))
    return [_line(f"{work.name}: throughput per core lost with 2 threads", "%", 10.0, of(work)) for work in people]
