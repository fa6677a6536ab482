"""Several schedules in the same people: exposure, blockade at the trough, paired contrasts, the chance of a target."""

import sys
import tempfile
from pathlib import Path

import pkpd

out = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="pkpd-"))
out.mkdir(parents=True, exist_ok=True)

model = pkpd.models["anakinra"]
known = pkpd.comparison.schedules(model)
arms = {
    "100 mg daily": known["100 mg daily"],
    "100 mg BID": known["100 mg BID"],
    "50 mg BID": "50 mg SC BID x14d",  # the same daily amount in two halves
    "every other day, CLcr 20": pkpd.comparison.Arm(known["100 mg every other day"], {"CRCL": 20}),
}
found = pkpd.compare(model, arms, n=200, IC50=0.027, targets="blockade > 0.9 at trough", seed=1)
print(found)

contrast = found.ratios(to="100 mg daily", measures=["AUC24", "Ctrough"])
print("\nEach person against the same person on 100 mg daily:")
print(contrast[["ratio", "ratio_low", "ratio_high", "P(higher)"]].round(2).to_string())

axes = pkpd.plot.comparison(found, ["AUC24", "Ctrough", "blockade_trough"], log=["AUC24", "Ctrough"])
axes[0].figure.savefig(out / "compared.png")
found.table(text=False).to_csv(out / "compared.csv")
print(f"wrote {out / 'compared.png'} and {out / 'compared.csv'}")
