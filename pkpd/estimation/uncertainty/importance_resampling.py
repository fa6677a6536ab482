"""Sampling importance resampling: how well estimates are known, without refits and without a normal distribution."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pkpd.errors import PkpdError
from pkpd.estimation.again import objective_again
from pkpd.estimation.api import threads_for
from pkpd.estimation.pieces import Record, run_pieces
from pkpd.estimation.uncertainty.sampled import Sampled
from pkpd.estimation.weights import effective, log_t, normalised, standard_t
from pkpd.kinds import needs
from pkpd.options import checked
from pkpd.randomness import check_seed

if TYPE_CHECKING:
    from pkpd.estimation.result import Fit

__all__ = ["Sir", "sir"]

#: stream of the random numbers
STREAM = 22
#: vectors that share an objective: values depend on which are evaluated one after the other, not on threads
TOGETHER = 25


@dataclass(frozen=True, eq=False, repr=False)
class Sir(Sampled):
    """Resampled estimates; ``vectors`` holds those of the last iteration.

    Attributes
    ----------
    ess : tuple of float
        Effective number of draws of each iteration.
    rise : float array, (k,)
        By how much the objective of each resampled vector is above that of the fit.
    lost : int
        Draws of all iterations at which the objective could not be computed, or that lie beyond bounds.
    """

    ess: tuple[float, ...]
    rise: np.ndarray
    lost: int

    def _head(self) -> list[str]:
        shares = ", ".join(f"{e:.0f}" for e in self.ess)
        return [
            f"SIR of '{self.fit.layout.model.name}' by {self.fit.method}: {len(self.vectors)} resamples; effective "
            f"draws of each iteration {shares}"
        ]


@checked
def sir(
    fit: Fit,
    draws: int = 1000,
    resamples: int = 500,
    *,
    iterations: int = 2,
    inflation: float = 1.2,
    nu: float = 10.0,
    method: str | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Sir:
    """Draw vectors near the estimates and resample them by their likelihood.

    Proposals are multivariate t on the scale of estimation, with the covariance of the estimates in the first iteration
    and that of what was resampled in the next ones. Vectors are resampled without replacement, with probabilities
    proportional to likelihood over proposal density.

    Parameters
    ----------
    fit : Fit
        With a covariance of the estimates.
    draws, resamples : int
        Vectors of an iteration, and how many of them are kept.
    iterations : int
    inflation : float
        Factor on the covariance of the proposals.
    nu : float
        Degrees of freedom of the proposals.
    method : {"fo", "foce", "focei", "laplace"}, optional
        Objective; that of the fit, or FOCEI's where the method of the fit has none with a gradient. Priors of the fit
        are part of it.
    seed : int
    threads : int, optional
        By default all cores, but one for small data sets. Results do not depend on it.
    progress : bool, optional
    checkpoint : path, optional
        File that objectives are kept in, and read from if it is there.

    Returns
    -------
    Sir
        ``ci()`` are intervals between quantiles.

    Raises
    ------
    PkpdError
        If the fit has no covariance, an argument is wrong, or too few draws are possible.

    Notes
    -----
    Dosne A-G, Bergstrand M, Harling K, Karlsson MO. J Pharmacokinet Pharmacodyn 2016;43:583-596.

    Examples
    --------
    >>> import numpy as np
    >>> import pkpd
    >>> from pkpd.estimation.api import fit
    >>> model = pkpd.models["pk1_iv"]
    >>> dose = pkpd.Regimen(amt=100, cmt="central")
    >>> weights = [50, 62, 68, 74, 81, 95]
    >>> table = pkpd.EventTable.from_regimen([dose] * 6, [1.0, 6.0, 24.0], covariates={"WT": weights})
    >>> people = pkpd.Population.draw(model, 6, covariates={"WT": np.array(weights)}, seed=2)
    >>> table.frame["DV"] = pkpd.simulate(model, table, people, residual=True)["Cc_observed"].values
    >>> data = pkpd.read_events(table.frame.drop(columns="MDV"))
    >>> found = fit(model, data, "fo", fixed=["WT_CL", "WT_V"])
    >>> sample = sir(found, 50, 20, iterations=1)
    >>> low, high = sample.ci(0.9)["CL"]
    >>> low < found.theta["CL"] < high
    True
    """
    needs("sir", fit, ("Fit",), "pkpd.fit makes one")
    _check(fit, draws, resamples, iterations, inflation, nu)
    check_seed(seed)
    name = fit.smooth_method if method is None else method
    free = np.isfinite(np.diag(fit.uncertainty.scaled)) if fit.uncertainty is not None else np.empty(0, bool)
    centre, cov = fit.x[free], _of(fit, free)
    top = objective_again(fit, name)(fit.x).ofv
    ess, lost, messages = [], 0, []
    if name != fit.minimised:
        messages.append(f"of the objective of {name.upper()}, not of {fit.method}")
    if not free.all():
        held = [n for n, f in zip(fit.layout.labels, free, strict=True) if not f]
        messages.append(f"{', '.join(held)} keep{'s' if len(held) == 1 else ''} the estimate: at a bound")
    vectors, rise = fit.x[None], np.zeros(1)
    for i in range(iterations):
        rng = np.random.default_rng([seed, STREAM, i])
        factor = np.linalg.cholesky(inflation * cov)
        z = standard_t(rng.standard_normal((draws, centre.size)), rng.chisquare(nu, draws), nu)
        proposed = np.tile(fit.x, (draws, 1))
        proposed[:, free] = centre + z @ factor.T
        head = {
            "what": "sir",
            "method": name,
            "x": fit.x,
            "seed": seed,
            "draws": draws,
            "cov": fit.uncertainty.scaled if fit.uncertainty else None,
        }
        ofv, said = _objectives(fit, name, proposed, head, i, threads, progress, checkpoint)
        messages += said
        log_proposal = log_t((z * z).sum(axis=1), centre.size, nu)
        log_w = np.where(np.isfinite(ofv), -0.5 * (ofv - top) - log_proposal, -np.inf)
        lost += int((~np.isfinite(ofv)).sum())
        chosen = _resampled(log_w, resamples, rng)
        ess.append(float(effective(normalised(log_w))))
        vectors, rise = proposed[chosen], ofv[chosen] - top
        centre, cov = vectors[:, free].mean(axis=0), np.cov(vectors[:, free].T).reshape(centre.size, centre.size)
    if lost:
        messages.append(f"{lost} of {draws * iterations} draws are impossible (beyond bounds, or without an objective)")
    if rise.min() < -0.01:
        messages.append(
            f"the objective of a draw is {-rise.min():.2f} below that of the fit: the fit has not found the optimum"
        )
    if ess[-1] < resamples / 2:
        messages.append(
            f"only {ess[-1]:.0f} effective draws in the last iteration for {resamples} resamples: raise draws, "
            "iterations or inflation"
        )
    return Sir(fit, vectors, tuple(dict.fromkeys(messages)), tuple(ess), rise, lost)


def _check(fit: Fit, draws: int, resamples: int, iterations: int, inflation: float, nu: float) -> None:
    fit.refuse_draws("sir")
    if fit.uncertainty is None:
        raise PkpdError(
            f"sir: the fit has no covariance of the estimates to draw from ({fit.covariance_message}); call "
            "fit.covariance_step('S'), or pkpd.uncertainty.bootstrap(fit)"
        )
    numbers = {"draws": draws, "resamples": resamples, "iterations": iterations}
    wrong = [f"{n} {v}" for n, v in numbers.items() if isinstance(v, bool) or operator.index(v) < 1]
    if not 2 <= resamples <= draws:
        wrong.append(f"resamples {resamples} of {draws} draws (2 to all)")
    wrong += [f"{n} {v}" for n, v in (("inflation", inflation), ("nu", nu)) if not (v > 0 and math.isfinite(v))]
    if wrong:
        raise PkpdError(f"sir: numbers must be positive and resamples from 2 to draws, got {', '.join(wrong)}")


def _of(fit: Fit, free: np.ndarray) -> np.ndarray:
    """Return the covariance of the free part of the vector."""
    assert fit.uncertainty is not None
    return fit.uncertainty.scaled[np.ix_(free, free)]


def _objectives(
    fit: Fit, method: str, vectors: np.ndarray, head: Record, iteration: int, threads: int | None,
    progress: bool | None, checkpoint: str | os.PathLike[str] | None,
) -> tuple[np.ndarray, list[str]]:  # fmt: skip
    """Return the objective of each vector; inf where it cannot be computed."""
    n = len(vectors)
    low, high = fit.layout.low, fit.layout.high

    def piece(rows: range) -> Callable[[], Record]:
        def work() -> Record:
            objective = objective_again(fit, method)
            inside = [bool(np.all((vectors[r] >= low) & (vectors[r] <= high))) for r in rows]
            values = [objective(vectors[r]).ofv if ok else math.inf for r, ok in zip(rows, inside, strict=True)]
            return {"ofv": values}

        return work

    blocks = [range(a, min(a + TOGETHER, n)) for a in range(0, n, TOGETHER)]
    work = {f"{iteration}:{k}": piece(b) for k, b in enumerate(blocks)}
    done = run_pieces(
        work, text=f"SIR of {fit.layout.model.name}, iteration {iteration + 1}", head=head,
        threads=threads_for(threads, fit.data), progress=progress, checkpoint=checkpoint,
    )  # fmt: skip
    if done.interrupted:
        raise KeyboardInterrupt
    values = [
        r["ofv"] if "error" not in r else [math.inf] * len(b)
        for r, b in zip(done.records.values(), blocks, strict=True)
    ]
    return np.concatenate(values), done.messages(len(work), checkpoint) if done.resumed else []


def _resampled(log_w: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Return k numbers drawn without replacement with probabilities proportional to the weights.

    The k largest of log weight plus standard Gumbel numbers are such a draw (Efraimidis and Spirakis 2006).
    """
    possible = int(np.isfinite(log_w).sum())
    if possible < k:
        raise PkpdError(
            f"sir: {possible} of {log_w.size} draws are possible, {k} are to be resampled; the covariance of the "
            "estimates is too wide: lower inflation, or use pkpd.uncertainty.bootstrap(fit)"
        )
    keys = log_w + rng.gumbel(size=log_w.size)
    return np.sort(np.argsort(-keys)[:k])
