"""Sensitivities against differences of tight solutions, closed forms, and each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from engine_tools import equations, one, reference_model

from pkpd.dosing.events import EventTable, read_events
from pkpd.dosing.regimen import Regimen
from pkpd.engine.graph.functions import maximum, where
from pkpd.engine.solve.kernel import Kernel
from pkpd.engine.solve.tangent import tangent
from pkpd.errors import ModelError, PkpdError, RegimenError
from pkpd.library import load_model
from pkpd.model.declare import Covariate, Output, Parameter, State
from pkpd.model.model import Model
from pkpd.people.population import Population
from pkpd.simulation import derivatives as module
from pkpd.simulation.api import simulate

TIMES = np.array([0.3, 1.1, 2.7, 4.3, 6.1, 8.7, 11.3, 14.9, 19.7, 25.3, 33.1, 47.9])
TIGHT: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-14}
METHODS = ("auto", "dop853", "rodas5p")
Row = dict[str, Any]


def data(*rows: Row, times: np.ndarray = TIMES) -> EventTable:
    """Return dose rows, with ID 1 if they name none, among observations at the usual times, as a data set."""
    columns = ("TIME", "EVID", "CMT", "AMT", "RATE", "II", "ADDL", "SS")
    subjects = sorted({row.get("ID", 1) for row in rows})
    observed = [{"ID": i, "TIME": t, "EVID": 0, "CMT": 0} for i in subjects for t in times]
    given = [dict.fromkeys(columns, 0) | {"ID": 1, "CMT": 1, "EVID": 1} | row for row in rows]
    frame = pd.DataFrame(given + observed).fillna(dict.fromkeys(columns, 0))
    return read_events(frame.sort_values(["ID", "TIME"], kind="stable").ffill().bfill().reset_index(drop=True))


def differences(
    model: Model, wrt: Sequence[str], regimen: Any, times: Any, people: dict[str, Any] | None = None, **more: Any
) -> dict[str, np.ndarray]:
    """Return the derivatives of all outputs by differences of order 4 of tight solutions, (..., wrt)."""
    n = regimen.n_subjects if isinstance(regimen, EventTable) else len(next(iter((people or {"": [0]}).values())))
    columns = []
    for name in wrt:
        varied = name.removeprefix("eta_")
        key = f"ETA_{varied}" if name not in model.parameters else name
        base = np.zeros(n) if key != name else np.full(n, model.parameters[name].value)
        base = np.asarray((people or {}).get(key, base), float)
        h = 1e-3 * (np.abs(base[0]) or 1.0)

        def at(shift: float, key: str = key, base: np.ndarray = base) -> Any:
            table = pd.DataFrame({**(people or {}), key: base + shift})
            return simulate(model, regimen, Population.from_table(model, table), times, **TIGHT, **more)

        near, far = [(at(s * h), at(-s * h)) for s in (1, 2)]
        columns.append({o: 8 * (near[0][o] - near[1][o]) - (far[0][o] - far[1][o]) for o in model.outputs})
        columns[-1] = {o: c.values / (12 * h) for o, c in columns[-1].items()}
    return {o: np.stack([c[o] for c in columns], axis=-1) for o in model.outputs}


def check(model: Model, regimen: Any, wrt: Sequence[str] | None = None, people: Any = None, **more: Any) -> None:
    """Compare all derivatives to differences, to 1e-6 of the largest of each, and the outputs to simulate's."""
    names = list(model.parameters) if wrt is None else list(wrt)
    times = None if isinstance(regimen, EventTable) else TIMES
    crowd = None if people is None else Population.from_table(model, pd.DataFrame(people))
    found = simulate(
        model, regimen, crowd, times, derivatives=names, rtol=1e-11, atol=1e-13, on_failure="raise", **more
    )
    expected = differences(model, names, regimen, times, people)
    plain = simulate(model, regimen, crowd, times, **TIGHT)
    for output, slopes in expected.items():
        values = found[f"d{output}"].values.reshape(-1, len(names))
        slopes = slopes.reshape(-1, len(names))
        np.testing.assert_allclose(found[output].values, plain[output].values, rtol=1e-8, atol=1e-10)
        for k, name in enumerate(names):
            size = np.abs(slopes[:, k]).max()
            np.testing.assert_allclose(
                values[:, k], slopes[:, k], rtol=1e-6, atol=1e-7 * size + 1e-9, err_msg=f"d{output}/d{name}"
            )


def lin(**values: float) -> Model:
    return reference_model("lin").replace(values=values)


