"""Priors and the unconstrained vector: what is refused, exact gradients, values on the axes, draws."""

from __future__ import annotations

import numpy as np
import pytest
from calibration_toy import measured_study, rich_study, small_study
from scipy import stats

import pkpd
from pkpd.errors import PkpdError
from pkpd.estimation.spreads import ErrorScale, HalfNormal
from pkpd.estimation.study.priors import Free
from pkpd.model.scales import from_scale, to_scale


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"scale": "lgo"}, "scale must be log, logit, identity, got 'lgo' (did you mean 'log'?)"),
        ({"level": "person"}, "level must be shared, patient, got 'person'"),
        ({"known": "guessed"}, "known must be read, derived, assumed, got 'guessed'"),
        ({"spread": 0.3}, "a shared parameter is one number: it has no pooling, no spread and one location"),
        ({"level": "patient", "pooling": "all"}, "pooling needs spread, a number or HalfNormal(scale)"),
        ({"level": "patient", "spread": 0.3}, "spread is for pooling='all' or 'cohort'"),
        ({"level": "patient", "pooling": "all", "spread": -1.0}, "spread must be a number > 0 or HalfNormal(scale)"),
        ({"bounds": (0.0, 1.0)}, "bounds are for the logit scale, got scale 'log'"),
        ({"scale": "logit", "bounds": (2.0, 1.0)}, "bounds must be finite and rise, got (2.0, 1.0)"),
        ({"scale": "logit", "location": (2.0, 1.0)}, "location: the logit scale needs a value inside (0, 1), got 2"),
        ({"location": (-1.0, 1.0)}, "location: the log scale needs a value > 0, got -1"),
        ({"location": (1.0, 0.0)}, "location: sd must be > 0, got 0; a value that is known belongs to"),
        ({"location": 3.0}, "location must be (value, sd on the log axis), got 3.0"),
        ({"level": "patient", "location": {"A": (1.0,)}}, "location of 'A' must be (value, sd on the log axis)"),
    ],
)  # fmt: skip
def test_a_wrong_declaration_says_what_is_wrong(arguments, text):
    with pytest.raises(PkpdError) as error:
        Free("CL", **{"location": (1.0, 0.5), **arguments})
    assert str(error.value).startswith("Free('CL'): ")
    assert text in str(error.value)


def test_all_faults_of_a_declaration_are_named_at_once():
    with pytest.raises(PkpdError, match=r"bounds are for.*location: sd must be > 0"):
        Free("CL", (1.0, -1.0), bounds=(0, 1))


def test_other_priors_refuse_what_is_not_positive():
    with pytest.raises(PkpdError, match="HalfNormal: scale must be a number > 0, got 0"):
        HalfNormal(0)
    with pytest.raises(
        PkpdError, match=r"ErrorScale: value must be a number > 0, got -1; sd must be a number > 0, got 0"
    ):
        ErrorScale(-1, 0)


@pytest.mark.parametrize(
    ("scale", "bounds"), [("log", (0, 1)), ("logit", (0, 1)), ("logit", (-2, 5)), ("identity", (0, 1))]
)
def test_axes_are_inverse_to_each_other(scale, bounds):
    x = np.linspace(-6, 6, 25)
    np.testing.assert_allclose(to_scale(from_scale(x, scale, bounds), scale, bounds), x, rtol=1e-9, atol=1e-9)


def toy_posterior():
    return rich_study().problem.posterior()


def test_gradient_is_that_of_the_density():
    posterior = toy_posterior()
    for q in posterior.draw(5, np.random.default_rng(3)):
        logp, gradient = posterior.logp_grad(q)
        steps = 1e-6 * np.eye(posterior.dim)
        found = [(posterior.logp(q + h) - posterior.logp(q - h)) / 2e-6 for h in steps]
        assert logp == pytest.approx(posterior.logp(q), rel=1e-12)
        np.testing.assert_allclose(gradient, found, rtol=1e-5, atol=1e-5 * np.abs(gradient).max())


