"""Evidence of a study by bridge sampling, against closed forms and quadrature."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from calibration_toy import COHORTS, evidence, fact, measured_study, rich_study, small_study
from scipy import integrate
from scipy import stats as scipy_stats

from pkpd.errors import PkpdError
from pkpd.estimation.api import fit
from pkpd.estimation.methods import bridge
from pkpd.estimation.methods.bridge import bridged
from pkpd.estimation.methods.mode import Mode
from pkpd.estimation.methods.modes import find_mode
from pkpd.estimation.methods.normal_approximation import laplace
from pkpd.estimation.methods.nuts import Nuts
from pkpd.estimation.spreads import HalfNormal
from pkpd.estimation.study.files import load_study_fit
from pkpd.estimation.study.inverse import vectors_of
from pkpd.estimation.study.log_evidence import log_prior_constant
from pkpd.estimation.study.priors import Free
from pkpd.estimation.study.result import StudyFit

stats: Any = scipy_stats


def exact_draws(study: Any, draws: int, seed: int = 0) -> StudyFit:
    """The fit of independent draws of a posterior that is normal on its axes."""
    posterior = study.problem.posterior()
    q = laplace(posterior, find_mode(posterior, starts=1), draws=draws, seed=seed).draws
    return StudyFit.of_draws(study.problem, q.reshape(4, -1, q.shape[1]), "exact", predictive=1)


def test_vectors_are_those_that_the_variables_came_from():
    problem = rich_study().problem
    q = problem.vector.draw(60, np.random.default_rng(1)).reshape(2, 30, -1)
    found = StudyFit.of_draws(problem, q, "any", predictive=1)
    assert vectors_of(found) == pytest.approx(q, abs=1e-9)


def test_the_prior_is_a_density_of_the_vector():
    """Against SciPy's densities of the named variables on their scales, and the Jacobian of these by q."""
    phi: Any = {"scale": "logit", "level": "patient", "pooling": "cohort", "spread": HalfNormal(0.7)}
    vector = rich_study().with_(free={"phi": Free("phi", (0.5, 1.0), **phi)}).problem.vector

    def scaled(q: np.ndarray) -> dict[str, np.ndarray]:
        at = vector.transform(q)
        logs = {n: np.log(at[n]) for n in ("CL", "k", "k_location", "phi_spread", "CRP_error")}
        logs |= {"V": np.log(at["V"][[0, 2, 3, 4, 5]]), "shift": at["shift"], "shift_location": at["shift_location"]}
        logs["w"] = np.log((at["w"] - 2) / (6 - at["w"]))
        return logs | {n: np.log(at[n] / (1 - at[n])) for n in ("phi", "phi_location")}

    def joined(q: np.ndarray) -> np.ndarray:
        return np.concatenate([np.ravel(v) for v in scaled(q).values()])

    for seed in range(3):
        q = 0.7 * np.random.default_rng(seed).standard_normal(vector.dim)
        s, step = scaled(q), 1e-5 * np.eye(vector.dim)
        slopes = np.array([(joined(q + e) - joined(q - e)) / 2e-5 for e in step])
        assert slopes.shape == (vector.dim, vector.dim)
        log_volume = np.linalg.slogdet(slopes)[1]
        group = np.array([0 if c == "A" else 1 for c in COHORTS])
        expected: Any = stats.norm(math.log(9.0), 0.3).logpdf(s["CL"])
        expected += stats.norm(np.log([50.0] * 2 + [60.0] * 3), 0.2).logpdf(s["V"]).sum()
        expected += stats.norm(0.0, 1.0).logpdf(s["phi_location"]).sum()
        spread = np.exp(s["phi_spread"])
        # the logarithm of a half-normal number
        expected += stats.halfnorm(scale=0.7).logpdf(spread) + s["phi_spread"]
        expected += stats.norm(s["phi_location"][group], spread).logpdf(s["phi"]).sum()
        expected += stats.norm(math.log(2.0), 0.5).logpdf(s["k_location"])
        expected += stats.norm(s["k_location"], 0.3).logpdf(s["k"]).sum()
        expected += stats.norm(3.0, 1.5).logpdf(s["shift_location"]).sum()
        expected += stats.norm(s["shift_location"][group], 0.4).logpdf(s["shift"]).sum()
        expected += stats.norm(np.log(1.0 / 3.0), 0.7).logpdf(s["w"])
        expected += stats.norm(math.log(1.2), 0.4).logpdf(s["CRP_error"])
        assert vector.log_prior(q) + log_prior_constant(vector) == pytest.approx(float(expected + log_volume), abs=1e-6)


