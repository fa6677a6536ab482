"""Random event tables on four models: no crash, no hang, no foreign exception, no bad number with a good status.

``python -m benchmarks.fuzz`` solves 20,000 tables, each made from the seed, the model and its own number alone, so that
a run can be cut and goes on where it was. The work is done in a child process; one that dies or does not answer is
counted with its table and replaced. The stored result is ``benchmarks/stored/fuzz.csv``, one row a model; what was
found is told with the numbers to make it again: ``python -m benchmarks.fuzz --show linear 17``.
"""

from __future__ import annotations

import argparse
import csv
import json
import select
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from pkpd import Model

__all__ = ["BAD", "MODELS", "NORMAL", "judge", "main", "model_of", "table_of", "warm"]

STORED = Path(__file__).parent / "stored" / "fuzz.csv"
MODELS = ("linear", "saturable", "tmdd_full", "anakinra_inflammation")
#: what can become of a table; none of BAD may happen
NORMAL = ("solved", "failed", "refused")
BAD = ("crash", "hang", "slow", "foreign", "not_finite", "negative")
SLOW = 10.0  # seconds of the processor
DEAD = 120.0  # seconds without an answer
EXTREME = (0.0, -1.0, 1e-9, 1e9, 1e300)


def model_of(name: str) -> Model:
    """Return a model of the library, or one of the two here whose doses have F, lag, rate and duration."""
    from pkpd import Covariate, Model, Parameter, State, models

    if name not in ("linear", "saturable"):
        return models[name]
    saturable = name == "saturable"

    def dynamics(t: Any, x: Any, p: Any) -> dict[str, Any]:
        taken, out = p.ka * x.depot, p.CL / p.V * x.central
        loss = out / (1 + x.central / p.V / p.Km) if saturable else out
        there, back = p.Q / p.V * x.central, p.Q / p.V2 * x.deep
        return {"depot": -taken, "central": taken - loss - there + back, "deep": there - back}

    return Model(
        name,
        states=[State("depot", "mg"), State("central", "mg"), State("deep", "mg")],
        covariates=[Covariate("WT", "kg", 70.0)],
        parameters=[
            Parameter("ka", 1.0, "1/h", cv=0.4),
            Parameter("CL", 5.0, "L/h", cv=0.3),
            Parameter("V", 50.0, "L", cv=0.2),
            Parameter("Q", 2.0, "L/h", cv=0.5),
            Parameter("V2", 100.0, "L"),
            Parameter("Km", 2.0, "mg/L"),
            Parameter("lag", 0.3, "h", cv=0.5),
            Parameter("R", 20.0, "mg/h"),
            Parameter("D", 2.5, "h"),
        ],
        individual=lambda p, cov: {"CL": p.CL * (cov.WT / 70) ** 0.75, "V": p.V * (cov.WT / 70)},
        dosing=lambda p: {"depot": {"F": 0.8, "tlag": p.lag}, "central": {"rate": p.R, "duration": p.D}},
        dynamics=dynamics,
    )


def table_of(model: Model, number: int, seed: int = 0) -> tuple[pd.DataFrame, str, bool]:
    """Return the records of table ``number``, their unit of time, and whether covariates are in their usual range."""
    import pandas as pd

    rng = np.random.default_rng([seed, number, *model.name.encode()])
    unit = str(rng.choice(["h", "h", "h", "d", "min"]))
    usual = bool(rng.random() < 0.7)
    rows: list[dict[str, Any]] = []
    for subject in range(1, int(rng.integers(1, 5)) + 1):
        size = float(10.0 ** rng.choice([2, 2, 2, 2, 0, -4, -10, -30, 5, 9]))
        person = {c: _covariate(rng, declared.reference, usual) for c, declared in model.covariates.items()}
        clock, grain = 0.0, float(rng.choice([0.1, 0.25, 1.0, 12.0]))
        for _ in range(int(rng.integers(2, 16))):
            clock = round(clock + grain * int(rng.choice([0, 1, 1, 2, 5, 20])), 6)
            row = {"ID": subject, "TIME": clock} | _record(rng, model, size, grain)
            if rng.random() < 0.1:
                person = {c: _covariate(rng, declared.reference, usual) for c, declared in model.covariates.items()}
            rows.append(row | person)
    return pd.DataFrame(rows), unit, usual


def _covariate(rng: np.random.Generator, reference: float, usual: bool) -> float:
    if usual or rng.random() < 0.5:
        return float(reference * rng.uniform(0.7, 1.4))
    return float(rng.choice(EXTREME))


