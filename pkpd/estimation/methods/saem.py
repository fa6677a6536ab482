"""The method SAEM: maximum likelihood without approximating the likelihood."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pkpd.estimation.method import CovarianceKind
from pkpd.estimation.methods.flipflop import flip_flop
from pkpd.estimation.methods.importance import importance
from pkpd.estimation.methods.limits import limits_of
from pkpd.estimation.methods.optimise import Step
from pkpd.estimation.methods.saem_ascent import ascend
from pkpd.estimation.methods.saem_checkpoint import EVERY, Checkpoint
from pkpd.estimation.methods.saem_run import SaemRun
from pkpd.estimation.methods.saem_settings import SaemSettings
from pkpd.estimation.result import Fit

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.estimation.problem import Problem

__all__ = ["Saem", "trace_dataset"]


@dataclass(frozen=True, kw_only=True)
class Saem(SaemSettings):
    """Stochastic approximation EM, with the objective by importance sampling at the end.

    Whether the averages of the smoothing are at the maximum is told by the gradient of the likelihood there; Newton's
    steps go on where they are not, see :mod:`pkpd.estimation.methods.saem_ascent`. ``converged`` means that the
    objective is not expected to fall by more than 0.5. ``trace`` of the fit holds every iteration;
    ``extra["importance"]`` what the objective is based on, ``extra["promised"]`` what it is expected to fall by.

    Parameters
    ----------
    points : int
        Of importance sampling, per subject; 0 for none: the objective is FOCEI's at the estimates then.
    burn_in, smoothing, chains, annealing, power, kernels, refresh, seed
        See :class:`pkpd.estimation.methods.saem_settings.SaemSettings`.
    checkpoint : path, optional
        File that the state is written to every 10 iterations, and read from if it is there.
    covariance : {"auto", "R", "S", "RS", "linearised"} or None
        As for :class:`pkpd.estimation.methods.focei.Focei`; ``auto`` is ``linearised``, since the estimates are no
        optimum of an approximated likelihood.

    Notes
    -----
    ``progress`` is called with each iteration; its ``ofv`` is -2 log-likelihood given the random effects of the chains,
    and in Newton's steps after them the objective.
    """

    name: ClassVar[str] = "saem"
    step: ClassVar[str | None] = "linearised"

    points: int = 512
    checkpoint: str | os.PathLike[str] | None = None
    covariance: CovarianceKind | None = "auto"

    def run(self, problem: Problem, progress: Callable[[Step], Any] | None = None) -> Fit:
        """Estimate."""
        begun = time.perf_counter()
        run = SaemRun(problem, self)
        messages = list(problem.messages)
        kept = None if self.checkpoint is None else Checkpoint(self.checkpoint, run)
        if kept is not None and kept.read():
            messages.append(f"went on from checkpoint {kept.path} (iteration {len(run.history)})")

        def watch(k: int, run: SaemRun) -> None:
            if kept is not None and (k + 1) % EVERY == 0:
                kept.write()
            if progress is not None:
                progress(Step(k, run.fit_of_data[-1], run.history[-1], math.nan))

        def on(k: int, ofv: float, x: np.ndarray) -> None:
            if progress is not None:
                progress(Step(run.total + k - 1, ofv, x, math.nan))

        x = run.run(watch)
        extra: dict[str, Any] = {
            "copies": run.copies, "burn_in": run.settings.burn_in, "solutions": run.complete.solutions,
            "accepted": {k: float(np.mean(v[-100:])) for k, v in run.chains.accepted.items()},
            "mu_referenced": [problem.layout.entries[t].name for t in run.means.thetas],
        }  # fmt: skip
        if run.message:
            outcome, converged = run.objective(x), False
            messages.append(run.message)
        else:
            end = ascend(problem, run.objective, run.means, x, self.seed, on)
            x, outcome, converged = end.x, end.outcome, end.converged
            extra |= {"promised": end.promised, "newton_steps": end.steps}
            messages += [end.message] if end.message else []
        limits = limits_of(run.objective, problem.layout, x, outcome)
        messages += limits.messages
        effects = run.objective.effects(x, outcome)
        if converged and not limits.flat:
            messages += flip_flop(problem, run.objective, x, effects)
        extra |= {"focei": outcome.ofv, "flat": list(limits.flat)}
        ofv = outcome.ofv
        if self.points:
            found = importance(problem, x, points=self.points, seed=self.seed, eta=effects)
            ofv = found.ofv
            extra |= {"importance": str(found), "ofv_se": found.se, "ess": found.ess.tolist()}
            messages.append(str(found))
        else:
            messages.append("the objective is that of FOCEI at the estimates")
        return Fit(
            problem, x, effects, ofv, self.name, converged and not limits.flat, messages, _trace(run),
            time.perf_counter() - begun, extra=extra,
        )  # fmt: skip


def _trace(run: SaemRun) -> list[dict[str, Any]]:
    labels = run.layout.labels
    return [
        {"iteration": k, "ofv": v, **dict(zip(labels, run.layout.quantities(x).tolist(), strict=True))}
        for k, (x, v) in enumerate(zip(run.history, run.fit_of_data, strict=True))
    ]


def trace_dataset(fit: Fit) -> xr.Dataset:
    """Return the history of a fit: ``value`` by iteration and parameter, and ``ofv`` by iteration.

    For SAEM ``ofv`` is -2 log-likelihood given the random effects of the chains, and the smoothing begins at
    iteration ``attrs["burn_in"]``.

    Parameters
    ----------
    fit : Fit
    """
    import xarray as xr

    labels = list(fit.layout.labels)
    values = np.array([[step[n] for n in labels] for step in fit.trace]).reshape(len(fit.trace), len(labels))
    iteration = [step["iteration"] for step in fit.trace]
    return xr.Dataset(
        {"value": (("iteration", "parameter"), values), "ofv": ("iteration", [step["ofv"] for step in fit.trace])},
        {"iteration": iteration, "parameter": labels},
        {"method": fit.method, **({"burn_in": fit.extra["burn_in"]} if "burn_in" in fit.extra else {})},
    )