def test_the_likelihood_has_all_of_its_constants():
    """A value, a bound and a grade, against SciPy's densities and probabilities."""
    facts = (
        fact("v", "p1", "value", 0.25, 5.5), fact("b", "p1", "below", 1.0, 4.0),
        fact("g", "p1", "grade", 0.1, 0.0, value_to=1.0, marker="tox", unit=""),
    )  # fmt: skip
    report = evidence(people=("p1",))
    study = small_study(evidence=[replace(report, facts=facts)])
    posterior, vector = study.problem.posterior(), study.problem.vector
    for q in vector.draw(4, np.random.default_rng(2)):
        at = vector.transform(q)
        CL, V, sd = float(at["CL"][0]), float(at["V"]), 0.2 * float(at["Cc_error"])

        def level(hours: float, CL: float = CL, V: float = V) -> float:
            left = 100.0 * math.exp(-CL / V * hours)
            return (left + (100.0 * math.exp(-CL / V * (hours - 24)) if hours > 24 else 0.0) + 1e-6) / V

        expected = stats.lognorm(sd, scale=level(6.0)).logpdf(5.5)
        # the second dose is at 24 h: a level at its time is one before it
        expected += stats.norm(math.log(level(24.0)), sd).logcdf(math.log(4.0))
        expected += math.log(1.0 / (1.0 + math.exp(-(1.0 - math.log(level(2.4) * V / 50.0)))))
        assert posterior.logp(q) - vector.log_prior(q) == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize(("patients", "parameters", "draws"), [(1, 2, 800), (20, 3, 1600)])
def test_evidence_of_normal_studies_is_the_closed_form(patients, parameters, draws):
    """y_ik = location_k + 0.5 z_ik + 0.4 e_ik with location ~ N(1, 1): multivariate normal."""
    y = np.random.default_rng(5).normal(1.5, 0.8, (patients, parameters))
    pooled: Any = {"scale": "identity", "level": "patient", "pooling": "all", "spread": 0.5}
    free = [Free(f"a{k}", (1.0, 1.0), **pooled) for k in range(parameters)]
    if patients == 1:
        free = [Free(f"a{k}", (1.0, 1.0), scale="identity") for k in range(parameters)]
    study = measured_study(free, y, 0.4, {f"p{i}": "A" for i in range(patients)})
    spread = 0.0 if patients == 1 else 0.25
    covariance = np.eye(patients) * (spread + 0.16) + 1.0
    expected = sum(stats.multivariate_normal(np.ones(patients), covariance).logpdf(y[:, k]) for k in range(parameters))
    dim = study.problem.vector.dim
    assert dim == (2 if patients == 1 else 63)
    found = exact_draws(study, draws).log_evidence()
    assert found.trouble == ()
    assert found.error < 0.15
    assert abs(found.value - expected) < 3 * found.error + 1e-4


def test_evidence_of_a_skewed_posterior_is_that_of_quadrature():
    """Logarithms of four measurements about one location with an unknown spread between patients: a funnel."""
    y = np.log([[1.6], [2.1], [1.9], [2.6]])
    free = [Free("a", (2.0, 0.7), level="patient", pooling="all", spread=HalfNormal(0.8))]
    study = measured_study(free, y, 0.3, {f"p{i}": "A" for i in range(4)})

    def given(spread: float) -> float:
        covariance = np.eye(4) * (spread**2 + 0.09) + 0.49
        logs = stats.multivariate_normal(np.full(4, math.log(2.0)), covariance).logpdf(y[:, 0])
        return float(np.exp(logs - y.sum()) * stats.halfnorm(scale=0.8).pdf(spread))

    expected = math.log(integrate.quad(given, 0.0, 8.0, epsabs=0, epsrel=1e-10)[0])
    how = Nuts(chains=2, tune=300, draws=600, target_accept=0.9, predictive=1, seed=3)
    fitted = fit(study, method=how, progress=False)
    found = fitted.log_evidence(seed=1)
    assert found.error < 0.1
    assert abs(found.value - expected) < 3 * found.error
    # the prior alone is no fit: its draws give another number, and say so
    q = study.problem.vector.draw(1200, np.random.default_rng(0)).reshape(2, -1, study.problem.vector.dim)
    wrong = StudyFit.of_draws(study.problem, q, "prior", predictive=1).log_evidence(seed=1)
    assert abs(wrong.value - expected) > 0.2


