"""Which of several models: likelihood-ratio test, and a table of information criteria."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pkpd.errors import PkpdError
from pkpd.kinds import needs

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.result import Fit

__all__ = ["LikelihoodRatio", "chi2_tail", "compare_fits", "likelihood_ratio"]

#: by how much the objective of the larger model may be above that of the smaller one before it is told
NOISE = 0.01


@dataclass(frozen=True)
class LikelihoodRatio:
    """Likelihood-ratio test of a smaller model within a larger one.

    Attributes
    ----------
    statistic : float
        Objective of the smaller model less that of the larger one.
    df : int
        Estimates that the larger one has more.
    p : float
        Probability of such a drop if the smaller model is true.
    boundary : int
        Variances among the ``df`` that are 0 in the smaller model, at the edge of what is possible.
    messages : tuple of str
        What the user should know.
    """

    statistic: float
    df: int
    p: float
    boundary: int = 0
    messages: tuple[str, ...] = ()

    def __str__(self) -> str:
        how = "" if not self.boundary else f", {self.boundary} of them at the boundary"
        text = f"likelihood ratio {self.statistic:.3f} with {self.df} degrees of freedom{how}: p = {self.p:.3g}"
        return "\n".join([text, *(f"  {m}" for m in self.messages)])


def chi2_tail(statistic: float, df: int, boundary: int = 0) -> float:
    """Return the probability that chi squared is above a value.

    With ``boundary`` variances that are 0 under the hypothesis and uncorrelated, it is that of the mixture of chi
    squared distributions with ``df - boundary`` to ``df`` degrees of freedom in binomial shares (Self SG, Liang K-Y. J
    Am Stat Assoc 1987;82:605-610, cases 5 and 6).

    Parameters
    ----------
    statistic : float
    df, boundary : int

    Examples
    --------
    >>> round(chi2_tail(3.841, 1), 3), round(chi2_tail(2.706, 1, boundary=1), 3)
    (0.05, 0.05)
    """
    from scipy.special import chdtrc

    if statistic <= 0.0:
        return 1.0
    shares = [math.comb(boundary, k) / 2**boundary for k in range(boundary + 1)]
    tails = [float(chdtrc(df - boundary + k, statistic)) if df - boundary + k else 0.0 for k in range(boundary + 1)]
    return float(np.dot(shares, tails))


def likelihood_ratio(smaller: Fit, larger: Fit, *, boundary: int = 0) -> LikelihoodRatio:
    """Test a smaller model within a larger one.

    That one model is a case of the other cannot be checked; the drop then means nothing.

    Parameters
    ----------
    smaller, larger : Fit
        Of the same data by the same method.
    boundary : int
        How many of the estimates that the larger model has more are variances, which are 0 in the smaller one.

    Returns
    -------
    LikelihoodRatio

    Raises
    ------
    PkpdError
        If data or methods differ, or the larger model has not more estimates.

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
    >>> smaller = fit(model, data, "fo", fixed=["WT_CL", "WT_V", "V"])
    >>> likelihood_ratio(smaller, found).df
    1
    """
    for each in (smaller, larger):
        needs("likelihood_ratio", each, ("Fit",), "pkpd.fit makes one")
    _same(("smaller", smaller), ("larger", larger))
    df = larger.n_parameters - smaller.n_parameters
    if df < 1:
        raise PkpdError(
            f"likelihood_ratio: the larger model has {larger.n_parameters} estimates, the smaller one "
            f"{smaller.n_parameters}; give the smaller one first"
        )
    if not 0 <= operator.index(boundary) <= df:
        raise PkpdError(f"likelihood_ratio: boundary must be from 0 to {df}, the further estimates, got {boundary}")
    drop = smaller.ofv - larger.ofv
    messages = [
        f"the {w} model has not converged" for w, f in (("smaller", smaller), ("larger", larger)) if not f.converged
    ]
    if drop < -NOISE:
        messages.append(
            "the larger model fits worse, which cannot be where it holds the smaller one: it has not found its "
            "optimum, or the models are not nested"
        )
    known = set(larger.layout.labels)
    if gone := [n for n in smaller.layout.labels if n not in known]:
        messages.append(f"the larger model does not estimate {', '.join(gone)}: are the models nested?")
    messages += [
        f"objectives are known to -+ {f.extra['ofv_se']:.2g} only"
        for f in (smaller,)
        if f.extra.get("ofv_se", 0.0) > 0.05
    ]
    return LikelihoodRatio(drop, df, chi2_tail(drop, df, boundary), boundary, tuple(messages))


def compare_fits(*fits: Fit, **named: Fit) -> pd.DataFrame:
    """Return a table of fits of the same data by the same method, the lowest AIC first.

    Parameters
    ----------
    *fits : Fit or mapping of name to Fit
        Called by the names of their models, with a number where these are alike.
    **named : Fit

    Returns
    -------
    DataFrame
        ``parameters``, ``ofv``, ``loglik``, ``aic``, ``bic``, their distances from the lowest (``daic``, ``dbic``),
        ``weight`` (Akaike's: the share of evidence for each model if one of them is true), ``converged``,
        ``condition_number``, ``method``.

    Raises
    ------
    PkpdError
        If there are fewer than two, or data or methods differ.

    Notes
    -----
    Weights: Burnham KP, Anderson DR. Sociol Methods Res 2004;33:261-304.
    """
    for one in fits:
        for each in one.values() if isinstance(one, Mapping) else (one,):
            needs("compare_fits", each, ("Fit",), "pkpd.fit makes one")
    import pandas as pd

    every: dict[str, Fit] = {}
    for one in fits:
        own = dict(one) if isinstance(one, Mapping) else {one.layout.model.name: one}
        for name, fit in own.items():
            k, free = 2, str(name)
            while free in every:
                free, k = f"{name} ({k})", k + 1
            every[free] = fit
    if twice := [n for n in named if n in every]:
        raise PkpdError(f"compare_fits: {', '.join(twice)} is named twice; give other names")
    every |= named
    if len(every) < 2:
        raise PkpdError(f"compare_fits: give two fits or more, got {len(every)}")
    _same(*every.items())
    rows = {
        n: [f.n_parameters, f.ofv, f.loglik, f.aic, 0.0, 0.0, f.bic, 0.0, f.converged, f.condition_number, f.method]
        for n, f in every.items()
    }
    columns = [
        "parameters", "ofv", "loglik", "aic", "daic", "weight", "bic", "dbic", "converged", "condition_number",
        "method",
    ]  # fmt: skip
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns).sort_values("aic", kind="stable")
    for name in ("aic", "bic"):
        table[f"d{name}"] = table[name] - table[name].min()
    weight = np.exp(-0.5 * table["daic"])
    table["weight"] = weight / weight.sum()
    return table


def _same(*fits: tuple[str, Fit]) -> None:
    """Raise PkpdError unless all fits are of the same data by the same method."""
    first_name, first = fits[0]
    off = []
    for name, fit in fits[1:]:
        if fit.method != first.method:
            off.append(f"'{name}' is by {fit.method}, '{first_name}' by {first.method}")
        elif not _same_data(fit, first):
            off.append(
                f"'{name}' is of {fit.data.n_observations} observations of '{fit.events.name}', '{first_name}' of "
                f"{first.data.n_observations} of '{first.events.name}'"
            )
    if off:
        raise PkpdError(
            f"likelihoods cannot be compared between {len(off)} of {len(fits)} fits: {'; '.join(off)}; fit the same "
            "rows by the same method"
        )


def _same_data(one: Fit, other: Fit) -> bool:
    a, b = one.data, other.data
    return (
        a.y.size == b.y.size
        and np.array_equal(a.y, b.y)
        and np.array_equal(a.time, b.time)
        and np.array_equal(a.censored, b.censored)
        and one.settings["bloq"] == other.settings["bloq"]
    )
