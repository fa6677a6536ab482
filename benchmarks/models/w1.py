"""One compartment, oral: workload W1 of the benchmarks."""

from pkpd import Model, Output, Parameter, State


def dynamics(t, x, p):
    absorbed = p.KA * x.depot
    return {"depot": -absorbed, "central": absorbed - p.CL / p.V * x.central}


def outputs(t, x, p):
    return {"depot_out": x.depot, "central_out": x.central, "CP": x.central / p.V}


model = Model(
    "benchmark_w1",
    title="One compartment, first-order absorption",
    states=[State("depot", "mg", "gut"), State("central", "mg", "plasma")],
    parameters=[
        Parameter("CL", 5.0, "L/h", "clearance", cv=0.3),
        Parameter("V", 50.0, "L", "volume", cv=0.3),
        Parameter("KA", 1.0, "1/h", "absorption rate", cv=0.4),
    ],
    outputs=[
        Output("depot_out", "mg", "amount in the gut"),
        Output("central_out", "mg", "amount in plasma"),
        Output("CP", "mg/L", "plasma concentration"),
    ],
    dynamics=dynamics,
    calculate=outputs,
)
