"""Simulation-based calibration: whether a posterior is one (Talts et al. 2018, arXiv:1804.06788)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import PkpdError
from pkpd.estimation.methods.chain_store import ChainStore
from pkpd.estimation.methods.chains import sample
from pkpd.estimation.methods.modes import find_mode
from pkpd.estimation.methods.normal_approximation import laplace
from pkpd.estimation.study.loading import as_study
from pkpd.estimation.study.posterior import StudyPosterior
from pkpd.estimation.study.replicas import Replicator
from pkpd.progress import Progress

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.study.problem import StudyProblem
    from pkpd.estimation.study.study import Study

__all__ = ["RankTest", "simulation_based_calibration"]

Floats = NDArray[np.float64]
_SHORT: Mapping[str, float] = {"chains": 2, "tune": 300, "draws": 300, "target_accept": 0.85, "maxdepth": 8}


@dataclass(frozen=True, eq=False)
class RankTest:
    """Ranks of known truths among draws of their posteriors.

    Attributes
    ----------
    ranks : DataFrame
        A row per synthetic report, a column per number; from 0 to ``draws``.
    draws : int
        Draws that a truth was ranked among.
    unsolved : int
        Draws of the prior that were passed over because the equations have no solution there.
    """

    ranks: pd.DataFrame
    draws: int
    unsolved: int

    def bins(self, count: int = 10) -> pd.DataFrame:
        """Return how many ranks fall in each of so many equal parts, a row per number."""
        import pandas as pd

        edges = np.linspace(0, self.draws + 1, count + 1)
        rows = {n: np.histogram(self.ranks[n], edges)[0] for n in self.ranks.columns}
        return pd.DataFrame.from_dict(rows, orient="index")

    def test(self, count: int = 10) -> pd.DataFrame:
        """Return a chi-squared test of uniform ranks for each number, least probable first.

        Returns
        -------
        DataFrame
            Columns chi2, p, p_holm (adjusted for the number of tests by Holm's method), mean (0.5 if unbiased) and
            spread (variance over that of a uniform; above 1 the posterior is too narrow, below 1 too wide).
        """
        import pandas as pd
        from scipy.stats import chi2

        found = self.bins(count)
        n = len(self.ranks)
        expected = n * np.diff(np.ceil(np.linspace(0, self.draws + 1, count + 1))) / (self.draws + 1)
        statistic = ((found.to_numpy() - expected) ** 2 / expected).sum(axis=1)
        p = chi2.sf(statistic, count - 1)
        order = np.argsort(p)
        holm = np.empty(len(p))
        holm[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
        part = (self.ranks.to_numpy() + 0.5) / (self.draws + 1)
        columns = {
            "chi2": statistic,
            "p": p,
            "p_holm": holm,
            "mean": part.mean(axis=0),
            "spread": 12 * part.var(axis=0),
        }
        return pd.DataFrame(columns, index=found.index).sort_values("p")


def simulation_based_calibration(
    study: Study | str | os.PathLike[str],
    n: int = 50,
    *,
    method: Literal["nuts", "mode"] = "nuts",
    seed: int = 0,
    ranks: int = 99,
    settings: Mapping[str, float] | None = None,
    out: str | os.PathLike[str] | None = None,
    cores: int | None = None,
    progress: bool | None = None,
) -> RankTest:
    """Refit reports drawn from the prior, and rank the truth among the draws of each posterior.

    The patients, their doses and what is reported about them when are those of the study; what was reported is drawn
    anew. Ranks are uniform if likelihood, gradient, transformations and sampler fit together.

    Parameters
    ----------
    study : Study, str or path
    n : int
        Synthetic reports.
    method : {"nuts", "mode"}
        With ``mode`` the normal approximation is tested, which need not pass.
    seed : int
    ranks : int
        Draws that the truth is ranked among, evenly taken from all.
    settings : mapping, optional
        Of the sampler; short chains by default.
    out : path, optional
        Folder for finished chains, from which a killed run goes on.
    cores : int, optional
    progress : bool, optional
        Show a bar; by default on terminals.

    Returns
    -------
    RankTest
        Beside every estimated number also ``log_likelihood``, which sees what single numbers do not.

    Raises
    ------
    PkpdError
        If the prior hardly ever can be solved, or an argument is wrong.
    """
    import pandas as pd

    if method not in ("nuts", "mode"):
        raise PkpdError(f"simulation_based_calibration: method must be 'nuts' or 'mode', got {method!r}")
    if n < 1 or ranks < 9:
        raise PkpdError(f"simulation_based_calibration: n must be >= 1 and ranks >= 9, got {n} and {ranks}")
    problem = as_study(study).problem
    chosen = {**_SHORT, **(settings or {})}
    replicator = Replicator(problem)
    rows, unsolved = [], 0
    with Progress(progress) as bar:
        bar.start(n, "refitting synthetic reports")
        for i in range(n):
            truth, anew, passed = _synthetic(problem, replicator, seed, i)
            unsolved += passed
            posterior = anew.posterior()
            q = _fit(anew, posterior, method, chosen, seed + i, ranks, out, cores)
            rows.append(_ranked(posterior, truth, q))
            bar.advance(1)
    return RankTest(pd.DataFrame(rows), ranks, unsolved)


def _synthetic(problem: StudyProblem, replicator: Replicator, seed: int, i: int) -> tuple[Floats, StudyProblem, int]:
    """Return a truth, a report drawn from it, and how many truths had to be passed over."""
    rng = np.random.default_rng([seed, 7, i])
    for attempt in range(200):
        truth = problem.vector.draw(1, rng)[0]
        values, errors = problem.vector.values(truth)
        anew = replicator.draw(values, errors, int(rng.integers(2**31)))
        if anew is not None:
            return truth, anew, attempt
    raise PkpdError(f"study '{problem.study.name}': the equations could not be solved at 200 draws of the prior")


def _fit(
    problem: StudyProblem, posterior: StudyPosterior, method: str, settings: Mapping[str, float], seed: int, ranks: int,
    out: str | os.PathLike[str] | None, cores: int | None,
) -> Floats:  # fmt: skip
    """Return draws of a posterior, shape (ranks, dim)."""
    if method == "mode":
        q = laplace(posterior, find_mode(posterior, starts=2, seed=seed), draws=4 * ranks, seed=seed).draws
    else:
        store = ChainStore(out, problem.study.name, problem.mark, seed, settings)
        found = sample(problem.posterior, settings=settings, seed=seed, store=store, cores=cores, progress=False)
        q = found.q.reshape(-1, found.q.shape[-1])
    if len(q) < ranks:
        raise PkpdError(f"simulation_based_calibration: {len(q)} draws for {ranks} ranks; draw more or rank fewer")
    return q[np.linspace(0, len(q) - 1, ranks).round().astype(int)]


def _ranked(posterior: StudyPosterior, truth: Floats, q: Floats) -> dict[str, int]:
    """Return the rank of each true number among the draws."""
    out: dict[str, int] = {}
    vector = posterior.vector
    at, draws = vector.transform(truth), vector.transform(q)
    for v in vector.variables:
        true, drawn = np.atleast_1d(at[v.name]), draws[v.name].reshape(len(q), -1)
        labels = getattr(vector, {"patient": "patients", "cohort": "groups"}[v.dims[0]]) if v.dims else ("",)
        for i, label in enumerate(labels):
            if np.ptp(drawn[:, i]) > 0:
                out[f"{v.name}[{label}]" if label else v.name] = int((drawn[:, i] < true[i]).sum())
    level = np.array([posterior.logp(x) - vector.log_prior(x) for x in [truth, *q]])
    out["log_likelihood"] = int((level[1:] < level[0]).sum())
    return out
