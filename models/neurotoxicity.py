"""Neurotoxicity after cell therapy: a latent state behind the grades 0-4 of ICANS.

The latent state follows a signal (1 in the full, untreated disease) with a turnover of its own; the grade is an ordinal
observation of its logarithm: P(grade >= g) = s(ICANS - cut_g) with s(y) = 1 / (1 + exp(-y)), cuts 0, 3, 6, 9.

Equations: N' = k (SIGNAL - N); ICANS = slope log((N + 0.02) / N50).

Assumed: everything; no model of ICANS under IL-1 blockade was found. N50 is the state at which half are graded 1 or
more, and differs between patients; equal distances of the cuts are a convention that the slope scales, and 3 means that
a grade in the middle of its range is given right in two of three; 0.02 keeps the logarithm finite without disease.
Grades were CARTOX grades in Strati 2020.
"""

from pkpd import Covariate, Model, Output, Parameter, State
from pkpd.math import log
from pkpd.outcomes import Ordinal


def dynamics(t, x, p, cov):
    return {"N": p.k * (cov.SIGNAL - x.N)}


def outputs(t, x, p):
    return {"ICANS": p.slope * log((x.N + 0.02) / p.N50)}


model = Model(
    "neurotoxicity",
    reference="assumed; grades: Neelapu SS, et al. Nat Rev Clin Oncol 2018;15:47-62",
    states=[State("N", "", "neurotoxicity, 1 in the full, untreated disease")],
    covariates=[Covariate("SIGNAL", "", 1.0, "signal that drives it")],
    parameters=[
        Parameter("k", 0.03, "1/h", "turnover, half-life about a day", source="grades change in days", known="assumed"),
        Parameter("slope", 6.0, "", "latent logit per log of the state", source="convention", known="assumed"),
        Parameter("N50", 0.1, "", "state of grade 1 or more in half", sd=0.6, source="convention", known="assumed"),
    ],
    outputs=[Output("ICANS", "", "grade of ICANS on the latent logit scale", error=Ordinal(cuts=(0.0, 3.0, 6.0, 9.0)))],
    dynamics=dynamics,
    calculate=outputs,
)
