"""Models, people, doses, fits and results in other processes: the same values with the same bits."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

import pkpd
from pkpd import EventTable, Model, Output, Parameter, Population, Proportional, Regimen, State
from pkpd.engine.graph.nodes import symbol

DOSES = Regimen(amt=100, cmt="depot", ii=24, addl=2)
TIMES = [0.0, 1.5, 6.0, 30.0, 71.0]
DAILY = Regimen(amt=60, cmt="central")


def own() -> Model:
    """Return a model whose equations are functions without a name, over a variable of this function."""
    factor = 1.0
    return Model(
        "own", states=[State("central", "mg")],
        parameters=[Parameter("CL", 3.0, "L/h", cv=0.3), Parameter("V", 30.0, "L", cv=0.2)],
        outputs=[Output("Cc", "mg/L", error=Proportional(0.1))],
        dynamics=lambda t, x, p: {"central": -factor * p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )  # fmt: skip


OWN = own()


@pytest.fixture(scope="module")
def library() -> Model:
    return pkpd.models["pk2_oral"]


@pytest.fixture(scope="module")
def fitted() -> Any:
    design = EventTable.from_regimen([DAILY] * 6, [1, 6, 12, 24])
    frame = design.frame.drop(columns="MDV")
    sims = pkpd.simulate(OWN, design, Population.draw(OWN, 6, seed=1), residual=True, seed=1)
    frame["DV"] = sims["Cc_observed"].values
    return pkpd.fit(OWN, pkpd.read_events(frame))


def curve(model: Model) -> np.ndarray:
    return pkpd.simulate(model, DOSES if "depot" in model.states else DAILY, times=TIMES)["Cc"].to_numpy()


def round_trips(value: Any) -> list[Any]:
    return [pickle.loads(pickle.dumps(value)), pickle.loads(cloudpickle.dumps(value)), copy.deepcopy(value)]


@pytest.mark.parametrize("which", ["library", "own"])
def test_a_model_comes_back_with_the_same_equations_and_bits(library: Model, which: str) -> None:
    model = library if which == "library" else OWN
    for again in round_trips(model):
        assert again.fingerprint == model.fingerprint
        assert str(again) == str(model)
        np.testing.assert_array_equal(curve(again), curve(model))


def test_a_model_that_came_back_can_do_what_it_could() -> None:
    again = pickle.loads(pickle.dumps(OWN))
    assert again.rhs(0.0, {"central": 100.0}) == OWN.rhs(0.0, {"central": 100.0})
    assert again.without_variability().etas == ()
    assert again.with_values(CL=6.0).parameters["CL"].value == 6.0
    with pytest.raises(pkpd.errors.ModelError, match="cannot be changed"):
        again.name = "other"
    with pytest.raises(ValueError, match="read-only"):
        again.omega[0, 0] = 1.0


def test_values_of_a_copy_travel(library: Model) -> None:
    changed = library.replace(values={"CL": 7.25}, name="other")
    again = pickle.loads(pickle.dumps(changed))
    assert (again.name, again.parameters["CL"].value) == ("other", 7.25)


def test_equations_deeper_than_pickle_can_nest_travel() -> None:
    total = symbol("a", "theta")
    for k in range(3000):
        total = total + symbol(f"b{k}", "theta")
    assert pickle.loads(pickle.dumps(total)) is total
    assert copy.deepcopy(total) is total


def test_people_doses_data_and_fits_come_back(fitted: Any) -> None:
    people = Population.draw(OWN, 5, seed=3)
    for value in round_trips(people):
        np.testing.assert_array_equal(value.etas, people.etas)
    assert [v == DOSES for v in round_trips(DOSES)] == [True] * 3
    assert [v == fitted.events for v in round_trips(fitted.events)] == [True] * 3
    new = pkpd.simulate(fitted, DAILY, n=4, times=TIMES)["Cc"].to_numpy()
    for value in round_trips(fitted):
        assert (value.theta, value.ofv, str(value)) == (fitted.theta, fitted.ofv, str(fitted))
        np.testing.assert_array_equal(pkpd.simulate(value, DAILY, n=4, times=TIMES)["Cc"].to_numpy(), new)
        assert value.objective()(value.x).ofv == pytest.approx(fitted.ofv, abs=1e-6)


def test_results_of_verbs_come_back(fitted: Any) -> None:
    one = pkpd.individual(OWN, [("Cc", 2.0, 1.5)], regimen=DAILY, seed=1)
    found = pkpd.compare(OWN, {"a": "60 mg q24h x2"}, n=4, measures=["Cmax"])
    why = pkpd.sensitivity(OWN, DAILY, times=TIMES, of="Cc.max", parameters=["CL"], method="local")
    for result in (one, found, why, pkpd.seeds["strati2020"], pkpd.studies["anakinra_reports"]):
        again = pickle.loads(pickle.dumps(result))
        assert type(again) is type(result)
        assert str(again) == str(result)


def test_a_calibration_comes_back() -> None:
    record = pkpd.load_fit("anakinra_reports")
    again = pickle.loads(pickle.dumps(record))
    name = record.patients[0]
    ours, theirs = (r.population(3, patient=name, seed=1) for r in (record, again))
    assert ours.parameters.keys() == theirs.parameters.keys()
    for parameter, values in ours.parameters.items():
        np.testing.assert_array_equal(values, theirs.parameters[parameter])


# --- in workers -------------------------------------------------------------------------------------------------------
def test_a_file_that_the_other_process_does_not_have_is_not_needed(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "models" / "pk1_iv.py").read_text()
    (tmp_path / "mine.py").write_text(text)
    model = pkpd.models[tmp_path / "mine.py"]
    data = cloudpickle.dumps((model, Regimen(amt=100, cmt="central"), TIMES))
    (tmp_path / "mine.py").unlink()
    (tmp_path / "sent").write_bytes(data)
    code = (
        "import pickle, sys, pkpd; m, r, t = pickle.load(open('sent', 'rb')); m.rhs(0.0, {'central': 1.0});"
        "print(pkpd.simulate(m, r, times=t)['Cc'].values.tobytes().hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(pkpd.__file__).parent.parent)},
    )  # fmt: skip
    here = pkpd.simulate(model, Regimen(amt=100, cmt="central"), times=TIMES)["Cc"].to_numpy()
    assert done.stdout.strip() == here.tobytes().hex()


@pytest.mark.parametrize("start", ["spawn", "fork"])
def test_multiprocessing_gives_the_same_bits(library: Model, start: str) -> None:
    with multiprocessing.get_context(start).Pool(1) as pool:
        (there,) = pool.map(curve, [library])
    np.testing.assert_array_equal(there, curve(library))


@pytest.mark.slow
def test_joblib_gives_the_same_bits(library: Model) -> None:
    import joblib
    from joblib.externals.loky import get_reusable_executor

    def work(model: Model) -> np.ndarray:
        return pkpd.simulate(model, DOSES, times=TIMES)["Cc"].to_numpy()  # the name `pkpd` goes along

    (there,) = joblib.Parallel(n_jobs=2, backend="loky")([joblib.delayed(work)(library)])
    get_reusable_executor().shutdown(wait=True)
    np.testing.assert_array_equal(there, curve(library))


def test_dask_gives_the_same_bits(library: Model) -> None:
    from dask.base import compute
    from dask.delayed import delayed

    task = delayed(lambda model: pkpd.simulate(model, DOSES, times=TIMES)["Cc"].to_numpy())(library)
    (there,) = compute(task, scheduler="processes", num_workers=1)
    np.testing.assert_array_equal(there, curve(library))


def test_the_package_itself_travels() -> None:
    assert pickle.loads(cloudpickle.dumps(pkpd)) is pkpd