def _record(rng: np.random.Generator, model: Model, size: float, grain: float) -> dict[str, Any]:
    """Return the dose items of one row: half of them observations."""
    states, declared = tuple(model.states), model.parameters
    row: dict[str, Any] = {"EVID": 0, "CMT": states[0], "AMT": 0.0, "RATE": 0.0, "II": 0.0, "ADDL": 0, "SS": 0}
    if rng.random() < 0.5:
        return row
    row["EVID"] = int(rng.choice([1, 1, 1, 1, 1, 1, 2, 3, 4, 8]))
    if row["EVID"] in (2, 3):
        return row
    row["CMT"] = states[int(rng.integers(min(3, len(states))))] if rng.random() < 0.9 else str(rng.choice(states))
    row["AMT"] = float(size * rng.choice([1.0, 0.5, 3.0, 0.3, 1e-6, 1e4], p=[0.4, 0.2, 0.2, 0.1, 0.05, 0.05]))
    if row["EVID"] == 8:
        return row
    row["II"] = float(rng.choice([0.0, grain, 6.0, 12.0, 24.0, 1e-3]))
    kind = rng.random()
    if kind < 0.3:  # from much shorter to much longer than the interval
        row["RATE"] = float(row["AMT"] / (rng.choice([0.01, 0.5, 1.0, 2.5, 30.0, 1e4]) * (row["II"] or grain)))
    elif row["CMT"] == "central" and kind < (0.5 if "lag" in declared else 0.31):
        row["RATE"] = float(rng.choice([-1.0, -2.0]))
    if rng.random() < 0.3:
        row["SS"] = int(rng.choice([1] * 9 + [2]))
        if rng.random() < 0.1:
            row |= {"AMT": 0.0, "RATE": size, "II": 0.0}
    if row["SS"] and row["AMT"] and rng.random() < 0.95:
        row["II"] = row["II"] or 12.0
    if rng.random() < 0.4:
        row["II"] = row["II"] or float(rng.choice([grain, 24.0]))
        row["ADDL"] = int(rng.choice([1, 2, 5, 20, 300, 10**5, 10**9, 10**18]))
    return row


def judge(model: Model, number: int, seed: int = 0) -> tuple[str, str]:
    """Return what becomes of a table, and what was said or found."""
    from pkpd import read_events, simulate
    from pkpd.errors import PkpdError
    from pkpd.people.population import Population

    frame, unit, usual = table_of(model, number, seed)
    outputs = [*model.states, *model.outputs]
    started = time.process_time()  # of one thread, whatever else the machine does
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = read_events(frame, time_unit=unit)
            people = Population.draw(model, table.n_subjects, seed=number) if number % 3 == 0 else None
            found = simulate(model, table, people, outputs=outputs, threads=1)
    except PkpdError as error:
        outcome, text = "refused", str(error)
    except Exception as error:  # noqa: BLE001  (to be counted, whatever it is)
        outcome, text = "foreign", f"{type(error).__name__}: {error}"
    else:
        outcome, text = _judge_numbers(model, found, usual)
    seconds = time.process_time() - started
    return ("slow", f"{seconds:.1f} s, {outcome}") if seconds > SLOW else (outcome, text[:300])


def _judge_numbers(model: Model, found: Any, usual: bool) -> tuple[str, str]:
    """Return whether all numbers of those who were solved are good."""
    status = found["status"].values
    position = {str(label): k for k, label in enumerate(found["subject"].values)}
    solved = np.array([status[position[str(label)]] == 0 for label in found["ID"].values])
    for name in [*model.states, *model.outputs]:
        values = found[name].values
        if not np.isfinite(values[solved]).all():
            return "not_finite", f"{name} with status 0"
        # what is left of an amount is known to the tolerance of the amount that was given; a signal is 1 or so
        amount = name in model.states and bool(model.states[name].unit)
        given = max(np.abs(values[solved]).max(initial=0.0), float(np.max(found["AMT"].values)) if amount else 1.0)
        if usual and name in model.states and (values[solved] < -1e-9 * given).any():
            return "negative", f"{name} {values[solved].min():.4g}"
    return ("failed", f"status {status.tolist()}") if status.any() else ("solved", "")


def warm(model: Model) -> None:
    """Solve some other tables, so that what all need is compiled."""
    solved = 0
    for number in range(10**6, 10**6 + 1000):
        solved += judge(model, number)[0] == "solved"
        if solved == 5:
            return


