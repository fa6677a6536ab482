"""A patient of one's own (here: an invented one) written down as a seed folder, and what the facts teach."""

import sys
import tempfile
from pathlib import Path

import pkpd

out = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="pkpd-"))
seed = out / "mine"
seed.mkdir(parents=True, exist_ok=True)

# Four files, which you would write with a spreadsheet; `pkpd validate mine/` names every fault in them.
(seed / "source.toml").write_text(
    """name = "mine"
citation = "An invented patient, for this example"
doi = ""
kind = "one adult with hyperinflammation"
day_zero = "day of admission"
start_day = -2
cohorts = ["mine"]
readable = []
""",
    encoding="utf-8",
)
(seed / "patients.csv").write_text(
    """patient,cohort,quantity,printed,printed_unit,value,unit,known,where,reason
a,mine,WT,64,kg,64,kg,read,chart,
a,mine,CRCL,55,mL/min,55,mL/min,read,chart,
""",
    encoding="utf-8",
)
(seed / "doses.csv").write_text(
    """patient,drug,printed,amt,unit,route,start,interval,number,duration,known,where,reason
a,anakinra,100 mg SC daily,100,mg,SC,3,24,8,,read,chart,
""",
    encoding="utf-8",
)
(seed / "facts.csv").write_text(
    """fact,patient,marker,kind,time,time_to,at,op,printed,printed_unit,value,value_to,unit,reading_sd,use,known,where,reason
crp_0,a,CRP,value,0,,,,90,mg/L,90,,mg/L,,fit,read,chart,
crp_3,a,CRP,value,3,,,,205,mg/L,205,,mg/L,,fit,read,chart,
crp_5,a,CRP,value,5,,,,88,mg/L,88,,mg/L,,fit,read,chart,
crp_8,a,CRP,below,8,,,,<20,mg/L,20,,mg/L,,fit,read,chart,
ferritin_peak,a,ferritin,peak,0,9,4,,6200,ug/L,6200,,ng/mL,,fit,read,chart,
""",
    encoding="utf-8",
)
report = pkpd.seeds[seed]
print(report)

# What is free, and what was believed of it before: (median, standard deviation on the scaled axis).
# A study can also be a file, study.py, for `pkpd calibrate` and `pkpd run`.
study = pkpd.Study(
    "mine",
    model="anakinra_inflammation",
    evidence=[report],
    free=[
        pkpd.Free("tone.phi", (0.5, 1.5), scale="logit", level="patient", source="no opinion"),
        pkpd.Free("tone.t_on", (36.0, 24.0), scale="identity", level="patient", source="about admission"),
        pkpd.Free("tone.t_off", (360.0, 120.0), scale="identity", level="patient", source="two weeks, wide"),
        pkpd.Free("acute.slope_CRP", (200.0, 0.6), level="patient", source="severe disease"),
        pkpd.Free("injury.slope_ferritin", (4000.0, 1.0), level="patient", source="severe disease"),
    ],
)
fit = pkpd.fit(study, method=pkpd.Mode(seed=1))
print(f"\n{fit}")
print(fit.summary()[["50%", "2.5%", "97.5%"]].round(3).to_string())

taught = fit.contraction()[["contraction", "verdict"]].round(2)
print(f"\nWhat these facts taught:\n{taught.to_string()}")
print(f"\nFacts inside the 95% interval of their prediction: {int(fit.facts()['inside'].sum())} of {len(fit.facts())}")
fit.save(out / "mine.nc")
print(f"wrote {out / 'mine.nc'}")
