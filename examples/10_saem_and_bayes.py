"""The same data by SAEM, which maximises the exact likelihood, and by NUTS, which has priors and gives a posterior."""

import sys
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import pkpd

out = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="pkpd-"))
out.mkdir(parents=True, exist_ok=True)


def main() -> None:
    """Fit twice and compare."""
    model = pkpd.Model(
        "infusion",
        states=[pkpd.State("central", "mg")],
        parameters=[
            pkpd.Parameter("CL", 4.0, "L/h", "clearance", sd=0.3),
            pkpd.Parameter("V", 70.0, "L", "volume", sd=0.3),
        ],
        outputs=[pkpd.Output("Cc", "mg/L", "plasma concentration", error=pkpd.Proportional(0.2))],
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )
    table = pkpd.EventTable.from_regimen([pkpd.Regimen(amt=100, tinf=1)] * 24, [1, 4, 10, 24, 36])
    people = pkpd.Population.draw(model, 24, seed=2)
    table.frame["DV"] = pkpd.simulate(model, table, people, residual=True)["Cc_observed"].values
    data = pkpd.read_events(table.frame.drop(columns="MDV"))
    start = {"CL": 2.0, "V": 100.0, "sigma_prop": 0.4}

    # Iterations without memory, then with averaging; the objective is by importance sampling.
    saem = pkpd.fit(model, data, pkpd.Saem(burn_in=100, smoothing=150, seed=1), start=start)
    print(saem)
    axes = pkpd.plot.convergence(saem)
    axes.flat[0].figure.savefig(out / "saem.png", dpi=150)

    # Priors: typical values with a standard deviation on their scale, scales of half-normal ones for the others.
    priors = {"CL": (4.0, 0.5), "V": (70.0, 0.5), "omega_CL": 0.5, "omega_V": 0.5, "sigma_prop": 0.3}
    bayes = pkpd.fit(
        model, data, pkpd.Nuts(priors=priors, chains=2, tune=300, draws=500, seed=1), start=start, progress=False
    )
    print(bayes)
    print(f"\nlargest R-hat {bayes.extra['r_hat']:.3f}, least effective sample size {bayes.extra['ess']:.0f}")
    for name, value in saem.estimates.items():
        low, high = saem.ci()[name]
        below, above = bayes.ci()[name]
        print(
            f"{name:>10}  SAEM {value:7.3f} ({low:.3f} to {high:.3f})   "
            f"posterior {bayes.estimates[name]:7.3f} ({below:.3f} to {above:.3f})"
        )
    saem.save(out / "saem.json")


if __name__ == "__main__":  # chains run in processes of their own
    main()
