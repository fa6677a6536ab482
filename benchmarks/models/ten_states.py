"""Transit absorption, two compartments, an effect site and a turnover marker: ten states, to time compilation."""

from pkpd import Model, Output, Parameter, State

TRANSITS = ("depot", "transit1", "transit2", "transit3", "transit4", "transit5")


def initial(p):
    return {"marker": p.KIN / p.KOUT}


def dynamics(t, x, p):
    flows = [p.KTR * getattr(x, name) for name in TRANSITS]
    chain = {name: before - after for name, before, after in zip(TRANSITS[1:], flows, flows[1:], strict=False)}
    exchange = p.Q * (x.central / p.V - x.peripheral / p.VP)
    inhibition = (x.effect / p.IC50) ** 1.2345
    return {
        "depot": -flows[0],
        **chain,
        "central": flows[-1] - p.CL / p.V * x.central - exchange,
        "peripheral": exchange,
        "effect": p.KE0 * (x.central / p.V - x.effect),
        "marker": p.KIN * (1 - inhibition / (1 + inhibition)) - p.KOUT * x.marker,
    }


def outputs(t, x, p):
    return {"CP": x.central / p.V}


model = Model(
    "benchmark_ten_states",
    title="Transit absorption with a turnover marker",
    states=[
        *(State(name, "mg", "absorption") for name in TRANSITS),
        State("central", "mg", "plasma"),
        State("peripheral", "mg", "tissue"),
        State("effect", "mg/L", "effect site"),
        State("marker", "", "marker"),
    ],
    parameters=[
        Parameter("KTR", 3.0, "1/h", "transit rate", cv=0.3),
        Parameter("CL", 5.0, "L/h", "clearance", cv=0.3),
        Parameter("V", 50.0, "L", "central volume", cv=0.3),
        Parameter("Q", 8.0, "L/h", "exchange with the tissue"),
        Parameter("VP", 100.0, "L", "volume of the tissue"),
        Parameter("KE0", 0.2, "1/h", "equilibration of the effect site"),
        Parameter("KIN", 10.0, "1/h", "production of the marker"),
        Parameter("KOUT", 0.1, "1/h", "loss of the marker"),
        Parameter("IC50", 0.5, "mg/L", "concentration of half inhibition", cv=0.3),
    ],
    outputs=[Output("CP", "mg/L", "plasma concentration")],
    initial=initial,
    dynamics=dynamics,
    calculate=outputs,
)
