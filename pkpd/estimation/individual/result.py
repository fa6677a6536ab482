"""What is known of one patient: the mode, and weighted draws of the people that the patient could be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pkpd.engine.graph.tree import symbols_of
from pkpd.estimation.individual.draws import varying
from pkpd.estimation.methods.chain_history import seen_of
from pkpd.estimation.weights import effective, weighted_quantiles, weighted_variance
from pkpd.observation.tape import tape
from pkpd.people.columns import count
from pkpd.simulation.source import History, Source, Subjects

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from pkpd.dosing.regimen import Regimen
    from pkpd.evidence.term import Term
    from pkpd.model.model import Model
    from pkpd.people.population import Population

__all__ = ["Individual"]


@dataclass(frozen=True, eq=False, repr=False)
class Individual(Source):
    """One patient's posterior; made by :func:`pkpd.individual`, and a source of people for every verb.

    Attributes
    ----------
    name : str
    model : Model
    draws : Population
        People that the patient could be.
    weights, before : float array, (draw,)
        Of the draws with and without the observations; each sums to 1.
    regimen : Regimen
        What was given so far, and is planned, on the model's clock.
    terms : tuple of Term
        What was observed.
    source : str
        What the draws are of.
    effects : float array, (p,)
        Most probable random effects: eta, then kappa of each occasion. Mean of the draws where these are of a fit of
        reports, whose people differ in more than normal random effects.
    spread : float array, (p, p)
        Covariance of these by Laplace's approximation; that of the draws of a fit of reports.
    predictions : float array, (draw, observation)
        What is predicted of each observation, without residual error.
    points : float array, (2, observation), or None
        The same for the typical person and at the mode; none of a fit of reports.
    history_before : History
        Of those that the draws are of: what was observed of them, whether they are ill.
    contradictions : tuple of str
        What speaks against the observations, or the model for this patient.
    messages : tuple of str
        What the user should know.
    """

    kind: ClassVar[str] = "Individual"
    advice: ClassVar[str] = (
        "this is one patient already: give its model and the draws as people, individual.model and "
        "population=individual.population(n)"
    )

    name: str
    model: Model
    draws: Population
    weights: np.ndarray
    before: np.ndarray
    regimen: Regimen
    terms: tuple[Term, ...]
    source: str
    effects: np.ndarray
    spread: np.ndarray
    predictions: np.ndarray
    points: np.ndarray | None
    history_before: History
    contradictions: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()

    @property
    def ess(self) -> float:
        """Effective number of draws, ``1 / sum(weights^2)``."""
        return float(effective(self.weights))

    @property
    def ebe(self) -> dict[str, float]:
        """Empirical Bayes estimates: the most probable eta by parameter."""
        return dict(zip(self.model.etas, self.effects.tolist(), strict=False))

    @property
    def se(self) -> dict[str, float]:
        """Standard deviation of eta by Laplace's approximation, by parameter."""
        return dict(zip(self.model.etas, np.sqrt(np.diag(self.spread)).tolist(), strict=False))

    @property
    def doses(self) -> Regimen:
        """What the patient was given."""
        return self.regimen

    @property
    def now(self) -> float:
        """Time of the last observation, in the model's unit."""
        seen = seen_of(self.terms)
        return 0.0 if seen is None else seen[1]

    @property
    def covariates(self) -> dict[str, float]:
        """Last value of each covariate: what holds now, and for what comes."""
        last = {n: float(series[0][1][-1]) for n, series in self.draws.varying.items()}
        return {n: last.get(n, float(v[0])) for n, v in self.draws.covariates.items()}

    def history(self) -> History:
        """Return the patient's clock: doses, observations, what a day means."""
        learned = (self.history_before.learned or frozenset()) | {t.output for t in self.terms}
        return History(
            given=self.regimen, seen=seen_of(self.terms), learned=learned, ill=self.history_before.ill, now=self.now,
            notes=self.contradictions,
        )  # fmt: skip

    def population(self, n: int = 500, *, observed: bool = True, seed: int = 0) -> Population:
        """Return draws from the posterior, equally weighted (systematic resampling).

        Parameters
        ----------
        n : int
        observed : bool
            Whether the observations count; without, the draws are from the prior.
        seed : int
        """
        n = count(f"individual '{self.name}'", "n", n, "draws")
        at = (np.random.default_rng(seed).uniform() + np.arange(n)) / n
        mass = np.cumsum(self.weights if observed else self.before)
        chosen = np.minimum(np.searchsorted(mass, at), len(mass) - 1)
        # Two copies of a draw are two subjects: labels and places in the random streams must differ.
        return replace(self.draws[chosen], labels=np.arange(1, n + 1), index=np.arange(n))

    def subjects(self, verb: str, n: int, seed: int, patient: str | None = None, cohort: str | None = None) -> Subjects:
        """Return n draws of the posterior, see `Source`."""
        self.refuse(verb, patient=patient, cohort=cohort)
        people = self.population(n, seed=seed)
        about = f"{n} draws of {self.name}: what is not known about one patient"
        return Subjects(self.model, people, about, self.history())

    def simulate(
        self, times: Any, regimen: Regimen | str | None = None, *, outputs: Sequence[str] | None = None, n: int = 300,
        seed: int = 0, **options: Any,
    ) -> xr.Dataset:  # fmt: skip
        """Return curves of posterior draws, as of :func:`pkpd.simulate`.

        Parameters
        ----------
        times : array
            On the clock of the observations.
        regimen : Regimen or str, optional
            What was given and will be; by default what was given alone.
        outputs, n, seed, **options
            Outputs to keep, draws, seed, arguments of ``simulate``.
        """
        from pkpd.simulation.api import simulate

        people = self.population(n, seed=seed)
        given = self.regimen if regimen is None else regimen
        return simulate(self.model, given, people, times, outputs=outputs, **options)

    def table(self) -> pd.DataFrame:
        """Return prior and posterior of what varies: medians, central 90%, and how much the spread shrank.

        ``contraction`` is ``1 - var(posterior) / var(prior)``, of logarithms where all values are positive: 0 where the
        observations taught nothing, 1 where they told the value. Names ``eta_...`` are random effects.
        """
        import pandas as pd

        rows = {}
        for name, values in varying(self.model, self.draws).items():
            x = np.log(values) if (values > 0).all() else values
            contraction = 1.0 - weighted_variance(x, self.weights) / weighted_variance(x, self.before)
            rows[name] = [
                *weighted_quantiles(values, self.before),
                *weighted_quantiles(values, self.weights),
                contraction,
            ]
        columns = ["prior", "prior_low", "prior_high", "posterior", "posterior_low", "posterior_high", "contraction"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns)

    def learned(self, at_least: float = 0.3) -> list[str]:
        """Return what the observations taught most about: names with at least some contraction, most first."""
        table = self.table()
        found = dict(zip(map(str, table.index), table["contraction"].to_numpy(float).tolist(), strict=True))
        return sorted((name for name, c in found.items() if c >= at_least), key=lambda name: -found[name])

    @cached_property
    def parameters(self) -> pd.DataFrame:
        """Individual parameters at the last covariates: ``typical``, ``mode``, ``median`` and central 90%.

        Of a fit of reports ``typical`` is the median before the observations, and there is no mode.
        """
        import pandas as pd

        now = self.covariates
        values = _parameters(self.model, self.draws, now)
        if self.points is None:
            typical = {n: weighted_quantiles(v, self.before)[0] for n, v in values.items()}
            mode = dict.fromkeys(typical, np.nan)
        else:
            typical, mode = self.model.evaluate({}, {}, now), self.model.evaluate({}, self.ebe, now)
        rows = {
            n: [typical[n], mode[n], *weighted_quantiles(v, self.weights)] for n, v in values.items() if np.ptp(v) > 0
        }
        return pd.DataFrame.from_dict(rows, orient="index", columns=["typical", "mode", "median", "low", "high"])

    @cached_property
    def observations(self) -> pd.DataFrame:
        """Observations with predictions: ``pred`` (typical), ``ipred`` (mode), ``median`` and central 90%.

        Of a bound over a window, or of a ratio's, the share of what is measured within it.
        """
        import pandas as pd

        pred, ipred = np.full((2, len(self.terms)), np.nan) if self.points is None else self.points
        band = np.array([weighted_quantiles(f, self.weights) for f in self.predictions.T]).reshape(-1, 3)
        columns = {
            "time": [t.time for t in self.terms], "output": [t.output for t in self.terms],
            "kind": [t.kind for t in self.terms], "dv": [t.value for t in self.terms], "pred": pred, "ipred": ipred,
            "median": band[:, 0], "low": band[:, 1], "high": band[:, 2],
        }  # fmt: skip
        return pd.DataFrame(columns)

    def __repr__(self) -> str:
        known = ", ".join(self._covariate(name) for name in self.covariates) or "no covariates"
        taught = ", ".join(t.removeprefix("eta_") for t in self.learned()) or "nothing in particular"
        head = [
            f"Individual '{self.name}' ({self.model.name}; {known})",
            f"  {len(self.terms)} observations up to {self.now:g} {self.model.time_unit}; prior: {self.source}",
            f"  {self.ess:.0f} effective of {self.draws.n} draws; they taught about: {taught}",
            *(f"  {m}" for m in (*self.contradictions, *self.messages)),
        ]
        return "\n".join([*head, self.parameters.to_string(float_format=lambda v: f"{v:.4g}")])

    def _covariate(self, name: str) -> str:
        """Write a covariate's last value, and the first if that was another."""
        now, first = self.covariates[name], float(self.draws.covariates[name][0])
        if name not in self.draws.varying or now == first:
            return f"{name} {now:g}"
        return f"{name} {now:g} now, {first:g} at first; parameters as of now"


def _parameters(model: Model, people: Population, covariates: dict[str, float]) -> dict[str, np.ndarray]:
    """Return the individual parameters of people under some covariates, without effects of occasions."""
    nodes = model.trace.individual
    known: dict[tuple[str, str], Any] = {("theta", n): q.value for n, q in model.parameters.items()}
    known |= {("theta", n): v for n, v in people.parameters.items()}
    known |= {("eta", n): people.etas[:, k] for k, n in enumerate(people.eta_names)}
    known |= {("covariate", n): c.reference for n, c in model.covariates.items()}
    known |= {("covariate", n): v for n, v in covariates.items()}
    seen = tuple(symbols_of(nodes.values()))
    inputs = np.zeros((len(seen), people.n))
    for row, node in zip(inputs, seen, strict=True):
        row[:] = known.get((node.kind, node.name), 0.0)
    return dict(zip(nodes, tape(seen, tuple(nodes.values()))(inputs), strict=True))