# --- the long run -----------------------------------------------------------------------------------------------------
def _work(name: str, first: int, last: int, seed: int) -> None:
    """Judge tables and print a line before and after each, as JSON."""
    model = model_of(name)
    warm(model)
    for number in range(first, last):
        print(json.dumps({"begin": number}), flush=True)
        started = time.process_time()
        outcome, text = judge(model, number, seed)
        seconds = round(time.process_time() - started, 3)
        print(json.dumps({"number": number, "outcome": outcome, "text": text, "seconds": seconds}), flush=True)


def _run(name: str, done: dict[int, dict[str, Any]], tables: int, seed: int, note: Any) -> None:
    """Judge all tables of a model in child processes."""
    while (first := next((i for i in range(tables) if i not in done), None)) is not None:
        command = [
            sys.executable,
            "-m",
            "benchmarks.fuzz",
            "--work",
            name,
            str(first),
            str(tables),
            "--seed",
            str(seed),
        ]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert child.stdout is not None  # because it is piped
        current, outcome, began = first, "crash", False
        while True:
            ready, _, _ = select.select([child.stdout], [], [], DEAD if began else 10 * DEAD)
            if not ready:
                outcome = "hang"
                child.kill()
                break
            line = child.stdout.readline()
            if not line:
                break
            answer = json.loads(line)
            if "begin" in answer:
                current, began = answer["begin"], True
            else:
                note(name, answer)
        code = child.wait()
        if not began:
            raise SystemExit(f"the models of {name} cannot be run: try {' '.join(command[1:])}")
        if code and current in done:  # it died between two tables
            current += 1
        if current not in done and current < tables:
            note(name, {"number": current, "outcome": outcome, "text": f"exit status {code}", "seconds": DEAD})


def main(argv: list[str] | None = None) -> int:
    """Run the tables that are missing and store the counts; return 1 if something bad was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--tables", type=int, default=5000, help="of each model")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, default=Path("results/fuzz.jsonl"), help="grows; a cut run goes on from it")
    parser.add_argument("--out", type=Path, default=STORED)
    parser.add_argument("--work", nargs=3, metavar=("MODEL", "FIRST", "LAST"), help=argparse.SUPPRESS)
    parser.add_argument("--show", nargs=2, metavar=("MODEL", "NUMBER"), help="print one table and what becomes of it")
    chosen = parser.parse_args(argv)
    if chosen.work:
        _work(chosen.work[0], int(chosen.work[1]), int(chosen.work[2]), chosen.seed)
        return 0
    if chosen.show:
        model, number = model_of(chosen.show[0]), int(chosen.show[1])
        frame, unit, _ = table_of(model, number, chosen.seed)
        print(frame.to_string(), f"times in {unit}", *judge(model, number, chosen.seed), sep="\n")
        return 0
    return _all(chosen)


def _all(chosen: argparse.Namespace) -> int:
    found: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in chosen.models}
    chosen.log.parent.mkdir(parents=True, exist_ok=True)
    if chosen.log.exists():
        for line in chosen.log.read_text().splitlines():
            answer = json.loads(line)
            if answer["model"] in found and answer["seed"] == chosen.seed and answer["number"] < chosen.tables:
                found[answer["model"]][answer["number"]] = answer
    with chosen.log.open("a") as log:

        def note(name: str, answer: dict[str, Any]) -> None:
            found[name][answer["number"]] = answer
            log.write(json.dumps({"model": name, "seed": chosen.seed} | answer) + "\n")
            log.flush()
            if answer["outcome"] in BAD:
                print(f"{name} {answer['number']}: {answer['outcome']}: {answer['text']}", flush=True)

        for name in chosen.models:
            _run(name, found[name], chosen.tables, chosen.seed, note)
    return _store(found, chosen.out)


def _store(found: dict[str, dict[int, dict[str, Any]]], out: Path) -> int:
    """Write the counts; return 1 if there is a bad one."""
    out.parent.mkdir(parents=True, exist_ok=True)
    bad = 0
    with out.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["model", "tables", *NORMAL, *BAD, "slowest_s"])
        for name, answers in found.items():
            counts = Counter(a["outcome"] for a in answers.values())
            slowest = max((a["seconds"] for a in answers.values()), default=0.0)
            writer.writerow([name, len(answers), *(counts[k] for k in (*NORMAL, *BAD)), slowest])
            bad += sum(counts[k] for k in BAD)
    print(out.read_text())
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
