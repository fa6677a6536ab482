"""Residuals, predictions and random effects of a fit, row by row."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import PkpdError, nearest
from pkpd.estimation.checks.fitted import Fitted
from pkpd.estimation.checks.prediction_errors import npde
from pkpd.estimation.whiten import whiten
from pkpd.kinds import needs
from pkpd.options import checked

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.estimation.result import Fit

__all__ = ["ROOTS", "diagnostics", "standardised"]

ROOTS = ("symmetric", "cholesky")


@checked
def diagnostics(
    fit: Fit, *, n: int = 1000, seed: int = 0, root: str = "symmetric", decorrelation: str = "cholesky",
    bloq: str = "impute",
) -> xr.Dataset:  # fmt: skip
    """Return predictions and residuals of each observation, and what is to be seen of each subject.

    With f the prediction, G its derivatives by the random effects, eta the most probable random effects, Omega their
    covariance, and S the diagonal covariance of the residual errors:

    - ``PRED`` f at eta = 0, ``IPRED`` f at eta, ``CPRED`` f(eta) - G(eta) eta;
    - ``RES`` DV - PRED, ``IRES`` DV - IPRED, ``IWRES`` IRES over the residual standard deviation at IPRED;
    - ``WRES``  C^(-1/2) (DV - PRED), C = G Omega G^T + S, with G and S at eta = 0 (first order);
    - ``CWRES`` C^(-1/2) (DV - CPRED), with G at eta, and S at IPRED or, where the fit is without interaction, at PRED;
    - ``NPD`` and ``NPDE`` as :func:`pkpd.estimation.checks.prediction_errors.npde` has them.

    Where the error is log-normal, WRES, IWRES and CWRES are those of log DV and log f, and CPRED is the exponential of
    its linear prediction. Counts have their own variance in S. Grades and events in time have predictions, and grades
    NPD. Of censored data only NPD and NPDE are given, and DV is the limit; where many are censored the
    weighted residuals of the others lie above 0 even if the model is right, and NPDE is to be looked at.

    Parameters
    ----------
    fit : Fit
    n : int
        Simulated data sets for NPDE; 0 leaves NPD and NPDE out.
    seed : int
        Of these.
    root : {"symmetric", "cholesky"}
        Which root of C: the symmetric one keeps each residual with its own row, the triangular one takes rows in order
        of time (NONMEM's WRESCHOL).
    decorrelation, bloq : str
        As for :func:`pkpd.estimation.checks.prediction_errors.npde`.

    Returns
    -------
    xarray.Dataset
        Dimension ``row`` (coordinates ID, TIME, output, unit, and the number of the row in its source), and for each
        subject EBE over ``parameter`` and its objective; ``shrinkage`` over ``parameter`` and ``eps_shrinkage`` over
        ``observed``, as 1 - SD ratios.

    Raises
    ------
    PkpdError
        If a word is unknown.

    Notes
    -----
    Source of CWRES and CPRED: Hooker AC, Staatz CE, Karlsson MO. Pharm Res 2007;24:2187-2197; of shrinkage: Savic RM,
    Karlsson MO. AAPS J 2009;11:558-569.

    Examples
    --------
    >>> import pkpd
    >>> from pkpd.estimation.api import fit
    >>> model = pkpd.models["pk1_iv"]
    >>> table = pkpd.EventTable.from_regimen([pkpd.Regimen(amt=100)] * 8, [1, 4, 12, 24])
    >>> people = pkpd.Population.draw(model, 8, seed=1)
    >>> table.frame["DV"] = pkpd.simulate(model, table, people, residual=True)["Cc_observed"].values
    >>> found = diagnostics(fit(model, pkpd.read_events(table.frame.drop(columns="MDV"))), n=200)
    >>> found["CWRES"].dims, bool(abs(found["CWRES"].std() - 1) < 0.2)
    (('row',), True)
    """
    needs("diagnostics", fit, ("Fit",), "pkpd.fit makes one")
    import xarray as xr

    if root not in ROOTS:
        raise PkpdError(f"diagnostics: root must be {' or '.join(ROOTS)}, got {root!r}{nearest(str(root), ROOTS)}")
    fitted = Fitted(fit)
    values = _residuals(fitted, root)
    notes: list[str] = []
    if n:
        errors = npde(fit, n=n, seed=seed, decorrelation=decorrelation, bloq=bloq)
        values |= {"NPDE": errors["NPDE"].values, "NPD": errors["NPD"].values}
        notes += [t for t in str(errors.attrs["notes"]).split("\n") if t]
    kept = fitted.one_a_row
    values = {k: v if v.size == kept.size else v[kept] for k, v in values.items()}
    data: dict[str, Any] = {k: ("row", v, _attributes(fitted, k)) for k, v in values.items()}
    data |= _by_subject(fit, fitted)
    out = xr.Dataset(data, _row_coordinates(fitted, kept) | _subject_coordinates(fit, fitted))
    out.attrs = {"model": fit.model.name, "method": fit.method, "root": root, "notes": "\n".join(notes)}
    if n:
        out.attrs |= {"n": n, "seed": seed, "decorrelation": decorrelation, "bloq": bloq}
    return out


# -- rows


def _residuals(fitted: Fitted, root: str) -> dict[str, np.ndarray]:
    """Return the residuals of all data, (N,) each."""
    y = np.where(fitted.data.censored == 0, fitted.data.y, np.nan)
    pred, flat = fitted.slopes(np.zeros_like(fitted.effects))
    ipred, steep = fitted.slopes(fitted.effects)
    log = fitted.kind == "log"
    at = np.einsum("np,np->n", steep, fitted.effects[fitted.subject])
    sd_pred, sd_ipred = fitted.sd(pred), fitted.sd(ipred)
    with np.errstate(divide="ignore", invalid="ignore"):
        Y, F0, F = (np.where(log, np.log(v), v) for v in (y, pred, ipred))
        by_pred, by_ipred = (np.where(log, 1.0 / v, 1.0) for v in (pred, ipred))
        linear = F - at * by_ipred
        cpred = linear.copy()
        cpred[log] = np.exp(linear[log])
        iwres = (Y - F) / sd_ipred
    usual = np.isin(fitted.kind, ("normal", "log", "count"))
    out = {
        "DV": fitted.data.y, "CENS": fitted.data.censored, "PRED": pred, "IPRED": ipred,
        "CPRED": np.where(usual, cpred, np.nan), "RES": np.where(usual, y - pred, np.nan),
        "IRES": np.where(usual, y - ipred, np.nan), "IWRES": np.where(usual, iwres, np.nan),
    }  # fmt: skip
    sd = sd_ipred if fitted.interaction else sd_pred
    usual &= np.isfinite(y)
    out["WRES"] = standardised(fitted, Y - F0, flat * by_pred[:, None], sd_pred, usual, root)
    out["CWRES"] = standardised(fitted, Y - linear, steep * by_ipred[:, None], sd, usual, root)
    return out


def standardised(
    fitted: Fitted, residual: np.ndarray, G: np.ndarray, sd: np.ndarray, usual: np.ndarray, root: str
) -> np.ndarray:
    """Return C^(-1/2) r of each subject, C = G Omega G^T + diag(sd^2); NaN where C is singular.

    Parameters
    ----------
    fitted : Fitted
    residual, sd : float array, (N,)
    G : float array, (N, p)
    usual : bool array, (N,)
        Data that have a residual.
    root : {"symmetric", "cholesky"}
    """
    out = np.full(fitted.n, np.nan)
    half = G @ fitted.factor
    usual = usual & np.isfinite(residual) & np.isfinite(half).all(axis=1) & np.isfinite(sd)
    starts = fitted.data.starts
    for a, b in itertools.pairwise(starts.tolist()):
        rows = a + np.flatnonzero(usual[a:b])
        if rows.size:
            C = half[rows] @ half[rows].T
            C[np.diag_indices(rows.size)] += sd[rows] ** 2
            out[rows] = whiten(C, residual[rows], root)
    return out


# -- what is written beside


_NAMES = {
    "DV": "observation", "CENS": "1 below DV, -1 above DV, 0 measured", "PRED": "population prediction",
    "IPRED": "individual prediction", "CPRED": "conditional population prediction", "RES": "residual of PRED",
    "IRES": "residual of IPRED", "WRES": "weighted residual", "IWRES": "individual weighted residual",
    "CWRES": "conditional weighted residual", "NPDE": "normalised prediction distribution error",
    "NPD": "normalised prediction discrepancy",
}  # fmt: skip

_OWN = frozenset((
    "row", "subject", "parameter", "observed", "unit", "output", "occasion", "EBE", "EBE_iov", "omega", "shrinkage",
    "n_observations", "eps_shrinkage", "parameter_iov",
))  # fmt: skip


def _attributes(fitted: Fitted, name: str) -> dict[str, str]:
    units = {fitted.model.outputs[o].unit or "1" for o in fitted.data.outputs}
    own = "1"
    if name in ("DV", "PRED", "IPRED", "CPRED", "RES", "IRES"):
        own = units.pop() if len(units) == 1 else "see coordinate unit"
    return {"long_name": _NAMES[name], "units": own}


def _row_coordinates(fitted: Fitted, kept: np.ndarray) -> dict[str, Any]:
    table, data = fitted.data.table, fitted.data
    rows = data.row[kept]
    source = np.arange(1, len(table) + 1) if table.rows is None else table.rows
    time: dict[str, str] = {"long_name": "time", "units": fitted.model.time_unit}
    output = fitted.output[kept]
    return {
        "row": ("row", source[rows], {"long_name": "row of the data set, from 1"}),
        "ID": ("row", np.asarray(data.labels)[data.subject[kept]]),
        "TIME": ("row", table.frame["TIME"].to_numpy(np.float64)[rows], time),
        "output": ("row", output),
        "unit": ("row", np.array([fitted.model.outputs[str(o)].unit or "1" for o in output])),
    }


def _subject_coordinates(fit: Fit, fitted: Fitted) -> dict[str, Any]:
    out: dict[str, Any] = {"subject": ("subject", np.asarray(fitted.data.labels)), "parameter": list(fit.etas)}
    observed = [n for n in fitted.data.outputs if f"eps_{n}" in fit.shrinkage]
    if observed:
        out["observed"] = observed
    return out | _covariates(fit, fitted)


def _covariates(fit: Fit, fitted: Fitted) -> dict[str, Any]:
    """Return the covariates of the model and other columns of numbers, first value of each subject, that differ."""
    table = fitted.data.table
    first = table.starts[:-1]
    columns = {n: table.frame[n].to_numpy(np.float64)[first] for n in table.covariates} | dict(fitted.data.constant)
    out: dict[str, Any] = {}
    for name, values in columns.items():
        if name in _NAMES or name in _OWN or (values == values[0]).all():
            continue
        declared = fit.model.covariates.get(name)
        attrs = {"units": "1" if declared is None else declared.unit or "1"}
        if declared is not None and declared.meaning:
            attrs["long_name"] = declared.meaning
        out[name] = ("subject", np.asarray(values, np.float64), attrs | {"covariate": 1})
    return out


def _by_subject(fit: Fit, fitted: Fitted) -> dict[str, Any]:
    """Return the variables that do not stand on rows."""
    shrinkage = fit.shrinkage
    e = len(fit.etas)
    what = "1 - SD of the estimates / SD of the model"
    out: dict[str, Any] = {
        "EBE": (("subject", "parameter"), fitted.effects[:, :e], {"long_name": "random effect", "units": "1"}),
        "omega": ("parameter", np.diag(fit.omega).copy(), {"long_name": "variance of the random effect", "units": "1"}),
        "shrinkage": ("parameter", np.array([shrinkage[n] for n in fit.etas]), {"long_name": what, "units": "1"}),
        "n_observations": ("subject", np.bincount(fitted.subject, minlength=fitted.m), {"units": "1"}),
    }
    observed = [n for n in fitted.data.outputs if f"eps_{n}" in shrinkage]
    if observed:
        eps = np.array([shrinkage[f"eps_{n}"] for n in observed])
        out["eps_shrinkage"] = ("observed", eps, {"long_name": "1 - SD of IWRES", "units": "1"})
    if fit.layout.kappas:
        occasions = fit.problem.links.occasions
        kappas = fitted.effects[:, e:].reshape(fitted.m, occasions, len(fit.layout.kappas))
        attrs = {"long_name": "random effect of the occasion", "units": "1"}
        out["EBE_iov"] = (("subject", "occasion", "parameter_iov"), kappas, attrs)
    return out
