"""A new (invented) patient with three measurements: the individual posterior, and the schedule that meets a target."""

import sys
import tempfile
from pathlib import Path

import pkpd

out = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="pkpd-"))
out.mkdir(parents=True, exist_ok=True)

model = pkpd.models["anakinra"]

# Plasma concentrations in mg/L at hours after the first dose; "<0.03" is a value below the limit of quantification.
patient = pkpd.individual(
    model,
    [("Cc", 5.0, 0.71), ("Cc", 24.0, 0.021), ("Cc", 48.0, "<0.03")],
    regimen="100 mg SC daily x3",
    covariates={"WT": 82, "CRCL": 110},
    seed=1,
)
print(patient)
print(patient.table().round(3).to_string())

schedules = {
    "100 mg daily": "100 mg SC daily x7",
    "100 mg BID": "100 mg SC BID x7d",
    "200 mg daily": "200 mg SC daily x7",
}
advice = pkpd.recommend(patient, schedules, "blockade > 0.8 at trough", IC50=0.027, n=500, seed=1)
print(f"\n{advice}")
advice.table.to_csv(out / "schedules.csv")
print(f"wrote {out / 'schedules.csv'}")
