"""Figures of fits: what is drawn where, and that nothing global changes."""

from __future__ import annotations

import numpy as np
import pytest
from fit_cases import at_start, bolus, censored, drawn, drug_and_marker

from pkpd import checks
from pkpd.errors import DataError
from pkpd.estimation.api import fit
from pkpd.estimation.methods.focei import Focei
from pkpd.model.residual import Combined
from pkpd.plot.etas import etas
from pkpd.plot.fit import convergence, goodness_of_fit, smooth
from pkpd.plot.individuals import individuals
from pkpd.plot.vpc import vpc

TIMES = [0.5, 1, 2, 4, 8, 12, 18, 24]


@pytest.fixture(scope="module")
def limited():
    model = bolus(Combined(add=0.1, prop=0.15))
    table = censored(drawn(model, 20, TIMES, SEX=np.arange(20) % 2, WT=np.linspace(50, 95, 20)), 1.0)
    return at_start(model, table)


@pytest.fixture(scope="module")
def several():
    model = drug_and_marker()
    return at_start(model, drawn(model, 14, [1, 4, 12, 36], WT=np.linspace(50, 95, 14)))


def lines(ax, label):
    return [line for line in ax.lines if line.get_label() == label]


def drawn_to_the_end(axes):
    """Lay the figure out; a warning would be an error."""
    np.ravel(axes)[0].get_figure().canvas.draw()


def test_goodness_of_fit_has_six_panels_an_output(several):
    axes = goodness_of_fit(several, n=200)
    assert axes.shape == (2, 6)
    assert [ax.get_xlabel() for ax in axes[0]] == [
        "Population prediction [mg/L]", "Individual prediction [mg/L]", "Individual prediction [mg/L]", "Time [h]",
        "Population prediction [mg/L]", "Standard normal quantile",
    ]  # fmt: skip
    assert [ax.get_ylabel() for ax in axes[1]] == ["M [mg/L]", "M [mg/L]", "IWRES", "CWRES", "CWRES", "NPDE quantile"]
    table = checks.diagnostics(several, n=0)
    own = (table["output"] == "M").values
    x, y = lines(axes[1, 1], "_data")[0].get_data()
    np.testing.assert_allclose(x, table["IPRED"].values[own])
    np.testing.assert_allclose(y, table["DV"].values[own])
    assert len(lines(axes[1, 3], "_trend")) == 1
    drawn_to_the_end(axes)
    again = goodness_of_fit(table, "M", width="single")
    assert again.shape == (1, 6)
    assert again[0, 5].get_ylabel() == "CWRES quantile"  # without simulated data there are no NPDE


def test_censored_data_hang_at_their_limit(limited):
    axes = goodness_of_fit(limited, n=0)
    carets = lines(axes[0, 1], "_censored")
    assert carets[0].get_ydata().tolist() == [1.0] * int((limited.data.censored == 1).sum())
    names = [t.get_text() for t in axes[0, 0].get_figure().legends[0].get_texts()]
    assert names == ["observation", "below the limit", "local mean", "±1.96"]
    log = goodness_of_fit(limited, n=0, log=True)
    assert log[0, 0].get_xscale() == log[0, 0].get_yscale() == "log"


def test_goodness_of_fit_refuses_what_has_no_residuals(several):
    with pytest.raises(DataError, match=r"goodness_of_fit: no residuals of output 'G'; there are Cc, M"):
        goodness_of_fit(several, "G", n=0)
    with pytest.raises(DataError, match=r"a fit is needed, or what pkpd.checks.diagnostics\(fit\) returned, got dict"):
        goodness_of_fit({})  # type: ignore[arg-type]
    grades = checks.diagnostics(several, n=0)
    with pytest.raises(DataError, match="no output has residuals; a VPC shows grades"):
        goodness_of_fit(grades.isel(row=(grades["output"] == "G").values))


def test_a_local_mean_follows_a_curve():
    x = np.linspace(0, 10, 200)
    at, mean = smooth(x, np.sin(x), share=0.15)
    assert np.abs(mean - np.sin(at)).max() < 0.12
    assert smooth(x[:5], x[:5])[0].size == 0


def test_a_check_has_bands_and_a_panel_below(limited):
    check = checks.vpc(limited, n=60)
    (ax,) = vpc(check)
    bands = [c for c in ax.collections if c.get_label() == "_band"]
    assert len(bands) == 3
    seen = lines(ax, "_observed")
    np.testing.assert_allclose(seen[0].get_xdata(), TIMES)
    values = check["observed"].values[0, 0, 0]
    np.testing.assert_array_equal(seen[0].get_ydata(), np.where(np.isfinite(values), values, np.nan))
    assert lines(ax, "_limit")[0].get_ydata()[0] == 1.0
    _, under = ax.get_figure().axes
    np.testing.assert_allclose(lines(under, "_observed")[0].get_ydata(), check["observed_below"].values[0, 0])
    assert under.get_xlabel() == "Time [h]"
    assert ax.get_ylabel().replace("\n", " ") == "Plasma concentration [mg/L]"
    drawn_to_the_end(ax)


