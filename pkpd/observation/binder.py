"""What the rows of a data set are, and what looks wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.columns import CORE, KEPT
from pkpd.errors import DataError, nearest
from pkpd.simulation.covariates import match_covariates, occasions_of, problems_of

if TYPE_CHECKING:
    from pkpd.dosing.events import EventTable
    from pkpd.model.model import Model
    from pkpd.observation.reports import ReportedRows

__all__ = ["Binder"]

#: columns that have a meaning here or that a model may use, beside covariates
MEANT = frozenset({*CORE, *KEPT, "WHEN"})


class Binder:
    """Collects rows, faults and messages."""

    def __init__(self, model: Model, table: EventTable, bloq: str, reported: Sequence[ReportedRows] = ()) -> None:
        self.model, self.table, self.bloq, self.reported = model, table, bloq, tuple(reported)
        self.frame = {name: table.frame[name].to_numpy() for name in table.frame.columns}
        self.problems = problems_of(table)
        self.messages: list[str] = []
        self.errors = {n: o.error for n, o in model.outputs.items() if o.error is not None}
        self.owner = np.repeat(np.arange(table.n_subjects), np.diff(table.starts))

    def note(self, where: np.ndarray, text: str, show: tuple[str, ...] = ()) -> None:
        """Add a message on rows, with their number and the first one."""
        n = int(np.count_nonzero(where))
        if n:
            first = self.problems.where(int(np.argmax(where)), show)
            self.messages.append(f"{text} in {n} row{'s' if n > 1 else ''} (first: {first})")

    # -- which output a row observes

    def outputs(self, observed: np.ndarray) -> np.ndarray:
        """Return the number of the output of each row among those with residual error; -1 where not observed."""
        names = list(self.errors)
        if not names:
            raise DataError(
                f"fit: no output of model '{self.model.name}' declares a residual error; write "
                f"Output(..., error=Combined(add=..., prop=...)) for what is observed"
            )
        out = np.full(len(self.table), -1)
        if "DVID" in self.frame:
            self._by_dvid(observed, names, out)
        elif len(names) == 1:
            out[observed] = 0
            self._other_compartment(observed)
        else:
            self._by_compartment(observed, names, out)
        return out

    def _by_dvid(self, observed: np.ndarray, names: list[str], out: np.ndarray) -> None:
        column = self.frame["DVID"]
        known: dict[Any, int] = {n: k for k, n in enumerate(names)}
        known |= {k + 1: k for k in range(len(names))} | {str(k + 1): k for k in range(len(names))}
        found = np.array([known.get(v, -1) for v in column.tolist()])
        out[observed] = found[observed]
        numbered = ", ".join(f"{k + 1} {n}" for k, n in enumerate(names))
        wrong = observed & (found < 0)
        bad = column[int(np.argmax(wrong))] if wrong.any() else ""
        hint = nearest(bad, names) if isinstance(bad, str) else ""
        self.problems.add(
            wrong, "DVID of an observation names no output",
            f"the model's outputs with residual error are {numbered}{hint}", ["DVID"],
        )  # fmt: skip

    def _by_compartment(self, observed: np.ndarray, names: list[str], out: np.ndarray) -> None:
        """Match CMT with the output of the same name as the state; numbers count the states."""
        states = list(self.model.states)
        known: dict[Any, int] = {}
        for k, n in enumerate(names):
            known[n] = k
            if n in states:
                known |= {states.index(n) + 1: k, str(states.index(n) + 1): k}
        found = np.array([known.get(v, -1) for v in self.frame["CMT"].tolist()])
        out[observed] = found[observed]
        self.problems.add(
            observed & (found < 0),
            f"which output is observed is not said: the model has residual errors for {', '.join(names)}",
            f"add a column DVID with 1 to {len(names)} in this order, or these names",
            ["CMT"],
        )

    def _other_compartment(self, observed: np.ndarray) -> None:
        """Refuse observations of compartments that the model has not."""
        cmt = self.frame["CMT"]
        states, outputs = list(self.model.states), list(self.model.outputs)
        known = {*states, *outputs, *range(max(len(states), len(outputs)) + 1)}
        plain = [int(v) if isinstance(v, str) and v.isdecimal() else v for v in cmt.tolist()]
        wrong = observed & np.array([v not in known and v == v for v in plain])
        self.problems.add(
            wrong, "CMT of an observation is not in the model",
            f"it has {', '.join(f'{i + 1} {n}' for i, n in enumerate(states))}; leave CMT out if all rows observe "
            f"{next(iter(self.errors))}",
            ["CMT"],
        )  # fmt: skip

    # -- what is known of a datum

    def censoring(self, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the datum, how it is censored, and which rows are observations after that."""
        n = len(self.table)
        y = self.frame["DV"].astype(np.float64)
        none = np.full(n, np.nan)
        limit = np.asarray(self.frame.get("LLOQ", none), np.float64)
        flag = np.asarray(self.frame.get("CENS", self.frame.get("BLQ", np.zeros(n))), np.float64)
        flag = np.nan_to_num(flag)
        event = self.frame["EVID"] == 0
        if "LLOQ" in self.frame and "CENS" not in self.frame and "BLQ" not in self.frame:
            flag = np.where(event & observed & (y < limit), 1.0, 0.0)
        self.problems.add(event & ~np.isin(flag, (-1, 0, 1)), "CENS is not 0, 1 or -1", show=("CENS",))
        # a row below the limit may come without DV, and so with MDV derived as 1
        told = (flag == 1) & event & np.isfinite(limit) & (observed | np.isnan(y))
        observed = observed | told
        y = np.where(told, limit, y)
        censored = np.where(observed, flag, 0).astype(np.int64)
        self.problems.add(
            event & (flag != 0) & ~observed & np.isnan(y), "a censored row has no limit",
            "give the limit as DV, or in a column LLOQ", ["CENS", "BLQ"],
        )  # fmt: skip
        if self.bloq == "m1" and (censored != 0).any():
            self.note(censored != 0, "bloq='m1': censored observations are left out")
            observed, censored = observed & (censored == 0), np.zeros(n, np.int64)
        if "LIMIT" in self.frame and np.isfinite(self.frame["LIMIT"].astype(np.float64))[censored != 0].any():
            self.messages.append("column LIMIT is not used: a censored datum is taken as anywhere below DV (or LLOQ)")
        return y, censored, observed

    # -- covariates and occasions

    def covariates(self) -> tuple[frozenset[str], dict[str, np.ndarray]]:
        """Return which covariates change within subjects, and the first value of each."""
        first = self.table.starts[:-1]
        found, absent = match_covariates(self.model, self.table, self.problems)
        self.messages += [each.text for each in absent]
        constant = {name: values[first] for name, values in found.items()}
        varying = {name for name, values in found.items() if (values != constant[name][self.owner]).any()}
        for each in absent:
            reference = self.model.covariates[each.name].reference
            constant[each.name] = np.full(self.table.n_subjects, reference)
        ordered = {name: constant[name] for name in self.model.covariates if name in constant}
        return frozenset(varying), ordered

    def occasions(self) -> tuple[np.ndarray, int]:
        """Return the occasion of each row, from 0 within its subject, and the most of a subject."""
        n = len(self.table)
        if not self.model.iov_etas:
            return np.zeros(n, np.int64), 1
        if "OCC" not in self.frame:
            self.problems.found.append(
                f"model '{self.model.name}' has variability between occasions "
                f"({', '.join(self.model.iov_etas)}); add a column OCC that numbers them"
            )
            return np.zeros(n, np.int64), 1
        out = occasions_of(self.table, self.problems)
        return out, int(out.max()) + 1 if n else 1

    # -- what looks wrong

    def look(self, observed: np.ndarray, y: np.ndarray, censored: np.ndarray, output: np.ndarray) -> None:
        """Add messages and faults on rows and subjects."""
        names = list(self.errors)
        for k, name in enumerate(names):
            if self.errors[name].exact:
                self.problems.add(
                    observed & (output == k), f"output '{name}' has Exact error, which no datum meets",
                    "give its output a residual error", ["DVID"],
                )  # fmt: skip
        log = np.array([self.errors[n].data == "log" for n in names] + [False])[output]
        self.problems.add(
            observed & log & ~(y > 0), "DV is not above 0 but the residual error is log-normal",
            "set MDV=1, mark it as censored (CENS=1 with the limit as DV), or use Combined error", ["DV"],
        )  # fmt: skip
        self._limits(y, censored, output)
        self._whole(observed, y, output)
        evid, mdv = self.frame["EVID"], self.frame["MDV"]
        self.note((evid == 0) & (mdv == 0) & np.isnan(self.frame["DV"]) & ~observed, "DV is missing: not observed")
        self.problems.add(observed & ~np.isfinite(y), "DV is missing but MDV is 0", "set MDV=1", ["DV"])
        self._subjects(observed)
        self._duplicates(observed, output)
        self._late(observed)
        used = {*MEANT, *self.model.covariates}
        unused = [str(c) for c in self.frame if c not in used]
        if unused:
            self.messages.append(f"columns not used by the model: {', '.join(unused)}")

    def _limits(self, y: np.ndarray, censored: np.ndarray, output: np.ndarray) -> None:
        """Refuse limits of quantification that are none: with a proportional error nothing is learned from them."""
        with np.errstate(invalid="ignore"):
            none = (censored == 1) & ~(y > 0)
        relative = [error.has_cdf and not float(error.sd(0.0)) > 0 for error in self.errors.values()]
        never = none & np.array([*relative, False])[output]
        limit = "give the limit of quantification as DV, or in a column LLOQ"
        self.problems.add(never, "censored below a limit that is not above 0", limit, ["DV", "LLOQ"])
        self.note(none & ~never, f"censored below a limit that is not above 0; if that is not meant, {limit}", ("DV",))

    def _whole(self, observed: np.ndarray, y: np.ndarray, output: np.ndarray) -> None:
        """Refuse grades and counts that are none."""
        for k, (name, error) in enumerate(self.errors.items()):
            if error.data not in ("grade", "count"):
                continue
            top = error.highest
            with np.errstate(invalid="ignore"):
                wrong = observed & (output == k) & ~((y == np.rint(y)) & (y >= 0) & (y <= top))
            allowed = f"whole numbers from 0{f' to {top:g}' if top < np.inf else ''}"
            told = f"DV is no datum of {type(error).__name__} error"
            self.problems.add(wrong, told, f"'{name}' takes {allowed}", ["DV"])

    def _subjects(self, observed: np.ndarray) -> None:
        observed = observed.copy()
        for r in self.reported:
            observed[r.rows] = True
        count = np.bincount(self.owner[observed], minlength=self.table.n_subjects)
        if not observed.any():
            raise DataError(f"{self.table.name}: there is no observation (EVID=0, MDV=0, with DV) to fit to")
        empty = np.flatnonzero(count == 0)
        if empty.size:
            who = ", ".join(str(v) for v in self.table.labels[empty[:5]])
            first = int(self.table.starts[empty[0]])
            more = ", ..." if empty.size > 5 else ""
            self.messages.append(
                f"{empty.size} subject{'s' if empty.size > 1 else ''} without any observation: ID {who}{more} "
                f"(first: {self.problems.where(first)}); nothing is learned from them"
            )

    def _duplicates(self, observed: np.ndarray, output: np.ndarray) -> None:
        rows = np.flatnonzero(observed)
        keys = np.column_stack([self.owner[rows], self.table.clock[rows], output[rows]])
        _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        again = np.zeros(len(self.table), bool)
        again[rows[np.flatnonzero(first[inverse.ravel()] != np.arange(rows.size))]] = True
        self.note(again, "the same output of the same subject is observed again at the same time")

    def _late(self, observed: np.ndarray) -> None:
        """Tell of subjects whose doses all come after their last observation."""
        dose = np.isin(self.frame["EVID"], (1, 4))
        late = np.zeros(len(self.table), bool)
        none = []
        for i, (a, b) in enumerate(zip(self.table.starts[:-1], self.table.starts[1:], strict=True)):
            given, seen = np.flatnonzero(dose[a:b]), np.flatnonzero(observed[a:b])
            if seen.size and given.size and given[0] > seen[-1]:
                late[a + given[0]] = True
            elif seen.size and not given.size and dose.any():
                none.append(i)
        self.note(late, "the first dose comes after the subject's last observation")
        if none:
            who = ", ".join(str(v) for v in self.table.labels[none[:5]])
            self.messages.append(f"{len(none)} subject{'s' if len(none) > 1 else ''} without any dose: ID {who}")
