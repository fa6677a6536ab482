"""A fit as plain tables: a line for each row of the data, or for each subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import PkpdError, nearest
from pkpd.estimation.checks.residuals import diagnostics
from pkpd.kinds import needs
from pkpd.model.numeric import Person
from pkpd.options import checked

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from pkpd.estimation.result import Fit

__all__ = ["listing"]

OF = ("rows", "subjects")


@checked
def listing(fit: Fit, of: str = "rows", *, n: int = 0, seed: int = 0) -> pd.DataFrame:
    """Return predictions and residuals of each row, or individual parameters of each subject, as a plain table.

    Parameters
    ----------
    fit : Fit
    of : {"rows", "subjects"}
        ``rows``: as NONMEM's sdtab, a line for each observation: ID, TIME, output (where there are several), DV, CENS,
        PRED, IPRED, CPRED, RES, IRES, WRES, IWRES, CWRES, and ``eta_<parameter>`` of the subject. ``subjects``: as
        patab and cotab, a line for each subject: ID, number of observations, covariates (their first values),
        individual parameters, and ``eta_<parameter>``.
    n, seed : int
        Simulated data sets for NPDE and NPD, which are added to the rows; 0 for none. See
        :func:`pkpd.estimation.checks.residuals.diagnostics`.

    Raises
    ------
    PkpdError
        If ``of`` is unknown.

    Examples
    --------
    >>> import pkpd
    >>> from pkpd.estimation.api import fit
    >>> model = pkpd.models["pk1_iv"]
    >>> table = pkpd.EventTable.from_regimen([pkpd.Regimen(amt=100)] * 8, [1, 4, 12, 24])
    >>> people = pkpd.Population.draw(model, 8, seed=1)
    >>> table.frame["DV"] = pkpd.simulate(model, table, people, residual=True)["Cc_observed"].values
    >>> found = fit(model, pkpd.read_events(table.frame.drop(columns="MDV")), pkpd.methods.Fo(covariance=None))
    >>> len(listing(found)), len(listing(found, "subjects"))
    (32, 8)
    """
    needs("listing", fit, ("Fit",), "pkpd.fit makes one")
    if of not in OF:
        raise PkpdError(f"table: of must be {' or '.join(OF)}, got {of!r}{nearest(str(of), OF)}")
    return _rows(fit, diagnostics(fit, n=n, seed=seed)) if of == "rows" else _subjects(fit)


def _effects(fit: Fit) -> dict[str, np.ndarray]:
    return {f"eta_{name}": fit.effects[:, k] for k, name in enumerate(fit.etas)}


def _rows(fit: Fit, found: xr.Dataset) -> pd.DataFrame:
    import pandas as pd

    columns: dict[str, Any] = {"ID": found["ID"].values, "TIME": found["TIME"].values}
    if len(fit.data.outputs) > 1:
        columns["output"] = found["output"].values
    columns |= {str(k): v.values for k, v in found.data_vars.items() if v.dims == ("row",)}
    owner = pd.Index(fit.data.labels.astype(str)).get_indexer(pd.Index(found["ID"].values.astype(str)))
    columns |= {name: values[owner] for name, values in _effects(fit).items()}
    return pd.DataFrame(columns)


def _subjects(fit: Fit) -> pd.DataFrame:
    import pandas as pd

    data, model = fit.data, fit.model
    covariates = {n: np.asarray(v, float) for n, v in data.constant.items()}
    columns: dict[str, Any] = {"ID": data.labels, "n_observations": np.diff(data.starts)}
    columns |= covariates
    people = [
        Person.of(
            model,
            etas=dict(zip(fit.etas, row, strict=True)),
            covariates={n: float(v[i]) for n, v in covariates.items()},
        ).p
        for i, row in enumerate(fit.effects[:, : len(fit.etas)].tolist())
    ]
    columns |= {name: np.array([p[name] for p in people]) for name in people[0]}
    return pd.DataFrame(columns | _effects(fit))
