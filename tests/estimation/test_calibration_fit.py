"""Mode, normal approximation and sampler against posteriors known on paper; runs that are killed and go on."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from calibration_toy import measured_study, small_study
from scipy import stats

from pkpd.errors import PkpdError
from pkpd.estimation.api import fit
from pkpd.estimation.convergence import arviz
from pkpd.estimation.methods.chain_store import ChainStore, Journal
from pkpd.estimation.methods.chains import sample
from pkpd.estimation.methods.focei import Focei
from pkpd.estimation.methods.mode import Mode
from pkpd.estimation.methods.modes import find_mode, first_finite
from pkpd.estimation.methods.normal_approximation import laplace, pareto_k
from pkpd.estimation.methods.nuts import Nuts
from pkpd.estimation.study.priors import Free

Y = np.array([[0.3, 2.5], [0.6, 2.2], [-0.2, 2.4]])
SD = 0.25
SETTINGS = {"chains": 2, "tune": 200, "draws": 300, "target_accept": 0.85, "maxdepth": 8}


def conjugate():
    """A shared and an unpooled parameter: the posterior on the scaled axis is normal and known."""
    free = [Free("k", (1.0, 0.5), level="patient"), Free("V", (10.0, 0.4))]
    return measured_study(free, Y, SD, dict.fromkeys("abc", "A")).problem.posterior()


def answer():
    """Mean and sd of log k of each patient and of log V."""
    gain = 0.5**2 / (0.5**2 + SD**2)
    k = gain * Y[:, 0], np.full(3, np.sqrt(gain) * SD)
    precision = 1 / 0.4**2 + 3 / SD**2
    v = (np.log(10.0) / 0.4**2 + Y[:, 1].sum() / SD**2) / precision
    return np.append(k[0], v), np.append(k[1], precision**-0.5)


def test_mode_and_laplace_are_the_conjugate_answer():
    posterior = conjugate()
    mode = find_mode(posterior, starts=3, seed=1)
    found = laplace(posterior, mode, draws=4000, seed=1)
    mean, sd = answer()
    x = np.log(posterior.vector.values(mode.q)[0])
    np.testing.assert_allclose(np.append(x[:, 0], x[0, 1]), mean, rtol=1e-6)
    scale = np.array([0.5, 0.5, 0.5, 0.4])
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)) * scale, sd, rtol=1e-5)
    assert found.mode.gradient_norm < 1e-5
    assert np.ptp(mode.reached) < 1e-6
    # the posterior is normal: all weights are the same
    assert found.ess == pytest.approx(4000, rel=1e-3)
    assert found.pareto_k < 0.3
    assert (found.repaired, found.lost) == ((), 0.0)


def test_no_seed_finds_a_tail_in_the_weights_of_a_normal_posterior():
    posterior = conjugate()
    mode = find_mode(posterior, starts=1, seed=1)
    assert [laplace(posterior, mode, draws=200, seed=seed).pareto_k for seed in range(40)] == [0.0] * 40


def test_mode_is_the_same_for_the_same_seed():
    first, second = (find_mode(conjugate(), starts=3, seed=4) for _ in range(2))
    np.testing.assert_array_equal(first.q, second.q)


class Valley:
    """A likelihood that pulls a parameter away from the origin on both sides: a saddle between two modes."""

    def __init__(self, posterior):
        self.inner, self.own = posterior.complete, [posterior.names.index(f"k[s/{p}]") for p in "abc"]

    def gradient(self, x, eta, z):
        found = self.inner.gradient(x, eta, z)
        by, own = np.zeros(found.x.shape), x[self.own]
        by[self.own] = np.where(own * own < 1.0, 16.0 * own, 0.0)
        return found._replace(l=float(8.0 * np.minimum(own * own, 1.0).sum()), x=by)

    def predict(self, x, eta):
        return x[self.own]

    def loglik(self, f, z):
        return 8.0 * np.minimum(f * f, 1.0)


def test_negative_curvature_is_raised_and_reported():
    posterior = conjugate()
    posterior.complete = cast(Any, Valley(posterior))
    saddle = find_mode(posterior, starts=1, seed=0)  # the start is the saddle itself: its gradient is 0
    found = laplace(posterior, saddle, draws=100, seed=0)
    assert set(found.repaired) == {"k[s/a]", "k[s/b]", "k[s/c]"}


def test_pareto_k_is_that_of_arviz():
    rng = np.random.default_rng(0)
    for shape in (0.1, 0.5, 1.2):
        weights = np.log(stats.genpareto(shape).rvs(1000, random_state=rng))
        assert pareto_k(weights) == pytest.approx(float(arviz().psislw(weights)[1]), abs=1e-6)
    assert np.isnan(pareto_k(np.zeros(10)))
    assert pareto_k(np.zeros(100)) == 0.0


@pytest.mark.parametrize("noise", [1e-16, 1e-12, 1e-7])
def test_noise_of_weights_that_are_equal_is_no_tail(noise):
    rng = np.random.default_rng(1)
    for shape in (0.1, 5.0):
        tail = stats.genpareto(shape).rvs(1000, random_state=rng)
        assert pareto_k(-7.0 + noise * tail / tail.max()) == 0.0
    # among weights that are equal, one that is not is a tail
    assert pareto_k(np.append(np.zeros(999), 3.0)) > 0.7


def test_a_density_of_zero_everywhere_is_said(monkeypatch):
    posterior = conjugate()
    monkeypatch.setattr(posterior.complete, "loglik", lambda f, z: np.full(3, -np.inf))
    with pytest.raises(PkpdError, match=r"no starting point: the density is 0 at 5 draws of the prior"):
        first_finite(posterior, np.random.default_rng(0), tries=5)


def run(folder=None, make=conjugate, seed=3, settings=SETTINGS):
    store = ChainStore(folder, "toy", "print", seed, settings)
    return sample(make, settings=settings, seed=seed, store=store, progress=False)


def test_the_sampler_finds_the_conjugate_answer_again_for_the_same_seed():
    found, again = run(), run()
    np.testing.assert_array_equal(found.q, again.q)
    values, _ = conjugate().vector.values(found.q)
    x = np.log(values).reshape(-1, 3, 2)
    mean, sd = answer()
    drawn = np.column_stack([x[:, :, 0], x[:, 0, 1]])
    # 600 draws: the mean is known to about a twentieth of a standard deviation
    np.testing.assert_allclose((drawn.mean(axis=0) - mean) / sd, 0.0, atol=0.25)
    np.testing.assert_allclose(drawn.std(axis=0) / sd, 1.0, atol=0.15)
    assert found.stats["diverging"].sum() == 0
    assert found.stats["energy"].shape == (2, 300)


class Killed:
    """A posterior that dies after so many evaluations."""

    def __init__(self, calls):
        self.posterior, self.left = conjugate(), calls
        self.draw, self.dim, self.logp = self.posterior.draw, self.posterior.dim, self.posterior.logp

    @property
    def calls(self):
        return self.posterior.calls

    def logp_grad(self, q):
        self.left -= 1
        if self.left < 0:
            raise MemoryError("killed")
        return self.posterior.logp_grad(q)


def test_a_killed_run_goes_on_with_the_same_draws(tmp_path):
    whole = run()
    with pytest.raises(Exception, match="killed"):
        run(tmp_path, lambda: Killed(700))
    assert list(tmp_path.glob("*/chain-*.journal"))
    found = run(tmp_path)
    np.testing.assert_array_equal(found.q, whole.q)
    assert found.replayed >= 600
    assert not list(tmp_path.glob("*/*.journal"))
    third = run(tmp_path, lambda: Killed(1))
    assert third.resumed == (0, 1)
    np.testing.assert_array_equal(third.q, whole.q)


def test_a_killed_search_for_the_mode_goes_on_where_it_was(tmp_path):
    store = ChainStore(tmp_path, "toy", "fingerprint", 1, {"starts": 3})
    whole = find_mode(conjugate(), starts=3, seed=1)
    killed: Any = Killed(8)
    with pytest.raises(MemoryError), store.journal(killed, "search"):
        find_mode(killed, starts=3, seed=1)
    again: Any = conjugate()
    with store.journal(again, "search"):
        found = find_mode(again, starts=3, seed=1)
        assert again.logp_grad.replayed == 8
    np.testing.assert_array_equal(found.q, whole.q)
    assert not isinstance(again.logp_grad, Journal)


def test_more_chains_are_added_to_a_finished_run_and_other_settings_start_afresh(tmp_path):
    two = run(tmp_path)
    three = run(tmp_path, settings={**SETTINGS, "chains": 3})
    assert three.resumed == (0, 1)
    np.testing.assert_array_equal(three.q[:2], two.q)
    assert run(tmp_path, settings={**SETTINGS, "draws": 20}).resumed == ()


def test_a_journal_replays_and_drops_what_does_not_belong(tmp_path):
    calls = []

    def density(q):
        calls.append(q.copy())
        return float(q.sum()), 2.0 * q

    path = tmp_path / "x.journal"
    points = np.arange(8.0).reshape(4, 2)
    with Journal(density, 2, path) as journal:
        first = [journal(q) for q in points]
    path.write_bytes(path.read_bytes()[:-5])  # killed in the middle of a row
    with Journal(density, 2, path) as journal:
        second = [journal(q) for q in points]
        assert journal.replayed == 3
    assert len(calls) == 5
    for (a, g), (b, h) in zip(first, second, strict=True):
        assert a == b
        np.testing.assert_array_equal(g, h)
    with Journal(density, 2, path) as journal:
        journal(points[0])
        assert journal(points[3])[0] == 13.0  # another point than the second: the rest of the file is dropped
        assert journal.replayed == 1
    assert path.stat().st_size == 2 * 8 * 4


def test_an_interrupt_keeps_what_is_finished(tmp_path, monkeypatch):
    from pkpd.estimation.methods import chains as nuts

    def interrupt(self, k, diverged):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(nuts.ChainProgress, "finished", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
    assert list(tmp_path.glob("*/chain-*.npz"))
    found = run(tmp_path)
    assert found.resumed
    np.testing.assert_array_equal(found.q, run().q)


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PkpdError, match=r"fit: out='.*file' cannot be written"):
        run(tmp_path / "file")


def test_progress_is_told_in_lines_without_a_terminal(capsys):
    settings = {**SETTINGS, "tune": 50, "draws": 50}
    sample(conjugate, settings=settings, seed=0, store=ChainStore(None, "toy", "print", 0, settings), progress=None)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].endswith("draws 100, 100 of 100, 0 divergences")


@pytest.mark.slow
def test_both_engines_agree_on_a_small_study():
    by_map = fit(small_study(), method=Mode(seed=1))
    how = Nuts(seed=1, predictive=50, chains=2, tune=250, draws=300, target_accept=0.85, maxdepth=8)
    by_nuts = fit(small_study(), method=how, progress=False)
    for name in ("CL", "V"):
        a, b = (np.log(c.draws(name)).reshape(len(c.draws(name)), -1) for c in (by_map, by_nuts))
        np.testing.assert_allclose((a.mean(axis=0) - b.mean(axis=0)) / b.std(axis=0), 0.0, atol=0.6)
        np.testing.assert_allclose(a.std(axis=0) / b.std(axis=0), 1.0, atol=0.3)
    assert by_nuts.method == "nuts"
    assert by_map.attrs["gradient_norm"] < 1e-2


def test_wrong_methods_and_seeds_are_refused():
    with pytest.raises(PkpdError, match=r"method must be .* got 'nut' \(did you mean 'nuts'\?\)"):
        fit(small_study(), method=cast(Any, "nut"))
    with pytest.raises(PkpdError, match=r"a study is fitted by Mode\(\) or Nuts\(\), or by .*, got Focei\(\)"):
        fit(small_study(), method=Focei())
    with pytest.raises(PkpdError, match=r"study 'toy' brings its reports with it"):
        cast(Any, fit)(small_study(), "data.csv")
    with pytest.raises(PkpdError, match=r"fixed, rtol cannot be given beside it; change the study"):
        cast(Any, fit)(small_study(), fixed=["CL"], rtol=1e-8)
    with pytest.raises(PkpdError, match="seed must be a whole number >= 0, got -1"):
        fit(small_study(), method=Mode(seed=-1))
