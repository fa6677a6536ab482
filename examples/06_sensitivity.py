"""What drives the trough of anakinra: exact derivatives at one point, and shares of variance over ranges."""

import sys
import tempfile
from pathlib import Path

import pkpd

out = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="pkpd-"))
out.mkdir(parents=True, exist_ok=True)

model = pkpd.models["anakinra"]
week = pkpd.Regimen.parse("100 mg SC q24h x7", cmt="depot")
times = pkpd.hours(0, 168, 1)

# Elasticity -2 means: 1% more of the parameter, 2% less of the answer.
local = pkpd.sensitivity(model, week, times=times, of="Cc.at(168)", parameters=["CL", "V", "ka", "F"], method="local")
print(local)

# Half of the drug's clearance is the kidney's: what does not knowing the kidneys cost?
ranges = {"CL": (6.7, 13.0), "ka": (0.10, 0.22), "F": (0.80, 0.95), "CRCL": (30, 120), "WT": (50, 100)}
shares = pkpd.sensitivity(
    model, week, times=times, of=["Cc.at(168)", "Cc.max"], parameters=ranges, method=pkpd.Sobol(n=512)
)
print(f"\n{shares}")

ax = pkpd.plot.tornado(shares, "Cc.at(168)")
ax.get_figure().savefig(out / "drivers.png")
print(f"wrote {out / 'drivers.png'}")
