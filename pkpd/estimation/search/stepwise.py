"""Stepwise covariate search: relations are added while they better the fit, then taken away where they do not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import PkpdError
from pkpd.estimation.again import refitting, restated
from pkpd.estimation.pieces import Record, run_pieces
from pkpd.estimation.problem import pose, threads_for
from pkpd.estimation.search.criteria import chi2_tail
from pkpd.estimation.search.relations import Relation, relations_for, with_relations
from pkpd.kinds import needs
from pkpd.options import checked

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.method import Method
    from pkpd.estimation.result import Fit

__all__ = ["CovariateSearch", "covariate_search"]


@dataclass(frozen=True, eq=False, repr=False)
class CovariateSearch:
    """What a covariate search found and tried.

    Attributes
    ----------
    fit : Fit
        Of the last model, with standard errors where the first fit had them.
    relations : tuple of Relation
        That it has.
    log : DataFrame
        A row for each model tried: ``step``, ``direction`` (forward, backward), ``relation``, ``ofv``, ``drop`` (of the
        objective, by the relation), ``df``, ``p``, ``chosen``, ``converged``, ``error``.
    messages : tuple of str
        What the user should know.
    """

    fit: Fit
    relations: tuple[Relation, ...]
    log: pd.DataFrame
    messages: tuple[str, ...]

    def __repr__(self) -> str:
        chosen = np.flatnonzero(self.log["chosen"].to_numpy(bool)).tolist()
        lines = [
            f"Covariate search of '{self.fit.layout.model.name}' by {self.fit.method}: {len(self.log)} models tried"
        ]
        lines += [f"  {m}" for m in self.messages]
        for count, number in enumerate(chosen, 1):
            row: Any = self.log.iloc[number]
            verb = "added" if row["direction"] == "forward" else "taken away"
            lines.append(f"  {count}. {verb}: {row['relation']}, dOFV {row['drop']:.2f}, p = {row['p']:.2g}")
        names = "; ".join(map(str, self.relations)) or "no relation"
        return "\n".join([*lines, f"  final model: {names}; OFV {self.fit.ofv:.3f}"])


@dataclass
class _Search:
    """State of a search."""

    fit: Fit
    how: Method
    threads: int
    progress: bool | None
    checkpoint: str | os.PathLike[str] | None
    known: dict[str, Record] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    resumed: int = 0

    def __post_init__(self) -> None:
        self.known[""] = {"ofv": self.fit.ofv, "converged": self.fit.converged}

    def tried(self, models: Sequence[tuple[Relation, ...]], text: str) -> list[Record]:
        """Return the records of models, each the first one with some relations; without any it is the first fit."""
        keys = [_key(m) for m in models]
        new = {k: m for k, m in zip(keys, models, strict=True) if k not in self.known}
        work = {k: _trial(self.fit, m, self.how) for k, m in new.items()}
        head = {
            "what": "covariate search", "method": self.fit.method, "x": self.fit.x,
            "labels": list(self.fit.layout.labels),
            "options": {f.name: str(getattr(self.how, f.name)) for f in fields(self.how)},
        }  # fmt: skip
        done = run_pieces(
            work, text=text, head=head, threads=self.threads, progress=self.progress, checkpoint=self.checkpoint
        )
        self.known |= done.records
        self.resumed += done.resumed
        if done.interrupted:
            raise KeyboardInterrupt
        return [self.known[k] for k in keys]

    def note(self, step: int, direction: str, relation: Relation, record: Record, drop: float) -> dict[str, Any]:
        """Add a row to the log and return it."""
        df, failed = len(relation.thetas), "error" in record
        row = {
            "step": step, "direction": direction, "relation": str(relation), "ofv": record.get("ofv", float("nan")),
            "drop": float("nan") if failed else drop, "df": df, "p": float("nan") if failed else chi2_tail(drop, df),
            "chosen": False, "converged": bool(record.get("converged", False)), "error": record.get("error", ""),
        }  # fmt: skip
        self.rows.append(row)
        return row


@checked
def covariate_search(
    fit: Fit,
    relations: Mapping[str, Sequence[str] | Mapping[str, Sequence[str]]],
    *,
    forward: float = 0.05,
    backward: float = 0.01,
    threads: int | None = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    method: Method | None = None,
) -> CovariateSearch:
    """Search for covariate effects, forward and then backward, by likelihood-ratio tests.

    Forward: of all models with one relation more the one with the smallest p is taken, until none has p below
    ``forward``. A parameter has one relation with a covariate at most. Backward: of all models with one relation less
    the one with the largest p is taken, until all have p below ``backward``. Each model begins at the estimates of the
    first fit, without effects, so that none depends on the way to it.

    Parameters
    ----------
    fit : Fit
        Without these relations.
    relations : mapping of parameter to covariates
        ``{"CL": ["WT", "SEX"], "V": {"WT": ["power", "linear"]}}``; shapes are linear, power, exponential and
        categorical, see :class:`pkpd.estimation.search.relations.Relation`. Without a shape: categorical for two
        values, power for positive covariates, else linear.
    forward, backward : float
        Levels of significance.
    threads : int, optional
        Models side by side. Results do not depend on it.
    progress : bool, optional
    checkpoint : path, optional
        File to which each model tried is added. If it is there, the models in it are not fitted again.
    method : Method, optional
        That of the fit with options of the refits, such as ``Focei(max_iterations=50)``.

    Returns
    -------
    CovariateSearch

    Raises
    ------
    PkpdError
        If a relation cannot be tried, with all that is wrong. Ctrl-C ends the search; a checkpoint lets it go on.

    Notes
    -----
    Jonsson EN, Karlsson MO. Pharm Res 1998;15:1463-1468. The p values are those of single tests: of many relations some
    are found by chance, and the estimates of those that are found are too large on average.

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
    >>> covariate_search(found, {"CL": ["WT"]}, forward=0.001).relations
    ()
    """
    needs("covariate_search", fit, ("Fit",), "pkpd.fit makes one")
    import pandas as pd

    for name, level in (("forward", forward), ("backward", backward)):
        if not 0 < level < 1:
            raise PkpdError(f"covariate search: {name} must lie between 0 and 1, got {level}")
    if fit.method in ("nuts", "map"):
        raise PkpdError(f"covariate search: a fit by {fit.method} has no likelihood ratio; fit by focei first")
    how = refitting(fit, method, "covariate search")
    candidates = relations_for(fit, relations)
    search = _Search(fit, how, threads_for(threads, fit.data), progress, checkpoint)
    now, ofv = _forward(search, candidates, forward)
    now = _backward(search, now, ofv, backward)
    found = fit if not now else _refit(fit, now, how)
    if now and fit.uncertainty is not None and found.converged:
        found.covariance_step(fit.uncertainty.kind)
    log = pd.DataFrame(search.rows)
    return CovariateSearch(found, now, log, tuple(_messages(search, log)))


def _messages(search: _Search, log: pd.DataFrame) -> list[str]:
    out = []
    if search.resumed:
        out.append(f"{search.resumed} models were read from {search.checkpoint}")
    for what, rows in (
        ("failed", log[log["error"] != ""]),
        ("did not converge", log[(log["error"] == "") & ~log["converged"]]),
    ):
        if len(rows):
            first = rows.iloc[0]
            why = f": {first['error']}" if first["error"] else ""
            out.append(
                f"{len(rows)} of {len(log)} models {what} (first: step {first['step']}, {first['relation']}{why})"
            )
    return out


def _forward(search: _Search, candidates: list[Relation], level: float) -> tuple[tuple[Relation, ...], float]:
    """Return the relations that were added, and the objective with them."""
    now: tuple[Relation, ...] = ()
    ofv, step = search.fit.ofv, 0
    while True:
        there = {(r.parameter, r.covariate) for r in now}
        left = [r for r in candidates if (r.parameter, r.covariate) not in there]
        if not left:
            return now, ofv
        step += 1
        text = f"covariate search, step {step}: {len(left)} models"
        records = search.tried([(*now, r) for r in left], text)
        rows = [search.note(step, "forward", r, f, ofv - f.get("ofv", 0.0)) for r, f in zip(left, records, strict=True)]
        good = [k for k, row in enumerate(rows) if row["p"] < level]
        if not good:
            return now, ofv
        # p underflows for large drops, which then decide
        best = min(good, key=lambda k: (rows[k]["p"], -rows[k]["drop"]))
        rows[best]["chosen"] = True
        now, ofv = (*now, left[best]), rows[best]["ofv"]


def _backward(search: _Search, now: tuple[Relation, ...], ofv: float, level: float) -> tuple[Relation, ...]:
    """Return the relations that are left."""
    step = max((row["step"] for row in search.rows), default=0)
    while now:
        step += 1
        smaller = [tuple(r for r in now if r is not gone) for gone in now]
        records = search.tried(smaller, f"covariate search, step {step}: {len(smaller)} models")
        rows = [search.note(step, "backward", r, f, f.get("ofv", 0.0) - ofv) for r, f in zip(now, records, strict=True)]
        weak = [k for k, row in enumerate(rows) if row["p"] >= level]
        if not weak:
            return now
        worst = max(weak, key=lambda k: (rows[k]["p"], -rows[k]["drop"]))
        rows[worst]["chosen"] = True
        now, ofv = smaller[worst], rows[worst]["ofv"]
    return now


def _key(relations: Sequence[Relation]) -> str:
    return " & ".join(sorted(r.key for r in relations))


def _refit(fit: Fit, relations: Sequence[Relation], how: Method) -> Fit:
    """Return the fit of the first model with relations, begun at its estimates."""
    model = with_relations(fit.model, relations)
    settings = restated(fit)
    return how.run(pose(model, fit.data, **settings))


def _trial(fit: Fit, relations: Sequence[Relation], how: Method) -> Callable[[], Record]:
    def work() -> Record:
        begun = time.perf_counter()
        found = _refit(fit, relations, how)
        return {
            "ofv": float(found.ofv), "converged": bool(found.converged), "estimates": found.estimates,
            "seconds": time.perf_counter() - begun,
        }  # fmt: skip

    return work