@pytest.mark.parametrize("study", [rich_study, small_study])
def test_the_posterior_is_prior_times_likelihood_of_the_values_that_it_stands_for(study):
    problem = study().problem
    posterior, vector, like = problem.posterior(), problem.vector, problem.likelihood()
    for q in posterior.draw(5, np.random.default_rng(8)):
        values, factors = vector.values(q)
        theirs = like.evaluate(values[problem.rows], factors).loglik.sum()
        assert posterior.logp(q) - vector.log_prior(q) == pytest.approx(theirs, rel=1e-7, abs=1e-7)


def test_a_point_without_a_density_is_minus_infinity():
    posterior = toy_posterior()
    q = np.zeros(posterior.dim)
    q[posterior.names.index("CL")] = 1e5
    logp, gradient = posterior.logp_grad(q)
    assert logp == -np.inf
    assert posterior.logp(q) == -np.inf
    assert not gradient.any()


def test_values_of_a_patient_follow_from_location_spread_and_effect():
    vector = rich_study().problem.vector
    q = vector.draw(1, np.random.default_rng(0))[0]
    found = vector.transform(q)
    entry = dict(zip(vector.names, q, strict=True))
    location = 0.0 + 1.0 * entry["phi_location[B]"]  # logit 0.5 is 0
    spread = np.exp(entry["phi_spread"])
    phi = 1 / (1 + np.exp(-(location + spread * entry["phi[s/p4]"])))
    assert found["phi"][4] == pytest.approx(phi, rel=1e-12)
    assert found["phi_location"][1] == pytest.approx(1 / (1 + np.exp(-location)), rel=1e-12)
    assert found["phi_spread"] == pytest.approx(spread)
    assert found["V"][1] == pytest.approx(55.0)
    assert "V[s/p1]" not in vector.names
    assert found["V"][0] == pytest.approx(50.0 * np.exp(0.2 * entry["V[s/p0]"]), rel=1e-12)
    shift = 3.0 + 1.5 * entry["shift_location[A]"] + 0.4 * entry["shift[s/p2]"]
    assert found["shift"][2] == pytest.approx(shift, rel=1e-12)
    assert 2.0 < found["w"] < 6.0
    assert found["CRP_error"] == pytest.approx(1.2 * np.exp(0.4 * entry["CRP_error"]), rel=1e-12)
    assert vector.values(q)[1][1] == pytest.approx(1.5)


def test_prior_density_is_as_declared():
    vector = rich_study().problem.vector
    q, other = vector.draw(2, np.random.default_rng(2))
    u = vector.names.index("phi_spread")

    def expected(q):
        # density of the logarithm of a half-normal number, by the change of variable
        return stats.norm.logpdf(np.delete(q, u)).sum() + stats.halfnorm.logpdf(np.exp(q[u])) + q[u]

    # constants are left out
    assert vector.log_prior(q) - vector.log_prior(other) == pytest.approx(expected(q) - expected(other), rel=1e-12)


def test_draws_of_the_prior_have_the_declared_distributions():
    vector = rich_study().problem.vector
    found = vector.transform(vector.draw(4000, np.random.default_rng(5)))
    assert stats.kstest(found["phi_spread"], stats.halfnorm(0, 1.0).cdf).pvalue > 1e-3
    assert stats.kstest(np.log(found["CL"] / 9.0), stats.norm(0, 0.3).cdf).pvalue > 1e-3
    assert stats.kstest(np.log(found["k"][:, 3] / 2.0), stats.norm(0, np.hypot(0.5, 0.3)).cdf).pvalue > 1e-3


def test_many_draws_are_transformed_as_one():
    vector = rich_study().problem.vector
    q = vector.draw(7, np.random.default_rng(1))
    together = vector.transform(q)
    for i in range(7):
        for name, value in vector.transform(q[i]).items():
            np.testing.assert_array_equal(together[name][i], value)


