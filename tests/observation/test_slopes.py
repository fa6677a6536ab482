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