def test_a_check_of_strata_and_outputs(limited, several):
    axes = vpc(limited, n=20, by="SEX", prediction_corrected=True, log=True)
    assert [ax.get_title(loc="left") for ax in axes] == ["SEX 0", "SEX 1"]
    assert "prediction-corrected" in axes[0].get_ylabel()
    assert not lines(axes[0], "_limit")  # the limit is another one for each corrected row
    axes = vpc(several, n=20)
    assert [ax.get_title(loc="left") for ax in axes] == ["Cc", "M", "G"]
    assert axes[2].get_ylabel() == "G: share of grade"
    assert len(lines(axes[2], "_observed")) == 3
    drawn_to_the_end(axes)
    (ax,) = vpc(several, "M", n=20, percentile=(0.5,), points=False)
    assert len([c for c in ax.collections if c.get_label() == "_band"]) == 1
    assert not lines(ax, "_data")


def test_a_check_that_is_made_is_not_made_again(limited):
    check = checks.vpc(limited, n=20)
    with pytest.raises(DataError, match="vpc: n, bins cannot be changed in a check already made; give the fit"):
        vpc(check, n=50, bins=3)
    with pytest.raises(DataError, match=r"vpc: there is no output 'cc'; there is Cc \(did you mean 'Cc'\?\)"):
        vpc(check, "cc")
    with pytest.raises(DataError, match=r"vpc: a fit is needed, or what pkpd.checks.vpc\(fit\) returned, got int"):
        vpc(3)  # type: ignore[arg-type]


def test_individuals_come_in_pages(limited):
    pages = individuals(limited, per_page=8, points=40)
    assert [len(page) for page in pages] == [8, 8, 4]
    ax = pages[0][2]
    assert ax.get_title(loc="left") == "3"
    own = (limited.data.subject == 2) & (limited.data.censored == 0)
    np.testing.assert_allclose(lines(ax, "_observed")[0].get_ydata(), limited.data.y[own])
    below = (limited.data.subject == 2) & (limited.data.censored == 1)
    np.testing.assert_allclose(lines(ax, "_censored")[0].get_xdata(), limited.data.time[below])
    x, y = lines(ax, "_individual")[0].get_data()
    table = checks.diagnostics(limited, n=0)
    np.testing.assert_allclose(np.interp(table["TIME"].values[own], x, y), table["IPRED"].values[own], rtol=0.02)
    assert len({page_ax.get_ylim() for page_ax in pages[0]}) == 1
    drawn_to_the_end(pages[0])
    few = individuals(limited, subjects=[5, 7], log=True, share_y=False, width="single")
    assert [ax.get_title(loc="left") for ax in few[0]] == ["5", "7"]
    assert few[0][0].get_yscale() == "log"


def test_individuals_that_are_not_there(limited, several):
    with pytest.raises(
        DataError, match=r"2 subjects have no data of this output: 98, 99; those with data are 1, 2, .*, \.\.\."
    ):
        individuals(limited, subjects=[1, 98, 99])
    with pytest.raises(
        DataError, match=r"individuals: output 'm' is not observed; there is Cc, M, G \(did you mean 'M'\?\)"
    ):
        individuals(several, "m")
    with pytest.raises(DataError, match="individuals: per_page must be 1 or more, got 0"):
        individuals(several, per_page=0)


def test_etas_with_pairs_and_covariates(limited):
    axes = etas(limited)
    assert axes.shape == (2, 4)
    assert axes[0, 0].get_title(loc="left").startswith("k, shrinkage ")
    x, y = lines(axes[0, 0], "_model")[0].get_data()
    assert np.trapezoid(y, x) == pytest.approx(1.0, abs=0.01)
    assert np.sqrt(np.trapezoid(y * x * x, x)) == pytest.approx(0.3, rel=0.05)
    r = np.corrcoef(limited.ebe.values.T)[0, 1]
    assert axes[0, 1].texts[0].get_text() == f"r = {r:.2f}"
    np.testing.assert_allclose(lines(axes[1, 0], "_eta")[0].get_ydata(), limited.ebe.values[:, 1])
    assert [ax.get_xlabel() for ax in axes[1]] == ["η k", "η V", "SEX", "WT"]
    assert [t.get_text() for t in axes[1, 2].get_xticklabels()] == ["0", "1"]
    assert len(lines(axes[0, 3], "_trend")) == 1
    drawn_to_the_end(axes)
    assert etas(checks.diagnostics(limited, n=0), ["V"], []).shape == (1, 1)


def test_etas_that_are_not_there(limited):
    with pytest.raises(DataError, match=r"etas: there is no random effect 'v' \(did you mean 'V'\?\); there is k, V"):
        etas(limited, ["v"])
    with pytest.raises(DataError, match="etas: there is no covariate 'AGE'; there is SEX, WT"):
        etas(limited, covariates=["AGE"])


def test_convergence_follows_the_trace():
    model = bolus(Combined(add=0.1, prop=0.15))
    table = drawn(model, 12, TIMES)
    found = fit(model, table, Focei(covariance=None))
    axes = convergence(found)
    assert [ax.get_title(loc="left") for ax in axes][:3] == ["OFV", "k [1/h]", "V [L]"]
    x, y = lines(axes[0], "_trace")[0].get_data()
    assert y[-1] == pytest.approx(found.ofv)
    assert len(x) == len(found.trace)
    drawn_to_the_end(axes)
    (one,) = convergence(found, ["V"], width="single")
    assert lines(one, "_trace")[0].get_ydata()[-1] == pytest.approx(found.theta["V"])
    with pytest.raises(DataError, match=r"convergence: the trace has no 'v' \(did you mean 'V'\?\); it has ofv, k, V"):
        convergence(found, ["v"])
    found.trace = found.trace[:1]
    with pytest.raises(DataError, match="convergence: a fit by focei has no trace of iterations to draw"):
        convergence(found)
