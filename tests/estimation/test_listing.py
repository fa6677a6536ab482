"""A fit as plain tables, and its draws with what they say of each datum."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from fit_data import bolus_model, simulated_table
from scipy import stats

import pkpd
from pkpd import checks
from pkpd.errors import PkpdError
from pkpd.estimation.result import Fit


@pytest.fixture(scope="module")
def found() -> Fit:
    return pkpd.fit(bolus_model(), simulated_table(8), pkpd.Focei(covariance=None))


def test_a_table_has_one_line_a_row(found: Fit) -> None:
    table = checks.listing(found)
    frame = found.events.frame
    seen = frame[frame["EVID"] == 0]
    assert len(table) == len(seen) == found.n_observations
    columns = ["ID", "TIME", "DV", "CENS", "PRED", "IPRED", "CPRED", "RES", "IRES", "IWRES", "WRES", "CWRES"]
    assert table.columns.tolist() == [*columns, "eta_CL", "eta_V"]
    np.testing.assert_allclose(table["DV"], seen["DV"])
    np.testing.assert_allclose(table["RES"], table["DV"] - table["PRED"])
    # 100 mg into V, and the etas of the row's own subject
    V, CL = found.theta["V"] * np.exp(table["eta_V"]), found.theta["CL"] * np.exp(table["eta_CL"])
    np.testing.assert_allclose(table["IPRED"], 100 / V * np.exp(-CL / V * table["TIME"]), rtol=1e-6)


def test_a_table_of_subjects_has_their_parameters(found: Fit) -> None:
    table = checks.listing(found, "subjects")
    assert table.columns.tolist() == ["ID", "n_observations", "CL", "V", "eta_CL", "eta_V"]
    assert table["n_observations"].tolist() == [5] * 8
    np.testing.assert_allclose(table["CL"], found.theta["CL"] * np.exp(found.effects[:, 0]))
    with pytest.raises(
        PkpdError, match=r"table: of must be rows or subjects, got 'subject' \(did you mean 'subjects'\?\)"
    ):
        checks.listing(found, "subject")


def test_draws_say_how_probable_each_datum_is_and_what_could_have_been_seen() -> None:
    from pkpd.estimation.convergence import arviz

    table = simulated_table(8)
    options: dict[str, Any] = {"chains": 2, "tune": 60, "draws": 60, "seed": 1}
    sampled = pkpd.fit(bolus_model(), table, pkpd.Nuts(**options), progress=False)
    idata = sampled.idata
    assert idata is sampled.idata
    l, of = idata.log_likelihood["DV"].values, idata.posterior
    assert l.shape == (2, 60, sampled.n_observations)
    # the density of one datum in one draw, written out
    data, j = sampled.data, 3
    eta = of["eta"].values[1, 7, data.subject[j]]
    CL, V = float(of["CL"][1, 7]) * np.exp(eta[0]), float(of["V"][1, 7]) * np.exp(eta[1])
    f = 100 / V * np.exp(-CL / V * data.time[j])
    expected = stats.norm.logpdf(data.y[j], f, float(of["sigma_prop"][1, 7]) * f)
    assert l[1, 7, j] == pytest.approx(expected, abs=1e-5)
    drawn = idata.posterior_predictive["DV"].values
    assert np.isfinite(drawn).all()
    inside = np.abs(drawn.mean(axis=(0, 1)) - data.y) < 4 * drawn.std(axis=(0, 1))
    assert inside.mean() > 0.9
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # so few draws of so few data
        assert arviz().loo(idata, var_name="DV").n_data_points == sampled.n_observations