# --- exact results ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", METHODS)
def test_bolus_has_the_derivative_of_the_closed_form(method):
    traced = equations(lambda t, y, k, V: [-k * y[0]], [0], ["k", "V"], lambda t, y, k, V: [y[0] / V])
    k, V, t = 0.13, 21.0, TIMES
    kernel = Kernel(tangent(traced, traced.inputs, [k, V]))
    assert kernel.linear
    found = one(kernel, t, [k, V], {"time": 0.0, "amt": 100.0}, method=method, **TIGHT)
    C = 100.0 / V * np.exp(-k * t)
    np.testing.assert_allclose(found, np.column_stack([C, -t * C, -C / V]), rtol=1e-9)


def test_initial_state_moves_with_its_parameters():
    traced = equations(lambda t, y, r, k: [r - k * y[0]], ["r"], ["r", "k"])
    found = one(Kernel(tangent(traced, traced.inputs)), TIMES, [2.0, 0.3], start=0.0, **TIGHT)
    decay = np.exp(-0.3 * TIMES)
    np.testing.assert_allclose(found[:, 1], decay + (1 - decay) / 0.3, rtol=1e-9)
    slope = -2 * TIMES * decay + 2.0 / 0.3 * TIMES * decay - 2.0 / 0.09 * (1 - decay)
    np.testing.assert_allclose(found[:, 2], slope, rtol=1e-9, atol=1e-11)


def test_scales_change_the_solved_states_and_not_the_outputs():
    traced = equations(lambda t, y, k: [-k * y[0] ** 2], [3.0], ["k"])
    plain, scaled = (Kernel(tangent(traced, traced.inputs, s)) for s in ([1.0], [250.0]))
    a, b = (one(kernel, TIMES, [0.2], start=0.0, **TIGHT) for kernel in (plain, scaled))
    np.testing.assert_allclose(a, b, rtol=1e-9)
    np.testing.assert_allclose(a[:, 1], -9 * TIMES / (1 + 0.6 * TIMES) ** 2, rtol=1e-9)


def test_states_that_an_input_does_not_reach_have_no_sensitivity():
    def rhs(t, y, ka, k, kin, kout, other, gain):
        return [-ka * y[0], ka * y[0] - k * y[1], kin * y[1] - kout * y[2], -other * y[3]]

    names = ["ka", "k", "kin", "kout", "other", "gain"]
    traced = equations(rhs, [0, 0, 1.0, "other"], names, lambda *a: [a[-1] * a[1][2], a[1][3]])
    found = tangent(traced, traced.inputs)
    labels = [s.name for s in found.states[4:]]
    reached = {"ka": (0, 1, 2), "k": (1, 2), "kin": (2,), "kout": (2,), "other": (3,), "gain": ()}
    assert labels == [f"y{i}|theta {n}" for n, states in reached.items() for i in states]
    inputs, dose = [0.9, 0.2, 0.5, 0.3, 0.1, 2.0], {"time": 0.0, "amt": 10.0}
    values = one(Kernel(found), TIMES, inputs, dose, **TIGHT).reshape(TIMES.size, 7, 2)
    for q in range(6):
        shifted = [np.array(inputs) + s * 1e-4 * np.eye(6)[q] for s in (1, -1)]
        up, down = (one(Kernel(traced), TIMES, list(v), dose, **TIGHT) for v in shifted)
        np.testing.assert_allclose(values[:, q + 1], (up - down) / 2e-4, rtol=1e-5, atol=1e-6)


