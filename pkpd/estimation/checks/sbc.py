"""Simulation-based calibration: whether a posterior is one (Talts et al. 2018, arXiv:1804.06788)."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pkpd.cores import cores as all_cores
from pkpd.errors import PkpdError
from pkpd.estimation.checkpoint import json_text
from pkpd.estimation.checks.uniformity import chi_squared, ecdf_band, ecdf_probability, holm
from pkpd.estimation.convergence import diagnose
from pkpd.estimation.methods.chain_store import ChainStore
from pkpd.estimation.methods.chains import sample
from pkpd.estimation.methods.modes import find_mode
from pkpd.estimation.methods.normal_approximation import laplace
from pkpd.estimation.pieces import run_pieces
from pkpd.estimation.study.loading import as_study
from pkpd.estimation.study.posterior import StudyPosterior
from pkpd.estimation.study.replicas import Replicator
from pkpd.estimation.workers import Workers
from pkpd.options import check_choice, check_level, whole_number
from pkpd.randomness import check_seed

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.study.problem import StudyProblem
    from pkpd.estimation.study.study import Study

__all__ = ["RankTest", "simulation_based_calibration"]

Floats = NDArray[np.float64]
_SHORT: Mapping[str, float] = {"chains": 1, "tune": 300, "draws": 300, "target_accept": 0.85, "maxdepth": 8}


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
    effective : DataFrame or None
        Of each rank, how many nearly independent draws it was counted among: ``draws``, or as many as the chains were
        worth where these were fewer. Such a rank is brought to the scale of the others, ties broken at random.
    failed : mapping of int to str
        Synthetic reports that could not be fitted, and why. They have no ranks: a check with many of them is none.
    """

    ranks: pd.DataFrame
    draws: int
    unsolved: int
    effective: pd.DataFrame | None = None
    failed: Mapping[int, str] = field(default_factory=dict)

    def bins(self, count: int = 10) -> pd.DataFrame:
        """Return how many ranks fall in each of so many equal parts, a row per number."""
        import pandas as pd

        edges = np.linspace(0, self.draws + 1, count + 1)
        rows = {n: np.histogram(self.ranks[n], edges)[0] for n in self.ranks.columns}
        return pd.DataFrame.from_dict(rows, orient="index")

    def test(self, count: int = 10) -> pd.DataFrame:
        """Return tests of uniform ranks for each number, least probable first.

        Returns
        -------
        DataFrame
            Columns chi2, p and p_holm (of a chi-squared test of so many bins; adjusted for the number of tests by
            Holm's method), p_ecdf and p_ecdf_holm (of leaving the band of :meth:`band` at any place), mean (0.5 if
            unbiased) and spread (variance over that of a uniform; above 1 the posterior is too narrow, below 1 too
            wide).
        """
        import pandas as pd

        found = self.bins(count)
        expected = len(self.ranks) * np.diff(np.ceil(np.linspace(0, self.draws + 1, count + 1))) / (self.draws + 1)
        statistic, p = chi_squared(found.to_numpy(), expected)
        ranks = self.ranks.to_numpy(np.int64)
        by_place, part = ecdf_probability(ranks, self.draws), (ranks + 0.5) / (self.draws + 1)
        columns = {
            "chi2": statistic, "p": p, "p_holm": holm(p), "p_ecdf": by_place, "p_ecdf_holm": holm(by_place),
            "mean": part.mean(axis=0), "spread": 12 * part.var(axis=0),
        }  # fmt: skip
        return pd.DataFrame(columns, index=found.index).sort_values("p")

    def band(self, level: float = 0.95) -> pd.DataFrame:
        """Return where the empirical distribution of uniform ranks lies everywhere with this probability.

        Returns
        -------
        DataFrame
            Index the part of the ranks, z; columns low and high, and a column for each number: the share of its ranks
            up to there. Säilynoja T, Bürkner P-C, Vehtari A. Stat Comput 2022;32:32.
        """
        import pandas as pd

        z, low, high = ecdf_band(len(self.ranks), self.draws, check_level("RankTest.band", level))
        places = np.arange(1, self.draws + 1)
        shares = {n: (self.ranks[n].to_numpy()[:, None] < places).mean(axis=0) for n in self.ranks.columns}
        return pd.DataFrame({"low": low, "high": high, **shares}, index=pd.Index(z, name="z"))

    @property
    def table(self) -> pd.DataFrame:
        """One compact row per number, least probable first, for a file.

        Columns number, sets (synthetic reports), draws, effective (median), then those of :meth:`test` with ten bins.
        """
        found = self.test().round(4)
        found.insert(0, "sets", len(self.ranks))
        found.insert(1, "draws", self.draws)
        worth = self.draws if self.effective is None else self.effective.median().reindex(found.index)
        found.insert(2, "effective", worth)
        return found.rename_axis("number").reset_index()


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
    anew. Ranks are uniform if likelihood, gradient, transformations and sampler fit together. That of one cohort is a
    fraction of the work: ``study.with_(patients=["seed/*"])``.

    Parameters
    ----------
    study : Study, str or path
    n : int
        Synthetic reports.
    method : {"nuts", "mode"}
        With ``mode`` the normal approximation is tested, which need not pass.
    seed : int
    ranks : int
        Draws that the truth is ranked among, evenly taken from all; fewer where all of them are worth less.
    settings : mapping, optional
        Of the sampler; one short chain by default, of 300 + 300 draws.
    out : path, optional
        Folder for finished synthetic reports, from which a killed run goes on, or one with a larger n.
    cores : int, optional
        Processes, each with a report of its own; as many as there are cores by default. Ranks do not depend on it.
    progress : bool, optional
        Show a bar; by default on terminals.

    Returns
    -------
    RankTest
        Beside every estimated number also ``log_likelihood``, which sees what single numbers do not.

    Raises
    ------
    PkpdError
        If no report can be fitted, an argument is wrong, or the file in ``out`` cannot be read.
    KeyboardInterrupt
        After what was finished was kept.
    """
    import pandas as pd

    check_choice("simulation_based_calibration: method", method, ("nuts", "mode"))
    if n < 1 or ranks < 9:
        raise PkpdError(f"simulation_based_calibration: n must be >= 1 and ranks >= 9, got {n} and {ranks}")
    problem = as_study(study).problem
    chosen = {**_SHORT, **(settings or {})}
    head = {"what": "sbc", "study": problem.mark, "seed": check_seed(seed), "method": method, "settings": chosen,
            "ranks": ranks}  # fmt: skip
    replicate = _Replicate(problem, method, chosen, seed, ranks)
    processes = min(all_cores() if cores is None else whole_number("simulation_based_calibration: cores", cores, 1), n)
    with Workers(replicate, processes) as workers:
        work = {str(i): functools.partial(workers, i) for i in range(n)}
        done = run_pieces(
            work, text="refitting synthetic reports", head=head, threads=processes, progress=progress,
            checkpoint=_file(out, problem.study.name, head),
        )  # fmt: skip
    if done.interrupted:
        raise KeyboardInterrupt
    failed = {int(k): str(r["error"]) for k, r in done.records.items() if "error" in r}
    good = [r for r in done.records.values() if "error" not in r]
    if not good:
        raise PkpdError(f"simulation_based_calibration: no synthetic report could be fitted (first: {failed[0]})")
    return RankTest(
        pd.DataFrame([r["ranks"] for r in good]), ranks, sum(r["passed"] for r in good),
        pd.DataFrame([r["effective"] for r in good]), failed,
    )  # fmt: skip


def _file(out: str | os.PathLike[str] | None, name: str, head: Mapping[str, Any]) -> Path | None:
    """Return where finished synthetic reports are kept."""
    if out is None:
        return None
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PkpdError(f"simulation_based_calibration: out={os.fspath(out)!r} cannot be written: {error}") from None
    digest = hashlib.sha256(json_text(head).encode()).hexdigest()[:12]
    return folder / f"sbc-{name}-seed{head['seed']}-{digest}.jsonl"


@dataclass(eq=False)
class _Replicate:
    """Draws a truth and a report of it, fits the report, and ranks the truth; a function of a number."""

    problem: StudyProblem
    method: str
    settings: Mapping[str, float]
    seed: int
    ranks: int
    replicator: Replicator | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "replicator": None}

    def __call__(self, i: int) -> dict[str, Any]:
        if self.replicator is None:
            self.replicator = Replicator(self.problem)
        truth, anew, passed = _synthetic(self.problem, self.replicator, self.seed, i)
        posterior = anew.posterior()
        q = _fit(anew, posterior, self.method, self.settings, self.seed + i, self.ranks)
        ranks, effective = _ranked(posterior, truth, q, self.ranks, np.random.default_rng([self.seed, 16, i]))
        return {"ranks": ranks, "effective": effective, "passed": passed}


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
    problem: StudyProblem, posterior: StudyPosterior, method: str, settings: Mapping[str, float], seed: int, ranks: int
) -> Floats:  # fmt: skip
    """Return draws of a posterior, shape (chain, draw, dim); independent ones in chains of one draw."""
    if method == "mode":
        return laplace(posterior, find_mode(posterior, starts=2, seed=seed), draws=ranks, seed=seed).draws[:, None]
    store = ChainStore(None, problem.study.name, problem.mark, seed, settings)
    return sample(problem.posterior, settings=settings, seed=seed, store=store, cores=1, progress=False).q


def _ranked(
    posterior: StudyPosterior, truth: Floats, q: Floats, ranks: int, rng: np.random.Generator
) -> tuple[dict[str, int], dict[str, int]]:
    """Return the rank of each true number among draws (chain, draw, dim), and among how many of these it was counted.

    Draws that follow each other are alike, so that few are as good as many: ranks among n of them are those among
    ``k <= n`` draws, evenly taken, where k is what they are worth. A rank r among k is brought to the scale of the
    others, ``floor((ranks + 1) (r + u) / (k + 1))`` with u uniform, which is uniform if r is.
    """
    out: dict[str, int] = {}
    worth: dict[str, int] = {}
    for name, (true, drawn) in _numbers(posterior, truth, q).items():
        flat = drawn.reshape(-1)
        if np.ptp(flat) == 0:
            continue
        k = flat.size
        if q.shape[1] > 1:  # chains of one draw are independent draws
            k = int(min(diagnose({name: drawn})[name]["ess_bulk"], k))
        k = max(min(k, ranks), 1)
        some = flat[np.linspace(0, flat.size - 1, k).round().astype(int)]
        r = int((some < true).sum())
        out[name] = r if k == ranks else int((ranks + 1) * (r + rng.uniform()) / (k + 1))
        worth[name] = k
    return out, worth


def _numbers(posterior: StudyPosterior, truth: Floats, q: Floats) -> dict[str, tuple[float, Floats]]:
    """Return each number at the truth and in draws, (chain, draw)."""
    vector, shape = posterior.vector, q.shape[:2]
    at, draws = vector.transform(truth), vector.transform(q)
    out: dict[str, tuple[float, Floats]] = {}
    for v in vector.variables:
        true, drawn = np.atleast_1d(at[v.name]), draws[v.name].reshape(*shape, -1)
        labels = getattr(vector, {"patient": "patients", "cohort": "groups"}[v.dims[0]]) if v.dims else ("",)
        for i, label in enumerate(labels):
            out[f"{v.name}[{label}]" if label else v.name] = float(true[i]), drawn[..., i]

    def level(x: Floats) -> float:
        return posterior.logp(x) - vector.log_prior(x)

    out["log_likelihood"] = level(truth), np.array([[level(x) for x in chain] for chain in q])
    return out
