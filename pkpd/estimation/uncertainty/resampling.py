"""Bootstrap of a fit: refits to subjects drawn with replacement."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from pkpd.errors import PkpdError, nearest
from pkpd.estimation.again import problem_again, refitting
from pkpd.estimation.pieces import Record, run_pieces
from pkpd.estimation.problem import threads_for
from pkpd.estimation.uncertainty.sampled import Sampled
from pkpd.kinds import needs
from pkpd.options import checked, whole_number
from pkpd.randomness import check_seed

if TYPE_CHECKING:
    from pkpd.estimation.method import Method
    from pkpd.estimation.result import Fit

__all__ = ["Bootstrap", "bootstrap"]

#: stream of the random numbers of replicates
STREAM = 21
#: fewest converged replicates that a spread is told from
FEWEST = 2


@dataclass(frozen=True, eq=False, repr=False)
class Bootstrap(Sampled):
    """Estimates of replicates; ``vectors`` holds those that converged.

    Attributes
    ----------
    ofv : float array, (k,)
        Objective of each replicate that converged.
    replicate : int array, (k,)
        Number of each of them.
    unconverged : dict of int to str
        Replicates whose search did not converge, and why; left out.
    failed : dict of int to str
        Replicates without a result, and why.
    """

    ofv: np.ndarray
    replicate: np.ndarray
    unconverged: dict[int, str]
    failed: dict[int, str]

    def _head(self) -> list[str]:
        return [f"Bootstrap of '{self.fit.layout.model.name}' by {self.fit.method}: {len(self.vectors)} replicates"]


@checked
def bootstrap(
    fit: Fit,
    n: int = 200,
    *,
    by: str | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    method: Method | None = None,
) -> Bootstrap:
    """Refit to data sets of subjects drawn with replacement, beginning at the estimates.

    Replicate k of a seed is the same for every ``n``, so a run can be extended from its checkpoint.

    Parameters
    ----------
    fit : Fit
    n : int
        Replicates.
    by : str, optional
        Column of the data (its first value of each subject); each of its groups keeps its number of subjects.
    seed : int
    threads : int, optional
        Replicates side by side; by default all cores, but one for small data sets, where threads cost more than they
        give. Results do not depend on it.
    progress : bool, optional
    checkpoint : path, optional
        File to which each finished replicate is added. If it is there, the replicates in it are not done again.
    method : Method, optional
        That of the fit with options of the refits, such as ``Focei(max_iterations=50)``.

    Returns
    -------
    Bootstrap
        ``ci()`` are percentile intervals. Ctrl-C ends it with the replicates so far.

    Raises
    ------
    PkpdError
        If fewer than two replicates converged, or an argument is wrong.

    Notes
    -----
    Efron B. Ann Stat 1979;7:1-26; of subjects: Parke J, Holford NHG, Charles BG. Comput Methods Programs Biomed
    1999;59:19-29.

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
    >>> sample = bootstrap(found, 5)
    >>> sample.vectors.shape, list(sample.ci(0.9))[:2]
    ((5, 5), ['CL', 'V'])
    """
    needs("bootstrap", fit, ("Fit",), "pkpd.fit makes one")
    n = whole_number("bootstrap: n", n, FEWEST)
    fit.refuse_draws("bootstrap")
    groups = _groups(fit, by)
    how = refitting(fit, method, "bootstrap")
    check_seed(seed)
    head = {
        "what": "bootstrap", "method": fit.method, "labels": list(fit.layout.labels), "x": fit.x, "seed": seed,
        "by": by, "subjects": [str(v) for v in fit.data.labels],
        "options": {f.name: str(getattr(how, f.name)) for f in fields(how)},
    }  # fmt: skip

    def piece(k: int) -> Callable[[], Record]:
        return lambda: _replicate(fit, how, draw_subjects(groups, seed, k))

    work = {str(k): piece(k) for k in range(n)}
    done = run_pieces(
        work, text=f"bootstrap of {fit.layout.model.name}", head=head,
        threads=threads_for(threads, fit.data), progress=progress, checkpoint=checkpoint,
    )  # fmt: skip
    return _collected(fit, {int(k): r for k, r in done.records.items()}, done.messages(n, checkpoint))


def draw_subjects(groups: list[np.ndarray], seed: int, k: int) -> np.ndarray:
    """Return the subjects of replicate k, in ascending order.

    Parameters
    ----------
    groups : list of int array
        Numbers of subjects, each group drawn from on its own.
    seed, k : int
    """
    rng = np.random.default_rng([seed, STREAM, k])
    return np.sort(np.concatenate([g[rng.integers(0, g.size, g.size)] for g in groups]))


def _groups(fit: Fit, by: str | None) -> list[np.ndarray]:
    """Return the subjects to draw from, by group."""
    m, frame = fit.data.n_subjects, fit.events.frame
    if by is None:
        return [np.arange(m)]
    if by not in frame.columns:
        known = [str(c) for c in frame.columns]
        raise PkpdError(f"bootstrap: the data have no column '{by}'; they have {', '.join(known)}{nearest(by, known)}")
    own = frame[by].to_numpy()[fit.events.starts[:-1]]
    _, group = np.unique(own.astype(str), return_inverse=True)
    return [np.flatnonzero(group == g) for g in range(group.max() + 1)]


def _replicate(fit: Fit, how: Method, chosen: np.ndarray) -> Record:
    begun = time.perf_counter()
    found = how.run(problem_again(fit, fit.data.of_subjects(chosen)))
    return {
        "x": found.x, "ofv": float(found.ofv), "converged": bool(found.converged),
        "why": "" if found.converged else next(iter(found.messages[-1:]), "not converged"),
        "seconds": time.perf_counter() - begun,
    }  # fmt: skip


def _collected(fit: Fit, records: dict[int, Record], messages: list[str]) -> Bootstrap:
    failed = {k: r["error"] for k, r in records.items() if "error" in r}
    open_ends = {k: r["why"] for k, r in records.items() if "error" not in r and not r["converged"]}
    good = {k: r for k, r in records.items() if k not in failed and k not in open_ends}
    for what, some in (("failed", failed), ("did not converge", open_ends)):
        if some:
            first = next(iter(some))
            messages.append(
                f"{len(some)} of {len(records)} replicates {what} and are left out (first: {first}, {some[first]})"
            )
    if len(good) < FEWEST:
        raise PkpdError(
            f"bootstrap: {len(good)} of {len(records)} replicates converged, {FEWEST} are needed: {'; '.join(messages)}"
        )
    return Bootstrap(
        fit, np.array([r["x"] for r in good.values()], np.float64), tuple(messages),
        np.array([r["ofv"] for r in good.values()]), np.array(list(good), np.int64), open_ends, failed,
    )  # fmt: skip
