"""Two compartments, an effect compartment and three turnover effects: workload W2 of the benchmarks."""

from pkpd import Model, Output, Parameter, State


def initial(p):
    return {"M1": p.KIN1 / p.KOUT1, "M2": p.KIN2 / p.KOUT2, "M3": p.KIN3 / p.KOUT3}


def dynamics(t, x, p):
    absorbed, out, back = p.KA * x.depot, p.Q / p.V * x.central, p.Q / p.VP * x.peripheral
    power1, power2, power3 = (x.effect / p.IC50_1) ** p.H1, (x.effect / p.IC50_2) ** p.H2, (x.effect / p.IC50_3) ** p.H3
    return {
        "depot": -absorbed,
        "central": absorbed - p.CL / p.V * x.central - out + back,
        "peripheral": out - back,
        "effect": p.KE0 * (x.central / p.V - x.effect),
        "M1": p.KIN1 * (1 - p.IMAX1 * power1 / (1 + power1)) - p.KOUT1 * x.M1,
        "M2": p.KIN2 * (1 - p.IMAX2 * power2 / (1 + power2)) - p.KOUT2 * x.M2,
        "M3": p.KIN3 * (1 - p.IMAX3 * power3 / (1 + power3)) - p.KOUT3 * x.M3,
    }


def outputs(t, x, p):
    return {
        "depot_out": x.depot,
        "central_out": x.central,
        "peripheral_out": x.peripheral,
        "effect_out": x.effect,
        "M1_out": x.M1,
        "M2_out": x.M2,
        "M3_out": x.M3,
        "CP": x.central / p.V,
    }


def turnover(number, kin, kout, imax, ic50, hill):
    """Return the parameters of one turnover effect that the effect compartment inhibits."""
    return [
        Parameter(f"KIN{number}", kin, "1/h", "production"),
        Parameter(f"KOUT{number}", kout, "1/h", "loss"),
        Parameter(f"IMAX{number}", imax, "", "largest inhibition"),
        Parameter(f"IC50_{number}", ic50, "mg/L", "concentration of half the largest inhibition", cv=0.3),
        Parameter(f"H{number}", hill, "", "Hill exponent"),
    ]


model = Model(
    "benchmark_w2",
    title="PK/PD with an effect compartment and three turnover effects",
    states=[
        State("depot", "mg", "gut"),
        State("central", "mg", "plasma"),
        State("peripheral", "mg", "tissue"),
        State("effect", "mg/L", "effect site"),
        State("M1", "", "first marker"),
        State("M2", "", "second marker"),
        State("M3", "", "third marker"),
    ],
    parameters=[
        Parameter("CL", 5.0, "L/h", "clearance", cv=0.3),
        Parameter("V", 50.0, "L", "central volume", cv=0.3),
        Parameter("Q", 8.0, "L/h", "exchange with the tissue"),
        Parameter("VP", 100.0, "L", "volume of the tissue"),
        Parameter("KA", 0.9, "1/h", "absorption rate", cv=0.4),
        Parameter("KE0", 0.2, "1/h", "equilibration of the effect site"),
        *turnover(1, 10.0, 0.1, 0.9, 0.5, 1.5),
        *turnover(2, 5.0, 0.05, 0.8, 1.0, 2.0),
        *turnover(3, 20.0, 0.3, 0.95, 0.3, 0.8),
    ],
    outputs=[
        Output("depot_out", "mg", "amount in the gut"),
        Output("central_out", "mg", "amount in plasma"),
        Output("peripheral_out", "mg", "amount in the tissue"),
        Output("effect_out", "mg/L", "concentration at the effect site"),
        Output("M1_out", "", "first marker"),
        Output("M2_out", "", "second marker"),
        Output("M3_out", "", "third marker"),
        Output("CP", "mg/L", "plasma concentration"),
    ],
    initial=initial,
    dynamics=dynamics,
    calculate=outputs,
)
