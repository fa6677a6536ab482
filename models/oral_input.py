"""Doses by mouth in amounts that are not known, on their way into another model.

A report that says that a drug was tapered and not by how much leaves one unknown number a taper. Doses in the amounts
that are assumed go into the depot of this model; `amount` is the factor on all of them, which data may tell.

Equations: depot' = -ka depot; rate = F amount ka depot. F and the factor act on what is absorbed, so that an even
intake over days keeps its days (as a bioavailability of the dose they would shorten an infusion of a given rate).
"""

from pkpd import Model, Output, Parameter, State


def dynamics(t, x, p):
    return {"depot": -p.ka * x.depot}


def outputs(t, x, p):
    return {"rate": p.F * p.amount * p.ka * x.depot}


LIKE = "as for dexamethasone: nlmixr2lib Krzyzanski_2021_dexamethasone"

model = Model(
    "oral_input",
    reference="first-order absorption",
    states=[State("depot", "mg", "gut")],
    parameters=[
        Parameter("ka", 0.936, "1/h", "absorption rate constant", source=LIKE),
        Parameter("F", 0.75, "", "bioavailability", bounds=(0, 1), source="as for dexamethasone", known="assumed"),
        Parameter(
            "amount", 1.0, "", "what was given over what is assumed", sd=0.7, source="by definition", known="assumed"
        ),
    ],
    outputs=[Output("rate", "mg/h", "rate of absorption")],
    dynamics=dynamics,
    calculate=outputs,
)