def test_one_name_for_two_results_is_refused():
    free = [Free("V", (1.0, 0.3), level="patient", pooling="all", spread=0.3), Free("V_location", (1.0, 0.3))]
    with pytest.raises(PkpdError, match="'V_location' is the name of the location of 'V' and of the value of 'V_loc"):
        _ = measured_study(free, np.ones((1, 2)), 0.2, {"a": "A"}).problem
    free, errors = [Free("Cc_error", (1.0, 0.3))], {"Cc": ErrorScale(1.0, 0.3)}
    with pytest.raises(PkpdError, match="'Cc_error' is the name of the value of 'Cc_error' and of the error of 'Cc'"):
        _ = measured_study(free, np.ones((1, 1)), 0.2, {"a": "A"}, errors).problem


@pytest.mark.parametrize("spread", [0.3, HalfNormal(0.5)])
@pytest.mark.parametrize("pooling", ["all", "cohort"])
def test_a_known_location_is_that_of_no_theta(pooling, spread):
    """Nothing but differences between patients is estimated: a normal of known mean, in closed form."""
    y = np.log([4.0, 2.5, 3.5, 2.0])[:, None]
    cohorts = {"p0": "A", "p1": "A", "p2": "B", "p3": "B"}
    free = [Free("k", (3.0, 0.0), level="patient", pooling=pooling, spread=spread)]
    study = measured_study(free, y, 0.2, cohorts)
    posterior = study.problem.posterior()
    n = posterior.dim - 4
    q = np.random.default_rng(2).normal(0.0, 0.7, (3, posterior.dim))
    sd = spread.scale * np.exp(q[:, 0]) if n else np.full(3, spread)  # ln of the spread in units of the prior's scale
    log_k = np.log(3.0) + sd[:, None] * q[:, n:]
    loglik = stats.norm.logpdf(y[:, 0], log_k, 0.2).sum(axis=1)
    prior = stats.norm.logpdf(q[:, n:]).sum(axis=1)
    if n:
        prior = prior + stats.halfnorm.logpdf(sd, 0, spread.scale) + np.log(sd)
    difference = [posterior.logp(each) for each in q] - (loglik + prior)
    np.testing.assert_allclose(difference, difference[0], rtol=0, atol=1e-9)
    gradient = posterior.logp_grad(q[0])[1]
    step = 1e-6 * np.eye(posterior.dim)
    numeric = [(posterior.logp(q[0] + h) - posterior.logp(q[0] - h)) / 2e-6 for h in step]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-6)


def test_patients_about_a_known_location_have_the_posterior_of_a_closed_form():
    y, prior_sd, sd = np.log([4.0, 2.5])[:, None], 0.3, 0.2
    free = [Free("k", (3.0, 0.0), level="patient", pooling="all", spread=prior_sd)]
    fit = pkpd.fit(measured_study(free, y, sd, {"p0": "A", "p1": "A"}), method=pkpd.Mode(draws=4000))
    weight = prior_sd**2 / (prior_sd**2 + sd**2)
    exact_sd = np.sqrt(weight) * sd
    found = np.log(fit.draws("k"))
    np.testing.assert_allclose(
        found.mean(axis=0), np.log(3.0) + weight * (y[:, 0] - np.log(3.0)), atol=4 * exact_sd / 60
    )
    np.testing.assert_allclose(found.std(axis=0), exact_sd, rtol=0.05)
    assert "k_location" not in fit.posterior


def test_a_factor_alone_is_estimated_where_every_value_is_known():
    free = [Free("k", (3.0, 0.0), level="patient")]
    study = measured_study(free, np.log([[4.0], [2.5]]), 0.2, {"p0": "A", "p1": "A"}, {"CRP": ErrorScale(1.0, 0.5)})
    posterior = study.problem.posterior()
    q = np.linspace(-1.0, 1.0, 5)[:, None]
    sd = 0.2 * np.exp(0.5 * q[:, 0])
    exact = stats.norm.logpdf(q[:, 0]) + sum(stats.norm.logpdf(np.log(v / 3.0), 0, sd) for v in (4.0, 2.5))
    difference = [posterior.logp(each) for each in q] - exact
    np.testing.assert_allclose(difference, difference[0], rtol=0, atol=1e-9)