# --- doses ------------------------------------------------------------------------------------------------------------
DOSES = {
    "bolus with F and lag, repeated": ({"F1P": 0.7, "LAG1": 0.4}, [{"AMT": 100, "II": 12, "ADDL": 2}]),
    "lag that outlasts the interval": ({"LAG2": 5.2}, [{"AMT": 60, "CMT": 2, "II": 3, "ADDL": 2}]),
    "infusion at a rate": ({"F2P": 0.6, "LAG2": 1.4}, [{"AMT": 100, "CMT": 2, "RATE": 10, "II": 24, "ADDL": 1}]),
    "modelled rate": ({"F2P": 0.6, "LAG2": 1.3, "RAT2": 7.0}, [{"AMT": 100, "CMT": 2, "RATE": -1}]),
    "modelled duration": ({"F1P": 0.8, "LAG1": 0.2, "DUR1": 3.1}, [{"AMT": 100, "RATE": -2, "II": 12, "ADDL": 1}]),
    "steady state of boluses": ({"F1P": 0.7, "LAG1": 0.4}, [{"AMT": 100, "II": 12, "SS": 1, "ADDL": 1}]),
    "steady state with a long lag": ({"LAG1": 15.0}, [{"AMT": 100, "II": 6, "SS": 1}]),
    "steady state of infusions": ({"F2P": 0.6, "LAG2": 0.9}, [{"AMT": 100, "CMT": 2, "RATE": 10, "II": 12, "SS": 1}]),
    "steady state of overlapping infusions": (
        {"F2P": 0.9, "LAG2": 0.9, "DUR2": 20.3}, [{"AMT": 100, "CMT": 2, "RATE": -2, "II": 8, "SS": 1, "ADDL": 1}],
    ),
    "steady state at a modelled rate": (
        {"RAT2": 8.3, "F2P": 0.8}, [{"AMT": 100, "CMT": 2, "RATE": -1, "II": 8, "SS": 1}],
    ),
    "constant infusion": ({}, [{"AMT": 0, "CMT": 2, "RATE": 12, "SS": 1}]),
    "steady state added": ({"F1P": 0.7}, [{"AMT": 50}, {"TIME": 6.5, "AMT": 100, "II": 12, "SS": 2}]),
    "reset in an infusion": (
        {"F2P": 0.6, "LAG2": 0.5, "DUR2": 9.0},
        [{"AMT": 100, "CMT": 2, "RATE": -2}, {"TIME": 5.0, "EVID": 3}, {"TIME": 9.5, "AMT": 10, "CMT": 2, "EVID": 4}],
    ),
    "amount replaced": ({"F1P": 0.7}, [{"AMT": 100}, {"TIME": 3.0, "AMT": 7, "CMT": 2, "EVID": 8}]),
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", DOSES)
def test_every_kind_of_dose(case, method):
    values, rows = DOSES[case]
    model = lin(**values)
    check(model, data(*rows), ["CL", "VC", "KA", *values], method=method)


@pytest.mark.parametrize("method", METHODS)
def test_constant_infusion_at_a_modelled_rate_has_the_derivative_of_the_closed_form(method):
    traced = equations(lambda t, y, k, R: [-k * y[0]], [0], ["k", "R"], dosing={0: {"rate": "R"}})
    k, R, t = 0.3, 4.0, TIMES
    kernel = Kernel(tangent(traced, traced.inputs))
    found = one(kernel, t, [k, R], {"time": 0.0, "amt": 0.0, "rate": -1.0, "ss": 1}, method=method, **TIGHT)
    decay = np.exp(-k * t)
    expected = [R / k * decay, -R * decay * (1 / k + t) / k, decay / k]
    np.testing.assert_allclose(found, np.column_stack(expected), rtol=1e-9)


def test_linear_models_are_solved_exactly_and_alike():
    model = lin(F1P=0.7, LAG1=0.4)
    dose = Regimen(amt=100, cmt="DEPOT", ii=12, addl=3)
    exact, lanes = (
        simulate(model, dose, times=TIMES, derivatives=model.parameters, method=m, **TIGHT)
        for m in ("linear", "dop853")
    )
    assert simulate(model, dose, times=TIMES, derivatives="CL").attrs["method"] == "linear"
    np.testing.assert_allclose(exact.dCONC, lanes.dCONC, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "dose",
    [
        {"amt": 100.0, "ii": 12.0, "addl": 2},
        {"amt": 100.0, "ii": 12.0, "ss": 1, "addl": 1},
        {"amt": 100.0, "rate": -2.0, "ii": 8.0, "ss": 1},
        {"amt": 0.0, "rate": 9.0, "ss": 1},
    ],
)
def test_cascades_agree_with_the_lanes(dose):
    def rhs(t, y, ka, k, F, lag, D, kin):
        return [-ka * y[0], ka * y[0] - k * y[1], kin / (1 + y[1] / 10) - 0.2 * y[2]]

    doses = {0: {"F": "F", "tlag": "lag", "duration": "D"}}
    traced = equations(rhs, [0, 0, 5.0], ["ka", "k", "F", "lag", "D", "kin"], dosing=doses)
    kernel = Kernel(tangent(traced, traced.inputs))
    assert kernel.cascade
    inputs, given = [0.9, 0.13, 0.7, 0.45, 9.3, 1.7], {"time": 0.0, **dose}
    panels, steps = (one(kernel, TIMES, inputs, given, method=m, **TIGHT) for m in ("cascade", "dop853"))
    np.testing.assert_allclose(panels, steps, rtol=1e-8, atol=1e-8)


# --- models -----------------------------------------------------------------------------------------------------------
def test_indirect_response():
    check(load_model("pk2_oral_irm1"), Regimen(amt=100, cmt="depot", ii=24, addl=1))


def test_stiff_target_binding_goes_to_the_stiff_method():
    model = reference_model("tmdd")
    check(model, data({"AMT": 300, "II": 24, "ADDL": 1}), ["KEL", "VC", "KA", "KON", "KSYN", "KDEG"])


def test_sigmoid_that_starts_at_zero():
    model = reference_model("pkpd7")
    check(model, data({"AMT": 100}), ["CL", "H1", "IC501", "H3"])


def test_composed_model():
    drug = load_model("pk1_oral")
    whole = Model(
        "effect",
        parts={"drug": drug},
        states=[State("R", "1", "response")],
        parameters=[Parameter("kin", 2.0, "1/h"), Parameter("kout", 0.2, "1/h"), Parameter("IC50", 0.6, "mg/L")],
        outputs=[Output("E", "1", "response")],
        initial=lambda p: {"R": p.kin / p.kout},
        dynamics=lambda t, x, p: {"R": p.kin / (1 + x.drug.Cc / p.IC50) - p.kout * x.R},
        calculate=lambda t, x, p: {"E": x.R},
    )
    check(whole, Regimen(amt=100, cmt="drug.depot", ii=12, addl=2), ["drug.CL", "drug.F", "drug.tlag", "kout", "IC50"])


def test_forcing_in_time():
    model = Model(
        "forced",
        states=[State("R", "1", "response")],
        parameters=[Parameter("kin", 2.0, "1/h"), Parameter("kout", 0.2, "1/h"), Parameter("late", 5.0, "h")],
        outputs=[Output("E", "1", "response")],
        dynamics=lambda t, x, p: {"R": where(t < 9.0, p.kin, 0.3 * p.kin) * maximum(t / p.late, 1.0) - p.kout * x.R},
        calculate=lambda t, x, p: {"E": x.R},
    )
    check(model, None)


# --- random effects, covariates, people -------------------------------------------------------------------------------
def scaled(**more: Any) -> Model:
    return Model(
        "scales",
        states=[State("central", "mg", "plasma")],
        parameters=[
            Parameter("CL", 5.0, "L/h", cv=0.3),
            Parameter("V", 50.0, "L", sd=5.0, scale="additive"),
            Parameter("F", 0.6, "", bounds=(0, 1), sd=0.5, scale="logit"),
        ],
        outputs=[Output("Cc", "mg/L", "plasma concentration")],
        dosing=lambda p: {"central": {"F": p.F}},
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
        **more,
    )


def test_random_effects_on_every_scale_for_several_people():
    people = {"ETA_CL": [0.3, -0.2, 0.0], "ETA_V": [2.0, 0.0, -4.0], "ETA_F": [-0.5, 0.4, 0.0]}
    wrt = ["CL", "V", "F", "eta_CL", "eta_V", "eta_F"]
    check(scaled(), Regimen(amt=100, cmt="central", ii=12, addl=1), wrt, people)


def test_dimensions_coordinates_and_units():
    people = Population.draw(scaled(), n=3, seed=1)
    regimens = {"a": Regimen(amt=100, cmt="central"), "b": Regimen(amt=50, cmt="central")}
    found = simulate(scaled(), regimens, people, TIMES, derivatives=["CL", "eta_V", "eta_CL"])
    assert found.dCc.dims == ("regimen", "subject", "time", "parameter")
    assert found.parameter.values.tolist() == ["CL", "eta_V", "eta_CL"]
    assert found.parameter_units.values.tolist() == ["L/h", "L", "1"]
    assert found.dCc.attrs["units"] == "(mg/L)/parameter_units"
    assert simulate(scaled(), regimens["a"], times=TIMES, derivatives="CL").dCc.attrs["units"] == "(mg/L)/(L/h)"
    np.testing.assert_allclose(found.dCc.sel(regimen="a"), 2 * found.dCc.sel(regimen="b"), rtol=1e-9)


@pytest.mark.parametrize("carry", ["forward", "backward", "linear"])
@pytest.mark.parametrize("method", METHODS)
def test_data_set_with_covariates_that_change(carry, method):
    model = Model(
        "weights",
        states=[State("depot", "mg", "site"), State("central", "mg", "plasma")],
        covariates=[Covariate("WT", "kg", 70, "weight", carry=carry)],
        parameters=[
            Parameter("CL", 5.0, "L/h"), Parameter("V", 50.0, "L"), Parameter("b", 0.8, ""), Parameter("F", 0.7, ""),
            Parameter("ka", 0.9, "1/h"), Parameter("C0", 0.1, "mg/L"), Parameter("reference", 5.0, "L/h"),
        ],
        outputs=[Output("Cc", "mg/L", "plasma concentration")],
        individual=lambda p, cov: {"CL": p.CL * (cov.WT / 70) ** p.b},
        initial=lambda p: {"central": p.C0 * p.V},
        dosing=lambda p: {"depot": {"F": p.F * (p.CL / p.reference) ** 0.5}},
        dynamics=lambda t, x, p: {"depot": -p.ka * x.depot, "central": p.ka * x.depot - p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )  # fmt: skip
    weights = ((0, 60), (14, 66), (30, 50))
    rows = [{"ID": i, "TIME": t, "AMT": 80, "II": 4, "ADDL": 2, "WT": w * i} for i in (1, 2) for t, w in weights]
    check(model, data(*rows), method=method)


def test_parts_of_a_long_list_agree_with_the_whole(monkeypatch):
    dose = Regimen(amt=100, cmt="DEPOT")
    whole = simulate(lin(F1P=0.7), dose, times=TIMES, derivatives=lin().parameters)
    monkeypatch.setattr(module, "STATES", 8)
    parts = simulate(lin(F1P=0.7), dose, times=TIMES, derivatives=lin().parameters)
    np.testing.assert_allclose(parts.dCONC, whole.dCONC, rtol=1e-10, atol=1e-14)


# --- refusals ---------------------------------------------------------------------------------------------------------
def saturable() -> Model:
    return Model(
        "saturable",
        states=[State("central", "mg", "plasma")],
        parameters=[
            Parameter("Vm", 10.0, "mg/h"), Parameter("Km", 30.0, "mg"), Parameter("lag", 0.7, "h"),
            Parameter("stop", 6.5, "h"),
        ],
        outputs=[Output("A", "mg", "amount")],
        dosing=lambda p: {"central": {"tlag": p.lag}},
        dynamics=lambda t, x, p: {"central": -where(t < p.stop, 1.0, 0.5) * p.Vm * x.central / (p.Km + x.central)},
        calculate=lambda t, x, p: {"A": x.central},
    )  # fmt: skip


def test_lag_of_a_bolus_into_a_nonlinear_state_is_refused_and_of_an_infusion_exact():
    with pytest.raises(RegimenError, match=r"dose into 'central'.*lag.*leave that parameter out of the derivatives"):
        simulate(saturable(), Regimen(amt=100, cmt="central"), times=TIMES, derivatives=["Vm", "lag"])
    check(saturable(), Regimen(amt=100, cmt="central"), ["Vm", "Km"])
    check(saturable(), Regimen(amt=100, cmt="central", rate=40), ["Vm", "lag"])


def test_parameter_that_moves_a_jump_is_refused():
    with pytest.raises(ModelError, match=r"'stop' moves the time at which the equations jump .*out of the derivatives"):
        simulate(saturable(), times=TIMES, derivatives=saturable().parameters)


@pytest.mark.parametrize(
    ("wrt", "text"),
    [
        (["Cl"], r"no parameter or random effect 'Cl' in derivatives .did you mean 'CL'"),
        (["eta_F", "eta_x"], r"'eta_x'.*give parameter names, or eta_<parameter>"),
        ([], r"derivatives is empty"),
    ],
)
def test_unknown_names_are_refused(wrt, text):
    with pytest.raises(ModelError, match=text):
        simulate(scaled(), times=TIMES, derivatives=wrt)


def test_linear_method_for_a_nonlinear_model_is_refused():
    with pytest.raises(PkpdError, match=r"'saturable' is not linear"):
        simulate(saturable(), times=TIMES, derivatives="Vm", method="linear")


def test_inputs_of_the_array_level():
    traced = equations(lambda t, y, k: [-k * y[0]], [1.0], ["k"])
    with pytest.raises(ModelError, match=r"'y0' \(state\) is no constant input"):
        tangent(traced, traced.states)
    with pytest.raises(ModelError, match="given twice"):
        tangent(traced, [*traced.inputs, *traced.inputs])


def test_derivatives_of_drawn_people_and_beside_what_they_do_not_go_with():
    drawn = simulate(scaled(), Regimen(amt=100, cmt="central"), times=TIMES, n=2, seed=3, derivatives="eta_CL")
    assert drawn["dCc"].dims == ("subject", "time", "parameter")
    with pytest.raises(PkpdError, match="derivatives do not go with residual, around_doses"):
        simulate(scaled(), times=TIMES, derivatives="CL", residual=True, around_doses=True)
