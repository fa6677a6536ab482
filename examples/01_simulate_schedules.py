"""Three schedules of anakinra in the same 200 people: curves, a table of exposure, and a figure."""

import sys
import tempfile
from pathlib import Path

import pkpd

out = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="pkpd-"))
out.mkdir(parents=True, exist_ok=True)

model = pkpd.models["anakinra"]
people = pkpd.Population.draw(
    model,
    200,
    covariates={
        "WT": pkpd.distributions.lognormal(70, 0.2),
        "CRCL": pkpd.distributions.normal(90, 15, low=40, high=140),
    },
    seed=1,
)
schedules = {
    "daily": pkpd.Regimen.parse("100 mg SC daily x7", cmt="depot"),
    "BID": pkpd.Regimen.parse("100 mg SC BID x7d", cmt="depot"),
    "200 then 100": pkpd.Regimen.parse("200 mg SC then 100 mg SC q24h x6", cmt="depot"),
}

# An xarray.Dataset: dimensions regimen, subject, time, and a unit on every variable.
sims = pkpd.simulate(model, schedules, people, pkpd.hours(0, 168, 1))
found = pkpd.exposure(sims["Cc"])
print(pkpd.report.exposure_summary(found))

sims.to_netcdf(out / "schedules.nc", engine="h5netcdf")
axes = pkpd.plot.compare(sims, "Cc", log=True)
axes[0].figure.savefig(out / "schedules.png")
print(f"wrote {out / 'schedules.nc'} and {out / 'schedules.png'}")