def test_what_the_bounds_of_the_model_cut_off_counts():
    """a ~ N(1, 1) cut at 0 and 4, measured once: the evidence is that of the truncated prior."""
    given = Free("a", (1.0, 0.32), scale="identity")
    study: Any = measured_study([given], np.array([[1.3]]), 0.3, {"p1": "A"})
    free = study.problem.vector
    assert free.design.limits == {}
    model = study.model.with_variability({"a": _bounded(study.model.parameters["a"])})
    cut = measured_study([given], np.array([[1.3]]), 0.3, {"p1": "A"}).with_(model=model)
    assert cut.problem.vector.design.limits == {"a": (0.0, 4.0)}
    found = exact_draws(cut, 4000).log_evidence()
    inside = stats.norm(1.0, 0.32).cdf(4.0) - stats.norm(1.0, 0.32).cdf(0.0)
    expected = stats.norm(1.0, math.hypot(0.32, 0.3)).logpdf(1.3) - math.log(inside)
    assert abs(found.value - expected) < 3 * found.error + 3e-4


def _bounded(parameter: Any) -> Any:
    return replace(parameter, value=1.0, bounds=(0.0, 4.0), scale="additive")


def test_a_compact_file_of_a_fit_has_its_evidence(tmp_path):
    """400 draws in single precision, of a study with every kind of block."""
    study = measured_study(
        [Free("a", (1.0, 1.0)), Free("b", (0.5, 1.0), scale="logit", level="patient", pooling="all", spread=0.8)],
        np.array([[0.4, 0.7], [0.2, -0.9]]), 0.3, {"p1": "A", "p2": "B"},
    )  # fmt: skip
    whole = exact_draws(study, 2000)
    kept = load_study_fit(whole.save(tmp_path / "fit.nc", compact=True), study=study)
    assert kept.posterior["a"].dtype == np.float32
    one, other = whole.log_evidence(), kept.log_evidence()
    assert other.error < 0.1
    assert abs(one.value - other.value) < 3 * math.hypot(one.error, other.error)


def test_errors_are_those_of_repetitions():
    """The same integral thirty times from new draws: z scores have a standard deviation near 1."""
    rng, dim = np.random.default_rng(8), 6
    shape = rng.uniform(2.0, 6.0, dim)

    def log_density(q: np.ndarray) -> float:  # logarithms of gamma numbers
        return float((shape * q - np.exp(q)).sum())

    expected = sum(math.lgamma(a) for a in shape)
    z = []
    for k in range(30):
        q = np.log(rng.gamma(shape, size=(2, 300, dim)))
        found = bridged(log_density, q, seed=k)
        z.append((found.value - expected) / found.error)
    assert abs(np.mean(z)) < 3.5 / math.sqrt(30)
    assert 0.6 < np.std(z) < 1.5


def test_two_chains_in_two_places_are_told():
    def log_density(q: np.ndarray) -> float:
        return float(np.logaddexp(-0.5 * ((q + 9.0) ** 2).sum(), -0.5 * ((q - 3.0) ** 2).sum()))

    rng = np.random.default_rng(0)
    q = rng.standard_normal((2, 400, 2)) + np.array([-9.0, 3.0])[:, None, None]
    found = bridged(log_density, q)
    assert found.rhat > 1.05
    assert found.overlap < 0.5


def test_evidence_that_cannot_be_had_is_refused(monkeypatch):
    sketch = fit(small_study(), method=Mode(starts=1, draws=50, predictive=1))
    with pytest.raises(
        PkpdError, match=r"needs draws of the posterior, and mode draws from an approx.*method=Nuts\(\)"
    ):
        sketch.log_evidence()
    q = np.zeros((1, 30, 3))
    with pytest.raises(PkpdError, match="18 draws are too few for bridge sampling in 5 dimensions; draw 20 or more"):
        bridged(lambda q: 0.0, np.zeros((1, 18, 5)))
    with pytest.raises(PkpdError, match="15 of 15 draws have no density"):
        bridged(lambda q: -math.inf, q + np.random.default_rng(0).standard_normal(q.shape))
    study = measured_study([Free("a", (1.0, 1.0))], np.zeros((1, 1)), 0.3, {"p1": "A"})
    with monkeypatch.context() as patch:
        patch.setattr(bridge, "_bridge", lambda *_: bridge.Bridge(0.0, 0.8, 0.01, 1.2))
        told = exact_draws(study, 80).log_evidence().trouble
    assert told == (
        "posterior and proposal overlap by 1 % and the error is 0.8: draw more, or fit fewer patients at once",
        "the chains do not agree (R-hat 1.200): what one of them missed is not counted",
    )
