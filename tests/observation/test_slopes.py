"""Slopes of all data in one loop, beside those that come channel by channel with their curvature."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import pkpd
from pkpd.estimation.methods.complete import Complete
from pkpd.estimation.problem import pose


@pytest.mark.parametrize("bloq", ["m1", "m3"])
def test_slopes_are_those_of_the_curved_sums(bloq):
    """Two outputs, one row with both, a censored datum, a subject without data."""
    model = pkpd.models["pk2_oral_irm1"]
    response = next(n for n, o in model.outputs.items() if o.error is not None and n != "Cc")
    rows = []
    for who, amount in ((1, 100.0), (2, 50.0), (3, 80.0)):
        rows.append({"ID": who, "TIME": 0.0, "AMT": amount, "EVID": 1, "CMT": 1, "DV": 0.0, "DVID": "Cc", "CENS": 0})
        for time, value in () if who == 3 else ((1.0, 0.9), (4.0, 1.1), (12.0, 0.3)):
            seen = {"ID": who, "TIME": time, "AMT": 0.0, "EVID": 0, "CMT": 2, "CENS": int(time == 12.0)}
            rows.append({**seen, "DV": value, "DVID": "Cc"})
            rows.append({**seen, "DV": 40.0 + time, "DVID": response, "CENS": 0})
    problem = pose(model, pkpd.read_events(pd.DataFrame(rows)), bloq=bloq)
    complete, lay = Complete(problem), problem.layout
    eta = 0.2 * np.random.default_rng(3).standard_normal((complete.m, complete.p))
    x, z = lay.start[: lay.q], lay.start[lay.q + lay.w :]
    fast, slow = (complete.slopes(x, eta, z, information=i) for i in (False, True))
    assert np.abs(slow.x).max() > 0.0
    whole = complete.gradient(x, eta, z)
    assert whole.l == pytest.approx(float(slow.l.sum()), rel=1e-12)
    for name, wanted in (("eta", slow.eta), ("x", slow.x.sum(axis=0)), ("z", slow.z.sum(axis=0))):
        np.testing.assert_allclose(getattr(whole, name), wanted, rtol=1e-10, atol=1e-10, err_msg=name)
    for name in ("f", "l", "eta", "x", "z"):
        np.testing.assert_allclose(getattr(fast, name), getattr(slow, name), rtol=1e-10, atol=1e-10, err_msg=name)


def saturable(t, x, p):
    return {"central": -p.CL * x.central / (p.Km + x.central)}


def test_sums_over_observations_are_those_of_their_derivatives():
    """A covariate that changes within subjects, runs of one observation and of more than a vector's, two outputs."""
    model = pkpd.Model(
        name="saturable", title="Saturable elimination", time_unit="h", states=[pkpd.State("central", "mg")],
        parameters=[pkpd.Parameter("CL", 4.0, "mg/h", sd=0.3), pkpd.Parameter("Km", 20.0, "mg", sd=0.2)],
        covariates=[pkpd.Covariate("WT", "kg", 70)],
        individual=lambda p, cov: {"CL": p.CL * (cov.WT / 70)},
        outputs=[pkpd.Output("A", "mg", error=pkpd.Additive(1.0)), pkpd.Output("L", "", error=pkpd.Additive(0.1))],
        dynamics=saturable, calculate=lambda t, x, p: {"A": x.central, "L": pkpd.math.log(x.central / p.Km)},
    )  # fmt: skip
    rows = []
    for who in (1, 2, 3):
        rows.append({"ID": who, "TIME": 0.0, "AMT": 50.0 * who, "EVID": 1, "CMT": 1, "DV": 0.0, "DVID": "A", "WT": 70})
        for k in range(5 + 11 * (who - 1)):
            weight = 70 if k < 9 else 60 + k
            seen = {"ID": who, "TIME": 1.0 + k, "AMT": 0.0, "EVID": 0, "CMT": 1, "WT": weight}
            rows += [{**seen, "DV": 9.0, "DVID": name} for name in ("A", "L")[: 1 + (k % 3 > 0)]]
    complete = Complete(pose(model, pkpd.read_events(pd.DataFrame(rows))))
    predictor, rng = complete.predictor, np.random.default_rng(4)
    assert predictor.data.varying == {"WT"}
    phi, _ = predictor.first(complete.layout.start[:2], 0.2 * rng.standard_normal((3, 2)))
    weights = rng.standard_normal(predictor.n)
    f, pulled = predictor.sensed(phi)
    F = predictor.solve(phi, "first")
    np.testing.assert_allclose(f, F[0], rtol=1e-14)
    f, pulled = predictor.sensed(phi)  # states are those of the last solution
    np.testing.assert_allclose(pulled(weights), complete.sum(weights * F[1:]), rtol=1e-12)


@pytest.mark.parametrize("people", [8, 40])
def test_sums_do_not_depend_on_the_number_of_threads(people):
    """To the last bit, for so few that threads do not share them, and for more."""
    rows = []
    for who in range(people):
        rows.append({"ID": who, "TIME": 0.0, "AMT": 50.0 + who, "EVID": 1, "CMT": 1, "DV": 0.0})
        rows += [{"ID": who, "TIME": t, "AMT": 0.0, "EVID": 0, "CMT": 1, "DV": 0.5} for t in (1.0, 4.0, 12.0)]
    events, found = pkpd.read_events(pd.DataFrame(rows)), []
    for threads in (1, 3):
        complete = Complete(pose(pkpd.models["pk1_mm"], events, threads=threads))
        lay, eta = complete.layout, 0.2 * np.random.default_rng(1).standard_normal((people, complete.p))
        found.append(complete.gradient(lay.start[: lay.q], eta, lay.start[lay.q + lay.w :]))
    assert np.isfinite(found[0].l)
    for one, three in zip(*found, strict=True):
        np.testing.assert_array_equal(one, three)
