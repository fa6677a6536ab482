"""A user's script that names everything public, for type checkers: it is checked and not run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import pkpd

fails: tuple[type[Exception], ...] = (
    pkpd.errors.PkpdError, pkpd.errors.DataError, pkpd.errors.LibraryError, pkpd.errors.ModelError,
    pkpd.errors.PopulationError, pkpd.errors.RegimenError, pkpd.errors.SolverError, pkpd.errors.UnitError,
)  # fmt: skip
warns: type[Warning] = pkpd.errors.DataWarning


# --- a model ----------------------------------------------------------------------------------------------------------
def individual(p: Any, cov: Any) -> Mapping[str, Any]:
    m = pkpd.math
    some = m.absolute(p.ka) + m.cos(p.ka) + m.erf(p.ka) + m.expit(p.ka) + m.floor(p.ka) + m.lgamma(p.ka) + m.log10(p.ka)
    more = m.logit(p.F) + m.maximum(p.ka, 1) + m.minimum(p.ka, 1) + m.sin(p.ka) + m.sqrt(p.ka) + m.tanh(p.ka)
    more += m.log1mexp(-p.F)
    return {"CL": p.CL * m.exp(0.75 * m.log(cov.WT / 70)), "V": m.power(p.V, 1), "x": some + more}


def dynamics(t: Any, x: Any, p: Any) -> Mapping[str, Any]:
    m = pkpd.math
    night = m.where(m.during(m.mod(t, 24), 22, 24), 0.5, 1.0) * m.interpolate(t, [0.0, 24.0], [1.0, 2.0])
    taken = m.last_dose(x.depot) * m.tad(x.depot)
    return {"depot": -p.ka * x.depot + 0 * taken, "central": p.ka * x.depot - night * p.CL / p.V * x.central}


def calculate(t: Any, x: Any, p: Any) -> Mapping[str, Any]:
    return {"Cc": x.central / p.V, "nausea": x.central}


model: pkpd.Model = pkpd.Model(
    "mine",
    states=[pkpd.State("depot", "mg"), pkpd.State("central", "mg")],
    covariates=[pkpd.Covariate("WT", "kg", 70)],
    parameters=[pkpd.Parameter("CL", 5.0, "L/h", cv=0.3), pkpd.Parameter("V", 50.0, "L", cv=0.2)],
    omega=[pkpd.Omega(["CL", "V"], [[0.09, 0.01], [0.01, 0.04]])],
    outputs=[
        pkpd.Output("Cc", "mg/L", error=pkpd.Combined(add=0.05, prop=0.15)),
        pkpd.Output("nausea", "1", error=pkpd.outcomes.Ordinal((1.0, 2.0))),
    ],
    individual=individual,
    dynamics=dynamics,
    calculate=calculate,
)
errors: list[pkpd.extend.ResidualError] = [
    pkpd.Additive(0.1), pkpd.outcomes.Exact(), pkpd.LogNormal(0.2), pkpd.Proportional(0.1), pkpd.outcomes.Poisson(),
    pkpd.outcomes.NegativeBinomial(2.0), pkpd.outcomes.TimeToEvent("hazard"),
]  # fmt: skip
known: pkpd.Model = pkpd.models["pk1_oral"]

# --- doses, people, simulation ----------------------------------------------------------------------------------------
q24h: pkpd.Regimen = pkpd.Regimen.parse("100 mg q24h x7", cmt="depot")
own: pkpd.Regimen = pkpd.Regimen(doses=[pkpd.Dose(amt=100, cmt="depot")])
covariates: dict[str, pkpd.distributions.Distribution] = {
    "WT": pkpd.distributions.lognormal(70, 0.2),
    "CRCL": pkpd.distributions.normal(90, 15),
    "AGE": pkpd.distributions.uniform(18, 80),
    "SEX": pkpd.distributions.categorical({0: 0.5, 1: 0.5}),
}
people: pkpd.Population = pkpd.Population.draw(model, 100, covariates=covariates, seed=1)
run = pkpd.prepare(model, q24h, pkpd.hours(0, 24), outputs=["Cc"], rtol=1e-6)
levels = run(CL=4.0)["Cc"].max() + run({"CL": [3.0, 4.0]})["Cc"].max()
sims = pkpd.simulate(model, {"a": q24h, "b": "50 mg BID x7d"}, people, pkpd.hours(0, 168, 1), on_failure="raise")
slopes = pkpd.simulate(model, own, times=pkpd.days(0, 7), derivatives=["CL", "eta_V"], method="dop853")
found = pkpd.exposure(sims["Cc"], threshold="0.5 mg/L")
table = pkpd.report.exposure_summary(found, ["Cmax"], statistic="geometric")

# --- fits -------------------------------------------------------------------------------------------------------------
trial: pkpd.EventTable = pkpd.read_events("trial.csv")
methods: list[pkpd.extend.Method] = [
    pkpd.methods.Fo(), pkpd.methods.Foce(restarts=1), pkpd.Focei(covariance="R"), pkpd.Laplace(decrease=1e-6),
    pkpd.methods.Nlme(seed=3), pkpd.Saem(burn_in=100), pkpd.methods.Importance(points=300), pkpd.Nuts(chains=4),
    pkpd.methods.Map(objective="foce"),
    pkpd.methods.NaivePooled(), pkpd.methods.TwoStage(), pkpd.Mode(draws=100),
]  # fmt: skip
fit: pkpd.results.Fit = pkpd.fit(model, trial, pkpd.Focei(restarts=3), fixed=["F"], bloq="m3", progress=False)
again: pkpd.results.Fit = pkpd.load_fit("fit.nc", model, trial)
rows = pkpd.checks.listing(fit)
residuals = pkpd.checks.diagnostics(fit, n=100)
decorrelated = pkpd.checks.npde(fit)
curves = pkpd.checks.curves(fit, 50, ["Cc"])
bands = pkpd.checks.vpc(fit, n=200)
resampled: pkpd.uncertainty.Bootstrap = pkpd.uncertainty.bootstrap(fit, 100)
weighted: pkpd.uncertainty.Sir = pkpd.uncertainty.sir(fit)
profile = pkpd.uncertainty.profile(fit, ["CL"])
chosen = pkpd.search.covariate_search(fit, {"CL": ["WT"]})
ranking = pkpd.search.compare_fits(fit, again)
ratio = pkpd.search.likelihood_ratio(fit, again)

# --- reports, studies -------------------------------------------------------------------------------------------------
report: pkpd.results.Evidence = pkpd.seeds["strati2020"]
study: pkpd.Study = pkpd.studies["anakinra_reports"]
reported: pkpd.results.StudyFit = pkpd.fit(study, method="mode")
mine = pkpd.Study(
    "mine", model="pk1_oral", evidence=["./clinic"],
    free=[pkpd.Free("CL", (0.2, 0.3)), pkpd.Free("V", (5.0, 50.0), spread=pkpd.distributions.HalfNormal(0.5))],
    errors={"Cc": pkpd.distributions.ErrorScale(1.0)},
)  # fmt: skip
refits = pkpd.checks.assumptions(study, {"short": {"exclude": ["p1"]}}, "phi")
left_out = pkpd.checks.leave_one_patient_out(study, response=pkpd.checks.Response("CRP", days=(0.0, 5.0)))
ranks = pkpd.checks.simulation_based_calibration(study, 10)
ledger = pkpd.checks.evidence_ledger(study, "phi", {"early": ["*_early"], "late": lambda fact: fact.day > 20})
designs = [pkpd.checks.Design("daily", measure={"Cc": "daily"}), *pkpd.checks.designs_from([], "report.toml")]
prospects: pkpd.checks.Prospects = pkpd.checks.what_would_tell(reported, designs, "phi")
drawn, sentence = (
    pkpd.plot.prospects(prospects.table, quantity="share"),
    pkpd.checks.prospects_text(prospects.table, quantity="share"),
)
weighed = pkpd.checks.rivals(study, {"no effect": {"fixed": {"phi": 0.0}}}, within="cohort")
odds, evidence = pkpd.checks.region_odds(reported, "phi", below=0.2), reported.log_evidence().value
beside: pkpd.results.ValidationReport = pkpd.checks.validate_model("anakinra", n=100)
page: str = pkpd.report.document(model, format="markdown")
files = pkpd.report.write_document(model, "model.html")
folder = pkpd.report.run_study("anakinra_reports", out="results")

# --- one patient, schedules -------------------------------------------------------------------------------------------
one: pkpd.results.Individual = pkpd.individual(fit, [("Cc", 2.0, 1.3), ("Cc", 12.0, "<0.1")], regimen=q24h)
arms = {"daily": pkpd.comparison.Arm("100 mg daily x7", {"WT": 50.0})}
compared: pkpd.results.Comparison = pkpd.compare(
    fit, arms, n=50, targets=pkpd.comparison.Target("Cc", ">", 1.0, "at trough"), measures=[
        "Cmax", pkpd.comparison.day_below("Cc", 0.1),
        pkpd.comparison.Measure("late", "mg/L", "at the end", ("Cc",), lambda course: course.at("Cc", 100.0)),
    ],
)  # fmt: skip
by_weight = pkpd.compare(model, pkpd.comparison.by_covariate("100 mg daily x7", "WT", [50, 90]))
by_day = pkpd.compare(model, pkpd.comparison.by_start(q24h, [0, 7]))
texts = {name: schedule.text for name, schedule in pkpd.comparison.schedules(pkpd.models["anakinra"]).items()}
asked: list[pkpd.results.Answer] = pkpd.comparison.answers(pkpd.models["anakinra"], n=10)
advice: pkpd.results.Recommendation = pkpd.recommend(one, texts, "Cc > 1 mg/L at trough", rtol=1e-6)

# --- what drives an answer --------------------------------------------------------------------------------------------
analyses: list[pkpd.extend.Analysis] = [
    pkpd.Sobol(n=256, second_order=True), pkpd.methods.Morris(levels=4), pkpd.methods.Local(),
    pkpd.methods.Identifiability(),
    pkpd.methods.Variance(draws={"CL": [4.0, 5.0, 6.0]}),
]  # fmt: skip
drivers: pkpd.results.SensitivityResult = pkpd.sensitivity(
    fit, q24h, times=[0.0, 24.0], of=["Cc.max", "Cc.auc"], parameters={"CL": (4, 6)}, method=analyses[0]
)

# --- figures ----------------------------------------------------------------------------------------------------------
colours, widths = pkpd.plot.COLOURS, pkpd.plot.WIDTHS
with pkpd.plot.house_style():
    single = pkpd.plot.concentration(sims, "Cc")
    panels: list[np.ndarray] = [
        pkpd.plot.compare(sims, "Cc"), pkpd.plot.etas(fit), pkpd.plot.evidence(report), pkpd.plot.goodness_of_fit(fit),
        pkpd.plot.convergence(fit), pkpd.plot.indices(drivers), pkpd.plot.vpc(fit), pkpd.plot.comparison(compared),
        *pkpd.plot.individuals(fit), *pkpd.plot.answer(asked[0]).values(),
    ]  # fmt: skip
    figures = [pkpd.plot.tornado(drivers).figure, pkpd.plot.screening(drivers).figure]
    rest = [
        pkpd.plot.exposure(found, "Cmax"), pkpd.plot.profiles(drivers), pkpd.plot.published_ratios(beside),
        pkpd.plot.effect_curves(beside),
    ]  # fmt: skip


# --- to extend --------------------------------------------------------------------------------------------------------
class Flat(pkpd.extend.NormalError):
    def variance(self, f: Any) -> Any:
        return 1 + 0 * f


class Odd(pkpd.extend.FactKind):
    name = "odd"
    region = True

    def rules(self, n: int) -> list[pkpd.extend.CellRule]:
        return [pkpd.extend.CellRule(lambda cells, said: 0.0, (0,))]

    def statistic(self, y: np.ndarray, term: pkpd.extend.Term, noise: np.ndarray) -> np.ndarray:
        return y[:, 0]


class Nothing(pkpd.extend.Analysis):
    name = "nothing"

    def run(self, problem: pkpd.extend.SensitivityProblem) -> pkpd.results.SensitivityResult:
        raise pkpd.errors.PkpdError(f"nothing of {problem.model}")


likelihood = pkpd.extend.Likelihood(
    model, [pkpd.extend.Subject("Ann", q24h, terms=(pkpd.extend.Term("level", "value", "Cc", 2.0, 1.3),))]
)
question = pkpd.extend.OpenQuestion("Why?", lambda name, text, source, n, seed: asked[0])
setting = pkpd.extend.Setting("men", 100, end=24.0, step=1.0)
published = pkpd.extend.Published("cl", "CL/F", "Cc.CL_F", setting, 5.0, "L/h", "Someone 2020")
effects: list[type[pkpd.extend.Effect] | type[pkpd.extend.EffectReading]] = [
    pkpd.extend.Effect, pkpd.extend.EffectReading
]  # fmt: skip
