"""A clinical report as data: its patients, doses and facts, each with its place in the source."""

import sys
import tempfile
from pathlib import Path

import pkpd

out = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="pkpd-"))
out.mkdir(parents=True, exist_ok=True)

print(pkpd.seeds.entries())

report = pkpd.seeds["strati2020"]  # or the folder of a report of your own
print(f"\n{report}")
print(f"\nWho: {report.cohorts}")

facts = report.fact_table
first = facts[(facts["patient"] == "p1") & (facts["use"] == "fit")]
print("\nWhat is said of patient p1 and can inform a model:")
print(
    first[["marker", "kind", "time", "time_to", "printed", "printed_unit", "value", "unit", "known"]].to_string(
        index=False
    )
)

# Doses are usable in simulate as they are; time 0 h is the report's start_day.
model = pkpd.models["anakinra"]
sims = pkpd.simulate(model, report.regimen("p1"), times=pkpd.hours(0, 24 * 25, 1))
peak = sims["Cc"].max().item()
when = report.day(sims["time"].values[sims["Cc"].values.argmax()])
print(f"\nAnakinra of p1 would peak at {peak:.2f} mg/L in a typical person, on day {when:.1f}")

axes = pkpd.plot.evidence(report, width="double")
axes[0].figure.savefig(out / "strati2020.png")
print(f"wrote {out / 'strati2020.png'}")
